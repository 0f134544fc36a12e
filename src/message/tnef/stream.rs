//! The attributes of a TNEF stream, one behind the other (MS-OXTNEF, 2.1).

use std::ops::Range;

/// The octets that each stream begins with.
const SIGNATURE: [u8; 4] = [0x78, 0x9f, 0x3e, 0x22];
/// Behind them stands a key of two octets.
const HEADER: usize = 6;
/// Level, id and length before the octets of an attribute.
const BEFORE: usize = 9;
/// The sum behind them, which is not looked at: what is wrong is still the best there is.
const BEHIND: usize = 2;
/// How many attributes are looked at.
const MAX_ATTRIBUTES: usize = 20_000;

/// What an attribute holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    Codepage,
    Body,
    MessageProperties,
    /// Here begins a file.
    File,
    FileName,
    FileOctets,
    FileProperties,
}

/// Walks over a stream.
pub struct Stream<'a> {
    octets: &'a [u8],
    at: usize,
    seen: usize,
}

impl<'a> Stream<'a> {
    /// Nothing where it is none.
    pub fn of(octets: &'a [u8]) -> Option<Stream<'a>> {
        is_one(octets).then_some(Stream {
            octets,
            at: HEADER,
            seen: 0,
        })
    }
}

/// Whether a stream begins there.
pub fn is_one(octets: &[u8]) -> bool {
    octets.starts_with(&SIGNATURE)
}

impl Iterator for Stream<'_> {
    type Item = (Attribute, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.seen < MAX_ATTRIBUTES {
            self.seen += 1;
            let before = self.octets.get(self.at..self.at.checked_add(BEFORE)?)?;
            let (id, length) = (number(&before[1..])?, usize::try_from(number(&before[5..])?).ok()?);
            let begin = self.at + BEFORE;
            // One that was cut counts as far as it goes.
            let end = begin.checked_add(length)?.min(self.octets.len());
            self.at = end.saturating_add(BEHIND);
            if let Some(attribute) = attribute(id) {
                return Some((attribute, begin..end));
            }
        }
        None
    }
}

/// By id, whose upper half tells the type.
fn attribute(id: u32) -> Option<Attribute> {
    match id {
        0x0006_9007 => Some(Attribute::Codepage),
        0x0002_800c => Some(Attribute::Body),
        0x0006_9003 => Some(Attribute::MessageProperties),
        0x0006_9002 => Some(Attribute::File),
        0x0001_8010 => Some(Attribute::FileName),
        0x0006_800f => Some(Attribute::FileOctets),
        0x0006_9005 => Some(Attribute::FileProperties),
        _ => None,
    }
}

/// A number of four octets, the lowest first.
pub fn number(octets: &[u8]) -> Option<u32> {
    octets.first_chunk().copied().map(u32::from_le_bytes)
}
