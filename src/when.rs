//! A moment, as somebody names it to a command or in a search; and how long something takes, as people read it.

use std::time::Duration;

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Time},
    tz::{Offset, TimeZone},
};

/// What may be said, for the text of an error.
pub const FORMS: &str = "2h, 7d, today, yesterday, 09:10, 09:10+01:00, \"yesterday 09:10 Europe/Berlin\", 2026-11-23, \
                         2026-11-23T09:00Z";

/// Why a time is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhenError {
    /// It can not be understood.
    #[error("{key} {text:?} names no time; it is said as one of {FORMS}")]
    NoTime {
        /// `since` or `until`.
        key: &'static str,
        /// As it was said.
        text: String,
    },
    /// Nothing lies between them.
    #[error("until is not after since: it is {until:.0}, and since is {since:.0}")]
    Nothing {
        /// The beginning.
        since: Timestamp,
        /// The end.
        until: Timestamp,
    },
}

/// How long something takes or took, for people: `15 ms`, `4.2 s`, `90 s`, `14 min`, `3 h`, `5 days`. A unit begins where
/// there are two of it.
pub fn length(time: Duration) -> String {
    let (seconds, tenth) = (time.as_secs(), time.subsec_millis() / 100);
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..10 if tenth > 0 => format!("{seconds}.{tenth} s"),
        1..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// From when and before when; of both what is wrong. An `until` that is a time alone is the first such time after
/// `since` where the last one that was is before it: `09:05` to `09:20`, asked for at 09:15.
pub fn between(
    since: Option<&str>,
    until: Option<&str>,
    now: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Vec<WhenError>> {
    let mut faults = Vec::new();
    let mut read = |key, text: Option<&str>| {
        let at = moment(text?, now);
        if at.is_none() {
            let text = text.unwrap_or_default().to_owned();
            faults.push(WhenError::NoTime { key, text });
        }
        at
    };
    let (from, mut to) = (read("since", since), read("until", until));
    if let (Some(since), Some(end)) = (from, to)
        && end <= since
    {
        to = until.and_then(|text| next(text, since));
        if to.is_none() {
            faults.push(WhenError::Nothing { since, until: end });
        }
    }
    if faults.is_empty() { Ok((from, to)) } else { Err(faults) }
}

/// The first such time of day after `since`, where the text is a time alone.
fn next(text: &str, since: Timestamp) -> Option<Timestamp> {
    let (rest, zone) = split_zone(text.trim())?;
    let time: Time = rest.trim().parse().ok().filter(|_| is_time(rest.trim()))?;
    let day = zone.to_datetime(since).date();
    let at = |day: Date| zone.to_timestamp(day.to_datetime(time)).ok();
    at(day).filter(|at| *at > since).or_else(|| at(day.tomorrow().ok()?))
}

/// Whether a word is a time and no day.
fn is_time(word: &str) -> bool {
    word.contains(':') && !word.contains([' ', 'T'])
}

/// How long ago; or a day, a time of day, or both, with an offset or the name of a time zone behind it. In UTC where none
/// is named, as listings show times. A day alone is its beginning, a time alone the last one that was.
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    if let Ok(ago) = crate::config::unit::parse_duration(text) {
        return now.checked_sub(ago).ok();
    }
    let (rest, zone) = split_zone(text)?;
    let today = zone.to_datetime(now).date();
    let words: Vec<&str> = rest.split([' ', 'T']).filter(|word| !word.is_empty()).collect();
    let at = |day: Date, time: Time| zone.to_timestamp(day.to_datetime(time)).ok();
    match words[..] {
        [word] if is_time(word) => {
            let time = word.parse().ok()?;
            at(today, time)
                .filter(|at| *at <= now)
                .or_else(|| at(today.yesterday().ok()?, time))
        }
        [word] => at(day(word, today)?, Time::midnight()),
        [first, second] => at(day(first, today)?, second.parse().ok()?),
        _ => None,
    }
}

fn day(word: &str, today: Date) -> Option<Date> {
    match word {
        "today" => Some(today),
        "yesterday" => today.checked_sub(1.day()).ok(),
        // A year, a month and a day: less could be a time as well.
        _ => word.parse().ok().filter(|_| word.len() == "2026-11-23".len()),
    }
}

/// What stands before an offset or a zone's name, and the zone.
fn split_zone(text: &str) -> Option<(&str, TimeZone)> {
    if let Some((rest, name)) = text.rsplit_once(' ')
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name != "Z"
    {
        return Some((rest, TimeZone::get(name).ok()?));
    }
    if let Some(rest) = text.strip_suffix('Z') {
        return Some((rest, TimeZone::UTC));
    }
    match text.rfind(['+', '-']) {
        // In a day alone it joins year, month and day.
        Some(sign) if text[..sign].contains(':') || text[..sign].ends_with(' ') => {
            let zone = TimeZone::fixed(offset(&text[sign..])?);
            Some((&text[..sign], zone))
        }
        _ => Some((text, TimeZone::UTC)),
    }
}

/// `+01:00`, `+0100` or `+1`.
fn offset(text: &str) -> Option<Offset> {
    let (sign, digits) = (if text.starts_with('-') { -1 } else { 1 }, text[1..].replace(':', ""));
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.as_str(), "0"),
        4 => digits.split_at(2),
        _ => return None,
    };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let found = moment(text, now).map(|at| at.to_string()).unwrap_or_default();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn a_moment_is_how_long_ago_or_a_time_with_its_offset() {
        check("2h", "2026-11-23T07:00:00Z");
        check("2026-11-22T10:00+01:00", "2026-11-22T09:00:00Z");
        check("2026-11-22 10:00 +01:00", "2026-11-22T09:00:00Z");
        check("2026-11-22T10:00-0130", "2026-11-22T11:30:00Z");
        check("2026-11-22T10:00", "2026-11-22T10:00:00Z");
        check("2026-11-22T10:00Z", "2026-11-22T10:00:00Z");
        check("2026-11-22", "2026-11-22T00:00:00Z");
    }

    #[test]
    fn a_day_is_named_and_begins_where_its_zone_says() {
        check("today", "2026-11-23T00:00:00Z");
        check("yesterday", "2026-11-22T00:00:00Z");
        check("yesterday 17:05", "2026-11-22T17:05:00Z");
        check("today Europe/Berlin", "2026-11-22T23:00:00Z");
        check("today +2", "2026-11-22T22:00:00Z");
        check("2026-07-01 09:10 Europe/Berlin", "2026-07-01T07:10:00Z");
    }

    #[test]
    fn a_length_is_in_the_unit_that_a_person_would_take() {
        for (milliseconds, expected) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1 s"),
            (4_270, "4.2 s"),
            (10_900, "10 s"),
            (119_999, "119 s"),
            (120_000, "2 min"),
            (3_599_000, "59 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 days"),
        ] {
            assert_eq!(length(Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn a_time_alone_is_the_last_that_was() {
        check("08:10", "2026-11-23T08:10:00Z");
        check("09:10", "2026-11-22T09:10:00Z");
        check("09:10+01:00", "2026-11-23T08:10:00Z");
        check("09:10 Europe/Berlin", "2026-11-23T08:10:00Z");
        check("22:30-11:00", "2026-11-22T09:30:00Z");
    }

    #[test]
    fn an_end_that_is_a_time_alone_is_the_first_one_after_the_beginning() {
        let now: Timestamp = "2026-11-23T09:15:00Z".parse().unwrap();
        let check = |since: &str, until: &str, expected: &str| {
            let found = match between(Some(since), Some(until), now) {
                Ok((since, until)) => format!("{} {}", since.unwrap(), until.unwrap()),
                Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            };
            assert_eq!(found, expected, "{since} {until}");
        };
        check("09:05", "09:20", "2026-11-23T09:05:00Z 2026-11-23T09:20:00Z");
        check("09:05", "09:10", "2026-11-23T09:05:00Z 2026-11-23T09:10:00Z");
        check("2h", "10:20+01:00", "2026-11-23T07:15:00Z 2026-11-23T09:20:00Z");
        check("23:00", "01:00", "2026-11-22T23:00:00Z 2026-11-23T01:00:00Z");
        check("2026-11-20", "09:00", "2026-11-20T00:00:00Z 2026-11-23T09:00:00Z");
        check("09:10", "09:10", "2026-11-23T09:10:00Z 2026-11-24T09:10:00Z");
        check(
            "today",
            "yesterday",
            "until is not after since: it is 2026-11-22T00:00:00Z, and since is 2026-11-23T00:00:00Z",
        );
        check(
            "1h",
            "2h",
            "until is not after since: it is 2026-11-23T07:15:00Z, and since is 2026-11-23T08:15:00Z",
        );
        assert_eq!(between(None, None, now), Ok((None, None)));
        let faults = between(Some("soon"), Some("later"), now).unwrap_err();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults[1]
                .to_string()
                .starts_with("until \"later\" names no time; it is said as one of 2h")
        );
    }

    #[test]
    fn what_names_no_moment_is_none() {
        for text in [
            "",
            "tomorrow",
            "9",
            "25:00",
            "2026-13-01",
            "09:10 Nowhere/Here",
            "09:10+1x",
            "today yesterday",
            "a b c",
        ] {
            check(text, "");
        }
    }
}
