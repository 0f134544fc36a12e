//! The email context: the named facts that an expression may see, by one table.

pub mod table;

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    expression::{Reads, shape::Shape},
    message::{self, Attachment, HeaderField, Message, Report, ReturnPath, address::NameAddr},
};

/// What the message itself does not say: how it came.
#[derive(Debug, Clone)]
pub struct Arrival<'a> {
    /// The mailbox's name in the configuration.
    pub mailbox: &'a str,
    /// The folder as people write it.
    pub folder: &'a str,
    /// 0 where the mailbox has no UIDs.
    pub uid: u32,
    /// The internal date.
    pub received: Timestamp,
    /// In octets.
    pub size: u64,
    /// Whose Authentication-Results are believed.
    pub trusted_authserv_ids: &'a [String],
    /// Start and end tags around ticket numbers, of all connections.
    pub subject_tags: &'a [(String, String)],
}

/// Under `email`, what code reads for every message.
const ALWAYS: &str = "auth";

/// The value of `email`, with every name of the table in it.
pub fn email(message: &Message, arrival: &Arrival<'_>) -> Value {
    with(message, arrival, |_| true)
}

/// The same with the names alone that are read.
pub fn email_as_read(message: &Message, arrival: &Arrival<'_>, reads: &Reads) -> Value {
    let is_read = reads.under("email");
    with(message, arrival, |name| name == ALWAYS || is_read(name))
}

fn with(message: &Message, arrival: &Arrival<'_>, wanted: impl Fn(&str) -> bool) -> Value {
    let facts = table::EMAIL.iter().filter(|fact| wanted(fact.name));
    let values = facts.map(|fact| (fact.name.to_owned(), value(fact.name, message, arrival)));
    Value::Object(values.collect())
}

/// The shape of `email`, by the same table.
pub fn email_shape() -> Shape {
    table::shape_of(table::EMAIL)
}

/// The shape of `meta`.
pub fn meta_shape() -> Shape {
    table::shape_of(table::META)
}

/// The value of one name; what the table names and nobody knows is null, and a test finds it.
fn value(name: &str, message: &Message, arrival: &Arrival<'_>) -> Value {
    match name {
        "mailbox" => json!(arrival.mailbox),
        "folder" => json!(arrival.folder),
        "uid" => json!(arrival.uid),
        "received" => json!(rfc_3339(Some(arrival.received))),
        "size" => json!(arrival.size),
        "auth" => auth(message, arrival),
        "ticket_ids" => json!(message::ticket_ids(&message.subject, arrival.subject_tags)),
        "body" | "text" | "html" | "visible" | "quoted" | "signature" | "attachments" => content(name, message),
        "from" | "sender" | "reply_to" | "return_path" | "to" | "cc" | "recipients" | "original_sender" => {
            people(name, message)
        }
        _ => header(name, message),
    }
}

fn people(name: &str, message: &Message) -> Value {
    match name {
        "from" => author(message),
        "sender" => mailbox(&message.sender),
        "reply_to" => mailbox(&message.reply_to),
        "return_path" => match &message.return_path {
            ReturnPath::To(to) => mailbox(to),
            ReturnPath::Missing | ReturnPath::Null => mailbox(&NameAddr::default()),
        },
        "to" => message.to.iter().map(mailbox).collect(),
        "cc" => message.cc.iter().map(mailbox).collect(),
        "original_sender" => message.original_sender.as_ref().map_or(Value::Null, mailbox),
        _ => {
            let mut seen = HashSet::new();
            message
                .to
                .iter()
                .chain(&message.cc)
                .filter(|one| seen.insert(&one.address))
                .map(mailbox)
                .collect()
        }
    }
}

fn content(name: &str, message: &Message) -> Value {
    match name {
        "body" => json!(message.body),
        "visible" => json!(message.split.visible),
        "quoted" => json!(message.split.quoted),
        "signature" => json!(message.split.signature),
        "text" => json!(message.text),
        "html" => json!(message.html),
        "attachments" => message.attachments.iter().enumerate().map(attachment).collect(),
        _ => json!(""),
    }
}

fn header(name: &str, message: &Message) -> Value {
    match name {
        "subject" => json!(message.subject),
        "topic" => json!(message::topic(&message.subject)),
        "message_id" => json!(message.message_id),
        "in_reply_to" => json!(message.in_reply_to),
        "references" => json!(message.references),
        "date" => json!(rfc_3339(message.date)),
        "headers" => headers(&message.header_fields),
        "header_list" => message
            .header_fields
            .iter()
            .map(|field| json!({ "name": field.name, "value": field.value }))
            .collect(),
        "automatic" => json!(message.automatic().is_some()),
        "automatic_reason" => json!(message.automatic().unwrap_or("")),
        "junk" => json!(message.junk),
        "report" => message.report.as_ref().map_or(Value::Null, report),
        _ => Value::Null,
    }
}

fn rfc_3339(time: Option<Timestamp>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}

fn mailbox(one: &NameAddr) -> Value {
    let local = if one.address.is_empty() { "" } else { one.local_part() };
    json!({ "address": one.address, "display": one.display(), "name": one.name, "local": local, "domain": one.domain() })
}

fn author(message: &Message) -> Value {
    let mut author = mailbox(&message.author);
    author["source"] = json!(message.author_source);
    author
}

fn attachment((number, one): (usize, &Attachment)) -> Value {
    json!({
        "name": one.name,
        "content_type": one.content_type,
        "size": one.size,
        "inline": one.inline,
        "content_id": one.content_id,
        "number": number,
    })
}

fn report(report: &Report) -> Value {
    json!({
        "final_recipient": report.final_recipient,
        "status": report.status,
        "diagnostic": report.diagnostic,
        "original_message_id": report.original_message_id,
    })
}

fn auth(message: &Message, arrival: &Arrival<'_>) -> Value {
    let auth = message.auth(arrival.trusted_authserv_ids);
    json!({ "spf": auth.spf, "dkim": auth.dkim, "dmarc": auth.dmarc, "aligned": auth.aligned })
}

/// Fields by name in lower case; repeated ones are joined with newlines, in order.
fn headers(fields: &[HeaderField]) -> Value {
    let mut headers: Map<String, Value> = Map::new();
    for field in fields {
        match headers.entry(field.name.to_lowercase()).or_insert_with(|| json!("")) {
            Value::String(text) if text.is_empty() => text.push_str(&field.value),
            Value::String(text) => {
                text.push('\n');
                text.push_str(&field.value);
            }
            _ => {}
        }
    }
    Value::Object(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival<'a>() -> Arrival<'a> {
        Arrival {
            mailbox: "support",
            folder: "INBOX",
            uid: 7,
            received: Timestamp::UNIX_EPOCH,
            size: 0,
            trusted_authserv_ids: &[],
            subject_tags: &[],
        }
    }

    #[track_caller]
    fn check(message: &str, pointer: &str, expected: Value) {
        let email = email(&Message::read(message.as_bytes()), &arrival());
        assert_eq!(email.pointer(pointer), Some(&expected), "{pointer}");
    }

    #[test]
    fn what_is_missing_is_empty() {
        check(
            "",
            "/from",
            json!({ "address": "", "display": "", "name": "", "local": "", "domain": "", "source": "" }),
        );
        check("", "/to", json!([]));
        check("", "/date", json!(""));
        check("", "/report", json!(null));
        check("", "/original_sender", json!(null));
        check("", "/automatic", json!(false));
        check("", "/auth/spf", json!("none"));
    }

    #[test]
    fn repeated_fields_are_joined_in_order() {
        check("X-A: 1\r\nx-a: 2\r\nX-a: \r\n\r\n", "/headers/x-a", json!("1\n2\n"));
    }

    #[test]
    fn recipients_come_once() {
        check(
            "To: a@b.example, c@d.example\r\nCc: A@b.example\r\n\r\n",
            "/recipients/1/address",
            json!("c@d.example"),
        );
        let email = email(
            &Message::read(b"To: a@b.example\r\nCc: A@b.example\r\n\r\n"),
            &arrival(),
        );
        assert_eq!(email["recipients"].as_array().map(Vec::len), Some(1));
    }
}
