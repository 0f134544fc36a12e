//! `run`: the daemon, or with `--once` everything in hand once.

use std::{sync::Arc, time::Duration};

use super::{Common, Ended, Failure, Status, hostname, runtime};
use crate::{
    clock::Clock,
    daemon::{self, once, signals},
    generation::Generation,
    journal::{self, Opening},
    pipeline::World,
    tls,
};

/// What still runs when all is done, a name that is being looked up for one, is not waited for any longer.
const LEFT_OVERS: Duration = Duration::from_millis(500);

/// Watches the mailboxes: the daemon
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
        common.begin_logging("info")?;
        log_panics();
        // The system's authorities take as long to read as all that comes before the first sign-in; whoever needs them says
        // what is wrong.
        std::thread::spawn(|| tls::client_config(None));
        let loaded = Generation::load(
            &common.config_path(|text| tracing::info!("{text}"))?,
            &Common::environment(),
        );
        // Log lines, since a service has no other reader.
        let (generation, warnings) = loaded.map_err(|faults| {
            faults.0.iter().for_each(|fault| tracing::error!("{fault}"));
            Failure::new(Status::Configuration, "")
        })?;
        warnings
            .0
            .iter()
            .for_each(|warning| tracing::warn!("{}", warning.in_log()));
        let runtime = runtime()?;
        let ended = runtime.block_on(self.run(generation));
        runtime.shutdown_timeout(LEFT_OVERS);
        ended
    }

    async fn run(&self, generation: Generation) -> Ended {
        let clock = Clock::system();
        let opening = if self.once { Opening::Alone } else { Opening::Node };
        let journal = Arc::new(journal::open(&generation.config, clock.clone(), opening)?);
        let world = World::new(journal, clock, generation, hostname());
        let world = Arc::new(world.map_err(|text| Failure::new(Status::Configuration, text))?);
        signals::stop_on_signals(world.clone())?;
        if self.once {
            run_once(&world).await
        } else {
            serve(world).await
        }
    }
}

async fn serve(world: Arc<World>) -> Ended {
    let reloads = signals::reload_on_signal(world.clone(), Common::environment())?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = world.generation.load().digest,
        "halo-intake {} begins",
        env!("CARGO_PKG_VERSION")
    );
    daemon::run(world, reloads)
        .await
        .map_err(|error| Failure::new(Status::Broken, error.to_string()))?;
    tracing::info!("halo-intake has ended");
    Ok(Status::Done)
}

async fn run_once(world: &Arc<World>) -> Ended {
    let bar = super::print::progress(world);
    let left = once::run(world).await?;
    drop(bar);
    match left {
        once::Left::Nothing => Ok(Status::Done),
        // What stands still though nothing comes again has its line already.
        once::Left::Deferred { count: 0 } => Ok(Status::TryAgain),
        once::Left::Deferred { count } => {
            let (letters, come) = if count == 1 {
                ("message or letter", "comes")
            } else {
                ("messages or letters", "come")
            };
            tracing::warn!("{count} {letters} {come} again later");
            Ok(Status::TryAgain)
        }
        once::Left::Unavailable { unsaid } => {
            unsaid.iter().for_each(|trouble| tracing::error!("{trouble}"));
            Ok(Status::Unavailable)
        }
    }
}

/// A fault of the program is a log line like any other, with its place. What it says may hold a piece of a mail.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a fault of the program at {place}");
        tracing::debug!(place, "what the program said: {panic}");
    }));
}
