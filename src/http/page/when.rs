//! A time as a person writes it into a search: all of them UTC, as those that are shown.

use jiff::{
    Timestamp,
    civil::{DateTime, Time},
    tz::TimeZone,
};

use crate::config::unit::parse_duration;

/// What may be written.
pub const EXAMPLES: &str = "09:10, 2026-11-23, 2026-11-23T09:10, 2026-11-23T10:10+01:00, 2h, 7d";

/// The time that is meant: a time of day is the last one of its kind, a duration is so long ago.
pub fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let utc = |civil: DateTime| TimeZone::UTC.to_timestamp(civil).ok();
    if let Ok(time) = text.parse::<Time>() {
        let today = TimeZone::UTC.to_datetime(now).date();
        let at = utc(today.to_datetime(time))?;
        return if at > now {
            utc(today.yesterday().ok()?.to_datetime(time))
        } else {
            Some(at)
        };
    }
    if let Ok(civil) = text.parse::<DateTime>() {
        return utc(civil);
    }
    let ago = parse_duration(text).ok()?;
    now.checked_sub(ago).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_a_day_a_time_of_day_or_how_long_ago() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-11-22T10:00+01:00", Some("2026-11-22T09:00:00Z")),
            ("2026-11-22T10:00", Some("2026-11-22T10:00:00Z")),
            ("2026-11-22 10:00", Some("2026-11-22T10:00:00Z")),
            ("2026-11-22", Some("2026-11-22T00:00:00Z")),
            ("08:10", Some("2026-11-23T08:10:00Z")),
            ("09:10", Some("2026-11-22T09:10:00Z")),
            ("2h", Some("2026-11-23T07:00:00Z")),
            ("yesterday", None),
            ("99:99", None),
            ("", None),
        ] {
            let found = parse(text, now).map(|at| at.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
