//! The mailbox against real servers: Dovecot as a child, scripts for what it can't be brought to do, Maildirs in
//! temporary folders.

// Helpers outside of #[test] functions are tests as well.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, future::Future, path::PathBuf, time::Duration};

use halo_intake::{
    clock::Clock,
    config::{Deduplicate, ImapConfig, MailboxConfig, MailboxName, MailboxSource, Settle, SignIn, Tls, Watch},
    journal::{Settled, Spot},
    mailbox::{self, Batch, Fetched, Listed, Mailbox, MailboxError, Range, Settling, Turns, Withheld},
    oauth::SignIns,
    outcome::Outcome,
    secret::{Secret, SecretString},
};
use tokio::sync::mpsc;

#[path = "../servers/mod.rs"]
mod servers;

mod faults;
mod hidden;
mod maildir;
mod oauth;
mod others;
mod reading;
mod settling;
mod signing_in;
mod waiting;

use servers::{
    authorization,
    dovecot::{self, Dovecot, PASSWORD},
    script,
};

/// No single thing here takes this long.
const DEADLINE: Duration = Duration::from_secs(30);

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("it ends in time")
}

/// What came of settling as people are shown it, without where the messages lie now.
fn shown(came: Vec<Settling>) -> Vec<Settling> {
    let without_place = |came| match came {
        Settling::Done(settled) => Settling::Done(Settled { lies: None, ..settled }),
        other => other,
    };
    came.into_iter().map(without_place).collect()
}

/// INBOX of `user`, by implicit TLS, trusting the server's authority.
fn imap(server: &Dovecot, user: &str) -> ImapConfig {
    ImapConfig {
        host: "localhost".to_owned(),
        port: server.imaps_port,
        tls: Tls::Implicit,
        ca_file: Some(server.ca_pem.clone()),
        username: user.to_owned(),
        mailbox: None,
        sign_in: password(PASSWORD),
        folder: "INBOX".to_owned(),
    }
}

fn password(text: &str) -> SignIn {
    SignIn::Password(Secret::Literal(SecretString::from(text)))
}

/// The same in the clear.
fn cleartext(server: &Dovecot, user: &str) -> ImapConfig {
    ImapConfig {
        port: server.imap_port,
        tls: Tls::None,
        ca_file: None,
        host: "127.0.0.1".to_owned(),
        ..imap(server, user)
    }
}

/// The account that the scripts know.
fn scripted(port: u16) -> ImapConfig {
    ImapConfig {
        host: "127.0.0.1".to_owned(),
        port,
        tls: Tls::None,
        ca_file: None,
        username: "ann".to_owned(),
        mailbox: None,
        sign_in: password(PASSWORD),
        folder: "INBOX".to_owned(),
    }
}

fn watched(source: MailboxSource) -> MailboxConfig {
    MailboxConfig {
        enabled: true,
        source,
        addresses: Vec::new(),
        watch: Watch::Idle,
        poll_interval: Duration::from_secs(60),
        backlog: None,
        max_message_size: 50 << 20,
        deduplicate: Deduplicate::Mailbox,
        trusted_authserv_ids: Vec::new(),
        settle: BTreeMap::from([(Outcome::Completed, Settle::MoveTo("Processed/Früher".to_owned()))]),
    }
}

fn name() -> MailboxName {
    MailboxName("support".to_owned())
}

/// For sign-ins with a password.
fn nobody() -> SignIns {
    SignIns::new("/nonexistent".as_ref(), Clock::system())
}

async fn open_with(config: ImapConfig, sign_ins: &SignIns) -> Result<Box<dyn Mailbox>, MailboxError> {
    let (watched, turns) = (watched(MailboxSource::Imap(config)), Turns::default());
    in_time(mailbox::open(&name(), &watched, sign_ins, &turns)).await
}

async fn open(config: ImapConfig) -> Result<Box<dyn Mailbox>, MailboxError> {
    open_with(config, &nobody()).await
}

async fn open_maildir(path: PathBuf) -> Result<Box<dyn Mailbox>, MailboxError> {
    let (watched, turns) = (watched(MailboxSource::Maildir { path }), Turns::default());
    in_time(mailbox::open(&name(), &watched, &nobody(), &turns)).await
}

/// Lists everything that the folder holds now.
async fn list(mailbox: &mut dyn Mailbox) -> Vec<Listed> {
    in_time(mailbox.select()).await.unwrap();
    in_time(mailbox.list(Range::Everything)).await.unwrap()
}

/// What arrives, and how the fetching ended.
async fn try_fetch(
    mailbox: &mut dyn Mailbox,
    wanted: &[Listed],
    header_only: bool,
) -> (Vec<Fetched>, Result<Vec<Withheld>, MailboxError>) {
    // Small on purpose: the reader is slower than the server.
    let (to, mut from) = mpsc::channel(2);
    let arrive = async {
        let mut fetched = Vec::new();
        while let Some((message, _)) = from.recv().await {
            fetched.push(message);
        }
        fetched
    };
    let (ended, fetched) =
        in_time(async { tokio::join!(mailbox.fetch(Batch::just(wanted), header_only, to), arrive) }).await;
    (fetched, ended)
}

async fn fetch(mailbox: &mut dyn Mailbox, wanted: &[Listed], header_only: bool) -> Vec<Fetched> {
    let (fetched, ended) = try_fetch(mailbox, wanted, header_only).await;
    assert_eq!(ended.unwrap(), [], "everything that is there comes");
    fetched
}

fn spots(listed: &[Listed]) -> Vec<Spot> {
    listed.iter().map(|listed| listed.spot.clone()).collect()
}

fn uid(spot: &Spot) -> u32 {
    match spot {
        Spot::Uid { uid, .. } => *uid,
        other => panic!("not a UID: {other:?}"),
    }
}

/// A small message that is told from others by its number.
fn message(number: usize) -> Vec<u8> {
    format!(
        "From: Ann Example <ann@example.org>\r\nTo: support@example.com\r\nSubject: Printer {number}\r\n\
         Message-ID: <{number}@example.org>\r\n\r\nThe printer number {number} is on fire.\r\n"
    )
    .into_bytes()
}
