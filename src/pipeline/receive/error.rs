//! Why a mailbox could not be read, or not all of it.

use crate::{class::Class, config::MailboxName, journal::JournalError, mailbox::MailboxError};

/// Why a mailbox could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The server, the line, the credentials.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
    /// The journal; nothing is fetched that can not be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Nobody said what to do with it.
    #[error(
        "{count} messages are there at the first start; say backlog = \"process\", \"skip\" or \"report\" in \
         [mailbox.{mailbox}]"
    )]
    Backlog {
        /// Which mailbox.
        mailbox: MailboxName,
        /// How many messages.
        count: u32,
    },
    /// Operators were told what would be done with it, and nobody has said what it means.
    #[error(
        "waits until backlog is \"process\" or \"skip\" in [mailbox.{mailbox}], and a reload where a service runs: {text}"
    )]
    Waits {
        /// What would be done.
        text: String,
        /// Which mailbox.
        mailbox: MailboxName,
    },
    /// Halo is away, so nobody knows what would be done with it.
    #[error("what would be done with the messages that are there can not be told yet: {reason}")]
    Unasked {
        /// What happened.
        reason: String,
    },
    /// Everything else was received.
    #[error("{}; the first of them: {reason}", lie_there(*count))]
    Withheld {
        /// How many messages.
        count: usize,
        /// Why the first of them does not come.
        reason: String,
    },
}

impl ReceiveError {
    /// What the daemon does about it.
    pub fn class(&self) -> Class {
        match self {
            ReceiveError::Mailbox(error) => error.class(),
            ReceiveError::Journal(error) => error.class(),
            ReceiveError::Backlog { .. } | ReceiveError::Waits { .. } => Class::Credentials,
            ReceiveError::Withheld { .. } | ReceiveError::Unasked { .. } => Class::Transient,
        }
    }

    /// Whether the mailbox was reached and answered all that it was asked.
    pub(super) fn is_answered(&self) -> bool {
        !matches!(self, ReceiveError::Mailbox(_) | ReceiveError::Journal(_))
    }

    /// Whether nothing is wrong, and an operator has to say what it means.
    pub(super) fn waits_for_a_word(&self) -> bool {
        matches!(self, ReceiveError::Backlog { .. } | ReceiveError::Waits { .. })
    }

    /// Whether another connection would be no better: neither new mail nor a word of an operator is to wait for one.
    pub(super) fn keeps_the_connection(&self) -> bool {
        self.is_answered() && !matches!(self, ReceiveError::Unasked { .. })
    }
}

fn lie_there(count: usize) -> String {
    match count {
        1 => "1 message lies there and does not come".to_owned(),
        count => format!("{count} messages lie there and do not come"),
    }
}
