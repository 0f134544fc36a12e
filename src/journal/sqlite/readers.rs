//! A few connections for reading, each used by one thread at a time, off the runtime.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::schema;
use crate::journal::JournalError;

/// Reads at the same time. More would only wait for the disk together.
const READERS: usize = 4;

/// The connections; a clone is another handle on the same ones.
#[derive(Clone)]
pub(super) struct Readers {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, first: Option<Connection>) -> Readers {
        Readers {
            path: Arc::new(path),
            idle: Arc::new(Mutex::new(first.into_iter().collect())),
            places: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Where the database lies.
    pub(super) fn path(&self) -> Arc<PathBuf> {
        self.path.clone()
    }

    /// Reads what the last commit left, or a later one.
    pub(super) async fn read<T, F>(&self, look: F) -> Result<T, JournalError>
    where
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let place = self
            .places
            .clone()
            .acquire_owned()
            .await
            .map_err(|error| not_read(&error))?;
        let readers = self.clone();
        let read = move || {
            let _place = place;
            let db = match readers.pop() {
                Some(db) => db,
                None => schema::open_reader(&readers.path)?,
            };
            // All that one look reads is of one moment.
            let moment = db.unchecked_transaction()?;
            let found = look(&moment)?;
            moment.finish()?;
            readers.push(db);
            Ok(found)
        };
        let found: rusqlite::Result<T> = tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| not_read(&error))?;
        found.map_err(|error| not_read(&error))
    }

    fn pop(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn push(&self, db: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
    }
}

fn not_read(error: &dyn std::fmt::Display) -> JournalError {
    JournalError::NotRead {
        reason: error.to_string(),
    }
}
