//! The lines of a body, with what the elements of its HTML say about them.

use crate::message::html::{Mark, Placed};

/// Of more lines than that nobody tells apart what was written and what is quoted.
const MAX_LINES: usize = 100_000;

/// A line without its end.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub text: &'a str,
    /// `Plain`, `Quoted`, `Signature` or `Indented`.
    pub mark: Mark,
    /// An element says that all from here on is quoted.
    pub rest: bool,
    /// An element says that a quotation may be led in here.
    pub perhaps: bool,
}

impl<'a> Line<'a> {
    /// All lines; none where there are too many.
    pub fn all(body: &'a str, marks: &[Placed]) -> Option<Vec<Line<'a>>> {
        if memchr::memchr_iter(b'\n', body.as_bytes()).count() >= MAX_LINES {
            return None;
        }
        let mut marks = marks.iter().peekable();
        let mut mark = Mark::Plain;
        let lines = body.lines().enumerate().map(|(number, text)| {
            let (mut rest, mut perhaps) = (false, false);
            while let Some(placed) = marks.next_if(|placed| placed.line <= number) {
                match placed.mark {
                    Mark::Rest => rest = true,
                    Mark::Perhaps => perhaps = true,
                    other => mark = other,
                }
            }
            Line {
                text,
                mark,
                rest,
                perhaps,
            }
        });
        Some(lines.collect())
    }

    pub fn is_blank(&self) -> bool {
        self.text.trim_start().is_empty()
    }

    /// Whether it begins with the sign of quoting. `>From` at a line's beginning was written by a mail store over `From`.
    pub fn has_sign(&self) -> bool {
        self.text.starts_with('>') && self.mark != Mark::Indented && !self.text.starts_with(">From ")
    }

    /// Whether it is quoted by a sign or by its element.
    pub fn is_quoted(&self) -> bool {
        self.has_sign() || self.mark == Mark::Quoted
    }

    /// The text behind all signs of quoting.
    pub fn bare(&self) -> &'a str {
        self.text.trim_start_matches(['>', ' ', '\t', '\u{a0}'])
    }
}

/// The next line from `at` on that is not blank; few blank lines stand between what belongs together.
pub fn next(lines: &[Line<'_>], at: usize) -> Option<usize> {
    const MAX_BLANK: usize = 5;
    (at..lines.len().min(at + MAX_BLANK + 1)).find(|at| !lines[*at].is_blank())
}
