//! Settling: moving, marking and deleting messages whose outcome is on disk.
//!
//! Only MOVE is one step at the server. Without it a message is copied, marked and expunged. Marking sets a
//! keyword of ours beside `\Deleted`, so that a repeat after a crash finds what was copied already and does not
//! copy it again. Two gaps remain and can't be closed by a client: a crash between the server's COPY and our
//! marking, and a folder that takes no keywords; there a repeat leaves a second copy in the destination.

use std::collections::{BTreeMap, BTreeSet};

use imap_proto::{AttributeValue, Response};

use super::{
    Imap,
    completion::{Completion, landed},
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

/// What the server does not do for single messages, with its reason.
type Refusals = BTreeMap<u32, String>;

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

/// So few messages may all have been removed by somebody else at the same moment; of more the server tells at least of some
/// that it moved them.
const FEW: usize = 16;

/// What is said of a message that a server says it moved.
const FEIGNED: &str = "the server says that it was moved, and it lies there still";

/// Something that is done to a set of messages by one command.
#[derive(Debug, Clone, Copy)]
enum Deed<'a> {
    /// To a folder, as the server names it.
    Move(&'a str),
    Copy(&'a str),
    /// With these flags.
    Mark(&'a str),
}

impl Imap {
    pub(super) async fn settle_spots(&mut self, spots: &[Spot], how: &Settle) -> Result<Vec<Settling>, MailboxError> {
        let mut opened = self.opened().await?;
        let is_newer = |spot: &Spot| matches!(spot, Spot::Uid { uid, .. } if *uid >= opened.uid_next);
        // What others removed is shown to this session until it looks afresh.
        if !matches!(how, Settle::MoveTo(_)) || spots.iter().any(is_newer) {
            // It came after our SELECT. Courier shows it to this session no sooner than with another one, and says OK to
            // a command for a UID that it does not know here.
            self.look().await?;
            opened = self.opened().await?;
        }
        if matches!(how, Settle::MoveTo(_)) && spots.len() <= FEW {
            // What others removed is told before the move, so that nobody takes it for what was moved.
            self.wire.run("NOOP", |_| {}).await?;
        }
        let of_now = |spot: &Spot| match spot {
            Spot::Uid { validity, uid } if *validity == opened.validity => Some(*uid),
            _ => None,
        };
        let uids: Vec<u32> = spots.iter().filter_map(of_now).collect();
        self.landed.clear();
        self.untold = false;
        let mut gone = self.missing(&uids, how).await?;
        let there: Vec<u32> = uids.iter().copied().filter(|uid| !gone.contains(uid)).collect();
        let (done, refused) = if there.is_empty() {
            (Settled::staying("kept"), Refusals::new())
        } else if opened.read_only && *how != Settle::Keep {
            return Err(self.lacks("the server opens it read-only for this login"));
        } else {
            self.settle_uids(&there, how).await?
        };
        gone.extend(self.unmoved(&there, how));
        let came = |spot| match of_now(spot) {
            None => Settling::Elsewhere,
            Some(uid) => match refused.get(&uid) {
                Some(reason) => Settling::Refused(reason.clone()),
                None if gone.contains(&uid) => Settling::Gone,
                None => Settling::Done(self.with_its_place(uid, how, done.clone())),
            },
        };
        Ok(spots.iter().map(came).collect())
    }

    /// Those that are not there: a server says OK to a flag for them. A move tells it afterwards.
    async fn missing(&mut self, uids: &[u32], how: &Settle) -> Result<BTreeSet<u32>, MailboxError> {
        if matches!(how, Settle::MoveTo(_)) {
            return Ok(BTreeSet::new());
        }
        let there = self.lying_there(uids).await?;
        Ok(uids.iter().copied().filter(|uid| !there.contains(uid)).collect())
    }

    /// Those that were not there. A server says OK to a move of what is not there; only COPYUID names what was moved.
    fn unmoved(&self, uids: &[u32], how: &Settle) -> BTreeSet<u32> {
        let is_told = matches!(how, Settle::MoveTo(_)) && self.wire.can("UIDPLUS") && !self.untold;
        let all = uids.iter().copied();
        all.filter(|uid| is_told && !self.landed.contains_key(uid)).collect()
    }

    /// Where it lies now, where the server tells that.
    fn with_its_place(&self, uid: u32, how: &Settle, done: Settled) -> Settled {
        match (how, self.landed.get(&uid)) {
            (Settle::MoveTo(folder), Some(&Some((validity, uid)))) => done.lying(folder, Spot::Uid { validity, uid }),
            _ => done,
        }
    }

    async fn settle_uids(&mut self, uids: &[u32], how: &Settle) -> Result<(Settled, Refusals), MailboxError> {
        match how {
            Settle::MoveTo(folder) => self.move_to(uids, folder).await,
            Settle::Seen => {
                let (_, refused) = self.do_to_all(Deed::Mark("\\Seen"), uids).await?;
                Ok((Settled::staying("marked \\Seen"), refused))
            }
            Settle::Delete => self.delete(uids).await,
            Settle::Keep => Ok((Settled::staying("kept"), Refusals::new())),
        }
    }

    async fn delete(&mut self, uids: &[u32]) -> Result<(Settled, Refusals), MailboxError> {
        let (marked, refused) = self.do_to_all(Deed::Mark("\\Deleted"), uids).await?;
        if !self.wire.can("UIDPLUS") {
            // A plain EXPUNGE would also remove what a person marked.
            let how = "marked \\Deleted; the server can not expunge single messages (UIDPLUS)";
            return Ok((Settled::staying(how), refused));
        }
        self.expunge(&marked).await?;
        Ok((Settled::leaving("deleted"), refused))
    }

    async fn move_to(&mut self, uids: &[u32], folder: &str) -> Result<(Settled, Refusals), MailboxError> {
        let theirs = self.names.to_server(folder);
        self.refuse_own_folder(folder, &theirs)?;
        self.provide(&theirs).await?;
        if self.wire.can("MOVE") {
            match self.do_to_all(Deed::Move(&theirs), uids).await {
                // It was announced, and is not known after all.
                Err(MailboxError::Refused { status: "BAD", .. }) => self.wire.forget("MOVE"),
                moved => return moved.map(|(_, refused)| (Settled::leaving(format!("moved to {folder}")), refused)),
            }
        }
        self.copy_to(uids, folder, &theirs).await
    }

    /// Copied, marked, expunged.
    async fn copy_to(&mut self, uids: &[u32], folder: &str, theirs: &str) -> Result<(Settled, Refusals), MailboxError> {
        let opened = self.opened().await?;
        if !opened.takes_deletions {
            // It would be copied again and again.
            return Err(self.lacks("the server has no MOVE and lets this login mark nothing as \\Deleted"));
        }
        let lying = self.lying_and_copied(uids).await?;
        let is_copied = |uid: &u32| lying.get(uid) == Some(&true);
        let (mut copied, uncopied): (Vec<u32>, Vec<u32>) = uids.iter().partition(|uid| is_copied(uid));
        let mark = if opened.takes_keywords {
            format!("\\Deleted {COPIED}")
        } else {
            "\\Deleted".to_owned()
        };
        let mut refused = Refusals::new();
        for set in sets(&uncopied) {
            let (those, not) = self.do_to(Deed::Copy(theirs), &set).await?;
            // At once, to keep the gap between the copy and its mark short.
            let (marked, unmarked) = self.do_to_all(Deed::Mark(&mark), &those).await?;
            copied.extend(marked);
            refused.extend(not.into_iter().chain(unmarked));
        }
        self.untold |= self.landed.is_empty() && uncopied.iter().any(|uid| lying.contains_key(uid));
        self.landed
            .extend(lying.iter().filter(|(_, copied)| **copied).map(|(uid, _)| (*uid, None)));
        if !self.wire.can("UIDPLUS") {
            let how = format!(
                "copied to {folder} and marked \\Deleted; the server has neither MOVE nor UIDPLUS, so it stays until somebody expunges"
            );
            return Ok((Settled::staying(how), refused));
        }
        // Never more than what was copied: what the server says is gone may be there all the same.
        self.expunge(&copied).await?;
        Ok((
            Settled::leaving(format!("moved to {folder} (copied and expunged)")),
            refused,
        ))
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

    fn lacks(&self, what: &str) -> MailboxError {
        MailboxError::Folder {
            folder: self.folder.clone(),
            reason: format!("{what}; grant the right to change flags and to expunge"),
        }
    }

    /// What is there, and whether it bears our mark from an earlier try.
    async fn lying_and_copied(&mut self, uids: &[u32]) -> Result<BTreeMap<u32, bool>, MailboxError> {
        let mut lying = BTreeMap::new();
        for set in sets(uids) {
            let note = |response: &Response<'_>| {
                let Response::Fetch(_, attributes) = response else {
                    return;
                };
                let marked = attributes.iter().any(|attribute| match attribute {
                    AttributeValue::Flags(flags) => flags.iter().any(|flag| flag.eq_ignore_ascii_case(COPIED)),
                    _ => false,
                });
                lying.extend(uid_of(attributes).map(|uid| (uid, marked)));
            };
            let answer = self.wire.ask(&format!("UID FETCH {set} (UID FLAGS)"), note).await?;
            settled(answer)?;
        }
        Ok(lying)
    }

    async fn do_to_all(&mut self, deed: Deed<'_>, uids: &[u32]) -> Result<(Vec<u32>, Refusals), MailboxError> {
        let (mut done, mut refused) = (Vec::new(), Refusals::new());
        for set in sets(uids) {
            let (those, not) = self.do_to(deed, &set).await?;
            done.extend(those);
            refused.extend(not);
        }
        Ok((done, refused))
    }

    /// Gives those that it was done to, and those that are there and that the server refuses; what is gone is in
    /// neither. Where one of a set is gone or locked, servers do nothing for any of it (RFC 5530, 3: EXPUNGEISSUED), so
    /// each is asked for by itself then: it holds up no other.
    async fn do_to(&mut self, deed: Deed<'_>, set: &UidSet) -> Result<(Vec<u32>, Refusals), MailboxError> {
        let (answer, feigned) = self.try_deed(deed, set).await?;
        if answer.status == "OK" {
            return Ok((set.uids.clone(), feigned));
        }
        if concerns_all(&answer) {
            return Err(answer.refused());
        }
        let (mut done, mut refused) = (Vec::new(), Refusals::new());
        let mut of_all = (set.uids.len() == 1).then_some(answer);
        for one in set.singles() {
            let (answer, feigned) = match &of_all {
                Some(answer) => (answer.clone(), Refusals::new()),
                None => self.try_deed(deed, &one).await?,
            };
            if answer.status == "OK" {
                refused.extend(feigned);
                done.extend(&one.uids);
                continue;
            }
            // What was done to others is kept, so this is no error any more.
            of_all = of_all.or_else(|| concerns_all(&answer).then(|| answer.clone()));
            let reason = answer.refused().to_string();
            refused.extend(one.uids.iter().map(|uid| (*uid, reason.clone())));
        }
        let uids: Vec<u32> = refused.keys().copied().collect();
        let there = self.lying_there(&uids).await?;
        refused.retain(|uid, _| there.contains(uid));
        Ok((done, refused))
    }

    /// A destination that went away meanwhile is made again, once. Gives those of a MOVE that lie there still, too, whatever
    /// the server says.
    async fn try_deed(&mut self, deed: Deed<'_>, set: &UidSet) -> Result<(Completion, Refusals), MailboxError> {
        let (answer, there) = self.once(deed, set).await?;
        match deed {
            Deed::Move(theirs) | Deed::Copy(theirs) if answer.code == "TRYCREATE" => {
                self.destinations.remove(theirs);
                self.provide(theirs).await?;
                self.once(deed, set).await
            }
            _ => Ok((answer, there)),
        }
    }

    async fn once(&mut self, deed: Deed<'_>, set: &UidSet) -> Result<(Completion, Refusals), MailboxError> {
        let (verb, arguments) = match deed {
            Deed::Move(theirs) => (Verb::Move, quote(theirs)),
            Deed::Copy(theirs) => (Verb::Copy, quote(theirs)),
            Deed::Mark(flags) => (Verb::Mark, format!("+FLAGS.SILENT ({flags})")),
        };
        let (answer, expunged) = self.command(verb, &format!("{set} {arguments}")).await?;
        let is_told = expunged >= set.uids.len();
        if !matches!(deed, Deed::Move(_)) || answer.status != "OK" || is_told {
            return Ok((answer, Refusals::new()));
        }
        // It says OK and not that they are gone from here (RFC 6851, 3.3).
        let there = self.lying_there(&set.uids).await?;
        let feigned = there.into_iter().map(|uid| (uid, FEIGNED.to_owned())).collect();
        Ok((answer, feigned))
    }

    /// RFC 4315, 2.1: only these, whatever else bears `\Deleted`.
    async fn expunge(&mut self, uids: &[u32]) -> Result<(), MailboxError> {
        for set in sets(uids) {
            settled(self.command(Verb::Expunge, &set.to_string()).await?.0)?;
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
            let (made, _) = self.command(Verb::Create, &quote(theirs)).await?;
            if made.code != "ALREADYEXISTS" {
                made.accepted()?;
            }
            // What a client shows is no matter of ours: a refusal changes nothing for the move.
            self.command(Verb::Subscribe, &quote(theirs)).await?;
        }
        self.destinations.insert(theirs.to_owned());
        Ok(())
    }

    /// The one door for what changes the mailbox. Gives how many messages the server says are gone from it, too.
    async fn command(&mut self, verb: Verb, arguments: &str) -> Result<(Completion, usize), MailboxError> {
        let (word, step) = match verb {
            Verb::Move => ("UID MOVE", Step::ImapMove),
            Verb::Copy => ("UID COPY", Step::ImapCopy),
            Verb::Mark => ("UID STORE", Step::ImapMark),
            Verb::Expunge => ("UID EXPUNGE", Step::ImapExpunge),
            Verb::Create => ("CREATE", Step::ImapCreate),
            Verb::Subscribe => ("SUBSCRIBE", Step::ImapSubscribe),
        };
        let command = format!("{word} {arguments}");
        let (mut told, mut expunged) = (Vec::new(), 0);
        // RFC 6851, 4.3: for MOVE it comes before the EXPUNGEs, untagged.
        let note = |response: &Response<'_>| {
            if let Response::Data { outcome, .. } = response {
                told.extend(landed(outcome));
            }
            expunged += usize::from(matches!(response, Response::Expunge(_)));
        };
        let answer = crash::around(step, self.wire.ask(&command, note)).await?;
        told.extend(&answer.landed);
        // The destination may be one that this login can not look into (RFC 4315, 3).
        self.untold |= matches!(verb, Verb::Move) && expunged > 0 && told.is_empty();
        self.landed
            .extend(told.iter().map(|landed| (landed.from, Some(landed.at))));
        Ok((answer, expunged))
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

/// A refusal that says nothing of single messages: the command, the destination, or just now (RFC 5530, 3).
fn concerns_all(answer: &Completion) -> bool {
    let of_all = ["OVERQUOTA", "TRYCREATE", "NOPERM"];
    answer.status == "BAD" || answer.is_passing() || of_all.contains(&answer.code.as_str())
}
