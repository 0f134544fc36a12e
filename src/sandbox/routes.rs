//! From a request to its answer: what is asked of the sandbox itself, the log, the faults, and then Halo's API.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, Response, header, request::Parts},
};
use futures_util::StreamExt;
use jiff::Timestamp;
use serde_json::json;

use super::{
    api, control,
    faults::Mishap,
    listing::Query,
    log::{self, Answered, Arrived},
    page,
    reply::{self, Reply},
    socket::Line,
    state::World,
    switches::Switches,
    token,
};

/// The status line, and a little of what follows it.
const HALF_A_HEADER: usize = 30;

/// Every path leads here: Halo's paths ignore case, which a table of routes can't.
pub(super) fn router(world: Arc<World>) -> Router {
    Router::new().fallback(serve).with_state(world)
}

/// A request, read whole.
pub(super) struct Asked {
    pub method: String,
    pub path: String,
    /// The pieces of the path; the first two, which are words, in lower case.
    segments: Vec<String>,
    pub query: Query,
    pub authorization: String,
    pub content_type: String,
    pub body: Bytes,
}

/// What came of a body.
enum Read {
    Whole(Bytes),
    TooLong,
    /// The client went away in the middle of it.
    Cut,
}

/// A body for the sandbox itself may be so long, whatever the switch says.
const LONGEST: usize = 256 * 1024 * 1024;

async fn serve(
    State(world): State<Arc<World>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut asked = Asked::new(&parts);
    let longest = match asked.segments()[..] {
        ["api" | "auth", ..] => world.switches().largest_request,
        _ => LONGEST,
    };
    let read = read(body, longest).await;
    if let Read::Whole(body) = &read {
        asked.body = body.clone();
    }
    match asked.segments()[..] {
        [] | ["sandbox", ..] => of_sandbox(&world, &asked, &read),
        _ => of_halo(&world, &line, &asked, (&parts, read)).await,
    }
}

/// What is asked of the sandbox itself meets no faults, and is in no log.
fn of_sandbox(world: &World, asked: &Asked, read: &Read) -> Response<Body> {
    let reply = match (read, &asked.segments()[..]) {
        (Read::TooLong | Read::Cut, _) => Reply::empty(413),
        (_, ["sandbox", "requests"]) if asked.method == "GET" => {
            let last = asked.query.number("last").and_then(|count| usize::try_from(count).ok());
            let rows = log::written(world.log().last(last.unwrap_or(usize::MAX)));
            return Reply::new(200, "application/json; charset=utf-8", "").into_response_of(rows);
        }
        (_, ["sandbox", rest @ ..]) => control::answer(world, asked, rest),
        (_, _) if asked.method == "GET" => page::page(world, &asked.query),
        (_, _) => Reply::empty(405),
    };
    asked.tell(world);
    reply.into_response()
}

async fn of_halo(world: &World, line: &Line, asked: &Asked, (parts, read): (&Parts, Read)) -> Response<Body> {
    let number = world.log().begin(asked.arrived(parts));
    let (reply, mishap) = match read {
        Read::Whole(_) => answer(world, asked).await,
        Read::TooLong => (Reply::too_long(&world.switches()), None),
        Read::Cut => (
            Reply::empty(400).because("the client went away before its body was there"),
            Some(Mishap::Drop),
        ),
    };
    let reply = reply.dated(&world.switches());
    // What never comes whole is no answer.
    let status = match mishap {
        Some(Mishap::Drop | Mishap::HalfHeader | Mishap::Long { .. } | Mishap::Endless) => 0,
        _ => reply.http_status,
    };
    let answered = Answered {
        status,
        reason: reply.reason,
        answer: if asked.is_sign_in() && status < 300 {
            Bytes::new()
        } else {
            reply.octets()
        },
    };
    world.log().end(number, answered);
    match mishap {
        Some(Mishap::Drop) => {
            line.cut();
            Reply::empty(500).into_response()
        }
        Some(Mishap::Half) => reply.into_half(),
        Some(Mishap::HalfHeader) => {
            line.cut_after(HALF_A_HEADER);
            reply.into_response()
        }
        Some(Mishap::Long { mib }) => reply::long(mib),
        Some(Mishap::Endless) => reply::endless(),
        _ => reply.into_response(),
    }
}

/// A body that is not too long. The rest of one that is is read, too: a client that still sends loses the answer.
async fn read(body: Body, longest: usize) -> Read {
    let (mut whole, mut is_too_long) = (Vec::new(), false);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else { return Read::Cut };
        is_too_long |= whole.len() + chunk.len() > longest;
        if is_too_long {
            whole = Vec::new();
        } else {
            whole.extend_from_slice(&chunk);
        }
    }
    if is_too_long {
        return Read::TooLong;
    }
    // Boxed: what the log keeps takes no more than it is long.
    Read::Whole(whole.into_boxed_slice().into())
}

impl Asked {
    /// The request before its body.
    fn new(parts: &Parts) -> Asked {
        let pairs = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let field = |name: HeaderName| {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let path = parts.uri.path();
        let segments = path.split('/').filter(|segment| !segment.is_empty()).enumerate();
        let segments = segments.map(|(place, segment)| match place {
            0 | 1 => segment.to_ascii_lowercase(),
            _ => segment.to_owned(),
        });
        Asked {
            method: parts.method.to_string(),
            path: path.to_owned(),
            segments: segments.collect(),
            query: Query(pairs.into_owned().collect()),
            authorization: field(header::AUTHORIZATION),
            content_type: field(header::CONTENT_TYPE),
            body: Bytes::new(),
        }
    }

    pub(super) fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// Says that something may have changed, unless it was only read.
    fn tell(&self, world: &World) {
        if self.method != "GET" {
            world.changed.notify_one();
        }
    }

    pub(super) fn form(&self) -> Query {
        Query(url::form_urlencoded::parse(&self.body).into_owned().collect())
    }

    /// Whether it says that its body is JSON, in one of the ways that Halo documents.
    pub(super) fn is_json(&self) -> bool {
        let media_type = self.media_type();
        ["application/json", "text/json"].contains(&media_type.as_str())
            || (media_type.starts_with("application/") && media_type.ends_with("+json"))
    }

    pub(super) fn is_form(&self) -> bool {
        self.media_type() == "application/x-www-form-urlencoded"
    }

    fn media_type(&self) -> String {
        let media_type = self.content_type.split(';').next().unwrap_or_default();
        media_type.trim().to_ascii_lowercase()
    }

    fn is_sign_in(&self) -> bool {
        self.segments() == ["auth", "token"]
    }

    /// As the log takes it.
    fn arrived(&self, parts: &Parts) -> Arrived {
        let body = if self.is_sign_in() {
            token::logged(&self.form()).to_string().into()
        } else {
            self.body.clone()
        };
        Arrived {
            at: Timestamp::now(),
            method: self.method.clone(),
            path: self.path.clone(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            content_type: self.content_type.clone(),
            body,
        }
    }
}

/// The answer of what is carried out. A client that does not wait for it ends the rest of its request, so that what
/// was changed is told here.
fn done(world: &World, asked: &Asked, switches: &Switches) -> Reply {
    let reply = api::answer(world, asked, switches);
    asked.tell(world);
    reply
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
        return (done(world, asked, &switches), None);
    };
    // What was done stays done, whatever is said about it.
    let is_done = fault.after
        || matches!(
            fault.mishap,
            Mishap::Half | Mishap::HalfHeader | Mishap::NoId | Mishap::Delay { .. }
        );
    let reply = if is_done {
        done(world, asked, &switches)
    } else {
        Reply::empty(500)
    };
    let reply = match &fault.mishap {
        Mishap::Status { status, message } if message.is_empty() => Reply::empty(*status),
        Mishap::Status { status: 429, message } => Reply::too_many(message, &switches),
        Mishap::Status { status, message } => Reply::exception(*status, message),
        Mishap::Html { status } => Reply::page(*status),
        Mishap::NoId if matches!(reply.http_status, 200..=299) => Reply::json(reply.http_status, json!({})),
        Mishap::Delay { ms } => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            reply
        }
        Mishap::Answer { status, fields, body } => Reply::verbatim(*status, fields, body),
        Mishap::Drop | Mishap::Half | Mishap::HalfHeader | Mishap::NoId | Mishap::Long { .. } | Mishap::Endless => {
            reply
        }
    };
    let reply = reply.with_retry_after(&switches).because("a fault had its turn");
    (reply, Some(fault.mishap))
}
