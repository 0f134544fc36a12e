//! A folder on an IMAP server (RFC 9051, RFC 3501).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use imap_proto::{AttributeValue, MailboxDatum, NameAttribute, Response, ResponseCode, StatusAttribute};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Answer, Batch, Fetched, Listed, Mailbox, MailboxError, Range, Selected, Settling, Share, Withheld, Woke};
use crate::{
    config::{ImapConfig, Settle},
    journal::Spot,
    oauth::SignIns,
};

mod capability;
mod completion;
mod connect;
mod fetch;
mod guard;
mod idle;
mod inspect;
mod names;
mod settle;
mod sign_in;
mod swig;
mod uid_set;
mod wire;

#[cfg(feature = "test-hooks")]
pub(crate) mod octets;

pub(super) use inspect::{folders, greeted, inspect};

use completion::Completion;
pub(super) use idle::LONGEST as LONGEST_WAIT;
use names::{Names, quote};
use wire::Wire;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the name to the end of the TLS handshake's start, over all addresses; the handshake has as long again.
    pub connect: Duration,
    /// One command; while messages are fetched, the longest silence.
    pub command: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: Duration::from_secs(15),
            command: held_patience().unwrap_or(Duration::from_secs(60)),
        }
    }
}

/// With `test-hooks`, `HALO_INTAKE_TEST_PATIENCE` says in milliseconds how long one command may take.
#[cfg(feature = "test-hooks")]
fn held_patience() -> Option<Duration> {
    let text = std::env::var("HALO_INTAKE_TEST_PATIENCE").ok()?;
    text.parse().ok().map(Duration::from_millis)
}

#[cfg(not(feature = "test-hooks"))]
fn held_patience() -> Option<Duration> {
    None
}

/// A signed-in connection to one folder.
pub struct Imap {
    wire: Wire,
    /// In our own spelling.
    folder: String,
    names: Names,
    /// What SELECT said last; `None` before the first.
    selected: Option<Opened>,
    /// What the first SELECT was answered with, which went out with what else is asked at first; until somebody looks.
    first: Option<(Opened, Completion)>,
    /// Destinations that are known to exist, as the server names them.
    destinations: BTreeSet<String>,
    /// Where the last settling put messages: by their UIDs here, UIDVALIDITY and UID there, as far as the server told.
    landed: BTreeMap<u32, Option<(u32, u32)>>,
    /// It moved messages and did not tell where to.
    untold: bool,
}

/// What we keep of a SELECT.
#[derive(Debug, Clone)]
struct Opened {
    validity: u32,
    uid_next: u32,
    exists: u32,
    read_only: bool,
    /// The folder takes keywords that it does not know yet (`\*` in PERMANENTFLAGS).
    takes_keywords: bool,
    /// `\Deleted` can be set for good; so it is, too, where the server tells no PERMANENTFLAGS (RFC 9051, 7.1).
    takes_deletions: bool,
}

impl Default for Opened {
    fn default() -> Opened {
        Opened {
            validity: 0,
            uid_next: 0,
            exists: 0,
            read_only: false,
            takes_keywords: false,
            takes_deletions: true,
        }
    }
}

/// A folder as LIST shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FolderTraits {
    selectable: bool,
    /// It can have folders below it.
    fertile: bool,
}

impl FolderTraits {
    fn of(attributes: &[NameAttribute<'_>]) -> Option<FolderTraits> {
        let is_missing = |name: &NameAttribute<'_>| matches!(name, NameAttribute::Extension(word) if word.eq_ignore_ascii_case("\\NonExistent"));
        // RFC 5258, 3: it was deleted, or never made, and is shown for the sake of others.
        if attributes.iter().any(is_missing) {
            return None;
        }
        Some(FolderTraits {
            selectable: !attributes.contains(&NameAttribute::NoSelect),
            fertile: !attributes.contains(&NameAttribute::NoInferiors),
        })
    }
}

impl Imap {
    /// Connects and signs in, to look at the folder.
    pub async fn open(config: &ImapConfig, sign_ins: &SignIns, patience: Patience) -> Result<Imap, MailboxError> {
        let (wire, signed_in) = connect::connect(config, patience).await?;
        Imap::begin(wire, signed_in, config, sign_ins).await
    }

    async fn begin(
        mut wire: Wire,
        signed_in: bool,
        config: &ImapConfig,
        sign_ins: &SignIns,
    ) -> Result<Imap, MailboxError> {
        if !signed_in {
            sign_in::sign_in(&mut wire, config, sign_ins).await?;
        }
        let mut imap = Imap {
            wire,
            folder: config.folder.clone(),
            names: Names::default(),
            selected: None,
            first: None,
            destinations: BTreeSet::new(),
            landed: BTreeMap::new(),
            untold: false,
        };
        let learned = imap.learn_names().await;
        learned.map_err(|error| sign_in::not_connected(config, error))?;
        Ok(imap)
    }

    /// How folders are named here. INBOX has one name everywhere (RFC 9051, 5.1), so it is selected at once: a round trip
    /// less.
    async fn learn_names(&mut self) -> Result<(), MailboxError> {
        let (mut separator, mut opened) = (None, Opened::default());
        let note = |response: &Response<'_>| match response {
            Response::MailboxData(MailboxDatum::List(entry)) => {
                let told = entry.delimiter.as_deref().and_then(|text| text.chars().next());
                separator = separator.or(told);
            }
            response => opened.note(response),
        };
        let mut commands = vec!["LIST \"\" \"\"".to_owned()];
        commands.extend(self.wire.can("NAMESPACE").then(|| "NAMESPACE".to_owned()));
        let is_inbox = self.folder.eq_ignore_ascii_case("INBOX");
        commands.extend(is_inbox.then(|| "SELECT \"INBOX\"".to_owned()));
        let mut done = self.wire.ask_all(&commands, note).await?;
        let selected = if is_inbox { done.pop() } else { None };
        done.swap_remove(0).accepted()?;
        self.names = Names::new(separator, self.wire.take_namespace().as_deref());
        self.first = selected.map(|answer| (opened, answer));
        Ok(())
    }

    /// SELECT again and again: NOOP tells no UIDNEXT, and STATUS of the selected folder may be stale (RFC 3501, 6.3.10).
    async fn look(&mut self) -> Result<Selected, MailboxError> {
        self.selected = None;
        self.wire.numbered_by(None);
        self.wire.take_news();
        let (mut opened, answer) = match self.first.take() {
            Some(first) => first,
            None => {
                let command = format!("SELECT {}", quote(&self.names.to_server(&self.folder)));
                let mut opened = Opened::default();
                let answer = self.wire.ask(&command, |response| opened.note(response)).await?;
                (opened, answer)
            }
        };
        if answer.status != "OK" {
            return Err(self.folder_error(answer).await?);
        }
        opened.read_only = answer.code == "READ-ONLY";
        self.wire.take_news();
        if opened.uid_next == 0 && opened.exists > 0 {
            opened.uid_next = self.ask_uid_next().await?;
        }
        let selected = Selected {
            validity: opened.validity,
            uid_next: opened.uid_next,
            exists: opened.exists,
        };
        if selected.validity == 0 {
            let reason = "the server gives it no UIDVALIDITY, so no message in it can be named for ever".to_owned();
            return Err(MailboxError::Folder {
                folder: self.folder.clone(),
                reason,
            });
        }
        self.wire.numbered_by(Some(selected.validity));
        self.selected = Some(opened);
        Ok(selected)
    }

    /// For servers that leave UIDNEXT out of SELECT's answer: STATUS, else one beyond the newest message.
    async fn ask_uid_next(&mut self) -> Result<u32, MailboxError> {
        let command = format!("STATUS {} (UIDNEXT)", quote(&self.names.to_server(&self.folder)));
        let mut uid_next = 0;
        self.wire
            .ask(&command, |response| {
                if let Response::MailboxData(MailboxDatum::Status { status, .. }) = response {
                    let told = status.iter().find_map(|item| match item {
                        StatusAttribute::UidNext(next) => Some(*next),
                        _ => None,
                    });
                    uid_next = told.unwrap_or(uid_next);
                }
            })
            .await?;
        if uid_next == 0 {
            let newest = |response: &Response<'_>| {
                if let Response::Fetch(_, attributes) = response {
                    uid_next = uid_next.max(uid_of(attributes).map_or(0, |uid| uid.saturating_add(1)));
                }
            };
            self.wire.ask("FETCH * (UID)", newest).await?;
        }
        Ok(uid_next)
    }

    async fn folder_error(&mut self, answer: Completion) -> Result<MailboxError, MailboxError> {
        if answer.is_passing() || answer.code == "SERVERBUG" {
            return Ok(answer.refused());
        }
        let (folder, reason) = (self.folder.clone(), answer.text);
        // Without the right to see it, it is not listed either (RFC 4314, 4).
        let is_missing = match answer.code.as_str() {
            "NONEXISTENT" => true,
            "NOPERM" => false,
            _ => self.find_folder(&self.names.to_server(&folder)).await?.is_none(),
        };
        Ok(match is_missing {
            true => MailboxError::NoFolder { folder, reason },
            false => MailboxError::Folder { folder, reason },
        })
    }

    async fn list_uids(&mut self, from: u32, to: u32) -> Result<Vec<Listed>, MailboxError> {
        let from = from.max(1);
        let validity = self.opened().await?.validity;
        if from >= to {
            return Ok(Vec::new());
        }
        let mut sizes: BTreeMap<u32, u64> = BTreeMap::new();
        // A server may tell of other messages on the way; UIDs outside the range are not what was asked for.
        let mut note = |response: &Response<'_>| {
            if let Response::Fetch(_, attributes) = response
                && let Some(uid) = uid_of(attributes).filter(|uid| (from..to).contains(uid))
            {
                let size = sizes.entry(uid).or_default();
                *size = size_of(attributes).unwrap_or(*size);
            }
        };
        let sent = self
            .wire
            .send(&format!("UID FETCH {from}:{} (UID RFC822.SIZE)", to - 1), None)
            .await?;
        loop {
            if let wire::Reply::Done(completion) = self.wire.reply(&sent, &mut note).await? {
                completion.accepted()?;
                break;
            }
        }
        let listed = |(uid, size)| Listed {
            spot: Spot::Uid { validity, uid },
            size,
            arrived: None,
        };
        Ok(sizes.into_iter().map(listed).collect())
    }

    /// What SELECT said; selects where nobody has.
    async fn opened(&mut self) -> Result<Opened, MailboxError> {
        if self.selected.is_none() {
            self.look().await?;
        }
        Ok(self.selected.clone().unwrap_or_default())
    }

    /// What LIST says of a folder, by the server's name for it; `None` where there is none.
    async fn find_folder(&mut self, theirs: &str) -> Result<Option<FolderTraits>, MailboxError> {
        let mut found = None;
        let has_wildcard = theirs.contains(['%', '*']);
        let note = |response: &Response<'_>| {
            let Response::MailboxData(MailboxDatum::List(entry)) = response else {
                return;
            };
            if !has_wildcard || entry.name == theirs {
                found = FolderTraits::of(&entry.name_attributes).or(found);
            }
        };
        self.wire.run(&format!("LIST \"\" {}", quote(theirs)), note).await?;
        Ok(found)
    }
}

fn uid_of(attributes: &[AttributeValue<'_>]) -> Option<u32> {
    attributes.iter().find_map(|attribute| match attribute {
        AttributeValue::Uid(uid) => Some(*uid),
        _ => None,
    })
}

fn size_of(attributes: &[AttributeValue<'_>]) -> Option<u64> {
    attributes.iter().find_map(|attribute| match attribute {
        AttributeValue::Rfc822Size(size) => Some(u64::from(*size)),
        _ => None,
    })
}

impl Opened {
    fn note(&mut self, response: &Response<'_>) {
        match response {
            Response::MailboxData(MailboxDatum::Exists(exists)) => self.exists = *exists,
            Response::Data { outcome, .. } => match &outcome.code {
                Some(ResponseCode::UidValidity(validity)) => self.validity = *validity,
                Some(ResponseCode::UidNext(next)) => self.uid_next = *next,
                Some(ResponseCode::PermanentFlags(flags)) => {
                    self.takes_keywords = flags.iter().any(|flag| flag == "\\*");
                    self.takes_deletions = flags.iter().any(|flag| flag.eq_ignore_ascii_case("\\Deleted"));
                }
                _ => {}
            },
            _ => {}
        }
    }
}

impl Mailbox for Imap {
    fn select(&mut self) -> Answer<'_, Selected> {
        Box::pin(self.look())
    }

    fn list(&mut self, range: Range) -> Answer<'_, Vec<Listed>> {
        let (from, to) = match range {
            Range::Uids { from, to } => (from, to),
            Range::Everything => (1, u32::MAX),
        };
        Box::pin(self.list_uids(from, to))
    }

    fn fetch(
        &mut self,
        batches: mpsc::Receiver<Batch>,
        header_only: bool,
        to: mpsc::Sender<(Fetched, Share)>,
    ) -> Answer<'_, Vec<Withheld>> {
        Box::pin(self.fetch_all(batches, header_only, to))
    }

    fn wait<'a>(&'a mut self, idle: bool, until: Instant, stop: &'a CancellationToken) -> Answer<'a, Woke> {
        Box::pin(self.wait_for_news(idle, until, stop))
    }

    fn settle<'a>(&'a mut self, spots: &'a [Spot], how: &'a Settle) -> Answer<'a, Vec<Settling>> {
        Box::pin(self.settle_spots(spots, how))
    }
}
