//! The journal in an SQLite database in the state folder.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    JournalError, Opening, lock,
    sql::{Ledger, Tenancy, database::Database, readers::Open},
};
use crate::clock::Clock;
#[cfg(test)]
use connection::Connection;

mod connection;
mod copy;
mod schema;

pub(super) use copy::{source, target};

/// The journal in SQLite.
pub struct Sqlite;

impl Sqlite {
    /// Opens the journal in `state_dir`. To write: makes what is missing, takes the lock, brings an older journal up to
    /// date, and gives back what a process had in hand that is no more; a node is alone here. Otherwise: for reading only,
    /// whether a daemon writes just now or not.
    ///
    /// # Errors
    /// [`JournalError::InUse`] where another process owns it; [`JournalError::Unusable`] with what to do, where there
    /// is none yet (for reading), it is another program's, or of a newer version.
    pub fn open(state_dir: &Path, clock: Clock, opening: Opening) -> Result<Ledger, JournalError> {
        match opening {
            Opening::Look => look(state_dir, clock),
            Opening::Alone | Opening::Node => write(state_dir, clock),
        }
    }
}

/// The database within the state folder.
fn database(state_dir: &Path) -> PathBuf {
    state_dir.join("journal.db")
}

fn write(state_dir: &Path, clock: Clock) -> Result<Ledger, JournalError> {
    let lock = lock::take(state_dir)?;
    let path = database(state_dir);
    // SQLite gives its own files the mode of the database.
    lock::private(&path)?;
    let db = schema::open_writer(&path)?;
    Ledger::write(Box::new(db), readers(&path), clock, (Tenancy::Alone, Some(lock)))
}

/// Whether a folder has a journal; if not, why, and what to do.
pub(super) fn is_there(state_dir: &Path) -> Result<(), JournalError> {
    let path = database(state_dir);
    if let Err(error) = path.metadata() {
        let reason = match error.kind() {
            ErrorKind::NotFound => "there is no journal yet; the daemon makes it when it starts, in the state_dir of its configuration (--config says which one is read here)".to_owned(),
            ErrorKind::PermissionDenied => format!("{error}; be the user that the daemon runs as, or root"),
            _ => error.to_string(),
        };
        return Err(JournalError::Unusable {
            path: path.display().to_string(),
            reason,
        });
    }
    Ok(())
}

fn look(state_dir: &Path, clock: Clock) -> Result<Ledger, JournalError> {
    is_there(state_dir)?;
    let path = database(state_dir);
    let first = schema::check_reader(&path)?;
    Ok(Ledger::look(
        Box::new(first),
        readers(&path),
        clock,
        Some(state_dir.to_owned()),
    ))
}

fn readers(path: &Path) -> Arc<Open> {
    let path = path.to_owned();
    Arc::new(move || Ok(Box::new(schema::open_reader(&path)?) as Box<dyn Database>))
}

/// The writer's connection to a journal in that folder.
#[cfg(test)]
pub(super) fn writer_in(folder: &Path) -> impl Database + use<> {
    schema::open_writer(&database(folder)).unwrap()
}

/// How SQLite goes about a statement on such a journal, step by step.
#[cfg(test)]
pub(super) fn plan(folder: &Path, sql: &str) -> Vec<String> {
    let Connection { db, .. } = schema::open_writer(&database(folder)).unwrap();
    let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let parameters = vec![1_i64; plan.parameter_count()];
    plan.query_map(rusqlite::params_from_iter(parameters), |row| row.get("detail"))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// An empty database for the tests of what is shared.
#[cfg(test)]
pub(super) fn in_memory() -> Box<dyn Database> {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    let path = std::path::PathBuf::new();
    Box::new(Connection { db, path })
}
