//! The service: one task a mailbox, the workers, reload, stop on a signal, systemd.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::{
    clock, http,
    journal::{Change, JournalError},
    pipeline::{self, World, canary, settle, work::Crew},
    task,
};

pub mod control;
mod descriptors;
mod duties;
mod expiry;
pub mod memory;
pub mod once;
pub mod reload;
pub mod signals;
pub mod systemd;

use duties::Duties;
use reload::Reload;

/// So long what is in hand may take after a stop, before it is handed back; systemd's patience is 20 s, ours 10 s.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);
/// At its very end the journal is told within this time.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
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
    let (of_retention, of_memory, of_settling, of_canary) = (shared(), shared(), shared(), shared());
    loops.start("retention", async move { trim(&of_retention).await });
    loops.start("memory", async move { memory::run(&of_memory).await });
    loops.start("canary", async move { canary::run(&of_canary).await });
    loops.start("settling", async move { settle::remind(&of_settling).await });
    loops.start("control", control::serve(world.clone(), crew.clone()));
    loops.start("http", http::serve(world.clone()));
    loops.start("systemd", systemd::beat(world.clone()));
    let mut duties = Duties::new(world.clone(), crew.clone(), hand, loops.tasks.clone());
    world.stop.run_until_cancelled(duties.turn()).await;

    loop {
        let taken = tokio::select! {
            () = world.stop.cancelled() => break,
            () = duties.due() => None,
            Some(Reload { generation, taken }) = reloads.recv() => {
                reload::swap(&world, generation).await;
                Some(taken)
            }
        };
        world.stop.run_until_cancelled(duties.turn()).await;
        if let Some(taken) = taken {
            // Whoever asked may be gone.
            let _ = taken.send(());
        }
    }
    let hand_over = async {
        tokio::select! { () = duties.hand_over() => {}, () = stop_is_over(&world) => {} }
    };
    let put_down = tokio::time::timeout(PATIENCE + LEAVE_WITHIN, crew.stop(PATIENCE));
    let _ = tokio::join!(put_down, hand_over, loops.ended());
    // With a database that hangs each would wait for the other.
    let _ = tokio::time::timeout(LEAVE_WITHIN, memory::keep(&world)).await;
    leave(&world).await;
    match loops.broken.get() {
        Some(name) => Err(DaemonError::Broken { name }),
        None => Ok(()),
    }
}

/// What this node has left is free for others at once.
async fn leave(world: &World) {
    match tokio::time::timeout(LEAVE_WITHIN, world.journal.leave()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("the journal can not be told that this process ends: {error}"),
        Err(_) => tracing::warn!("the journal can not be told in time that this process ends"),
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
        task::spawn_in(&self.tasks, async move {
            // A panic was printed by its hook.
            let _ = task::spawn(run).await;
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
