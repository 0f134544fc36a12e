//! What lay in a Maildir at the last look and was known, so that the journal is asked for the others alone: one message
//! that comes where thousands lie is one look-up then.

use std::collections::HashSet;

use super::{Journal, JournalError, Spot};
use crate::config::MailboxName;

/// So many names are kept, a megabyte of them. They come oldest first, and what is old lies longest.
const MOST: usize = 10_000;

/// The messages that were listed last and that the journal has. It goes on having them for as long as they lie there:
/// retention drops the rows of those alone that do not. What is numbered by the server is not kept, since a list of that
/// begins behind what is known.
#[derive(Debug, Default)]
pub struct Lying {
    known: HashSet<Spot>,
}

impl Lying {
    /// Which of `listed`, all that lies there, the journal has not received. What lies there no longer is forgotten.
    ///
    /// # Errors
    ///
    /// Those of [`Journal::unknown`].
    pub async fn unknown(
        &mut self,
        journal: &dyn Journal,
        mailbox: &MailboxName,
        folder: &str,
        listed: Vec<Spot>,
    ) -> Result<Vec<Spot>, JournalError> {
        let before = std::mem::take(&mut self.known);
        let (known, asked): (Vec<Spot>, Vec<Spot>) = listed.into_iter().partition(|spot| before.contains(spot));
        drop(before);
        let unknown = match asked.is_empty() {
            true => Vec::new(),
            false => journal.unknown(mailbox, folder, asked.clone()).await?,
        };
        let not_kept: HashSet<&Spot> = unknown.iter().collect();
        let found = asked.into_iter().filter(|spot| !not_kept.contains(spot));
        let those = known.into_iter().chain(found);
        self.known = those
            .filter(|spot| matches!(spot, Spot::File { .. }))
            .take(MOST)
            .collect();
        Ok(unknown)
    }
}
