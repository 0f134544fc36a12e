//! The sandbox's clients: each new one gets a first site, and that site its placeholder user.

use serde_json::json;

use super::{
    listing::Query,
    record::{Field, Kind, Record, detail_only, flag, number, row, text},
    reply::Reply,
    resource::{Resource, missing, too_long},
    sites,
    state::Store,
    switches::Switches,
};

/// The fields of a client. `domain` is in no row, `website` is.
pub(super) const FIELDS: &[Field] = &[
    row("id", Kind::Whole),
    row("name", Kind::Text),
    row("toplevel_id", Kind::Whole),
    row("toplevel_name", Kind::Text),
    row("inactive", Kind::Flag),
    row("colour", Kind::Text),
    row("main_site_id", Kind::Whole),
    row("website", Kind::Text),
    row("is_vip", Kind::Flag),
    row("customertype", Kind::Whole),
    row("accountsemailaddress", Kind::Text),
    row("ref", Kind::Text),
    row("use", Kind::Text),
    row("customfields", Kind::List),
    detail_only("notes", Kind::Text),
    detail_only("domain", Kind::Text),
    detail_only("main_site_name", Kind::Text),
    detail_only("trading_name", Kind::Text),
    detail_only("newclient_sitename", Kind::Text),
    detail_only("newclient_domain", Kind::Text),
];

/// `/api/Client`
pub(super) const RESOURCE: Resource = Resource {
    key: "clients",
    fields: FIELDS,
    table: |store| &mut store.clients,
    is_wanted,
    create,
    settle,
};

fn is_wanted(client: &Record, query: &Query, _switches: &Switches) -> bool {
    let domain = query.text("domain").trim().to_lowercase();
    let bears = |field: &str| text(client, field).to_lowercase().contains(&domain);
    let is_of = |parameter: &str| {
        query
            .number(parameter)
            .is_none_or(|id| id <= 0 || id == number(client, parameter))
    };
    query.wants(flag(client, "inactive"))
        && is_of("toplevel_id")
        && (domain.is_empty() || bears("domain") || bears("website"))
        && query.is_found_in(&[text(client, "name"), text(client, "website")])
}

fn create(store: &mut Store, client: Record, _switches: &Switches) -> Result<i64, Reply> {
    if text(&client, "name").trim().is_empty() {
        return Err(missing("aareadesc", "AREA"));
    }
    if text(&client, "name").encode_utf16().count() > 255 {
        return Err(too_long("aareadesc"));
    }
    Ok(add(store, client))
}

/// Adds a client with its first site; ids that are given are kept (`main_site_id` for the site).
pub(super) fn add(store: &mut Store, mut client: Record) -> i64 {
    let id = match number(&client, "id") {
        0 => store.new_id(),
        id => id,
    };
    client.insert("id".into(), json!(id));
    client.insert("use".into(), json!("client"));
    client.entry("toplevel_id").or_insert(json!(1));
    client.entry("toplevel_name").or_insert(json!("Customers"));
    let site_name = client
        .remove("newclient_sitename")
        .filter(|name| name != "")
        .unwrap_or(json!("Main"));
    let domain = client.remove("newclient_domain").unwrap_or(json!(""));
    let site_id = number(&client, "main_site_id");
    store.clients.insert(id, client);
    let site = json!({ "id": site_id, "name": site_name, "client_id": id, "emaildomain": domain });
    let site_id = sites::add(store, site.as_object().cloned().unwrap_or_default());
    if let Some(client) = store.clients.get_mut(&id) {
        client.insert("main_site_id".into(), json!(site_id));
    }
    settle(store, id);
    id
}

fn settle(store: &mut Store, id: i64) {
    let Store { clients, sites, .. } = store;
    let Some(client) = clients.get_mut(&id) else { return };
    let main_site = sites
        .get(&number(client, "main_site_id"))
        .map_or("", |site| text(site, "name"));
    client.insert("main_site_name".into(), json!(main_site));
}
