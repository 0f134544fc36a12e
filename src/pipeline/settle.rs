//! The third loop, one for each mailbox: the mailbox shows what the journal says. Last of all, and repeated until
//! it has been done. It has a connection of its own, so that a slow fetch holds nothing up.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    World, report,
    states::{Thing, Urgency},
};
use crate::{
    clock,
    config::{MailboxConfig, MailboxName, MailboxSource, Settle},
    journal::{Change, EntryId, JournalError, Place, Settled, Spot, Unsettled},
    mailbox::{self, Mailbox, MailboxError, Range, Settling},
    retry::Backoff,
};

/// So many messages are settled by one command.
const BATCH: usize = 500;
/// What ends within this time is settled together: each command makes the server look through the whole folder.
const GATHER: Duration = Duration::from_millis(200);
/// What waits for its time is looked for so often, in all mailboxes at once.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// A connection that was not needed for so long is closed.
const KEEP_OPEN: Duration = Duration::from_secs(20);
/// After errors.
const AGAIN: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(120),
};

/// Why settling did not go on.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The server, the line, the credentials.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Batch {
    /// They lie where they were moved to, and stay there.
    fn still_there(&self, how: &str) -> Vec<Settling> {
        let there = |one: &Unsettled| Settled::leaving(how).lying(&self.folder, one.place.spot.clone());
        self.messages.iter().map(|one| Settling::Done(there(one))).collect()
    }
}

/// A message that lies where it was moved to earlier. What changes nothing of that leaves it there; nobody knows what
/// else lies in that folder, so it is looked for by its UID alone.
fn after_a_move(one: &Unsettled, how: &Settle, came: Settling) -> Settling {
    let (Place { folder, spot, .. }, true) = (&one.place, one.was_moved) else {
        return came;
    };
    match came {
        Settling::Elsewhere => Settling::Done(Settled::leaving(format!("gone: {folder} was numbered anew"))),
        Settling::Done(settled) if settled.stays => {
            Settling::Done(Settled::leaving(settled.how).lying(folder, spot.clone()))
        }
        // The server told where it put it the first time, so it would now.
        Settling::Done(settled) if settled.lies.is_none() && matches!(how, Settle::MoveTo(_)) => {
            Settling::Done(Settled::leaving(format!("gone: it was not in {folder} any more")))
        }
        other => other,
    }
}

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

/// Messages of one folder that are settled in the same way.
struct Batch {
    folder: String,
    /// An earlier outcome moved them there.
    were_moved: bool,
    how: Settle,
    messages: Vec<Unsettled>,
}

impl Settler {
    /// The loop.
    pub async fn run(&self) {
        let bell = self.world.bells.settle(&self.name);
        let (mut session, mut failures) = (None, 0);
        loop {
            match Box::pin(self.pass(&mut session)).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    session = None;
                    self.note_trouble(&error).await;
                    tokio::select! {
                        () = clock::sleep(AGAIN.delay(failures, fastrand::f64())) => continue,
                        () = self.stop.cancelled() => return,
                    }
                }
            }
            tokio::select! {
                () = bell.notified() => {}
                () = tokio::time::sleep(KEEP_OPEN), if session.is_some() => {
                    session = None;
                    continue;
                }
                () = self.stop.cancelled() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// The pass of `run --once`.
    pub async fn once(&self) {
        if let Err(error) = self.pass(&mut None).await {
            self.note_trouble(&error).await;
        }
    }

    /// Settles everything that has ended.
    async fn pass(&self, session: &mut Option<Session>) -> Result<(), SettleError> {
        loop {
            let unsettled = self.world.journal.unsettled(&self.name, BATCH).await?;
            if unsettled.is_empty() {
                return Ok(());
            }
            for batch in self.batches(unsettled) {
                self.settle(session, &batch).await?;
            }
        }
    }

    /// By folder and way of settling. What was received from a folder that is no longer the configured one lies
    /// there still; it comes last.
    fn batches(&self, unsettled: Vec<Unsettled>) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        let canary = self.world.generation.load().config.canary.clone();
        let deletes = canary.is_some_and(|canary| canary.delete);
        for one in unsettled {
            let how = match one.is_canary && deletes {
                true => &Settle::Delete,
                false => self.config.settle.get(&one.outcome).unwrap_or(&Settle::Keep),
            };
            let known = batches.iter_mut().find(|batch| {
                batch.how == *how && batch.folder == one.place.folder && batch.were_moved == one.was_moved
            });
            match known {
                Some(batch) => batch.messages.push(one),
                None => batches.push(Batch {
                    folder: one.place.folder.clone(),
                    were_moved: one.was_moved,
                    how: how.clone(),
                    messages: vec![one],
                }),
            }
        }
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

    async fn settle(&self, session: &mut Option<Session>, batch: &Batch) -> Result<(), SettleError> {
        let was_folder = self.was_folder(&batch.folder);
        let came = if batch.were_moved && batch.how == Settle::MoveTo(batch.folder.clone()) {
            batch.still_there(&format!("moved to {}", batch.folder))
        } else if batch.how == Settle::Keep {
            vec![Settling::Done(Settled::staying("kept")); batch.messages.len()]
        } else {
            let spots: Vec<Spot> = batch.messages.iter().map(|one| one.place.spot.clone()).collect();
            let settled = async {
                let open = self.open(session, &batch.folder, was_folder.as_ref()).await?;
                open.mailbox.settle(&spots, &batch.how).await
            };
            match settled.await {
                Ok(came) => came,
                Err(error @ MailboxError::Refused { .. }) => {
                    return self.refused(&batch.messages, &error.to_string()).await;
                }
                Err(error @ MailboxError::Folder { .. }) if batch.were_moved => {
                    batch.still_there(&format!("left alone: {error}"))
                }
                Err(error @ MailboxError::Folder { .. }) if was_folder.is_some() => {
                    return self.refused(&batch.messages, &error.to_string()).await;
                }
                Err(error) => return Err(error.into()),
            }
        };
        let (mut done, mut elsewhere) = (Vec::new(), Vec::new());
        let mut refused: BTreeMap<String, Vec<Unsettled>> = BTreeMap::new();
        for (one, came) in batch.messages.iter().zip(came) {
            match after_a_move(one, &batch.how, came) {
                Settling::Done(settled) => done.push((one, settled)),
                Settling::Refused(reason) => refused.entry(reason).or_default().push(one.clone()),
                Settling::Elsewhere => elsewhere.push(one.clone()),
            }
        }
        let is_news = batch.how != Settle::Keep && !done.is_empty() && refused.is_empty();
        for (reason, those) in refused {
            self.refused(&those, &reason).await?;
        }
        self.keep(done).await?;
        if let (Some(session), false) = (session, elsewhere.is_empty()) {
            self.elsewhere(session, &elsewhere).await?;
        }
        if is_news {
            report::well(&self.world, self.thing()).await;
        }
        Ok(())
    }

    async fn keep(&self, done: Vec<(&Unsettled, Settled)>) -> Result<(), JournalError> {
        let journal = &self.world.journal;
        let changes = done.into_iter().map(|(one, settled)| {
            let (entry, attempts, how) = (one.entry, one.attempts, &settled.how);
            let (id, mailbox) = (entry.0, &self.name.0);
            tracing::debug!(id, mailbox, "message {id} is settled: {how}");
            journal.write(Change::Settled {
                entry,
                attempts,
                settled,
            })
        });
        for written in futures_util::future::join_all(changes).await {
            written?;
        }
        Ok(())
    }

    /// The folder was numbered anew. Once the journal knows everything that lies there, what was found has its new UID;
    /// what was not lies there no longer.
    async fn elsewhere(&self, session: &mut Session, those: &[Unsettled]) -> Result<(), SettleError> {
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
            return Ok(self.keep(gone).await?);
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

    async fn note_trouble(&self, error: &SettleError) {
        if self.stop.is_cancelled() {
            return;
        }
        let reason = error.to_string();
        // A right in the folder that is missing does not come by waiting.
        let urgency = match error {
            SettleError::Mailbox(MailboxError::Folder { .. }) => Urgency::Now,
            _ => Urgency::IfItLasts,
        };
        report::trouble_again(&self.world, self.thing(), reason, true, urgency).await;
    }

    /// The server takes the command and says no (a quota, a right that is missing): these come again later, and
    /// the others go on.
    async fn refused(&self, those: &[Unsettled], reason: &str) -> Result<(), SettleError> {
        let messages = those.len();
        let mailbox = &self.name;
        tracing::warn!(
            mailbox = mailbox.0,
            messages,
            "mailbox {mailbox}: settling is refused for {messages} messages: {reason}"
        );
        report::trouble(&self.world, self.thing(), reason.to_owned(), false, Urgency::Now).await;
        Ok(self.put_off(those, AGAIN.longest, reason).await?)
    }

    async fn put_off(&self, those: &[Unsettled], by: Duration, reason: &str) -> Result<(), JournalError> {
        let due = self.world.clock.now() + by;
        for one in those {
            let (entry, reason) = (one.entry, reason.to_owned());
            self.world
                .journal
                .write(Change::SettleDeferred { entry, due, reason })
                .await?;
        }
        Ok(())
    }
}
