//! The state folder and its lock: one process owns the journal at a time.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::{
    crash::{self, Step},
    journal::JournalError,
};

/// The database within the state folder.
pub(super) fn database(state_dir: &Path) -> PathBuf {
    state_dir.join("journal.db")
}

/// Makes the folder and the files that are missing, readable by their owner alone, and locks the journal. The
/// lock ends with the file, and with the process however that ends.
pub(super) fn take(state_dir: &Path) -> Result<File, JournalError> {
    let unusable = |path: &Path, error: io::Error| JournalError::Unusable {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(|error| unusable(state_dir, error))?;
    let path = state_dir.join("lock");
    let lock = private(&path).map_err(|error| unusable(&path, error))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(JournalError::InUse {
                path: state_dir.display().to_string(),
                remedy: "stop that one, or give this one a state_dir of its own",
            });
        }
        Err(TryLockError::Error(error)) => return Err(unusable(&path, error)),
    }
    // SQLite gives its own files the mode of the database.
    let path = database(state_dir);
    private(&path).map_err(|error| unusable(&path, error))?;
    Ok(lock)
}

/// Opens or makes it. One that was there may be a copy that others can read.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = crash::across(Step::StateFile, || options.open(path))?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}
