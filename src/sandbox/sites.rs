//! The sandbox's sites: `emaildomain`, by which mail is matched, is shown by the record alone.

use serde_json::json;

use super::{
    listing::Query,
    record::{Field, Kind, Record, detail_only, flag, number, row, text},
    reply::Reply,
    resource::{Resource, missing},
    state::Store,
    switches::Switches,
    users,
};

/// The fields of a site. `client_id` is a float.
pub(super) const FIELDS: &[Field] = &[
    row("id", Kind::Whole),
    row("name", Kind::Text),
    row("client_id", Kind::Float),
    row("client_name", Kind::Text),
    row("clientsite_name", Kind::Text),
    row("inactive", Kind::Flag),
    row("sla_id", Kind::Whole),
    row("phonenumber", Kind::Text),
    row("timezone", Kind::Text),
    row("colour", Kind::Text),
    row("ref", Kind::Text),
    row("use", Kind::Text),
    row("customfields", Kind::List),
    detail_only("emaildomain", Kind::Text),
    detail_only("todomain", Kind::Text),
    detail_only("emailsubjectprefix", Kind::Text),
    detail_only("wildcardref", Kind::Text),
    detail_only("notes", Kind::Text),
];

/// `/api/Site`
pub(super) const RESOURCE: Resource = Resource {
    key: "sites",
    fields: FIELDS,
    table: |store| &mut store.sites,
    is_wanted,
    create,
    settle,
};

fn is_wanted(site: &Record, query: &Query, _switches: &Switches) -> bool {
    let is_of = |parameter: &str, field: &str| {
        query
            .number(parameter)
            .is_none_or(|id| id <= 0 || id == number(site, field))
    };
    query.wants(flag(site, "inactive"))
        && is_of("client_id", "client_id")
        && is_of("site_id", "id")
        && query.is_found_in(&[text(site, "name"), text(site, "clientsite_name")])
}

fn create(store: &mut Store, site: Record, _switches: &Switches) -> Result<i64, Reply> {
    if text(&site, "name").trim().is_empty() {
        return Err(missing("sdesc", "SITE"));
    }
    if !store.clients.contains_key(&number(&site, "client_id")) {
        return Err(Reply::exception(400, "Please select a valid Client/Site/User"));
    }
    Ok(add(store, site))
}

/// Adds a site with its placeholder user; an id that is given is kept.
pub(super) fn add(store: &mut Store, mut site: Record) -> i64 {
    let id = match number(&site, "id") {
        0 => store.new_id(),
        id => id,
    };
    site.insert("id".into(), json!(id));
    site.insert("use".into(), json!("site"));
    store.sites.insert(id, site);
    settle(store, id);
    users::add_general(store, id);
    id
}

fn settle(store: &mut Store, id: i64) {
    let Store { sites, clients, .. } = store;
    let Some(site) = sites.get_mut(&id) else { return };
    let client = clients
        .get(&number(site, "client_id"))
        .map_or("", |client| text(client, "name"));
    let both = format!("{client}/{}", text(site, "name"));
    site.insert("client_name".into(), json!(client));
    site.insert("clientsite_name".into(), json!(both));
}
