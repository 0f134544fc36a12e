//! Dates (RFC 5322, 3.3) as tolerantly as they are written: any order of the words, seconds and weekday or none.

use jiff::{Timestamp, civil, tz::Offset};

/// No date is longer; a comment at its end may be.
const MAX_DATE: usize = 200;

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Zones by name and their hours (RFC 5322, 4.3, and those that programs still write).
const ZONES: &[(&str, i8)] = &[
    ("ut", 0),
    ("utc", 0),
    ("gmt", 0),
    ("z", 0),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
    ("cet", 1),
    ("cest", 2),
    ("met", 1),
    ("mest", 2),
    ("bst", 1),
    ("jst", 9),
];

/// The words of a date, as far as they were found.
#[derive(Default)]
struct Words {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
    time: Option<civil::Time>,
    /// A date without a zone counts as UTC.
    offset: Option<Offset>,
}

/// The date of a Date field; nothing where there is no telling.
pub fn parse(raw: &str) -> Option<Timestamp> {
    let raw = &raw[..raw.floor_char_boundary(MAX_DATE)];
    let mut words = Words::default();
    for word in raw
        .split('(')
        .next()?
        .split([' ', ',', '\t'])
        .filter(|word| !word.is_empty())
    {
        words.take(word);
    }
    let date = civil::Date::new(words.year?, words.month?, words.day?).ok()?;
    words
        .offset
        .unwrap_or(Offset::UTC)
        .to_timestamp(date.to_datetime(words.time?))
        .ok()
}

impl Words {
    fn take(&mut self, word: &str) {
        if word.contains(':') {
            self.time = self.time.or_else(|| time(word));
        } else if self.time.is_some()
            && self.offset.is_none()
            && let Some(offset) = offset(word)
        {
            self.offset = Some(offset);
        } else if word.contains('-') && !word.starts_with('-') {
            // `23-Nov-2026`
            word.split('-').for_each(|word| self.take(word));
        } else if let Ok(number) = word.parse::<i16>() {
            self.number(number, word.len());
        } else if let Some(month) = month(word) {
            self.month = self.month.or(Some(month));
        }
    }

    fn number(&mut self, number: i16, digits: usize) {
        match (self.day, i8::try_from(number)) {
            (None, Ok(day)) if digits <= 2 => self.day = Some(day),
            _ => self.year = self.year.or(Some(year(number, digits))),
        }
    }
}

/// Years of two or three digits are what RFC 5322, 4.3, makes of them.
fn year(number: i16, digits: usize) -> i16 {
    match (number, digits) {
        (0..50, 0..=2) => number + 2000,
        (_, 0..=3) => number + 1900,
        _ => number,
    }
}

fn month(word: &str) -> Option<i8> {
    let begin = word.get(..3)?.to_ascii_lowercase();
    let index = MONTHS.iter().position(|month| *month == begin)?;
    i8::try_from(index + 1).ok()
}

fn time(word: &str) -> Option<civil::Time> {
    let mut numbers = word
        .splitn(3, ':')
        .map(|digits| digits.split('.').next().unwrap_or("").parse::<i8>().ok());
    let (hour, minute) = (numbers.next()??, numbers.next()??);
    // A leap second is read as the one before it.
    let second = numbers.next().unwrap_or(Some(0))?.min(59);
    civil::Time::new(hour, minute, second, 0).ok()
}

fn offset(word: &str) -> Option<Offset> {
    if let Some((_, hours)) = ZONES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        return Offset::from_hours(*hours).ok();
    }
    let sign = match word.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = word[1..].parse::<i32>().ok().filter(|_| word.len() == 5)?;
    Offset::from_seconds(sign * (digits / 100 * 3600 + digits % 100 * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: Option<&str>) {
        assert_eq!(parse(raw).map(|date| date.to_string()).as_deref(), expected, "{raw}");
    }

    #[test]
    fn dates_are_read_in_every_usual_form() {
        for (raw, expected) in [
            ("Mon, 23 Nov 2026 10:00:00 +0100", "2026-11-23T09:00:00Z"),
            ("23 Nov 2026 10:00 GMT", "2026-11-23T10:00:00Z"),
            ("Mon, 23 Nov 2026 10:00:00 -0500 (EST)", "2026-11-23T15:00:00Z"),
            ("Mon, 23 Nov 26 10:00:00 +0000", "2026-11-23T10:00:00Z"),
            ("Mon Nov 23 10:00:00 2026", "2026-11-23T10:00:00Z"),
            ("23-November-2026 10:00:60.5 EST", "2026-11-23T15:00:59Z"),
            ("Mon,23 Nov 2026 10:00:00", "2026-11-23T10:00:00Z"),
        ] {
            check(raw, Some(expected));
        }
    }

    #[test]
    fn what_is_no_date_gives_none() {
        for raw in [
            "",
            "yesterday",
            "Mon, 99 Nov 2026 99:00:00 +0000",
            "0",
            "23 Nov 2026",
            "Mon, 31 Feb 2026 10:00:00 +0000",
            "ä:ö",
            "-:-",
        ] {
            check(raw, None);
        }
    }
}
