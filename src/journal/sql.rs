//! The journal in an SQL database: one thread writes and groups what waits into one commit, a few connections read
//! beside it. What is asked of the database stands here once for all back ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use jiff::Timestamp;
use prometheus_client::metrics::histogram::Histogram;
use serde_json::Value;

use super::{
    Answer, Change, Creation, CreationKey, Day, Digest, DueLetter, Entry, EntryId, Intent, Journal, JournalError,
    Notice, Position, Queue, Receipt, Row, RowFilter, RuleCount, Spot, Survey, Totals, Unsettled, Way, Work, lock,
    node::{Duty, NodeId, Nodes, Roster},
};
use crate::{
    clock::{self, Clock},
    config::{ConnectionName, MailboxName},
    crash::{self, Step},
};
use database::Database;
use node::Newcomer;
pub use pack::{Packed, pack};
use readers::{Open, Readers};
use tenure::Tenure;
use writer::{Hand, Writer};

mod apply;
mod claim;
pub(super) mod copy;
pub(super) mod database;
mod day;
mod end;
mod fold;
mod intent;
mod joined;
mod listing;
mod node;
mod order;
mod outbox;
mod pace;
mod pack;
mod read;
pub(super) mod readers;
mod receive;
mod rows;
mod sieve;
mod survey;
mod tenure;
mod trace;
mod trim;
pub(super) mod value;
mod writer;

/// The journal in an SQL database.
///
/// Dropping it waits for what was handed to the writer, and then gives the lock back.
pub struct Ledger {
    // In this order they go: the writer tidies up when it is the last to leave, the lock ends after all.
    readers: Readers,
    /// `None` where another process owns the journal, or nobody.
    writer: Option<Writer>,
    clock: Clock,
    tenure: Arc<Tenure>,
    is_shared: bool,
    newcomer: Newcomer,
    /// Where only one process may write and this one reads: the folder whose lock says whether it runs.
    state_dir: Option<PathBuf>,
    _lock: Option<std::fs::File>,
}

/// How a process that writes has its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tenancy {
    /// Nobody else is let in.
    Alone,
    /// Others are there, or may come.
    Shared,
}

/// Whether nobody else acts on the journal any more, or can believe that it may.
pub(super) fn is_alone(db: &dyn Database, clock: &Clock) -> Result<bool, database::Fault> {
    Ok(!node::lapse(db, db.now(clock.now())?, &Newcomer::this())?)
}

impl Ledger {
    /// For a process that writes, by the writer's connection: gives back what a process had in hand that is no more. The
    /// lock is held as long as it lasts.
    pub(super) fn write(
        db: Box<dyn Database>,
        open: Arc<Open>,
        clock: Clock,
        (tenancy, lock): (Tenancy, Option<std::fs::File>),
    ) -> Result<Ledger, JournalError> {
        let (tenure, newcomer, began) = (Arc::<Tenure>::default(), Newcomer::this(), clock::since_boot());
        let enlist = {
            let newcomer = newcomer.clone();
            move |hand: &Hand<'_>| node::enlist(hand, &newcomer, tenancy == Tenancy::Alone, began)
        };
        let start = || Writer::start(db, clock.clone(), tenure.clone(), enlist);
        let writer = crash::across(Step::Interrupted, start)?;
        Ok(Ledger {
            readers: Readers::new(open, None),
            writer: Some(writer),
            clock,
            tenure,
            is_shared: tenancy != Tenancy::Alone,
            newcomer,
            state_dir: None,
            _lock: lock,
        })
    }

    /// For reading alone, with a connection that is open already; where only one process may write, it has the lock of
    /// that folder.
    pub(super) fn look(first: Box<dyn Database>, open: Arc<Open>, clock: Clock, state_dir: Option<PathBuf>) -> Ledger {
        Ledger {
            readers: Readers::new(open, Some(first)),
            writer: None,
            clock,
            tenure: Arc::default(),
            is_shared: state_dir.is_none(),
            newcomer: Newcomer::this(),
            state_dir,
            _lock: None,
        }
    }

    /// How many commits this process has made.
    pub fn commits(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::commits)
    }

    fn writer(&self) -> Result<&Writer, JournalError> {
        self.writer.as_ref().ok_or_else(|| JournalError::NotWritten {
            reason: "it was opened for reading only".to_owned(),
        })
    }

    async fn apply(&self, packed: Box<Packed>) -> Result<Receipt, JournalError> {
        self.writer()?
            .ask(packed.weight(), move |hand| apply::apply(hand, &packed))
            .await
    }

    /// Slice by slice, so that others' changes come in between.
    async fn trim(&self, octets_before: Timestamp, rows_before: Timestamp) -> Result<Receipt, JournalError> {
        while self
            .writer()?
            .ask(0, move |hand| trim::slice(hand, octets_before, rows_before))
            .await?
        {}
        Ok(Receipt::Done)
    }

    /// The same: a hundred thousand may wait.
    async fn wake(&self, waits_for: String) -> Result<Receipt, JournalError> {
        loop {
            let waits_for = waits_for.clone();
            let slice = self.writer()?.ask(0, move |hand| end::wake_slice(hand, &waits_for));
            if !slice.await? {
                return Ok(Receipt::Done);
            }
        }
    }
}

impl Journal for Ledger {
    fn write(&self, change: Change) -> Answer<'_, Receipt> {
        let step = change.step();
        let written = async move {
            self.writer()?;
            match change {
                Change::Trimmed {
                    octets_before,
                    rows_before,
                } => self.trim(octets_before, rows_before).await,
                Change::Woken { waits_for } => self.wake(waits_for).await,
                change => self.apply(pack(change).await?).await,
            }
        };
        Box::pin(crash::around(step, written))
    }

    fn enter(&self, change: Box<Packed>) -> Answer<'_, Answer<'_, Receipt>> {
        let (step, weight) = (change.change.step(), change.weight());
        Box::pin(async move {
            crash::before(step);
            let work = move |hand: &Hand<'_>| apply::apply(hand, &change);
            let told = self.writer()?.hand_in(weight, work).await?;
            let written: Answer<'_, Receipt> = Box::pin(async move {
                let receipt = told.await.map_err(|_| writer::stopped())?;
                crash::after(step);
                receipt
            });
            Ok(written)
        })
    }

    fn rest(&self) -> Answer<'_, ()> {
        Box::pin(async move { self.writer()?.rest().await })
    }

    fn unknown<'a>(&'a self, mailbox: &'a MailboxName, folder: &'a str, spots: Vec<Spot>) -> Answer<'a, Vec<Spot>> {
        let (mailbox, folder) = (mailbox.clone(), folder.to_owned());
        Box::pin(
            self.readers
                .read(move |db| read::unknown(db, &mailbox.0, &folder, spots)),
        )
    }

    fn position<'a>(&'a self, mailbox: &'a MailboxName, folder: &'a str) -> Answer<'a, Option<Position>> {
        let (mailbox, folder) = (mailbox.clone(), folder.to_owned());
        Box::pin(self.readers.read(move |db| read::position(db, &mailbox.0, &folder)))
    }

    fn claim(&self, limit: usize, deferred_before: Option<Timestamp>) -> Answer<'_, Vec<Work>> {
        let claimed = async move {
            self.writer()?
                .ask(0, move |hand| claim::claim(hand, limit, deferred_before))
                .await
        };
        Box::pin(crash::around(Step::Claimed, claimed))
    }

    fn last_attempts(&self, entry: EntryId, limit: usize) -> Answer<'_, Vec<(String, String)>> {
        Box::pin(self.readers.read(move |db| listing::last_attempts(db, entry, limit)))
    }

    fn next_due(&self, queue: Queue) -> Answer<'_, Option<Timestamp>> {
        Box::pin(self.readers.read(move |db| read::next_due(db, queue)))
    }

    fn octets(&self, entry: EntryId) -> Answer<'_, Option<Bytes>> {
        Box::pin(self.readers.read(move |db| read::octets(db, entry)))
    }

    fn unsettled<'a>(&'a self, mailbox: &'a MailboxName, limit: usize) -> Answer<'a, Vec<Unsettled>> {
        let (mailbox, now) = (mailbox.clone(), self.clock.now());
        Box::pin(self.readers.read(move |db| read::unsettled(db, &mailbox, limit, now)))
    }

    fn unsettled_in(&self) -> Answer<'_, Vec<MailboxName>> {
        let now = self.clock.now();
        Box::pin(self.readers.read(move |db| read::unsettled_in(db, now)))
    }

    fn handed<'a>(&'a self, mailbox: &'a MailboxName, fingerprint: Digest) -> Answer<'a, Option<EntryId>> {
        let mailbox = mailbox.clone();
        Box::pin(self.readers.read(move |db| read::handed(db, &mailbox, fingerprint)))
    }

    fn letters(&self, way: Way, limit: usize, tried_before: Option<Timestamp>) -> Answer<'_, Vec<DueLetter>> {
        let now = self.clock.now();
        Box::pin(
            self.readers
                .read(move |db| read::letters(db, way, limit, tried_before, now)),
        )
    }

    fn report_waits(&self, way: Way) -> Answer<'_, bool> {
        Box::pin(self.readers.read(move |db| read::report_waits(db, way)))
    }

    fn notices(&self, way: Way) -> Answer<'_, Vec<(i64, Notice)>> {
        Box::pin(self.readers.read(move |db| read::notices(db, way)))
    }

    fn creation<'a>(&'a self, key: &'a CreationKey) -> Answer<'a, Creation> {
        let (key, node) = (key.clone(), self.tenure.node());
        Box::pin(self.readers.read(move |db| read::creation(db, &key, node)))
    }

    fn tickets_of<'a>(&'a self, connection: &'a ConnectionName, keys: Vec<String>) -> Answer<'a, Vec<i64>> {
        let connection = connection.0.clone();
        Box::pin(self.readers.read(move |db| joined::tickets(db, &connection, &keys)))
    }

    fn took_part<'a>(&'a self, connection: &'a ConnectionName, ticket: i64, author: &'a str) -> Answer<'a, bool> {
        let (connection, author) = (connection.0.clone(), author.to_owned());
        Box::pin(
            self.readers
                .read(move |db| joined::took_part(db, &connection, ticket, &author)),
        )
    }

    fn kept<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Value>> {
        let name = name.to_owned();
        Box::pin(self.readers.read(move |db| read::kept(db, &name)))
    }

    fn kept_under<'a>(&'a self, prefix: &'a str) -> Answer<'a, Vec<(String, Value)>> {
        let prefix = prefix.to_owned();
        Box::pin(self.readers.read(move |db| read::kept_under(db, &prefix)))
    }

    fn rows(&self, filter: RowFilter) -> Answer<'_, Vec<Row>> {
        Box::pin(self.readers.read(move |db| rows::rows(db, &filter)))
    }

    fn rows_of(&self, entries: Vec<EntryId>) -> Answer<'_, Vec<Row>> {
        Box::pin(self.readers.read(move |db| rows::rows_of(db, &entries)))
    }

    fn as_they_ran(&self, entries: Vec<EntryId>) -> Answer<'_, Vec<EntryId>> {
        Box::pin(self.readers.read(move |db| rows::as_they_ran(db, entries)))
    }

    fn intents(&self, entry: EntryId) -> Answer<'_, Vec<Intent>> {
        Box::pin(self.readers.read(move |db| claim::intents(db, entry)))
    }

    fn entry(&self, entry: EntryId) -> Answer<'_, Option<Entry>> {
        Box::pin(self.readers.read(move |db| listing::entry(db, entry)))
    }

    fn survey(&self) -> Answer<'_, Survey> {
        Box::pin(self.readers.read(survey::survey))
    }

    fn beat(&self, wanted: BTreeSet<Duty>, running: BTreeSet<Duty>) -> Answer<'_, Roster> {
        let newcomer = self.newcomer.clone();
        let beaten = async move {
            let began = clock::since_boot();
            let beat = self
                .writer()?
                .ask(0, move |hand| node::beat(hand, (&newcomer, began), &wanted, &running));
            beat.await
        };
        Box::pin(crash::around(Step::Beat, beaten))
    }

    fn leave(&self) -> Answer<'_, ()> {
        Box::pin(async move { self.writer()?.ask(0, node::leave).await })
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    fn holds(&self) -> bool {
        !self.is_shared || self.tenure.lasts()
    }

    fn goes_on(&self, node: NodeId) {
        self.tenure.go_on(node);
    }

    fn nodes(&self) -> Answer<'_, Nodes> {
        let (now, is_shared, state_dir) = (self.clock.now(), self.is_shared, self.state_dir.clone());
        Box::pin(self.readers.read(move |db| {
            let runs = || state_dir.as_deref().is_none_or(lock::is_held);
            node::nodes(db, now, (!is_shared).then(runs))
        }))
    }

    fn commit_times(&self) -> Option<Histogram> {
        self.writer.as_ref().map(Writer::commit_times)
    }

    fn totals(&self) -> Answer<'_, BTreeMap<MailboxName, Totals>> {
        Box::pin(self.readers.read(read::totals))
    }

    fn rule_counts(&self) -> Answer<'_, BTreeMap<String, RuleCount>> {
        Box::pin(self.readers.read(read::rule_counts))
    }

    fn day(&self, from: Timestamp, until: Timestamp) -> Answer<'_, Day> {
        Box::pin(self.readers.read(move |db| day::day(db, from, until)))
    }
}
