//! `[smtp]`, `[bounce]` and `[report]`: who is told, and by which way.

use ::config::Value;

use super::{
    BounceConfig, Include, ReportConfig, SmtpConfig, Tls, WithoutReturnPath,
    endpoint::{endpoint, refuse_oauth, secret},
    mailboxes::address,
    table::Table,
    value::{Read, refuse, text},
};
use crate::message::address::{AddrSpec, NameAddr};

/// Where bounces and reports leave.
pub fn smtp(table: &Table<'_>) -> Option<SmtpConfig> {
    let endpoint = endpoint(table, "smtp.example.com", |tls| match tls {
        Tls::Implicit => 465,
        Tls::Starttls => 587,
        Tls::None => 25,
    });
    let oauth = refuse_oauth(table);
    let username = table.line("username");
    let password = table.get("password", secret);
    match (table.wrote("username"), table.wrote("password")) {
        (true, false) if !oauth => table.lacks("password", "{ credential = \"NAME\" }, or remove username"),
        (false, true) => table.lacks("username", "\"…\", or remove password"),
        _ => {}
    }
    let timeout = table.duration("timeout");
    let endpoint = endpoint?;
    Some(SmtpConfig {
        host: endpoint.host,
        port: endpoint.port,
        tls: endpoint.tls,
        ca_file: endpoint.ca_file,
        login: username.zip(password),
        timeout: timeout?,
    })
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
