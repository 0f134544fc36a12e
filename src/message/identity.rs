//! What tells messages apart and joins them: identification fields (RFC 5322, 3.6.4) and the fingerprint.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::header::{self, RawFields};

/// How many references are kept, and how long one may be (a line of RFC 5322 holds 998).
const MAX_REFERENCES: usize = 1_000;
const MAX_ID: usize = 998;

/// Fields that the way writes, not the author: another mailbox's copy shows others.
const TRACE: &[&str] = &[
    "received",
    "return-path",
    "delivered-to",
    "envelope-to",
    "delivery-date",
    "authentication-results",
    "received-spf",
    "dkim-signature",
    "domainkey-signature",
    "dkim-filter",
    "apparently-to",
    "original-recipient",
    "status",
    "content-length",
    "lines",
];
const TRACE_PREFIXES: &[&str] = &["x-", "arc-", "resent-"];

/// The Message-IDs of a field body, without angle brackets. Where there are brackets, what lies outside is a comment.
pub fn message_ids(raw: &str) -> Vec<String> {
    let plain = |text: &str| text.split_whitespace().collect::<String>();
    let bracketed = raw
        .split('<')
        .skip(1)
        .filter_map(|piece| piece.split_once('>'))
        .map(|(id, _)| plain(id));
    let mut ids: Vec<String> = bracketed.filter(|id| is_id(id)).take(MAX_REFERENCES).collect();
    if ids.is_empty() {
        let words = raw
            .split([' ', ','])
            .map(|word| word.trim_matches(['<', '>']).to_owned());
        ids = words
            .filter(|word| is_id(word) && word.contains('@'))
            .take(MAX_REFERENCES)
            .collect();
    }
    ids
}

/// The message's own id; one that is no `<…@…>` serves as well, as long as it is one.
pub fn message_id(raw: &str) -> String {
    let whole = || {
        raw.chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '<' | '>'))
            .collect::<String>()
    };
    message_ids(raw)
        .into_iter()
        .next()
        .unwrap_or_else(|| Some(whole()).filter(|id| is_id(id)).unwrap_or_default())
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID
}

/// What a copy of a message has in common with it.
pub struct Content<'a> {
    pub message_id: &'a str,
    pub author: &'a str,
    /// The Date field as it was written.
    pub date: &'a str,
    pub subject: &'a str,
    pub body: &'a str,
}

impl Content<'_> {
    /// The digest of the content; white space does not count, since gateways break lines anew.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for text in [self.message_id, self.author, self.date, self.subject, self.body] {
            digest.update(words(text));
        }
        digest.finalize().into()
    }
}

/// Each word with an end, and an end of all words, so that neighbours can not run together. Words are short, and most stand
/// one space apart: what is looked for is where two spaces are, not the end of each word.
fn words(text: &str) -> Vec<u8> {
    let narrow = match has_wide_space(text) {
        true => text.replace(|c: char| !c.is_ascii() && c.is_whitespace(), " ").into(),
        false => Cow::Borrowed(text),
    };
    let spaced = |b: u8| if matches!(b, b'\t'..=b'\r') { b' ' } else { b };
    let spaced: Vec<u8> = narrow.bytes().map(spaced).collect();
    let two_spaces = memchr::memmem::Finder::new("  ");
    let (mut words, mut rest) = (Vec::with_capacity(spaced.len() + 2), spaced.trim_ascii());
    while let Some(at) = two_spaces.find(rest) {
        words.extend_from_slice(&rest[..=at]);
        rest = rest[at..].trim_ascii_start();
    }
    words.extend_from_slice(rest);
    words.iter_mut().for_each(|b| *b = if *b == b' ' { 0 } else { *b });
    if !words.is_empty() {
        words.push(0);
    }
    words.push(0);
    words
}

/// Whether there may be white space beyond ASCII, all of which begins with one of these. Counted as bits, not as truths: so
/// many octets are looked at at once.
fn has_wide_space(text: &str) -> bool {
    let may_be = |b: u8| u8::from(matches!(b, 0xc2 | 0xe1..=0xe3));
    text.bytes().fold(0, |found, b| found | may_be(b)) > 0
}

/// The digest of all octets but trace fields, for a message without a Message-ID: a few fields would not tell two
/// reports of one device apart.
pub fn fingerprint_of_all(message: &[u8]) -> [u8; 32] {
    let section = header::octets(message);
    let mut digest = Sha256::new();
    for field in RawFields::of(section) {
        let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
        if TRACE.contains(&name.as_str()) || TRACE_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        digest.update(words(&name));
        digest.update(words(&String::from_utf8_lossy(field.body)));
    }
    digest.update([1]);
    for line in message[section.len()..].split(|b| *b == b'\n') {
        digest.update(line.strip_suffix(b"\r").unwrap_or(line));
        digest.update(b"\n");
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: &[&str]) {
        assert_eq!(message_ids(raw), expected, "{raw}");
    }

    #[test]
    fn white_space_of_any_kind_and_number_counts_as_one() {
        let body = |body| {
            let (message_id, author, date, subject) = ("", "", "", "");
            Content {
                message_id,
                author,
                date,
                subject,
                body,
            }
            .fingerprint()
        };
        let spaced = body("Grüße an alle");
        for text in [
            " Grüße\r\n\tan\u{b}\u{c}alle ",
            "Grüße\u{a0}an\u{2003}\u{3000}alle\u{85}",
        ] {
            assert_eq!(body(text), spaced, "{text:?}");
        }
        assert_ne!(body("Grüße an al le"), spaced);
        assert_ne!(body("Grüßean alle"), spaced);
    }

    #[test]
    fn words_end_at_white_space_and_nowhere_else() {
        for c in '\0'..='\u{ffff}' {
            let text = format!("{c}a{c}{c}b \n{c}");
            let mut expected: Vec<u8> = text
                .split_whitespace()
                .flat_map(|word| [word.as_bytes(), b"\0"].concat())
                .collect();
            expected.push(0);
            assert_eq!(words(&text), expected, "{text:?}");
        }
        assert_eq!(words(""), b"\0");
    }

    #[test]
    fn ids_are_read_without_brackets() {
        check("<a@b.example> <c@d.example>", &["a@b.example", "c@d.example"]);
        check("<a@b.example><c@d.example>", &["a@b.example", "c@d.example"]);
        check("<a @b.example>", &["a@b.example"]);
        check("Your message of Monday <a@b.example>", &["a@b.example"]);
        check("a@b.example", &["a@b.example"]);
        check("", &[]);
        check("<>", &[]);
    }

    #[test]
    fn an_own_id_of_any_form_serves() {
        for (raw, expected) in [
            ("<a@b>", "a@b"),
            ("<20261123>", "20261123"),
            ("20261123", "20261123"),
            ("", ""),
            ("<>", ""),
        ] {
            assert_eq!(message_id(raw), expected);
        }
    }

    #[test]
    fn trace_fields_and_line_ends_do_not_count_but_every_octet_of_the_body_does() {
        let one = fingerprint_of_all(b"Received: x\r\nFrom: a@b.example\r\nX-Spam: 1\r\n\r\nText\r\n");
        assert_eq!(one, fingerprint_of_all(b"Return-Path: <>\nFrom: a@b.example\n\nText\n"));
        assert_ne!(one, fingerprint_of_all(b"From: a@b.example\r\n\r\ntext\r\n"));
        assert_ne!(one, fingerprint_of_all(b"From: a@c.example\r\n\r\nText\r\n"));
    }
}
