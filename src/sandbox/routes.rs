//! From a request to its answer: what is asked of the sandbox itself, the log, the faults, and then Halo's API.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, Response, header, request::Parts},
};
use bytes::BytesMut;
use futures_util::StreamExt;
use jiff::Timestamp;
use serde_json::json;

use super::{
    api, control,
    faults::Mishap,
    listing::Query,
    log::LoggedRequest,
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
    pub query: Query,
    pub authorization: String,
    pub content_type: String,
    pub body: Bytes,
}

async fn serve(
    State(world): State<Arc<World>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let longest = world.switches().largest_request;
    let Some(body) = read(body, longest).await else {
        let asked = Asked::new(&parts, Bytes::new());
        let number = world.log().begin(asked.logged(), 0);
        world.log().end(number, 413);
        return Reply::empty(413).into_response();
    };
    let asked = Asked::new(&parts, body);
    let segments = asked.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let reply = match segments[..] {
        [] if asked.method == "GET" => Some(page::page(&world)),
        ["sandbox", ref rest @ ..] => Some(control::answer(&world, &asked.method, rest, &asked.body)),
        _ => None,
    };
    if let Some(reply) = reply {
        asked.tell(&world);
        return reply.into_response();
    }
    let number = world.log().begin(asked.logged(), asked.body.len());
    let (reply, mishap) = answer(&world, &asked).await;
    let reply = reply.dated(&world.switches());
    match mishap {
        Some(Mishap::Drop) => {
            line.cut();
            Reply::empty(500).into_response()
        }
        Some(Mishap::Half) => {
            world.log().end(number, reply.http_status);
            reply.into_half()
        }
        Some(Mishap::HalfHeader) => {
            line.cut_after(HALF_A_HEADER);
            reply.into_response()
        }
        Some(Mishap::Long { mib }) => reply::long(mib),
        Some(Mishap::Endless) => reply::endless(),
        _ => {
            world.log().end(number, reply.http_status);
            reply.into_response()
        }
    }
}

/// A body that is not too long. The rest of one that is is read, too: a client that still sends loses the answer.
async fn read(body: Body, longest: usize) -> Option<Bytes> {
    let (mut whole, mut is_too_long) = (BytesMut::new(), false);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.ok()?;
        is_too_long |= whole.len() + chunk.len() > longest;
        if is_too_long {
            whole = BytesMut::new();
        } else {
            whole.extend_from_slice(&chunk);
        }
    }
    (!is_too_long).then(|| whole.freeze())
}

impl Asked {
    fn new(parts: &Parts, body: Bytes) -> Asked {
        let pairs = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let field = |name: HeaderName| {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        Asked {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: Query(pairs.into_owned().collect()),
            authorization: field(header::AUTHORIZATION),
            content_type: field(header::CONTENT_TYPE),
            body,
        }
    }

    /// The path in lower case, piece by piece.
    pub(super) fn segments(&self) -> Vec<String> {
        self.path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(str::to_ascii_lowercase)
            .collect()
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
        Mishap::NoId => Reply::json(200, json!({})),
        Mishap::Delay { ms } => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            reply
        }
        Mishap::Answer { status, fields, body } => Reply::verbatim(*status, fields, body),
        Mishap::Drop | Mishap::Half | Mishap::HalfHeader | Mishap::Long { .. } | Mishap::Endless => reply,
    };
    (reply.with_retry_after(&switches), Some(fault.mishap))
}
