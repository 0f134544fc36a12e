//! `run`: the daemon, or with `--once` everything in hand once.

use std::sync::Arc;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{Common, Ended, Failure, Status, hostname, runtime};
use crate::{
    clock::Clock,
    daemon::{self, once, reload, systemd},
    journal::sqlite::Sqlite,
    pipeline::World,
};

/// Watches the mailboxes
#[derive(Debug, clap::Args)]
pub struct Run {
    /// Takes all that is in hand once and exits: 0 nothing is left, 75 something stays deferred, 69 a mailbox or
    /// connection was not reached
    #[arg(long)]
    once: bool,
}

impl Run {
    /// Runs until a signal, or once.
    pub fn perform(&self, common: &Common) -> Ended {
        let generation = common.generation()?;
        common.begin_logging("info")?;
        let clock = Clock::system();
        let journal = Arc::new(Sqlite::open(&generation.config.state_dir, clock.clone(), true)?);
        let path = generation.path.clone();
        runtime()?.block_on(async {
            let world = World::new(journal, clock, generation, hostname());
            let world = Arc::new(world.map_err(|text| Failure::new(Status::Configuration, text))?);
            let reloads = spawn_signals(world.clone(), path)?;
            if self.once {
                run_once(&world).await
            } else {
                run(world, reloads).await
            }
        })
    }
}

async fn run(world: Arc<World>, reloads: mpsc::Receiver<crate::generation::Generation>) -> Ended {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = world.generation.load().digest,
        "begins"
    );
    daemon::run(world, reloads).await;
    tracing::info!("ended");
    Ok(Status::Done)
}

async fn run_once(world: &Arc<World>) -> Ended {
    let bar = super::print::progress(world);
    let left = once::run(world).await?;
    drop(bar);
    match left {
        once::Left::Nothing => Ok(Status::Done),
        once::Left::Deferred { count } => {
            tracing::warn!("{count} messages come again later");
            Ok(Status::TryAgain)
        }
        once::Left::Unavailable { troubles } => Err(Failure::new(Status::Unavailable, troubles.join("\n"))),
    }
}

/// SIGTERM and SIGINT stop; SIGHUP loads the configuration again.
fn spawn_signals(
    world: Arc<World>,
    path: std::path::PathBuf,
) -> Result<mpsc::Receiver<crate::generation::Generation>, Failure> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let (loaded, reloads) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    systemd::reloading();
                    let path = path.clone();
                    let generation = tokio::task::spawn_blocking(move || reload::load(&path, &Common::environment())).await;
                    if let Ok(Some(generation)) = generation {
                        let _ = loaded.send(generation).await;
                    }
                    systemd::reloaded();
                }
            }
        }
        tracing::info!("stops");
        world.stop.cancel();
    });
    Ok(reloads)
}
