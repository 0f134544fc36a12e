//! The state folder and its lock: one process has it at a time, wherever its journal lies.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use crate::{
    crash::{self, Step},
    journal::JournalError,
};

/// Whoever looks whether the lock is taken has it for less than this.
const LOOK: Duration = Duration::from_millis(20);

/// Makes the folder where it is missing, readable by its owner alone, and locks it. The lock ends with the file, and with
/// the process however that ends.
pub(super) fn take(state_dir: &Path) -> Result<File, JournalError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(|error| unusable(state_dir, error))?;
    let path = state_dir.join("lock");
    let lock = private(&path)?;
    let taken = match lock.try_lock() {
        Err(TryLockError::WouldBlock) => {
            std::thread::sleep(LOOK);
            lock.try_lock()
        }
        taken => taken,
    };
    match taken {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse {
            path: state_dir.display().to_string(),
            remedy: "stop that one, or give this one a state_dir of its own",
        }),
        Err(TryLockError::Error(error)) => Err(unusable(&path, error)),
    }
}

/// Whether a process has the lock of that folder.
pub(super) fn is_held(state_dir: &Path) -> bool {
    let lock = File::open(state_dir.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Opens or makes a file. One that was there may be a copy that others can read.
pub(super) fn private(path: &Path) -> Result<File, JournalError> {
    let open = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = crash::across(Step::StateFile, || options.open(path))?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(file)
    };
    open().map_err(|error| unusable(path, error))
}

pub(super) fn unusable(path: &Path, error: io::Error) -> JournalError {
    JournalError::Unusable {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}
