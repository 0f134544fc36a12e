//! The way of a message, on one page: four loops that are joined by the journal alone.
//!
//! ```text
//!  mailbox ──receive──▶ journal ──work──▶ journal ──settle──▶ mailbox
//!                                   │         └────outbox──▶ SMTP server
//!                                   └─▶ Halo
//! ```
//!
//! Each loop has a *pass* that does all there is to do now, and a *loop* that makes a pass whenever a bell rings
//! or something falls due. `run` runs the loops, `run --once` the passes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::{ConnectionName, MailboxName},
    effect::live::Live,
    generation::Generation,
    halo::registry::Registry,
    journal::Journal,
};

pub mod ending;
pub mod handed;
pub mod outbox;
pub mod receive;
pub mod report;
pub mod settle;
pub mod work;

/// So many octets of mail are in memory at once, in KiB; one message larger than that has it for itself.
const BUDGET_KIB: u32 = 24 * 1024;

/// What all loops share. It outlives every reload.
pub struct World {
    /// The truth that every loop works from.
    pub journal: Arc<dyn Journal>,
    /// Where the time is read.
    pub clock: Clock,
    /// The current configuration; an attempt keeps the one it began with.
    pub generation: ArcSwap<Generation>,
    /// The Halo connections.
    pub halos: Arc<Registry>,
    /// Performs what steps ask.
    pub live: Live,
    /// Of this machine.
    pub hostname: String,
    /// Permits are KiB of messages in flight.
    pub budget: Arc<Semaphore>,
    /// What wakes the loops.
    pub bells: Bells,
    /// How mailboxes and connections are.
    pub state: States,
    /// Cancelled when the daemon stops.
    pub stop: CancellationToken,
}

/// What wakes the loops.
#[derive(Debug, Default)]
pub struct Bells {
    /// A message may have become runnable.
    pub work: Notify,
    /// A letter was written.
    pub outbox: Notify,
    /// A notice was written.
    pub report: Notify,
    settle: Mutex<HashMap<MailboxName, Arc<Notify>>>,
}

impl Bells {
    /// Something ended in this mailbox.
    pub fn settle(&self, mailbox: &MailboxName) -> Arc<Notify> {
        let mut bells = self.settle.lock().unwrap_or_else(PoisonError::into_inner);
        bells.entry(mailbox.clone()).or_default().clone()
    }
}

/// How the mailboxes and connections are, for the status line, `run --once` and the watchdog.
#[derive(Debug, Default)]
pub struct States(Mutex<StateMaps>);

#[derive(Debug, Default)]
struct StateMaps {
    mailboxes: BTreeMap<MailboxName, MailboxState>,
    outages: BTreeMap<ConnectionName, String>,
}

/// How a mailbox is.
#[derive(Debug, Clone, Default)]
pub struct MailboxState {
    /// When it was looked at last without an error.
    pub last_good: Option<Timestamp>,
    /// What is wrong now.
    pub trouble: Option<String>,
}

impl States {
    fn maps(&self) -> std::sync::MutexGuard<'_, StateMaps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mailbox was looked at and all is well; says whether it was not so before.
    pub fn mailbox_is_well(&self, name: &MailboxName, now: Timestamp) -> bool {
        let mut maps = self.maps();
        let state = maps.mailboxes.entry(name.clone()).or_default();
        let recovered = state.trouble.take().is_some();
        state.last_good = Some(now);
        recovered
    }

    /// Something is wrong with the mailbox; says whether that is news.
    pub fn mailbox_has_trouble(&self, name: &MailboxName, trouble: String) -> bool {
        let mut maps = self.maps();
        let state = maps.mailboxes.entry(name.clone()).or_default();
        state.trouble.replace(trouble).is_none()
    }

    /// Something is wrong with the connection; says whether that is news.
    pub fn connection_has_trouble(&self, name: &str, trouble: String) -> bool {
        self.maps()
            .outages
            .insert(ConnectionName(name.to_owned()), trouble)
            .is_none()
    }

    /// No connection is known to have trouble: called when a message went through.
    pub fn connections_are_well(&self) -> bool {
        let mut maps = self.maps();
        let recovered = !maps.outages.is_empty();
        maps.outages.clear();
        recovered
    }

    /// All mailboxes.
    pub fn mailboxes(&self) -> BTreeMap<MailboxName, MailboxState> {
        self.maps().mailboxes.clone()
    }

    /// What is wrong with connections now.
    pub fn outages(&self) -> BTreeMap<ConnectionName, String> {
        self.maps().outages.clone()
    }
}

impl World {
    /// A world over this journal and configuration.
    pub fn new(
        journal: Arc<dyn Journal>,
        clock: Clock,
        generation: Generation,
        hostname: String,
    ) -> Result<World, String> {
        let halos = Arc::new(Registry::default());
        halos.update(&generation.config)?;
        Ok(World {
            live: Live::new(journal.clone(), clock.clone(), halos.clone()),
            journal,
            clock,
            generation: ArcSwap::from_pointee(generation),
            halos,
            hostname,
            budget: Arc::new(Semaphore::new(usize::try_from(BUDGET_KIB).unwrap_or(usize::MAX))),
            bells: Bells::default(),
            state: States::default(),
            stop: CancellationToken::new(),
        })
    }
}

/// Waits for `bell`, `longest`, or the stop; says whether to go on.
pub(crate) async fn pause(bell: &Notify, longest: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = bell.notified() => true,
        () = tokio::time::sleep(longest) => true,
        () = stop.cancelled() => false,
    }
}
