//! The body told apart: what was newly written, what is quoted, the signature.
//!
//! Every line goes to exactly one of the three, in its order. What is in doubt counts as newly written: an answer that
//! is taken for a quotation would be overlooked, a quotation that is taken for an answer is only long.

mod attribution;
mod block;
mod boundary;
mod line;
mod phrases;
mod signature;

use super::html::{Mark, Placed};
use line::Line;

pub use boundary::{Boundary, Occasion};

/// A body in three.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// What was newly written, also between what is quoted.
    pub visible: String,
    /// What is quoted, with the lines that lead it in.
    pub quoted: String,
    /// Below the text.
    pub signature: String,
}

#[cfg(any(test, feature = "test-hooks"))]
impl Split {
    /// Whether the lines of that body that are not blank are all there, none twice, and in their order in each part.
    pub fn is_of(&self, body: &str) -> bool {
        fn lines(text: &str) -> impl Iterator<Item = &str> {
            text.lines().map(str::trim_end).filter(|line| !line.is_empty())
        }
        let parts = [&self.visible, &self.quoted, &self.signature];
        let is_in_order = |part: &&String| {
            let mut whole = lines(body);
            lines(part).all(|line| whole.any(|other| other == line))
        };
        let mut all: Vec<&str> = parts.iter().flat_map(|part| lines(part)).collect();
        let mut expected: Vec<&str> = lines(body).collect();
        all.sort_unstable();
        expected.sort_unstable();
        all == expected && parts.iter().all(is_in_order)
    }
}

/// What a line is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Visible,
    Quoted,
    Signature,
}

/// What was found out about a body.
#[derive(Debug, Default)]
pub struct Found {
    pub split: Split,
    /// The header written out above the first message that is quoted, and what leads it in.
    pub first: Option<Boundary>,
    /// The line from which on nothing but quotation follows.
    pub ends: Option<usize>,
}

/// Tells a body apart, by the marks of its HTML, where it was made of one, and by its words.
pub fn of(body: &str, marks: &[Placed], occasion: Occasion) -> Found {
    let whole = || Split {
        visible: body.to_owned(),
        ..Split::default()
    };
    let Some(lines) = Line::all(body, marks) else {
        return Found {
            split: whole(),
            ..Found::default()
        };
    };
    let mut parts = Parts::of(&lines, occasion);
    parts.sign(&lines);
    let is_shown = |part: Part| {
        parts
            .parts
            .iter()
            .zip(&lines)
            .any(|(other, line)| *other == part && !line.is_blank())
    };
    // An answer may stand below what was taken for quoted down to the end.
    let is_doubtful = !is_shown(Part::Visible) && parts.by_words && !parts.forwards(occasion);
    let is_whole = !is_shown(Part::Quoted) && !is_shown(Part::Signature) || is_doubtful;
    Found {
        split: if is_whole {
            whole()
        } else {
            joined(&lines, &parts.parts)
        },
        ends: if is_doubtful { None } else { parts.ends(&lines) },
        first: parts.first,
    }
}

/// What each line is part of.
struct Parts {
    parts: Vec<Part>,
    first: Option<Boundary>,
    /// Words alone decided that all from some line on is quoted.
    by_words: bool,
}

impl Parts {
    fn of(lines: &[Line<'_>], occasion: Occasion) -> Parts {
        let by_itself = |line: &Line<'_>| match line.mark {
            _ if line.is_quoted() => Part::Quoted,
            Mark::Signature => Part::Signature,
            _ => Part::Visible,
        };
        let mut parts = Parts {
            parts: lines.iter().map(by_itself).collect(),
            first: None,
            by_words: false,
        };
        let (mut at, mut was_quoted) = (0, false);
        while let Some(line) = lines.get(at) {
            if line.is_blank() {
                at += 1;
                continue;
            }
            let leads_in = !line.is_quoted() || line.perhaps || line.text.starts_with(">>> ");
            let begins = line.is_quoted() && !was_quoted && parts.first.is_none();
            let boundary = (leads_in || line.rest || begins).then(|| Boundary::at(lines, at, occasion));
            let boundary = boundary.flatten();
            let by_words = leads_in && boundary.as_ref().is_some_and(|boundary| boundary.rest);
            parts.by_words |= by_words && !line.rest;
            let end = match &boundary {
                _ if by_words || line.rest => lines.len(),
                Some(boundary) if leads_in => boundary.end,
                _ => at,
            };
            parts.parts[at..end].fill(Part::Quoted);
            parts.first = parts.first.take().or(boundary);
            was_quoted = line.is_quoted();
            at = end.max(at + 1);
        }
        parts
    }

    /// Finds the signature of each stretch that is newly written.
    fn sign(&mut self, lines: &[Line<'_>]) {
        let mut begin = 0;
        while begin < lines.len() {
            let is_quoted = |part: &Part| *part == Part::Quoted;
            let length = self.parts[begin..].iter().take_while(|part| !is_quoted(part)).count();
            let end = begin + length;
            let signature = signature::begin(lines, begin..end);
            self.parts[signature..end].fill(Part::Signature);
            begin = end + self.parts[end..].iter().take_while(|part| is_quoted(part)).count();
        }
        let is_text = |part: Part| {
            self.parts
                .iter()
                .zip(lines)
                .any(|(other, line)| *other == part && !line.is_blank())
        };
        // A card alone was sent for its own sake.
        if !is_text(Part::Visible) {
            let signatures = self.parts.iter_mut().filter(|part| **part == Part::Signature);
            signatures.for_each(|part| *part = Part::Visible);
        }
    }

    fn forwards(&self, occasion: Occasion) -> bool {
        occasion.forwards || self.first.as_ref().is_some_and(|boundary| boundary.forwards)
    }

    /// The first quoted line behind all that is not quoted.
    fn ends(&self, lines: &[Line<'_>]) -> Option<usize> {
        let mut shown = self
            .parts
            .iter()
            .zip(lines)
            .enumerate()
            .filter(|(_, (_, line))| !line.is_blank());
        let mut ends = None;
        for (at, (part, _)) in shown.by_ref() {
            ends = (*part == Part::Quoted).then(|| ends.unwrap_or(at));
        }
        ends
    }
}

fn joined(lines: &[Line<'_>], parts: &[Part]) -> Split {
    let mut split = Split::default();
    let mut last = Part::Visible;
    for (line, part) in lines.iter().zip(parts) {
        // Blank lines stay with what stands above them.
        let part = if line.is_blank() { last } else { *part };
        let to = match part {
            Part::Visible => &mut split.visible,
            Part::Quoted => &mut split.quoted,
            Part::Signature => &mut split.signature,
        };
        if line.is_blank() && to.is_empty() {
            continue;
        }
        // What stood apart stays apart.
        if part != last && !to.is_empty() && !to.ends_with("\n\n") {
            to.push('\n');
        }
        to.push_str(line.text);
        to.push('\n');
        last = part;
    }
    for text in [&mut split.visible, &mut split.quoted, &mut split.signature] {
        text.truncate(text.trim_end().len());
    }
    split
}

#[cfg(test)]
mod tests;
