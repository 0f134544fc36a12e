//! The service: one task a mailbox, the workers, reload, stop on a signal, systemd.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock,
    config::{MailboxConfig, MailboxName},
    generation::Generation,
    http,
    journal::{Change, JournalError},
    pipeline::{
        self, World, canary,
        lane::Lane,
        receive::{Doubts, Watched},
        report,
        settle::{self, Settler},
        work::{Crew, InHand},
    },
};

pub mod control;
mod descriptors;
mod expiry;
pub mod memory;
pub mod once;
pub mod reload;
pub mod signals;
pub mod systemd;

use reload::Reload;

/// So long what is in hand may take after a stop, before it is handed back; systemd's patience is 90 s, ours 10 s.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);
/// How often old octets and rows are dropped.
const TRIM_EVERY: Duration = Duration::from_secs(3600);
/// Between the receive loops and the workers.
const HANDED: usize = 64;

/// Why the daemon ended though nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// What is kept of an earlier process can not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A fault of the program.
    #[error("the loop {name} broke off by a fault of the program")]
    Broken {
        /// Which one.
        name: &'static str,
    },
}

/// Runs until the stop. `reloads` gives each new configuration.
pub async fn run(world: Arc<World>, mut reloads: mpsc::Receiver<Reload>) -> Result<(), DaemonError> {
    memory::recall(&world).await?;
    let (hand, handed) = mpsc::channel(HANDED);
    let crew = Crew::new(world.clone());
    let loops = Loops::new(world.clone());
    loops.start("work", {
        let crew = crew.clone();
        async move { pipeline::work(&crew, handed).await }
    });
    let shared = || world.clone();
    let (of_outbox, of_report, of_retention, of_memory) = (shared(), shared(), shared(), shared());
    let (of_expiry, of_settling, of_canary) = (shared(), shared(), shared());
    loops.start("outbox", async move { pipeline::outbox(&of_outbox).await });
    loops.start("report", async move { report::run(&of_report).await });
    loops.start("retention", async move { trim(&of_retention).await });
    loops.start("memory", async move { memory::run(&of_memory).await });
    loops.start("canary", async move { canary::run(&of_canary).await });
    loops.start("expiry", async move { expiry::run(&of_expiry).await });
    loops.start("settling", async move { settle::remind(&of_settling).await });
    loops.start("control", control::serve(world.clone(), crew.clone()));
    loops.start("http", http::serve(world.clone()));
    loops.start("systemd", systemd::beat(world.clone()));
    let mut mailboxes = Mailboxes {
        world: world.clone(),
        hand,
        tasks: loops.tasks.clone(),
        running: BTreeMap::new(),
        leaving: BTreeMap::new(),
    };
    mailboxes.apply(&world.generation.load_full());

    loop {
        tokio::select! {
            () = world.stop.cancelled() => break,
            Some(Reload { generation, taken }) = reloads.recv() => {
                reload::swap(&world, generation).await;
                mailboxes.apply(&world.generation.load_full());
                // Whoever asked may be gone.
                let _ = taken.send(());
            }
        }
    }
    drop(mailboxes);
    tokio::join!(crew.stop(PATIENCE), loops.ended());
    memory::keep(&world).await;
    match loops.broken.get() {
        Some(name) => Err(DaemonError::Broken { name }),
        None => Ok(()),
    }
}

/// When a stop has had all the time that it may take.
async fn stop_is_over(world: &World) {
    world.stop.cancelled().await;
    tokio::select! {
        () = tokio::time::sleep(PATIENCE) => {}
        () = world.hurry.cancelled() => {}
    }
}

/// The loops; each ends by itself at a stop, and only then.
struct Loops {
    world: Arc<World>,
    tasks: TaskTracker,
    broken: Arc<OnceLock<&'static str>>,
}

impl Loops {
    fn new(world: Arc<World>) -> Loops {
        Loops {
            world,
            tasks: TaskTracker::new(),
            broken: Arc::default(),
        }
    }

    /// One that ends before the stop ends the daemon: systemd starts it anew.
    fn start(&self, name: &'static str, run: impl Future<Output = ()> + Send + 'static) {
        let (stop, broken) = (self.world.stop.clone(), self.broken.clone());
        self.tasks.spawn(async move {
            // A panic was printed by its hook.
            let _ = tokio::spawn(run).await;
            if !stop.is_cancelled() {
                let _ = broken.set(name);
                stop.cancel();
            }
        });
    }

    /// Waits for all of them, but not longer than a stop may take: a letter that is leaving goes on for so long.
    async fn ended(&self) {
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => {}
            () = stop_is_over(&self.world) => {}
        }
    }
}

/// The watched mailboxes. A reload touches only those whose configuration changed.
struct Mailboxes {
    world: Arc<World>,
    hand: mpsc::Sender<InHand>,
    tasks: TaskTracker,
    running: BTreeMap<MailboxName, Running>,
    /// The loops that were stopped last under a name: the next ones there begin when these have ended.
    leaving: BTreeMap<MailboxName, TaskTracker>,
}

struct Running {
    started_from: MailboxConfig,
    stop: CancellationToken,
    /// Its loops alone.
    tasks: TaskTracker,
}

impl Mailboxes {
    fn apply(&mut self, generation: &Generation) {
        let wanted = |name: &MailboxName, running: &Running| {
            generation
                .config
                .mailboxes
                .get(name)
                .is_some_and(|config| config.enabled && *config == running.started_from)
        };
        for (name, running) in self.running.extract_if(.., |name, running| !wanted(name, running)) {
            tracing::info!(mailbox = name.0, "mailbox {name} is no longer watched as it was");
            running.stop.cancel();
            running.tasks.close();
            self.world.state.forget(&name, self.world.clock.now());
            self.leaving.insert(name, running.tasks);
        }
        let mailboxes = &generation.config.mailboxes;
        let watched = mailboxes.values().filter(|config| config.enabled).count();
        descriptors::make_room(watched, generation.config.http.is_some());
        for (name, config) in mailboxes {
            if config.enabled && !self.running.contains_key(name) {
                self.running.insert(name.clone(), self.start(name, config));
            }
        }
    }

    fn start(&self, name: &MailboxName, config: &MailboxConfig) -> Running {
        let stop = self.world.stop.child_token();
        self.world.state.watches(name);
        let watched = Arc::new(Watched {
            world: self.world.clone(),
            name: name.clone(),
            config: config.clone(),
            hand: self.hand.clone(),
            lane: Lane::default(),
            doubts: Doubts::default(),
            stop: stop.clone(),
        });
        let settler = Arc::new(Settler {
            world: self.world.clone(),
            name: name.clone(),
            config: config.clone(),
            stop: stop.clone(),
        });
        let receiving = survive(name.clone(), stop.clone(), move || {
            let watched = watched.clone();
            async move { pipeline::receive(&watched).await }
        });
        let settling = survive(name.clone(), stop.clone(), move || {
            let settler = settler.clone();
            async move { pipeline::settle(&settler).await }
        });
        let running = Running {
            started_from: config.clone(),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
        };
        let (before, name) = (self.leaving.get(name).cloned(), name.0.clone());
        self.tasks.spawn(running.tasks.track_future(async move {
            // Two settlers would each move the same message.
            if let Some(before) = before {
                before.wait().await;
            }
            if !stop.is_cancelled() {
                tracing::info!(mailbox = name, "mailbox {name} is watched");
                tokio::join!(receiving, settling);
            }
        }));
        running
    }
}

/// Runs a mailbox's loop in a task of its own and starts it again after a panic: what one server sends never
/// stops the daemon.
async fn survive<F, R>(mailbox: MailboxName, stop: CancellationToken, run: F)
where
    F: Fn() -> R,
    R: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = tokio::spawn(run()).await {
        tracing::error!(
            mailbox = mailbox.0,
            "the work on mailbox {mailbox} broke off by a fault of the program and begins again: {error}"
        );
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn trim(world: &World) {
    loop {
        if let Err(error) = trim_once(world).await {
            tracing::warn!("what retention no longer keeps is dropped in an hour: {error}");
        }
        tokio::select! {
            () = clock::sleep(TRIM_EVERY) => {}
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
