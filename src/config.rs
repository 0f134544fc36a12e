//! Configuration: files and environment become a `Config` that cannot hold a wrong value. All faults are
//! reported at once, each with its place.

use std::{collections::BTreeMap, fmt, num::NonZeroU32, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    halo::Reference,
    journal::Way,
    message::address::{AddrSpec, NameAddr},
    outcome::Outcome,
    retry::Backoff,
    secret::Secret,
};

// what a fault is, and texts with a unit
pub mod fault;
pub mod unit;

// from files and environment to one tree of values
pub(crate) mod document;
pub mod effective;
mod layers;
mod place;

// from the tree to the types below, one section a file
mod connections;
pub(crate) mod endpoint;
pub(crate) mod http;
mod mailboxes;
mod oauth;
mod rule_source;
mod sections;
mod table;
mod telling;
mod value;

// all of it in one call
pub mod load;

pub use oauth::{Grant, OAuthConfig, Provider, SignIn};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(
            /// The name as it is written.
            pub String,
        );

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// The name of a `[mailbox.NAME]`.
    MailboxName
);
name_type!(
    /// The name of a `[halo.NAME]`: one connection.
    ConnectionName
);

/// The whole configuration without the rules, whose text expressions `rules` compiles.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the journal lies, or what else is kept beside a program; made when missing.
    pub state_dir: PathBuf,
    /// The address of the database where the journal lies, if it is not in `state_dir`.
    pub journal: Option<Secret>,
    pub mailboxes: BTreeMap<MailboxName, MailboxConfig>,
    pub halo: BTreeMap<ConnectionName, HaloConfig>,
    pub smtp: Option<SmtpConfig>,
    pub bounce: BounceConfig,
    pub report: ReportConfig,
    pub canary: Option<CanaryConfig>,
    pub retry: RetryConfig,
    pub retention: RetentionConfig,
    pub http: Option<HttpConfig>,
}

impl Config {
    /// By which ways operators hear.
    pub fn report_ways(&self) -> Vec<Way> {
        let by_mail = !self.report.to.is_empty() && self.smtp.is_some();
        let mail = by_mail.then_some(Way::Mail);
        mail.into_iter()
            .chain(self.report.webhook.as_ref().map(|_| Way::Webhook))
            .collect()
    }

    /// The logins that sign in with OAuth, each with what it is for; mailboxes that rest are left out.
    pub fn sign_ins(&self) -> Vec<(String, &OAuthConfig)> {
        let enabled = self.mailboxes.iter().filter(|(_, mailbox)| mailbox.enabled);
        let of_mailboxes = enabled.filter_map(|(name, mailbox)| match &mailbox.source {
            MailboxSource::Imap(imap) => Some((format!("mailbox {name}"), imap.sign_in.oauth()?)),
            MailboxSource::Maildir { .. } => None,
        });
        let login = self.smtp.as_ref().and_then(|smtp| smtp.login.as_ref());
        let of_smtp = login.and_then(|(_, sign_in)| Some(("smtp".to_owned(), sign_in.oauth()?)));
        of_mailboxes.chain(of_smtp).collect()
    }
}

/// A mailbox that is watched. Those with `enabled = false` are kept here and rest.
#[derive(Debug, Clone, PartialEq)]
pub struct MailboxConfig {
    pub enabled: bool,
    pub source: MailboxSource,
    /// Further addresses that are ours, beside the sign-in's and the mailbox's own.
    pub addresses: Vec<AddrSpec>,
    pub watch: Watch,
    pub poll_interval: Duration,
    /// `None`: not said; then more than 500 messages at first start refuse the mailbox.
    pub backlog: Option<Backlog>,
    /// In octets.
    pub max_message_size: u64,
    pub deduplicate: Deduplicate,
    pub trusted_authserv_ids: Vec<String>,
    /// What happens to a message in the mailbox after each outcome; an outcome that is not here is kept.
    pub settle: BTreeMap<Outcome, Settle>,
}

impl MailboxConfig {
    /// Its addresses: its own name or, where it is the login's, that one; then the further ones.
    pub fn own_addresses(&self) -> Vec<AddrSpec> {
        let name = match &self.source {
            MailboxSource::Imap(imap) => Some(imap.acts_as()),
            MailboxSource::Maildir { .. } => None,
        };
        let named = name.and_then(|name| AddrSpec::parse(name).ok());
        named.into_iter().chain(self.addresses.iter().cloned()).collect()
    }
}

impl Config {
    /// The addresses that the service desk writes from, by us or by Halo.
    pub fn desk_addresses(&self) -> Vec<AddrSpec> {
        let mailboxes = self.mailboxes.values().flat_map(MailboxConfig::own_addresses);
        let bounces = self.bounce.from.as_ref().and_then(|from| from.addr_spec());
        mailboxes.chain(bounces).collect()
    }
}

/// Where the messages lie.
#[derive(Debug, Clone, PartialEq)]
pub enum MailboxSource {
    Imap(ImapConfig),
    Maildir { path: PathBuf },
}

/// How an IMAP server is reached and which folder is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct ImapConfig {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub ca_file: Option<PathBuf>,
    pub username: String,
    /// The mailbox, when it is not the one that signs in.
    pub mailbox: Option<String>,
    pub sign_in: SignIn,
    /// In our own spelling (Unicode), with the server's separator.
    pub folder: String,
}

impl ImapConfig {
    /// Whose mailbox is opened.
    pub fn acts_as(&self) -> &str {
        self.mailbox.as_ref().unwrap_or(&self.username)
    }
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    Implicit,
    Starttls,
    /// Refused beyond loopback unless `allow_cleartext = true`.
    None,
}

/// How new messages are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Watch {
    /// IDLE, with polling beside it.
    Idle,
    Poll,
}

/// What to do with messages that are there at the first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backlog {
    Process,
    Skip,
    /// It is told what would be done with them, and the mailbox waits.
    Report,
}

/// In which scope a copy with the same fingerprint is a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deduplicate {
    Mailbox,
    All,
    Off,
}

/// What is done to the message in its mailbox, last of all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settle {
    MoveTo(String),
    Seen,
    Delete,
    Keep,
}

/// One Halo connection.
#[derive(Debug, Clone, PartialEq)]
pub struct HaloConfig {
    /// The resource server, without `/api`; ends without a slash.
    pub url: Url,
    /// The authorisation server; found by `/api/AuthInfo`, else `{url}/auth`, when left out.
    pub auth_url: Option<Url>,
    pub tenant: Option<String>,
    pub client_id: String,
    pub client_secret: Secret,
    pub scope: String,
    pub rate: Rate,
    /// More new users than that wait.
    pub new_users: Option<Rate>,
    /// Start and end tag around a ticket number in a subject; several pairs.
    pub subject_tags: Vec<(String, String)>,
    /// Added to the built-in list.
    pub freemail_domains: Vec<String>,
    /// The operator's own map from a mail domain (lower case) to a client and site.
    pub domains: BTreeMap<String, DomainTarget>,
    /// A longer file is not attached to a ticket; in octets.
    pub max_file_size: u64,
    pub timeout: Duration,
    pub ca_file: Option<PathBuf>,
}

/// `"300 per 5m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub count: NonZeroU32,
    pub per: Duration,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.per.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
        let whole = units
            .into_iter()
            .find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit));
        let (unit, word) = whole.unwrap_or((1, "ms"));
        write!(f, "{} per {}{word}", self.count, millis / unit)
    }
}

/// Where a mail domain belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainTarget {
    pub client: Reference,
    pub site: Option<Reference>,
}

/// Where bounces and reports leave.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub ca_file: Option<PathBuf>,
    /// Who signs in, and how; `None`: no AUTH.
    pub login: Option<(String, SignIn)>,
    pub timeout: Duration,
}

/// How senders are told.
#[derive(Debug, Clone)]
pub struct BounceConfig {
    /// `None` only where no step can bounce.
    pub from: Option<NameAddr>,
    /// A text expression: what the sender reads; compiled by `rules`.
    pub message: String,
    pub include: Include,
    pub limit_per_sender: Rate,
    pub without_return_path: WithoutReturnPath,
    /// Nobody is told about a message older than this.
    pub max_age: Duration,
}

/// What a bounce carries of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Include {
    Headers,
    Message,
    None,
}

/// Whom to tell where the message shows no Return-Path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WithoutReturnPath {
    Never,
    Author,
}

/// Who hears of exceptions.
#[derive(Debug, Clone)]
pub struct ReportConfig {
    /// Empty: nobody hears by mail.
    pub to: Vec<AddrSpec>,
    /// `None`: nobody hears by a request.
    pub webhook: Option<WebhookConfig>,
    /// Several exceptions within this time become one digest.
    pub every: Duration,
    /// `None`: no summary of the day.
    pub summary: Option<SummaryTime>,
}

/// A mail of our own that shows whether mail comes.
#[derive(Debug, Clone, PartialEq)]
pub struct CanaryConfig {
    /// The mailboxes that it is sent to, each with the address.
    pub mailboxes: BTreeMap<MailboxName, AddrSpec>,
    pub every: Duration,
    /// One that takes longer is late; shorter than `every`.
    pub within: Duration,
    /// Whether it is deleted in the mailbox, whatever `settle` says of what is ignored.
    pub delete: bool,
}

/// Where reports are posted to.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookConfig {
    /// Whoever knows such an address may post there.
    pub url: Secret,
    pub format: WebhookFormat,
}

/// How a report is written for its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookFormat {
    /// All of it by names, and a text for people.
    Json,
    /// The text alone, for those who take nothing that they do not know.
    Text,
    /// An Adaptive Card, for Workflows of Microsoft Teams.
    Teams,
}

/// When the day is summed up.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryTime {
    pub at: jiff::civil::Time,
    pub timezone: jiff::tz::TimeZone,
}

/// How long is waited between attempts.
#[derive(Debug, Clone)]
pub struct RetryConfig {
    pub backoff: Backoff,
    /// An outage of the connection does not count.
    pub give_up_after: Duration,
}

/// How long the journal keeps what.
#[derive(Debug, Clone)]
pub struct RetentionConfig {
    pub octets: Duration,
    pub rows: Duration,
}

/// Where health, metrics and the page for people are served.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    pub listen: std::net::SocketAddr,
    /// What people sign in with; `None`: whoever reaches it may read, and nobody may write.
    pub token: Option<Secret>,
    /// Names by which it is reached, beside localhost and addresses; in lower case.
    pub hosts: Vec<String>,
}

/// A `[[rule]]` as it was written, every value still text; `path` finds its place again (`rule[3]`).
#[derive(Debug, Clone)]
pub struct RuleSource {
    pub path: String,
    pub name: String,
    pub enabled: bool,
    /// `None`: all mailboxes.
    pub mailboxes: Option<Vec<MailboxName>>,
    pub when: Option<String>,
    pub actions: Vec<ActionSource>,
}

/// A `[[rule.action]]` as it was written: its `type` and its other keys, which the table of steps knows.
#[derive(Debug, Clone)]
pub struct ActionSource {
    /// For example `rule[3].action[1]`.
    pub path: String,
    pub kind: String,
    /// Every key but `type` and the nested `action` list, as written.
    pub fields: Vec<(String, serde_json::Value)>,
    /// The nested steps of a `for_each`.
    pub actions: Vec<ActionSource>,
}
