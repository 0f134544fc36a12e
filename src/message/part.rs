//! The parts of a MIME body (RFC 2046): found by their delimiter lines, level by level, to a bounded depth and number.
//!
//! A nested message is one part and is not looked into, so depth can not grow that way.

use std::ops::Range;

use super::{
    header::{self, Header},
    parameter::Parameterized,
    transfer::TransferEncoding,
};

/// Deeper nesting is kept as one part. Real mail seldom passes six.
const MAX_DEPTH: usize = 20;
/// How many parts are looked at.
const MAX_PARTS: usize = 2_000;
/// How much of one part's header is read.
const MAX_PART_HEADER: usize = 64 * 1024;
/// The longest boundary; RFC 2046 allows 70.
const MAX_BOUNDARY: usize = 1_000;

/// A part that is not made of parts, and where its octets lie.
#[derive(Debug, Clone)]
pub struct Part {
    pub content_type: Parameterized,
    pub disposition: Parameterized,
    pub encoding: TransferEncoding,
    /// Without angle brackets.
    pub content_id: String,
    /// Whether it stands among the alternatives of multipart/alternative.
    pub alternative: bool,
    /// Its body, still encoded.
    pub octets: Range<usize>,
}

/// All parts in order, and what bound cut them.
#[derive(Debug, Default)]
pub struct Parts {
    pub parts: Vec<Part>,
    pub cut: Option<&'static str>,
}

/// Something still to be looked at: a part with its header read.
struct Found {
    part: Part,
    depth: usize,
}

impl Parts {
    /// Finds the parts of a message whose header was read and whose body is `body`.
    pub fn find(message: &[u8], header: &Header, body: Range<usize>) -> Parts {
        let mut found = Parts::default();
        // A stack with the next one on top keeps the order of the message.
        let mut open = vec![Found {
            part: Part::of(header, "text/plain", body),
            depth: 0,
        }];
        while let Some(Found { part, depth }) = open.pop() {
            if found.parts.len() >= MAX_PARTS {
                found.cut = Some("parts");
                break;
            }
            let Some(pieces) = part.pieces(message).filter(|pieces| !pieces.is_empty()) else {
                found.parts.push(part);
                continue;
            };
            if depth == MAX_DEPTH {
                found.cut = Some("nesting of parts");
                found.parts.push(part);
                continue;
            }
            let begun = open.len();
            for piece in pieces.into_iter().take(MAX_PARTS + 1 - found.parts.len()) {
                open.push(Found {
                    part: Part::read(message, piece, &part),
                    depth: depth + 1,
                });
            }
            open[begun..].reverse();
        }
        found
    }
}

impl Part {
    fn of(header: &Header, default_type: &str, octets: Range<usize>) -> Part {
        let mut content_type = Parameterized::read(header.raw("Content-Type"));
        content_type.value = media_type(&content_type.value, default_type);
        Part {
            content_type,
            disposition: Parameterized::read(header.raw("Content-Disposition")),
            encoding: TransferEncoding::parse(header.raw("Content-Transfer-Encoding")),
            content_id: header.raw("Content-ID").trim_matches(['<', '>', ' ']).to_owned(),
            alternative: false,
            octets,
        }
    }

    /// Reads the part at `piece` of the multipart `parent`.
    fn read(message: &[u8], piece: Range<usize>, parent: &Part) -> Part {
        let window = &message[piece.start..piece.end.min(piece.start + MAX_PART_HEADER)];
        let section = header::octets(window);
        let default_type = if parent.content_type.value == "multipart/digest" {
            "message/rfc822"
        } else {
            "text/plain"
        };
        let mut part = Part::of(
            &Header::read(section),
            default_type,
            piece.start + section.len()..piece.end,
        );
        part.alternative = parent.alternative || parent.content_type.value == "multipart/alternative";
        part
    }

    /// Where its parts lie, if it is a multipart with a boundary.
    fn pieces(&self, message: &[u8]) -> Option<Vec<Range<usize>>> {
        if !self.content_type.value.starts_with("multipart/") {
            return None;
        }
        let boundary = self
            .content_type
            .parameter("boundary")
            .filter(|text| !text.is_empty() && text.len() <= MAX_BOUNDARY)?;
        Some(pieces(message, self.octets.clone(), &boundary))
    }

    /// The decoded body, of which at most about `most` octets are read.
    pub fn decoded(&self, message: &[u8], most: usize) -> Vec<u8> {
        let octets = &message[self.octets.clone()];
        // Quoted-printable needs up to three octets for one.
        self.encoding
            .decode(&octets[..octets.len().min(most.saturating_mul(3))])
    }

    /// The file name, without folders, or nothing.
    pub fn file_name(&self) -> String {
        let name = self
            .disposition
            .parameter("filename")
            .or_else(|| self.content_type.parameter("name"))
            .unwrap_or_default();
        let name = name.rsplit(['/', '\\']).next().unwrap_or("").trim();
        name[..name.floor_char_boundary(255)].to_owned()
    }
}

/// `text`, `Text/Plain`, `plain/` and worse: a type that is none is the default one.
fn media_type(value: &str, default_type: &str) -> String {
    match value.split_once('/') {
        Some((kind, subtype)) if !kind.is_empty() && !subtype.is_empty() => value.to_owned(),
        _ if value == "html" => "text/html".to_owned(),
        _ if value.is_empty() || value.starts_with("text") => default_type.to_owned(),
        _ => "application/octet-stream".to_owned(),
    }
}

/// The pieces between the delimiter lines of `boundary`. A delimiter stands alone on its line, so that neither
/// `--boundary` within a line nor a longer boundary that begins with this one ends a part.
fn pieces(message: &[u8], range: Range<usize>, boundary: &str) -> Vec<Range<usize>> {
    let body = &message[range.clone()];
    let delimiter = format!("--{boundary}");
    let mut pieces = Vec::new();
    let mut begun = None;
    for at in memchr::memmem::find_iter(body, delimiter.as_bytes()) {
        let Some(end) = delimiter_end(body, at, delimiter.len()) else {
            continue;
        };
        if let Some(start) = begun {
            pieces.push(range.start + start..range.start + without_line_end(body, start, at));
        }
        let closes = body[at + delimiter.len()..].starts_with(b"--");
        begun = (!closes).then_some(end);
        if closes || pieces.len() > MAX_PARTS {
            return pieces;
        }
    }
    // The closing delimiter is missing: the last part goes to the end.
    if let Some(start) = begun {
        pieces.push(range.start + start..range.end);
    }
    pieces
}

/// Where the line of the delimiter at `at` ends, if it is one.
fn delimiter_end(body: &[u8], at: usize, length: usize) -> Option<usize> {
    if at > 0 && body[at - 1] != b'\n' {
        return None;
    }
    let rest = &body[at + length..];
    let rest = rest.strip_prefix(b"--").unwrap_or(rest);
    let spaces = rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
    let end = body.len() - rest.len() + spaces;
    match body.get(end) {
        None => Some(end),
        Some(b'\n') => Some(end + 1),
        Some(_) => None,
    }
}

/// The line end before a delimiter belongs to the delimiter (RFC 2046, 5.1.1).
fn without_line_end(body: &[u8], start: usize, at: usize) -> usize {
    let piece = &body[start..at];
    let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
    let piece = piece.strip_suffix(b"\r").unwrap_or(piece);
    start + piece.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &[(&str, &str)]) {
        let section = header::octets(message.as_bytes());
        let parts = Parts::find(message.as_bytes(), &Header::read(section), section.len()..message.len());
        let found: Vec<_> = parts
            .parts
            .iter()
            .map(|part| (part.content_type.value.as_str(), &message[part.octets.clone()]))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_message_without_parts_is_one_part() {
        check("Subject: x\r\n\r\nText\r\n", &[("text/plain", "Text\r\n")]);
        check("Content-Type: text\r\n\r\nText", &[("text/plain", "Text")]);
        check(
            "Content-Type: APPLICATION/PDF\r\n\r\nText",
            &[("application/pdf", "Text")],
        );
    }

    #[test]
    fn parts_are_found_in_order_through_levels() {
        check(
            "Content-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n--a\r\nContent-Type: multipart/alternative; boundary=ab\r\n\r\n\
             --ab\r\n\r\none\r\n--ab\r\nContent-Type: text/html\r\n\r\ntwo\r\n--ab--\r\n\r\n--a\r\nContent-Type: image/png\r\n\r\nthree\r\n--a--\r\nepilogue",
            &[("text/plain", "one"), ("text/html", "two"), ("image/png", "three")],
        );
    }

    #[test]
    fn a_boundary_within_a_line_ends_nothing() {
        check(
            "Content-Type: multipart/mixed; boundary=X\r\n\r\n--X\r\n\r\ntext with --X inside\r\n--Xyz\r\nmore\r\n--X--\r\n",
            &[("text/plain", "text with --X inside\r\n--Xyz\r\nmore")],
        );
    }

    #[test]
    fn missing_ends_and_bare_line_feeds_are_borne() {
        check(
            "Content-Type: multipart/mixed; boundary=X\n\n--X\n\none\n--X \n\ntwo\n",
            &[("text/plain", "one"), ("text/plain", "two\n")],
        );
    }

    #[test]
    fn a_multipart_without_its_boundary_is_text_of_one_piece() {
        check(
            "Content-Type: multipart/mixed; boundary=X\r\n\r\nno parts here",
            &[("multipart/mixed", "no parts here")],
        );
        check(
            "Content-Type: multipart/mixed\r\n\r\nno parts here",
            &[("multipart/mixed", "no parts here")],
        );
    }

    #[test]
    fn a_nested_message_is_one_part() {
        check(
            "Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=X\r\n\r\n--X\r\n\r\none\r\n--X--\r\n",
            &[(
                "message/rfc822",
                "Content-Type: multipart/mixed; boundary=X\r\n\r\n--X\r\n\r\none\r\n--X--\r\n",
            )],
        );
    }
}
