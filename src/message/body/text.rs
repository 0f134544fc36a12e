//! The text of one part: decoded, its lines as they were meant.

use super::MAX_TEXT;
use crate::message::{charset, html, part::Part};

impl Part {
    /// The decoded text, its line ends as line feeds, without control characters; and whether it was cut.
    pub(super) fn text(&self, message: &[u8]) -> (String, bool) {
        let octets = self.decoded(message, MAX_TEXT);
        let was_cut = octets.len() > MAX_TEXT || self.octets.len() > MAX_TEXT * 3;
        let octets = &octets[..octets.len().min(MAX_TEXT)];
        let named = self.content_type.parameter("charset").filter(|label| !label.is_empty());
        let label = named.or_else(|| {
            self.content_type
                .value
                .contains("html")
                .then(|| html::meta_charset(octets))
                .flatten()
        });
        let text = plain(&charset::decoded(octets, &label.unwrap_or_default()));
        let spaces_go = || {
            self.content_type
                .parameter("delsp")
                .is_some_and(|yes| yes.eq_ignore_ascii_case("yes"))
        };
        (
            if self.is_flowed() {
                unflowed(&text, spaces_go())
            } else {
                text
            },
            was_cut,
        )
    }

    fn is_flowed(&self) -> bool {
        self.content_type.value == "text/plain"
            && self
                .content_type
                .parameter("format")
                .is_some_and(|format| format.eq_ignore_ascii_case("flowed"))
    }
}

/// Line ends as line feeds, and no other control characters but tabs.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\r', rest.as_bytes()) {
        plain.push_str(&rest[..at]);
        plain.push('\n');
        rest = &rest[at + 1..];
        rest = rest.strip_prefix('\n').unwrap_or(rest);
    }
    plain.push_str(rest);
    // Without branches, so that many octets are looked at at once. Beyond ASCII all begin with this octet.
    let may_be = |b: u8| (b < b' ') & (b != b'\n') & (b != b'\t') | (b == 0x7f) | (b == 0xc2);
    if plain.bytes().fold(false, |found, b| found | may_be(b)) {
        plain.retain(|c| matches!(c, '\n' | '\t') || !c.is_control());
    }
    plain
}

/// Joins the lines that `format=flowed` broke (RFC 3676): those that end in a space, within one depth of quoting.
fn unflowed(text: &str, delsp: bool) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let depth = line.bytes().take_while(|b| *b == b'>').count();
        let rest = &line[depth..];
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let is_signature = rest == "-- ";
        match open {
            Some(opened) if opened == depth && !is_signature => {}
            _ => {
                if open.is_some() {
                    joined.push('\n');
                }
                joined.push_str(&">".repeat(depth));
                joined.push_str(if depth > 0 { " " } else { "" });
            }
        }
        let flows = rest.ends_with(' ') && !is_signature;
        joined.push_str(if flows && delsp { &rest[..rest.len() - 1] } else { rest });
        open = flows.then_some(depth);
        if !flows {
            joined.push('\n');
        }
    }
    joined
}
