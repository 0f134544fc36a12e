//! The header section: where it ends, and its fields, unfolded, in the order they came.
//!
//! mail-parser 0.11.9 does not serve here: it takes the text for fields where no blank line stands before it, and drops
//! it; it takes the `From ` line of an mbox for a field, and drops lines that were folded badly. The tests below tell.

use super::{charset, word};

/// How much of the header section is read. Exchange stops at 256 KiB, Postfix at 100 KiB for one field.
pub const MAX_HEADER: usize = 1024 * 1024;
/// How many fields are kept; mail that went through many hands shows a few hundred.
const MAX_FIELDS: usize = 2_000;
/// How much of one field's body is kept. A thousand recipients fit.
const MAX_FIELD: usize = 128 * 1024;
/// How many lines that are no fields may stand between two fields and still count as a badly folded one.
const MAX_STRAY_LINES: usize = 5;

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderField {
    /// The field name as it was written.
    pub name: String,
    /// The field body, unfolded, not decoded.
    pub raw: String,
    /// The field body with its encoded words decoded (RFC 2047).
    pub value: String,
}

impl HeaderField {
    /// Whether this is the field of that name, ignoring case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The header as it was read, and what bound cut it.
#[derive(Debug, Default)]
pub struct Header {
    pub fields: Vec<HeaderField>,
    pub cut: Option<&'static str>,
}

impl Header {
    /// Reads the fields of a header section (as [`octets`] returns it).
    pub fn read(section: &[u8]) -> Header {
        let mut header = Header::default();
        if section.len() > MAX_HEADER {
            header.cut = Some("header_section");
        }
        let section = &section[..section.len().min(MAX_HEADER)];
        for field in RawFields::of(section) {
            if header.fields.len() == MAX_FIELDS {
                header.cut = Some("header_fields");
                break;
            }
            if field.body.len() > MAX_FIELD {
                header.cut = Some("header_field");
            }
            header.fields.push(field.read());
        }
        header
    }

    /// The first field of that name.
    pub fn find(&self, name: &str) -> Option<&HeaderField> {
        self.fields.iter().find(|field| field.is(name))
    }

    /// The raw body of the first field of that name, or nothing.
    pub fn raw(&self, name: &str) -> &str {
        self.find(name).map_or("", |field| field.raw.as_str())
    }
}

/// The header section with the blank line that ends it. It is empty where the text begins at once.
pub fn octets(message: &[u8]) -> &[u8] {
    let lead = lead(message);
    let mut lines = Lines { rest: &message[lead..] };
    let mut before = message.len();
    let mut end = lead;
    while let Some(line) = lines.next() {
        end += line.len();
        if is_blank(line) {
            return &message[..end];
        }
        let begins = end - line.len();
        let belongs = is_continuation(line) && begins > lead
            || field_name(line).is_some()
            || begins == lead && line.starts_with(b"From ")
            || begins > lead && field_follows(lines.rest);
        if !belongs {
            before = begins;
            break;
        }
    }
    &message[..before.min(message.len())]
}

/// How long the byte order mark and the blank lines are that some programs put before the first field.
fn lead(message: &[u8]) -> usize {
    let marked = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message);
    let begins = marked.trim_ascii_start();
    // White space before anything but a field is the beginning of a text.
    match field_name(begins) {
        Some(_) if !marked.starts_with(b" ") => message.len() - begins.len(),
        _ => 0,
    }
}

/// A line that is no field is bad folding when a field follows soon, and the text's first line when none does.
fn field_follows(rest: &[u8]) -> bool {
    let next = Lines { rest }.take(MAX_STRAY_LINES);
    next.take_while(|line| !is_blank(line))
        .any(|line| field_name(line).is_some())
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n" | b"\r")
}

fn is_continuation(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// The field name a line begins with (RFC 5322, 3.6.8; white space before the colon is obsolete but seen).
fn field_name(line: &[u8]) -> Option<&[u8]> {
    let head = &line[..line.len().min(256)];
    let colon = memchr::memchr(b':', head)?;
    let name = head[..colon].trim_ascii_end();
    (!name.is_empty() && name.iter().all(|b| b.is_ascii_graphic())).then_some(name)
}

/// Lines with their ends; LF alone ends a line too.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest).map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(line)
    }
}

/// A field as it lies in the octets.
pub struct RawField<'a> {
    pub name: &'a [u8],
    /// From behind the colon to the end of the last continuation line.
    pub body: &'a [u8],
}

impl RawField<'_> {
    fn read(&self) -> HeaderField {
        let body = &self.body[..self.body.len().min(MAX_FIELD)];
        let raw = unfolded(&charset::guessed(body));
        HeaderField {
            name: String::from_utf8_lossy(self.name).into_owned(),
            value: one_line(&word::decode(&raw)),
            raw,
        }
    }
}

/// Walks over the fields of a header section.
pub struct RawFields<'a> {
    rest: &'a [u8],
}

impl<'a> RawFields<'a> {
    /// The fields of `section`, which need not end with a blank line.
    pub fn of(section: &'a [u8]) -> RawFields<'a> {
        RawFields {
            rest: &section[lead(section)..],
        }
    }
}

impl<'a> Iterator for RawFields<'a> {
    type Item = RawField<'a>;

    fn next(&mut self) -> Option<RawField<'a>> {
        loop {
            let mut lines = Lines { rest: self.rest };
            let first = lines.next()?;
            if is_blank(first) {
                return None;
            }
            let Some(name) = field_name(first) else {
                // The `From ` line of an mbox, or what a cut left over.
                self.rest = lines.rest;
                continue;
            };
            let mut end = first.len();
            for line in lines {
                if is_blank(line) || !is_continuation(line) && field_name(line).is_some() {
                    break;
                }
                end += line.len();
            }
            let (field, rest) = self.rest.split_at(end);
            self.rest = rest;
            let colon = memchr::memchr(b':', field)?;
            return Some(RawField {
                name,
                body: &field[colon + 1..],
            });
        }
    }
}

/// A field body on one line: line ends go, other control characters become spaces (RFC 5322, 2.2.3). A line that was
/// folded badly had white space there once.
fn unfolded(body: &str) -> String {
    // Of most fields nothing is left to be cut off afterwards.
    let body = body.trim();
    let mut text = String::with_capacity(body.len());
    for mut line in body.split('\n') {
        if let Some(rest) = line.strip_prefix('\t') {
            text.push(' ');
            line = rest;
        } else if !text.is_empty() && !line.starts_with(' ') {
            text.push(' ');
        }
        let line = line.trim_end_matches('\r');
        if is_printable(line) {
            text.push_str(line);
        } else {
            text.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
    }
    trimmed(text)
}

/// Decoded text on one line, without control characters: an encoded word may hold a line end (RFC 2047, 5).
pub fn one_line(text: &str) -> String {
    if is_printable(text) {
        return text.trim().to_owned();
    }
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| !is_invisible(*c))
        .collect();
    trimmed(text)
}

fn trimmed(text: String) -> String {
    match text.trim() {
        whole if whole.len() == text.len() => text,
        less => less.to_owned(),
    }
}

/// Whether it is nothing but ASCII that shows, as most is. Without branches: so many octets are looked at at once.
fn is_printable(text: &str) -> bool {
    text.bytes().fold(true, |all, b| all & (b' '..0x7f).contains(&b))
}

/// Marks that turn the direction of text, or show as nothing: they serve to disguise names and endings.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &[(&str, &str)], body: &str) {
        let section = octets(message.as_bytes());
        let header = Header::read(section);
        let fields: Vec<_> = header
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.value.as_str()))
            .collect();
        assert_eq!(fields, expected);
        assert_eq!(&message[section.len()..], body);
    }

    #[test]
    fn fields_are_unfolded_and_keep_their_order() {
        check(
            "To: a@b.example\r\nSubject: one\r\n two\r\n\r\nText\r\n",
            &[("To", "a@b.example"), ("Subject", "one two")],
            "Text\r\n",
        );
    }

    #[test]
    fn bare_line_feeds_end_lines_too() {
        check("A: 1\nB: 2\n\nText\n", &[("A", "1"), ("B", "2")], "Text\n");
    }

    #[test]
    fn text_without_a_header_is_all_body() {
        check(
            "Hello there\r\nHow are you?\r\n",
            &[],
            "Hello there\r\nHow are you?\r\n",
        );
        check("", &[], "");
        check("\r\nText", &[], "Text");
    }

    #[test]
    fn a_missing_blank_line_ends_the_header_at_the_first_line_that_is_no_field() {
        check(
            "Subject: x\r\nHello there\r\nBye\r\n",
            &[("Subject", "x")],
            "Hello there\r\nBye\r\n",
        );
    }

    #[test]
    fn a_badly_folded_field_goes_on() {
        check(
            "Subject: one\r\ntwo three\r\nTo: x\r\n\r\nText",
            &[("Subject", "one two three"), ("To", "x")],
            "Text",
        );
    }

    #[test]
    fn the_from_line_of_an_mbox_is_no_field() {
        check(
            "From ann@b.example Mon Nov 23 10:00:00 2026\nTo: x\n\nText",
            &[("To", "x")],
            "Text",
        );
    }

    #[test]
    fn a_mark_and_blank_lines_before_the_first_field_are_passed_over() {
        for lead in ["\u{feff}", "\r\n", "\n\n", "\u{feff}\r\n"] {
            check(&format!("{lead}Subject: x\r\n\r\nText"), &[("Subject", "x")], "Text");
        }
        check("\r\nDear Ann,\r\n", &[], "Dear Ann,\r\n");
    }

    #[test]
    fn control_characters_never_come_through() {
        check(
            "Subject: a\0b =?utf-8?q?c=0D=0ABcc:_d?=\r\n\r\n",
            &[("Subject", "a b c  Bcc: d")],
            "",
        );
    }

    #[test]
    fn a_bound_that_cuts_is_recorded() {
        let header = Header::read("X: y\r\n".repeat(MAX_FIELDS + 1).as_bytes());
        assert_eq!((header.fields.len(), header.cut), (MAX_FIELDS, Some("header_fields")));
    }
}
