//! The guard before everything that is sent to an outsider: it says to whom, or why to nobody. Pure.
//!
//! Two programs that answer each other do so for ever, and a bounce to a forged address goes to a victim. So
//! every doubt counts against the answer; what it costs is a line in the operators' report.

use std::{collections::HashSet, fmt, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    config::WithoutReturnPath,
    message::{
        Message, ReturnPath,
        address::{AddrSpec, NameAddr},
    },
};

/// What the guard goes by; all of it is configuration.
#[derive(Debug, Clone, Copy)]
pub struct Guard<'a> {
    /// The addresses that are ours: every mailbox's, its further ones, and where bounces and reports come from.
    pub own: &'a HashSet<AddrSpec>,
    /// Whom to tell where the message shows no Return-Path.
    pub without_return_path: WithoutReturnPath,
    /// Nobody is told about a message older than this.
    pub max_age: Duration,
}

/// Why nobody may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsafe {
    /// The return path is `<>`: the message is itself a notification.
    NullReturnPath,
    /// The mailbox shows no return path, and `without_return_path` is not `"author"`.
    NoReturnPath,
    /// No person wrote it just now; the sign that said so.
    Automatic(String),
    /// The server took it for junk; its author is most likely forged.
    Junk,
    /// X-Auto-Response-Suppress asks for no answer; its value.
    ResponseSuppressed(String),
    /// DMARC says that the author is forged.
    DmarcFailed,
    /// The address is one of ours.
    OwnAddress(AddrSpec),
    /// Nobody reads that address, or a program does.
    NoReplyAddress(String),
    /// Too much time has passed for the news to be of use.
    TooOld(Duration),
    /// What stands in the return path can not be sent to.
    NotAnAddress(String),
}

impl Unsafe {
    /// The stable word that stands in the journal.
    pub fn word(&self) -> &'static str {
        match self {
            Unsafe::NullReturnPath => "null_return_path",
            Unsafe::NoReturnPath => "no_return_path",
            Unsafe::Automatic(_) => "automatic",
            Unsafe::Junk => "junk",
            Unsafe::ResponseSuppressed(_) => "response_suppressed",
            Unsafe::DmarcFailed => "dmarc_failed",
            Unsafe::OwnAddress(_) => "own_address",
            Unsafe::NoReplyAddress(_) => "no_reply_address",
            Unsafe::TooOld(_) => "too_old",
            Unsafe::NotAnAddress(_) => "not_an_address",
        }
    }
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsafe::NullReturnPath => f.write_str("its return path is null"),
            Unsafe::NoReturnPath => f.write_str(
                "it shows no Return-Path; have the mail server write one, or set [bounce] without_return_path = \"author\"",
            ),
            Unsafe::Automatic(sign) => write!(f, "it is automatic mail ({sign})"),
            Unsafe::Junk => f.write_str("the mail server takes it for junk"),
            Unsafe::ResponseSuppressed(value) => write!(f, "it asks for no answer (X-Auto-Response-Suppress: {value})"),
            Unsafe::DmarcFailed => f.write_str("its DMARC check failed: the author may be forged"),
            Unsafe::OwnAddress(address) => write!(f, "{address} is one of our own addresses"),
            Unsafe::NoReplyAddress(address) => write!(f, "nobody reads {address}"),
            Unsafe::TooOld(age) => write!(f, "it is {} old, more than [bounce] max_age", in_words(*age)),
            Unsafe::NotAnAddress(text) => write!(f, "its return path {text:?} is not an address"),
        }
    }
}

impl std::error::Error for Unsafe {}

impl Guard<'_> {
    /// The address that may be told about `message`. `dmarc` is the result in a trusted Authentication-Results,
    /// `received` the mailbox's internal date.
    pub fn allows(
        &self,
        message: &Message,
        dmarc: &str,
        received: Timestamp,
        now: Timestamp,
    ) -> Result<AddrSpec, Unsafe> {
        let target = self.target(message)?;
        self.refuse(&target, message, dmarc, (received, now))?;
        Ok(target)
    }

    /// Whether an address that is not the return path, and that nobody wrote out, may be told about `message`.
    pub fn allows_to(
        &self,
        to: &AddrSpec,
        message: &Message,
        dmarc: &str,
        (received, now): (Timestamp, Timestamp),
    ) -> Result<(), Unsafe> {
        // What has no return path that may be told has no author who may be.
        self.target(message)?;
        self.refuse(to, message, dmarc, (received, now))
    }

    fn refuse(
        &self,
        to: &AddrSpec,
        message: &Message,
        dmarc: &str,
        (received, now): (Timestamp, Timestamp),
    ) -> Result<(), Unsafe> {
        self.refuse_unwanted(message, dmarc)?;
        self.refuse_ourselves_and_programs(message, to)?;
        let age = Duration::try_from(now.duration_since(written(message, received))).unwrap_or_default();
        if age > self.max_age {
            return Err(Unsafe::TooOld(age));
        }
        Ok(())
    }

    /// Until when anybody may be told about `message`.
    pub fn until(&self, message: &Message, received: Timestamp) -> Timestamp {
        written(message, received)
            .checked_add(self.max_age)
            .unwrap_or(Timestamp::MAX)
    }

    /// The return path (RFC 3834, section 4), or the author where the operator chose so.
    fn target(&self, message: &Message) -> Result<AddrSpec, Unsafe> {
        let chosen = match &message.return_path {
            ReturnPath::Null => return Err(Unsafe::NullReturnPath),
            ReturnPath::To(path) => path,
            ReturnPath::Missing => match self.without_return_path {
                WithoutReturnPath::Never => return Err(Unsafe::NoReturnPath),
                WithoutReturnPath::Author => &message.author,
            },
        };
        chosen
            .addr_spec()
            .ok_or_else(|| Unsafe::NotAnAddress(chosen.address.chars().take(320).collect()))
    }

    fn refuse_unwanted(&self, message: &Message, dmarc: &str) -> Result<(), Unsafe> {
        if let Some(sign) = message.automatic() {
            return Err(Unsafe::Automatic(sign.to_owned()));
        }
        if message.junk {
            return Err(Unsafe::Junk);
        }
        if let Some(value) = message
            .headers("X-Auto-Response-Suppress")
            .find(|value| asks_for_silence(value))
        {
            return Err(Unsafe::ResponseSuppressed(value.to_owned()));
        }
        if dmarc.trim().eq_ignore_ascii_case("fail") {
            return Err(Unsafe::DmarcFailed);
        }
        Ok(())
    }

    /// The author and the sender count too: what comes from us by way of a forwarder has another return path.
    fn refuse_ourselves_and_programs(&self, message: &Message, target: &AddrSpec) -> Result<(), Unsafe> {
        let named = [&message.author, &message.sender]
            .into_iter()
            .filter_map(NameAddr::addr_spec);
        for address in std::iter::once(target.clone()).chain(named) {
            if self.is_ours(&address) {
                return Err(Unsafe::OwnAddress(address));
            }
            if is_no_reply(address.local_part()) {
                return Err(Unsafe::NoReplyAddress(address.to_string()));
            }
        }
        Ok(())
    }

    /// With or without a detail: both arrive in the same mailbox.
    fn is_ours(&self, address: &AddrSpec) -> bool {
        self.own.contains(address) || self.own.contains(&address.without_detail())
    }
}

/// Whether a value of X-Auto-Response-Suppress ([MS-OXCMAIL], 2.2.3.2.14) forbids what we send. `DR`, `RN` and
/// `NRN` are about receipts, which we never send.
fn asks_for_silence(value: &str) -> bool {
    let silencing = ["all", "ndr", "oof", "autoreply"];
    value
        .split([',', ';', ' '])
        .any(|word| silencing.contains(&word.trim().to_ascii_lowercase().as_str()))
}

/// Local parts that belong to programs, or that say themselves that nobody reads them (RFC 3834, section 2;
/// RFC 2142).
fn is_no_reply(local_part: &str) -> bool {
    const ALONE: [&str; 12] = [
        "autoreply",
        "bounce",
        "bounces",
        "daemon",
        "double-bounce",
        "listserv",
        "majordomo",
        "mdaemon",
        "nobody",
        "null",
        "postmaster",
        "mailerdaemon",
    ];
    const ANYWHERE: [&str; 8] = [
        "-no-reply-",
        "-noreply-",
        "-do-not-reply-",
        "-donotreply-",
        "-not-reply-",
        "-mailer-daemon-",
        "-auto-reply-",
        "-autoreply-",
    ];
    const FIRST: [&str; 4] = ["owner-", "bounce-", "bounces-", "postmaster-"];
    const LAST: [&str; 4] = ["-request", "-owner", "-bounce", "-bounces"];

    let words: String = local_part
        .trim_matches('"')
        .chars()
        .map(|c| if "._+=".contains(c) { '-' } else { c })
        .collect();
    let framed = format!("-{words}-");
    ALONE.contains(&words.as_str())
        || ANYWHERE.iter().any(|mark| framed.contains(mark))
        || FIRST.iter().any(|mark| words.starts_with(mark))
        || LAST.iter().any(|mark| words.ends_with(mark))
}

/// When it was written, by the internal date or by the Date field, whichever is the older: after a migration all
/// internal dates are new.
fn written(message: &Message, received: Timestamp) -> Timestamp {
    message
        .date
        .filter(|date| *date >= FIRST_PLAUSIBLE)
        .map_or(received, |date| date.min(received))
}

/// 1990-01-01: a date before it comes from a clock that was never set, and says nothing.
const FIRST_PLAUSIBLE: Timestamp = Timestamp::constant(631_152_000, 0);

fn in_words(age: Duration) -> String {
    const DAY: i64 = 24 * 60 * 60;
    let seconds = SignedDuration::try_from(age).map_or(i64::MAX, |age| age.as_secs());
    match seconds {
        2.. if seconds >= 2 * DAY => format!("{} days", seconds / DAY),
        2.. if seconds >= 2 * 3600 => format!("{} hours", seconds / 3600),
        _ => format!("{} minutes", seconds / 60),
    }
}

#[cfg(test)]
mod tests;
