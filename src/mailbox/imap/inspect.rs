//! What `check --online` says of an IMAP mailbox, and what `init` finds there, without changing anything.

use std::collections::BTreeSet;

use imap_proto::{MailboxDatum, Response};

use super::{FolderTraits, Imap, Patience, connect, sign_in::not_connected};
use crate::{
    config::{ImapConfig, Settle},
    count::counted,
    mailbox::{Inspected, Mailbox, MailboxError},
    oauth::SignIns,
};

/// Extensions that decide how well things go, with what happens without them.
const WANTED: [(&str, &str); 3] = [
    ("IDLE", "new mail is found by polling alone"),
    (
        "MOVE",
        "messages are copied and expunged, which a crash in between can double in the destination",
    ),
    ("UIDPLUS", "single messages can not be expunged"),
];

/// Signs in, opens the folder, looks for the folders that settling needs.
pub(in crate::mailbox) async fn inspect(
    config: &ImapConfig,
    sign_ins: &SignIns,
    settle: &[&Settle],
) -> Result<Inspected, MailboxError> {
    let mut imap = Imap::open(config, sign_ins, Patience::default()).await?;
    let mut lines = vec![format!(
        "{}:{}: signed in as {}",
        config.host, config.port, config.username
    )];
    let lacking = |(name, without): &(&str, &str)| {
        let spared = *name == "UIDPLUS" && imap.wire.can("MOVE") && !settle.contains(&&Settle::Delete);
        (!imap.wire.can(name) && !spared).then(|| format!("the server does not offer {name}: {without}"))
    };
    lines.extend(WANTED.iter().filter_map(lacking));
    let advertised: Vec<&str> = imap.wire.capabilities().iter().map(String::as_str).collect();
    let offers = Some(format!("it offers {}", advertised.join(" ")));
    let selected = imap.select().await;
    let selected = selected.map_err(|error| not_connected(config, error))?;
    lines.push(format!(
        "folder {:?} holds {}",
        config.folder,
        counted(selected.exists, "message")
    ));
    if imap.opened().await?.read_only && settle.iter().any(|how| **how != Settle::Keep) {
        let reason = "the server opens it read-only for this login, so nothing can be settled; grant more rights";
        return Err(MailboxError::Folder {
            folder: config.folder.clone(),
            reason: reason.to_owned(),
        });
    }
    let destinations: BTreeSet<&str> = settle
        .iter()
        .filter_map(|how| match how {
            Settle::MoveTo(folder) => Some(folder.as_str()),
            _ => None,
        })
        .collect();
    for folder in destinations {
        lines.push(imap.inspect_destination(folder).await?);
    }
    Ok(Inspected { lines, offers })
}

/// Connects, encrypts as configured and is greeted; nobody signs in.
pub(in crate::mailbox) async fn greeted(config: &ImapConfig) -> Result<(), MailboxError> {
    connect::connect(config, Patience::default()).await.map(drop)
}

/// Signs in and lists the folders that can be opened, in our spelling; INBOX comes first. One that has no spelling of
/// ours is left out.
pub(in crate::mailbox) async fn folders(config: &ImapConfig, sign_ins: &SignIns) -> Result<Vec<String>, MailboxError> {
    let mut imap = Imap::open(config, sign_ins, Patience::default()).await?;
    let mut theirs = Vec::new();
    let note = |response: &Response<'_>| {
        if let Response::MailboxData(MailboxDatum::List(entry)) = response
            && FolderTraits::of(&entry.name_attributes).is_some_and(|traits| traits.selectable)
            // imap-proto leaves what is escaped in a quoted name as it is, and does not tell a literal from it.
            && !entry.name.contains('\\')
        {
            theirs.push(entry.name.to_string());
        }
    };
    let listed = imap.wire.run("LIST \"\" \"*\"", note).await;
    listed.map_err(|error| not_connected(config, error))?;
    let mut ours: Vec<String> = theirs.iter().filter_map(|name| imap.names.to_ours(name)).collect();
    ours.sort_by_key(|name| (name != "INBOX", name.to_lowercase()));
    ours.dedup();
    Ok(ours)
}

impl Imap {
    async fn inspect_destination(&mut self, folder: &str) -> Result<String, MailboxError> {
        let theirs = self.names.to_server(folder);
        self.refuse_own_folder(folder, &theirs)?;
        if self.find_folder(&theirs).await?.is_some_and(|found| found.selectable) {
            return Ok(format!("folder {folder:?} exists"));
        }
        let parent = self.names.parent(&theirs).map(str::to_owned);
        if let Some(parent) = parent
            && self.find_folder(&parent).await?.is_some_and(|found| !found.fertile)
        {
            let reason = "it is missing and can not be made: its parent takes no folders below it".to_owned();
            return Err(MailboxError::Folder {
                folder: folder.to_owned(),
                reason,
            });
        }
        Ok(format!("folder {folder:?} is missing and will be made"))
    }
}
