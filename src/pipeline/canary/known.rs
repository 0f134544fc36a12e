//! What the journal knows of canaries: several nodes change it, each where it is still what it read.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    config::MailboxName,
    journal::{Change, EntryId, JournalError, Receipt},
    outcome::Outcome,
    pipeline::World,
};

/// Mail that comes later than this is nobody's any more: servers give up after five days (RFC 5321, 4.5.4.1).
const LATEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// And no more than so many are waited for.
const MOST: usize = 1000;

/// What the journal knows of a mailbox's canaries.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Known {
    /// Those that were sent and did not come, or came and have no outcome yet; oldest first.
    pub out: Vec<Out>,
    pub last_sent: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    pub round_trip_ms: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Out {
    pub mark: String,
    pub sent: Timestamp,
    /// The message that it came as: no other one is it.
    pub met: Option<EntryId>,
}

impl Known {
    pub async fn of(world: &World, mailbox: &MailboxName) -> Result<Known, JournalError> {
        Ok(Known::read(world, mailbox).await?.0)
    }

    /// With how the journal has it.
    pub async fn read(world: &World, mailbox: &MailboxName) -> Result<(Known, Value), JournalError> {
        let kept = world.journal.kept(&name(mailbox)).await?.unwrap_or_default();
        Ok((Known::deserialize(&kept).unwrap_or_default(), kept))
    }

    /// False: another node has changed it since it was read.
    pub async fn keep(&self, world: &World, mailbox: &MailboxName, read: Value) -> Result<bool, JournalError> {
        let (name, value) = (name(mailbox), json!(self));
        let change = Change::Where {
            name: name.clone(),
            kept: read,
            change: Box::new(Change::Kept { name, value }),
        };
        Ok(!matches!(world.journal.write(change).await?, Receipt::Stale))
    }

    /// Forgets those that came and have their outcome, and those that nobody waits for any more.
    pub async fn forget(&mut self, world: &World, now: Timestamp) -> Result<(), JournalError> {
        let met = self.out.iter().filter_map(|out| out.met).collect();
        let rows = world.journal.rows_of(met).await?.into_iter();
        let open: BTreeSet<EntryId> = rows
            .filter(|row| Outcome::of_word(&row.outcome).is_none())
            .map(|row| row.id)
            .collect();
        let is_open = |out: &Out| match out.met {
            Some(entry) => open.contains(&entry),
            None => now.duration_since(out.sent) < LATEST,
        };
        self.out.retain(is_open);
        let beyond = self.out.len().saturating_sub(MOST);
        self.out.drain(..beyond);
        Ok(())
    }
}

/// Under this name the journal keeps it.
fn name(mailbox: &MailboxName) -> String {
    format!("canary {mailbox}")
}
