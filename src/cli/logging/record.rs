//! One log line as data: its sentence and its fields, whatever form it takes.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;
use tracing::{
    Event, Level,
    field::{Field, Visit},
};

use super::print::plain;

/// What of a library that logs by another way says where its line comes from.
const OF_THE_OTHER_WAY: &str = "log.";

/// A log line.
#[derive(Debug)]
pub struct Record {
    pub time: Timestamp,
    pub level: Level,
    /// The module that says it.
    pub target: String,
    /// The sentence.
    pub message: String,
    /// In their order; one that is empty is left out.
    pub fields: Vec<(&'static str, Value)>,
}

impl Record {
    /// The line that this event makes.
    pub fn of(event: &Event<'_>) -> Record {
        let mut record = Record {
            time: Timestamp::now(),
            level: *event.metadata().level(),
            target: event.metadata().target().to_owned(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut record);
        record
    }

    fn note(&mut self, field: &Field, text: &str) {
        let text = calm(text);
        match field.name() {
            "message" => self.message = text,
            "log.target" => self.target = text,
            name if name.starts_with(OF_THE_OTHER_WAY) || text.is_empty() => {}
            name => self.fields.push((name, text.into())),
        }
    }

    fn number(&mut self, field: &Field, value: Value) {
        if !field.name().starts_with(OF_THE_OTHER_WAY) {
            self.fields.push((field.name(), value));
        }
    }
}

/// A line break stays one, for the forms that can hold it. Nothing else of a text from outside acts on a terminal.
fn calm(text: &str) -> String {
    let mut calm = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            calm.push('\n');
        }
        calm += &plain(line);
    }
    calm
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.note(field, &format!("{value:?}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, value.into());
    }
}
