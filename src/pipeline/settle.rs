//! The third loop, one for each mailbox: the mailbox shows what the journal says. Last of all, and repeated until
//! it has been done. It has a connection of its own, so that a slow fetch holds nothing up.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    World, report,
    states::{Sort, Thing, Urgency},
};
use crate::{
    clock,
    config::{MailboxConfig, MailboxName, MailboxSource, Settle},
    count::counted,
    journal::{Change, EntryId, JournalError, Place, Settled, Spot, Unsettled, node::Duty},
    mailbox::{self, Mailbox, MailboxError, Range, Settling},
    retry::Backoff,
};

/// So many messages are settled by one round, mostly with one command.
const BATCH: usize = 1000;
/// What waits for its time is looked for so often, in all mailboxes at once.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// A connection that was not needed for so long is closed.
const KEEP_OPEN: Duration = Duration::from_secs(20);
/// After errors.
const AGAIN: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(120),
};

mod batch;
mod error;
mod gather;
#[cfg(test)]
mod tests;

use batch::Batch;
pub use error::SettleError;
use error::is_refusal;

/// Rings at each mailbox where something has waited for its time and that has come; a bell that was lost is so heard
/// as well. One look for all of them: thousands of mailboxes mostly have nothing to settle.
pub async fn remind(world: &World) {
    loop {
        match world.journal.unsettled_in().await {
            Ok(mailboxes) => mailboxes.iter().for_each(|name| world.bells.settle(name).notify_one()),
            Err(error) => tracing::warn!("what waits to be settled is looked for again in a while: {error}"),
        }
        tokio::select! {
            () = clock::sleep(LOOK_AGAIN) => {}
            () = world.stop.cancelled() => return,
        }
    }
}

/// The settling of one mailbox.
pub struct Settler {
    /// What all loops share.
    pub world: Arc<World>,
    /// The mailbox's name.
    pub name: MailboxName,
    /// As it was when the watch began.
    pub config: MailboxConfig,
    /// Cancelled when this mailbox is no longer watched.
    pub stop: CancellationToken,
}

/// A connection to a mailbox, for one of its folders.
struct Session {
    folder: String,
    mailbox: Box<dyn Mailbox>,
}

/// What lasts from one pass to the next.
#[derive(Default)]
struct Course {
    session: Option<Session>,
    /// What was refused and waits.
    refused: HashSet<EntryId>,
}

impl Settler {
    /// The loop.
    pub async fn run(&self) {
        self.go_on(&mut Course::default(), &CancellationToken::new()).await;
    }

    /// The loop of `run --once`: when all has been read, and again when there has been enough, what is left is settled at
    /// once, over the connection that is open. The first time most of it, while the server has nothing else to do.
    pub async fn run_until(&self, read: &CancellationToken, enough: &CancellationToken) {
        let mut course = Course::default();
        for stage in [read, enough] {
            self.go_on(&mut course, stage).await;
            if self.stop.is_cancelled() {
                return;
            }
            if let Err(error) = Box::pin(self.pass(&mut course)).await {
                self.note_trouble(&error).await;
            }
        }
    }

    /// Settles everything that has ended.
    async fn pass(&self, course: &mut Course) -> Result<(), SettleError> {
        while self.round(course).await? {}
        Ok(())
    }

    /// Until the stop, or until there has been enough.
    async fn go_on(&self, course: &mut Course, enough: &CancellationToken) {
        let (bell, coming) = (self.world.bells.settle(&self.name), self.world.bells.coming(&self.name));
        let (mut failures, mut is_ahead) = (0, false);
        let ends = async || tokio::select! { () = self.stop.cancelled() => {}, () = enough.cancelled() => {} };
        loop {
            let began = tokio::time::Instant::now();
            // A sign-in is no round.
            let (done, took) = if is_ahead {
                (Box::pin(self.prepare(course)).await.map(|()| false), Duration::ZERO)
            } else {
                (Box::pin(self.round(course)).await, began.elapsed())
            };
            let again = began + gather::after(took);
            is_ahead = false;
            match done {
                Ok(may_be_more) => {
                    failures = 0;
                    if may_be_more {
                        bell.notify_one();
                    }
                }
                Err(error) => {
                    failures += 1;
                    self.note_trouble(&error).await;
                    tokio::select! {
                        () = clock::sleep(AGAIN.delay(failures, fastrand::f64())) => continue,
                        () = ends() => return,
                    }
                }
            }
            tokio::select! {
                () = bell.notified() => {}
                () = coming.notified(), if course.session.is_none() && self.needs_a_connection() => {
                    is_ahead = true;
                    continue;
                }
                () = tokio::time::sleep(KEEP_OPEN), if course.session.is_some() => {
                    course.session = None;
                    continue;
                }
                () = ends() => return,
            }
            tokio::select! {
                () = tokio::time::sleep_until(again) => {}
                () = ends() => return,
            }
        }
    }

    /// Signs in while what came is worked on.
    async fn prepare(&self, course: &mut Course) -> Result<(), SettleError> {
        if let MailboxSource::Imap(imap) = &self.config.source {
            self.open(&mut course.session, &imap.folder, None).await?;
        }
        Ok(())
    }

    /// Whether anything is done at a server to messages that have ended.
    fn needs_a_connection(&self) -> bool {
        let is_at_a_server = matches!(self.config.source, MailboxSource::Imap(_));
        is_at_a_server && self.config.settle.values().any(|how| *how != Settle::Keep)
    }

    /// Settles what has ended, as far as one command takes it. Says whether there may be more. After an error the connection
    /// is none to go on with: it may be broken, or take its numbers from before its folder was numbered anew.
    async fn round(&self, course: &mut Course) -> Result<bool, SettleError> {
        let done = self.some(course).await;
        if done.is_err() {
            course.session = None;
        }
        done
    }

    async fn some(&self, course: &mut Course) -> Result<bool, SettleError> {
        let unsettled = self.world.journal.unsettled(&self.name, BATCH).await?;
        if unsettled.is_empty() {
            return Ok(false);
        }
        for batch in self.batches(unsettled) {
            self.settle(course, &batch).await?;
        }
        Ok(true)
    }

    /// By folder and way of settling. What was received from a folder that is no longer the configured one lies
    /// there still; it comes last.
    fn batches(&self, unsettled: Vec<Unsettled>) -> Vec<Batch> {
        let canary = self.world.generation.load().config.canary.clone();
        let deletes = canary.is_some_and(|canary| canary.delete);
        let mut batches = batch::alike(unsettled, |one| match one.is_canary && deletes {
            true => &Settle::Delete,
            false => self.config.settle.get(&one.outcome).unwrap_or(&Settle::Keep),
        });
        batches.sort_by_key(|batch| self.was_folder(&batch.folder).is_some());
        batches
    }

    /// The configuration under which this folder is reached, where it is not the configured one.
    fn was_folder(&self, folder: &str) -> Option<MailboxConfig> {
        match &self.config.source {
            MailboxSource::Imap(imap) if imap.folder != folder => {
                let mut imap = imap.clone();
                imap.folder = folder.to_owned();
                let source = MailboxSource::Imap(imap);
                Some(MailboxConfig {
                    source,
                    ..self.config.clone()
                })
            }
            _ => None,
        }
    }

    async fn settle(&self, course: &mut Course, batch: &Batch) -> Result<(), SettleError> {
        let was_folder = self.was_folder(&batch.folder);
        let came = if batch.how == Settle::Keep {
            vec![Settling::Done(Settled::staying("kept")); batch.messages.len()]
        } else {
            let spots: Vec<Spot> = batch.messages.iter().map(|one| one.place.spot.clone()).collect();
            let how = if batch.is_in_place() { &Settle::Keep } else { &batch.how };
            let settled = async {
                let open = self
                    .open(&mut course.session, &batch.folder, was_folder.as_ref())
                    .await?;
                if !self.world.may(&self.duty()) {
                    return Err(MailboxError::Lost {
                        reason: "perhaps another node has taken over".to_owned(),
                    });
                }
                open.mailbox.settle(&spots, how).await
            };
            match settled.await {
                Ok(came) => came,
                Err(error @ MailboxError::NoFolder { .. }) if batch.were_moved => {
                    return Ok(self.keep(course, batch.left_alone(&error)).await?);
                }
                Err(error) if is_refusal(&error, was_folder.is_some()) => {
                    return self.refused(course, &batch.messages, &error.to_string()).await;
                }
                Err(error) => return Err(error.into()),
            }
        };
        let is_done = |came: &Settling| matches!(came, Settling::Done(_));
        let is_news = batch.how != Settle::Keep && !batch.is_in_place() && came.iter().any(is_done);
        let (mut done, mut elsewhere) = (Vec::new(), Vec::new());
        let mut refused: BTreeMap<String, Vec<Unsettled>> = BTreeMap::new();
        for (one, came) in batch.messages.iter().zip(came) {
            match batch.worded(one, came) {
                Settling::Done(settled) => done.push((one, settled)),
                Settling::Refused(reason) => refused.entry(reason).or_default().push(one.clone()),
                Settling::Elsewhere | Settling::Gone => elsewhere.push(one.clone()),
            }
        }
        for (reason, those) in refused {
            self.refused(course, &those, &reason).await?;
        }
        self.keep(course, done).await?;
        if !elsewhere.is_empty() {
            self.elsewhere(course, &elsewhere).await?;
        }
        if is_news && course.refused.is_empty() {
            report::well(&self.world, self.thing()).await;
        }
        Ok(())
    }

    async fn keep(&self, course: &mut Course, done: Vec<(&Unsettled, Settled)>) -> Result<(), JournalError> {
        let journal = &self.world.journal;
        for (one, _) in &done {
            course.refused.remove(&one.entry);
        }
        let changes = done.into_iter().map(|(one, settled)| {
            let (entry, attempts, how) = (one.entry, one.attempts, &settled.how);
            let (id, mailbox) = (entry.0, &self.name.0);
            tracing::debug!(id, mailbox, "message {id} is settled: {how}");
            let change = Change::Settled {
                entry,
                attempts,
                settled,
            };
            journal.write(self.world.under(self.duty(), change))
        });
        for written in futures_util::future::join_all(changes).await {
            written?;
        }
        Ok(())
    }

    /// The folder was numbered anew. Once the journal knows everything that lies there, what was found has its new UID;
    /// what was not lies there no longer.
    async fn elsewhere(&self, course: &mut Course, those: &[Unsettled]) -> Result<(), SettleError> {
        let Some(session) = &mut course.session else {
            return Ok(());
        };
        let now = session.mailbox.select().await?;
        let listed = session.mailbox.list(Range::Everything).await?;
        let spots = listed.into_iter().map(|listed| listed.spot).collect();
        let unknown = self.world.journal.unknown(&self.name, &session.folder, spots).await?;
        // Asked again after that: those that were found meanwhile have their new UIDs, and come again by themselves.
        let unsettled = self.world.journal.unsettled(&self.name, usize::MAX).await?;
        let places: HashMap<EntryId, Place> = unsettled.into_iter().map(|one| (one.entry, one.place)).collect();
        let is_elsewhere = |one: &&Unsettled| {
            let is_of_now = matches!(one.place.spot, Spot::Uid { validity, .. } if validity == now.validity);
            !is_of_now && places.get(&one.entry) == Some(&one.place)
        };
        let those: Vec<Unsettled> = those.iter().filter(is_elsewhere).cloned().collect();
        if unknown.is_empty() {
            let gone = Settled::leaving("gone: the folder was numbered anew, and it is not there");
            let gone = those.iter().map(|one| (one, gone.clone())).collect();
            return Ok(self.keep(course, gone).await?);
        }
        let reason = "its folder was numbered anew; its messages are compared first";
        Ok(self.put_off(&those, LOOK_AGAIN, reason).await?)
    }

    async fn open<'a>(
        &self,
        session: &'a mut Option<Session>,
        folder: &str,
        was_folder: Option<&MailboxConfig>,
    ) -> Result<&'a mut Session, MailboxError> {
        if session.as_ref().is_none_or(|open| open.folder != folder) {
            *session = None;
            let config = was_folder.unwrap_or(&self.config);
            let World { sign_ins, turns, .. } = &*self.world;
            let opening = mailbox::open(&self.name, config, sign_ins, turns);
            let mut mailbox = tokio::select! {
                opened = opening => opened?,
                () = self.stop.cancelled() => return Err(MailboxError::Lost { reason: "the daemon stops".to_owned() }),
            };
            mailbox.select().await?;
            let folder = folder.to_owned();
            *session = Some(Session { folder, mailbox });
        }
        Ok(session.as_mut().expect("it was opened just now"))
    }

    fn thing(&self) -> Thing {
        Thing::Settling(self.name.clone())
    }

    fn duty(&self) -> Duty {
        Duty::Mailbox(self.name.clone())
    }

    async fn note_trouble(&self, error: &SettleError) {
        if self.stop.is_cancelled() {
            return;
        }
        let reason = error.to_string();
        // A right in the folder that is missing does not come by waiting.
        let urgency = match error {
            SettleError::Mailbox(MailboxError::Folder { .. } | MailboxError::NoFolder { .. }) => Urgency::Now,
            _ => Urgency::IfItLasts,
        };
        report::trouble_again(&self.world, self.thing(), reason, Sort::Unavailable, urgency).await;
    }

    /// The server takes the command and says no (a quota, a right that is missing): these come again later, and
    /// the others go on.
    async fn refused(&self, course: &mut Course, those: &[Unsettled], reason: &str) -> Result<(), SettleError> {
        course.refused.extend(those.iter().map(|one| one.entry));
        let messages = those.len();
        let mailbox = &self.name;
        tracing::warn!(
            mailbox = mailbox.0,
            messages,
            "mailbox {mailbox}: settling is refused for {}: {reason}",
            counted(messages, "message")
        );
        report::trouble(
            &self.world,
            self.thing(),
            reason.to_owned(),
            Sort::Hampered,
            Urgency::Now,
        )
        .await;
        Ok(self.put_off(those, AGAIN.longest, reason).await?)
    }

    async fn put_off(&self, those: &[Unsettled], by: Duration, reason: &str) -> Result<(), JournalError> {
        let due = self.world.clock.now() + by;
        for one in those {
            let deferred = Change::SettleDeferred {
                entry: one.entry,
                attempts: one.attempts,
                due,
                reason: reason.to_owned(),
            };
            self.world
                .journal
                .write(self.world.under(self.duty(), deferred))
                .await?;
        }
        Ok(())
    }
}
