//! What we need of a mailbox, and the two kinds: IMAP and Maildir.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    class::Class,
    config::{ImapConfig, MailboxConfig, MailboxName, MailboxSource, Settle},
    journal::{Settled, Spot},
    oauth::{OAuthError, SignIns},
};

pub mod imap;
pub mod maildir;
pub mod position;
mod share;
mod turns;
mod utf7;

pub use share::{Share, kib, room};
pub use turns::Turns;

/// What the server says of the folder when it is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// 0 for a Maildir, whose names never change their meaning.
    pub validity: u32,
    /// 0 where unknown.
    pub uid_next: u32,
    /// How many messages lie there.
    pub exists: u32,
}

/// A message that lies there: asked before any octet of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which one.
    pub spot: Spot,
    /// In octets; the server's claim.
    pub size: u64,
    /// When it was delivered, where the listing tells that: a Maildir's names have no order.
    pub arrived: Option<Timestamp>,
}

/// A message as it was fetched.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Which one.
    pub spot: Spot,
    /// When it came into the mailbox.
    pub internal_date: Timestamp,
    /// In octets; the server's claim.
    pub size: u64,
    /// The whole message, or its header alone where that was asked for.
    pub octets: Bytes,
}

/// Messages that are asked for by one command, and the memory that they may take.
#[derive(Debug)]
pub struct Batch {
    /// Which ones.
    pub wanted: Vec<Listed>,
    /// Divided among them as they come.
    pub share: Share,
}

impl Batch {
    /// These, in a batch whose memory nobody counts.
    pub fn just(wanted: &[Listed]) -> mpsc::Receiver<Batch> {
        let (give, batches) = mpsc::channel(1);
        let (wanted, share) = (wanted.to_vec(), Share::default());
        give.try_send(Batch { wanted, share }).expect("there is room for one");
        batches
    }
}

/// A message that lies there and is not given: the server refuses it or leaves it out, a file can not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// Which one.
    pub spot: Spot,
    /// What the server says, or does instead.
    pub reason: String,
}

/// What came of settling one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settling {
    /// The mailbox shows its outcome.
    Done(Settled),
    /// It lies there no longer, as far as that is told. A server without UIDPLUS says of such a one that it was moved.
    Gone,
    /// The server or the disk says no to this one; why.
    Refused(String),
    /// It is known under another UIDVALIDITY than that of now; the folder's messages are to be compared first.
    Elsewhere,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woke {
    /// Something changed; look.
    News,
    /// The time is up; look as well.
    Deadline,
    /// The daemon stops.
    Stopped,
}

/// Which messages a listing is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// UIDs from `from` up to and without `to`. A Maildir lists everything.
    Uids {
        /// The first; 0 means 1.
        from: u32,
        /// The first that is not asked for.
        to: u32,
    },
    /// All there is.
    Everything,
}

/// What can go wrong with a mailbox. The fields are what the text of each variant shows.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    /// No TCP connection.
    #[error("{host}:{port} can not be reached: {reason}")]
    Unreachable { host: String, port: u16, reason: String },
    /// The certificate or the handshake.
    #[error("{host}:{port} does not offer a TLS connection that can be trusted: {reason}; {remedy}")]
    Tls {
        host: String,
        port: u16,
        reason: String,
        remedy: String,
    },
    /// The server says no to username or password, or takes none.
    #[error("{host} refuses the sign-in of {login}: {reason}; check username and password")]
    SignIn {
        host: String,
        login: String,
        reason: String,
    },
    /// There is no token to sign in with.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// The server says no to a token, or takes none.
    #[error("{host} refuses the token of {login}: {reason}; {remedy}")]
    Token {
        host: String,
        login: String,
        reason: String,
        remedy: String,
    },
    /// The sign-in is good, and the mailbox is not this login's to open.
    #[error("{host} signs {login} in and does not open the mailbox {mailbox}: {reason}; {remedy}")]
    NotConnected {
        host: String,
        login: String,
        mailbox: String,
        reason: String,
        remedy: String,
    },
    /// The password's source.
    #[error("the secret of {login} can not be opened: {reason}")]
    Secret { login: String, reason: String },
    /// This login may not use it.
    #[error("folder {folder:?} can not be used: {reason}")]
    Folder { folder: String, reason: String },
    /// It is missing.
    #[error("folder {folder:?} can not be used: {reason}")]
    NoFolder { folder: String, reason: String },
    /// The server answered NO or BAD.
    #[error("the server answers {command} with {status}: {reason}")]
    Refused {
        command: String,
        status: &'static str,
        reason: String,
    },
    /// BYE, end of stream, a literal beyond its bound, an answer that can not be read.
    #[error("the connection was lost: {reason}")]
    Lost { reason: String },
    /// No answer within the time for one command.
    #[error("no answer to {command} within {seconds} s")]
    Silent { command: String, seconds: u64 },
    /// A Maildir's file or folder.
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    /// A right that this process lacks at a Maildir's file or folder.
    #[error("{path}: {reason}; this program runs as {login} and needs the right {needs}: {remedy}")]
    Denied {
        path: String,
        reason: String,
        login: String,
        needs: &'static str,
        remedy: &'static str,
    },
}

impl MailboxError {
    /// What the daemon does about it.
    pub fn class(&self) -> Class {
        match self {
            MailboxError::OAuth(error) => error.class(),
            MailboxError::Tls { .. }
            | MailboxError::SignIn { .. }
            | MailboxError::Token { .. }
            | MailboxError::NotConnected { .. }
            | MailboxError::Secret { .. }
            | MailboxError::Folder { .. }
            | MailboxError::NoFolder { .. }
            | MailboxError::Denied { .. } => Class::Credentials,
            _ => Class::Transient,
        }
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, MailboxError>>;

/// A connected mailbox. After an error it is dropped and opened again.
pub trait Mailbox: Send {
    /// Looks at the folder afresh.
    fn select(&mut self) -> Answer<'_, Selected>;
    /// What lies there, by ascending UID, with sizes.
    fn list(&mut self, range: Range) -> Answer<'_, Vec<Listed>>;
    /// Sends each of `batches` that is still there, whole or its header alone, without setting `\Seen`, with its share of
    /// the batch's memory. Gives those that are there and did not come; they hold up no other.
    fn fetch(
        &mut self,
        batches: mpsc::Receiver<Batch>,
        header_only: bool,
        to: mpsc::Sender<(Fetched, Share)>,
    ) -> Answer<'_, Vec<Withheld>>;
    /// Waits for news: IDLE where `idle` and the server can, else until the deadline.
    fn wait<'a>(&'a mut self, idle: bool, until: Instant, stop: &'a CancellationToken) -> Answer<'a, Woke>;
    /// Does `how` to the messages at `spots`, in one go. Says for each, in their order, what came of it. To keep them is to
    /// look whether they are there.
    fn settle<'a>(&'a mut self, spots: &'a [Spot], how: &'a Settle) -> Answer<'a, Vec<Settling>>;
}

/// How often a mailbox is looked at, however quiet it is: an IMAP server is heard from within ten minutes.
pub fn check_interval(config: &MailboxConfig) -> Duration {
    match config.source {
        MailboxSource::Imap(_) => config.poll_interval.min(imap::LONGEST_WAIT),
        MailboxSource::Maildir { .. } => config.poll_interval,
    }
}

/// Connects and signs in when it is its turn; for a Maildir, looks at its folders. `name` is for the log.
pub async fn open(
    name: &MailboxName,
    config: &MailboxConfig,
    sign_ins: &SignIns,
    turns: &Turns,
) -> Result<Box<dyn Mailbox>, MailboxError> {
    turns.open(config, || open_now(name, config, sign_ins)).await
}

async fn open_now(
    name: &MailboxName,
    config: &MailboxConfig,
    sign_ins: &SignIns,
) -> Result<Box<dyn Mailbox>, MailboxError> {
    match &config.source {
        MailboxSource::Imap(settings) => {
            let opened = imap::Imap::open(settings, sign_ins, imap::Patience::default()).await?;
            tracing::debug!(mailbox = %name, host = %settings.host, "mailbox {name} is signed in to at {}", settings.host);
            Ok(Box::new(opened))
        }
        MailboxSource::Maildir { path } => Ok(Box::new(maildir::Maildir::open(name, path).await?)),
    }
}

/// What was found where a mailbox is said to be, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Who is signed in, what the server lacks, that the folder is there, and which folders settling would make.
    pub lines: Vec<String>,
    /// What the server can do, in IMAP's words.
    pub offers: Option<String>,
}

/// For `check --online` and `init`; nothing is changed.
pub async fn inspect(
    name: &MailboxName,
    config: &MailboxConfig,
    sign_ins: &SignIns,
) -> Result<Inspected, MailboxError> {
    let settle: Vec<&Settle> = config.settle.values().collect();
    match &config.source {
        MailboxSource::Imap(settings) => imap::inspect(settings, sign_ins, &settle).await,
        MailboxSource::Maildir { path } => maildir::Maildir::open(name, path).await?.inspect(&settle).await,
    }
}

/// For `init`: whether the server answers, protected as configured; nobody signs in.
pub async fn greeted(settings: &ImapConfig) -> Result<(), MailboxError> {
    imap::greeted(settings).await
}

/// For `init`: signs in and lists the folders that can be watched, as they are written in the configuration.
pub async fn folders(settings: &ImapConfig, sign_ins: &SignIns) -> Result<Vec<String>, MailboxError> {
    imap::folders(settings, sign_ins).await
}
