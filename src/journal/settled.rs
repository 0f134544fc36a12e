//! How a mailbox came to show what the journal says.

use super::Spot;

/// How the mailbox came to show an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// For people: `moved to Processed`.
    pub how: String,
    /// It still lies where it lay: its row is kept for good, so that it is known there.
    pub stays: bool,
    /// The folder that it was moved to and where it lies there, as far as the server tells. Should it run again, it is
    /// settled from there.
    pub lies: Option<(String, Spot)>,
}

impl Settled {
    /// The message lies where it lay.
    pub fn staying(how: impl Into<String>) -> Settled {
        Settled {
            how: how.into(),
            stays: true,
            lies: None,
        }
    }

    /// The message was moved away, deleted, or not found.
    pub fn leaving(how: impl Into<String>) -> Settled {
        Settled {
            how: how.into(),
            stays: false,
            lies: None,
        }
    }

    /// The same, lying there now.
    pub fn lying(self, folder: &str, spot: Spot) -> Settled {
        Settled {
            lies: Some((folder.to_owned(), spot)),
            ..self
        }
    }
}
