//! The Date field (RFC 5322, 3.3), in the orders of words that people's programs write.

use jiff::{Timestamp, civil, tz::Offset};

/// A longer text is no date.
const MAX_DATE: usize = 200;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// Zones by name, in hours (RFC 5322, 4.3). Others count as UTC, as does a date without one.
const ZONES: [(&str, i32); 8] = [
    ("edt", -4),
    ("est", -5),
    ("cdt", -5),
    ("cst", -6),
    ("mdt", -6),
    ("mst", -7),
    ("pdt", -7),
    ("pst", -8),
];

/// The date of a Date field; nothing where there is no telling.
pub fn parse(raw: &str) -> Option<Timestamp> {
    let text = raw.trim();
    if text.len() > MAX_DATE {
        return None;
    }
    let without_zone = || Offset::UTC.to_timestamp(text.parse().ok()?).ok();
    let iso = text.parse().ok().or_else(without_zone);
    iso.or_else(|| Words::read(text)?.timestamp())
}

/// What the words of a date say, whatever their order is.
#[derive(Default)]
struct Words {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
    time: Option<civil::Time>,
    /// In seconds.
    offset: i32,
}

impl Words {
    fn read(text: &str) -> Option<Words> {
        let mut words = Words::default();
        let text = text.split('(').next().unwrap_or(text).to_ascii_lowercase();
        for word in text.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
            // `23-nov-2026`
            if word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('-') {
                word.split('-').try_for_each(|part| words.take(part))?;
            } else {
                words.take(word)?;
            }
        }
        Some(words)
    }

    /// Takes a word; nothing where it can not belong to a date.
    fn take(&mut self, word: &str) -> Option<()> {
        let month = (word.len() >= 3)
            .then(|| {
                MONTHS
                    .iter()
                    .position(|month| month.starts_with(word.trim_end_matches('.')))
            })
            .flatten();
        if let Some(month) = month {
            self.month = i8::try_from(month + 1).ok();
        } else if word.contains(':') {
            self.time = Some(time(word)?);
        } else if word.starts_with(['+', '-']) {
            self.offset = offset(word)?;
        } else if word.bytes().all(|b| b.is_ascii_digit()) {
            self.number(word)?;
        } else if let Some(rest) = ["gmt", "utc"].iter().find_map(|zone| word.strip_prefix(zone)) {
            self.offset = if rest.is_empty() { 0 } else { offset(rest)? };
        } else if let Some((_, hours)) = ZONES.iter().find(|(zone, _)| *zone == word) {
            self.offset = hours * 3600;
        }
        Some(())
    }

    /// The first short number is the day, the other the year; a year of two digits is of this century or the last one.
    fn number(&mut self, word: &str) -> Option<()> {
        let number: i16 = word.parse().ok()?;
        if word.len() <= 2 && self.day.is_none() {
            self.day = i8::try_from(number).ok();
        } else {
            self.year = Some(match (word.len(), number) {
                (..=2, ..50) => number + 2000,
                (..=3, _) => number + 1900,
                _ => number,
            });
        }
        Some(())
    }

    fn timestamp(self) -> Option<Timestamp> {
        let date = civil::Date::new(self.year?, self.month?, self.day?).ok()?;
        let offset = Offset::from_seconds(self.offset).ok()?;
        offset.to_timestamp(date.to_datetime(self.time?)).ok()
    }
}

/// `10:00`, `10:00:05`; a leap second is read as the one before it.
fn time(word: &str) -> Option<civil::Time> {
    let mut parts = word.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    civil::Time::new(hour, minute, second.min(59), 0).ok()
}

/// `+0100`, `-05:00`, `+1`, in seconds.
fn offset(word: &str) -> Option<i32> {
    let (sign, digits) = (word.get(..1)?, word.get(1..)?.replace(':', ""));
    let number: i32 = digits.parse().ok()?;
    let (hours, minutes) = if digits.len() > 2 {
        (number / 100, number % 100)
    } else {
        (number, 0)
    };
    let seconds = hours * 3600 + minutes * 60;
    match sign {
        "+" => Some(seconds),
        "-" => Some(-seconds),
        _ => None,
    }
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
            ("23 Nov 2026 10:00:00 GMT", "2026-11-23T10:00:00Z"),
            ("Mon, 23 Nov 2026 10:00:00 -0500 (EST)", "2026-11-23T15:00:00Z"),
            ("Mon, 23 Nov 26 10:00:00 +0000", "2026-11-23T10:00:00Z"),
            ("23 Nov 2026 10:00:00", "2026-11-23T10:00:00Z"),
            ("Mon, 23 Nov 2026 10:00:60 EST", "2026-11-23T15:00:59Z"),
            ("Monday, 3 November 2026 10:00 +0000", "2026-11-03T10:00:00Z"),
            ("Mon Nov 23 10:00:00 2026", "2026-11-23T10:00:00Z"),
            ("Mon Nov 23 10:00:00 EST 2026", "2026-11-23T15:00:00Z"),
            ("2026-11-23T10:00:00+01:00", "2026-11-23T09:00:00Z"),
            ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
            ("2026-11-23 10:00:00", "2026-11-23T10:00:00Z"),
            ("23-Nov-2026 10:00:00 +0100", "2026-11-23T09:00:00Z"),
            ("Mon, 23 Nov 2026 10:00:00 GMT+0100", "2026-11-23T09:00:00Z"),
            ("Tue, 23 Nov 99 10:00:00 UT", "1999-11-23T10:00:00Z"),
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
            "23 11 2026 10:00:00",
            "ä:ö",
            "-:-",
            "+",
            "Mon, 23 Nov 2026 10:00:00 +99999999999",
        ] {
            check(raw, None);
        }
    }
}
