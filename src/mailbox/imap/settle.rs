//! Settling: moving, marking and deleting messages whose outcome is on disk.
//!
//! Only MOVE is one step at the server. Without it a message is copied, marked and expunged. Marking sets a
//! keyword of ours beside `\Deleted`, so that a repeat after a crash finds what was copied already and does not
//! copy it again. Two gaps remain and can't be closed by a client: a crash between the server's COPY and our
//! marking, and a folder that takes no keywords; there a repeat leaves a second copy in the destination.

use std::collections::BTreeSet;

use imap_proto::{AttributeValue, Response};

use super::{Imap, completion::Completion, fetch::is_gone, names::quote, uid_of, uid_set::sets};
use crate::{config::Settle, journal::Spot, mailbox::MailboxError};

/// Marks what was copied to its destination and waits to be expunged.
const COPIED: &str = "$HaloIntakeMoved";

impl Imap {
    pub(super) async fn settle_spots(&mut self, spots: &[Spot], how: &Settle) -> Result<String, MailboxError> {
        if *how == Settle::Keep || spots.is_empty() {
            return Ok("kept".to_owned());
        }
        let opened = self.opened().await?;
        let of_now = |spot: &Spot| match spot {
            Spot::Uid { validity, uid } if *validity == opened.validity => Some(*uid),
            _ => None,
        };
        let uids: Vec<u32> = spots.iter().filter_map(of_now).collect();
        if uids.is_empty() {
            return Ok(format!("left alone: UIDVALIDITY is {} now", opened.validity));
        }
        if opened.read_only {
            let reason = "the server opens it read-only for this login; grant the right to change flags and to expunge";
            return Err(MailboxError::Folder {
                folder: self.folder.clone(),
                reason: reason.to_owned(),
            });
        }
        let done = match how {
            Settle::MoveTo(folder) => self.move_to(&uids, folder).await?,
            Settle::Seen => {
                self.store(&uids, "\\Seen").await?;
                "marked \\Seen".to_owned()
            }
            Settle::Delete => self.delete(&uids).await?,
            Settle::Keep => "kept".to_owned(),
        };
        let left = spots.len() - uids.len();
        Ok(if left == 0 {
            done
        } else {
            format!("{done}; {left} of another UIDVALIDITY were left alone")
        })
    }

    async fn delete(&mut self, uids: &[u32]) -> Result<String, MailboxError> {
        self.store(uids, "\\Deleted").await?;
        if !self.wire.can("UIDPLUS") {
            // A plain EXPUNGE would also remove what a person marked.
            return Ok("marked \\Deleted; the server can not expunge single messages (UIDPLUS)".to_owned());
        }
        self.expunge(uids).await?;
        Ok("deleted".to_owned())
    }

    async fn move_to(&mut self, uids: &[u32], folder: &str) -> Result<String, MailboxError> {
        let theirs = self.names.to_server(folder);
        self.provide(&theirs).await?;
        if self.wire.can("MOVE") {
            for set in sets(uids) {
                self.transfer("UID MOVE", &set, &theirs).await?;
            }
            return Ok(format!("moved to {folder}"));
        }
        let copied = self.copied_before(uids).await?;
        let uncopied: Vec<u32> = uids.iter().copied().filter(|uid| !copied.contains(uid)).collect();
        let mark = if self.opened().await?.takes_keywords {
            format!("\\Deleted {COPIED}")
        } else {
            "\\Deleted".to_owned()
        };
        for set in sets(&uncopied) {
            self.transfer("UID COPY", &set, &theirs).await?;
            // At once, to keep the gap between the copy and its mark short.
            self.store_set(&set, &mark).await?;
        }
        if !self.wire.can("UIDPLUS") {
            return Ok(format!(
                "copied to {folder} and marked \\Deleted; the server has neither MOVE nor UIDPLUS, so it stays until somebody expunges"
            ));
        }
        self.expunge(uids).await?;
        Ok(format!("moved to {folder} (copied and expunged)"))
    }

    /// What bears our mark from an earlier try.
    async fn copied_before(&mut self, uids: &[u32]) -> Result<BTreeSet<u32>, MailboxError> {
        let mut copied = BTreeSet::new();
        for set in sets(uids) {
            let note = |response: &Response<'_>| {
                let Response::Fetch(_, attributes) = response else {
                    return;
                };
                let marked = attributes.iter().any(|attribute| match attribute {
                    AttributeValue::Flags(flags) => flags.iter().any(|flag| flag.eq_ignore_ascii_case(COPIED)),
                    _ => false,
                });
                copied.extend(uid_of(attributes).filter(|_| marked));
            };
            let answer = self.wire.ask(&format!("UID FETCH {set} (UID FLAGS)"), note).await?;
            settled(answer)?;
        }
        Ok(copied)
    }

    /// `UID MOVE` or `UID COPY`. A destination that went away meanwhile is made again, once.
    async fn transfer(&mut self, verb: &str, set: &str, theirs: &str) -> Result<(), MailboxError> {
        let command = format!("{verb} {set} {}", quote(theirs));
        let answer = self.wire.ask(&command, |_| {}).await?;
        if answer.code != "TRYCREATE" {
            return settled(answer);
        }
        self.destinations.remove(theirs);
        self.provide(theirs).await?;
        settled(self.wire.ask(&command, |_| {}).await?)
    }

    async fn store(&mut self, uids: &[u32], flags: &str) -> Result<(), MailboxError> {
        for set in sets(uids) {
            self.store_set(&set, flags).await?;
        }
        Ok(())
    }

    async fn store_set(&mut self, set: &str, flags: &str) -> Result<(), MailboxError> {
        settled(
            self.wire
                .ask(&format!("UID STORE {set} +FLAGS.SILENT ({flags})"), |_| {})
                .await?,
        )
    }

    /// RFC 4315, 2.1: only these, whatever else bears `\Deleted`.
    async fn expunge(&mut self, uids: &[u32]) -> Result<(), MailboxError> {
        for set in sets(uids) {
            settled(self.wire.ask(&format!("UID EXPUNGE {set}"), |_| {}).await?)?;
        }
        Ok(())
    }

    /// Makes the destination where it is missing, and subscribes it, so that people see it.
    async fn provide(&mut self, theirs: &str) -> Result<(), MailboxError> {
        if self.destinations.contains(theirs) {
            return Ok(());
        }
        let selectable = self.find_folder(theirs).await?.is_some_and(|found| found.selectable);
        if !selectable {
            let made = self.wire.ask(&format!("CREATE {}", quote(theirs)), |_| {}).await?;
            if made.code != "ALREADYEXISTS" {
                made.accepted()?;
            }
            // What a client shows is no matter of ours: a refusal changes nothing for the move.
            self.wire.ask(&format!("SUBSCRIBE {}", quote(theirs)), |_| {}).await?;
        }
        self.destinations.insert(theirs.to_owned());
        Ok(())
    }
}

/// Messages that are gone count as settled.
fn settled(answer: Completion) -> Result<(), MailboxError> {
    if is_gone(&answer) {
        Ok(())
    } else {
        answer.accepted().map(|_| ())
    }
}
