//! Which rights this process has in a Maildir, and how the lack of one is told.

use std::{io, path::Path};

use rustix::{
    fs::{Access, access},
    process::{getegid, geteuid},
};

use super::MailboxError;

/// What a right is needed for, as its lack is told, and which it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    text: &'static str,
    access: Access,
}

/// To see what lies in a folder.
pub(super) const LIST: Needs = Needs {
    text: "to read and enter this folder (rx)",
    access: Access::READ_OK.union(Access::EXEC_OK),
};
/// To read a message.
pub(super) const READ: Needs = Needs {
    text: "to read this file (r)",
    access: Access::READ_OK,
};
/// To settle a message: to rename it out of its folder.
pub(super) const CHANGE: Needs = Needs {
    text: "to write to the folders that messages leave and come to (wx)",
    access: Access::WRITE_OK.union(Access::EXEC_OK),
};

impl Needs {
    /// Asks the system.
    pub(super) fn check(self, path: &Path) -> Result<(), MailboxError> {
        access(path, self.access).map_err(|error| file_error(path, self, &error.into()))
    }
}

/// What the system says, and where it is a matter of rights, what to do.
pub(super) fn file_error(path: &Path, needs: Needs, error: &io::Error) -> MailboxError {
    let path = path.display().to_string();
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => "have the mail delivered as this user, or run as the one whom it belongs to",
        io::ErrorKind::ReadOnlyFilesystem => "under systemd name the Maildir in ReadWritePaths=",
        _ => {
            return MailboxError::File {
                path,
                reason: error.to_string(),
            };
        }
    };
    MailboxError::Denied {
        path,
        reason: error.to_string(),
        login: format!("user {}, group {}", geteuid().as_raw(), getegid().as_raw()),
        needs: needs.text,
        remedy,
    }
}
