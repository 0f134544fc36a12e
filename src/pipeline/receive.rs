//! The first loop, one for each mailbox: what is new there comes into the journal, and from there at once to the
//! workers. New is what the journal does not know, never what is unseen.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    World,
    lane::Lane,
    report,
    states::{Sort, Thing, Urgency},
    work::InHand,
};
use crate::{
    class::Class,
    clock,
    config::{Backlog, MailboxConfig, MailboxName, MailboxSource, Watch},
    journal::{Change, JournalError, Lying, Position, Receipt, Spot, node::Duty},
    mailbox::{
        self, Listed, Mailbox, MailboxError, Selected, Woke,
        position::{self, Plan},
    },
    retry::Backoff,
};

mod backlog;
mod doubts;
mod error;
mod first_contact;
mod keep;
mod line;

use backlog::Skipping;
pub use doubts::Doubts;
pub use error::ReceiveError;

/// So many messages are fetched by one command at most.
const BATCH: usize = 500;
/// And so many octets, unless one message alone is larger: a few commands are under way at once.
const BATCH_OCTETS: u64 = 1024 * 1024;
/// Reconnecting after errors; every mailbox with its own spread. However long a server was away, within a minute all
/// are signed in again.
const RECONNECT: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(30),
};
/// Refused credentials are tried again slowly: servers lock accounts.
const CREDENTIALS: Backoff = Backoff {
    first: Duration::from_secs(60),
    longest: Duration::from_secs(900),
};

/// What the journal said in the pass before, in the same session: nobody else writes of this mailbox.
#[derive(Default)]
struct Before {
    position: Option<Position>,
    lying: Lying,
}

/// A watched mailbox.
pub struct Watched {
    /// What all loops share.
    pub world: Arc<World>,
    /// Its name.
    pub name: MailboxName,
    /// As it was when the watch began.
    pub config: MailboxConfig,
    /// To the workers.
    pub hand: mpsc::Sender<InHand>,
    /// What of this mailbox may be in hand at once.
    pub lane: Lane,
    /// The messages that did not come, though they lie there.
    pub doubts: Doubts,
    /// Cancelled when this mailbox is no longer watched.
    pub stop: CancellationToken,
}

impl Watched {
    /// The loop: connects, takes what is new, waits for more; reconnects after errors.
    pub async fn run(&self) {
        let mut failures = 0;
        let mut mended = self.world.bells.mended.subscribe();
        while !self.stop.is_cancelled() {
            mended.mark_unchanged();
            let Err(error) = self.session(&mut failures).await else {
                return;
            };
            failures += 1;
            Box::pin(self.note_trouble(&error)).await;
            let backoff = if error.class() == Class::Credentials {
                CREDENTIALS
            } else {
                RECONNECT
            };
            tokio::select! {
                () = clock::sleep(backoff.delay(failures, fastrand::f64())) => {}
                Ok(()) = mended.changed() => failures = 0,
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// The pass of `run --once`.
    pub async fn once(&self) {
        let taken = async {
            let mut session = self.open().await?;
            self.pass(session.as_mut(), &mut Before::default()).await
        };
        match taken.await {
            Ok(()) => self.note_well().await,
            Err(error) => self.note_trouble(&error).await,
        }
    }

    async fn open(&self) -> Result<Box<dyn Mailbox>, MailboxError> {
        let World { sign_ins, turns, .. } = &*self.world;
        mailbox::open(&self.name, &self.config, sign_ins, turns).await
    }

    /// Its futures are boxed: what a sign-in or a pass needs shall not be kept while thousands of mailboxes wait.
    async fn session(&self, failures: &mut u32) -> Result<(), ReceiveError> {
        let mut session = tokio::select! {
            opened = Box::pin(self.open()) => opened?,
            () = self.stop.cancelled() => return Ok(()),
        };
        let mut before = Before::default();
        loop {
            let passed = Box::pin(self.pass(session.as_mut(), &mut before)).await;
            self.world.state.has_read(&self.name);
            match passed {
                Ok(()) => Box::pin(self.note_well()).await,
                Err(error) => {
                    if error.is_answered() {
                        self.note_checked();
                    }
                    if !error.keeps_the_connection() {
                        return Err(error);
                    }
                    Box::pin(self.note_trouble(&error)).await;
                }
            }
            *failures = 0;
            let until = tokio::time::Instant::now() + self.config.poll_interval;
            match session
                .wait(self.config.watch == Watch::Idle, until, &self.stop)
                .await?
            {
                Woke::News | Woke::Deadline => {}
                Woke::Stopped => return Ok(()),
            }
        }
    }

    /// Takes everything that is new. Messages that would not come before are asked for last, so that they hold up
    /// no other; the watermark waits before the first of them.
    ///
    /// Where nothing has come since the pass before, the journal is not asked.
    async fn pass(
        &self,
        session: &mut dyn Mailbox,
        Before { position, lying }: &mut Before,
    ) -> Result<(), ReceiveError> {
        let selected = session.select().await?;
        let journal = &self.world.journal;
        self.recall_doubts().await?;
        let before = match position.take() {
            Some(position) => Some(position),
            None => journal.position(&self.name, self.folder()).await?,
        };
        let plan = position::plan(before.as_ref(), &selected);
        if plan == Plan::Nothing {
            *position = before;
            return Ok(());
        }
        if before.is_none() && self.config.backlog == Some(Backlog::Report) && selected.exists > 0 {
            return Err(self.first_contact(session, selected).await?);
        }
        if let Some(position) = before.filter(|position| position.validity != selected.validity) {
            self.note_changed_validity(position, selected).await;
        }
        let skipping = self.backlog(before.is_none(), selected).await?;
        // All at the first look; afterwards only what came since.
        let exists = usize::try_from(selected.exists).unwrap_or(usize::MAX);
        let to_read = if before.is_none() { exists } else { 0 };
        self.world.state.reaches(&self.name, to_read);
        let (mut doubtful, mut withheld): (Vec<Listed>, Vec<Listed>) = Default::default();
        // Never beyond what was seen: UIDNEXT may be said too large, and what comes below it would not be looked for.
        let mut next_uid = match (&plan, before) {
            (Plan::Fetch(_), Some(position)) => position.next_uid,
            _ => 0,
        };
        for range in position::windows(&plan, &selected) {
            let listed = session.list(range).await?;
            let highest = listed.iter().filter_map(|listed| uid(&listed.spot)).max();
            next_uid = next_uid.max(highest.map_or(0, |highest| highest.saturating_add(1)));
            let count = listed.len();
            let wanted = self.unknown(listed, lying).await?;
            self.note_read(count - wanted.len());
            let (late, wanted) = self.doubts.apart(wanted);
            doubtful.extend(late);
            withheld.extend(self.take(session, wanted, skipping).await?);
            let here = Position {
                validity: selected.validity,
                next_uid: below(next_uid, doubtful.iter().chain(&withheld)),
            };
            if before != Some(here) {
                self.position(here).await?;
            }
            *position = Some(here);
        }
        if before.is_none() {
            let here = Position {
                validity: selected.validity,
                next_uid: below(next_uid, doubtful.iter().chain(&withheld)),
            };
            self.position(here).await?;
            *position = Some(here);
        }
        self.take_doubtful(session, doubtful, withheld, skipping).await
    }

    /// What the journal does not know.
    async fn unknown(&self, listed: Vec<Listed>, lying: &mut Lying) -> Result<Vec<Listed>, JournalError> {
        let (journal, folder) = (&*self.world.journal, self.folder());
        let spots = listed.iter().map(|listed| listed.spot.clone()).collect();
        let unknown = lying.unknown(journal, &self.name, folder, spots).await?;
        let unknown: HashSet<Spot> = unknown.into_iter().collect();
        let is_unknown = |listed: &Listed| unknown.contains(&listed.spot);
        Ok(listed.into_iter().filter(is_unknown).collect())
    }

    async fn position(&self, Position { validity, next_uid }: Position) -> Result<(), JournalError> {
        let (mailbox, folder) = (self.name.clone(), self.folder().to_owned());
        let positioned = Change::Positioned {
            mailbox,
            folder,
            validity,
            next_uid,
        };
        self.tell(positioned).await.map(drop)
    }

    /// Tells the journal what is seen, as long as this node watches the mailbox; another one begins where it stops.
    async fn tell(&self, change: Change) -> Result<Receipt, JournalError> {
        let change = self.world.under(self.duty(), change);
        self.heed(self.world.journal.write(change).await)
    }

    /// Where another node watches the mailbox by now, this one stops.
    fn heed(&self, receipt: Result<Receipt, JournalError>) -> Result<Receipt, JournalError> {
        if matches!(receipt, Ok(Receipt::Stale)) {
            self.stop.cancel();
        }
        receipt
    }

    fn duty(&self) -> Duty {
        Duty::Mailbox(self.name.clone())
    }

    /// Fetches what is wanted. Gives those that are there and did not come.
    async fn take(
        &self,
        session: &mut dyn Mailbox,
        wanted: Vec<Listed>,
        skipping: Option<Skipping>,
    ) -> Result<Vec<Listed>, ReceiveError> {
        let is_header_only = |listed: &Listed| {
            listed.size > self.config.max_message_size || skipping.is_some_and(|skipping| skipping.covers(listed))
        };
        let mut withheld = Vec::new();
        for alike in wanted.chunk_by(|one, other| is_header_only(one) == is_header_only(other)) {
            let header_only = is_header_only(&alike[0]);
            withheld.extend(self.take_alike(session, alike, header_only, skipping).await?);
            if self.stop.is_cancelled() {
                return Err(MailboxError::Lost {
                    reason: "the daemon stops".to_owned(),
                }
                .into());
            }
        }
        Ok(withheld)
    }

    fn folder(&self) -> &str {
        match &self.config.source {
            MailboxSource::Imap(imap) => &imap.folder,
            MailboxSource::Maildir { .. } => "",
        }
    }

    fn thing(&self) -> Thing {
        Thing::Mailbox(self.name.clone())
    }

    /// So many more were read.
    fn note_read(&self, more: usize) {
        self.world.state.read(&self.name, more);
        self.note_checked();
    }

    fn note_checked(&self) {
        self.world.state.checks(&self.name, self.world.clock.now());
    }

    async fn note_well(&self) {
        self.note_checked();
        report::well(&self.world, self.thing()).await;
    }

    async fn note_trouble(&self, error: &ReceiveError) {
        if self.stop.is_cancelled() {
            return;
        }
        if let ReceiveError::Waits { .. } = error {
            return report::trouble_heard(&self.world, self.thing(), error.to_string()).await;
        }
        let urgency = match error.class() {
            Class::Transient => Urgency::IfItLasts,
            _ => Urgency::Now,
        };
        let sort = if error.waits_for_a_word() {
            Sort::Waits
        } else {
            Sort::Unavailable
        };
        report::trouble_again(&self.world, self.thing(), error.to_string(), sort, urgency).await;
    }

    async fn note_changed_validity(&self, before: Position, now: Selected) {
        let text = format!(
            "the server numbered folder {:?} anew (UIDVALIDITY {} is now {}); its messages are compared with the journal",
            self.folder(),
            before.validity,
            now.validity
        );
        tracing::warn!(mailbox = self.name.0, "mailbox {}: {text}", self.name);
        report::note(&self.world, self.thing().to_string(), text).await;
    }
}

/// The watermark that `next_uid` may become while these are still to come.
fn below<'a>(next_uid: u32, late: impl Iterator<Item = &'a Listed>) -> u32 {
    let lowest = late.filter_map(|listed| uid(&listed.spot)).min();
    lowest.map_or(next_uid, |lowest| lowest.min(next_uid))
}

fn uid(spot: &Spot) -> Option<u32> {
    match spot {
        Spot::Uid { uid, .. } => Some(*uid),
        Spot::File { .. } | Spot::Handed { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_that_lost_a_server_together_come_back_spread_and_within_a_minute() {
        let waits = |failures| [0.0, 0.25, 0.5, 1.0].map(|spread| RECONNECT.delay(failures, spread).as_millis());
        assert_eq!(waits(1), [1_000, 875, 750, 500]);
        assert_eq!(waits(100), [30_000, 26_250, 22_500, 15_000]);
    }
}
