//! The service: one task a mailbox, the workers, reload, stop on a signal, systemd.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{MailboxConfig, MailboxName},
    generation::Generation,
    journal::{Change, JournalError},
    pipeline::{
        World, outbox,
        receive::Watched,
        report,
        settle::Settler,
        work::{Crew, InHand},
    },
};

pub mod control;
pub mod once;
pub mod reload;
pub mod systemd;

/// So long what is in hand may take after a stop, before it is handed back; systemd's patience is 90 s, ours 10 s.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);
/// How often old octets and rows are dropped.
const TRIM_EVERY: Duration = Duration::from_secs(3600);
/// Between the receive loops and the workers.
pub(crate) const HANDED: usize = 64;

/// Runs until the stop. `reload` gives each new configuration.
pub async fn run(world: Arc<World>, mut reload: mpsc::Receiver<Generation>) {
    let (hand, handed) = mpsc::channel(HANDED);
    let crew = Crew::new(world.clone());
    let mut loops = Loops::default();
    loops.start("work", {
        let crew = crew.clone();
        async move { crew.run(handed).await }
    });
    loops.start("outbox", {
        let world = world.clone();
        async move { outbox::run(&world).await }
    });
    loops.start("report", {
        let world = world.clone();
        async move { report::run(&world).await }
    });
    loops.start("retention", {
        let world = world.clone();
        async move { trim(&world).await }
    });
    loops.start("control", {
        let (world, crew) = (world.clone(), crew.clone());
        async move { control::serve(world, crew).await }
    });
    let mut mailboxes = Mailboxes {
        world: world.clone(),
        hand,
        running: BTreeMap::new(),
    };
    mailboxes.apply(&world.generation.load_full());
    let heart = tokio::spawn(systemd::beat(world.clone()));

    loop {
        tokio::select! {
            () = world.stop.cancelled() => break,
            Some(generation) = reload.recv() => {
                reload::swap(&world, generation);
                mailboxes.apply(&world.generation.load_full());
            }
            name = loops.first_end() => {
                // A loop only ends at a stop: anything else is a fault of the program, and systemd starts it anew.
                if !world.stop.is_cancelled() {
                    tracing::error!("the loop {name} ended; the daemon stops");
                    world.stop.cancel();
                }
                break;
            }
        }
    }
    mailboxes.stop();
    crew.stop(PATIENCE).await;
    // It says that the daemon stops, and may be in the midst of looking at the journal.
    let _ = tokio::time::timeout(Duration::from_secs(1), heart).await;
}

/// The loops that are not a mailbox's.
#[derive(Default)]
struct Loops(Vec<(&'static str, JoinHandle<()>)>);

impl Loops {
    fn start(&mut self, name: &'static str, run: impl Future<Output = ()> + Send + 'static) {
        self.0.push((name, tokio::spawn(run)));
    }

    async fn first_end(&mut self) -> &'static str {
        let ends = self.0.iter_mut().map(|(name, task)| {
            Box::pin(async move {
                // A panic was printed by its hook.
                let _ = task.await;
                *name
            })
        });
        futures_util::future::select_all(ends).await.0
    }
}

/// The watched mailboxes. A reload touches only those whose configuration changed.
struct Mailboxes {
    world: Arc<World>,
    hand: mpsc::Sender<InHand>,
    running: BTreeMap<MailboxName, Running>,
}

struct Running {
    /// What it was started from.
    started_from: String,
    stop: CancellationToken,
}

impl Mailboxes {
    fn apply(&mut self, generation: &Generation) {
        let wanted = |name: &MailboxName, running: &Running| {
            generation
                .config
                .mailboxes
                .get(name)
                .is_some_and(|config| config.enabled && format!("{config:?}") == running.started_from)
        };
        self.running.retain(|name, running| {
            let stays = wanted(name, running);
            if !stays {
                tracing::info!(mailbox = name.0, "is no longer watched as it was");
                running.stop.cancel();
            }
            stays
        });
        for (name, config) in &generation.config.mailboxes {
            if config.enabled && !self.running.contains_key(name) {
                self.running.insert(name.clone(), self.start(name, config));
            }
        }
    }

    fn start(&self, name: &MailboxName, config: &MailboxConfig) -> Running {
        tracing::info!(mailbox = name.0, "is watched");
        let stop = self.world.stop.child_token();
        let watched = Arc::new(Watched {
            world: self.world.clone(),
            name: name.clone(),
            config: config.clone(),
            hand: self.hand.clone(),
            stop: stop.clone(),
        });
        let settler = Arc::new(Settler {
            world: self.world.clone(),
            name: name.clone(),
            config: config.clone(),
            stop: stop.clone(),
        });
        tokio::spawn(survive(stop.clone(), move || {
            let watched = watched.clone();
            async move { watched.run().await }
        }));
        tokio::spawn(survive(stop.clone(), move || {
            let settler = settler.clone();
            async move { settler.run().await }
        }));
        Running {
            started_from: format!("{config:?}"),
            stop,
        }
    }

    fn stop(&self) {
        self.running.values().for_each(|running| running.stop.cancel());
    }
}

/// Runs a mailbox's loop in a task of its own and starts it again after a panic: what one server sends never
/// stops the daemon.
async fn survive<F, R>(stop: CancellationToken, run: F)
where
    F: Fn() -> R,
    R: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = tokio::spawn(run()).await {
        tracing::error!("a mailbox's loop broke off and starts again: {error}");
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn trim(world: &World) {
    loop {
        if let Err(error) = trim_once(world).await {
            tracing::error!("{error}");
        }
        tokio::select! {
            () = tokio::time::sleep(TRIM_EVERY) => {}
            () = world.stop.cancelled() => return,
        }
    }
}

/// Drops what retention no longer keeps.
pub(crate) async fn trim_once(world: &World) -> Result<(), JournalError> {
    let now = world.clock.now();
    let retention = world.generation.load().config.retention.clone();
    let change = Change::Trimmed {
        octets_before: now - retention.octets,
        rows_before: now - retention.rows,
    };
    world.journal.write(change).await.map(drop)
}
