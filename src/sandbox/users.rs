//! The sandbox's users: no check of the address, none of the site against the client, as the real one is known to be.

use serde_json::{Value, json};

use super::{
    listing::Query,
    moment,
    record::{Field, Kind, Record, detail_only, flag, number, row, text},
    reply::Reply,
    resource::{LAST_UPDATE, Resource, missing},
    state::Store,
    switches::{Duplicates, Switches},
};

/// The fields of a user; rows lack some of them.
pub(super) const FIELDS: &[Field] = &[
    row("id", Kind::Whole),
    row("name", Kind::Text).at_most(255),
    row("site_id", Kind::Float),
    row("site_id_int", Kind::Whole),
    row("site_name", Kind::Text),
    row("client_id", Kind::Whole),
    row("client_name", Kind::Text),
    row("firstname", Kind::Text).at_most(200),
    row("surname", Kind::Text).at_most(200),
    row("initials", Kind::Text),
    row("title", Kind::Text),
    row("emailaddress", Kind::Text).at_most(4000),
    row("phonenumber_preferred", Kind::Text),
    row("sitephonenumber", Kind::Text),
    row("phonenumber", Kind::Text),
    row("homenumber", Kind::Text),
    row("mobilenumber", Kind::Text),
    row("mobilenumber2", Kind::Text),
    row("fax", Kind::Text),
    row("login", Kind::Text),
    row("inactive", Kind::Flag),
    row("colour", Kind::Text),
    row("isimportantcontact", Kind::Flag),
    row("isimportantcontact2", Kind::Flag),
    row("other1", Kind::Text),
    row("other2", Kind::Text),
    row("other3", Kind::Text),
    row("other4", Kind::Text),
    row("other5", Kind::Text),
    row("neversendemails", Kind::Flag),
    row("priority_id", Kind::Whole),
    row("linked_agent_id", Kind::Whole),
    row("isserviceaccount", Kind::Flag),
    row("use", Kind::Text),
    row("customfields", Kind::List),
    row("email2", Kind::Text),
    row("email3", Kind::Text),
    detail_only("azureoid", Kind::Text),
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
    rows: |store| &store.users,
    table: |store| &mut store.users,
    is_wanted,
    admit,
    add,
    settle,
    delete: |store, id| drop(store.users.remove(&id)),
    hidden,
    dress: |_, _| {},
};

/// Each site has one; it stands for nobody in particular.
const GENERAL_USER: &str = "General User";

fn is_wanted(store: &Store, user: &Record, query: &Query, switches: &Switches) -> bool {
    let mut searched: Vec<&str> = ["name", "firstname", "surname", "emailaddress", "login"]
        .map(|field| text(user, field))
        .to_vec();
    if switches.search_other_addresses {
        searched.extend([text(user, "email2"), text(user, "email3")]);
    }
    if query.is_on("search_phonenumbers") {
        let numbers = ["phonenumber", "homenumber", "mobilenumber", "mobilenumber2"];
        searched.extend(numbers.map(|field| text(user, field)));
    }
    let client = store.clients.get(&number(user, "client_id"));
    query.wants(flag(user, "inactive"))
        && query.is_of("client_id", number(user, "client_id"))
        && query.is_of("site_id", number(user, "site_id"))
        && query.is_of("toplevel_id", client.map_or(0, |client| number(client, "toplevel_id")))
        && !is_left_out(user, query)
        && query.is_found_in(&searched)
}

fn hidden(switches: &Switches) -> &'static [&'static str] {
    if switches.rows_show_other_addresses {
        &[]
    } else {
        &["email2", "email3"]
    }
}

/// Whether a parameter leaves out the kind that a user is of.
fn is_left_out(user: &Record, query: &Query) -> bool {
    let kind = if flag(user, "isserviceaccount") {
        "includeserviceaccount"
    } else {
        "includenonserviceaccount"
    };
    let is_placeholder = ["exclude_generaluser", "exclude_defaultsiteusers"]
        .iter()
        .any(|name| query.is_on(name));
    (is_general(user) && is_placeholder)
        || (number(user, "linked_agent_id") > 0 && query.is_on("exclude_agents"))
        || query.flag(kind) == Some(false)
}

/// Whether it is the placeholder of its site.
pub(super) fn is_general(user: &Record) -> bool {
    text(user, "name") == GENERAL_USER
}

fn admit(store: &Store, mut user: Record, known: Option<&Record>, switches: &Switches) -> Result<Record, Reply> {
    if known.is_none() && text(&user, "name").trim().is_empty() {
        return Err(missing("uusername", "USERS"));
    }
    let is_placed = known.is_some() && !user.contains_key("site_id");
    if !is_placed && !store.sites.contains_key(&number(&user, "site_id")) {
        return Err(Reply::nowhere());
    }
    if known.is_some() {
        return Ok(user);
    }
    // All users are looked through for it, so not where it makes no difference.
    let taken_by = || taken_by(store, text(&user, "emailaddress"));
    match switches.duplicate_users {
        Duplicates::Reject if taken_by().is_some() => {
            Err(Reply::exception(400, "A User with this Email Address already exists"))
        }
        Duplicates::Warn if let Some(other) = taken_by() => {
            user.insert("_email_collision".into(), json!(other));
            user.insert("_warning".into(), json!("This Email Address is in use by another User"));
            Ok(user)
        }
        _ => Ok(user),
    }
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
    let now = json!(moment::now());
    user.entry("datecreated").or_insert(now.clone());
    user.insert(LAST_UPDATE.into(), now);
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

/// The initials, where there are none, follow from the name; the names of site and client follow from the ids; the client follows from the site where none was given.
pub(super) fn settle(store: &mut Store, id: i64) {
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
    let initials: String = ["firstname", "surname"]
        .iter()
        .filter_map(|field| text(user, field).chars().next())
        .collect();
    user.entry("initials").or_insert(initials.into());
    user.insert("site_id_int".into(), json!(site_id));
    user.insert("site_name".into(), name(site));
    user.insert("client_id".into(), json!(client_id));
    user.insert("client_name".into(), name(clients.get(&client_id)));
}
