//! Texts and addresses on their way into a header of ours. Whatever they hold, they end up as one field: no
//! line break, no control character, nothing that is not ASCII outside encoded words (RFC 2047).

use std::borrow::Cow;

use jiff::Timestamp;
use mail_builder::headers::{address::Address, date::Date, message_id::MessageId, raw::Raw, text::Text};

use crate::message::{Message, address::NameAddr};

/// A field body of more than this helps nobody who reads the mail.
const MAX_TEXT: usize = 200;
/// RFC 5322, section 2.1.1: a line has at most 998 octets; an id can not be folded.
const MAX_ID: usize = 900;
/// How many ids References keeps at either end; a long thread would pass the bounds of servers.
const KEPT_REFERENCES: usize = 20;

/// One line of plain text, bounded, without control or direction characters.
pub(crate) fn line(text: &str) -> String {
    let plain = plain(text);
    match plain.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", plain[..end].trim_end()),
        None => plain,
    }
}

/// The same, however long.
pub(super) fn plain(text: &str) -> String {
    let mut kept = String::new();
    let invisible = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}');
    for word in text
        .split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
    {
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.extend(word.chars().filter(|c| !invisible(*c)));
    }
    kept
}

/// An unstructured field body.
pub(super) fn text(text: &str) -> Text<'static> {
    Text::new(line(text))
}

/// A display name and an address.
pub(super) fn name_addr(name_addr: &NameAddr) -> Address<'static> {
    let name = Some(line(&name_addr.name)).filter(|name| !name.is_empty());
    Address::new_address(name, ascii_domain(&name_addr.address))
}

/// A list of addresses.
pub(super) fn addresses<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Address<'static> {
    Address::new_list(
        addresses
            .into_iter()
            .map(|address| Address::new_address(None::<&str>, ascii_domain(address)))
            .collect(),
    )
}

/// The address with its domain in ASCII (RFC 5891), so that only a local part can ask for SMTPUTF8.
pub(super) fn ascii_domain(address: &str) -> String {
    let address: String = address
        .chars()
        .filter(|c| !c.is_control() && !c.is_whitespace() && !"<>,".contains(*c))
        .collect();
    match address.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => match idna::domain_to_ascii(domain) {
            Ok(ascii) => format!("{local}@{ascii}"),
            Err(_) => address,
        },
        _ => address,
    }
}

/// A host name, or `localhost` where it is none.
pub(super) fn host(name: &str) -> &str {
    let usable = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    if !name.is_empty() && name.len() <= 255 && name.chars().all(usable) {
        name
    } else {
        "localhost"
    }
}

/// The ids that may stand in a header as they are; others are left out (RFC 5322, section 3.6.4).
pub(super) fn ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Option<MessageId<'a>> {
    let usable = |id: &&str| {
        !id.is_empty() && id.len() <= MAX_ID && id.chars().all(|c| c.is_ascii_graphic() && !"<>".contains(c))
    };
    let mut kept: Vec<&str> = ids.into_iter().filter(usable).collect();
    if kept.len() > 2 * KEPT_REFERENCES {
        kept.drain(KEPT_REFERENCES..kept.len() - KEPT_REFERENCES);
    }
    (!kept.is_empty()).then(|| MessageId::new_list(kept.into_iter()))
}

/// The original's References, else its In-Reply-To where it names one id; then its own id (RFC 5322, section 3.6.4).
pub(super) fn references(original: &Message) -> Option<MessageId<'_>> {
    let earlier = match (original.references.as_slice(), original.in_reply_to.as_slice()) {
        ([], [one]) => std::slice::from_ref(one),
        (references, _) => references,
    };
    ids(earlier.iter().chain([&original.message_id]).map(String::as_str))
}

/// A boundary that stands in none of the parts: the original's author could have guessed a fixed one.
pub(super) fn boundary(kind: &str, message_id: &str, parts: &[&[u8]]) -> String {
    let seed: String = message_id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(40)
        .collect();
    let free = |boundary: &String| {
        !parts
            .iter()
            .any(|part| memchr::memmem::find(part, boundary.as_bytes()).is_some())
    };
    (0_u64..)
        .map(|number| format!("{kind}_{seed}_{number}"))
        .find(free)
        .expect("a finite text does not hold every number")
}

/// A Message-ID of our own making, with whatever could not stand in one left out.
pub(super) fn own_id(id: &str) -> MessageId<'static> {
    MessageId::new(
        id.chars()
            .filter(|c| c.is_ascii_graphic() && !"<>".contains(*c))
            .take(MAX_ID)
            .collect::<String>(),
    )
}

/// A date as RFC 5322 writes it, in UTC.
pub(super) fn date(at: Timestamp) -> Date {
    Date::new(at.as_second())
}

/// A word of our own.
pub(super) fn word(word: &'static str) -> Raw<'static> {
    Raw::new(word)
}

/// Plain text for a body: lines end with `\n`, no control characters, no trailing white space.
pub(super) fn body(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let printable: String = text
        .chars()
        .filter(|c| !c.is_control() || "\n\t".contains(*c))
        .collect();
    let mut lines: Vec<&str> = printable.lines().map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines.join("\n") + "\n"
}

/// Octets as they may stand in a mail: every line ends with CRLF, whatever ended it before.
pub(super) fn with_crlf(octets: &[u8]) -> Cow<'_, [u8]> {
    let mut written = Vec::with_capacity(octets.len() + octets.len() / 32);
    let mut rest = octets;
    while let Some(end) = memchr::memchr2(b'\r', b'\n', rest) {
        written.extend_from_slice(&rest[..end]);
        written.extend_from_slice(b"\r\n");
        let width = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + width..];
    }
    written.extend_from_slice(rest);
    if written == octets {
        Cow::Borrowed(octets)
    } else {
        Cow::Owned(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_line_without_control_or_direction_characters() {
        for (text, expected) in [
            ("Printer\r\nBcc: all@example.org", "Printer Bcc: all@example.org"),
            ("a\0b\u{7f}c\td  e ", "a b c d e"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("", ""),
        ] {
            assert_eq!(line(text), expected);
        }
        assert_eq!(line(&"ä".repeat(500)), format!("{}…", "ä".repeat(200)));
    }

    #[test]
    fn lines_end_with_crlf_whatever_ended_them() {
        assert_eq!(
            with_crlf(b"a\nb\r\nc\rd\n\r\n.\r\re").as_ref(),
            b"a\r\nb\r\nc\r\nd\r\n\r\n.\r\n\r\ne"
        );
        assert!(matches!(with_crlf(b"a\r\n.\r\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_domain_is_written_in_ascii() {
        assert_eq!(ascii_domain("ann@bücher.example"), "ann@xn--bcher-kva.example");
        assert_eq!(
            ascii_domain("ann@x.example>\r\nBcc: <b@x.example"),
            "ann@x.exampleBcc:b@x.example"
        );
    }

    #[test]
    fn a_host_name_that_is_none_is_localhost() {
        assert_eq!(host("mx.msp.example"), "mx.msp.example");
        assert_eq!(host("mx\r\nX: y"), "localhost");
        assert_eq!(host(""), "localhost");
    }
}
