//! `[smtp]`, `[bounce]` and `[report]`: who is told, and by which way.

use std::collections::BTreeMap;

use ::config::{Map, Value, ValueKind};

use super::{
    BounceConfig, Include, MailboxConfig, MailboxSource, ReportConfig, SmtpConfig, Tls, WithoutReturnPath,
    endpoint::endpoint,
    fault::suggest,
    mailboxes::address,
    oauth::{SignIn, Who},
    table::Table,
    value::{Read, refuse, text},
};
use crate::message::address::{AddrSpec, NameAddr};

type Mailboxes = BTreeMap<String, MailboxConfig>;

/// Where bounces and reports leave. `named`: the mailboxes that there are, the faulty ones too.
pub fn smtp(table: &Table<'_>, mailboxes: &Mailboxes, named: &[String]) -> Option<SmtpConfig> {
    let endpoint = endpoint(table, "smtp.example.com", |tls| match tls {
        Tls::Implicit => 465,
        Tls::Starttls => 587,
        Tls::None => 25,
    });
    let login = login(table, mailboxes, named);
    let timeout = table.duration("timeout");
    let endpoint = endpoint?;
    Some(SmtpConfig {
        host: endpoint.host,
        port: endpoint.port,
        tls: endpoint.tls,
        ca_file: endpoint.ca_file,
        login,
        timeout: timeout?,
    })
}

/// Who signs in: with a password or a token of its own, or as a mailbox does.
fn login(table: &Table<'_>, mailboxes: &Mailboxes, named: &[String]) -> Option<(String, SignIn)> {
    let username = table.line("username");
    let names_mailbox = |value: &Value| matches!(&value.kind, ValueKind::Table(keys) if keys.contains_key("mailbox"));
    if table.value("oauth").is_some_and(names_mailbox) {
        let (acts_as, sign_in) = as_mailbox(table, mailboxes, named)?;
        return Some((username.unwrap_or(acts_as), sign_in));
    }
    let signs_in = table.wrote("password") || table.wrote("oauth");
    match (table.wrote("username"), signs_in) {
        (false, false) => return None,
        (true, false) => {
            table.lacks("password", "{ credential = \"NAME\" }, or remove username");
            return None;
        }
        (false, true) => {
            let key = if table.wrote("password") { "password" } else { "oauth" };
            table.lacks("username", &format!("\"…\", or remove {key}"));
        }
        (true, true) => {}
    }
    let who = username.as_deref().map(|username| Who {
        username,
        acts_as: username,
        mailbox: None,
    });
    let sign_in = SignIn::read(table, who.as_ref());
    username.zip(sign_in)
}

/// `oauth = { mailbox = "NAME" }`: the mailbox's own name, and how it signs in.
fn as_mailbox(table: &Table<'_>, mailboxes: &Mailboxes, named: &[String]) -> Option<(String, SignIn)> {
    let oauth = table.table("oauth", Map::new())?;
    let name = oauth.line("mailbox");
    let found = name.as_ref().and_then(|name| mailboxes.get(name));
    let sign_in = match (&name, found.map(|mailbox| &mailbox.source)) {
        (Some(_), Some(MailboxSource::Imap(imap))) if imap.sign_in.oauth().is_some() => {
            Some((imap.acts_as().to_owned(), imap.sign_in.clone()))
        }
        (Some(name), Some(_)) => {
            let problem = format!("is {name:?}, which does not sign in with OAuth");
            oauth.fault("mailbox", problem, "give [smtp] a username and password of its own");
            None
        }
        (Some(name), None) if !named.contains(name) => {
            let remedy = suggest(name, named.iter().map(String::as_str));
            oauth.fault("mailbox", format!("is {name:?}, which is no mailbox"), remedy);
            None
        }
        _ => None,
    };
    oauth.finish();
    if table.wrote("password") {
        table.fault("oauth", "stands beside a password", "remove one of them");
        return None;
    }
    sign_in
}

/// What senders are told, and how often.
pub fn bounce(table: &Table<'_>) -> Option<BounceConfig> {
    let from = table.get("from", name_addr);
    let message = table.get("message", text);
    let include = table.choice(
        "include",
        &[
            ("headers", Include::Headers),
            ("message", Include::Message),
            ("none", Include::None),
        ],
    );
    let limit_per_sender = table.rate("limit_per_sender");
    let without_return_path = table.choice(
        "without_return_path",
        &[
            ("never", WithoutReturnPath::Never),
            ("author", WithoutReturnPath::Author),
        ],
    );
    let max_age = table.duration("max_age");
    Some(BounceConfig {
        from,
        message: message?,
        include: include?,
        limit_per_sender: limit_per_sender?,
        without_return_path: without_return_path?,
        max_age: max_age?,
    })
}

/// Who hears of exceptions.
pub fn report(table: &Table<'_>) -> Option<ReportConfig> {
    let to = table.list("to", address);
    let every = table.duration("every");
    Some(ReportConfig { to: to?, every: every? })
}

/// `Example Support <support@example.com>`, or the address alone.
fn name_addr(value: &Value) -> Read<NameAddr> {
    let written = text(value)?;
    let wrong = || {
        let remedy = "write \"Example Support <support@example.com>\"";
        refuse(format!("is {written:?}, which is no address to send from"), remedy)
    };
    let (name, address) = match written.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"'), address),
        None => ("", written.as_str()),
    };
    match AddrSpec::parse(address) {
        Ok(address) if !name.contains(|c: char| c.is_control() || "<>\"".contains(c)) => Ok(NameAddr {
            name: name.to_owned(),
            address: address.as_str().to_owned(),
        }),
        _ => wrong(),
    }
}
