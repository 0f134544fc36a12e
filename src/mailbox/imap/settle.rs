//! Settling: moving, marking and deleting messages whose outcome is on disk.
//!
//! Only MOVE is one step at the server. Without it a message is copied, marked and expunged. Marking sets a
//! keyword of ours beside `\Deleted`, so that a repeat after a crash finds what was copied already and does not
//! copy it again. Two gaps remain and can't be closed by a client: a crash between the server's COPY and our
//! marking, and a folder that takes no keywords; there a repeat leaves a second copy in the destination.

use std::collections::BTreeSet;

use imap_proto::{AttributeValue, Response};

use super::{
    Imap,
    completion::Completion,
    fetch::is_gone,
    names::quote,
    uid_of,
    uid_set::{UidSet, sets},
};
use crate::{
    config::Settle,
    crash::{self, Step},
    journal::{Settled, Spot},
    mailbox::{MailboxError, Settling},
};

/// Marks what was copied to its destination and waits to be expunged.
const COPIED: &str = "$HaloIntakeMoved";

/// The commands that change the mailbox.
#[derive(Clone, Copy)]
enum Verb {
    Move,
    Copy,
    Mark,
    Expunge,
    Create,
    Subscribe,
}

impl Imap {
    pub(super) async fn settle_spots(&mut self, spots: &[Spot], how: &Settle) -> Result<Vec<Settling>, MailboxError> {
        let opened = self.opened().await?;
        let of_now = |spot: &Spot| match spot {
            Spot::Uid { validity, uid } if *validity == opened.validity => Some(*uid),
            _ => None,
        };
        let uids: Vec<u32> = spots.iter().filter_map(of_now).collect();
        let done = if uids.is_empty() || *how == Settle::Keep {
            Settled::staying("kept")
        } else if opened.read_only {
            let reason = "the server opens it read-only for this login; grant the right to change flags and to expunge";
            return Err(MailboxError::Folder {
                folder: self.folder.clone(),
                reason: reason.to_owned(),
            });
        } else {
            self.settle_uids(&uids, how).await?
        };
        let came = |spot| of_now(spot).map_or(Settling::Elsewhere, |_| Settling::Done(done.clone()));
        Ok(spots.iter().map(came).collect())
    }

    async fn settle_uids(&mut self, uids: &[u32], how: &Settle) -> Result<Settled, MailboxError> {
        match how {
            Settle::MoveTo(folder) => self.move_to(uids, folder).await,
            Settle::Seen => {
                self.store(uids, "\\Seen").await?;
                Ok(Settled::staying("marked \\Seen"))
            }
            Settle::Delete => self.delete(uids).await,
            Settle::Keep => Ok(Settled::staying("kept")),
        }
    }

    async fn delete(&mut self, uids: &[u32]) -> Result<Settled, MailboxError> {
        self.store(uids, "\\Deleted").await?;
        if !self.wire.can("UIDPLUS") {
            // A plain EXPUNGE would also remove what a person marked.
            let how = "marked \\Deleted; the server can not expunge single messages (UIDPLUS)";
            return Ok(Settled::staying(how));
        }
        self.expunge(uids).await?;
        Ok(Settled::leaving("deleted"))
    }

    async fn move_to(&mut self, uids: &[u32], folder: &str) -> Result<Settled, MailboxError> {
        let theirs = self.names.to_server(folder);
        self.refuse_own_folder(folder, &theirs)?;
        self.provide(&theirs).await?;
        if self.wire.can("MOVE") {
            for set in sets(uids) {
                self.transfer(Verb::Move, &set, &theirs).await?;
            }
            return Ok(Settled::leaving(format!("moved to {folder}")));
        }
        let before = self.copied_before(uids).await?;
        let uncopied: Vec<u32> = uids.iter().copied().filter(|uid| !before.contains(uid)).collect();
        let mark = if self.opened().await?.takes_keywords {
            format!("\\Deleted {COPIED}")
        } else {
            "\\Deleted".to_owned()
        };
        let mut copied: Vec<u32> = before.into_iter().collect();
        for set in sets(&uncopied) {
            for one in self.transfer(Verb::Copy, &set, &theirs).await? {
                // At once, to keep the gap between the copy and its mark short.
                self.store_set(&one, &mark).await?;
                copied.extend(&one.uids);
            }
        }
        if !self.wire.can("UIDPLUS") {
            return Ok(Settled::staying(format!(
                "copied to {folder} and marked \\Deleted; the server has neither MOVE nor UIDPLUS, so it stays until somebody expunges"
            )));
        }
        // Never more than what was copied: what the server says is gone may be there all the same.
        self.expunge(&copied).await?;
        Ok(Settled::leaving(format!("moved to {folder} (copied and expunged)")))
    }

    /// Under a new UID a message would come in again, for ever. Only the server's separator shows that two names are
    /// one folder's.
    pub(super) fn refuse_own_folder(&self, folder: &str, theirs: &str) -> Result<(), MailboxError> {
        if theirs != self.names.to_server(&self.folder) {
            return Ok(());
        }
        let reason =
            format!("the server takes the destination {folder:?} for the same folder; settle into another one");
        Err(MailboxError::Folder {
            folder: self.folder.clone(),
            reason,
        })
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

    /// `UID MOVE` or `UID COPY`; gives what was transferred. Where one of a set is gone, servers do nothing for any
    /// of it and say so (RFC 5530, 3: EXPUNGEISSUED), so each is asked for by itself then.
    async fn transfer(&mut self, verb: Verb, set: &UidSet, theirs: &str) -> Result<Vec<UidSet>, MailboxError> {
        if self.try_transfer(verb, set, theirs).await? {
            return Ok(vec![set.clone()]);
        }
        let mut transferred = Vec::new();
        if set.uids.len() > 1 {
            for one in set.singles() {
                if self.try_transfer(verb, &one, theirs).await? {
                    transferred.push(one);
                }
            }
        }
        Ok(transferred)
    }

    /// `false`: nothing was transferred, since something of it is gone. A destination that went away meanwhile is
    /// made again, once.
    async fn try_transfer(&mut self, verb: Verb, set: &UidSet, theirs: &str) -> Result<bool, MailboxError> {
        let arguments = format!("{set} {}", quote(theirs));
        let mut answer = self.command(verb, &arguments).await?;
        if answer.code == "TRYCREATE" {
            self.destinations.remove(theirs);
            self.provide(theirs).await?;
            answer = self.command(verb, &arguments).await?;
        }
        if is_gone(&answer) {
            return Ok(false);
        }
        answer.accepted().map(|_| true)
    }

    async fn store(&mut self, uids: &[u32], flags: &str) -> Result<(), MailboxError> {
        for set in sets(uids) {
            self.store_set(&set, flags).await?;
        }
        Ok(())
    }

    async fn store_set(&mut self, set: &UidSet, flags: &str) -> Result<(), MailboxError> {
        let arguments = format!("{set} +FLAGS.SILENT ({flags})");
        settled(self.command(Verb::Mark, &arguments).await?)
    }

    /// RFC 4315, 2.1: only these, whatever else bears `\Deleted`.
    async fn expunge(&mut self, uids: &[u32]) -> Result<(), MailboxError> {
        for set in sets(uids) {
            settled(self.command(Verb::Expunge, &set.to_string()).await?)?;
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
            let made = self.command(Verb::Create, &quote(theirs)).await?;
            if made.code != "ALREADYEXISTS" {
                made.accepted()?;
            }
            // What a client shows is no matter of ours: a refusal changes nothing for the move.
            self.command(Verb::Subscribe, &quote(theirs)).await?;
        }
        self.destinations.insert(theirs.to_owned());
        Ok(())
    }

    /// The one door for what changes the mailbox.
    async fn command(&mut self, verb: Verb, arguments: &str) -> Result<Completion, MailboxError> {
        let (word, step) = match verb {
            Verb::Move => ("UID MOVE", Step::ImapMove),
            Verb::Copy => ("UID COPY", Step::ImapCopy),
            Verb::Mark => ("UID STORE", Step::ImapMark),
            Verb::Expunge => ("UID EXPUNGE", Step::ImapExpunge),
            Verb::Create => ("CREATE", Step::ImapCreate),
            Verb::Subscribe => ("SUBSCRIBE", Step::ImapSubscribe),
        };
        let command = format!("{word} {arguments}");
        crash::around(step, self.wire.ask(&command, |_| {})).await
    }
}

/// A flag that could not be set on a message that is gone is no fault.
fn settled(answer: Completion) -> Result<(), MailboxError> {
    if is_gone(&answer) {
        Ok(())
    } else {
        answer.accepted().map(|_| ())
    }
}
