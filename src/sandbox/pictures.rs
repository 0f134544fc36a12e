//! Pictures that stand in a text: uploaded as a form, shown to whoever knows their address.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::{
    attachments::{Octets, inert},
    multipart,
    reply::Reply,
    state::{Store, new_guid},
    switches::Switches,
};

/// One picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Picture {
    media_type: String,
    octets: Octets,
}

/// `POST /api/Attachment/image`: a form with `file` and `ticket_id`.
pub(super) fn write(store: &mut Store, (content_type, body): (&str, &Bytes), base: &Url, switches: &Switches) -> Reply {
    let parts = multipart::parts(content_type, body);
    let named = |name: &str| parts.iter().find(|part| part.name == name);
    let Some(file) = named("file") else {
        return Reply::unbound("file", "A form with a file is expected.");
    };
    let guid = new_guid();
    let link = format!("{base}api/attachment/image/{guid}");
    let picture = Picture {
        media_type: file.media_type.clone(),
        octets: Octets(file.body.clone()),
    };
    store.pictures.insert(guid, picture);
    Reply::json(switches.create_status, json!({ "link": link }))
}

/// `GET /api/Attachment/image/{guid}`, which needs no token: mail programs and browsers have none.
pub(super) fn read(store: &Store, guid: &str) -> Reply {
    let Some(picture) = store.pictures.get(guid) else {
        return Reply::empty(404);
    };
    let media_type = if picture.media_type.starts_with("image/") {
        &picture.media_type
    } else {
        "application/octet-stream"
    };
    inert(Reply::new(200, media_type, picture.octets.0.clone()))
}
