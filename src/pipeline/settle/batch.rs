//! What is settled by one command, and how it is worded what came of it.

use crate::{
    config::Settle,
    journal::{Place, Settled, Unsettled},
    mailbox::{MailboxError, Settling},
};

/// Messages of one folder that are settled in the same way.
pub(super) struct Batch {
    pub folder: String,
    /// An earlier outcome moved them there.
    pub were_moved: bool,
    pub how: Settle,
    pub messages: Vec<Unsettled>,
}

/// All of them, by folder and way of settling.
pub(super) fn alike<'a>(unsettled: Vec<Unsettled>, how: impl Fn(&Unsettled) -> &'a Settle) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for one in unsettled {
        let how = how(&one);
        let known = batches
            .iter_mut()
            .find(|batch| batch.how == *how && batch.folder == one.place.folder && batch.were_moved == one.was_moved);
        match known {
            Some(batch) => batch.messages.push(one),
            None => batches.push(Batch {
                folder: one.place.folder.clone(),
                were_moved: one.was_moved,
                how: how.clone(),
                messages: vec![one],
            }),
        }
    }
    batches
}

impl Batch {
    /// They were moved to where they are to lie: it is only looked whether they do.
    pub fn is_in_place(&self) -> bool {
        self.were_moved && self.how == Settle::MoveTo(self.folder.clone())
    }

    /// The folder that they were moved to is not there any more.
    pub fn left_alone(&self, error: &MailboxError) -> Vec<(&Unsettled, Settled)> {
        let how = format!("left alone: {error}");
        let messages = self.messages.iter();
        messages.map(|one| (one, where_it_lies(one, how.clone()))).collect()
    }

    /// What is kept of it. Nobody knows what else lies in a folder that a message was moved to, so there it is looked for
    /// by its UID alone.
    pub fn worded(&self, one: &Unsettled, came: Settling) -> Settling {
        let folder = match one.place.folder.as_str() {
            // A Maildir's own folder has no name.
            "" => "INBOX",
            folder => folder,
        };
        let settled = match came {
            Settling::Gone => Settled::leaving(format!("gone: it was not in {folder} any more")),
            Settling::Elsewhere if one.was_moved => Settled::leaving(format!("gone: {folder} was numbered anew")),
            Settling::Done(_) if self.is_in_place() => where_it_lies(one, format!("moved to {folder}")),
            Settling::Done(settled) if one.was_moved && settled.stays => where_it_lies(one, settled.how),
            other => return other,
        };
        Settling::Done(settled)
    }
}

/// A message that was moved stays where it was moved to.
fn where_it_lies(one: &Unsettled, how: String) -> Settled {
    let Place { folder, spot, .. } = &one.place;
    Settled::leaving(how).lying(folder, spot.clone())
}
