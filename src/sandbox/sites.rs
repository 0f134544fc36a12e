//! The sandbox's sites: `emaildomain`, by which mail is matched, is shown by the record alone.

use serde_json::{Value, json};

use super::{
    clients,
    listing::Query,
    moment,
    record::{Field, Kind, Record, detail_only, flag, number, row, text},
    reply::Reply,
    resource::{LAST_UPDATE, Resource, missing},
    state::Store,
    switches::{Separator, Switches},
    users, whose,
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
    row("maincontact_id", Kind::Whole),
    row("delivery_address_line1", Kind::Text),
    row("delivery_address_line2", Kind::Text),
    row("delivery_address_line3", Kind::Text),
    row("delivery_address_line4", Kind::Text),
    row("delivery_address_line5", Kind::Text),
    row("ref", Kind::Text),
    row("use", Kind::Text),
    row("customfields", Kind::List),
    detail_only("emaildomain", Kind::Text).at_most(4000),
    detail_only("todomain", Kind::Text),
    detail_only("emailsubjectprefix", Kind::Text),
    detail_only("wildcardref", Kind::Text),
    detail_only("notes", Kind::Text),
];

/// `/api/Site`
pub(super) const RESOURCE: Resource = Resource {
    key: "sites",
    fields: FIELDS,
    rows: |store| &store.sites,
    table: |store| &mut store.sites,
    is_wanted,
    admit,
    add,
    settle,
    delete,
    hidden: |_| &[],
    dress,
};

fn is_wanted(store: &Store, site: &Record, query: &Query, _switches: &Switches) -> bool {
    let client = store.clients.get(&number(site, "client_id"));
    query.wants(flag(site, "inactive"))
        && query.is_of("client_id", number(site, "client_id"))
        && query.is_of("site_id", number(site, "id"))
        && query.is_of("toplevel_id", client.map_or(0, |client| number(client, "toplevel_id")))
        && query.is_found_in(&[text(site, "name"), text(site, "clientsite_name")])
}

fn admit(store: &Store, site: Record, known: Option<&Record>, _switches: &Switches) -> Result<Record, Reply> {
    if known.is_none() && text(&site, "name").trim().is_empty() {
        return Err(missing("sdesc", "SITE"));
    }
    let is_placed = known.is_some() && !site.contains_key("client_id");
    if !is_placed && !store.clients.contains_key(&number(&site, "client_id")) {
        return Err(Reply::nowhere());
    }
    Ok(site)
}

/// The domains of a site with what the switch says between them.
fn dress(site: &mut Value, switches: &Switches) {
    let separator = match switches.emaildomain_separator {
        Separator::AsWritten => return,
        Separator::Comma => ",",
        Separator::Semicolon => ";",
        Separator::Blank => " ",
    };
    if let Some(Value::String(domains)) = site.get_mut("emaildomain") {
        let parts = domains.split([',', ';', ' ']).filter(|part| !part.is_empty());
        *domains = parts.collect::<Vec<_>>().join(separator);
    }
}

/// Adds a site with its placeholder user; an id that is given is kept.
pub(super) fn add(store: &mut Store, mut site: Record) -> i64 {
    let id = match number(&site, "id") {
        0 => store.new_id(),
        id => id,
    };
    site.insert("id".into(), json!(id));
    site.insert("use".into(), json!("site"));
    site.insert(LAST_UPDATE.into(), json!(moment::now()));
    store.sites.insert(id, site);
    complete(store, id);
    users::add_general(store, id);
    id
}

/// A site goes with its users; its client gets another main site.
pub(super) fn delete(store: &mut Store, id: i64) {
    store.users.retain(|_, user| number(user, "site_id") != id);
    let client = store.sites.remove(&id).map_or(0, |site| number(&site, "client_id"));
    clients::complete(store, client);
}

/// What others show of a site follows it.
fn settle(store: &mut Store, id: i64) {
    complete(store, id);
    let client = store.sites.get(&id).map_or(0, |site| number(site, "client_id"));
    clients::complete(store, client);
    whose::rename(store, ("site_id", id));
}

/// The names that follow from its client.
pub(super) fn complete(store: &mut Store, id: i64) {
    let Store { sites, clients, .. } = store;
    let Some(site) = sites.get_mut(&id) else { return };
    let client = clients
        .get(&number(site, "client_id"))
        .map_or("", |client| text(client, "name"));
    let both = format!("{client}/{}", text(site, "name"));
    site.insert("client_name".into(), json!(client));
    site.insert("clientsite_name".into(), json!(both));
}
