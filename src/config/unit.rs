//! Texts with a unit: durations (`"1h30m"`), sizes (`"25 MiB"`) and rates (`"300 per 5m"`).

use std::{num::NonZeroU32, time::Duration};

use super::Rate;

/// No duration is longer: beyond it, dates stop making sense.
const LONGEST: u64 = 36_500 * 86_400 * 1_000;

/// Milliseconds of each unit of time.
const TIME: [(&[&str], u64); 6] = [
    (&["ms", "millisecond", "milliseconds"], 1),
    (&["s", "sec", "secs", "second", "seconds"], 1_000),
    (&["m", "min", "mins", "minute", "minutes"], 60_000),
    (&["h", "hour", "hours"], 3_600_000),
    (&["d", "day", "days"], 86_400_000),
    (&["w", "week", "weeks"], 604_800_000),
];

/// Octets of each unit of size, in lower case.
const SIZE: [(&str, u64); 7] = [
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
];

/// Reads a duration: whole numbers with their units, the parts added up. The error says what is wrong with the
/// text, to follow it in a sentence.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("is empty".to_owned());
    }
    let mut milliseconds = 0_u64;
    while !rest.is_empty() {
        let (number, unit, after) = number_and_unit(rest)?;
        let (_, worth) = TIME.iter().find(|(names, _)| names.contains(&unit)).ok_or_else(|| {
            if unit.is_empty() {
                "has no unit".into()
            } else {
                format!("has the unknown unit {unit:?}")
            }
        })?;
        milliseconds = number
            .checked_mul(*worth)
            .and_then(|part| milliseconds.checked_add(part))
            .unwrap_or(u64::MAX);
        if milliseconds > LONGEST {
            return Err("is longer than a hundred years".to_owned());
        }
        rest = after;
    }
    Ok(Duration::from_millis(milliseconds))
}

/// Reads a size in octets: one whole number with its unit.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit, after) = number_and_unit(text.trim())?;
    if !after.is_empty() {
        return Err("has more than one number".to_owned());
    }
    let lower = unit.to_lowercase();
    let (_, worth) = SIZE.iter().find(|(name, _)| *name == lower).ok_or_else(|| {
        if unit.is_empty() {
            "has no unit".into()
        } else {
            format!("has the unknown unit {unit:?}")
        }
    })?;
    number.checked_mul(*worth).ok_or_else(|| "is too large".to_owned())
}

/// Reads a rate: a count, `per`, a duration; neither may be zero.
pub fn parse_rate(text: &str) -> Result<Rate, String> {
    let (count, per) = text
        .split_once(" per ")
        .ok_or_else(|| "has no \"per\" between two parts".to_owned())?;
    let count: u32 = count
        .trim()
        .parse()
        .map_err(|_| format!("has {:?} where a whole number belongs", count.trim()))?;
    let count = NonZeroU32::new(count).ok_or_else(|| "allows nothing at all".to_owned())?;
    let per = parse_duration(per).map_err(|problem| format!("has a duration that {problem}"))?;
    if per.is_zero() {
        return Err("is per no time at all".to_owned());
    }
    Ok(Rate { count, per })
}

/// The number and the unit at the beginning of `text`, and what follows them.
fn number_and_unit(text: &str) -> Result<(u64, &str, &str), String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if digits == 0 {
        return Err("has no whole number where one belongs".to_owned());
    }
    let number = text[..digits]
        .parse()
        .map_err(|_| "has a number that is too large".to_owned())?;
    let rest = text[digits..].trim_start();
    if rest.starts_with(['.', ',']) {
        return Err("has a fraction".to_owned());
    }
    let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(letters);
    Ok((number, unit, after.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: std::fmt::Debug + PartialEq>(
        parse: fn(&str) -> Result<T, String>,
        good: &[(&str, T)],
        bad: &[(&str, &str)],
    ) {
        for (text, expected) in good {
            assert_eq!(parse(text).as_ref(), Ok(expected), "{text:?}");
        }
        for (text, problem) in bad {
            assert_eq!(parse(text).unwrap_err(), *problem, "{text:?}");
        }
    }

    #[test]
    fn durations_are_whole_numbers_with_units() {
        let seconds = Duration::from_secs;
        check(
            parse_duration,
            &[
                ("30s", seconds(30)),
                ("5m", seconds(300)),
                ("4h", seconds(14_400)),
                ("3d", seconds(259_200)),
                ("15 min", seconds(900)),
                ("1h30m", seconds(5_400)),
                (" 1 day 2 hours ", seconds(93_600)),
                ("0s", seconds(0)),
            ],
            &[
                ("", "is empty"),
                ("30", "has no unit"),
                ("5 parsecs", "has the unknown unit \"parsecs\""),
                ("1.5h", "has a fraction"),
                ("soon", "has no whole number where one belongs"),
                ("-5m", "has no whole number where one belongs"),
                ("1h and 5m", "has no whole number where one belongs"),
                ("40000d", "is longer than a hundred years"),
                ("99999999999999999999s", "has a number that is too large"),
                ("18446744073709551615w", "is longer than a hundred years"),
            ],
        );
    }

    #[test]
    fn sizes_are_decimal_or_binary_by_their_unit() {
        check(
            parse_size,
            &[
                ("25 MiB", 26_214_400),
                ("50 MB", 50_000_000),
                ("1 KiB", 1_024),
                ("1gb", 1_000_000_000),
                ("12 B", 12),
            ],
            &[
                ("25", "has no unit"),
                ("25 MX", "has the unknown unit \"MX\""),
                ("1.5 GiB", "has a fraction"),
                ("1 MiB 2 KiB", "has more than one number"),
                ("99999999999999 GiB", "is too large"),
            ],
        );
    }

    #[test]
    fn rates_are_a_count_per_a_duration() {
        let rate = |count, per| Rate {
            count: NonZeroU32::new(count).unwrap(),
            per: Duration::from_secs(per),
        };
        check(
            parse_rate,
            &[("300 per 5m", rate(300, 300)), ("1 per 1h", rate(1, 3_600))],
            &[
                ("300", "has no \"per\" between two parts"),
                ("300/5m", "has no \"per\" between two parts"),
                ("many per 5m", "has \"many\" where a whole number belongs"),
                ("0 per 5m", "allows nothing at all"),
                ("5 per 0s", "is per no time at all"),
                (
                    "5 per minute",
                    "has a duration that has no whole number where one belongs",
                ),
            ],
        );
    }
}
