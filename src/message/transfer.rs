//! Content transfer encodings (RFC 2045, 6), read as tolerantly as they are written.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// How a part's octets were made fit for the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransferEncoding {
    /// 7bit, 8bit, binary, and whatever else nobody knows.
    #[default]
    Identity,
    /// RFC 2045, 6.8.
    Base64,
    /// RFC 2045, 6.7.
    QuotedPrintable,
}

impl TransferEncoding {
    /// By the body of a Content-Transfer-Encoding field.
    pub fn parse(text: &str) -> TransferEncoding {
        let token = text
            .split([';', ' ', '('])
            .next()
            .unwrap_or("")
            .trim()
            .trim_matches('"');
        match token.to_ascii_lowercase().as_str() {
            "base64" | "x-base64" => TransferEncoding::Base64,
            "quoted-printable" | "quotedprintable" => TransferEncoding::QuotedPrintable,
            _ => TransferEncoding::Identity,
        }
    }

    /// The octets as they were meant.
    pub fn decode(self, octets: &[u8]) -> Vec<u8> {
        match self {
            TransferEncoding::Identity => octets.to_vec(),
            TransferEncoding::Base64 => base64(without_footer(octets)),
            TransferEncoding::QuotedPrintable => quoted_printable(octets),
        }
    }

    /// How many octets [`decode`](Self::decode) would give.
    pub fn size(self, octets: &[u8]) -> usize {
        match self {
            TransferEncoding::Identity => octets.len(),
            TransferEncoding::Base64 => without_footer(octets).split(|b| *b == b'=').map(base64_size).sum(),
            TransferEncoding::QuotedPrintable => quoted_printable(octets).len(),
        }
    }
}

/// The octets before the plain footer that list programs append to whatever there is: neither `--` nor `__` begins
/// a line of base64.
fn without_footer(octets: &[u8]) -> &[u8] {
    let footer =
        memchr::memchr_iter(b'\n', octets).find(|at| matches!(octets[at + 1..], [b'-', b'-', ..] | [b'_', b'_', ..]));
    footer.map_or(octets, |at| &octets[..at])
}

/// What a piece without padding decodes to; one letter left over holds no octet.
fn base64_size(piece: &[u8]) -> usize {
    let letters = piece.iter().filter(|b| is_base64(**b)).count();
    letters / 4 * 3 + (letters % 4).saturating_sub(1)
}

const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

fn is_base64(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/')
}

/// Base64 without regard to line ends and foreign octets; padding within it begins anew, as in texts joined together.
pub fn base64(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(octets.len() / 4 * 3);
    let mut letters = Vec::new();
    for piece in octets.split(|b| *b == b'=') {
        letters.clear();
        letters.extend(piece.iter().copied().filter(|b| is_base64(*b)));
        // One letter alone holds six bits of an octet: it was cut.
        if letters.len() % 4 == 1 {
            letters.pop();
        }
        if let Ok(octets) = TOLERANT.decode(&letters) {
            decoded.extend(octets);
        }
    }
    decoded
}

/// Quoted-printable (RFC 2045, 6.7); an escape that is none stays as it is.
fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(octets.len());
    for line in octets.split_inclusive(|b| *b == b'\n') {
        let text = line.trim_ascii_end();
        match text.strip_suffix(b"=") {
            Some(soft) => unescape(soft, &mut decoded),
            None => {
                unescape(text, &mut decoded);
                decoded.extend_from_slice(line_end(line));
            }
        }
    }
    decoded
}

fn line_end(line: &[u8]) -> &[u8] {
    match line {
        [.., b'\r', b'\n'] => b"\r\n",
        [.., b'\n'] => b"\n",
        _ => b"",
    }
}

/// The Q encoding of encoded words (RFC 2047, 4.2): `_` is a space.
pub fn q_encoding(octets: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = octets.iter().map(|b| if *b == b'_' { b' ' } else { *b }).collect();
    let mut decoded = Vec::with_capacity(spaced.len());
    unescape(&spaced, &mut decoded);
    decoded
}

fn unescape(octets: &[u8], decoded: &mut Vec<u8>) {
    let mut rest = octets;
    while let Some(at) = memchr::memchr(b'=', rest) {
        decoded.extend_from_slice(&rest[..at]);
        let escaped = rest.get(at + 1..at + 3).and_then(hex_octet);
        decoded.push(escaped.unwrap_or(b'='));
        rest = &rest[at + if escaped.is_some() { 3 } else { 1 }..];
    }
    decoded.extend_from_slice(rest);
}

/// Percent encoding, as in RFC 2231 and in `cid:` addresses.
pub fn percent(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some(at) = memchr::memchr(b'%', rest) {
        decoded.extend_from_slice(&rest[..at]);
        let escaped = rest.get(at + 1..at + 3).and_then(hex_octet);
        decoded.push(escaped.unwrap_or(b'%'));
        rest = &rest[at + if escaped.is_some() { 3 } else { 1 }..];
    }
    decoded.extend_from_slice(rest);
    decoded
}

fn hex_octet(digits: &[u8]) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|value| u8::try_from(value).ok());
    match digits {
        [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(encoding: &str, octets: &str, expected: &str) {
        let encoding = TransferEncoding::parse(encoding);
        let decoded = encoding.decode(octets.as_bytes());
        assert_eq!(String::from_utf8_lossy(&decoded), expected);
        assert_eq!(encoding.size(octets.as_bytes()), decoded.len());
    }

    #[test]
    fn base64_bears_line_ends_missing_padding_and_foreign_octets() {
        check("base64", "SGVs\r\nbG8=\r\n", "Hello");
        check("Base64", "SGVsbG8", "Hello");
        check("base64", "SG!Vs bG8", "Hello");
        check("base64", "SGVsbG8=\r\nSGVsbG8h", "HelloHello!");
        check("base64", "SGVsb", "Hel");
        check("base64", "SGVsbG8=\r\n\r\n-- \r\nfooter", "Hello");
        check("base64", "", "");
    }

    #[test]
    fn quoted_printable_bears_bad_escapes() {
        check(
            "quoted-printable",
            "Gr=C3=BC=C3=9Fe =\r\nan alle=  \r\n!\r\n",
            "Grüße an alle!\r\n",
        );
        check("quoted-printable", "a=zzb=c", "a=zzb=c");
        check("quoted-printable", "trailing   \r\nspace", "trailing\r\nspace");
        check("quoted-printable", "=", "");
        check("quoted-printable", "a=c3=a4\n", "aä\n");
    }

    #[test]
    fn other_encodings_leave_the_octets_alone() {
        check("7bit", "a=41", "a=41");
        check("x-unknown", "a=41", "a=41");
    }
}
