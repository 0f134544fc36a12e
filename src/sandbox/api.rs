//! Halo's own paths: the rate, the route, its token and permission, and its resource.

use std::time::Instant;

use super::{
    actions, agents, attachments, clients, pictures,
    posted::Posted,
    reference,
    reply::Reply,
    resource::{self, Resource},
    routes::Asked,
    sites,
    state::World,
    switches::Switches,
    tickets, token, users,
};

/// What Halo answers.
pub(super) fn answer(world: &World, asked: &Asked, switches: &Switches) -> Reply {
    if let Some(rate) = switches.rate
        && !world.is_within(rate, Instant::now())
    {
        let minutes = rate.per_ms.div_ceil(60_000);
        let text = format!(
            "Rate Limit Reached - {} Requests per rolling {minutes} minute window",
            rate.count
        );
        return Reply::too_many(&text, switches);
    }
    match &asked.segments()[..] {
        ["auth", "token"] if asked.method == "POST" => token::token(world, asked),
        ["api", "authinfo"] if asked.method == "GET" => token::auth_info(world),
        // Browsers and mail programs follow those, and have no token.
        ["download", guid] if asked.method == "GET" => {
            attachments::download(&world.store(), &guid.to_ascii_lowercase())
        }
        ["api", "attachment", word, guid] if asked.method == "GET" && is("image", word) => {
            pictures::read(&world.store(), &guid.to_ascii_lowercase())
        }
        ["api", resource, rest @ ..] => of_api(world, asked, switches, (resource, rest)),
        _ => Reply::empty(404).because("there is no such path"),
    }
}

/// What a part of the API belongs to, as scopes name it; nothing where any token is enough.
fn area(resource: &str) -> Option<&'static str> {
    match resource {
        "users" | "client" | "site" => Some("customers"),
        "tickets" | "actions" | "attachment" => Some("tickets"),
        _ => None,
    }
}

fn of_api(world: &World, asked: &Asked, switches: &Switches, (resource, rest): (&str, &[&str])) -> Reply {
    let area = area(resource);
    if area.is_none() && resource != "agent" && !reference::is_known(resource) {
        return Reply::empty(404).because("there is no such path");
    }
    if !matches!(asked.method.as_str(), "GET" | "POST" | "DELETE") {
        return Reply::empty(405);
    }
    let scopes = match token::scopes(world, &asked.authorization) {
        Ok(scopes) => scopes,
        Err(reason) => return Reply::empty(401).because(reason),
    };
    if switches.forbids(&asked.method, &asked.path) {
        return Reply::empty(403).because("the switch \"forbidden\" names it");
    }
    if area.is_some_and(|area| !token::is_enough(&scopes, &asked.method, area)) {
        return Reply::empty(switches.missing_scope_status).because("the token lacks the scope");
    }
    if let Some(reply) = refusal_of_form(asked, switches, (resource, rest)) {
        return reply;
    }
    match resource {
        "users" => of_resource(world, asked, switches, (&users::RESOURCE, rest)),
        "client" => of_resource(world, asked, switches, (&clients::RESOURCE, rest)),
        "site" => of_resource(world, asked, switches, (&sites::RESOURCE, rest)),
        "tickets" => of_resource(world, asked, switches, (&tickets::RESOURCE, rest)),
        "actions" => of_actions(world, asked, switches, rest),
        "attachment" => of_attachments(world, asked, switches, rest),
        _ if asked.method != "GET" => Reply::empty(405),
        "agent" => of_agents(world, asked, switches, (&scopes, rest)),
        kind => reference::answer(kind, rest, &asked.query).unwrap_or_else(|| Reply::empty(404)),
    }
}

/// What is wrong with the kind of the body, or with a parameter that has to be a number.
fn refusal_of_form(asked: &Asked, switches: &Switches, (resource, rest): (&str, &[&str])) -> Option<Reply> {
    let is_upload = resource == "attachment" && rest.first().is_some_and(|word| is("image", word));
    if asked.method == "POST" && switches.content_types && !is_upload && !asked.is_json() {
        return Some(Reply::empty(415).because("the content type is not that of JSON"));
    }
    let (name, value) = asked.query.no_number()?;
    Some(Reply::unbound(name, &format!("The value '{value}' is not valid.")))
}

/// Whether a segment is this word. Ids keep their letters as they were written, since answers name them.
fn is(word: &str, segment: &str) -> bool {
    segment.eq_ignore_ascii_case(word)
}

fn posted<'a>(asked: &'a Asked, switches: &'a Switches, is_single: bool) -> Posted<'a> {
    Posted {
        body: &asked.body,
        is_single,
        query: &asked.query,
        switches,
    }
}

fn of_resource(world: &World, asked: &Asked, switches: &Switches, (resource, rest): (&Resource, &[&str])) -> Reply {
    let mut store = world.store();
    match (asked.method.as_str(), rest) {
        ("GET", []) => resource.list(&store, &asked.query, switches),
        ("POST", []) => resource.write(&mut store, &posted(asked, switches, false)),
        ("POST", [word]) if resource.key == "tickets" && is("object", word) => {
            resource.write(&mut store, &posted(asked, switches, true))
        }
        // Those two are words, not ids, and nobody's for an application that signs in as an agent.
        ("GET", [word]) if is("me", word) || is("onbehalf", word) => Reply::empty(404),
        ("GET", [id]) => resource.read(&store, id, &asked.query, switches),
        ("DELETE", [id]) => resource.delete(&mut store, id),
        ("POST", [_]) | ("DELETE", []) => Reply::empty(405),
        _ => Reply::empty(404),
    }
}

fn of_actions(world: &World, asked: &Asked, switches: &Switches, rest: &[&str]) -> Reply {
    let mut store = world.store();
    match (asked.method.as_str(), rest) {
        ("GET", []) => actions::list(&store, &asked.query, switches),
        ("POST", []) => actions::write(&mut store, &posted(asked, switches, false)),
        ("GET", [id]) => actions::read(&store, id, &asked.query, switches),
        ("DELETE", [id]) => actions::delete(&mut store, id, &asked.query),
        ("POST", [_]) | ("DELETE", []) => Reply::empty(405),
        _ => Reply::empty(404),
    }
}

fn of_attachments(world: &World, asked: &Asked, switches: &Switches, rest: &[&str]) -> Reply {
    let mut store = world.store();
    match (asked.method.as_str(), rest) {
        ("GET", []) => attachments::list(&store, &asked.query),
        ("POST", []) => attachments::write(&mut store, &posted(asked, switches, false)),
        ("POST", [word]) if is("image", word) => {
            let form = (asked.content_type.as_str(), &asked.body);
            pictures::write(&mut store, form, &world.base, switches)
        }
        ("GET", [id]) => attachments::read(&store, id, &world.base, switches),
        ("DELETE", [id]) => attachments::delete(&mut store, id),
        ("POST", [_]) | ("DELETE", []) => Reply::empty(405),
        _ => Reply::empty(404),
    }
}

fn of_agents(world: &World, asked: &Asked, switches: &Switches, (scopes, rest): (&str, &[&str])) -> Reply {
    match rest {
        [] => agents::list(&world.store(), &asked.query, switches),
        [word] if is("me", word) => agents::me(scopes),
        [id] => match resource::whole_id(id) {
            Ok(id) => agents::read(&world.store(), id),
            Err(reply) => reply,
        },
        _ => Reply::empty(404),
    }
}
