//! What the journal holds of a connection's slots.

use std::{fmt, sync::Arc};

use crate::{
    config::{ConnectionName, Rate},
    journal::{
        Change, Journal, JournalError, Receipt,
        pace::{self, Allowed, Kept, Paced},
    },
};

/// The slots of one connection, as the journal counts them.
#[derive(Clone)]
pub(in crate::halo) struct Ledger {
    journal: Arc<dyn Journal>,
    connection: ConnectionName,
    /// Which of the processes that share the journal this one is. No node's number: a node that was taken for dead
    /// becomes another one, and what it has sent still is what this process has sent.
    share: Option<String>,
}

/// What a process tells of its window.
pub(super) struct Told {
    pub rate: Rate,
    /// When that was so, in milliseconds since the epoch.
    pub at: i64,
    pub known: Kept,
    /// So many further slots are wanted.
    pub wanted: usize,
    /// So many stand in line.
    pub waiting: usize,
}

impl Ledger {
    pub(in crate::halo) fn new(journal: Arc<dyn Journal>, connection: &ConnectionName) -> Ledger {
        Ledger {
            share: journal.is_shared().then(|| format!("{:016x}", fastrand::u64(..))),
            journal,
            connection: connection.clone(),
        }
    }

    pub(super) fn holds(&self) -> bool {
        self.journal.holds()
    }

    pub(super) fn is_shared(&self) -> bool {
        self.share.is_some()
    }

    /// What was kept last by an earlier process that was alone as this one is; nothing where it can not be understood.
    pub(super) async fn recall(&self) -> Result<Kept, JournalError> {
        if self.is_shared() {
            // The journal counts it, as it counts what others send.
            return Ok(Kept::default());
        }
        let kept = self.journal.kept(&pace::name(&self.connection)).await?;
        Ok(kept
            .and_then(|kept| serde_json::from_value(kept).ok())
            .unwrap_or_default())
    }

    /// Keeps what the window knows, and the slots that are wanted as used. Says how much of the window may be filled, once
    /// that is on disk. One that is alone may have all that others before it have left.
    pub(super) async fn tell(&self, told: Told) -> Result<Allowed, JournalError> {
        let used = told.known.open + told.known.sent.iter().map(|(_, count)| count).sum::<usize>();
        let all = usize::try_from(told.rate.count.get()).unwrap_or(usize::MAX);
        let paced = Paced {
            connection: self.connection.clone(),
            share: self.share.clone(),
            rate: told.rate,
            at: told.at,
            slice: told.wanted,
            needed: match self.is_shared() {
                true => used + told.waiting + told.wanted,
                false => all,
            },
            kept: Kept {
                open: told.known.open + told.wanted,
                ..told.known
            },
        };
        match self.journal.write(Change::Paced(Box::new(paced))).await? {
            Receipt::Allowed(allowed) => Ok(allowed),
            other => Err(JournalError::NotWritten {
                reason: format!("it answers {other:?}"),
            }),
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger")
            .field(&self.connection)
            .field(&self.share)
            .finish()
    }
}
