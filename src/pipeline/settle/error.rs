//! What keeps a mailbox from being settled.

use crate::{journal::JournalError, mailbox::MailboxError};

/// Why settling did not go on.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The server, the line, the credentials.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The server says no, and goes on: to the command, or to a folder that is not the one that is watched.
pub(super) fn is_refusal(error: &MailboxError, is_other_folder: bool) -> bool {
    match error {
        MailboxError::Refused { .. } => true,
        MailboxError::Folder { .. } | MailboxError::NoFolder { .. } => is_other_folder,
        _ => false,
    }
}
