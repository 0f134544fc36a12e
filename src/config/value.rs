//! One value: read by its type. A file has to write the right type; the environment has texts alone, which may
//! stand for a number, a flag or a list.

use std::time::Duration;

use ::config::{Value, ValueKind};

use super::{
    Rate,
    fault::suggest,
    layers::ENVIRONMENT,
    unit::{parse_duration, parse_rate, parse_size},
};

/// Why a value is refused: what is wrong, to follow the value's path, and what to do.
pub struct Refusal {
    pub problem: String,
    pub remedy: String,
}

/// A value as it was understood.
pub type Read<T> = Result<T, Refusal>;

/// A refusal in two texts.
pub fn refuse<T>(problem: impl Into<String>, remedy: impl Into<String>) -> Read<T> {
    Err(Refusal {
        problem: problem.into(),
        remedy: remedy.into(),
    })
}

/// A value for a fault: short, and never more than its kind where it is not a scalar.
pub fn show(value: &Value) -> String {
    match &value.kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::Boolean(flag) => flag.to_string(),
        ValueKind::String(text) if text.chars().count() > 80 => {
            format!("{:?}…", text.chars().take(80).collect::<String>())
        }
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        number => number.to_string(),
    }
}

/// The kind of a value, for a fault that must not print it.
pub fn kind(value: &Value) -> &'static str {
    match &value.kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::String(_) => "a text",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
        _ => "a number",
    }
}

/// Whether the value is a text from the environment, which may stand for a number, a flag or a list.
fn from_environment(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::String(text) if value.origin() == Some(ENVIRONMENT) => Some(text),
        _ => None,
    }
}

/// A text that says something.
pub fn text(value: &Value) -> Read<String> {
    match &value.kind {
        ValueKind::String(text) if text.trim().is_empty() => refuse("is empty", "write a value, or leave the key out"),
        ValueKind::String(text) => Ok(text.clone()),
        ValueKind::Table(_) | ValueKind::Array(_) => {
            refuse(format!("is {}, not a text", show(value)), "write one text")
        }
        _ => refuse(
            format!("is {}, not a text", show(value)),
            format!("put it in quotes: \"{}\"", show(value)),
        ),
    }
}

/// A text of one line: it goes into protocols and logs, where a line break would begin something else.
pub fn line(value: &Value) -> Read<String> {
    let written = text(value)?;
    if written.chars().any(char::is_control) {
        return refuse(
            format!("is {}, with a control character in it", show(value)),
            "write it in one line",
        );
    }
    Ok(written)
}

/// `true` or `false`.
pub fn flag(value: &Value) -> Read<bool> {
    match (&value.kind, from_environment(value)) {
        (ValueKind::Boolean(flag), _) => Ok(*flag),
        (_, Some("true")) => Ok(true),
        (_, Some("false")) => Ok(false),
        _ => refuse(
            format!("is {}, not true or false", show(value)),
            "write true or false, without quotes",
        ),
    }
}

/// A whole number.
pub fn whole(value: &Value) -> Read<i64> {
    let parsed = from_environment(value).and_then(|text| text.trim().parse::<i64>().ok());
    match (&value.kind, parsed) {
        (ValueKind::I64(number), _) => Ok(*number),
        (_, Some(number)) => Ok(number),
        _ => refuse(
            format!("is {}, not a whole number", show(value)),
            "write a number without quotes",
        ),
    }
}

/// The port of a server.
pub fn port(value: &Value) -> Read<u16> {
    let number = whole(value)?;
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(port),
        _ => refuse(
            format!("is {number}, which is no port"),
            "write a number from 1 to 65535",
        ),
    }
}

/// A duration that is not zero.
pub fn duration(value: &Value) -> Read<Duration> {
    const EXAMPLE: &str = "write a number and a unit, such as \"30s\", \"15 min\" or \"1h30m\"";
    match with_unit(value, "a duration", EXAMPLE, parse_duration)? {
        Duration::ZERO => refuse(format!("is {}, which is no time at all", show(value)), EXAMPLE),
        duration => Ok(duration),
    }
}

/// A size in octets that is not zero.
pub fn size(value: &Value) -> Read<u64> {
    const EXAMPLE: &str = "write a number and a unit, such as \"25 MiB\" or \"500 KB\"";
    match with_unit(value, "a size", EXAMPLE, parse_size)? {
        0 => refuse(format!("is {}, which leaves room for nothing", show(value)), EXAMPLE),
        size => Ok(size),
    }
}

/// A rate.
pub fn rate(value: &Value) -> Read<Rate> {
    with_unit(
        value,
        "a rate",
        "write a count per a duration, such as \"300 per 5m\"",
        parse_rate,
    )
}

fn with_unit<T>(value: &Value, what: &str, example: &str, parse: fn(&str) -> Result<T, String>) -> Read<T> {
    match &value.kind {
        ValueKind::String(text) => {
            parse(text).or_else(|problem| refuse(format!("is {}, which as {what} {problem}", show(value)), example))
        }
        _ => refuse(format!("is {}, not {what}", show(value)), example),
    }
}

/// One of a few words.
pub fn choice<T: Copy>(value: &Value, words: &[(&str, T)]) -> Read<T> {
    let known = || words.iter().map(|(word, _)| *word);
    let remedy = |near: String| {
        if near.starts_with("did") {
            near
        } else {
            format!("write {}", quoted_list(known()))
        }
    };
    let ValueKind::String(written) = &value.kind else {
        return refuse(format!("is {}, not a word", show(value)), remedy(String::new()));
    };
    match words.iter().find(|(word, _)| word == written) {
        Some((_, chosen)) => Ok(*chosen),
        None => refuse(
            format!("is {}, which is not known", show(value)),
            remedy(suggest(written, known().collect::<Vec<_>>())),
        ),
    }
}

/// `"a", "b" or "c"`.
fn quoted_list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut words: Vec<String> = words.map(|word| format!("{word:?}")).collect();
    let last = words.pop().unwrap_or_default();
    if words.is_empty() {
        last
    } else {
        format!("{} or {last}", words.join(", "))
    }
}

/// The items of a list; the environment writes a list with commas.
pub fn items(value: &Value) -> Read<Vec<Value>> {
    if let Some(text) = from_environment(value) {
        let origin = ENVIRONMENT.to_owned();
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        return Ok(parts.map(|part| Value::new(Some(&origin), part)).collect());
    }
    match &value.kind {
        ValueKind::Array(items) => Ok(items.clone()),
        ValueKind::String(_) => refuse(
            format!("is {}, not a list", show(value)),
            format!("put it in brackets: [{}]", show(value)),
        ),
        _ => refuse(
            format!("is {}, not a list", show(value)),
            "write a list: [\"…\", \"…\"]",
        ),
    }
}
