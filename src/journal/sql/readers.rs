//! A few connections for reading, each used by one thread at a time, off the runtime.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use super::database::{Database, Fault, Purpose};
use crate::{journal::JournalError, task};

/// Reads at the same time. More would only wait for the disk together.
const READERS: usize = 4;

/// How a further one is opened.
pub(in crate::journal) type Open = dyn Fn() -> Result<Box<dyn Database>, Fault> + Send + Sync;

type Look = dyn FnOnce(&dyn Database) -> Result<(), Fault> + Send;

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
        let (found, taken) = oneshot::channel();
        let look = move |db: &dyn Database| {
            // Nobody takes it where whoever asked is gone.
            let _ = found.send(look(db)?);
            Ok(())
        };
        self.run(Box::new(look)).await?;
        taken.await.map_err(|error| not_read(&error))
    }

    /// The same for all types: it is made once.
    async fn run(&self, look: Box<Look>) -> Result<(), JournalError> {
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
            look(&*db)?;
            db.commit()?;
            readers.push(db);
            Ok(())
        };
        let read: Result<(), Fault> = task::blocking(read).await.map_err(|error| not_read(&error))?;
        read.map_err(|error| not_read(&error))
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
