//! `attach_files_to_halo_ticket`: files of the message, one after the other, each once.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Fields, StepError};
use crate::{
    config::ConnectionName,
    effect::{Ask, Effect, Effects, Ensured},
    expression::shape::Shape,
    halo::{
        ActionId, TicketId,
        ticket::{File, NewFile},
    },
};

/// What a file is called that has no name.
const NAMELESS: &str = "attachment";

/// An attachment as the context shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Attached {
    pub name: String,
    pub content_type: String,
    pub size: u64,
    #[serde(default)]
    pub content_id: String,
    #[serde(default)]
    pub inline: bool,
    pub number: usize,
}

/// Where files go, and how long one may be.
pub struct Destination {
    pub ticket: TicketId,
    pub action: Option<ActionId>,
    pub mark: String,
    /// In octets.
    pub most: u64,
}

/// What was attached, and what was not.
#[derive(Default)]
pub struct Files {
    pub files: Vec<Value>,
    left_out: Vec<LeftOut>,
}

/// A file that was not attached, and why.
pub struct LeftOut {
    pub name: String,
    pub size: u64,
    pub reason: String,
}

/// Attaches them. A file that is too long is left out, which the result says; one that Halo refuses fails the step.
pub async fn perform(
    fields: &Fields,
    (mark, most): (String, u64),
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Value, StepError> {
    let to = Destination {
        ticket: TicketId(fields.required_id("ticket")?),
        action: fields.id("action_id")?.map(ActionId),
        mark,
        most,
    };
    let files = attach(&listed(fields, "files")?, &to, connection, effects).await?;
    Ok(files.value())
}

/// The attachments that a field lists.
pub fn listed(fields: &Fields, name: &str) -> Result<Vec<Attached>, StepError> {
    let value = fields.value(name);
    serde_json::from_value(value).map_err(|_| {
        StepError::failed(format!(
            "{name} holds what is no attachment; it needs email.attachments, or some of them"
        ))
    })
}

/// Attaches these, one after the other.
pub async fn attach(
    attached: &[Attached],
    to: &Destination,
    connection: &ConnectionName,
    effects: &mut Effects<'_>,
) -> Result<Files, StepError> {
    let mut files = Files::default();
    for one in attached {
        if one.size > to.most {
            files.left_out.push(too_long(one, to.most));
            continue;
        }
        let ask = Ask::AttachFile { file: file_of(one, to) };
        let connection = connection.clone();
        let ensured: Ensured<File> = effects.ask(Effect::Halo { connection, ask }).await?;
        files.files.push(json!({
            "id": ensured.record.id, "filename": ensured.record.filename, "filesize": ensured.record.filesize,
            "existed": ensured.existed,
        }));
    }
    Ok(files)
}

/// What is sent of an attachment.
pub fn file_of(one: &Attached, to: &Destination) -> NewFile {
    NewFile {
        ticket: to.ticket,
        marker: to.mark.clone(),
        action: to.action,
        number: one.number,
        name: named(&one.name),
        content_type: media_type(&one.content_type),
        size: one.size,
    }
}

/// Why it is left out.
pub fn too_long(one: &Attached, most: u64) -> LeftOut {
    LeftOut {
        name: named(&one.name),
        size: one.size,
        reason: format!("it is longer than {} octets (max_file_size)", most),
    }
}

/// What it is called.
pub fn named(name: &str) -> String {
    let name = name.trim();
    if name.is_empty() {
        NAMELESS.to_owned()
    } else {
        name.to_owned()
    }
}

/// A data URI holds nothing but a plain type and subtype.
pub fn media_type(text: &str) -> String {
    let is_plain = |part: &str| {
        let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&octet);
        !part.is_empty() && part.bytes().all(is_token)
    };
    match text.split_once('/') {
        Some((kind, subtype)) if is_plain(kind) && is_plain(subtype) && text.len() <= 100 => text.to_owned(),
        _ => "application/octet-stream".to_owned(),
    }
}

impl Files {
    /// As a result shows it.
    fn value(&self) -> Value {
        let left_out: Vec<Value> = self.left_out.iter().map(LeftOut::value).collect();
        json!({ "files": self.files, "left_out": left_out })
    }
}

impl LeftOut {
    /// As a result shows it.
    pub fn value(&self) -> Value {
        json!({ "name": self.name, "size": self.size, "reason": self.reason })
    }
}

/// What the step stores.
pub fn result_shape() -> Shape {
    Shape::record([
        ("files", Shape::list(file_shape())),
        ("left_out", Shape::list(left_out_shape())),
    ])
}

/// The shape of a file that was attached.
pub fn file_shape() -> Shape {
    Shape::record([
        ("id", Shape::Number),
        ("filename", Shape::Text),
        ("filesize", Shape::nullable(Shape::Number)),
        ("existed", Shape::Truth),
    ])
}

/// The shape of one that was not.
pub fn left_out_shape() -> Shape {
    Shape::record([("name", Shape::Text), ("size", Shape::Number), ("reason", Shape::Text)])
}
