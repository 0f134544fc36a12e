//! The sandbox's users: no check of the address, none of the site against the client, as the real one is known to be.

use serde_json::{Value, json};

use super::{
    listing::Query,
    record::{Field, Kind, Record, detail_only, flag, number, row, text},
    reply::Reply,
    resource::{Resource, missing, too_long},
    state::Store,
    switches::{Duplicates, Switches},
};

/// The fields of a user. `email2` and `email3` are in no row.
pub(super) const FIELDS: &[Field] = &[
    row("id", Kind::Whole),
    row("name", Kind::Text),
    row("site_id", Kind::Float),
    row("site_id_int", Kind::Whole),
    row("site_name", Kind::Text),
    row("client_id", Kind::Whole),
    row("client_name", Kind::Text),
    row("firstname", Kind::Text),
    row("surname", Kind::Text),
    row("title", Kind::Text),
    row("emailaddress", Kind::Text),
    row("phonenumber", Kind::Text),
    row("mobilenumber", Kind::Text),
    row("inactive", Kind::Flag),
    row("isimportantcontact", Kind::Flag),
    row("neversendemails", Kind::Flag),
    row("priority_id", Kind::Whole),
    row("linked_agent_id", Kind::Whole),
    row("isserviceaccount", Kind::Flag),
    row("use", Kind::Text),
    row("customfields", Kind::List),
    detail_only("email2", Kind::Text),
    detail_only("email3", Kind::Text),
    detail_only("department", Kind::Text),
    detail_only("notes", Kind::Text),
    detail_only("datecreated", Kind::Date),
    detail_only("_email_collision", Kind::Whole),
    detail_only("_warning", Kind::Text),
];

/// `/api/Users`
pub(super) const RESOURCE: Resource = Resource {
    key: "users",
    fields: FIELDS,
    table: |store| &mut store.users,
    is_wanted,
    create,
    settle,
};

/// Each site has one; it stands for nobody in particular.
const GENERAL_USER: &str = "General User";

fn is_wanted(user: &Record, query: &Query, switches: &Switches) -> bool {
    let others = if switches.search_other_addresses {
        [text(user, "email2"), text(user, "email3")]
    } else {
        [""; 2]
    };
    let texts = ["name", "firstname", "surname", "emailaddress"].map(|field| text(user, field));
    let is_of = |parameter: &str| {
        query
            .number(parameter)
            .is_none_or(|id| id <= 0 || id == number(user, parameter))
    };
    let is_general = text(user, "name") == GENERAL_USER;
    query.wants(flag(user, "inactive"))
        && is_of("client_id")
        && is_of("site_id")
        && !(is_general && query.flag("exclude_generaluser") == Some(true))
        && query.is_found_in(&[&texts[..], &others[..]].concat())
}

fn create(store: &mut Store, user: Record, switches: &Switches) -> Result<i64, Reply> {
    if text(&user, "name").trim().is_empty() {
        return Err(missing("uusername", "USERS"));
    }
    if !store.sites.contains_key(&number(&user, "site_id")) {
        return Err(Reply::exception(400, "Please select a valid Client/Site/User"));
    }
    for (field, longest) in [
        ("name", 255),
        ("firstname", 200),
        ("surname", 200),
        ("emailaddress", 4000),
    ] {
        if text(&user, field).encode_utf16().count() > longest {
            return Err(too_long(field));
        }
    }
    let taken = taken_by(store, text(&user, "emailaddress"));
    if taken.is_some() && switches.duplicate_users == Duplicates::Reject {
        return Err(Reply::exception(400, "A User with this Email Address already exists"));
    }
    let id = add(store, user);
    if let (Some(other), Duplicates::Warn, Some(user)) = (taken, switches.duplicate_users, store.users.get_mut(&id)) {
        user.insert("_email_collision".into(), json!(other));
        user.insert("_warning".into(), json!("This Email Address is in use by another User"));
    }
    Ok(id)
}

fn taken_by(store: &Store, address: &str) -> Option<i64> {
    let same = |user: &Record| !address.is_empty() && text(user, "emailaddress").eq_ignore_ascii_case(address);
    store.users.iter().find(|(_, user)| same(user)).map(|(id, _)| *id)
}

/// Adds a user as it is; an id that is given is kept.
pub(super) fn add(store: &mut Store, mut user: Record) -> i64 {
    let id = match number(&user, "id") {
        0 => store.new_id(),
        id => id,
    };
    user.insert("id".into(), json!(id));
    user.insert("use".into(), json!("user"));
    user.entry("datecreated")
        .or_insert_with(|| json!("2026-10-06T04:19:13.287"));
    store.users.insert(id, user);
    settle(store, id);
    id
}

/// Adds the placeholder that each site has.
pub(super) fn add_general(store: &mut Store, site: i64) {
    let user = Record::from_iter([
        ("name".to_owned(), json!(GENERAL_USER)),
        ("site_id".to_owned(), json!(site)),
    ]);
    add(store, user);
}

/// The names of site and client follow from the ids; the client follows from the site where none was given.
fn settle(store: &mut Store, id: i64) {
    let Store {
        users, sites, clients, ..
    } = store;
    let Some(user) = users.get_mut(&id) else { return };
    let site_id = number(user, "site_id");
    let site = sites.get(&site_id);
    let of_site = site.map_or(0, |site| number(site, "client_id"));
    let client_id = if number(user, "client_id") > 0 {
        number(user, "client_id")
    } else {
        of_site
    };
    let name = |record: Option<&Record>| Value::from(record.map_or("", |record| text(record, "name")));
    user.insert("site_id_int".into(), json!(site_id));
    user.insert("site_name".into(), name(site));
    user.insert("client_id".into(), json!(client_id));
    user.insert("client_name".into(), name(clients.get(&client_id)));
}
