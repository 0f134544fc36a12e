//! The second loop: takes runnable messages in hand, runs them through their rules, writes what came of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::{World, ending::Attempted};
use crate::{
    config::MailboxConfig,
    context::{self, Arrival},
    effect::Effects,
    generation::Generation,
    journal::{Change, Claim, JournalError, Place, Receipt, Spot, Work},
    message::Message,
    outcome::Reason,
    run::{self, End, Setting},
};

/// So many messages run at once; they mostly wait for Halo.
const WORKERS: usize = 64;
/// A message that makes the program panic this often is set aside.
const MOST_PANICS: u32 = 3;
/// Without any bell the loop looks so often; it only matters where a bell was lost.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// A message in hand, with its octets.
pub struct InHand {
    /// What the journal knows of it.
    pub work: Work,
    /// As it came.
    pub octets: Bytes,
    /// Its share of the memory; given back when the attempt ends.
    pub share: Option<OwnedSemaphorePermit>,
}

/// The workers and what they have in hand.
#[derive(Clone)]
pub struct Crew {
    world: Arc<World>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    in_hand: Arc<Mutex<HashMap<Claim, tokio::task::AbortHandle>>>,
}

impl Crew {
    /// Workers for this world.
    pub fn new(world: Arc<World>) -> Crew {
        Crew {
            world,
            places: Arc::new(Semaphore::new(WORKERS)),
            tasks: TaskTracker::new(),
            in_hand: Arc::default(),
        }
    }

    /// The loop: what `receive` hands over, and what the journal has runnable.
    pub async fn run(&self, mut handed: mpsc::Receiver<InHand>) {
        let world = self.world.clone();
        let mut open = true;
        loop {
            let longest = self.until_next_due().await;
            tokio::select! {
                received = handed.recv(), if open => match received {
                    Some(in_hand) => self.take(in_hand).await,
                    None => open = false,
                },
                () = world.bells.work.notified() => self.pass_reporting(None).await,
                () = tokio::time::sleep(longest) => self.pass_reporting(None).await,
                () = world.stop.cancelled() => return,
            }
        }
    }

    /// Works on what is handed over until the senders are gone, then on everything runnable and on every message
    /// that was deferred before `now`; returns when nothing is left to do.
    pub async fn drain(&self, mut handed: mpsc::Receiver<InHand>, now: Timestamp) -> Result<(), JournalError> {
        while let Some(in_hand) = handed.recv().await {
            self.take(in_hand).await;
        }
        loop {
            let taken = self.pass(Some(now)).await?;
            self.idle().await;
            if taken == 0 && self.pass(Some(now)).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Waits until nothing is in hand.
    pub async fn idle(&self) {
        let all = u32::try_from(WORKERS).unwrap_or(u32::MAX);
        drop(self.places.acquire_many(all).await);
    }

    /// At a stop: lets what is in hand finish for so long, then hands it back.
    pub async fn stop(&self, patience: Duration) {
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_ok() {
            return;
        }
        let in_hand: Vec<_> = self.lock().drain().collect();
        for (claim, task) in in_hand {
            task.abort();
            if let Err(error) = self.world.journal.write(Change::Released { claim }).await {
                tracing::error!(
                    message_id = claim.entry.0,
                    "the message could not be handed back: {error}"
                );
            }
        }
    }

    async fn pass_reporting(&self, deferred_before: Option<Timestamp>) {
        if let Err(error) = self.pass(deferred_before).await {
            tracing::error!("{error}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Takes in hand what is runnable, as far as there are places; says how many.
    async fn pass(&self, deferred_before: Option<Timestamp>) -> Result<usize, JournalError> {
        let mut taken = 0;
        loop {
            let free = self.places.available_permits();
            if free == 0 {
                // A message that ends rings the bell again.
                return Ok(taken);
            }
            let works = self.world.journal.claim(free, deferred_before).await?;
            if works.is_empty() {
                return Ok(taken);
            }
            taken += works.len();
            for work in works {
                let octets = self.world.journal.octets(work.claim.entry).await?;
                let Some(octets) = octets else {
                    self.without_octets(work).await;
                    continue;
                };
                let share = self.share_of(octets.len()).await;
                self.take(InHand { work, octets, share }).await;
            }
        }
    }

    async fn share_of(&self, octets: usize) -> Option<OwnedSemaphorePermit> {
        let kib = super::receive::kib(octets);
        self.world.budget.clone().acquire_many_owned(kib).await.ok()
    }

    async fn without_octets(&self, work: Work) {
        let generation = self.world.generation.load_full();
        let attempted = Attempted {
            work: &work,
            generation: &generation,
            message: &Message::default(),
            octets: b"",
            dmarc: "none",
            hostname: &self.world.hostname,
            now: self.world.clock.now(),
            spread: fastrand::f64(),
        };
        self.finish(&work, attempted.failed(Reason::OctetsGone, "")).await;
    }

    /// A worker takes the message; waits for a free one.
    pub async fn take(&self, in_hand: InHand) {
        let place = self
            .places
            .clone()
            .acquire_owned()
            .await
            .expect("the places are never closed");
        let (crew, claim) = (self.clone(), in_hand.work.claim);
        let task = self.tasks.spawn(async move {
            crew.attempt_guarded(in_hand).await;
            crew.lock().remove(&claim);
            drop(place);
            crew.world.bells.work.notify_one();
        });
        self.lock().insert(claim, task.abort_handle());
        if task.is_finished() {
            self.lock().remove(&claim);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Claim, tokio::task::AbortHandle>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One attempt in a task of its own: a panic ends this message's attempt and nothing else.
    async fn attempt_guarded(&self, in_hand: InHand) {
        let InHand { work, octets, share } = in_hand;
        let (world, attempted) = (self.world.clone(), work.clone());
        let change = tokio::spawn(async move { attempt(&world, &attempted, &octets).await });
        let abort = AbortOnDrop(change.abort_handle());
        let change = match change.await {
            Ok(change) => change,
            Err(error) => self.after_panic(&work, &error.to_string()),
        };
        drop(abort);
        self.finish(&work, change).await;
        drop(share);
    }

    fn after_panic(&self, work: &Work, error: &str) -> Change {
        tracing::error!(message_id = work.claim.entry.0, "the attempt broke off: {error}");
        let generation = self.world.generation.load_full();
        let attempted = Attempted {
            work,
            generation: &generation,
            message: &Message::default(),
            octets: b"",
            dmarc: "none",
            hostname: &self.world.hostname,
            now: self.world.clock.now(),
            spread: fastrand::f64(),
        };
        if work.attempt >= MOST_PANICS {
            return attempted.failed(Reason::Bound, "");
        }
        let run = work.run.clone().unwrap_or_default();
        let end = End::Deferred {
            reason: Reason::Bound.word().to_owned(),
            connection: None,
            not_before: None,
            run,
        };
        attempted.change(end, &run::trace::Trace::default())
    }

    /// Writes the end of an attempt, and rings for who comes next. It is written until it is on disk: the message
    /// stays in hand as long.
    async fn finish(&self, work: &Work, change: Change) {
        let world = &self.world;
        log_end(work, &change);
        let writes = (
            matches!(&change, Change::Ended { ended, .. } if ended.bounce.is_some()),
            has_notices(&change),
        );
        loop {
            match world.journal.write(change.clone()).await {
                Ok(Receipt::Stale) => tracing::warn!(message_id = work.claim.entry.0, "the message was taken over"),
                Ok(Receipt::Suppressed) => {
                    tracing::warn!(
                        message_id = work.claim.entry.0,
                        "failed: the sender was told of another message just now"
                    );
                    world.bells.report.notify_one();
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(message_id = work.claim.entry.0, "{error}");
                    if !super::pause(&tokio::sync::Notify::new(), Duration::from_secs(1), &world.stop).await {
                        return;
                    }
                    continue;
                }
            }
            break;
        }
        world.bells.settle(&work.place.mailbox).notify_one();
        if writes.0 {
            world.bells.outbox.notify_one();
        }
        if writes.1 {
            world.bells.report.notify_one();
        }
    }

    async fn until_next_due(&self) -> Duration {
        match self.world.journal.next_due().await {
            Ok(Some(due)) => {
                let until = Duration::try_from(due.duration_since(self.world.clock.now())).unwrap_or_default();
                until.clamp(Duration::from_millis(20), LOOK_AGAIN)
            }
            _ => LOOK_AGAIN,
        }
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn has_notices(change: &Change) -> bool {
    match change {
        Change::Ended { ended, .. } => !ended.notices.is_empty(),
        Change::Deferred { notices, .. } => !notices.is_empty(),
        _ => false,
    }
}

/// One line a message at info.
fn log_end(work: &Work, change: &Change) {
    let (id, mailbox, attempt) = (work.claim.entry.0, &work.place.mailbox.0, work.attempt);
    match change {
        Change::Ended { ended, .. } => tracing::info!(
            message_id = id,
            mailbox,
            attempt,
            outcome = ended.outcome.word(),
            rule = ended.rule,
            reason = ended.reason,
            "{}",
            ended.outcome.word()
        ),
        Change::Deferred { reason, due, .. } => {
            tracing::info!(message_id = id, mailbox, attempt, reason, due = %due, "deferred");
        }
        _ => {}
    }
}

/// Takes one message through its rules and says what the journal shall keep.
async fn attempt(world: &World, work: &Work, octets: &Bytes) -> Change {
    let generation = world.generation.load_full();
    let message = Message::read(octets);
    let email = email_of(&message, &work.place, work.internal_date, octets.len(), &generation);
    let now = world.clock.now();
    let dmarc = email["auth"]["dmarc"].as_str().unwrap_or("none").to_owned();
    let attempted = Attempted {
        work,
        generation: &generation,
        message: &message,
        octets,
        dmarc: &dmarc,
        hostname: &world.hostname,
        now,
        spread: fastrand::f64(),
    };
    if message.author.address.is_empty() {
        return attempted.failed(Reason::NoAuthor, "");
    }
    let setting = Setting {
        rules: &generation.rules,
        config: &generation.config,
        mailbox: &work.place.mailbox,
        email: &email,
        id: work.claim.entry.0,
        attempt: work.attempt,
        hostname: &world.hostname,
        now,
    };
    let mut effects = Effects::new(&world.live, Some(work.claim), work.intents.clone(), now);
    let through = run::through(&setting, work.run.clone(), &mut effects).await;
    note_connection(world, &through.end, &through.trace).await;
    attempted.change(through.end, &through.trace)
}

/// The value of `email` for a message at its place.
pub fn email_of(
    message: &Message,
    place: &Place,
    internal_date: Timestamp,
    size: usize,
    generation: &Generation,
) -> serde_json::Value {
    let mailbox: Option<&MailboxConfig> = generation.config.mailboxes.get(&place.mailbox);
    let tags: Vec<(String, String)> = generation
        .config
        .halo
        .values()
        .flat_map(|halo| halo.subject_tags.clone())
        .collect();
    let arrival = Arrival {
        mailbox: &place.mailbox.0,
        folder: &place.folder,
        uid: match place.spot {
            Spot::Uid { uid, .. } => uid,
            Spot::File { .. } | Spot::Handed { .. } => 0,
        },
        received: internal_date,
        size: u64::try_from(size).unwrap_or(u64::MAX),
        trusted_authserv_ids: mailbox.map_or(&[][..], |mailbox| &mailbox.trusted_authserv_ids),
        subject_tags: &tags,
    };
    context::email(message, &arrival)
}

/// Operators hear once of a connection that has trouble, and once that it is well again.
async fn note_connection(world: &World, end: &End, trace: &run::trace::Trace) {
    let (topic, text) = match end {
        End::Deferred {
            connection: Some(connection),
            reason,
            ..
        } => {
            if !world.state.connection_has_trouble(connection, reason.clone()) {
                return;
            }
            tracing::error!(connection, "messages wait: {reason}");
            (
                format!("connection {connection}"),
                format!("messages wait until this is mended: {reason}"),
            )
        }
        End::Concluded { .. } if asked_halo(trace) && world.state.connections_are_well() => {
            tracing::info!("Halo answers again");
            (
                "connection".to_owned(),
                "Halo answers again; the messages that waited are taken up".to_owned(),
            )
        }
        _ => return,
    };
    super::report::note(world, None, topic, text).await;
}

fn asked_halo(trace: &run::trace::Trace) -> bool {
    let steps = trace.rules.iter().flat_map(|rule| &rule.steps);
    steps
        .flat_map(|step| &step.effects)
        .flat_map(|effect| &effect.calls)
        .any(|call| (200..300).contains(&call.http_status))
}
