//! What is shown small: times with their age, outcomes, sizes, and texts of strangers.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use maud::{Markup, html};
use serde_json::Value;

use crate::{count::counted, when};

/// Longer values of a trace are cut; `show --format json` has them whole.
const LONGEST_VALUE: usize = 2_000;

/// `09:10:12 UTC (14 min ago)`; the date stands before it where it is another day.
pub fn time(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (clock(at, now)) " " span .age { "(" (age(at, now)) ")" } }
    }
}

/// `09:10:12 UTC`
pub fn clock(at: Timestamp, now: Timestamp) -> String {
    let day = |at: Timestamp| TimeZone::UTC.to_datetime(at).date();
    let form = if day(at) == day(now) {
        "%H:%M:%S UTC"
    } else {
        "%Y-%m-%d %H:%M:%S UTC"
    };
    at.strftime(form).to_string()
}

/// `14 min ago`, `in 3 h`
fn age(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    let length = when::length(Duration::from_secs(seconds.unsigned_abs()));
    match seconds {
        0 => "just now".to_owned(),
        1.. => format!("{length} ago"),
        _ => format!("in {length}"),
    }
}

/// An outcome's word in the colour that `log` gives it, with the number of attempts where there was more than one.
pub fn outcome(word: &str, attempts: u32) -> Markup {
    html! {
        span .outcome .(tone(word)) { (word) @if attempts > 1 { " (" (attempts) ")" } }
    }
}

/// What a glance should tell: green is well, red wants somebody, yellow is not over.
pub fn tone(word: &str) -> &'static str {
    match word {
        "completed" => "good",
        "failed" | "interrupted" => "bad",
        "bounced" | "deferred" | "pending" => "open",
        _ => "calm",
    }
}

/// `1.2 MiB`
pub fn size(octets: u64) -> String {
    const STEPS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match STEPS.iter().find(|(_, step)| octets >= *step) {
        Some((unit, step)) => {
            let tenths = octets / (step / 10);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => counted(octets, "octet"),
    }
}

/// A text of a stranger in one line, without what would turn its direction or write over the line.
pub fn line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    plain.filter(|c| is_calm(*c)).collect()
}

/// The same with its lines.
pub fn lines(text: &str) -> String {
    text.chars()
        .filter(|c| matches!(c, '\n' | '\t') || is_calm(*c))
        .collect()
}

/// Neither a control character, nor one that turns the direction of what follows (Unicode's bidirectional algorithm).
fn is_calm(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text with at most so many characters, and whether that is all of it.
pub fn cut(text: &str, longest: usize) -> (&str, bool) {
    match text.char_indices().nth(longest) {
        Some((end, _)) => (&text[..end], false),
        None => (text, true),
    }
}

/// A value in one line, cut where it is long.
pub fn value(value: &Value) -> String {
    let written = match value {
        Value::String(text) => format!("{:?}", line(text)),
        other => line(&other.to_string()),
    };
    match cut(&written, LONGEST_VALUE) {
        (whole, true) => whole.to_owned(),
        (part, false) => format!("{part}…"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_has_its_age_beside_it_and_its_date_on_another_day() {
        let now = at("2026-11-26T09:24:30Z");
        for (time, expected) in [
            ("2026-11-26T09:10:12.5Z", "09:10:12 UTC (14 min ago)"),
            ("2026-11-26T09:24:20Z", "09:24:20 UTC (10 s ago)"),
            ("2026-11-26T09:24:29.9Z", "09:24:29 UTC (just now)"),
            ("2026-11-25T23:00:00Z", "2026-11-25 23:00:00 UTC (10 h ago)"),
            ("2026-11-20T09:00:00Z", "2026-11-20 09:00:00 UTC (6 days ago)"),
            ("2026-11-26T11:24:31Z", "11:24:31 UTC (in 2 h)"),
        ] {
            let time = at(time);
            assert_eq!(format!("{} ({})", clock(time, now), age(time, now)), expected);
        }
    }

    #[test]
    fn sizes_are_in_the_unit_that_a_person_would_take() {
        for (octets, expected) in [
            (1, "1 octet"),
            (900, "900 octets"),
            (1_536, "1.5 KiB"),
            (50 << 20, "50.0 MiB"),
            (3 << 30, "3.0 GiB"),
        ] {
            assert_eq!(size(octets), expected);
        }
    }

    #[test]
    fn what_a_mail_says_neither_turns_round_nor_writes_over() {
        assert_eq!(
            line("invoice\u{202e}fdp.exe\r\n\x1b[31m\u{2028}x"),
            "invoicefdp.exe  [31m x"
        );
        assert_eq!(lines("a\r\n\tb\u{2067}\0c"), "a\n\tbc");
        assert_eq!(value(&json!("a\"\u{202e}b")), "\"a\\\"b\"");
        assert_eq!(value(&json!("x".repeat(3_000))).chars().count(), LONGEST_VALUE + 1);
    }
}
