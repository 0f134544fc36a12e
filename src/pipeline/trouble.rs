//! What may be wrong with a thing, and whether operators are to hear of it.

use jiff::Timestamp;

use super::thing::Thing;

/// When operators hear of a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// At once: somebody has to change something.
    Now,
    /// Only where it does not mend itself.
    IfItLasts,
}

/// What a trouble is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The thing was not reached, or refused to sign in.
    Unavailable,
    /// It answers, and work waits all the same.
    Hampered,
    /// Nothing is wrong with it: it waits for an operator's word.
    Waits,
}

impl Sort {
    /// Of a thing that is not to be had, or that answers all the same.
    pub fn of(is_unavailable: bool) -> Sort {
        if is_unavailable {
            Sort::Unavailable
        } else {
            Sort::Hampered
        }
    }
}

/// What was over when a thing was found well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It had no trouble.
    Nothing,
    /// A trouble that operators did not hear of.
    Untold,
    /// One that they heard of: they are to hear of its end.
    Told,
}

/// What is wrong with a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// The newest reason.
    pub reason: String,
    /// What kind of trouble.
    pub sort: Sort,
    /// Whether the log of this process has said it.
    pub is_logged: bool,
    /// When it was met last.
    pub(super) last: Timestamp,
}

/// From when until when something was wrong with a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub thing: Thing,
    pub since: Timestamp,
    /// `None`: it still is.
    pub until: Option<Timestamp>,
}
