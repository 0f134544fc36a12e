//! The workers and what they have in hand: many messages at a time, each with its place and its share of the memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::AbortHandle,
};
use tokio_util::task::TaskTracker;

use super::{
    JOURNAL_AGAIN, World,
    attempt::without_octets,
    end,
    lane::{Held, Lane},
    through,
};
use crate::{
    journal::{Change, Claim, JournalError, Work},
    mailbox::Share,
    message::Message,
    task,
};

/// A message in hand, with its octets.
pub struct InHand {
    /// What the journal knows of it.
    pub work: Work,
    /// As it came.
    pub octets: Bytes,
    /// As it was read, where somebody has read it already.
    pub message: Option<Box<Message>>,
    /// Its place and its share of the memory.
    pub held: Held,
}

/// The octets of a message, and the message where it was read already.
type Loaded = (Bytes, Option<Box<Message>>);

/// The workers and what they have in hand.
#[derive(Clone)]
pub struct Crew {
    pub(super) world: Arc<World>,
    /// Of what is claimed from the journal.
    lane: Lane,
    /// Of what `process` hands over.
    pub handed: Lane,
    /// Whoever loads a message, of which nobody knows how much memory it takes before it is there.
    loading: Arc<tokio::sync::Mutex<()>>,
    tasks: TaskTracker,
    in_hand: Arc<Mutex<HashMap<Claim, AbortHandle>>>,
}

impl Crew {
    /// Workers for this world.
    pub fn new(world: Arc<World>) -> Crew {
        Crew {
            world,
            lane: Lane::default(),
            handed: Lane::default(),
            loading: Arc::default(),
            tasks: TaskTracker::new(),
            in_hand: Arc::default(),
        }
    }

    /// Takes what `receive` hands over until the stop, then gives back what was not begun.
    pub(super) async fn take_handed(&self, mut handed: mpsc::Receiver<InHand>) {
        loop {
            tokio::select! {
                biased;
                () = self.world.stop.cancelled() => break,
                received = handed.recv() => match received {
                    Some(in_hand) => self.take(in_hand),
                    None => return,
                },
            }
        }
        handed.close();
        while let Some(in_hand) = handed.recv().await {
            release(&self.world, in_hand.work.claim).await;
        }
    }

    /// Works on what is handed over until the senders are gone, then on everything runnable and on every message
    /// that was deferred before that time, or is due where there is none; returns when nothing is left to do, or at the stop.
    pub async fn drain(
        &self,
        mut handed: mpsc::Receiver<InHand>,
        deferred_before: Option<Timestamp>,
    ) -> Result<(), JournalError> {
        let mut open = true;
        loop {
            let taken = self.pass(deferred_before).await?;
            if !open && self.in_hand().is_empty() {
                // What ended between that pass and this look may have let another one go.
                if taken == 0 && self.pass(deferred_before).await? == 0 {
                    return Ok(());
                }
                continue;
            }
            tokio::select! {
                received = handed.recv(), if open => match received {
                    Some(in_hand) => self.take(in_hand),
                    None => open = false,
                },
                // Whatever is in hand now rings when it ends; the bell keeps that until it is heard.
                () = self.world.bells.work.notified() => {}
                () = self.world.stop.cancelled() => {
                    self.take_handed(handed).await;
                    return Ok(());
                }
            }
            while let Ok(in_hand) = handed.try_recv() {
                self.take(in_hand);
            }
        }
    }

    /// At a stop: lets what is in hand finish for so long, then hands it back.
    pub async fn stop(&self, patience: Duration) {
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => return,
            () = tokio::time::sleep(patience) => {}
            () = self.world.hurry.cancelled() => {}
        }
        self.put_down().await;
    }

    /// Breaks off what is in hand, and hands it back.
    async fn put_down(&self) {
        let broken_off = self.break_off().await;
        let releases = broken_off.into_iter().map(|claim| release(&self.world, claim));
        futures_util::future::join_all(releases).await;
    }

    /// This process has become another node: what it has in hand is perhaps others' by now. Once this has ended, nothing
    /// of it goes on; what is still ours is handed back meanwhile.
    pub async fn begin_anew(&self) {
        let broken_off = self.break_off().await;
        let world = self.world.clone();
        task::spawn(async move {
            let releases = broken_off.into_iter().map(|claim| release(&world, claim));
            futures_util::future::join_all(releases).await;
            world.bells.work.notify_one();
        });
    }

    async fn break_off(&self) -> Vec<Claim> {
        let in_hand: Vec<_> = self.in_hand().drain().collect();
        in_hand.iter().for_each(|(_, task)| task.abort());
        while in_hand.iter().any(|(_, task)| !task.is_finished()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        in_hand.into_iter().map(|(claim, _)| claim).collect()
    }

    /// Takes in hand what is runnable, as far as there are places; says how many.
    pub(super) async fn pass(&self, deferred_before: Option<Timestamp>) -> Result<usize, JournalError> {
        let mut taken = 0;
        loop {
            self.world.state.turned();
            let free = self.lane.free();
            // A message that ends rings the bell again; at a stop nothing more is begun.
            if free == 0 || self.world.stop.is_cancelled() {
                return Ok(taken);
            }
            let works = self.world.journal.claim(free, deferred_before).await?;
            taken += works.len();
            if works.is_empty() {
                if self.in_hand().is_empty() {
                    self.world.queued.clear();
                }
                return Ok(taken);
            }
            for work in works {
                let place = self.lane.place().await;
                self.take_claimed(work, place);
            }
        }
    }

    /// A worker takes a message that was handed over.
    pub(super) fn take(&self, in_hand: InHand) {
        let (crew, claim) = (self.clone(), in_hand.work.claim);
        self.spawn(claim, async move { through(&crew.world, in_hand).await });
    }

    /// A worker takes a message that was claimed, and loads it itself: the loop waits for nothing.
    fn take_claimed(&self, work: Work, place: OwnedSemaphorePermit) {
        let crew = self.clone();
        self.spawn(work.claim, async move {
            match crew.load(&work).await {
                Ok(Some(((octets, message), memory))) => {
                    let held = Held {
                        place: Some(place),
                        memory,
                    };
                    let in_hand = InHand {
                        work,
                        octets,
                        message,
                        held,
                    };
                    through(&crew.world, in_hand).await;
                }
                Ok(None) => {
                    let began = Instant::now();
                    end(&crew.world, &work, began, without_octets(&crew.world, &work)).await;
                }
                Err(error) => {
                    let (id, mailbox) = (work.claim.entry.0, &work.place.mailbox.0);
                    tracing::error!(id, mailbox, "message {id} can not be loaded: {error}");
                    tokio::time::sleep(JOURNAL_AGAIN).await;
                    release(&crew.world, work.claim).await;
                }
            }
        });
    }

    async fn load(&self, work: &Work) -> Result<Option<(Loaded, Share)>, JournalError> {
        if let Some((octets, message)) = self.world.queued.take(work.claim.entry) {
            let memory = self.lane.memory([octets.len()].into_iter()).await;
            return Ok(Some(((octets, Some(message)), memory)));
        }
        let _one_at_a_time = self.loading.lock().await;
        let Some(octets) = self.world.journal.octets(work.claim.entry).await? else {
            return Ok(None);
        };
        let memory = self.lane.memory([octets.len()].into_iter()).await;
        Ok(Some(((octets, None), memory)))
    }

    fn spawn(&self, claim: Claim, work: impl Future<Output = ()> + Send + 'static) {
        let crew = self.clone();
        // Held until the handle is in its place, so that the task finds it there however soon it ends.
        let mut in_hand = self.in_hand();
        let task = task::spawn_in(&self.tasks, async move {
            let _ends_it = PutDown { crew, claim };
            work.await;
        });
        in_hand.insert(claim, task.abort_handle());
    }

    fn in_hand(&self) -> MutexGuard<'_, HashMap<Claim, AbortHandle>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a message back untouched: it is runnable at once, and no attempt is counted. Nobody else takes it from a process
/// that is alive, so it is given back until the journal has it; at a stop the next start takes it up.
pub(super) async fn release(world: &World, claim: Claim) {
    let mut is_said = false;
    while let Err(error) = world.journal.write(Change::Released { claim }).await {
        let id = claim.entry.0;
        if !std::mem::replace(&mut is_said, true) {
            tracing::warn!(id, "message {id} can not be handed back yet: {error}");
        }
        tokio::select! {
            () = tokio::time::sleep(JOURNAL_AGAIN) => {}
            () = world.stop.cancelled() => return,
        }
    }
}

/// Ends a message's time in hand, also where a panic ends it: whoever waits for all of them is not left waiting. Such
/// a message stays claimed until the next start, which counts that attempt.
struct PutDown {
    crew: Crew,
    claim: Claim,
}

impl Drop for PutDown {
    fn drop(&mut self) {
        self.crew.in_hand().remove(&self.claim);
        self.crew.world.bells.work.notify_one();
    }
}

#[cfg(test)]
pub(crate) mod tests;
