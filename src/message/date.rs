//! The Date field (RFC 5322, 3.3), read by mail-parser.

use jiff::{Timestamp, civil, tz::Offset};
use mail_parser::{DateTime, parsers::fields::date::MONTH};

/// The date of a Date field; nothing where there is no telling.
pub fn parse(raw: &str) -> Option<Timestamp> {
    let read = |raw: String| DateTime::parse_rfc822(&raw);
    // A date without a zone counts as UTC.
    let date = read(format!("{raw}\n")).or_else(|| read(format!("{raw} +0000\n")).filter(|_| raw.contains(':')))?;
    // mail-parser 0.11.9 takes the numbers of other orders of words for day, month and year: what it calls the month
    // must be there by name.
    let month = MONTH.get(usize::from(date.month).checked_sub(1)?)?.to_ascii_lowercase();
    if !raw.to_ascii_lowercase().contains(&month) {
        return None;
    }
    let number = |number: u8| i8::try_from(number).ok();
    let day = civil::Date::new(i16::try_from(date.year).ok()?, number(date.month)?, number(date.day)?);
    // A leap second is read as the one before it.
    let second = number(date.second.min(59))?;
    let time = civil::Time::new(number(date.hour)?, number(date.minute)?, second, 0);
    let seconds = i32::from(date.tz_hour) * 3600 + i32::from(date.tz_minute) * 60;
    let offset = Offset::from_seconds(if date.tz_before_gmt { -seconds } else { seconds });
    offset.ok()?.to_timestamp(day.ok()?.to_datetime(time.ok()?)).ok()
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
            "Mon Nov 23 10:00:00 2026",
            "Mon, 31 Feb 2026 10:00:00 +0000",
            "ä:ö",
            "-:-",
        ] {
            check(raw, None);
        }
    }
}
