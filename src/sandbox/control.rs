//! `/sandbox/…`: the switches, the log and the records, for people and for tests in other processes.

use serde_json::{Value, json};

use super::{
    actions, attachments, clients,
    laid::{self, refused},
    page,
    reply::Reply,
    resource::Resource,
    routes::Asked,
    sites,
    state::{Store, World},
    tickets, users,
};

/// What is there besides Halo's own paths.
pub(super) fn answer(world: &World, asked: &Asked, rest: &[&str]) -> Reply {
    let (method, body) = (asked.method.as_str(), &asked.body[..]);
    match (method, rest) {
        ("GET", []) => page::page(world, &asked.query),
        ("GET", ["page.css"]) => page::style(),
        ("GET", ["switches"]) => Reply::json(200, json!(*world.switches())),
        ("POST", ["switches"]) => switch(world, body),
        ("DELETE", ["switches"]) => {
            *world.switches() = Default::default();
            world.forget_rate();
            Reply::json(200, json!(*world.switches()))
        }
        ("DELETE", ["requests"]) => {
            world.log().clear();
            Reply::empty(204)
        }
        ("GET", ["actions"]) => Reply::json(200, all_actions(world).into()),
        ("GET", ["attachments"]) => Reply::json(200, all_attachments(&world.store()).into()),
        ("GET" | "POST", [kind]) => match resource(kind) {
            Some(resource) if method == "GET" => Reply::json(200, resource.all(&world.store()).into()),
            Some(resource) => laid::add(&mut world.store(), resource, body),
            None => Reply::empty(404),
        },
        _ => Reply::empty(404),
    }
}

fn resource(kind: &str) -> Option<&'static Resource> {
    Some(match kind {
        "clients" => &clients::RESOURCE,
        "sites" => &sites::RESOURCE,
        "users" => &users::RESOURCE,
        "tickets" => &tickets::RESOURCE,
        _ => return None,
    })
}

/// Every action, ticket by ticket.
fn all_actions(world: &World) -> Vec<Value> {
    let switches = world.switches().clone();
    let store = world.store();
    let tickets = store.threads.keys();
    tickets
        .flat_map(|ticket| actions::all(&store, *ticket, &switches))
        .collect()
}

/// Every attachment, by id, without what it holds.
pub(super) fn all_attachments(store: &Store) -> Vec<Value> {
    let ids = store.attachments.keys();
    ids.map(|id| attachments::shown(store, *id)).collect()
}

/// Sets the switches that are named, all or none, and leaves the others as they are.
fn switch(world: &World, body: &[u8]) -> Reply {
    let Ok(Value::Object(named)) = serde_json::from_slice(body) else {
        return refused("a JSON object of switches is expected");
    };
    let mut switches = world.switches();
    let mut changed = switches.clone();
    for (name, value) in &named {
        if let Err(error) = changed.put(name, value) {
            return refused(&error.to_string());
        }
    }
    *switches = changed;
    if named.contains_key("rate") {
        world.forget_rate();
    }
    Reply::json(200, json!(*switches))
}
