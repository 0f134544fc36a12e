//! A moment, as somebody names it to a command or in a search.

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Time},
    tz::{Offset, TimeZone},
};

/// What may be said, for the text of an error.
pub const FORMS: &str = "2h, 7d, today, yesterday, 09:10, 09:10+01:00, \"yesterday 09:10 Europe/Berlin\", 2026-11-23, \
                         2026-11-23T09:00Z";

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
        [word] if word.contains(':') => {
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
    fn a_time_alone_is_the_last_that_was() {
        check("08:10", "2026-11-23T08:10:00Z");
        check("09:10", "2026-11-22T09:10:00Z");
        check("09:10+01:00", "2026-11-23T08:10:00Z");
        check("09:10 Europe/Berlin", "2026-11-23T08:10:00Z");
        check("22:30-11:00", "2026-11-22T09:30:00Z");
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
