//! What the journal holds of a connection's slots.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    config::ConnectionName,
    journal::{Change, Journal, JournalError},
};

/// The slots of one connection, as the journal counts them.
#[derive(Clone)]
pub(in crate::halo) struct Ledger {
    journal: Arc<dyn Journal>,
    /// Under this name the journal keeps them.
    name: String,
}

impl Ledger {
    pub(in crate::halo) fn new(journal: Arc<dyn Journal>, connection: &ConnectionName) -> Ledger {
        Ledger {
            journal,
            name: format!("pace {connection}"),
        }
    }

    pub(super) fn holds(&self) -> bool {
        self.journal.holds()
    }

    /// What was kept last; nothing where it can not be understood.
    pub(super) async fn recall(&self) -> Result<Kept, JournalError> {
        let kept = self.journal.kept(&self.name).await?;
        Ok(kept
            .and_then(|kept| serde_json::from_value(kept).ok())
            .unwrap_or_default())
    }

    /// Keeps what the window knows, and `wanted` further slots as used. Says how many were granted, once that is on
    /// disk: all of them, since this process alone has the journal. One that nodes share would give each its part.
    pub(super) async fn grant(&self, known: Kept, wanted: usize) -> Result<usize, JournalError> {
        let kept = Kept {
            open: known.open + wanted,
            ..known
        };
        let value = serde_json::to_value(kept).expect("numbers always become JSON");
        let name = self.name.clone();
        self.journal.write(Change::Kept { name, value }).await?;
        Ok(wanted)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger").field(&self.name).finish()
    }
}

/// The window as it is kept; times are milliseconds since the epoch, rounded up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// When so many requests had ended, oldest first.
    pub sent: Vec<(i64, usize)>,
    /// Slots of which nobody knows what came of them: under way, or granted.
    pub open: usize,
    pub held_until: Option<i64>,
}
