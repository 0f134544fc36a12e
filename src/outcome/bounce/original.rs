//! What a bounce returns of the original: its header, all of it, or nothing.

use std::borrow::Cow;

use mail_builder::mime::MimePart;

use super::field;
use crate::config::Include;

/// How large a message is returned whole; beyond it, its header alone. Sent back to a forged address, more than
/// this would be a nuisance of its own.
const MAX_MESSAGE: usize = 1024 * 1024;
/// How much of a header is returned, cut at the end of a line.
const MAX_HEADER: usize = 64 * 1024;
/// RFC 5322, section 2.1.1, without the line end.
const MAX_LINE: usize = 998;
/// RFC 2045, section 6.7, rule 5.
const MAX_ENCODED_LINE: usize = 76;

/// How a part with 8-bit octets begins; [`super::for_seven_bit`] finds it by this.
pub(super) const EIGHT_BIT_PART: &[u8] = b"\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";

/// The returned octets, ready to stand in a mail.
pub(super) enum Returned<'a> {
    Nothing,
    /// A text/rfc822-headers, plain or in quoted-printable (RFC 6522, section 4).
    Header {
        octets: Vec<u8>,
        encoding: &'static str,
    },
    /// A message/rfc822, which may not be encoded (RFC 2046, section 5.2.1).
    Message {
        octets: Cow<'a, [u8]>,
        encoding: &'static str,
    },
}

impl<'a> Returned<'a> {
    /// What is returned of `octets`: never more than `include` says, and less where it could not travel.
    pub(super) fn of(octets: &'a [u8], include: Include) -> Returned<'a> {
        if octets.is_empty() || include == Include::None {
            return Returned::Nothing;
        }
        if include == Include::Message && octets.len() <= MAX_MESSAGE {
            let octets = field::with_crlf(octets);
            if lines_can_travel(&octets) {
                let encoding = if octets.is_ascii() { "7bit" } else { "8bit" };
                return Returned::Message { octets, encoding };
            }
        }
        Returned::header(octets)
    }

    fn header(octets: &[u8]) -> Returned<'a> {
        let octets = field::with_crlf(header_section(octets));
        if octets.is_ascii() && lines_can_travel(&octets) {
            return Returned::Header {
                octets: octets.into_owned(),
                encoding: "7bit",
            };
        }
        Returned::Header {
            octets: quoted_printable(&octets),
            encoding: "quoted-printable",
        }
    }

    /// The octets that the boundary must not occur in.
    pub(super) fn octets(&self) -> &[u8] {
        match self {
            Returned::Nothing => &[],
            Returned::Header { octets, .. } => octets,
            Returned::Message { octets, .. } => octets,
        }
    }

    /// The part, where anything is returned.
    pub(super) fn part(&self) -> Option<MimePart<'_>> {
        let (media_type, encoding) = match self {
            Returned::Nothing => return None,
            Returned::Header { encoding, .. } => ("text/rfc822-headers", *encoding),
            Returned::Message { encoding, .. } => ("message/rfc822", *encoding),
        };
        Some(MimePart::new(media_type, self.octets()).transfer_encoding(encoding))
    }
}

/// Lines of at most 998 octets, and no NUL (RFC 2045, section 2.8): what `7bit` and `8bit` promise.
fn lines_can_travel(octets: &[u8]) -> bool {
    memchr::memchr(0, octets).is_none()
        && octets
            .split(|octet| *octet == b'\n')
            .all(|line| line.len() <= MAX_LINE + 1)
}

/// The header fields, without the blank line behind them, bounded.
fn header_section(octets: &[u8]) -> &[u8] {
    let mut end = 0;
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        if line == b"\n" || line == b"\r\n" || end + line.len() > MAX_HEADER {
            break;
        }
        end += line.len();
    }
    // A header without a single line end is one line too long: its beginning is returned.
    if end == 0 {
        &octets[..octets.len().min(MAX_HEADER)]
    } else {
        &octets[..end]
    }
}

/// Quoted-printable of lines that end with CRLF (RFC 2045, section 6.7).
fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(octets.len() * 2);
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let (text, end) = line
            .strip_suffix(b"\r\n")
            .map_or((line, &b""[..]), |text| (text, &b"\r\n"[..]));
        let mut column = 0;
        for (at, octet) in text.iter().enumerate() {
            let last = at + 1 == text.len();
            let plain = matches!(octet, b'!'..=b'<' | b'>'..=b'~') || (matches!(octet, b' ' | b'\t') && !last);
            let width = if plain { 1 } else { 3 };
            if column + width > MAX_ENCODED_LINE - 1 {
                written.extend_from_slice(b"=\r\n");
                column = 0;
            }
            column += width;
            if plain {
                written.push(*octet);
            } else {
                written.extend_from_slice(format!("={octet:02X}").as_bytes());
            }
        }
        written.extend_from_slice(end);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(octets: &[u8], include: Include, media_type: &str, encoding: &str) {
        let found = match Returned::of(octets, include) {
            Returned::Nothing => ("", ""),
            Returned::Header { encoding, .. } => ("text/rfc822-headers", encoding),
            Returned::Message { encoding, .. } => ("message/rfc822", encoding),
        };
        assert_eq!(
            found,
            (media_type, encoding),
            "{:?}",
            String::from_utf8_lossy(&octets[..octets.len().min(60)])
        );
    }

    #[test]
    fn what_can_not_travel_whole_is_returned_as_its_header() {
        let long_line = ["Subject: x\r\n\r\n", &"a".repeat(999), "\r\n"].concat();
        let large = ["Subject: x\r\n\r\n", &"a line\r\n".repeat(200_000)].concat();
        check(b"Subject: x\n\ntext\n", Include::Message, "message/rfc822", "7bit");
        check(
            "Subject: x\n\nÜber\n".as_bytes(),
            Include::Message,
            "message/rfc822",
            "8bit",
        );
        check(long_line.as_bytes(), Include::Message, "text/rfc822-headers", "7bit");
        check(large.as_bytes(), Include::Message, "text/rfc822-headers", "7bit");
        check(
            b"Subject: x\r\n\r\na\0b\r\n",
            Include::Message,
            "text/rfc822-headers",
            "7bit",
        );
        check(
            "Subject: Ü\r\n\r\n".as_bytes(),
            Include::Headers,
            "text/rfc822-headers",
            "quoted-printable",
        );
        check(b"Subject: x\r\n\r\n", Include::None, "", "");
        check(b"", Include::Message, "", "");
    }

    #[test]
    fn a_header_is_bounded_at_the_end_of_a_line() {
        let Returned::Header { octets, .. } = Returned::of("X: 12345\r\n".repeat(20_000).as_bytes(), Include::Headers)
        else {
            panic!("no header")
        };
        assert_eq!(octets.len(), 65_530);
        assert!(octets.ends_with(b"X: 12345\r\n"));
    }

    #[test]
    fn quoted_printable_keeps_every_octet_on_short_lines() {
        for (octets, expected) in [
            (&b"Subject: \xfcber = \r\n"[..], &b"Subject: =FCber =3D=20\r\n"[..]),
            (b"a\0", b"a=00"),
            (b"", b""),
        ] {
            assert_eq!(quoted_printable(octets), expected);
        }
        let long = quoted_printable("ä".repeat(400).as_bytes());
        assert!(long.split(|octet| *octet == b'\n').all(|line| line.len() <= 77));
    }
}
