//! Content transfer encodings (RFC 2045, 6), decoded by mail-parser and read as tolerantly as they are written.

use std::borrow::Cow;

use mail_parser::{
    decoders::{base64::base64_decode, hex::decode_hex},
    parsers::MessageStream,
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
        let token = text.split([';', ' ', '(']).next().unwrap_or("").trim_matches('"');
        match token.to_ascii_lowercase().as_str() {
            "base64" => TransferEncoding::Base64,
            "quoted-printable" => TransferEncoding::QuotedPrintable,
            _ => TransferEncoding::Identity,
        }
    }

    /// The octets as they were meant.
    pub fn decode(self, octets: &[u8]) -> Cow<'_, [u8]> {
        match self {
            TransferEncoding::Identity => octets.into(),
            TransferEncoding::Base64 => base64(without_footer(octets)).into(),
            TransferEncoding::QuotedPrintable => quoted_printable(octets).into(),
        }
    }

    /// How many octets [`decode`](Self::decode) would give.
    pub fn size(self, octets: &[u8]) -> usize {
        match self {
            TransferEncoding::Identity => octets.len(),
            TransferEncoding::Base64 => base64_size(without_footer(octets)),
            TransferEncoding::QuotedPrintable => self.decode(octets).len(),
        }
    }
}

/// The octets before the plain footer that list programs append to whatever there is: neither `--` nor `__` begins
/// a line of base64.
fn without_footer(octets: &[u8]) -> &[u8] {
    let begins = |at: &usize| matches!(octets[..=*at], [.., b'\n', one] if octets.get(at + 1) == Some(&one));
    let footer = memchr::memchr2_iter(b'-', b'_', octets).find(begins);
    footer.map_or(octets, |at| &octets[..at - 1])
}

/// mail-parser 0.11.9 refuses base64 with foreign octets in it; they are taken out then.
fn base64(octets: &[u8]) -> Vec<u8> {
    let is_base64 = |b: &u8| is_digit(*b) || *b == b'=';
    base64_decode(octets)
        .or_else(|| base64_decode(&octets.iter().copied().filter(is_base64).collect::<Vec<_>>()))
        .unwrap_or_default()
}

/// Counted, not decoded: attachments are most of what comes. Four digits make three octets, and padding ends a run of
/// them.
fn base64_size(octets: &[u8]) -> usize {
    let (mut size, mut rest) = (0, octets);
    while let Some(at) = memchr::memchr2(b'=', END_OF_BASE64, rest) {
        if rest[at] == END_OF_BASE64 {
            return base64(octets).len();
        }
        size += digits(&rest[..at]) * 3 / 4;
        rest = &rest[at + 1..];
    }
    size + digits(rest) * 3 / 4
}

/// mail-parser 0.11.9 takes this octet for the end.
const END_OF_BASE64: u8 = u8::MAX;

/// Not more than an octet can count, and as many as the processor takes in whole steps.
const AT_ONCE: usize = 192;

fn digits(run: &[u8]) -> usize {
    let of_some = |some: &[u8]| usize::from(some.iter().map(|b| u8::from(is_digit(*b))).sum::<u8>());
    let (whole, rest) = run.as_chunks::<AT_ONCE>();
    whole.iter().map(|some| of_some(some)).sum::<usize>() + of_some(rest)
}

/// Without branches: so many octets are looked at at once.
fn is_digit(octet: u8) -> bool {
    let is_letter = (octet | 0x20).wrapping_sub(b'a') < 26;
    // The slash stands before the zero.
    is_letter | (octet.wrapping_sub(b'/') < 11) | (octet == b'+')
}

/// mail-parser 0.11.9 refuses all of a text with `==` in it; line by line, only that line stays as it is.
fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(octets.len());
    for line in octets.split_inclusive(|b| *b == b'\n') {
        match MessageStream::new(line).decode_quoted_printable_mime(b"") {
            (usize::MAX, _) => decoded.extend_from_slice(line),
            (_, text) => decoded.extend_from_slice(&text),
        }
    }
    decoded
}

/// The text of an encoded word (RFC 2047, 4) of encoding B or Q; in Q, `_` is a space.
pub fn word(encoding: &str, octets: &[u8]) -> Option<Vec<u8>> {
    match encoding {
        "B" | "b" => Some(base64(octets)),
        "Q" | "q" => {
            let spaced: Vec<u8> = octets.iter().map(|b| if *b == b'_' { b' ' } else { *b }).collect();
            Some(quoted_printable(&spaced))
        }
        _ => None,
    }
}

/// Percent encoding, as in RFC 2231 and in `cid:` addresses; what is badly encoded stays as it is.
pub fn percent(octets: &[u8]) -> Vec<u8> {
    match decode_hex(octets) {
        (true, decoded) => decoded,
        (false, _) => octets.to_vec(),
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
    fn the_size_of_base64_is_counted_as_it_would_be_decoded() {
        let mut rng = fastrand::Rng::with_seed(20);
        for _ in 0..5_000 {
            let length = rng.usize(..600);
            let octets: Vec<u8> = (0..length)
                .map(|_| match rng.u8(..20) {
                    0 => b'=',
                    1 => b'\n',
                    2 => rng.u8(..),
                    _ => b"azAZ09+/"[rng.usize(..8)],
                })
                .collect();
            let decoded = TransferEncoding::Base64.decode(&octets);
            assert_eq!(TransferEncoding::Base64.size(&octets), decoded.len(), "{octets:?}");
        }
    }

    #[test]
    fn quoted_printable_bears_bad_escapes() {
        check(
            "quoted-printable",
            "Gr=C3=BC=C3=9Fe =\r\nan alle=  \r\n!\r\n",
            "Grüße an alle!\r\n",
        );
        check("quoted-printable", "trailing   \r\nspace", "trailing\r\nspace");
        check("quoted-printable", "a=zzb\nc==d\n=3D", "a=zzb\nc==d\n=");
        check("quoted-printable", "=", "");
        check("quoted-printable", "a=c3=a4\n", "aä\n");
    }

    #[test]
    fn other_encodings_leave_the_octets_alone() {
        check("7bit", "a=41", "a=41");
        check("x-unknown", "a=41", "a=41");
    }
}
