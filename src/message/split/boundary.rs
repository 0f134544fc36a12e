//! Where a quotation begins by its words: an attribution, a separator, a header written out.

use super::{
    attribution,
    block::{self, Block, Ground},
    line::{self, Line},
    phrases::LANGUAGES,
};

/// A longer line is no separator.
const MAX_SEPARATOR: usize = 120;
/// Outlook's rule has 32.
const MIN_RULE: usize = 20;

/// What leads in a quotation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Boundary {
    /// Behind its last line.
    pub end: usize,
    /// All that follows is quoted, though no sign says so.
    pub rest: bool,
    /// It says itself that the message is forwarded.
    pub forwards: bool,
    /// Who wrote what follows, by the header written out there; empty where there is none.
    pub from: String,
}

/// What the message's own header says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Occasion {
    /// It answers another one.
    pub answers: bool,
    /// Its subject says that it forwards another one.
    pub forwards: bool,
}

/// The words between dashes or alone on their line.
enum Separator {
    Original,
    Forwarded,
}

impl Boundary {
    /// What begins at that line.
    pub fn at(lines: &[Line<'_>], at: usize, occasion: Occasion) -> Option<Boundary> {
        if let Some(separator) = separator(lines[at].bare()) {
            return Some(Boundary::below(lines, at, &separator));
        }
        // In a message that refers to no other, a header or an attribution may have been pasted in, or be a form's.
        let expects = occasion.answers || occasion.forwards;
        let is_led_in = lines[at].perhaps || lines[at].rest;
        let ground = if is_led_in { Ground::Element } else { Ground::None };
        if let Some(block) = header(lines, at, ground, expects || is_led_in) {
            return Some(Boundary::of_block(lines, block));
        }
        let (end, rest) = attribution::at(lines, at).filter(|(_, rest)| expects || !rest)?;
        Some(Boundary {
            end,
            rest,
            ..Boundary::default()
        })
    }

    fn below(lines: &[Line<'_>], at: usize, separator: &Separator) -> Boundary {
        let forwards = matches!(separator, Separator::Forwarded);
        match block::below(lines, at + 1) {
            Some(block) => Boundary {
                forwards,
                ..Boundary::of_block(lines, block)
            },
            None => Boundary {
                end: at + 1,
                rest: !is_quoted_below(lines, at + 1),
                forwards,
                from: String::new(),
            },
        }
    }

    fn of_block(lines: &[Line<'_>], block: Block) -> Boundary {
        Boundary {
            rest: !is_quoted_below(lines, block.end),
            end: block.end,
            from: block.from,
            forwards: false,
        }
    }
}

fn is_quoted_below(lines: &[Line<'_>], at: usize) -> bool {
    line::next(lines, at).is_some_and(|next| lines[next].is_quoted())
}

/// The header below the rule at that line, or at that line itself where one is expected.
fn header(lines: &[Line<'_>], at: usize, ground: Ground, is_expected: bool) -> Option<Block> {
    let text = lines[at].text.trim();
    let is_rule = text.len() >= MIN_RULE && text.bytes().all(|b| b == b'_');
    match is_rule {
        true => Block::read(lines, line::next(lines, at + 1)?, ground),
        false if is_expected => Block::read(lines, at, ground),
        false => None,
    }
}

fn separator(text: &str) -> Option<Separator> {
    let text = text.trim();
    if text.len() > MAX_SEPARATOR {
        return None;
    }
    let is_dash = |c: char| matches!(c, '-' | '_' | '=' | '*' | '~' | '—' | '–' | '‐');
    let dashed = text.starts_with(is_dash) && text.ends_with(is_dash);
    let ends = text.ends_with([':', '：']);
    if !(dashed || ends) {
        return None;
    }
    let is_framed = text.starts_with("---") && text.ends_with("---");
    let words = text.trim_matches(|c: char| is_dash(c) || c.is_whitespace());
    if words.is_empty() {
        return None;
    }
    let words = words.trim_end_matches([':', '：', ' ', '\u{a0}']).to_lowercase();
    let is = |phrases: fn(&super::phrases::Language) -> &'static [&'static str]| {
        LANGUAGES.iter().flat_map(phrases).any(|phrase| {
            // Lotus Notes says by whom and when, between the dashes.
            words == *phrase || is_framed && words.strip_prefix(phrase).is_some_and(|more| more.starts_with(' '))
        })
    };
    if is(|language| language.forwarded) {
        return Some(Separator::Forwarded);
    }
    (dashed && is(|language| language.original)).then_some(Separator::Original)
}
