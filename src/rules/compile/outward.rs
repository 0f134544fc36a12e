//! The fields of the steps that reach others than Halo.

use reqwest::header::HeaderName;
use serde_json::{Map, Value};

use super::{Compiler, field::describe, find};
use crate::{
    action::{Kind, Row, http_request},
    config::{ActionSource, endpoint::is_allowed, fault::Fault},
    rules::{Entry, FieldSource},
    secret::Source,
};

/// The program itself says what stands in these (RFC 9110, 7.2 and 8.6; RFC 9112, 6.1 and 9.6).
const OURS: [&str; 5] = [
    "connection",
    "content-length",
    "host",
    "idempotency-key",
    "transfer-encoding",
];
/// These sign somebody in, so that a text would lie open in the journal.
const SECRET: [&str; 6] = [
    "api-key",
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-auth-token",
];

/// How a secret is written.
const SOURCES: &str =
    "write { credential = \"NAME\" }, { file = \"PATH\" } or { env = \"NAME\" }, each of which holds all of it";

impl Compiler<'_> {
    /// Nothing in a message may choose who is asked.
    pub(super) fn url(&mut self, text: &str, path: &str) -> FieldSource {
        let (problem, remedy) = match http_request::literal_server(text) {
            None => (
                "names no server before its first expression",
                "begin with \"https://HOST/\"; no message chooses whom we ask",
            ),
            Some(server) if !is_allowed(&server) => (
                "is not for a server under TLS",
                "begin with \"https://HOST/\", without a login; http is for this machine alone",
            ),
            Some(_) => return self.literal(text, path),
        };
        self.faults.push(Fault::at(path, format!("url {problem}"), remedy));
        self.literal(text, path)
    }

    pub(super) fn headers(&mut self, table: &Map<String, Value>, path: &str) -> FieldSource {
        let mut entries = Vec::new();
        for (field, value) in table {
            let path = format!("{path}.{field}");
            self.check_header(field, value, &path);
            let entry = match value {
                Value::Object(_) => self.secret(field, value, &path),
                Value::String(text) => Some(self.text_entry(text, &path)),
                _ => {
                    let problem = format!("{field} is {}", describe(value));
                    self.faults
                        .push(Fault::at(&path, problem, "it needs a text or a secret"));
                    None
                }
            };
            entries.extend(entry.map(|entry| (field.clone(), entry)));
        }
        FieldSource::Entry(Entry::Table(entries))
    }

    fn check_header(&mut self, field: &str, value: &Value, path: &str) {
        let lower = field.to_ascii_lowercase();
        let (problem, remedy) = if OURS.contains(&lower.as_str()) {
            ("is set by the program itself", "leave it out")
        } else if HeaderName::from_bytes(field.as_bytes()).is_err() {
            ("is no name of a header field", "it needs letters, digits and -")
        } else if SECRET.contains(&lower.as_str()) && !value.is_object() {
            ("signs in, and would lie open in the journal", SOURCES)
        } else {
            return;
        };
        self.faults
            .push(Fault::at(path, format!("the header {field} {problem}"), remedy));
    }

    /// Kept by its name: the fields of a step stand in the journal.
    fn secret(&mut self, field: &str, value: &Value, path: &str) -> Option<Entry> {
        if serde_json::from_value::<Source>(value.clone()).is_ok() {
            return Some(Entry::Fixed(value.clone()));
        }
        let problem = format!("the header {field} names no secret");
        self.faults.push(Fault::at(path, problem, SOURCES));
        None
    }

    pub(super) fn json(&mut self, value: &Value, path: &str) -> FieldSource {
        match value {
            Value::String(text) => self.literal(text, path),
            value => FieldSource::Entry(self.entry(value, path)),
        }
    }

    fn entry(&mut self, value: &Value, path: &str) -> Entry {
        match value {
            Value::String(text) => self.text_entry(text, path),
            Value::Array(items) => {
                let entry = |(index, item)| self.entry(item, &format!("{path}[{index}]"));
                Entry::List(items.iter().enumerate().map(entry).collect())
            }
            Value::Object(table) => {
                let entry =
                    |(key, value): (&String, &Value)| (key.clone(), self.entry(value, &format!("{path}.{key}")));
                Entry::Table(table.iter().map(entry).collect())
            }
            value => Entry::Fixed(value.clone()),
        }
    }

    fn text_entry(&mut self, text: &str, path: &str) -> Entry {
        let names = self.names();
        Entry::Text(self.template(text, path, &names))
    }

    /// What a request says, it says in one way, and where it asks only it says nothing.
    pub(super) fn one_body(&mut self, source: &ActionSource, row: &Row) {
        if row.kind != Kind::HttpRequest {
            return;
        }
        let written = |key| find(source, key).is_some();
        if written("json") && written("body") {
            let problem = "http_request has both json and body";
            self.faults
                .push(Fault::at(&source.path, problem, "leave one of them out"));
        } else if find(source, "method").and_then(Value::as_str) == Some("GET") && (written("json") || written("body"))
        {
            let problem = "a GET says nothing";
            let remedy = "leave json and body out, or write another method";
            self.faults.push(Fault::at(&source.path, problem, remedy));
        }
    }
}
