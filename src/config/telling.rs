//! `[smtp]`, `[bounce]` and `[report]`: who is told, and by which way.

use std::collections::BTreeMap;

use ::config::{Map, Value, ValueKind};

use super::{
    BounceConfig, CanaryConfig, Include, MailboxConfig, MailboxName, MailboxSource, ReportConfig, SmtpConfig,
    SummaryTime, Tls, WebhookConfig, WebhookFormat, WithoutReturnPath,
    endpoint::{endpoint, receiver, secret},
    fault::{Fault, suggest},
    mailboxes::address,
    oauth::{SignIn, Who},
    table::Table,
    value::{Read, line, refuse, text},
};
use crate::{
    message::address::{AddrSpec, NameAddr},
    secret::{ExposeSecret, Secret},
};

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
    const FORMATS: [(&str, WebhookFormat); 3] = [
        ("json", WebhookFormat::Json),
        ("text", WebhookFormat::Text),
        ("teams", WebhookFormat::Teams),
    ];
    let to = table.list("to", address);
    let url = table.get("webhook", webhook);
    let format = table.choice("webhook_format", &FORMATS);
    let every = table.duration("every");
    let at = table.get("summary", time_of_day);
    let timezone = table.get("timezone", timezone);
    let format = format?;
    Some(ReportConfig {
        to: to?,
        webhook: url.map(|url| WebhookConfig { url, format }),
        every: every?,
        summary: at.zip(timezone).map(|(at, timezone)| SummaryTime { at, timezone }),
    })
}

/// Which mailboxes are tried by a mail of our own. `named`: the mailboxes that there are, the faulty ones too.
pub fn canary(table: &Table<'_>, mailboxes: &Mailboxes, named: &[String]) -> Option<CanaryConfig> {
    if table.value("mailboxes").is_none() {
        table.lacks("mailboxes", "[\"NAME\"]");
    }
    let names = table.list("mailboxes", line);
    if names.as_ref().is_some_and(Vec::is_empty) {
        table.fault("mailboxes", "names no mailbox", "name one, or remove [canary]");
    }
    let names = names.unwrap_or_default();
    let to = table.get("to", address);
    let (every, within) = (table.duration("every"), table.duration("within"));
    let delete = table.flag("delete");
    if let (Some(every), Some(within)) = (every, within)
        && within >= every
    {
        table.fault(
            "within",
            "is not shorter than every",
            "a canary has to come before the next one leaves",
        );
    }
    if to.is_some() && names.len() > 1 {
        let problem = format!("is one address for {} mailboxes", names.len());
        table.fault(
            "to",
            problem,
            "leave it out, and name an address of each in addresses of its mailbox",
        );
    }
    let mut sent_to = BTreeMap::new();
    for (index, name) in names.into_iter().enumerate() {
        let path = format!("{}[{index}]", table.path_of("mailboxes"));
        let fault = |problem: String, remedy: String| {
            table.report(Fault::at(path.clone(), format!("{path} {problem}"), remedy));
        };
        if !named.contains(&name) {
            let remedy = suggest(&name, named.iter().map(String::as_str));
            fault(format!("is {name:?}, which is no mailbox"), remedy);
        }
        let Some(mailbox) = mailboxes.get(&name) else { continue };
        match to.clone().or_else(|| mailbox.own_addresses().into_iter().next()) {
            Some(address) => {
                sent_to.insert(MailboxName(name), address);
            }
            None => fault(
                format!("is {name:?}, and no address of it is known"),
                format!("add addresses to [mailbox.{name}], or to"),
            ),
        }
    }
    Some(CanaryConfig {
        mailboxes: sent_to,
        every: every?,
        within: within?,
        delete: delete?,
    })
}

/// An address that carries a key. What is written out is looked at now, the rest when it is opened.
fn webhook(value: &Value) -> Read<Secret> {
    let secret = secret(value)?;
    let is_wrong = match &secret {
        Secret::Literal(url) => receiver(url.expose_secret()).is_none(),
        _ => false,
    };
    if is_wrong {
        let problem = "is no address that reports may be posted to";
        return refuse(
            problem,
            "write \"https://…\", without a login before the host; http is for this machine alone",
        );
    }
    Ok(secret)
}

fn time_of_day(value: &Value) -> Read<jiff::civil::Time> {
    let written = text(value)?;
    jiff::civil::Time::strptime("%H:%M", written.trim()).or_else(|_| {
        refuse(
            format!("is {written:?}, which is no time of day"),
            "write hours and minutes, such as \"07:30\"",
        )
    })
}

fn timezone(value: &Value) -> Read<jiff::tz::TimeZone> {
    let written = text(value)?;
    // Whoever asks for a name gets the list of all that this machine has into memory.
    if written.trim() == "UTC" {
        return Ok(jiff::tz::TimeZone::UTC);
    }
    jiff::tz::TimeZone::get(written.trim()).or_else(|_| {
        refuse(
            format!("is {written:?}, which is no time zone"),
            "write its name in the IANA database, such as \"Europe/Berlin\" or \"UTC\"",
        )
    })
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
