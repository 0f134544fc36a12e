//! What people read in the journal: the lines of `log`, one message in full, and the totals.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EntryId, Intent, LetterId, Place, Way};
use crate::config::MailboxName;

/// A line of `log`. The field names are those of its JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub id: EntryId,
    /// When the journal took it.
    pub time: Timestamp,
    pub mailbox: MailboxName,
    pub from: String,
    pub subject: String,
    /// An outcome's word, `"pending"` or `"deferred"`.
    pub outcome: String,
    pub rule: String,
    pub reason: String,
    pub attempts: u32,
    /// Requests to Halo of all attempts; one that many messages share counts for the one that caused it.
    pub calls: u64,
}

impl Row {
    /// The author, for people.
    pub fn author(&self) -> &str {
        or_no_author(&self.from)
    }

    /// The subject, for people.
    pub fn title(&self) -> &str {
        or_no_subject(&self.subject)
    }
}

/// What people read where a message names no author: an empty place would look like a fault of the listing.
pub fn or_no_author(from: &str) -> &str {
    match from.trim() {
        "" => "(no author)",
        from => from,
    }
}

/// The same of a subject.
pub fn or_no_subject(subject: &str) -> &str {
    match subject.trim() {
        "" => "(no subject)",
        subject => subject,
    }
}

/// How often a rule matched, and when it did last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleCount {
    /// Messages that it matched; one that ran again counts again.
    pub matched: u64,
    /// When the last of them came to its end.
    pub last: Option<Timestamp>,
}

/// Which rows `log` shows, newest first.
#[derive(Debug, Clone, Default)]
pub struct RowFilter {
    /// Those of this mailbox.
    pub mailbox: Option<MailboxName>,
    /// A part of the author's address, ignoring case.
    pub from: Option<String>,
    /// An outcome's word, `"pending"` or `"deferred"`.
    pub outcome: Option<String>,
    /// Those that the journal took then or later.
    pub since: Option<Timestamp>,
    /// Those that it took before.
    pub until: Option<Timestamp>,
    /// Those that stand below this one: the next page.
    pub before: Option<EntryId>,
    /// Those that stand above this one: what has come since.
    pub after: Option<EntryId>,
    /// A part of author, subject, reason, rule or Message-ID, ignoring case.
    pub grep: Option<String>,
    /// `None`: all.
    pub limit: Option<usize>,
}

/// One message in full.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its line in `log`.
    pub row: Row,
    /// Where it lies, or lay.
    pub place: Place,
    /// Without angle brackets, or empty.
    pub message_id: String,
    /// When the mailbox took it.
    pub internal_date: Timestamp,
    /// In octets, as the mailbox tells it.
    pub size: u64,
    /// When a deferred one comes again.
    pub due: Option<Timestamp>,
    /// How and when the mailbox was settled; `None`: not yet.
    pub settled: Option<(Timestamp, String)>,
    /// While there is something to settle: when it is tried, and why not yet.
    pub settle_again: Option<(Timestamp, String)>,
    /// Those that have ended, in order.
    pub attempts: Vec<Attempt>,
    /// The writes to the world, oldest first.
    pub intents: Vec<Intent>,
    /// Letters of this message: recipients, state (`waiting`, `taken`, `refused`), last reason.
    pub letters: Vec<(LetterId, Vec<String>, String, String)>,
}

/// One attempt at a message.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When the message was taken in hand.
    pub began: Timestamp,
    /// When it was given back or ended.
    pub ended: Timestamp,
    /// An outcome's word, `"deferred"`, or `"interrupted"` where the process ended before the attempt did.
    pub result: String,
    /// Why, or empty.
    pub reason: String,
    /// The trace that `run` made; `Value::Null` where it was dropped.
    pub trace: Value,
}

/// The accounting identity of one mailbox (`product.md`, 1.1), counted in the messages' own transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Messages that were ever seen; counted apart from the others, so that a difference would show.
    pub seen: u64,
    /// By outcome's word, `"pending"` (also what is in hand) and `"deferred"` (also what waits for its bounce) too.
    pub by_state: BTreeMap<String, u64>,
}

/// What a stretch of time brought, for the summary of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Day {
    /// Of each mailbox the messages that came, by what they are now: an outcome's word, `"pending"` or `"deferred"`.
    pub came: BTreeMap<MailboxName, BTreeMap<String, u64>>,
    /// How many of each mailbox's ignored ones were canaries.
    pub canaries: BTreeMap<MailboxName, u64>,
    /// Requests to Halo that those messages have cost.
    pub calls: u64,
    /// What was created in that time: `"user"`, `"client"`, `"ticket"`.
    pub created: BTreeMap<String, u64>,
    /// Bounces that the SMTP server took in that time.
    pub bounces: u64,
    /// Messages whose senders were not told in that time, though their rules say so.
    pub suppressed: u64,
    /// What has no outcome now, whenever it came.
    pub waiting: BTreeMap<MailboxName, Waiting>,
}

/// Messages of a mailbox that have no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub count: u64,
    pub oldest: EntryId,
    /// When the oldest one came.
    pub since: Timestamp,
}

/// How much there is of everything at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The accounting identity of each mailbox.
    pub totals: BTreeMap<MailboxName, Totals>,
    /// How often each rule matched, of those that ever did.
    pub rules: BTreeMap<String, RuleCount>,
    /// Messages that are held; retention has dropped the others.
    pub rows: u64,
    /// When the oldest message without an outcome was received, of the mailboxes that have one.
    pub oldest_open: BTreeMap<MailboxName, Timestamp>,
    /// How many messages wait for being settled, of the mailboxes that have some.
    pub unsettled: BTreeMap<MailboxName, u64>,
    /// Letters that wait, by the ways by which some do.
    pub letters: BTreeMap<Way, Queued>,
    /// Of the journal's files on disk.
    pub octets: u64,
}

/// Letters of one way that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    pub count: u64,
    /// When the oldest of them was written.
    pub oldest: Timestamp,
}
