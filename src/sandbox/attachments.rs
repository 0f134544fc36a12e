//! The sandbox's attachments: sent as data URIs in JSON, read as octets.

use axum::http::header;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use url::Url;

use super::{
    actions,
    listing::Query,
    moment,
    posted::Posted,
    record::{self, Field, Kind, Record, detail_only, number, row, sent_only, text},
    reply::Reply,
    resource::{fits, too_long, whole_id},
    state::{Store, new_guid},
    switches::Switches,
    tickets,
};

/// The column of a media type, whether it is said by a field or by a data URI.
const WIDEST_TYPE: usize = 100;

/// The fields of an attachment; what it holds is never among them.
pub(super) const FIELDS: &[Field] = &[
    row("id", Kind::Whole),
    row("filename", Kind::Text).at_most(4000),
    row("filesize", Kind::Whole),
    row("datecreated", Kind::Date),
    row("type", Kind::Whole),
    row("unique_id", Kind::Whole),
    row("isimage", Kind::Flag),
    row("note", Kind::Text),
    row("desc", Kind::Text).at_most(255),
    row("showforusers", Kind::Flag),
    row("showonchild", Kind::Flag),
    row("showonrelated", Kind::Flag),
    detail_only("ticket_id", Kind::Whole),
    detail_only("action_id", Kind::Whole),
    detail_only("content_type", Kind::Text).at_most(WIDEST_TYPE),
    detail_only("guid", Kind::Text),
    sent_only("data_base64", Kind::Text),
    sent_only("data", Kind::Text),
];

/// Octets that a file of JSON holds as base64.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Octets(pub Bytes);

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Octets, D::Error> {
        let text = String::deserialize(deserializer)?;
        let octets = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Octets(octets.into()))
    }
}

/// What an attachment's data says: its media type, if it says so, and its octets.
fn decoded(attachment: &Record, takes_bare: bool) -> Option<(String, Vec<u8>)> {
    let data = [text(attachment, "data_base64"), text(attachment, "data")];
    let data = data.into_iter().find(|data| !data.is_empty())?;
    let (media_type, encoded) = match data.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some(parts) => parts,
        None if takes_bare => ("", data),
        None => return None,
    };
    let octets = STANDARD.decode(encoded.trim()).ok()?;
    Some((media_type.to_owned(), octets))
}

fn check(attachment: &Record, switches: &Switches) -> Result<(), Reply> {
    fits(FIELDS, attachment)?;
    let unreadable = || Reply::exception(400, "The data of the attachment can not be read");
    let (media_type, _) = decoded(attachment, switches.bare_base64).ok_or_else(unreadable)?;
    if media_type.encode_utf16().count() > WIDEST_TYPE {
        return Err(too_long("content_type"));
    }
    Ok(())
}

/// Checks the attachments that a ticket or an action brings along.
pub(super) fn check_inline(record: &Record, switches: &Switches) -> Result<(), Reply> {
    let inline = record.get("attachments").and_then(Value::as_array);
    for (place, element) in inline.into_iter().flatten().enumerate() {
        let attachment = record::bind(FIELDS, element, place).map_err(Reply::binding)?;
        check(&attachment, switches)?;
    }
    Ok(())
}

/// Adds the attachments that a ticket or an action brought along, which were checked.
pub(super) fn take_inline(store: &mut Store, (ticket, action): (i64, i64), inline: &Value) {
    for (place, element) in inline.as_array().into_iter().flatten().enumerate() {
        if let Ok(mut attachment) = record::bind(FIELDS, element, place) {
            attachment.insert("ticket_id".into(), json!(ticket));
            attachment.insert("action_id".into(), json!(action));
            add(store, attachment);
        }
    }
}

/// Adds one and counts it at its ticket and action.
pub(super) fn add(store: &mut Store, mut attachment: Record) -> i64 {
    let (media_type, octets) = decoded(&attachment, true).unwrap_or_default();
    for field in ["data_base64", "data"] {
        attachment.remove(field);
    }
    let id = store.new_id();
    let (ticket, action) = (number(&attachment, "ticket_id"), number(&attachment, "action_id"));
    for (field, value) in [
        ("id", json!(id)),
        ("filesize", json!(octets.len())),
        ("datecreated", json!(moment::now())),
        ("guid", json!(new_guid())),
    ] {
        attachment.insert(field.into(), value);
    }
    attachment.entry("unique_id").or_insert(json!(ticket));
    if !media_type.is_empty() {
        attachment.entry("content_type").or_insert(json!(media_type));
    }
    let is_image = text(&attachment, "content_type").starts_with("image/");
    attachment.entry("isimage").or_insert(json!(is_image));
    store.attachments.insert(id, attachment);
    store.contents.insert(id, Octets(octets.into()));
    actions::count(store, (ticket, action));
    tickets::count(store, ticket);
    id
}

/// The attachments of a ticket, those of its actions among them.
pub(super) fn of_ticket(store: &Store, ticket: i64) -> impl Iterator<Item = &Record> {
    let is_of = move |attachment: &&Record| ticket > 0 && number(attachment, "ticket_id") == ticket;
    store.attachments.values().filter(is_of)
}

/// The same as rows, of one action where it is named.
pub(super) fn rows(store: &Store, ticket: i64, action: Option<i64>) -> Vec<Value> {
    let is_of = |attachment: &&Record| action.is_none_or(|action| number(attachment, "action_id") == action);
    let wanted = of_ticket(store, ticket).filter(is_of);
    wanted
        .map(|attachment| record::in_list(FIELDS, attachment, false, &[]))
        .collect()
}

/// `GET /api/Attachment`; without a filter there are no rows.
pub(super) fn list(store: &Store, query: &Query) -> Reply {
    let ticket = query.number("ticket_id").unwrap_or(0);
    let unique = query.number("unique_id").unwrap_or(0);
    let rows = if ticket > 0 {
        rows(store, ticket, query.number("action_id").filter(|&action| action > 0))
    } else {
        let kind = query.number("type").unwrap_or(0);
        let is_of = |attachment: &&Record| {
            unique > 0 && number(attachment, "unique_id") == unique && number(attachment, "type") == kind
        };
        let wanted = store.attachments.values().filter(is_of);
        wanted
            .map(|attachment| record::in_list(FIELDS, attachment, false, &[]))
            .collect()
    };
    Reply::json(
        200,
        json!({ "ticket_id": ticket, "record_count": rows.len(), "folders": [], "attachments": rows }),
    )
}

/// `GET /api/Attachment/{id}`: the octets, or where they are.
pub(super) fn read(store: &Store, id: &str, base: &Url, switches: &Switches) -> Reply {
    let known = whole_id(id).and_then(|id| store.attachments.get(&id).ok_or_else(|| Reply::empty(404)));
    match known {
        Err(reply) => reply,
        Ok(attachment) if switches.attachment_links => {
            let link = format!("{base}download/{}", text(attachment, "guid"));
            Reply::json(200, json!({ "link": link }))
        }
        Ok(attachment) => octets(store, attachment),
    }
}

/// `GET /download/{guid}`: what a link leads to, without a token.
pub(super) fn download(store: &Store, guid: &str) -> Reply {
    let found = store
        .attachments
        .values()
        .find(|attachment| text(attachment, "guid") == guid);
    found.map_or_else(|| Reply::empty(404), |attachment| octets(store, attachment))
}

fn octets(store: &Store, attachment: &Record) -> Reply {
    let octets = store
        .contents
        .get(&number(attachment, "id"))
        .cloned()
        .unwrap_or_default();
    let media_type = match text(attachment, "content_type") {
        "" => "application/octet-stream",
        known => known,
    };
    let name: String = url::form_urlencoded::byte_serialize(text(attachment, "filename").as_bytes()).collect();
    let disposition = format!("attachment; filename*=UTF-8''{}", name.replace('+', "%20"));
    inert(Reply::new(200, media_type, octets.0)).with(header::CONTENT_DISPOSITION, &disposition)
}

/// What came from outside never runs in a browser that shows it.
pub(super) fn inert(reply: Reply) -> Reply {
    reply
        .with(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .with(header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'")
}

/// `DELETE /api/Attachment/{id}`
pub(super) fn delete(store: &mut Store, id: &str) -> Reply {
    let id = match whole_id(id) {
        Ok(id) => id,
        Err(reply) => return reply,
    };
    let Some(attachment) = store.attachments.remove(&id) else {
        return Reply::empty(404);
    };
    store.contents.remove(&id);
    let ticket = number(&attachment, "ticket_id");
    actions::count(store, (ticket, number(&attachment, "action_id")));
    tickets::count(store, ticket);
    Reply::json(200, json!({ "id": id }))
}

/// Removes what an action brought along, which goes with it.
pub(super) fn forget(store: &mut Store, (ticket, action): (i64, i64)) {
    let of_action = of_ticket(store, ticket).filter(|attachment| number(attachment, "action_id") == action);
    for id in of_action.map(|attachment| number(attachment, "id")).collect::<Vec<_>>() {
        store.attachments.remove(&id);
        store.contents.remove(&id);
    }
}

/// `POST /api/Attachment`; what is known is not changed.
pub(super) fn write(store: &mut Store, posted: &Posted<'_>) -> Reply {
    posted.write(FIELDS, |attachment, place| {
        admit(store, (&attachment, place), posted.switches)?;
        let id = add(store, attachment);
        Ok(shown(store, id))
    })
}

/// It is a ticket's, or something else's by `type` and `unique_id`; an action's only with its ticket.
fn admit(store: &Store, (attachment, place): (&Record, usize), switches: &Switches) -> Result<(), Reply> {
    let [ticket, action, kind, unique] =
        ["ticket_id", "action_id", "type", "unique_id"].map(|field| number(attachment, field));
    if ticket == 0 && (kind == 0 || unique == 0) {
        let path = format!("[{place}].ticket_id");
        return Err(Reply::unbound(&path, "An attachment needs a ticket_id."));
    }
    let has_action = || {
        let thread = store.threads.get(&ticket);
        action == 0 || thread.is_some_and(|thread| thread.actions.contains_key(&action))
    };
    if ticket != 0 && !(store.tickets.contains_key(&ticket) && has_action()) {
        return Err(Reply::empty(404));
    }
    check(attachment, switches)
}

/// What to call one that may have no name.
pub(super) fn name(attachment: &Record) -> &str {
    match text(attachment, "filename") {
        "" => "a file without a name",
        name => name,
    }
}

pub(super) fn shown(store: &Store, id: i64) -> Value {
    let attachment = store.attachments.get(&id);
    attachment
        .map(|attachment| record::detail(FIELDS, attachment))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_a_data_uri_or_where_that_is_on_bare() {
        let decoded = |data: &str, takes_bare: bool| {
            let attachment = record::given(FIELDS, &json!({ "data_base64": data }));
            decoded(&attachment, takes_bare)
                .map(|(media_type, octets)| (media_type, String::from_utf8(octets).unwrap()))
        };
        let text = Some(("text/plain".to_owned(), "hi".to_owned()));
        assert_eq!(decoded("data:text/plain;base64,aGk=", false), text);
        assert_eq!(decoded("aGk=", false), None);
        assert_eq!(decoded("aGk=", true), Some((String::new(), "hi".to_owned())));
        for broken in ["", "data:text/plain,hi", "data:text/plain;base64,%%"] {
            assert_eq!(decoded(broken, true), None, "{broken:?}");
        }
    }
}
