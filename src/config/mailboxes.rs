//! `[mailbox.NAME]`: each mailbox by itself, then the mailboxes beside each other.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use ::config::{Value, ValueKind};

use super::{
    Backlog, Deduplicate, ImapConfig, MailboxConfig, MailboxName, MailboxSource, Settle, Tls, Watch,
    endpoint::{endpoint, is_loopback},
    fault::{Fault, closest, suggest},
    oauth::{SignIn, Who},
    table::Table,
    value::{Read, choice, line, refuse, show, text},
};
use crate::{mailbox::maildir, message::address::AddrSpec, outcome::Outcome};

/// The keys that only a mailbox on an IMAP server has.
const OF_IMAP: [&str; 10] = [
    "host",
    "port",
    "tls",
    "ca_file",
    "allow_cleartext",
    "username",
    "mailbox",
    "password",
    "oauth",
    "folder",
];

#[derive(Clone, Copy)]
enum Kind {
    Imap,
    Maildir,
}

/// Reads one mailbox; `None` where too little of it can be understood.
pub fn mailbox(name: &str, table: &Table<'_>) -> Option<MailboxConfig> {
    let source = source(name, table);
    let addresses = table.list("addresses", address);
    let settle = settle(table);
    let watch = table.choice("watch", &[("idle", Watch::Idle), ("poll", Watch::Poll)]);
    let backlog = table.choice(
        "backlog",
        &[
            ("process", Backlog::Process),
            ("skip", Backlog::Skip),
            ("report", Backlog::Report),
        ],
    );
    let deduplicate = table.choice(
        "deduplicate",
        &[
            ("mailbox", Deduplicate::Mailbox),
            ("all", Deduplicate::All),
            ("off", Deduplicate::Off),
        ],
    );
    let enabled = table.flag("enabled");
    let poll_interval = table.duration("poll_interval");
    let max_message_size = table.size("max_message_size");
    let trusted_authserv_ids = table.list("trusted_authserv_ids", |value| {
        line(value).map(|id| id.trim().to_owned())
    });
    Some(MailboxConfig {
        enabled: enabled?,
        source: source?,
        addresses: addresses?,
        watch: watch?,
        poll_interval: poll_interval?,
        backlog,
        max_message_size: max_message_size?,
        deduplicate: deduplicate?,
        trusted_authserv_ids: trusted_authserv_ids?,
        settle,
    })
}

/// Where the messages lie; each kind has keys of its own and refuses those of the other.
fn source(name: &str, table: &Table<'_>) -> Option<MailboxSource> {
    const KINDS: [(&str, Kind); 2] = [("imap", Kind::Imap), ("maildir", Kind::Maildir)];
    if table.value("type").is_some_and(|value| choice(value, &KINDS).is_err()) {
        // What kind it should be is unknown, so no key is missing and none is out of place.
        for key in OF_IMAP.into_iter().chain(["path"]) {
            table.value(key);
        }
        table.choice("type", &KINDS);
        return None;
    }
    match table.choice("type", &KINDS)? {
        Kind::Imap => {
            table.forbid("path", "belongs to a Maildir", "add type = \"maildir\", or remove it");
            imap(name, table).map(MailboxSource::Imap)
        }
        Kind::Maildir => {
            for key in OF_IMAP {
                table.forbid(key, "belongs to an IMAP server, and this is a Maildir", "remove it");
            }
            let path = table.need("path", "\"/var/mail/support\"", line)?;
            Some(MailboxSource::Maildir { path: path.into() })
        }
    }
}

fn imap(name: &str, table: &Table<'_>) -> Option<ImapConfig> {
    let port = |tls| if tls == Tls::Implicit { 993 } else { 143 };
    let endpoint = endpoint(table, "imap.example.com", port);
    let username = table.need("username", "\"support@example.com\"", line);
    let mailbox = table.line("mailbox");
    let folder = table.get("folder", line);
    let who = username.as_deref().map(|username| Who {
        username,
        acts_as: mailbox.as_deref().unwrap_or(username),
        mailbox: Some(MailboxName(name.to_owned())),
    });
    let sign_in = SignIn::read(table, who.as_ref());
    let endpoint = endpoint?;
    Some(ImapConfig {
        host: endpoint.host,
        port: endpoint.port,
        tls: endpoint.tls,
        ca_file: endpoint.ca_file,
        username: username?,
        mailbox,
        sign_in: sign_in?,
        folder: folder?,
    })
}

/// What is done after each outcome; an outcome that is not named is kept, so "keep" need not be.
fn settle(table: &Table<'_>) -> BTreeMap<Outcome, Settle> {
    let Some(table) = table.table("settle", Default::default()) else {
        return BTreeMap::new();
    };
    let read = |outcome: Outcome| Some((outcome, table.get(outcome.word(), how)?));
    let settle = Outcome::ALL
        .into_iter()
        .filter_map(read)
        .filter(|(_, how)| *how != Settle::Keep)
        .collect();
    table.finish();
    settle
}

fn how(value: &Value) -> Read<Settle> {
    const EXAMPLE: &str = "write \"seen\", \"delete\", \"keep\" or { move_to = \"FOLDER\" }";
    let words = [
        ("seen", Settle::Seen),
        ("delete", Settle::Delete),
        ("keep", Settle::Keep),
    ];
    match &value.kind {
        ValueKind::String(word) => match words.iter().find(|(known, _)| known == word) {
            Some((_, how)) => Ok(how.clone()),
            None => {
                let near = closest(word, words.iter().map(|(known, _)| *known));
                let remedy = near.map_or(EXAMPLE.to_owned(), |near| format!("did you mean {near:?}?"));
                refuse(format!("is {word:?}, which is not known"), remedy)
            }
        },
        ValueKind::Table(table) if table.len() == 1 && table.contains_key("move_to") => line(&table["move_to"])
            .map(Settle::MoveTo)
            .or_else(|inner| refuse(format!("has a move_to that {}", inner.problem), inner.remedy)),
        ValueKind::Table(table) if table.len() == 1 => {
            let key = table.keys().next().map_or("", String::as_str);
            refuse(format!("has the unknown key {key:?}"), suggest(key, ["move_to"]))
        }
        _ => refuse(
            format!("is {}, which is no way to settle a message", show(value)),
            EXAMPLE,
        ),
    }
}

/// An address of ours.
pub fn address(value: &Value) -> Read<AddrSpec> {
    let written = text(value)?;
    AddrSpec::parse(&written).or_else(|_| {
        refuse(
            format!("is {written:?}, which is no email address"),
            "write local@domain, nothing around it",
        )
    })
}

/// What one mailbox watches, spelt so that equal folders compare equal.
#[derive(PartialEq, Eq, Clone)]
struct Watched {
    /// Server and login, or nothing for a Maildir.
    store: String,
    folder: String,
    shown: String,
}

impl Watched {
    fn of(source: &MailboxSource) -> Watched {
        match source {
            MailboxSource::Imap(imap) => Watched::on_server(imap, &imap.folder),
            MailboxSource::Maildir { path } => Watched::on_disk(path),
        }
    }

    fn on_disk(path: &Path) -> Watched {
        Watched {
            store: String::new(),
            folder: real(path).display().to_string(),
            shown: path.display().to_string(),
        }
    }

    fn on_server(imap: &ImapConfig, folder: &str) -> Watched {
        let login = imap.acts_as();
        // On loopback every port is a server of its own; elsewhere two ports lead to the same one.
        let port = if is_loopback(&imap.host) {
            format!(":{}", imap.port)
        } else {
            String::new()
        };
        let inbox = folder.eq_ignore_ascii_case("INBOX");
        Watched {
            store: format!("{}{port} {}", imap.host.to_lowercase(), login.to_lowercase()),
            folder: if inbox { "INBOX".to_owned() } else { folder.to_owned() },
            shown: format!("{folder:?} of {login} at {}", imap.host),
        }
    }

    /// Where a message moves to.
    fn moved(source: &MailboxSource, folder: &str) -> Watched {
        match source {
            MailboxSource::Imap(imap) => Watched::on_server(imap, folder),
            MailboxSource::Maildir { path } => Watched::on_disk(&maildir::destination(path, folder)),
        }
    }

    fn is(&self, other: &Watched) -> bool {
        self.store == other.store && self.folder == other.folder
    }
}

/// The path without links, dots and detours, as far as it exists; what does not is taken as it is written.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (std::fs::canonicalize(&path), path.parent(), path.file_name()) {
        (Ok(real), ..) => real,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        _ => path,
    }
}

/// Faults of mailboxes beside each other: a folder watched twice, and mail moved to where it is read again.
pub fn beside_each_other(mailboxes: &BTreeMap<MailboxName, MailboxConfig>) -> Vec<Fault> {
    let awake: Vec<(&MailboxName, &MailboxConfig, Watched)> = mailboxes
        .iter()
        .filter(|(_, m)| m.enabled)
        .map(|(name, m)| (name, m, Watched::of(&m.source)))
        .collect();
    let mut faults = Vec::new();
    for (index, (name, mailbox, watched)) in awake.iter().enumerate() {
        let path = super::fault::join("mailbox", &name.0);
        if let Some((other, ..)) = awake[..index].iter().find(|(_, _, earlier)| earlier.is(watched)) {
            let key = if matches!(mailbox.source, MailboxSource::Imap(_)) {
                "folder"
            } else {
                "path"
            };
            let problem = format!("{path} watches {}, and so does mailbox {:?}", watched.shown, other.0);
            let remedy = "give one of them another folder, or rest it with enabled = false";
            faults.push(Fault::at(format!("{path}.{key}"), problem, remedy));
        }
        for (outcome, how) in &mailbox.settle {
            let Settle::MoveTo(folder) = how else { continue };
            let target = Watched::moved(&mailbox.source, folder);
            if let Some((other, ..)) = awake.iter().find(|(_, _, watched)| watched.is(&target)) {
                let path = format!("{path}.settle.{}", outcome.word());
                let whose = if other == name {
                    "which it watches itself".into()
                } else {
                    format!("which mailbox {:?} watches", other.0)
                };
                let problem = format!("{path} moves messages to {folder:?}, {whose}: they would come in again");
                faults.push(Fault::at(path, problem, "move them to a folder that nothing watches"));
            }
        }
    }
    faults
}
