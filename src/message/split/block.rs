//! The header of a quoted message, written out as lines of text: `From:`, `Sent:`, `To:`, `Subject:`.

use std::{collections::HashMap, sync::LazyLock};

use super::{
    line::{self, Line},
    phrases::LANGUAGES,
};

/// How many lines such a header may take; recipients take several.
const MAX_LINES: usize = 24;
/// How many lines one label's text may go on for.
const MAX_WRAPPED: usize = 12;
/// The longest label has some twenty letters.
const MAX_LABEL: usize = 60;

/// Such a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Behind its last line.
    pub end: usize,
    /// What it says of the author.
    pub from: String,
}

/// How much has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Nothing but its own words: they begin with the author, and name date and recipient or subject.
    None,
    /// A separator of words stands above it: in any order, with the author.
    Separator,
    /// An element leads it in: labels of any language.
    Element,
}

/// The languages in which a label is one, as bits, for each of its meanings.
#[derive(Debug, Clone, Copy, Default)]
struct Meanings {
    from: u32,
    sent: u32,
    other: u32,
}

static LABELS: LazyLock<HashMap<&'static str, Meanings>> = LazyLock::new(|| {
    let mut labels: HashMap<&str, Meanings> = HashMap::new();
    for (index, language) in LANGUAGES.iter().enumerate() {
        let bit = 1 << index;
        language
            .from
            .iter()
            .for_each(|word| labels.entry(word).or_default().from |= bit);
        language
            .sent
            .iter()
            .for_each(|word| labels.entry(word).or_default().sent |= bit);
        let others = language.to.iter().chain(language.subject);
        others.for_each(|word| labels.entry(word).or_default().other |= bit);
    }
    labels
});

impl Block {
    /// The header that begins at that line.
    pub fn read(lines: &[Line<'_>], at: usize, ground: Ground) -> Option<Block> {
        let by_words = Block::by_words(lines, at, ground);
        by_words.or_else(|| {
            (ground == Ground::Element)
                .then(|| Block::by_shape(lines, at))
                .flatten()
        })
    }

    fn by_words(lines: &[Line<'_>], at: usize, ground: Ground) -> Option<Block> {
        let mut seen = Meanings::default();
        let mut block = Block {
            end: at,
            from: String::new(),
        };
        let (mut wrapped, mut index) = (0, at);
        while index < lines.len().min(at + MAX_LINES) && wrapped <= MAX_WRAPPED {
            let line = &lines[index];
            let (label, value) = labelled(line.bare()).unwrap_or_default();
            let meanings = LABELS.get(label.as_str()).copied();
            if index == at && ground != Ground::Separator && meanings.is_none_or(|meanings| meanings.from == 0) {
                return None;
            }
            match meanings {
                Some(meanings) => {
                    if meanings.from != 0 && seen.from == 0 {
                        value.clone_into(&mut block.from);
                    }
                    seen.from |= meanings.from;
                    seen.sent |= meanings.sent;
                    seen.other |= meanings.other;
                    (block.end, wrapped) = (index + 1, 0);
                }
                // A blank line may stand between labels. The text of one may go on, but is not quoted more than it was.
                None if index > at && lines[index - 1].is_blank() => break,
                None if !line.is_blank() && line.has_sign() != lines[at].has_sign() => break,
                None => wrapped += 1,
            }
            index += 1;
        }
        let enough = match ground {
            Ground::Separator => seen.from & (seen.sent | seen.other),
            Ground::None | Ground::Element => seen.from & seen.sent & seen.other,
        };
        (enough != 0 && !block.from.is_empty()).then_some(block)
    }

    /// Three labels or more, whatever they say, of which the first one's text holds an address.
    fn by_shape(lines: &[Line<'_>], at: usize) -> Option<Block> {
        let count = lines[at..]
            .iter()
            .take(MAX_LINES)
            .take_while(|line| filled(line).is_some())
            .count();
        let from = filled(lines.get(at)?)?;
        (count >= 3 && from.contains('@')).then(|| Block {
            end: at + count,
            from: from.to_owned(),
        })
    }
}

/// The text of a line with a label, whatever that says.
fn filled<'a>(line: &Line<'a>) -> Option<&'a str> {
    let (label, value) = labelled(line.bare())?;
    (!label.is_empty() && !value.is_empty()).then_some(value)
}

/// The label of a line in lower case, and its text; bold print may be written as asterisks.
fn labelled(text: &str) -> Option<(String, &str)> {
    let head = &text[..text.floor_char_boundary(MAX_LABEL)];
    let colon = head.find([':', '：'])?;
    let label = head[..colon]
        .trim_matches(['*', '_', ' ', '\t', '\u{a0}'])
        .to_lowercase();
    let value = text[colon..]
        .trim_start_matches([':', '：'])
        .trim_matches(['*', '_', ' ', '\t', '\u{a0}']);
    Some((label, value))
}

/// Whether a header begins at that line or the next one that is not blank, with a separator of words above.
pub fn below(lines: &[Line<'_>], at: usize) -> Option<Block> {
    Block::read(lines, line::next(lines, at)?, Ground::Separator)
}
