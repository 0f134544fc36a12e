//! The JSON of a probe: what it sends on purpose in forms that Halo may refuse, and what it looks for in answers.

use serde_json::{Map, Value, json};

use super::{id, text, whole};
use crate::halo::{ClientId, SiteId, UserId};

/// A user of the probe before it is sent.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Guest<'a> {
    pub name: &'a str,
    pub address: &'a str,
    /// `email2` and `email3`; empty: none.
    pub further: [&'a str; 2],
}

/// `POST /Client`. Nothing that the tenant automates shall begin because of it.
pub(in super::super) fn client(name: &str, domain: &str) -> Value {
    json!([{
        "name": name, "newclient_sitename": "Main", "website": domain, "domain": domain,
        "notes": "Made by halo-intake halo probe, which removes it again.", "_dont_fire_automations": true,
    }])
}

/// `POST /Users`; nobody is written to.
pub(in super::super) fn guests(guests: &[Guest<'_>], client: ClientId, site: SiteId) -> Value {
    let body = |guest: &Guest<'_>| {
        let mut body = json!({
            "name": guest.name, "emailaddress": guest.address, "client_id": client.0, "site_id": site.0,
            "sendwelcomeemail": false, "neversendemails": true, "_dont_fire_automations": true,
        });
        for (key, address) in ["email2", "email3"].into_iter().zip(guest.further) {
            if !address.is_empty() {
                body[key] = json!(address);
            }
        }
        body
    };
    guests.iter().map(body).collect()
}

/// `POST /Users` with the object itself where an array belongs: a change that changes nothing.
pub(in super::super) fn bare(user: UserId, name: &str) -> Value {
    json!({ "id": user.0, "name": name })
}

/// `POST /Users` with an id as a text.
pub(in super::super) fn text_id(user: UserId, client: ClientId) -> Value {
    json!([{ "id": user.0, "client_id": client.to_string() }])
}

/// `POST /Users` with an id as a float, as Halo itself sends some.
pub(in super::super) fn float_id(user: UserId, client: ClientId) -> Value {
    // A whole number that is written with a fraction; every id in use is small enough to be exact.
    let float = format!("{client}.0").parse::<f64>().unwrap_or_default();
    json!([{ "id": user.0, "client_id": float }])
}

/// `POST` that makes a record inactive.
pub(in super::super) fn inactive(id: i64) -> Value {
    json!([{ "id": id, "inactive": true }])
}

/// The records in the answer to a POST: the object, or the array of them.
pub(in super::super) fn written(answer: &Value) -> Vec<&Map<String, Value>> {
    match answer {
        Value::Array(list) => list.iter().filter_map(Value::as_object).collect(),
        Value::Object(object) => vec![object],
        _ => Vec::new(),
    }
}

/// Id and name of a record of any kind; none without an id.
pub(in super::super) fn id_and_name(record: &Map<String, Value>) -> Option<(i64, String)> {
    Some((id(record, "id")?, text(record, "name")))
}

/// Whether a record says in its name or address that it was made with these letters.
pub(in super::super) fn bears(record: &Map<String, Value>, letters: &str) -> bool {
    let shows = |key| text(record, key).to_lowercase().contains(letters);
    shows("name") || shows("emailaddress")
}

/// The main site that a client's record names.
pub(in super::super) fn main_site(record: &Map<String, Value>) -> Option<SiteId> {
    id(record, "main_site_id").map(SiteId)
}

/// The client that a row of users or of sites says it belongs to.
pub(in super::super) fn client_of(record: &Map<String, Value>) -> Option<ClientId> {
    id(record, "client_id").map(ClientId)
}

/// What a site's own record says of the domains of mail, as it is written; none where it does not show them.
pub(in super::super) fn email_domains(site: &Value) -> Option<String> {
    Some(site.get("emaildomain")?.as_str()?.to_owned())
}

/// What a record says of an address that is in use elsewhere.
pub(in super::super) fn warning(record: &Map<String, Value>) -> Option<String> {
    let said = text(record, "_warning");
    let collides = record
        .get("_email_collision")
        .and_then(whole)
        .is_some_and(|other| other != 0);
    match (said.is_empty(), collides) {
        (false, _) => Some(said),
        (true, true) => Some("_email_collision".to_owned()),
        (true, false) => None,
    }
}

/// Whether a row shows these as `email2` and `email3`.
pub(in super::super) fn shows_further(record: &Map<String, Value>, further: [&str; 2]) -> bool {
    ["email2", "email3"].map(|key| text(record, key)) == further
}

/// How a listing is wrapped: `array`, or the key of its rows.
pub(in super::super) fn shape(listing: &Value) -> Option<String> {
    match listing {
        Value::Array(_) => Some("array".to_owned()),
        Value::Object(envelope) => {
            let mut keys = envelope
                .iter()
                .filter(|(_, value)| value.is_array())
                .map(|(key, _)| key);
            let first = keys.next()?;
            keys.next().is_none().then(|| first.clone())
        }
        _ => None,
    }
}
