//! What can be told to the journal, as whole facts, and what it says to that.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Claim, EntryId, Folding, LetterId, Place, Settled, node::Lease, pace::Paced};
use crate::{
    config::{ConnectionName, Deduplicate, MailboxName, Rate},
    crash::Step,
    outcome::Outcome,
};

/// SHA-256 of something; which, the field says.
pub type Digest = [u8; 32];

/// A message that was seen, with all that identity and order need.
#[derive(Debug, Clone)]
pub struct Received {
    /// Where it was seen.
    pub place: Place,
    /// When the mailbox took it.
    pub internal_date: Timestamp,
    /// In octets, as the mailbox tells it.
    pub size: u64,
    /// The message as it came. Empty where only its header was read (too large, skipped backlog).
    pub octets: Bytes,
    /// For `log`: the author's address, or empty.
    pub from: String,
    /// For `log`: the subject, decoded.
    pub subject: String,
    /// Without angle brackets, or empty.
    pub message_id: String,
    /// Of Message-ID, author, date, subject and body; trace fields are left out, or two mailboxes never match.
    pub fingerprint: Digest,
    /// Of all octets: finds the message again when UIDVALIDITY has changed. Of the header alone where that is
    /// all that was read; `size` is compared as well.
    pub digest: Digest,
    /// Of the header alone, in any case: finds a message of which no more was read.
    pub header_digest: Digest,
    /// Messages of one author keep their order; empty where there is none to keep.
    pub author_key: String,
    /// Messages of one conversation keep their order; empty where the message names none.
    pub thread_key: String,
    /// Where copies of it are looked for.
    pub deduplicate: Deduplicate,
    /// Ends with the reception, with outcome and reason: too large, no usable author, a skipped backlog. `failed`
    /// makes a notice to operators in the same transaction; nobody else needs to.
    pub end: Option<(Outcome, String)>,
    /// Take it in hand in the same transaction when it is runnable.
    pub claim: bool,
}

/// A write to the world that was begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// Rule digest, step path and number of the effect within the step; `run` makes it.
    pub step: String,
    /// What was asked of the world; its shape is `effect`'s.
    pub effect: Value,
    /// `None`: nobody knows what came of it. `Value::Null`: it was refused for good, or never sent.
    pub answer: Option<Value>,
    /// When it was begun last.
    pub begun: Timestamp,
}

/// The thing that an intent creates: one row for each, so that two messages never create it twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CreationKey {
    /// Where it is created.
    pub connection: ConnectionName,
    /// `"user"`, `"client"`, `"ticket"`.
    pub kind: String,
    /// For a user its address in lower case.
    pub key: String,
}

/// What is known of a thing that is to be created once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Creation {
    /// Since when a request for it has had no answer: look first, afresh. Where its message was given back meanwhile,
    /// since then.
    pub open_since: Option<Timestamp>,
    /// When an earlier request had made it, or found it there.
    pub answered: Option<Timestamp>,
    /// A message that another node has in hand has begun it and has no answer yet.
    pub is_under_way: bool,
}

/// A mail to be sent, kept until the SMTP server has taken or refused it.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// `None` is the null return path.
    pub return_path: Option<String>,
    /// Whom it goes to.
    pub recipients: Vec<String>,
    /// The whole mail, with its header.
    pub octets: Bytes,
    /// Afterwards it shall not leave any more.
    pub not_after: Option<Timestamp>,
}

/// By which way operators hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    Mail,
    /// A letter of this way is what is posted, without anybody's address.
    Webhook,
}

impl Way {
    /// Both of them.
    pub const ALL: [Way; 2] = [Way::Mail, Way::Webhook];

    /// As the journal keeps it.
    pub fn word(self) -> &'static str {
        match self {
            Way::Mail => "mail",
            Way::Webhook => "webhook",
        }
    }
}

/// What leaves to operators by one way.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub way: Way,
    pub letter: Letter,
    /// The notices up to and including this one leave in it; 0: none.
    pub upto: i64,
    /// Nobody hears by another way, so that nothing is to be told there later.
    pub alone: bool,
    /// Kept with it: when the last one was made, so that it is made once.
    pub name: String,
    pub value: Value,
}

/// At most so many letters under one key in that time; beyond it the letter is suppressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterLimit {
    /// Whom it protects: the address that is told.
    pub key: String,
    /// How many letters in which time, counted by when they were written; those that were refused do not count.
    pub rate: Rate,
}

/// A mail of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// By which it is known: it leaves once, however often its step is repeated.
    pub mark: String,
    pub letter: Letter,
    /// Where somebody is told whom the operator did not write out.
    pub limit: Option<LetterLimit>,
}

/// Messages that belong to a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Where the ticket is.
    pub connection: ConnectionName,
    pub ticket: i64,
    /// Message-IDs of the conversation, and the root of its Thread-Index.
    pub keys: Vec<String>,
    /// Who wrote the message; empty where that is not believed.
    pub author: String,
    pub at: Timestamp,
}

/// Something that operators shall hear of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The message, where it is about one.
    pub entry: Option<EntryId>,
    /// What it is about, for folding many into one: `"failed"`, `"connection main"`, `"bounce suppressed ann@…"`.
    pub topic: String,
    /// One sentence.
    pub text: String,
    /// When it came up.
    pub at: Timestamp,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// Why, in one sentence or word; empty where nothing needs saying.
    pub reason: String,
    /// The rule that decided, or empty.
    pub rule: String,
    /// The rules that matched the message, in earlier attempts of this run too; each once.
    pub matched: Vec<String>,
    /// Everything `show` prints of the attempt, as JSON. Shared: whoever may have to write it again keeps it.
    pub trace: Arc<str>,
    /// How many requests to Halo it has cost.
    pub calls: usize,
    /// With outcome `Bounced`: the bounce. The message stays deferred until it was taken. Where a bounce of this
    /// message has left before (it ran again), no other one leaves, and the message is `bounced` at once; where one has
    /// perhaps left, `failed`.
    pub bounce: Option<(Letter, LetterLimit)>,
    /// What operators shall hear.
    pub notices: Vec<Notice>,
}

/// A fact to keep. Each is one transaction's worth; those that wait are committed together.
#[derive(Debug, Clone)]
pub enum Change {
    /// A message was seen in a mailbox.
    Received(Box<Received>),
    /// All UIDs below `next_uid` have been received. Within one UIDVALIDITY it never goes back.
    Positioned {
        mailbox: MailboxName,
        folder: String,
        validity: u32,
        next_uid: u32,
    },
    /// Before a write to the world. A step that is begun again takes the place of its earlier intent. `UnderWay` where
    /// another node is about the creation.
    Intended {
        claim: Claim,
        intent: Intent,
        creation: Option<CreationKey>,
    },
    /// After it. With `Value::Null` where it was refused for good or never sent: the creation is closed without
    /// having been made, but an earlier request for it that never had an answer stays in doubt. Where nobody knows
    /// what came of it, nothing is answered.
    Answered {
        claim: Claim,
        step: String,
        answer: Value,
        creation: Option<CreationKey>,
    },
    /// Given back: it comes again at `due`, resuming from `run`.
    Deferred {
        claim: Claim,
        due: Timestamp,
        reason: String,
        /// Whether this wait counts towards giving up.
        counts: bool,
        /// What it waits for, so that `Woken` finds it.
        waits_for: Option<String>,
        /// All waits so far that count.
        waited: Duration,
        run: Value,
        trace: Arc<str>,
        /// How many requests to Halo the attempt has cost.
        calls: usize,
        notices: Vec<Notice>,
    },
    /// What these deferred messages wait for is well again: they are due now.
    Woken { waits_for: String },
    /// Given back untouched, at a stop: runnable at once, no attempt counted.
    Released { claim: Claim },
    /// An attempt came to an outcome.
    Ended { claim: Claim, ended: Box<Ended> },
    /// The mailbox shows the end that came after so many attempts. `Stale` where the message runs again, or has another
    /// end by now: that is still to be settled, from where the message lies since, which is kept.
    Settled {
        entry: EntryId,
        attempts: u32,
        settled: Settled,
    },
    /// Settling failed for now; comes again at `due`. `Stale` as for `Settled`.
    SettleDeferred {
        entry: EntryId,
        attempts: u32,
        due: Timestamp,
        reason: String,
    },
    /// A step sends a mail: it leaves from the outbox, and what becomes of it there does not touch the message. One that
    /// has left, waits or was perhaps taken is not sent again; one that was refused is.
    Posted { claim: Claim, post: Box<Post> },
    /// The SMTP server has taken a letter.
    LetterTaken { letter: LetterId },
    /// Refused for good: the message it bounces is `failed`, and operators hear of it. A report's notices leave in
    /// the next one.
    LetterRefused { letter: LetterId, reason: String },
    /// It was handed over too often without an answer, was perhaps taken and never leaves again: the message it bounces
    /// is `failed`, and operators hear of it. A report's notices have left with it.
    LetterUnanswered { letter: LetterId, reason: String },
    /// Its time is over: the message it bounces is `failed`, and operators hear of it, many of one sender as one.
    LetterOutdated { letter: LetterId, reason: String },
    /// The letter could not leave for now; comes again at `due`.
    LetterDeferred {
        letter: LetterId,
        due: Timestamp,
        reason: String,
        /// Whether it was handed over and was perhaps taken.
        unanswered: bool,
        /// Whether this wait counts towards giving up.
        counts: bool,
        /// All waits so far that count.
        waited: Duration,
    },
    /// Something operators shall hear of that belongs to no message's end.
    Noticed(Notice),
    /// The same, together with what is to be known of it later: that operators were told.
    Told { notice: Notice, name: String, value: Value },
    /// A report leaves, and the notices in it.
    Reported(Box<Report>),
    /// Messages belong to a ticket from now on.
    Joined(Joined),
    /// Of messages of one kind that make one ticket.
    Folded {
        claim: Claim,
        /// Where the ticket is.
        connection: ConnectionName,
        folding: Folding,
    },
    /// What this process has sent to a connection, and how much it needs. `Allowed` is the answer.
    Paced(Box<Paced>),
    /// A small value that outlives the process: tokens, cached facts. Null: nothing any more.
    Kept { name: String, value: Value },
    /// An ended message shall run again from its stored octets, as a new one, with none of the answers that it had; a
    /// deferred one now. `Stale` where it is neither, or its octets are not kept any more.
    Reopened { entry: EntryId },
    /// Drops octets and traces of what ended before the one, and notices, told or not, from before it; rows before
    /// the other; these only of messages that do not lie in a mailbox any more.
    Trimmed {
        octets_before: Timestamp,
        rows_before: Timestamp,
    },
    /// What a node tells in its duty; `Stale` where that is another one's by now.
    Under { lease: Lease, change: Box<Change> },
}

impl Change {
    /// Told in this duty.
    pub fn under(self, lease: &Lease) -> Change {
        Change::Under {
            lease: lease.clone(),
            change: Box::new(self),
        }
    }

    /// Which step the keeping of it is.
    pub(super) fn step(&self) -> Step {
        match self {
            Change::Received(_) => Step::Received,
            Change::Positioned { .. } => Step::Positioned,
            Change::Intended { .. } => Step::Intended,
            Change::Answered { .. } => Step::Answered,
            Change::Deferred { .. } => Step::Deferred,
            Change::Woken { .. } => Step::Woken,
            Change::Released { .. } => Step::Released,
            Change::Ended { .. } => Step::Ended,
            Change::Settled { .. } => Step::Settled,
            Change::SettleDeferred { .. } => Step::SettleDeferred,
            Change::Posted { .. } => Step::Posted,
            Change::LetterTaken { .. } => Step::LetterTaken,
            Change::LetterRefused { .. } => Step::LetterRefused,
            Change::LetterUnanswered { .. } => Step::LetterUnanswered,
            Change::LetterOutdated { .. } => Step::LetterOutdated,
            Change::LetterDeferred { .. } => Step::LetterDeferred,
            Change::Noticed(_) => Step::Noticed,
            Change::Told { .. } => Step::Told,
            Change::Reported(_) => Step::Reported,
            Change::Paced(_) => Step::Paced,
            Change::Kept { .. } => Step::Kept,
            Change::Joined(_) => Step::Joined,
            Change::Folded { .. } => Step::Folded,
            Change::Reopened { .. } => Step::Reopened,
            Change::Trimmed { .. } => Step::Trimmed,
            Change::Under { change, .. } => change.step(),
        }
    }
}
