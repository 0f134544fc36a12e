//! The parts of a MIME body (RFC 2046), found by mail-parser in a [`disguise`].
//!
//! A nested message is one part and is not looked into, so depth can not grow that way.

mod disguise;
mod outline;

use std::{borrow::Cow, ops::Range};

use super::{header::Header, parameter::Parameterized, transfer::TransferEncoding};

/// How many parts are looked at.
const MAX_PARTS: usize = 2_000;
/// How much of one part's header is read.
const MAX_PART_HEADER: usize = 64 * 1024;

/// A part that is not made of parts, and where its octets lie.
#[derive(Debug, Clone)]
pub struct Part {
    pub content_type: Parameterized,
    pub disposition: Parameterized,
    pub encoding: TransferEncoding,
    /// Without angle brackets.
    pub content_id: String,
    /// Which multipart/alternative it stands in, if in one.
    pub alternative: Option<usize>,
    /// Its body, still encoded.
    pub octets: Range<usize>,
}

/// All parts in order, and what bound cut them.
#[derive(Debug, Default)]
pub struct Parts {
    pub parts: Vec<Part>,
    pub cut: Option<&'static str>,
}

impl Parts {
    /// Finds the parts of a message whose header was read and whose body is `body`.
    pub fn find(message: &[u8], header: &Header, body: Range<usize>) -> Parts {
        let whole = Part::of(header, "text/plain", body.clone());
        let places = if whole.content_type.value.starts_with("multipart/") {
            disguise::places(message, header.raw("Content-Type"), body)
        } else {
            Ok(Vec::new())
        };
        let (places, mut cut) = match places {
            Ok(places) => (places, None),
            Err(bound) => (Vec::new(), Some(bound)),
        };
        if places.is_empty() {
            return Parts {
                parts: vec![whole],
                cut,
            };
        }
        if places.len() > MAX_PARTS {
            cut = Some("parts");
        }
        let parts = places
            .into_iter()
            .take(MAX_PARTS)
            .map(|place| Part::read(message, place));
        Parts {
            parts: parts.collect(),
            cut,
        }
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
            alternative: None,
            octets,
        }
    }

    fn read(message: &[u8], place: disguise::Place) -> Part {
        let end = place.header.end.min(place.header.start + MAX_PART_HEADER);
        let header = Header::read(&message[place.header.start..end]);
        let default_type = if place.in_digest {
            "message/rfc822"
        } else {
            "text/plain"
        };
        Part {
            alternative: place.alternative,
            ..Part::of(&header, default_type, place.body)
        }
    }

    /// The decoded body, of which at most about `most` octets are read.
    pub fn decoded<'a>(&self, message: &'a [u8], most: usize) -> Cow<'a, [u8]> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::header;

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
    fn the_delimiter_of_an_outer_multipart_ends_the_inner_one() {
        check(
            "Content-Type: multipart/mixed; boundary=1\r\n\r\n--1\r\nContent-Type: multipart/alternative; boundary=2\r\n\r\n\
             --2\r\n\r\none\r\n--2\r\nContent-Type: text/html\r\n\r\ntwo\r\n--1\r\nContent-Type: image/png\r\n\r\nthree\r\n--1\r\n\r\nfour\r\n--1--\r\n",
            &[
                ("text/plain", "one"),
                ("text/html", "two"),
                ("image/png", "three"),
                ("text/plain", "four"),
            ],
        );
    }

    #[test]
    fn a_part_that_was_cut_within_its_header_is_there() {
        check(
            "Content-Type: multipart/mixed; boundary=1\r\n\r\n--1\r\n\r\none\r\n--1\r\nContent-Type: image/png",
            &[("text/plain", "one"), ("image/png", "")],
        );
    }

    #[test]
    fn the_parts_of_a_digest_are_messages() {
        check(
            "Content-Type: multipart/digest; boundary=1\r\n\r\n--1\r\n\r\nSubject: x\r\n\r\none\r\n--1--\r\n",
            &[("message/rfc822", "Subject: x\r\n\r\none")],
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
