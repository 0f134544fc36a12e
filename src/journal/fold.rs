//! Messages of one kind that make one ticket: what is told to the journal of them, and where one of them stands.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// So many lines of a batch are kept ready for its note; the others are counted.
pub const MOST_LINES: usize = 50;

/// A message among those of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fellow {
    /// What all of its kind have in common.
    pub key: String,
    /// What this one makes bears it: it tells one of them from the others.
    pub mark: String,
}

/// What is told of such messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Folding {
    /// A message asks where it stands: `Standing`. Asked again it is counted once.
    Came {
        fellow: Fellow,
        /// What the note says of it.
        line: String,
        /// A ticket takes up further ones for so long after its first.
        within: Duration,
    },
    /// The first of them has made the ticket; as results show it.
    Made { fellow: Fellow, ticket: Value },
    /// It comes to no ticket: the next one is the first.
    Left { fellow: Fellow },
    /// The ticket has the note of that batch.
    Noted { fold: i64, batch: u32 },
    /// The ticket takes no more: this message is the first of another one, to which all go that are not noted yet.
    Renewed { fellow: Fellow, fold: i64 },
}

impl Folding {
    /// For people.
    pub fn describe(&self) -> String {
        match self {
            Folding::Came { fellow, .. } => format!("whether there is a ticket for {:?}", fellow.key),
            Folding::Made { fellow, .. } => format!("remember the ticket for {:?}", fellow.key),
            Folding::Left { fellow } => format!("remember that no ticket was made for {:?}", fellow.key),
            Folding::Noted { batch, .. } => format!("remember that note {batch} was written"),
            Folding::Renewed { fellow, .. } => format!("another ticket for {:?}", fellow.key),
        }
    }
}

/// Where a message stands among those of its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The ticket is its own.
    First,
    /// It is in the ticket, as one of so many.
    Noted { ticket: Value, count: u64 },
    /// It is counted and comes again then.
    Waits { until: Timestamp },
    /// It writes the note of this batch.
    Writes(Batch),
}

/// Messages that a ticket gets one note of. It never changes once somebody was told to write it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// What it belongs to, for `Noted` and `Renewed`.
    pub fold: i64,
    /// From 1.
    pub number: u32,
    /// The mark of the first message.
    pub mark: String,
    /// As results show it.
    pub ticket: Value,
    /// So many messages are in the ticket already.
    pub before: u64,
    /// So many are in the batch.
    pub count: u64,
    /// The first of them, a line each: `MOST_LINES` at most.
    pub lines: Vec<String>,
}
