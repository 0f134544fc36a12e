//! From a request to its answer: faults first, then the route, its permission and its resource.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State},
    http::{Response, header, request::Parts},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    agents, clients,
    listing::Query,
    log::LoggedRequest,
    record,
    reply::{Content, Reply},
    resource::Resource,
    sites,
    socket::Line,
    state::World,
    switches::{Mishap, Switches},
    token, users,
};

/// More than any request of ours, less than would hurt.
const LONGEST_BODY: usize = 32 * 1024 * 1024;

/// Every path leads here: Halo's paths ignore case, which a table of routes can't.
pub(super) fn router(world: Arc<World>) -> Router {
    Router::new().fallback(serve).with_state(world)
}

/// A request, read whole.
struct Asked {
    method: String,
    path: String,
    query: Query,
    authorization: String,
    body: Bytes,
}

async fn serve(
    State(world): State<Arc<World>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LONGEST_BODY).await else {
        return Reply::empty(413).into_response();
    };
    let asked = Asked::new(&parts, body);
    if let Some(rest) = asked.segments().strip_prefix(&["sandbox".to_owned()]) {
        return control(&world, &asked, rest).into_response();
    }
    let number = world.log().begin(asked.logged());
    let (reply, mishap) = answer(&world, &asked).await;
    match mishap {
        Some(Mishap::Drop) => {
            line.cut();
            Reply::empty(500).into_response()
        }
        Some(Mishap::Half) => {
            world.log().end(number, reply.http_status);
            reply.into_half()
        }
        _ => {
            world.log().end(number, reply.http_status);
            reply.into_response()
        }
    }
}

impl Asked {
    fn new(parts: &Parts, body: Bytes) -> Asked {
        let pairs = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let authorization = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        Asked {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: Query(pairs.into_owned().collect()),
            authorization: authorization.unwrap_or_default().to_owned(),
            body,
        }
    }

    fn segments(&self) -> Vec<String> {
        self.path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(str::to_ascii_lowercase)
            .collect()
    }

    fn form(&self) -> Query {
        Query(url::form_urlencoded::parse(&self.body).into_owned().collect())
    }

    fn is_sign_in(&self) -> bool {
        self.segments() == ["auth", "token"]
    }

    fn logged(&self) -> LoggedRequest {
        let body = if self.is_sign_in() {
            token::logged(&self.form())
        } else {
            serde_json::from_slice(&self.body).unwrap_or_default()
        };
        LoggedRequest {
            at: Timestamp::now(),
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.0.clone(),
            body,
            status: 0,
        }
    }
}

/// The answer, and what is to go wrong with it.
async fn answer(world: &World, asked: &Asked) -> (Reply, Option<Mishap>) {
    let (switches, fault) = {
        let mut switches = world.switches();
        let fault = switches.next_fault(&asked.method, &asked.path);
        (switches.clone(), fault)
    };
    if switches.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(switches.latency_ms)).await;
    }
    let Some(fault) = fault else {
        return (routed(world, asked, &switches), None);
    };
    // What was done stays done, whatever is said about it.
    let is_done = fault.after || matches!(fault.mishap, Mishap::Half | Mishap::NoId | Mishap::Delay { .. });
    let reply = if is_done {
        routed(world, asked, &switches)
    } else {
        Reply::empty(500)
    };
    let reply = match &fault.mishap {
        Mishap::Status { status, message } if message.is_empty() => Reply::empty(*status),
        Mishap::Status { status, message } => Reply::exception(*status, message),
        Mishap::Html { status } => Reply::page(*status),
        Mishap::NoId => Reply::json(200, json!({})),
        Mishap::Delay { ms } => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            reply
        }
        Mishap::Drop | Mishap::Half => reply,
    };
    (with_retry_after(reply, &switches), Some(fault.mishap))
}

fn with_retry_after(reply: Reply, switches: &Switches) -> Reply {
    if reply.http_status == 429 {
        Reply {
            retry_after: switches.retry_after_s,
            ..reply
        }
    } else {
        reply
    }
}

fn routed(world: &World, asked: &Asked, switches: &Switches) -> Reply {
    if let Some(rate) = switches.rate
        && !world.is_within(rate, Instant::now())
    {
        let text = format!("Rate limit reached: {} requests in {} ms", rate.count, rate.per_ms);
        return with_retry_after(Reply::exception(429, &text), switches);
    }
    let segments = asked.segments();
    match &segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["auth", "token"] if asked.method == "POST" => token::token(world, &asked.form(), asked.query.text("tenant")),
        ["api", "authinfo"] if asked.method == "GET" => token::auth_info(world),
        ["api", resource, rest @ ..] => of_api(world, asked, switches, (resource, rest)),
        _ => Reply::empty(404),
    }
}

fn of_api(world: &World, asked: &Asked, switches: &Switches, (resource, rest): (&str, &[&str])) -> Reply {
    let resource = match resource {
        "users" => Some(&users::RESOURCE),
        "client" => Some(&clients::RESOURCE),
        "site" => Some(&sites::RESOURCE),
        "agent" => None,
        _ => return Reply::empty(404),
    };
    if !matches!(asked.method.as_str(), "GET" | "POST" | "DELETE") {
        return Reply::empty(405);
    }
    if !token::is_good(world, &asked.authorization) {
        return Reply::empty(401);
    }
    if switches.forbids(&asked.method, &asked.path) {
        return Reply::empty(403);
    }
    match resource {
        Some(resource) => of_resource(world, asked, switches, (resource, rest)),
        None if rest.is_empty() && asked.method == "GET" => agents::list(&world.store(), &asked.query, switches),
        None => Reply::empty(404),
    }
}

fn of_resource(world: &World, asked: &Asked, switches: &Switches, (resource, rest): (&Resource, &[&str])) -> Reply {
    let mut store = world.store();
    match (asked.method.as_str(), rest) {
        ("GET", []) => resource.list(&mut store, &asked.query, switches),
        ("POST", []) => resource.write(&mut store, &asked.body, &asked.query, switches),
        // Those two are words, not ids, and nobody's for an application that signs in as an agent.
        ("GET", ["me" | "onbehalf"]) => Reply::empty(404),
        ("GET", [id]) => resource.read(&mut store, id),
        ("DELETE", [id]) => resource.delete(&mut store, id),
        ("POST", [_]) | ("DELETE", []) => Reply::empty(405),
        _ => Reply::empty(404),
    }
}

/// `/sandbox/…`: the switches, the log and the records, for people and for tests in other processes.
fn control(world: &World, asked: &Asked, rest: &[String]) -> Reply {
    let all = |resource: &Resource| {
        let mut store = world.store();
        let records = (resource.table)(&mut store).values();
        Reply::json(200, records.map(|each| record::detail(resource.fields, each)).collect())
    };
    match (
        asked.method.as_str(),
        &rest.iter().map(String::as_str).collect::<Vec<_>>()[..],
    ) {
        ("GET", ["switches"]) => Reply::json(200, json!(*world.switches())),
        ("POST", ["switches"]) => switch(world, &asked.body),
        ("GET", ["requests"]) => Reply::json(200, json!(world.log().entries())),
        ("DELETE", ["requests"]) => {
            world.log().clear();
            Reply::empty(204)
        }
        ("GET", ["users"]) => all(&users::RESOURCE),
        ("GET", ["clients"]) => all(&clients::RESOURCE),
        ("GET", ["sites"]) => all(&sites::RESOURCE),
        _ => Reply::empty(404),
    }
}

/// Sets the switches that are named and leaves the others as they are.
fn switch(world: &World, body: &[u8]) -> Reply {
    let mut switches = world.switches();
    let mut wanted = json!(*switches);
    let changed = match serde_json::from_slice(body) {
        Ok(Value::Object(named)) => {
            for (key, value) in named {
                wanted[key] = value;
            }
            serde_json::from_value(wanted).map_err(|error| error.to_string())
        }
        _ => Err("a JSON object of switches is expected".to_owned()),
    };
    match changed {
        Ok(changed) => {
            *switches = changed;
            Reply::json(200, json!(*switches))
        }
        Err(reason) => Reply {
            http_status: 400,
            body: Content::Json(json!({ "error": reason })),
            retry_after: None,
        },
    }
}
