//! How the things stand that notices are about, at the time when their report is made.

use jiff::Timestamp;

use super::minute;
use crate::config::MailboxName;

/// What is known of a thing beside what the notices say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The mailbox that it is of.
    pub mailbox: Option<MailboxName>,
    /// Whether its trouble goes on; `None`: of a trouble nothing is known, perhaps since a restart.
    pub trouble: Option<Lasts>,
}

/// Whether a trouble goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    Yes,
    OverSince(Timestamp),
}

impl Standing {
    /// A line below the heading: `  it lasts`.
    pub(super) fn words(&self) -> String {
        match self.trouble {
            None => String::new(),
            Some(Lasts::Yes) => "  it lasts\n".to_owned(),
            Some(Lasts::OverSince(at)) => format!("  over since {}\n", minute(at)),
        }
    }

    /// For programs.
    pub(super) fn lasts(&self) -> Option<bool> {
        self.trouble.map(|trouble| trouble == Lasts::Yes)
    }
}
