//! What somebody asked for runs again: by a command, through the control socket, on the page.

use serde::{Deserialize, Serialize};

use super::World;
use crate::journal::{Change, EntryId, JournalError, Receipt};

/// Which messages run again: the others have not ended, or their octets are no longer kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reopened {
    /// In the order in which they were asked for.
    pub ids: Vec<EntryId>,
}

/// Lets ended messages run again, and deferred ones now.
pub async fn reopen(world: &World, ids: Vec<EntryId>) -> Result<Reopened, JournalError> {
    let mut reopened = Reopened::default();
    for entry in ids {
        if matches!(world.journal.write(Change::Reopened { entry }).await?, Receipt::Done) {
            reopened.ids.push(entry);
        }
    }
    world.bells.work.notify_one();
    world.bells.outbox.notify_one();
    Ok(reopened)
}
