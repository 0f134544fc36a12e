//! What becomes of a message, and how people are told: the bounce, the guard that says whether one may be
//! sent, the outbox and the reports to operators.

use serde::{Deserialize, Serialize};

pub mod bounce;
pub mod canary;
pub(crate) mod field;
pub mod guard;
pub mod mail;
pub mod report;
pub mod smtp;

pub use guard::Unsafe;

/// The address of this program on a machine: where nothing else can stand.
pub fn ours(hostname: &str) -> String {
    format!("halo-intake@{}", field::host(hostname))
}

/// How a message ended. Every message that was seen has exactly one, or is still pending or deferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its rules ran to their end, or a `stop` step ended them.
    Completed,
    /// A step failed under `stop` or `stop_all`, and no other matching rule ran to its end.
    Stopped,
    /// The SMTP server has taken a bounce for it.
    Bounced,
    /// An exception: operators are told.
    Failed,
    /// A copy of a message that ended well or is in hand.
    Duplicate,
    /// No rule matched.
    Ignored,
}

impl Outcome {
    /// All of them, in the order of the manual.
    pub const ALL: [Outcome; 6] = [
        Outcome::Completed,
        Outcome::Stopped,
        Outcome::Bounced,
        Outcome::Failed,
        Outcome::Duplicate,
        Outcome::Ignored,
    ];

    /// The word that stands in configuration, journal, listings and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Stopped => "stopped",
            Outcome::Bounced => "bounced",
            Outcome::Failed => "failed",
            Outcome::Duplicate => "duplicate",
            Outcome::Ignored => "ignored",
        }
    }

    /// What may have become of a message: the words of all outcomes, and of those that have none yet.
    pub fn words() -> impl Iterator<Item = &'static str> {
        Outcome::ALL
            .map(Outcome::word)
            .into_iter()
            .chain(["pending", "deferred"])
    }

    /// The outcome of that word.
    pub fn of_word(word: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// Why a message ended as no rule of the operator's said. The word is kept in the journal and shown by `log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Larger than the mailbox's `max_message_size`; only its header was read.
    TooLarge,
    /// The mailbox lists it and does not give it.
    Withheld,
    /// Neither From nor Sender, Reply-To or Return-Path names a usable address.
    NoAuthor,
    /// Its header or its structure passes this bound of reading.
    Unread(&'static str),
    /// It was there before the first start, and `backlog = "skip"`.
    Backlog,
    /// It is a report to operators that this program sent.
    OwnReport,
    /// It is a mail that this program sent to see that mail comes.
    Canary,
    /// Its own failures have used up `[retry].give_up_after`.
    GaveUp,
    /// Working on it passed a bound of time or memory, or panicked.
    Bound,
    /// A step bounces it, and nobody may be told.
    NotTold(Unsafe),
    /// A step bounces it, and its sender was told of another one not long ago.
    BounceLimit,
    /// The bounce could not leave as long as anybody may be told.
    BounceTooOld,
    /// The SMTP server was handed the bounce several times, and never said whether it takes it.
    BounceUnanswered,
    /// The SMTP server refuses the bounce for good.
    BounceRefused,
    /// It shall run again, and its octets are no longer kept.
    OctetsGone,
}

impl Reason {
    /// The stable word.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::TooLarge => "too_large",
            Reason::Withheld => "withheld",
            Reason::NoAuthor => "no_author",
            Reason::Unread(bound) => bound,
            Reason::Backlog => "backlog",
            Reason::OwnReport => "own_report",
            Reason::Canary => "canary",
            Reason::GaveUp => "gave_up",
            Reason::Bound => "bound",
            Reason::NotTold(forbids) => forbids.word(),
            Reason::BounceLimit => "bounce_limit",
            Reason::BounceTooOld => "too_old",
            Reason::BounceUnanswered => "bounce_unanswered",
            Reason::BounceRefused => "bounce_refused",
            Reason::OctetsGone => "octets_gone",
        }
    }

    /// The same for a person, with the next step where there is one.
    pub fn sentence(&self) -> String {
        let fixed = match self {
            Reason::NotTold(forbids) => return format!("its sender is not told: {forbids}"),
            Reason::Unread(bound) => return format!("reading it passes a bound: {bound}; look at it in its mailbox"),
            Reason::TooLarge => "it is larger than max_message_size of its mailbox",
            Reason::Withheld => "the mailbox lists it and does not give it; look at it there",
            Reason::NoAuthor => "no field names an author that can be used",
            Reason::Backlog => "it was there before the first start, and backlog is \"skip\"",
            Reason::OwnReport => "it is a report of our own; set [report] to to an address that no mailbox watches",
            Reason::Canary => "this program sent it to see that mail comes",
            Reason::GaveUp => "its attempts went on for longer than [retry] give_up_after",
            Reason::Bound => "working on it took more time or memory than one message may",
            Reason::BounceLimit => "its sender was told of another message within [bounce] limit_per_sender",
            Reason::BounceTooOld => "its bounce could not leave within [bounce] max_age",
            Reason::BounceUnanswered => {
                "its bounce was handed over several times and never answered; it was perhaps taken, so it is not sent again"
            }
            Reason::BounceRefused => "the SMTP server refuses the bounce for good",
            Reason::OctetsGone => "its octets are older than [retention] octets; take it from the mailbox again",
        };
        fixed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_found_by_its_word() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::of_word(outcome.word()), Some(outcome));
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.word());
        }
        assert_eq!(Outcome::of_word("pending"), None);
    }

    #[test]
    fn a_bounce_that_is_not_sent_is_recorded_by_what_forbids_it() {
        let reason = Reason::NotTold(Unsafe::NullReturnPath);
        assert_eq!(
            (reason.word(), reason.sentence().as_str()),
            ("null_return_path", "its sender is not told: its return path is null")
        );
    }
}
