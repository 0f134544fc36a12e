//! The line that says who wrote what is quoted below: `On Monday Ann wrote:`, also over several lines.

use super::{
    line::{self, Line},
    phrases::LANGUAGES,
};

/// Over how many lines it may be wrapped.
const MAX_LINES: usize = 4;
/// A longer text is none.
const MAX_LENGTH: usize = 500;
/// Without a name, a date or an address it is this short.
const SHORT: usize = 100;

/// The end of the attribution that begins at that line, and whether all below it is quoted though nothing else says so.
pub fn at(lines: &[Line<'_>], at: usize) -> Option<(usize, bool)> {
    let first = lines[at].text.trim();
    if is_group_wise(first) {
        return Some((at + 1, true));
    }
    if !first.ends_with([':', '：']) && !has_number_or_address(first) {
        return None;
    }
    let mut text = String::new();
    for (end, line) in (at + 1..).zip(lines[at..].iter().take(MAX_LINES)) {
        let words = line.text.trim();
        if words.is_empty() || line.has_sign() || text.len() + words.len() > MAX_LENGTH {
            return None;
        }
        text.push_str(words);
        if words.ends_with([':', '：']) {
            return verdict(lines, at, end, &text.to_lowercase()).map(|rest| (end, rest));
        }
        text.push(' ');
        if end == at + 1 && !may_go_on(&text.to_lowercase()) {
            return None;
        }
    }
    None
}

/// Whether all that follows is quoted; nothing where the text is no attribution.
fn verdict(lines: &[Line<'_>], at: usize, end: usize, text: &str) -> Option<bool> {
    let facts = Facts::of(text);
    let is_followed = line::next(lines, end).is_some_and(|next| lines[next].is_quoted());
    if is_followed {
        let enough = facts.has_verb && (facts.has_digit || facts.has_address || text.len() <= SHORT)
            || facts.has_address && facts.has_time
            || lines[at].perhaps;
        return enough.then_some(false);
    }
    let is_certain = facts.has_year && (facts.has_time || facts.has_address) && may_go_on(text);
    (is_certain && (facts.has_verb || facts.has_address && text.ends_with(">:"))).then_some(true)
}

/// Whether it has a number or an address: most lines have neither, and are not looked at any closer.
fn has_number_or_address(line: &str) -> bool {
    line.bytes()
        .fold(false, |found, b| found | b.is_ascii_digit() | (b == b'@'))
}

/// Whether a text of several lines may begin so: with `On` and a number, with a date, or with a name and an address.
fn may_go_on(text: &str) -> bool {
    let opens = || {
        LANGUAGES
            .iter()
            .flat_map(|language| language.opens)
            .any(|word| text.starts_with(word))
    };
    let has_digit = text.contains(|c: char| c.is_ascii_digit());
    text.starts_with(|c: char| c.is_ascii_digit()) || has_digit && opens() || has_address(text)
}

struct Facts {
    has_verb: bool,
    has_digit: bool,
    has_year: bool,
    has_time: bool,
    has_address: bool,
}

impl Facts {
    fn of(text: &str) -> Facts {
        let numbers: Vec<&str> = text
            .split(|c: char| !c.is_ascii_digit())
            .filter(|number| !number.is_empty())
            .collect();
        let is_year = |number: &&str| number.len() == 4 && (number.starts_with("19") || number.starts_with("20"));
        Facts {
            has_verb: LANGUAGES
                .iter()
                .flat_map(|language| language.wrote)
                .any(|word| text.contains(word)),
            has_digit: !numbers.is_empty(),
            has_year: numbers.iter().any(is_year),
            has_time: has_time(text.as_bytes()),
            has_address: has_address(text),
        }
    }
}

/// `10:00`, `10.00`, `10h00`.
fn has_time(text: &[u8]) -> bool {
    text.windows(4).any(|four| {
        matches!(four, [hour, b':' | b'.' | b'h', ten, one] if [hour, ten, one].iter().all(|b| b.is_ascii_digit()))
    })
}

/// `<ann@example.org>`, or as some programs make a link of it: `<mailto:…>`, `[…]`.
fn has_address(text: &str) -> bool {
    let behind = text.split(['<', '[', '(']).skip(1);
    behind
        .filter_map(|piece| piece.split(['>', ']', ')']).next())
        .any(|inside| inside.contains('@') && !inside.contains(char::is_whitespace))
}

/// `>>> Ann Lee <ann@example.org> 23.11.2026 10:00 >>>`, by GroupWise, which puts no sign before what it quotes.
fn is_group_wise(text: &str) -> bool {
    let inside = text.strip_prefix(">>> ").and_then(|rest| rest.strip_suffix(">>>"));
    inside.is_some_and(|inside| inside.len() <= MAX_LENGTH && inside.contains(|c: char| c.is_ascii_digit()))
}
