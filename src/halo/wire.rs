//! Halo's JSON, both ways: what it sends becomes our types here, and what we send is written here.

use serde_json::{Map, Value, json};

use super::{Agent, AgentId, Client, ClientId, ListQuery, NewClient, NewUser, Site, SiteId, User, UserId, domain};
use crate::expression::Shared;

pub(super) mod probe;
mod ticket;
mod tidy;

pub(super) use ticket::{
    action, changed_ticket, choice, file, link, mailbox_addresses, marker, message_id_of, new_action, new_file,
    new_ticket, newest_tickets, ticket, ticket_query,
};

use tidy::{Tidy, tidy};

/// Query parameters, in the order in which they are sent.
pub(super) type Query = Vec<(&'static str, String)>;

/// A listing as it came: an envelope or a bare array.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listing {
    pub rows: Vec<Value>,
    /// Not always the total: it may count the rows of this answer.
    pub record_count: Option<u64>,
    /// The size that was really served, where the envelope says it.
    pub page_size: Option<usize>,
}

/// A number in any of the forms that Halo uses for an id: `95`, `95.0`, `"95"`.
pub(super) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole_float(number.as_f64()?)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole_float(text.parse().ok()?))
        }
        _ => None,
    }
}

/// Beyond 2^53 a float no longer holds every whole number, so none there is an id.
fn whole_float(number: f64) -> Option<i64> {
    let is_whole = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    is_whole.then(|| format!("{number:.0}").parse().ok()).flatten()
}

/// An id; zero and below stand for none.
fn id(row: &Map<String, Value>, key: &str) -> Option<i64> {
    row.get(key).and_then(whole).filter(|&id| id > 0)
}

fn text(row: &Map<String, Value>, key: &str) -> String {
    row.get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn flag(row: &Map<String, Value>, key: &str) -> bool {
    match row.get(key) {
        Some(Value::Bool(flag)) => *flag,
        Some(other) => whole(other).is_some_and(|number| number != 0),
        None => false,
    }
}

/// The rows of a listing: the array itself, the envelope's `key`, else the envelope's only array. What has none is
/// given back.
pub(super) fn listing(value: Value, key: &str) -> Result<Listing, Value> {
    match value {
        Value::Array(rows) => Ok(Listing {
            rows,
            record_count: None,
            page_size: None,
        }),
        Value::Object(mut envelope) => {
            let number = |envelope: &Map<String, Value>, key: &str| envelope.get(key).and_then(whole);
            let record_count = number(&envelope, "record_count").and_then(|count| u64::try_from(count).ok());
            let page_size = number(&envelope, "page_size").and_then(|size| usize::try_from(size).ok());
            let rows = match envelope.get_mut(key).map(Value::take) {
                Some(Value::Array(rows)) => rows,
                Some(Value::Null) => Vec::new(),
                _ => only_array(&mut envelope).ok_or(Value::Object(envelope))?,
            };
            Ok(Listing {
                rows,
                record_count,
                page_size: page_size.filter(|&size| size > 0),
            })
        }
        other => Err(other),
    }
}

fn only_array(envelope: &mut Map<String, Value>) -> Option<Vec<Value>> {
    let mut arrays = envelope.values_mut().filter_map(Value::as_array_mut);
    let first = arrays.next()?;
    arrays.next().is_none().then(|| std::mem::take(first))
}

/// The record in the answer to a write of one element: the object, or the array of it.
pub(super) fn single(value: &Value) -> Option<&Value> {
    match value {
        Value::Array(list) => list.last(),
        Value::Object(_) => Some(value),
        _ => None,
    }
}

/// The records in the answer to a write: an array, or an object alone.
pub(super) fn several(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        Value::Object(_) => vec![value],
        _ => Vec::new(),
    }
}

/// A user from a row or a detail; none without an id.
pub(super) fn user(value: &Value) -> Option<User> {
    let user = user_without_raw(value)?;
    Some(User {
        raw: Shared::of(&Tidy(value)),
        ..user
    })
}

/// The same without what only results show.
pub(super) fn user_without_raw(value: &Value) -> Option<User> {
    let row = value.as_object()?;
    let others = ["email2", "email3"].map(|key| text(row, key));
    Some(User {
        id: UserId(id(row, "id")?),
        name: text(row, "name"),
        emailaddress: text(row, "emailaddress"),
        other_addresses: others.into_iter().filter(|address| !address.is_empty()).collect(),
        client_id: id(row, "client_id").map(ClientId),
        client_name: text(row, "client_name"),
        site_id: id(row, "site_id").or_else(|| id(row, "site_id_int")).map(SiteId),
        site_name: text(row, "site_name"),
        inactive: flag(row, "inactive"),
        raw: Shared::default(),
    })
}

/// Whether `email2` and `email3` are among the fields; rows of a list usually leave them out. One that is null or empty
/// may be so in every row, whatever the record itself holds.
pub(super) fn has_other_addresses(row: &Value) -> bool {
    row.get("email2").is_some()
}

/// A client from a row or a detail; none without an id.
pub(super) fn client(value: &Value) -> Option<Client> {
    let row = value.as_object()?;
    Some(Client {
        id: ClientId(id(row, "id")?),
        name: text(row, "name"),
        main_site_id: id(row, "main_site_id").map(SiteId),
        website: text(row, "website"),
        domain: text(row, "domain"),
        inactive: flag(row, "inactive"),
        raw: Shared::of(&Tidy(value)),
    })
}

/// A site from a row or a detail; none without an id.
pub(super) fn site(value: &Value) -> Option<Site> {
    let row = value.as_object()?;
    Some(Site {
        id: SiteId(id(row, "id")?),
        name: text(row, "name"),
        client_id: id(row, "client_id").map(ClientId),
        client_name: text(row, "client_name"),
        email_domains: domain::of_field(&text(row, "emaildomain")),
        inactive: flag(row, "inactive"),
        raw: Shared::of(&Tidy(value)),
    })
}

/// Whether `emaildomain` is among the fields; rows of a list usually leave it out. Null and empty are as with users.
pub(super) fn has_email_domains(site: &Site) -> bool {
    site.raw.get("emaildomain").is_some()
}

/// The same of a client's `domain`.
pub(super) fn has_domain(client: &Client) -> bool {
    client.raw.get("domain").is_some()
}

/// An agent from a row; none without an id.
pub(super) fn agent(value: &Value) -> Option<Agent> {
    let row = value.as_object()?;
    let email = ["email", "emailaddress"]
        .map(|key| text(row, key))
        .into_iter()
        .find(|email| !email.is_empty());
    Some(Agent {
        id: AgentId(id(row, "id")?),
        name: text(row, "name"),
        email: email.unwrap_or_default(),
    })
}

/// `POST /Users`: an array of them.
pub(super) fn new_users<'a>(users: impl IntoIterator<Item = &'a NewUser>) -> Value {
    users.into_iter().map(new_user).collect()
}

/// Its ids are written without a fraction (Halo refuses `44.0` and `"44"`).
fn new_user(user: &NewUser) -> Value {
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(user.name));
    // An empty one would be taken for "no first name", where Halo may know better from the name.
    for (key, text) in [("firstname", &user.first_name), ("surname", &user.surname)] {
        if !text.is_empty() {
            body.insert(key.to_owned(), json!(text));
        }
    }
    body.insert("emailaddress".to_owned(), json!(user.emailaddress.as_str()));
    body.insert("client_id".to_owned(), json!(user.client_id.0));
    body.insert("site_id".to_owned(), json!(user.site_id.0));
    body.insert("sendwelcomeemail".to_owned(), json!(user.send_welcome_email));
    Value::Object(body)
}

/// `POST /Users` for one that is there.
pub(super) fn active_user(user: UserId) -> Value {
    json!([{ "id": user.0, "inactive": false }])
}

/// `POST /Client`: what was not said is not sent.
pub(super) fn new_client(client: &NewClient) -> Value {
    let fields = [
        ("name", &client.name),
        ("newclient_sitename", &client.site_name),
        ("website", &client.website),
        ("trading_name", &client.trading_name),
        ("notes", &client.notes),
    ];
    let said = fields.into_iter().filter(|(_, text)| !text.trim().is_empty());
    json!([said
        .map(|(key, text)| (key.to_owned(), Value::from(text.as_str())))
        .collect::<Map<_, _>>()])
}

/// The parameters of one page, as a step asks for it. `pageinate` is how Halo spells it.
pub(super) fn page_query(query: &ListQuery) -> Query {
    let mut parameters = Query::new();
    let mut say = |key, text: String| {
        if !text.is_empty() {
            parameters.push((key, text));
        }
    };
    say("search", query.search.clone());
    say("client_id", query.client.map(|id| id.to_string()).unwrap_or_default());
    say("site_id", query.site.map(|id| id.to_string()).unwrap_or_default());
    say("domain", query.domain.clone());
    say("includeactive", query.include_active.to_string());
    say("includeinactive", query.include_inactive.to_string());
    say("order", query.order_by.clone());
    if !query.order_by.is_empty() {
        say("orderdesc", query.order_descending.to_string());
    }
    say("pageinate", "true".into());
    say("page_size", query.page_size.clamp(1, 100).to_string());
    say("page_no", query.page_no.max(1).to_string());
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::address::AddrSpec;

    #[test]
    fn ids_are_read_in_every_form_and_only_when_whole() {
        for (value, expected) in [
            (json!(95), Some(95)),
            (json!(95.0), Some(95)),
            (json!("95"), Some(95)),
            (json!(" 95.0 "), Some(95)),
            (json!(-1.0), Some(-1)),
            (json!(95.5), None),
            (json!(1e300), None),
            (json!("ninety"), None),
            (json!(null), None),
            (json!(true), None),
        ] {
            assert_eq!(whole(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_user_is_read_from_a_row_and_keeps_everything_tidied() {
        let row = json!({"id": 79, "name": " Jane Doe ", "site_id": 44.0, "client_id": "33", "client_name": "Acme",
            "emailaddress": "Jane@Acme.example", "inactive": false, "datecreated": "1900-01-01T00:00:00",
            "lastseen": "0001-01-01T00:00:00.000", "rate": 1.5, "nested": [{"site_id": 3.0}]});
        let user = user(&row).unwrap();
        assert_eq!(
            (user.id, user.client_id, user.site_id),
            (UserId(79), Some(ClientId(33)), Some(SiteId(44)))
        );
        assert_eq!(
            (user.name.as_str(), user.emailaddress.as_str()),
            ("Jane Doe", "Jane@Acme.example")
        );
        let raw = user.raw.json();
        assert_eq!(raw["nested"].to_string(), r#"[{"site_id":3}]"#);
        assert_eq!(raw["site_id"].to_string(), "44");
        assert_eq!(raw["rate"], json!(1.5));
        assert_eq!((&raw["datecreated"], &raw["lastseen"]), (&Value::Null, &Value::Null));
        assert!(!has_other_addresses(&row));
    }

    #[test]
    fn further_addresses_and_the_other_spelling_of_the_site_are_read() {
        let row = json!({"id": 7, "email2": "a@b.example", "email3": "", "site_id_int": 4, "inactive": 1});
        let detail = user(&row).unwrap();
        assert_eq!(detail.other_addresses, ["a@b.example"]);
        assert_eq!((detail.site_id, detail.inactive), (Some(SiteId(4)), true));
        assert!(has_other_addresses(&row));
        for no_id in [
            json!({"name": "x"}),
            json!({"id": 0}),
            json!({"id": 1.5}),
            json!([1]),
            json!("x"),
        ] {
            assert_eq!(user(&no_id), None);
        }
    }

    #[test]
    fn rows_come_from_every_kind_of_listing() {
        let rows = |value: Value| listing(value, "users").ok().map(|listing| listing.rows.len());
        assert_eq!(rows(json!([{}, {}])), Some(2));
        assert_eq!(rows(json!({"record_count": 1, "users": [{}]})), Some(1));
        assert_eq!(rows(json!({"results": [{}, {}, {}]})), Some(3));
        assert_eq!(rows(json!({"users": null})), Some(0));
        assert_eq!(rows(json!({"a": [], "b": []})), None);
        assert_eq!(rows(json!({"error": "x"})), None);
        assert_eq!(rows(json!("x")), None);
        let counted = listing(
            json!({"page_no": 1, "page_size": 50.0, "record_count": 717, "users": []}),
            "users",
        )
        .unwrap();
        assert_eq!((counted.record_count, counted.page_size), (Some(717), Some(50)));
    }

    #[test]
    fn the_answer_to_a_write_is_the_object_or_the_array_of_it() {
        assert_eq!(single(&json!({"id": 1})), Some(&json!({"id": 1})));
        assert_eq!(single(&json!([{"id": 1}])), Some(&json!({"id": 1})));
        assert_eq!(single(&json!([])), None);
        assert_eq!(single(&json!(1)), None);
        assert_eq!(several(json!([{"id": 1}, {"id": 2}])).len(), 2);
    }

    #[test]
    fn what_is_sent_has_whole_numbers_and_no_empty_fields() {
        let user = NewUser {
            name: "Jane Doe".into(),
            first_name: "Jane".into(),
            surname: "Doe".into(),
            emailaddress: AddrSpec::parse("Jane@acme.example").unwrap(),
            client_id: ClientId(33),
            site_id: SiteId(44),
            send_welcome_email: false,
        };
        assert_eq!(
            new_users([&user]).to_string(),
            r#"[{"name":"Jane Doe","firstname":"Jane","surname":"Doe","emailaddress":"jane@acme.example","client_id":33,"site_id":44,"sendwelcomeemail":false}]"#
        );
        let client = NewClient {
            name: "Acme".into(),
            website: "acme.example".into(),
            trading_name: String::new(),
            notes: " ".into(),
            site_name: "Main".into(),
        };
        assert_eq!(
            new_client(&client).to_string(),
            r#"[{"name":"Acme","newclient_sitename":"Main","website":"acme.example"}]"#
        );
        assert_eq!(active_user(UserId(7)).to_string(), r#"[{"id":7,"inactive":false}]"#);
    }
}
