//! What `check --online` says of a Maildir, without changing anything there.

use std::{collections::BTreeSet, path::Path};

use super::{
    Inspected, MailboxError, Maildir, blocking, rights,
    scan::{Found, PARTS},
    settle::destination,
};
use crate::{config::Settle, count::counted};

impl Maildir {
    /// Counts the messages, and asks for every right that reading and settling will need.
    pub(in crate::mailbox) async fn inspect(&self, settle: &[&Settle]) -> Result<Inspected, MailboxError> {
        let found = self.scan().await?;
        let (root, settle) = (self.root.clone(), settle.iter().copied().cloned().collect::<Vec<_>>());
        let lines = blocking(move || inspect(&root, &found, &settle)).await?;
        Ok(Inspected { lines, offers: None })
    }
}

fn inspect(root: &Path, found: &[Found], settle: &[Settle]) -> Result<Vec<String>, MailboxError> {
    for one in found {
        rights::READ.check(&one.path)?;
    }
    if settle.iter().any(|how| *how != Settle::Keep) {
        for part in PARTS {
            rights::CHANGE.check(&root.join(part))?;
        }
    }
    // Where a relative path leads from here, is not seen in it.
    let place = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let mut lines = vec![format!(
        "Maildir {} holds {}",
        place.display(),
        counted(found.len(), "message")
    )];
    let destinations: BTreeSet<&str> = settle
        .iter()
        .filter_map(|how| match how {
            Settle::MoveTo(folder) => Some(folder.as_str()),
            _ => None,
        })
        .collect();
    for folder in destinations {
        let cur = destination(root, folder).join("cur");
        if cur.is_dir() {
            rights::CHANGE.check(&cur)?;
            lines.push(format!("folder {folder:?} exists"));
        } else {
            rights::CHANGE.check(root)?;
            lines.push(format!("folder {folder:?} is missing and will be made"));
        }
    }
    Ok(lines)
}
