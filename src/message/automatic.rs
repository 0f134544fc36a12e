//! Signs that no person wrote a message just now (RFC 3834 and its kin), and the server's verdict on junk.
//!
//! X-Auto-Response-Suppress is no such sign: Exchange writes it on the mail of people too. Nor is any subject.

use super::{HeaderField, Message, ReturnPath};

/// Vendors' fields that say it by being there, unless they say no.
const VENDOR_FIELDS: &[&str] = &["x-autoreply", "x-autorespond", "x-auto-reply", "x-autoresponder"];
/// Addresses that only programs write from.
const DAEMONS: &[&str] = &["mailer-daemon", "postmaster"];
/// How much of a field body a reason quotes.
const MAX_QUOTED: usize = 80;

/// The sign in words, such as `Auto-Submitted: auto-replied`.
pub fn sign(message: &Message, content_type: &str) -> Option<String> {
    let fields = &message.header_fields;
    let field = |is_sign: fn(&HeaderField) -> bool| fields.iter().find(|field| is_sign(field)).map(quoted);

    field(says_auto_submitted)
        .or_else(|| (content_type == "multipart/report").then(|| "Content-Type: multipart/report".to_owned()))
        .or_else(|| (message.return_path == ReturnPath::Null).then(|| "Return-Path: <>".to_owned()))
        .or_else(|| field(begins_as_of_a_list))
        .or_else(|| field(says_bulk))
        .or_else(|| field(|field| VENDOR_FIELDS.iter().any(|name| field.is(name)) && first_word(&field.value) != "no"))
        .or_else(|| daemon(message))
}

fn quoted(field: &HeaderField) -> String {
    let value = &field.value[..field.value.floor_char_boundary(MAX_QUOTED)];
    format!("{}: {}", field.name, value.trim_end())
}

fn begins_as_of_a_list(field: &HeaderField) -> bool {
    let begin = field.name.get(.."list-".len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case("list-"))
}

/// The first word of a field body in lower case; parameters and comments may stand around it (RFC 3834, 5).
fn first_word(value: &str) -> String {
    let mut value = value.trim_start();
    while let Some((_, rest)) = value.strip_prefix('(').and_then(|comment| comment.split_once(')')) {
        value = rest.trim_start();
    }
    value
        .split([' ', ';', '(', ',', '\t'])
        .next()
        .unwrap_or("")
        .to_ascii_lowercase()
}

fn says_auto_submitted(field: &HeaderField) -> bool {
    field.is("Auto-Submitted") && !matches!(first_word(&field.value).as_str(), "no" | "")
}

fn says_bulk(field: &HeaderField) -> bool {
    field.is("Precedence")
        && matches!(
            first_word(&field.value).as_str(),
            "bulk" | "list" | "junk" | "auto_reply"
        )
}

fn daemon(message: &Message) -> Option<String> {
    let (local, _) = message
        .author
        .address
        .split_once('@')
        .unwrap_or((&message.author.address, ""));
    DAEMONS
        .contains(&local)
        .then(|| format!("author: {}", message.author.address))
}

/// Whether the server took the message for junk.
pub fn is_junk(fields: &[HeaderField]) -> bool {
    fields.iter().any(|field| {
        if field.is("X-Spam-Flag") || field.is("X-Spam-Status") {
            first_word(&field.value) == "yes"
        } else if field.is("X-MS-Exchange-Organization-SCL") {
            is_high(&field.value)
        } else if field.is("X-Forefront-Antispam-Report") {
            let mut pairs = field.value.split(';').filter_map(|pair| pair.trim().split_once(':'));
            pairs.any(|(name, level)| name.eq_ignore_ascii_case("scl") && is_high(level))
        } else {
            false
        }
    })
}

/// Microsoft's spam confidence level: 5 and 6 are spam, 9 surely.
fn is_high(level: &str) -> bool {
    level.trim().parse::<i32>().is_ok_and(|level| level >= 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: Option<&str>) {
        let message = Message::read(format!("From: ann@example.org\r\n{header}\r\n\r\nHi").as_bytes());
        assert_eq!(message.automatic(), expected, "{header}");
    }

    #[test]
    fn each_sign_is_told_in_words() {
        for header in [
            "Auto-Submitted: auto-replied",
            "auto-submitted: Auto-Generated; owner=x",
            "Auto-Submitted: (by a script) (x) auto-generated",
            "Return-Path: <>",
            "List-Id: Friends <friends.example.org>",
            "List-Unsubscribe: <https://example.org/u>",
            "Precedence: bulk",
            "X-Autoreply: yes",
        ] {
            check(header, Some(header));
        }
        check(
            "Content-Type: multipart/report; boundary=x",
            Some("Content-Type: multipart/report"),
        );
    }

    #[test]
    fn people_are_not_taken_for_programs() {
        for header in [
            "Auto-Submitted: no",
            "Auto-Submitted: NO (a person)",
            "Auto-Submitted: (a person) no",
            "Auto-Submitted:",
            "X-Auto-Response-Suppress: All",
            "Precedence: first-class",
            "X-Autoreply: no",
            "Subject: Out of office",
            "Return-Path: <ann@example.org>",
            "Feedback-ID: 1:2:3",
        ] {
            check(header, None);
        }
    }

    #[test]
    fn daemons_are_known_by_their_local_part() {
        let message = Message::read(b"From: MAILER-DAEMON@mx.example.org\r\n\r\n");
        assert_eq!(message.automatic(), Some("author: mailer-daemon@mx.example.org"));
    }

    #[test]
    fn the_servers_verdict_on_junk_is_read() {
        for (header, junk) in [
            ("X-Spam-Flag: YES", true),
            ("X-Spam-Flag: NO", false),
            ("X-Spam-Status: Yes, score=9.1", true),
            ("X-Spam-Status: No, score=0.1", false),
            ("X-MS-Exchange-Organization-SCL: 5", true),
            ("X-MS-Exchange-Organization-SCL: -1", false),
            ("X-Forefront-Antispam-Report: CIP:192.0.2.1;CTRY:;SCL:9;SRV:", true),
            ("X-Forefront-Antispam-Report: CIP:192.0.2.1;SCL:1;", false),
        ] {
            assert_eq!(
                Message::read(format!("{header}\r\n\r\n").as_bytes()).junk,
                junk,
                "{header}"
            );
        }
    }
}
