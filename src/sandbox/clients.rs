//! The sandbox's clients: each new one gets a first site, and that site its placeholder user.

use serde_json::json;

use super::{
    listing::Query,
    moment,
    record::{Field, Kind, Record, detail_only, flag, number, row, text},
    reply::Reply,
    resource::{LAST_UPDATE, Resource, missing},
    sites,
    state::Store,
    switches::{ClientDomain, Switches},
    whose,
};

/// The fields of a client. `domain` is in no row, `website` is.
pub(super) const FIELDS: &[Field] = &[
    row("id", Kind::Whole),
    row("name", Kind::Text).at_most(255),
    row("toplevel_id", Kind::Whole),
    row("toplevel_name", Kind::Text),
    row("inactive", Kind::Flag),
    row("stopped", Kind::Whole),
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
    row("domain", Kind::Text).at_most(250),
    detail_only("main_site_name", Kind::Text),
    detail_only("trading_name", Kind::Text),
    detail_only("newclient_sitename", Kind::Text),
    detail_only("newclient_domain", Kind::Text),
];

/// `/api/Client`
pub(super) const RESOURCE: Resource = Resource {
    key: "clients",
    fields: FIELDS,
    rows: |store| &store.clients,
    table: |store| &mut store.clients,
    is_wanted,
    admit,
    add,
    settle,
    delete,
    hidden,
    dress: |_, _| {},
};

/// Rows don't show the domain, as far as is known.
fn hidden(switches: &Switches) -> &'static [&'static str] {
    match switches.client_domain {
        ClientDomain::InRows => &[],
        _ => &["domain"],
    }
}

fn is_wanted(_store: &Store, client: &Record, query: &Query, switches: &Switches) -> bool {
    let bears = |field: &str| query.is_in("domain", text(client, field));
    let is_of_domain = match switches.client_domain {
        ClientDomain::Filter | ClientDomain::InRows => bears("domain") || bears("website"),
        ClientDomain::Ignored => true,
        ClientDomain::Nothing => query.text("domain").is_empty(),
    };
    let searched = if query.is_on("search_name_only") {
        [text(client, "name"), ""]
    } else {
        [text(client, "name"), text(client, "website")]
    };
    query.wants(flag(client, "inactive"))
        && query.is_of("toplevel_id", number(client, "toplevel_id"))
        && is_of_domain
        && query.is_found_in(&searched)
}

/// A new client gets a site of its own, whatever it says; a known one may be moved to another of its sites.
fn admit(store: &Store, mut client: Record, known: Option<&Record>, _switches: &Switches) -> Result<Record, Reply> {
    let Some(known) = known else {
        client.remove("main_site_id");
        if text(&client, "name").trim().is_empty() {
            return Err(missing("aareadesc", "AREA"));
        }
        return Ok(client);
    };
    let is_own = |site: &Record| number(site, "client_id") == number(known, "id");
    if client.contains_key("main_site_id") && !store.sites.get(&number(&client, "main_site_id")).is_some_and(is_own) {
        return Err(Reply::nowhere());
    }
    Ok(client)
}

/// Adds a client with its first site; ids that are given are kept (`main_site_id` for the site).
pub(super) fn add(store: &mut Store, mut client: Record) -> i64 {
    let id = match number(&client, "id") {
        0 => store.new_id(),
        id => id,
    };
    client.insert("id".into(), json!(id));
    client.insert("use".into(), json!("client"));
    client.insert(LAST_UPDATE.into(), json!(moment::now()));
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
    complete(store, id);
    id
}

/// A client goes with its sites and the users that are there. Its tickets stay, and keep its name.
fn delete(store: &mut Store, id: i64) {
    let of_it = store.sites.iter().filter(|(_, site)| number(site, "client_id") == id);
    for site in of_it.map(|(id, _)| *id).collect::<Vec<_>>() {
        sites::delete(store, site);
    }
    store.clients.remove(&id);
}

/// What others show of a client follows it.
fn settle(store: &mut Store, id: i64) {
    complete(store, id);
    whose::rename(store, ("client_id", id));
}

/// The main site by its name; where there is none the first one that is active.
pub(super) fn complete(store: &mut Store, id: i64) {
    let Store { clients, sites, .. } = store;
    let Some(client) = clients.get_mut(&id) else { return };
    let is_next = |site: &&Record| number(site, "client_id") == id && !flag(site, "inactive");
    let main_site = sites.get(&number(client, "main_site_id"));
    let main_site = main_site.or_else(|| sites.values().find(is_next));
    let name = main_site.map_or("", |site| text(site, "name"));
    client.insert(
        "main_site_id".into(),
        json!(main_site.map_or(0, |site| number(site, "id"))),
    );
    client.insert("main_site_name".into(), json!(name));
}
