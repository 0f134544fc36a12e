//! The three forms of a log line.

use std::{
    fmt::{self, Write as _},
    io::Write,
};

use serde_json::{Map, Value};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer::Context};

use super::{
    journald::Journald,
    print::{LogLines, plain},
    record::Record,
};

/// Writes each event as one line.
pub struct Lines(pub Form);

/// How a line looks and where it goes.
pub enum Form {
    /// For people, on standard error.
    Text { colours: bool },
    /// One object a line, on standard error.
    Json,
    /// The systemd journal.
    Journald(Journald),
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let record = Record::of(event);
        let line = match &self.0 {
            Form::Text { colours } => text(&record, *colours),
            Form::Json => json(&record),
            // What the journal does not take is not lost: under systemd standard error leads there as well.
            Form::Journald(journald) => match journald.send(&record) {
                Ok(()) => return,
                Err(_) => text(&record, false),
            },
        };
        // Whoever reads it may be gone, and there is nobody else to tell.
        let _ = LogLines.write_all(line.as_bytes());
    }
}

/// Time, level, sentence, fields. What the sentence has said already is not said again, but for numbers, by which
/// lines are looked for.
fn text(record: &Record, colours: bool) -> String {
    let mut line = String::with_capacity(256);
    // Nothing is lost: a text takes what is written to it.
    let _ = write_text(&mut line, record, colours);
    line
}

fn write_text(line: &mut String, record: &Record, colours: bool) -> fmt::Result {
    let Record { time, level, .. } = record;
    match colours {
        false => write!(line, "{time:.3} {level:>5}")?,
        true => write!(line, "{time:.3} \x1b[{}m{level:>5}\x1b[0m", colour(*level))?,
    }
    write!(line, " {}", plain(&record.message))?;
    for (name, value) in &record.fields {
        match value {
            Value::String(text) if says(&record.message, text) => {}
            Value::String(text) if is_bare(text) => write!(line, " {name}={text}")?,
            Value::String(text) => write!(line, " {name}={:?}", plain(text))?,
            other => write!(line, " {name}={other}")?,
        }
    }
    line.push('\n');
    Ok(())
}

/// Whether the sentence has this text, and not as a part of a word.
fn says(sentence: &str, text: &str) -> bool {
    let goes_on = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    sentence.match_indices(text).any(|(at, found)| {
        let (before, after) = (&sentence[..at], &sentence[at + found.len()..]);
        !goes_on(before.chars().next_back()) && !goes_on(after.chars().next())
    })
}

/// Whether it needs no quotation marks to be told from what stands beside it.
fn is_bare(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic() && !['"', '='].contains(&c))
}

/// By ECMA-48, 8.3.117.
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        _ => 34,
    }
}

fn json(record: &Record) -> String {
    let mut line = Map::new();
    line.insert("timestamp".to_owned(), format!("{:.6}", record.time).into());
    line.insert("level".to_owned(), record.level.as_str().into());
    line.insert("message".to_owned(), record.message.as_str().into());
    let fields = record.fields.iter();
    line.extend(fields.map(|(name, value)| ((*name).to_owned(), value.clone())));
    line.insert("target".to_owned(), record.target.as_str().into());
    format!("{}\n", Value::Object(line))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    fn record(message: &str, fields: Vec<(&'static str, Value)>) -> Record {
        Record {
            time: Timestamp::UNIX_EPOCH,
            level: Level::INFO,
            target: "halo_intake".to_owned(),
            message: message.to_owned(),
            fields,
        }
    }

    #[test]
    fn a_line_for_people_says_nothing_twice_but_numbers() {
        let fields = vec![
            ("id", json!(17)),
            ("mailbox", json!("support")),
            ("outcome", json!("completed")),
            ("rule", json!("mess")),
        ];
        assert_eq!(
            text(&record("message 17: completed", fields), false),
            "1970-01-01T00:00:00.000Z  INFO message 17: completed id=17 mailbox=support rule=mess\n"
        );
    }

    #[test]
    fn what_comes_from_outside_makes_no_second_line() {
        let forged = "no\n1970-01-01T00:00:00Z  INFO message 18: completed";
        let record = record(forged, vec![("reason", json!("a\nb"))]);
        assert_eq!(text(&record, false).lines().count(), 1);
        assert_eq!(json(&record).lines().count(), 1);
        assert!(text(&record, false).contains("reason=\"a b\""));
    }
}
