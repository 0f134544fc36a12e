//! Dates in a time zone and a form.

use std::sync::LazyLock;

use jiff::{
    Timestamp,
    fmt::strtime,
    tz::{TimeZone, TimeZoneDatabase},
};
use tera::Value;

use super::Input;
use crate::expression::budget::Stop;

/// What is written where no format is given.
const FORMAT: &str = "%Y-%m-%d %H:%M";
/// A format may be so long; each of its directives writes a few octets.
const LONGEST_FORMAT: usize = 500;

/// An RFC 3339 date, as it is read elsewhere; nothing for an empty text.
pub fn format_date(input: &mut Input<'_>) -> Result<Value, Stop> {
    let text = input.text()?;
    let text = text.trim();
    if text.is_empty() {
        return Ok(Value::from(""));
    }
    let Ok(instant) = text.parse::<Timestamp>() else {
        let short: String = text.chars().take(40).collect();
        return Err(Stop::Failed(format!("{short:?} is no date as RFC 3339 writes it")));
    };
    let zone = match input.text_argument("timezone")? {
        Some(name) => zone(&name).map_err(Stop::Failed)?,
        None => TimeZone::UTC,
    };
    let format = input.text_argument("format")?;
    let made = written(&instant, zone, format.as_deref().unwrap_or(FORMAT)).map_err(Stop::Failed)?;
    input.made(made)
}

/// The zones that came with the program, and no others: those of a machine may be missing in its container, or be old.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone by its name.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    ZONES
        .get(name)
        .map_err(|_| format!("the time zone {name:?} is not known"))
}

/// Whether a format can be written; the reason where it can not.
pub fn check_format(format: &str) -> Result<(), String> {
    written(&Timestamp::UNIX_EPOCH, TimeZone::UTC, format).map(drop)
}

fn written(instant: &Timestamp, zone: TimeZone, format: &str) -> Result<String, String> {
    // A directive can ask for padding (`%99999d`), so widths are bounded as well as the length.
    let widest = format
        .split(|c: char| !c.is_ascii_digit())
        .map(str::len)
        .max()
        .unwrap_or(0);
    if format.len() > LONGEST_FORMAT || widest > 3 {
        return Err(format!(
            "the format is longer than {LONGEST_FORMAT} octets or has a width above 999"
        ));
    }
    strtime::format(format, &instant.to_zoned_datetime(zone))
        .map_err(|error| format!("the format {format:?} can not be written: {error}"))
}
