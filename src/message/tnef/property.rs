//! The properties that an attribute may hold (MS-OXTNEF, 2.1.3.4 on).

use std::ops::Range;

use super::stream::number;

/// How long the kind of an object is that stands before its octets.
pub const OBJECT_KIND: usize = 16;
/// How many properties, and values of one, are looked at.
const MAX_COUNT: u32 = 10_000;
/// Ids from here on have a name.
const FIRST_NAMED: u16 = 0x8000;
const WIDE_TEXT: u16 = 0x001f;
const OBJECT: u16 = 0x000d;
const SEVERAL: u16 = 0x1000;

/// A property that says something here. `is_wide` tells text in UTF-16 from text in the codepage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    Text {
        is_wide: bool,
    },
    Html,
    Rtf,
    InternetCodepage,
    FileName {
        is_wide: bool,
    },
    DisplayName {
        is_wide: bool,
    },
    MediaType {
        is_wide: bool,
    },
    ContentId {
        is_wide: bool,
    },
    FileOctets,
    /// Its octets stand behind its kind.
    FileObject,
}

/// The known properties of a list, with the places of their values; a list that breaks off ends there. The long name of a
/// file comes after the short one.
pub fn properties(octets: &[u8], place: Range<usize>) -> Vec<(Property, Range<usize>)> {
    let mut reader = Reader {
        octets: &octets[..place.end],
        at: place.start,
    };
    let mut found = Vec::new();
    let count = reader.number().unwrap_or(0).min(MAX_COUNT);
    for _ in 0..count {
        let Some((id, kind, value)) = reader.property() else {
            break;
        };
        if let Some(property) = known(id, kind) {
            found.push((id == SHORT_NAME, property, value));
        }
    }
    found.sort_by_key(|(is_short_name, ..)| !is_short_name);
    found
        .into_iter()
        .map(|(_, property, value)| (property, value))
        .collect()
}

const SHORT_NAME: u16 = 0x3704;

fn known(id: u16, kind: u16) -> Option<Property> {
    let is_wide = kind == WIDE_TEXT;
    Some(match id {
        0x1000 => Property::Text { is_wide },
        0x1013 => Property::Html,
        0x1009 => Property::Rtf,
        0x3fde => Property::InternetCodepage,
        0x3707 | SHORT_NAME => Property::FileName { is_wide },
        0x3001 => Property::DisplayName { is_wide },
        0x370e => Property::MediaType { is_wide },
        0x3712 => Property::ContentId { is_wide },
        0x3701 if kind == OBJECT => Property::FileObject,
        0x3701 => Property::FileOctets,
        _ => return None,
    })
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// The place of the next octets; none where they are not all there.
    fn take(&mut self, length: usize) -> Option<Range<usize>> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.octets.len())?;
        let place = self.at..end;
        self.at = end;
        Some(place)
    }

    fn number(&mut self) -> Option<u32> {
        let place = self.take(4)?;
        number(&self.octets[place])
    }

    fn half(&mut self) -> Option<u16> {
        let place = self.take(2)?;
        self.octets[place].first_chunk().copied().map(u16::from_le_bytes)
    }

    /// Octets with their length before them, filled up to a multiple of four.
    fn counted(&mut self) -> Option<Range<usize>> {
        let length = usize::try_from(self.number()?).ok()?;
        let place = self.take(length)?;
        self.at = self.at.saturating_add(length.next_multiple_of(4) - length);
        Some(place)
    }

    /// The id, the type and the first value of the next property.
    fn property(&mut self) -> Option<(u16, u16, Range<usize>)> {
        let (kind, id) = (self.half()?, self.half()?);
        if id >= FIRST_NAMED {
            // The set of names, then a number or a text.
            self.take(16)?;
            match self.number()? {
                0 => self.take(4)?,
                _ => self.counted()?,
            };
        }
        let value = match size(kind & !SEVERAL) {
            Some(size) if kind & SEVERAL == 0 => self.take(size)?,
            Some(size) => {
                let count = usize::try_from(self.number()?).ok()?;
                self.take(count.checked_mul(size)?)?
            }
            None => {
                let count = self.number()?.min(MAX_COUNT);
                let mut first = None;
                for _ in 0..count {
                    let value = self.counted()?;
                    first.get_or_insert(value);
                }
                first.unwrap_or(self.at..self.at)
            }
        };
        Some((id, kind, value))
    }
}

/// How long a value of that type is; nothing for what has its length before it.
fn size(kind: u16) -> Option<usize> {
    match kind {
        0x0001 => Some(0),
        0x0002 | 0x0003 | 0x0004 | 0x000a | 0x000b => Some(4),
        0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => Some(8),
        0x0048 => Some(16),
        _ => None,
    }
}
