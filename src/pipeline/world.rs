//! What all loops share, and what wakes them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{canary::Canaries, duties::Leases, queued::Queued, states::States};
use crate::{
    clock::{self, Clock},
    config::{MailboxName, effective::Salt},
    effect::live::Live,
    generation::Generation,
    halo::registry::Registry,
    journal::{Change, Journal, Queue},
    mailbox::Turns,
    metrics::Meters,
    oauth::SignIns,
    web::Web,
    when,
};

/// Something that is overdue finds no free place just now, so it is not asked for all the time.
const OVERDUE: Duration = Duration::from_secs(1);

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
    /// Tokens for mail servers.
    pub sign_ins: Arc<SignIns>,
    /// Whose turn it is to sign in to a mailbox.
    pub turns: Turns,
    /// Performs what steps ask.
    pub live: Live,
    /// Posts reports.
    pub web: Web,
    /// Of this machine.
    pub hostname: String,
    /// What wakes the loops.
    pub bells: Bells,
    /// How mailboxes and connections are.
    pub state: States,
    /// Of this process, for what of a configuration is not to be seen.
    pub salt: Salt,
    /// How our own mail fares that shows whether mail comes.
    pub canary: Canaries,
    /// Since when that is known.
    pub began: Timestamp,
    /// Whoever sends letters: two who took up the same one would send it twice.
    pub outbox: tokio::sync::Mutex<()>,
    /// What is here and waits for its turn.
    pub(super) queued: Queued,
    /// What this node alone does.
    pub leases: Leases,
    /// Cancelled when the daemon stops.
    pub stop: CancellationToken,
    /// Cancelled when it is to stop at once, without waiting for what is in hand.
    pub hurry: CancellationToken,
}

/// What wakes the loops.
#[derive(Debug, Default)]
pub struct Bells {
    /// A message may have become runnable.
    pub work: Notify,
    /// A letter was written.
    pub outbox: Arc<Notify>,
    /// A notice was written.
    pub report: Notify,
    /// A configuration was loaded: what was refused may have been mended, and nobody rests any longer.
    pub mended: watch::Sender<()>,
    settle: Mutex<HashMap<MailboxName, Arc<Notify>>>,
    coming: Mutex<HashMap<MailboxName, Arc<Notify>>>,
}

impl Bells {
    /// Something ended in this mailbox.
    pub fn settle(&self, mailbox: &MailboxName) -> Arc<Notify> {
        bell(&self.settle, mailbox)
    }

    /// Something came into this mailbox that will end soon.
    pub fn coming(&self, mailbox: &MailboxName) -> Arc<Notify> {
        bell(&self.coming, mailbox)
    }
}

fn bell(bells: &Mutex<HashMap<MailboxName, Arc<Notify>>>, mailbox: &MailboxName) -> Arc<Notify> {
    let mut bells = bells.lock().unwrap_or_else(PoisonError::into_inner);
    bells.entry(mailbox.clone()).or_default().clone()
}

impl World {
    /// A world over this journal and configuration.
    pub fn new(
        journal: Arc<dyn Journal>,
        clock: Clock,
        generation: Generation,
        hostname: String,
    ) -> Result<World, String> {
        let began = clock.now();
        let halos = Arc::new(Registry::counted_by(journal.clone()));
        halos.update(&generation.config)?;
        let sign_ins = SignIns::new(&generation.config.state_dir, clock.clone());
        let live = Live::new(journal.clone(), clock.clone(), halos.clone());
        let bells = Bells {
            outbox: live.posted.clone(),
            ..Bells::default()
        };
        let state = States::default();
        state.loads(clock.now());
        Ok(World {
            live,
            web: Web::default(),
            sign_ins: Arc::new(sign_ins),
            journal,
            clock,
            generation: ArcSwap::from_pointee(generation),
            halos,
            turns: Turns::default(),
            hostname,
            bells,
            state,
            salt: Salt::new().map_err(|_| "the system gives no random numbers".to_owned())?,
            canary: Canaries::default(),
            began,
            outbox: tokio::sync::Mutex::default(),
            queued: Queued::default(),
            leases: Leases::default(),
            stop: CancellationToken::new(),
            hurry: CancellationToken::new(),
        })
    }

    /// What is counted as it happens.
    pub fn meters(&self) -> &Meters {
        &self.halos.meters
    }

    /// Whether the journal takes a change within this time; otherwise why not.
    pub async fn takes_a_change(&self, patience: Duration) -> Result<(), String> {
        let change = Change::Kept {
            name: "alive".to_owned(),
            value: json!(self.clock.now()),
        };
        match tokio::time::timeout(patience, self.journal.write(change)).await {
            Ok(written) => written.map(drop).map_err(|error| error.to_string()),
            Err(_) => Err(format!(
                "the journal has taken no change for {}",
                when::length(patience)
            )),
        }
    }

    /// How long until something of this queue falls due, at most `longest`.
    pub(super) async fn until_due(&self, queue: Queue, longest: Duration) -> Duration {
        match self.journal.next_due(queue).await {
            Ok(Some(due)) => match Duration::try_from(due.duration_since(self.clock.now())) {
                Ok(until) if !until.is_zero() => until.min(longest),
                _ => OVERDUE,
            },
            _ => longest,
        }
    }

    /// Waits for `bell`, `longest`, or the stop; says whether to go on.
    pub(super) async fn pause(&self, stop: &CancellationToken, bell: &Notify, longest: Duration) -> bool {
        tokio::select! {
            () = bell.notified() => true,
            () = clock::sleep(longest) => true,
            () = stop.cancelled() => false,
        }
    }
}
