//! The email context: the named facts that an expression may see, by one table.

pub mod table;

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    expression::{Reads, Shared, shape::Shape},
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
pub fn email(message: &Message, arrival: &Arrival<'_>) -> Shared {
    with(message, arrival, |_| true)
}

/// The same with the names alone that are read.
pub fn email_as_read(message: &Message, arrival: &Arrival<'_>, reads: &Reads) -> Shared {
    let is_read = reads.under("email");
    with(message, arrival, |name| name == ALWAYS || is_read(name))
}

fn with(message: &Message, arrival: &Arrival<'_>, wanted: impl Fn(&str) -> bool) -> Shared {
    let facts = table::EMAIL.iter().filter(|fact| wanted(fact.name));
    facts
        .map(|fact| (fact.name, value(fact.name, message, arrival)))
        .collect()
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
fn value(name: &str, message: &Message, arrival: &Arrival<'_>) -> Shared {
    match name {
        "mailbox" => arrival.mailbox.into(),
        "folder" => arrival.folder.into(),
        "uid" => u64::from(arrival.uid).into(),
        "received" => rfc_3339(arrival.received),
        "size" => arrival.size.into(),
        "auth" => auth(message, arrival),
        "ticket_ids" => list(message::ticket_ids(&message.subject, arrival.subject_tags)),
        "body" | "text" | "html" | "visible" | "quoted" | "signature" | "attachments" => content(name, message),
        "from" | "sender" | "reply_to" | "return_path" | "to" | "cc" | "recipients" | "original_sender" => {
            people(name, message)
        }
        _ => header(name, message),
    }
}

fn people(name: &str, message: &Message) -> Shared {
    match name {
        "from" => {
            let author = mailbox_fields(&message.author);
            let source = ("source", message.author_source.into());
            author.into_iter().chain([source]).collect()
        }
        "sender" => mailbox(&message.sender),
        "reply_to" => mailbox(&message.reply_to),
        "return_path" => match &message.return_path {
            ReturnPath::To(to) => mailbox(to),
            ReturnPath::Missing | ReturnPath::Null => mailbox(&NameAddr::default()),
        },
        "to" => list(message.to.iter().map(mailbox)),
        "cc" => list(message.cc.iter().map(mailbox)),
        "original_sender" => message.original_sender.as_ref().map(mailbox).into(),
        _ => {
            let mut seen = HashSet::new();
            let all = message.to.iter().chain(&message.cc);
            list(all.filter(|one| seen.insert(&one.address)).map(mailbox))
        }
    }
}

fn content(name: &str, message: &Message) -> Shared {
    match name {
        "body" => message.body.as_str().into(),
        "visible" => message.split.visible.as_str().into(),
        "quoted" => message.split.quoted.as_str().into(),
        "signature" => message.split.signature.as_str().into(),
        "text" => message.text.as_str().into(),
        "html" => message.html.as_str().into(),
        "attachments" => list(message.attachments.iter().zip(0..).map(attachment)),
        _ => "".into(),
    }
}

fn header(name: &str, message: &Message) -> Shared {
    match name {
        "subject" => message.subject.as_str().into(),
        "topic" => message::topic(&message.subject).into(),
        "message_id" => message.message_id.as_str().into(),
        "in_reply_to" => list(message.in_reply_to.iter().map(String::as_str)),
        "references" => list(message.references.iter().map(String::as_str)),
        "date" => message.date.map_or_else(|| "".into(), rfc_3339),
        "headers" => headers(&message.header_fields),
        "header_list" => list(message.header_fields.iter().map(|field| {
            let fields = [
                ("name", field.name.as_str().into()),
                ("value", field.value.as_str().into()),
            ];
            Shared::record(fields)
        })),
        "automatic" => message.automatic().is_some().into(),
        "automatic_reason" => message.automatic().unwrap_or("").into(),
        "junk" => message.junk.into(),
        "report" => message.report.as_ref().map(report).into(),
        _ => Shared::default(),
    }
}

fn list(items: impl IntoIterator<Item: Into<Shared>>) -> Shared {
    items.into_iter().map(Into::into).collect::<Vec<_>>().into()
}

fn rfc_3339(time: Timestamp) -> Shared {
    time.to_string().as_str().into()
}

fn mailbox_fields(one: &NameAddr) -> [(&'static str, Shared); 5] {
    let local = if one.address.is_empty() { "" } else { one.local_part() };
    [
        ("address", one.address.as_str().into()),
        ("display", one.display().into()),
        ("name", one.name.as_str().into()),
        ("local", local.into()),
        ("domain", one.domain().into()),
    ]
}

fn mailbox(one: &NameAddr) -> Shared {
    Shared::record(mailbox_fields(one))
}

fn attachment((one, number): (&Attachment, u64)) -> Shared {
    Shared::record([
        ("name", one.name.as_str().into()),
        ("content_type", one.content_type.as_str().into()),
        ("size", one.size.into()),
        ("inline", one.inline.into()),
        ("content_id", one.content_id.as_str().into()),
        ("number", number.into()),
    ])
}

fn report(report: &Report) -> Shared {
    Shared::record([
        ("final_recipient", report.final_recipient.as_str().into()),
        ("status", report.status.as_str().into()),
        ("diagnostic", report.diagnostic.as_str().into()),
        ("original_message_id", report.original_message_id.as_str().into()),
    ])
}

fn auth(message: &Message, arrival: &Arrival<'_>) -> Shared {
    let auth = message.auth(arrival.trusted_authserv_ids);
    Shared::record([
        ("spf", auth.spf.as_str().into()),
        ("dkim", auth.dkim.as_str().into()),
        ("dmarc", auth.dmarc.as_str().into()),
        ("aligned", auth.aligned.as_str().into()),
    ])
}

/// Fields by name in lower case; repeated ones are joined with newlines, in order.
fn headers(fields: &[HeaderField]) -> Shared {
    let mut headers: Map<String, Value> = Map::new();
    for field in fields {
        match headers.entry(field.name.to_lowercase()).or_insert_with(|| "".into()) {
            Value::String(text) if text.is_empty() => text.push_str(&field.value),
            Value::String(text) => {
                text.push('\n');
                text.push_str(&field.value);
            }
            _ => {}
        }
    }
    headers.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let email = email(&Message::read(message.as_bytes()), &arrival()).json();
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
        )
        .json();
        assert_eq!(email["recipients"].as_array().map(Vec::len), Some(1));
    }
}
