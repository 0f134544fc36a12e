//! A few connections for reading, each used by one thread at a time, off the runtime.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::database::{Database, Fault, Purpose};
use crate::journal::JournalError;

/// Reads at the same time. More would only wait for the disk together.
const READERS: usize = 4;

/// How a further one is opened.
pub(in crate::journal) type Open = dyn Fn() -> Result<Box<dyn Database>, Fault> + Send + Sync;

/// The connections; a clone is another handle on the same ones.
#[derive(Clone)]
pub(super) struct Readers {
    open: Arc<Open>,
    idle: Arc<Mutex<Vec<Box<dyn Database>>>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(open: Arc<Open>, first: Option<Box<dyn Database>>) -> Readers {
        Readers {
            open,
            idle: Arc::new(Mutex::new(first.into_iter().collect())),
            places: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Reads what the last commit left, or a later one.
    pub(super) async fn read<T, F>(&self, look: F) -> Result<T, JournalError>
    where
        F: FnOnce(&dyn Database) -> Result<T, Fault> + Send + 'static,
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
                None => (readers.open)()?,
            };
            db.begin(Purpose::Look)?;
            let found = look(&*db)?;
            db.commit()?;
            readers.push(db);
            Ok(found)
        };
        let found: Result<T, Fault> = tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| not_read(&error))?;
        found.map_err(|error| not_read(&error))
    }

    fn pop(&self) -> Option<Box<dyn Database>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn push(&self, db: Box<dyn Database>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
    }
}

fn not_read(error: &dyn std::fmt::Display) -> JournalError {
    JournalError::NotRead {
        reason: error.to_string(),
    }
}
