//! The third loop, one for each mailbox: the mailbox shows what the journal says. Last of all, and repeated until
//! it has been done. It has a connection of its own, so that a slow fetch holds nothing up.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::World;
use crate::{
    config::{MailboxConfig, MailboxName, Settle},
    journal::{Change, JournalError, Spot, Unsettled},
    mailbox::{self, Mailbox, MailboxError},
    retry::Backoff,
};

/// So many messages are settled by one command.
const BATCH: usize = 500;
/// Without any bell the loop looks so often.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
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

impl Settler {
    /// The loop.
    pub async fn run(&self) {
        let bell = self.world.bells.settle(&self.name);
        let (mut session, mut failures) = (None, 0);
        loop {
            match self.pass(&mut session).await {
                Ok(_) => failures = 0,
                Err(error) => {
                    failures += 1;
                    session = None;
                    tracing::warn!(mailbox = self.name.0, "settling waits: {error}");
                    tokio::select! {
                        () = tokio::time::sleep(AGAIN.delay(failures, fastrand::f64())) => continue,
                        () = self.stop.cancelled() => return,
                    }
                }
            }
            let longest = if session.is_some() { KEEP_OPEN } else { LOOK_AGAIN };
            let rang = tokio::time::timeout(longest, bell.notified());
            tokio::select! {
                rang = rang => if rang.is_err() { session = None },
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Settles everything that has ended; says how many.
    pub async fn pass(&self, session: &mut Option<Box<dyn Mailbox>>) -> Result<usize, SettleError> {
        let mut settled = 0;
        loop {
            let unsettled = self.world.journal.unsettled(&self.name, BATCH).await?;
            if unsettled.is_empty() {
                return Ok(settled);
            }
            settled += unsettled.len();
            for (how, those) in self.by_way(unsettled) {
                self.settle(session, &how, &those).await?;
            }
        }
    }

    /// Each way of settling with its messages.
    fn by_way(&self, unsettled: Vec<Unsettled>) -> Vec<(Settle, Vec<Unsettled>)> {
        let mut by_outcome: BTreeMap<_, Vec<Unsettled>> = BTreeMap::new();
        for one in unsettled {
            by_outcome.entry(one.outcome).or_default().push(one);
        }
        let mut ways: Vec<(Settle, Vec<Unsettled>)> = Vec::new();
        for (outcome, those) in by_outcome {
            let how = self.config.settle.get(&outcome).cloned().unwrap_or(Settle::Keep);
            match ways.iter_mut().find(|(known, _)| *known == how) {
                Some((_, all)) => all.extend(those),
                None => ways.push((how, those)),
            }
        }
        ways
    }

    async fn settle(
        &self,
        session: &mut Option<Box<dyn Mailbox>>,
        how: &Settle,
        those: &[Unsettled],
    ) -> Result<(), SettleError> {
        let done = if *how == Settle::Keep {
            "kept".to_owned()
        } else {
            let spots: Vec<Spot> = those.iter().map(|one| one.place.spot.clone()).collect();
            let open = match session {
                Some(open) => open,
                None => {
                    let mut opened = mailbox::open(&self.name, &self.config).await?;
                    opened.select().await?;
                    session.insert(opened)
                }
            };
            match open.settle(&spots, how).await {
                Ok(done) => done,
                Err(error @ MailboxError::Refused { .. }) => return self.refused(those, &error).await,
                Err(error) => return Err(error.into()),
            }
        };
        let changes = those.iter().map(|one| {
            self.world.journal.write(Change::Settled {
                entry: one.entry,
                how: done.clone(),
            })
        });
        for written in futures_util::future::join_all(changes).await {
            written?;
        }
        Ok(())
    }

    /// The server takes the command and says no (a quota, a right that is missing): these come again later, and
    /// the others go on.
    async fn refused(&self, those: &[Unsettled], error: &MailboxError) -> Result<(), SettleError> {
        tracing::warn!(
            mailbox = self.name.0,
            messages = those.len(),
            "settling is refused: {error}"
        );
        let topic = format!("mailbox {}", self.name);
        super::report::note(
            &self.world,
            None,
            topic,
            format!("messages can not be settled: {error}"),
        )
        .await;
        let due = self.world.clock.now() + AGAIN.longest;
        for one in those {
            let change = Change::SettleDeferred {
                entry: one.entry,
                due,
                reason: error.to_string(),
            };
            self.world.journal.write(change).await?;
        }
        Ok(())
    }
}
