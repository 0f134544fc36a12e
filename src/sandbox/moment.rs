//! Dates as Halo writes them: UTC without saying so, to the millisecond, and a sentinel for none.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

/// What stands where there is no date.
pub(super) const NONE: &str = "1900-01-01T00:00:00";

/// This moment, as a record holds it.
pub(super) fn now() -> String {
    let now = TimeZone::UTC.to_datetime(Timestamp::now());
    now.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}

/// A date with a zone, without one (then it is UTC) or without a time. .NET knows the years 1 to 9999 alone.
pub(super) fn parse(text: &str) -> Option<DateTime> {
    let text = text.trim();
    let zoned = text.parse::<Timestamp>().ok();
    zoned
        .map(|at| TimeZone::UTC.to_datetime(at))
        .or_else(|| text.parse::<DateTime>().ok())
        .or_else(|| text.parse::<Date>().ok().map(DateTime::from))
        .filter(|at| at.year() >= 1)
}

/// Whether a date of a record lies within a window; an end that is no date is none.
pub(super) fn is_within(text: &str, [start, end]: [&str; 2]) -> bool {
    let at = parse(text);
    let [start, end] = [start, end].map(parse);
    start.is_none_or(|start| at >= Some(start)) && end.is_none_or(|end| at.is_some_and(|at| at <= end))
}

/// A date as a record holds it.
pub(super) fn written(at: DateTime) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_with_or_without_a_zone_or_a_time() {
        for (text, expected) in [
            ("2026-10-06T04:19:13.287", "2026-10-06T04:19:13.287"),
            ("2026-10-06T04:19:13Z", "2026-10-06T04:19:13"),
            ("2026-10-06T06:19:13+02:00", "2026-10-06T04:19:13"),
            ("2026-10-06 04:19", "2026-10-06T04:19:00"),
            ("2026-10-06", "2026-10-06T00:00:00"),
            ("0001-01-01T00:00:00", "0001-01-01T00:00:00"),
        ] {
            assert_eq!(parse(text).map(written).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "soon",
            "-009999-01-01T00:00:00",
            "0000-12-31",
            "0001-01-01T00:30:00+01:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(now().len(), NONE.len() + 4);
    }
}
