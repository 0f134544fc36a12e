//! One exchange with a server that an operator names: nobody is followed elsewhere, nothing is read without a bound.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use reqwest::{
    Client, Method, RequestBuilder, Response,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE},
    redirect::Policy,
};
use serde_json::{Map, Value};
use url::Url;

use super::{Held, KEY_FIELD, Reply, Request, WebError};
use crate::{
    config::endpoint::is_here,
    crash::{self, Step},
    foreign::{cut, root_of},
    halo::{
        client::{Call, Calls},
        http::wait_of,
    },
    secret::{ExposeSecret, Secret, SecretString},
    tls,
};

/// For the whole exchange: whoever needs longer keeps a message's author waiting.
const TIMEOUT: Duration = Duration::from_secs(30);
/// For the connection alone.
const CONNECT: Duration = Duration::from_secs(10);
/// The answer is kept in the journal, and steps hold it in memory.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// So much of it the trace shows with the request.
const SHOWN: usize = 2000;
/// So much of it stands in a reason.
pub(super) const SAID: usize = 200;
/// Stands where an answer repeats a secret that it was sent.
const HIDDEN: &str = "(secret)";

/// The HTTP agents, made when the first request leaves.
#[derive(Debug, Default)]
pub struct Web {
    /// For other machines, by the system's proxy where there is one.
    away: OnceLock<Client>,
    /// For this machine.
    here: OnceLock<Client>,
}

impl Web {
    /// Sends it once and reads the answer. It is noted in `calls` without its header.
    pub async fn send(&self, request: &Request, calls: &Calls) -> Result<Reply, WebError> {
        let fields = Fields::of(request)?;
        let method = Method::from_bytes(request.method.as_bytes()).expect("the table of steps names the methods");
        let builder = self
            .agent(&request.url)?
            .request(method, request.url.clone())
            .headers(fields.map)
            .body(request.body.clone());
        let (at, began) = (Timestamp::now(), Instant::now());
        let step = request.writes().then_some(Step::HttpRequest);
        let answered = crash::around(step, exchange(builder, request, &fields.secrets)).await;
        let (http_status, answer) = match &answered {
            Ok(reply) => (reply.status, reply.text.clone()),
            Err(WebError::Unexpected {
                http_status, answer, ..
            }) => (*http_status, answer.clone()),
            Err(error) => (0, error.to_string()),
        };
        calls.note(Call {
            at,
            http_status,
            answer: cut(&answer, SHOWN),
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..unsent(request, "")
        });
        answered
    }

    pub(super) fn agent(&self, server: &Url) -> Result<&Client, WebError> {
        let is_here = is_here(server);
        let made = if is_here { &self.here } else { &self.away };
        if let Some(agent) = made.get() {
            return Ok(agent);
        }
        let agent = make(is_here).map_err(|reason| WebError::NoClient { reason })?;
        Ok(made.get_or_init(|| agent))
    }
}

fn make(is_here: bool) -> Result<Client, String> {
    let trusted = tls::http_config(None).map_err(|error| error.to_string())?;
    let mut agent = Client::builder()
        .user_agent(concat!("halo-intake/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(TIMEOUT)
        // A redirect would carry body and secrets to somewhere nobody configured.
        .redirect(Policy::none())
        .tls_backend_preconfigured(trusted);
    if is_here {
        agent = agent.no_proxy();
    }
    agent.build().map_err(|error| error.to_string())
}

/// The request as a dry run notes it, `instead` of an answer.
pub fn unsent(request: &Request, instead: &str) -> Call {
    Call {
        at: Timestamp::now(),
        method: request.method.clone(),
        path: request.url.to_string(),
        body: request.said(),
        http_status: 0,
        answer: instead.to_owned(),
        took_ms: 0,
        shared: 0,
        counts_elsewhere: false,
    }
}

/// The header of a request with its secrets open, for the moment of its use.
struct Fields {
    map: HeaderMap,
    secrets: Vec<SecretString>,
}

impl Fields {
    fn of(request: &Request) -> Result<Fields, WebError> {
        let mut fields = Fields {
            map: HeaderMap::new(),
            secrets: Vec::new(),
        };
        for (field, held) in &request.headers {
            match held {
                Held::Text(text) => fields.add(field, text, false)?,
                Held::Secret(source) => {
                    let opened = Secret::from(source.clone()).open();
                    let secret = opened.map_err(|source| WebError::Closed {
                        field: field.clone(),
                        source,
                    })?;
                    fields.add(field, secret.expose_secret(), true)?;
                    fields.secrets.push(secret);
                }
            }
        }
        fields.add(KEY_FIELD, &request.key, false)?;
        if !request.body.is_empty() && !fields.map.contains_key(CONTENT_TYPE) {
            fields.add(CONTENT_TYPE.as_str(), "text/plain; charset=utf-8", false)?;
        }
        Ok(fields)
    }

    /// A value with a line break in it would begin another field; the type takes none.
    fn add(&mut self, field: &str, text: &str, is_secret: bool) -> Result<(), WebError> {
        let unusable = || WebError::Unusable {
            field: field.to_owned(),
        };
        let name = HeaderName::from_bytes(field.as_bytes()).map_err(|_| unusable())?;
        let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| unusable())?;
        value.set_sensitive(is_secret);
        self.map.insert(name, value);
        Ok(())
    }
}

async fn exchange(builder: RequestBuilder, request: &Request, secrets: &[SecretString]) -> Result<Reply, WebError> {
    let response = builder.send().await.map_err(|error| lost(request.describe(), &error))?;
    let (status, retry_after) = (response.status().as_u16(), wait_of(response.headers()));
    let headers = shown(response.headers(), secrets);
    let text = without(secrets, read(response, request).await?);
    if !request.expect.includes(status) {
        return Err(WebError::Unexpected {
            request: request.describe(),
            http_status: status,
            answer: cut(&text, SAID),
            retry_after,
        });
    }
    Ok(Reply {
        status,
        headers,
        json: serde_json::from_str(&text).unwrap_or_default(),
        text,
    })
}

/// Why there is no answer to `request`.
pub(super) fn lost(request: String, error: &reqwest::Error) -> WebError {
    let reason = if error.is_timeout() {
        "it takes too long".to_owned()
    } else {
        root_of(error)
    };
    if error.is_connect() {
        WebError::Unreached { request, reason }
    } else {
        WebError::NoAnswer { request, reason }
    }
}

async fn read(mut response: Response, request: &Request) -> Result<String, WebError> {
    let mut octets = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| lost(request.describe(), &error))?
    {
        if octets.len() + chunk.len() > LONGEST_ANSWER {
            return Err(WebError::TooLong {
                request: request.describe(),
                most: LONGEST_ANSWER,
            });
        }
        octets.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// The answer's header. What sets a cookie signs somebody in, and is left out.
fn shown(headers: &HeaderMap, secrets: &[SecretString]) -> Map<String, Value> {
    let mut shown = Map::new();
    for name in headers.keys().filter(|name| *name != SET_COOKIE) {
        let values = headers.get_all(name).iter();
        let texts: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        shown.insert(name.to_string(), without(secrets, texts.join("\n")).into());
    }
    shown
}

/// A server may repeat what it was sent: a whole secret, or what stands behind its scheme (`Bearer …`).
pub(super) fn without(secrets: &[SecretString], text: String) -> String {
    secrets.iter().fold(text, |text, secret| {
        let whole = secret.expose_secret().trim();
        let token = whole.rsplit(' ').next().unwrap_or_default();
        let parts = [whole, token].into_iter().filter(|part| !part.is_empty());
        parts.fold(text, |text, part| text.replace(part, HIDDEN))
    })
}
