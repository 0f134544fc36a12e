//! What this node alone does just now, where several share the journal.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::World;
use crate::{
    config::MailboxName,
    journal::{
        Change,
        node::{Duty, Lease},
    },
};

/// The leases that this node has.
#[derive(Debug, Default)]
pub struct Leases(Mutex<Option<BTreeMap<Duty, i64>>>);

impl Leases {
    /// From now on it has these.
    pub fn replace(&self, leases: &[Lease]) {
        let leases = leases.iter().map(|lease| (lease.duty.clone(), lease.token));
        *self.held() = Some(leases.collect());
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.held().as_ref().map_or(0, BTreeMap::len)
    }

    /// The mailboxes among them; `None` before the journal has said which there are.
    pub fn mailboxes(&self) -> Option<Vec<MailboxName>> {
        let held = self.held();
        let mailbox = |duty: &Duty| match duty {
            Duty::Mailbox(name) => Some(name.clone()),
            Duty::Outbox => None,
        };
        Some(held.as_ref()?.keys().filter_map(mailbox).collect())
    }

    fn token(&self, duty: &Duty) -> Option<i64> {
        self.held().as_ref()?.get(duty).copied()
    }

    fn held(&self) -> MutexGuard<'_, Option<BTreeMap<Duty, i64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// Whether this node may do that now: it is its duty, and nobody can have taken it over.
    pub fn may(&self, duty: &Duty) -> bool {
        !self.journal.is_shared() || self.journal.holds() && self.leases.token(duty).is_some()
    }

    /// What is told in a duty; it changes nothing where that is another node's by now.
    pub fn under(&self, duty: Duty, change: Change) -> Change {
        if !self.journal.is_shared() {
            return change;
        }
        // No duty ever had a token below 1.
        let token = self.leases.token(&duty).unwrap_or(0);
        change.under(&Lease { duty, token })
    }
}
