//! A journal in SQLite that is copied, or copied into. Whoever opens it holds the lock of its folder.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, chown},
    path::Path,
};

use super::{database, schema};
use crate::journal::{JournalError, lock, sql::copy::Side};

/// What is copied, up to date.
pub(in crate::journal) fn source(state_dir: &Path) -> Result<Side, JournalError> {
    opened(&database(state_dir))
}

/// What is copied into: made where it is not there, and made afresh where an earlier copy was cut short.
pub(in crate::journal) fn target(state_dir: &Path) -> Result<Side, JournalError> {
    let path = database(state_dir);
    if path.exists() && schema::is_unfinished(&path)? {
        // The log of a database that is not there is none of the next one's.
        for file in [
            path.clone(),
            path.with_extension("db-wal"),
            path.with_extension("db-shm"),
        ] {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(lock::unusable(&file, error)),
                _ => {}
            }
        }
    }
    lock::private(&path)?;
    give(&path, state_dir).map_err(|error| lock::unusable(&path, error))?;
    opened(&path)
}

/// Where root makes the file for the service, it is its folder's owner's. So are those that SQLite makes beside it.
fn give(path: &Path, state_dir: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let folder = state_dir.metadata()?;
    chown(path, Some(folder.uid()), Some(folder.gid()))
}

fn opened(path: &Path) -> Result<Side, JournalError> {
    Ok(Side {
        db: Box::new(schema::open_writer(path)?),
        shown: path.display().to_string(),
        marks: schema::marks(),
        elsewhere: "name a folder without a journal",
    })
}
