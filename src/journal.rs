//! What was received, begun and ended: the truth that every loop works from. `Journal::write` is its only
//! write door; a `Change` is a whole fact, never a row operation.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use prometheus_client::metrics::histogram::Histogram;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    class::Class,
    clock::Clock,
    config::{Config, ConnectionName, MailboxName},
    outcome::Outcome,
    secret::{ExposeSecret, Secret, SecretString},
};

mod change;
pub mod copy;
mod entry;
mod fold;
mod lock;
mod lying;
pub mod node;
pub mod pace;
pub mod postgres;
mod receipt;
mod settled;
mod sql;
pub mod sqlite;

pub use change::{
    Change, Creation, CreationKey, Digest, Ended, Intent, Joined, Letter, LetterLimit, Notice, Post, Received, Report,
    Way,
};
pub use entry::{
    Attempt, Day, Entry, Queued, Row, RowFilter, RuleCount, Survey, Totals, Waiting, or_no_author, or_no_subject,
};
pub use fold::{Batch, Fellow, Folding, MOST_LINES, Standing};
pub use lying::Lying;
use node::{Duty, NodeId, Nodes, Roster};
pub use receipt::Receipt;
pub use settled::Settled;
pub use sql::{Ledger, Packed, pack};

/// What a journal is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// For reading only.
    Look,
    /// To write while nobody else does.
    Alone,
    /// To write among other nodes, where the back end knows any.
    Node,
}

/// Opens the journal that a configuration names.
pub fn open(config: &Config, clock: Clock, opening: Opening) -> Result<Ledger, JournalError> {
    let Some(address) = &config.journal else {
        return sqlite::Sqlite::open(&config.state_dir, clock, opening);
    };
    let address = opened(address)?;
    // Its socket and the refresh tokens lie there.
    let lock = (opening != Opening::Look)
        .then(|| lock::take(&config.state_dir))
        .transpose()?;
    postgres::Postgres::open(address.expose_secret(), clock, opening, lock)
}

/// Looks at the journal that is not in the state folder, without a change to it: where it is, and what the daemon has to do
/// there first. Not to be called within a task.
pub fn inspect(address: &Secret) -> Result<(String, Option<&'static str>), JournalError> {
    postgres::inspect(opened(address)?.expose_secret())
}

fn opened(address: &Secret) -> Result<SecretString, JournalError> {
    address.open().map_err(|error| JournalError::Unusable {
        path: postgres::HIDDEN.to_owned(),
        reason: error.to_string(),
    })
}

/// The id of a message in the journal, as `show` and reports print it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub i64);

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a message lies within its mailbox. Names it for ever (RFC 9051, 2.3.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spot {
    /// In an IMAP folder.
    Uid {
        /// The folder's UIDVALIDITY.
        validity: u32,
        /// The message's UID under it.
        uid: u32,
    },
    /// In a Maildir.
    File {
        /// The unique part of the file's name, without `:2,flags`.
        name: String,
    },
    /// Handed over by `process`. It lies in no mailbox, so it is not settled.
    Handed {
        /// Tells two handings-over apart.
        key: String,
    },
}

/// A mailbox, its folder, and the spot within.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Whose rules it is under.
    pub mailbox: MailboxName,
    /// Empty for a Maildir and for what was handed over.
    pub folder: String,
    /// Where it lies there.
    pub spot: Spot,
}

/// The right to work on a message; a stale token changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The message.
    pub entry: EntryId,
    /// Grows with each claim of that message.
    pub token: i64,
}

/// A message in hand, with where an earlier attempt stopped.
#[derive(Debug, Clone)]
pub struct Work {
    /// To be shown with every change about it.
    pub claim: Claim,
    /// Where it lay when it was read; the journal follows it when that changes.
    pub place: Place,
    /// When the mailbox took it.
    pub internal_date: Timestamp,
    /// When the journal took it.
    pub received: Timestamp,
    /// 1 for the first. An attempt that the end of the process cut short counts, one that was released does not.
    pub attempt: u32,
    /// How long its own failures have made it wait; outages of a connection do not count.
    pub waited: Duration,
    /// When it was deferred last, and whether that wait counts.
    pub deferred: Option<(Timestamp, bool)>,
    /// How often in a row it was deferred so, whether the waits count or not.
    pub deferrals: u32,
    /// How often in a row the process ended while it was in hand.
    pub interruptions: u32,
    /// Where a deferred run stopped; its shape is `run`'s.
    pub run: Option<Value>,
    /// What was intended under this entry since it came or was reopened, oldest first, with its answer where one came.
    pub intents: Vec<Intent>,
}

impl Work {
    /// A message in hand that has just been received.
    pub fn first(claim: Claim, place: Place, internal_date: Timestamp, received: Timestamp) -> Work {
        Work {
            claim,
            place,
            internal_date,
            received,
            attempt: 1,
            waited: Duration::ZERO,
            deferred: None,
            deferrals: 0,
            interruptions: 0,
            run: None,
            intents: Vec::new(),
        }
    }
}

/// A letter's row in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LetterId(pub i64);

/// What is in a mailbox and not settled yet.
#[derive(Debug, Clone)]
pub struct Unsettled {
    pub entry: EntryId,
    /// Where it lies now.
    pub place: Place,
    /// It was moved there by an earlier outcome, and was not received from there.
    pub was_moved: bool,
    pub outcome: Outcome,
    /// How many attempts it had at this end; should it run again, the next end has more.
    pub attempts: u32,
    /// It is no mail of anybody else.
    pub is_canary: bool,
}

/// A letter that is due.
#[derive(Debug, Clone)]
pub struct DueLetter {
    /// Its row.
    pub id: LetterId,
    /// The message that it bounces, or whose step sends it, if any.
    pub entry: Option<EntryId>,
    /// Whether it is the mail of a step.
    pub is_of_step: bool,
    /// What is to leave.
    pub letter: Letter,
    /// How often it could not leave.
    pub attempts: u32,
    /// How often of these it was handed over and was perhaps taken.
    pub unanswered: u32,
    /// How long what the server said to it has made it wait; an outage of the server does not count.
    pub waited: Duration,
    /// When it could not leave last, and whether that wait counts.
    pub deferred: Option<(Timestamp, bool)>,
}

/// What comes again at a time of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Deferred messages that nothing holds back.
    Work,
    /// Letters in the outbox that leave by this way.
    Letters(Way),
}

/// Where a mailbox's folder has been read to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The UIDVALIDITY under which that is so.
    pub validity: u32,
    /// Everything below has been received.
    pub next_uid: u32,
}

/// What can go wrong with the journal.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// Another process has it.
    #[error("the journal in {path} is in use by another process; {remedy}")]
    InUse { path: String, remedy: &'static str },
    /// Its server does not answer.
    #[error("the journal in {path} can not be reached: {reason}")]
    Unreachable { path: String, reason: String },
    /// Its server does not take the login, or is not trusted.
    #[error("the journal in {path} can not be opened: {reason}")]
    Refused { path: String, reason: String },
    /// It cannot be opened or is not ours.
    #[error("the journal {path} can not be used: {reason}")]
    Unusable { path: String, reason: String },
    /// The disk is full or failing; nothing of the commit was kept.
    #[error("the journal can not be written: {reason}")]
    NotWritten { reason: String },
    /// A read failed.
    #[error("the journal can not be read: {reason}")]
    NotRead { reason: String },
}

impl JournalError {
    /// What the daemon does about it.
    pub fn class(&self) -> Class {
        match self {
            JournalError::InUse { .. } | JournalError::Unusable { .. } => Class::Fatal,
            JournalError::Refused { .. } => Class::Credentials,
            JournalError::Unreachable { .. } | JournalError::NotWritten { .. } | JournalError::NotRead { .. } => {
                Class::Transient
            }
        }
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, JournalError>>;

/// The journal.
pub trait Journal: Send + Sync {
    /// The one write door. The future resolves when the change is on disk.
    fn write(&self, change: Change) -> Answer<'_, Receipt>;
    /// The same door for those that keep their order: the outer future resolves when the change has its place among what
    /// waits to be written, and whatever is written after that is written behind it; the inner one when it is on disk.
    fn enter(&self, change: Box<Packed>) -> Answer<'_, Answer<'_, Receipt>>;
    /// Says that nothing is written for a while.
    fn rest(&self) -> Answer<'_, ()>;
    /// Which of `spots` the journal has not received from this mailbox and folder.
    fn unknown<'a>(&'a self, mailbox: &'a MailboxName, folder: &'a str, spots: Vec<Spot>) -> Answer<'a, Vec<Spot>>;
    /// Where a folder has been read to; `None` before its first `Positioned`.
    fn position<'a>(&'a self, mailbox: &'a MailboxName, folder: &'a str) -> Answer<'a, Option<Position>>;
    /// How the newest attempts at a message ended, with their reasons, the newest first.
    fn last_attempts(&self, entry: EntryId, limit: usize) -> Answer<'_, Vec<(String, String)>>;
    /// Takes up to `limit` runnable messages in hand. Of those in whose hands the process ended twice there is one at a
    /// time: should it end again, it was that one. With `deferred_before`, the deferred ones among them are those
    /// that were deferred before that time, due or not, in place of those that are due.
    fn claim(&self, limit: usize, deferred_before: Option<Timestamp>) -> Answer<'_, Vec<Work>>;
    /// When the next thing of this queue is due. It lies in the past while something is due that nobody has taken up,
    /// for want of a free place perhaps: wait a little in any case.
    fn next_due(&self, queue: Queue) -> Answer<'_, Option<Timestamp>>;
    /// The message as it came; `None` where it was not read, or retention has dropped it.
    fn octets(&self, entry: EntryId) -> Answer<'_, Option<Bytes>>;
    /// What has ended in this mailbox and is to be settled now.
    fn unsettled<'a>(&'a self, mailbox: &'a MailboxName, limit: usize) -> Answer<'a, Vec<Unsettled>>;
    /// The mailboxes where something is to be settled now.
    fn unsettled_in(&self) -> Answer<'_, Vec<MailboxName>>;
    /// The message of this fingerprint that was handed over for this mailbox and has no outcome yet.
    fn handed<'a>(&'a self, mailbox: &'a MailboxName, fingerprint: Digest) -> Answer<'a, Option<EntryId>>;
    /// Letters of this way that are due; with `tried_before`, those that were not tried since that time, due or not.
    fn letters(&self, way: Way, limit: usize, tried_before: Option<Timestamp>) -> Answer<'_, Vec<DueLetter>>;
    /// Whether a report waits in the outbox for this way.
    fn report_waits(&self, way: Way) -> Answer<'_, bool>;
    /// Notices that have not left by this way, oldest first, with their numbers.
    fn notices(&self, way: Way) -> Answer<'_, Vec<(i64, Notice)>>;
    /// What is known of a thing that is to be created once.
    fn creation<'a>(&'a self, key: &'a CreationKey) -> Answer<'a, Creation>;
    /// The tickets that these keys were told with (`Change::Joined`), each once: those of the first key first, of one key
    /// the oldest first. A few at most.
    fn tickets_of<'a>(&'a self, connection: &'a ConnectionName, keys: Vec<String>) -> Answer<'a, Vec<i64>>;
    /// Whether a message of this author belongs to that ticket.
    fn took_part<'a>(&'a self, connection: &'a ConnectionName, ticket: i64, author: &'a str) -> Answer<'a, bool>;
    /// What `Change::Kept` kept last under that name.
    fn kept<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Value>>;
    /// All that `Change::Kept` keeps under names that begin so, with its name.
    fn kept_under<'a>(&'a self, prefix: &'a str) -> Answer<'a, Vec<(String, Value)>>;
    /// The lines of `log`, newest first.
    fn rows(&self, filter: RowFilter) -> Answer<'_, Vec<Row>>;
    /// The lines of these messages, those that are there.
    fn rows_of(&self, entries: Vec<EntryId>) -> Answer<'_, Vec<Row>>;
    /// These messages in the order in which they ran last.
    fn as_they_ran(&self, entries: Vec<EntryId>) -> Answer<'_, Vec<EntryId>>;
    /// The writes to the world that were intended under a message since it came or was reopened, oldest first.
    fn intents(&self, entry: EntryId) -> Answer<'_, Vec<Intent>>;
    /// One message in full.
    fn entry(&self, entry: EntryId) -> Answer<'_, Option<Entry>>;
    /// How much there is of everything, all of one moment, for whoever watches from outside.
    fn survey(&self) -> Answer<'_, Survey>;
    /// Says that this node is alive, what it could do, and what it is doing. Nothing else of what it holds lasts longer
    /// than [`node::LEASE`] after that, where others share the journal.
    fn beat(&self, wanted: BTreeSet<Duty>, running: BTreeSet<Duty>) -> Answer<'_, Roster>;
    /// This node ends: what it had is free at once.
    fn leave(&self) -> Answer<'_, ()>;
    /// Whether there may be other nodes, who hear by [`Journal::beat`] alone that this one is alive.
    fn is_shared(&self) -> bool;
    /// Whether nobody can have taken this node for dead, by its own clock: what changes the world outside waits for that.
    /// Where it has become another node, not before [`Journal::goes_on`].
    fn holds(&self) -> bool;
    /// All that this process did as another node has ended.
    fn goes_on(&self, node: NodeId);
    /// The nodes of the last day.
    fn nodes(&self) -> Answer<'_, Nodes>;
    /// How long the commits of this process took; `None` where it makes none.
    fn commit_times(&self) -> Option<Histogram>;
    /// The accounting identity of each mailbox.
    fn totals(&self) -> Answer<'_, BTreeMap<MailboxName, Totals>>;
    /// How often each rule matched, by its name, of the rules that ever did. Counted when a message comes to its end, and
    /// kept when its row is dropped.
    fn rule_counts(&self) -> Answer<'_, BTreeMap<String, RuleCount>>;
    /// What came and was done from the one time until before the other.
    fn day(&self, from: Timestamp, until: Timestamp) -> Answer<'_, Day>;
}
