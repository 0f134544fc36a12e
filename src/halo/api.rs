//! One question to Halo's API: with a token, repeated where that is safe, its answer classed.

use std::{fmt, time::Duration};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use reqwest::{RequestBuilder, header};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{
    answer,
    client::{Call, Calls, HaloError},
    fault::Permission,
    findings::Findings,
    http::{Answer, Http, Label, Lost},
    token::{Token, Tokens, below, shown},
    wire::Query,
};
use crate::{config::ConnectionName, secret::ExposeSecret};

/// So many 429s in a row are waited out inside one request.
const WAITED_OUT: u32 = 4;

/// The API of one connection.
#[derive(Debug)]
pub(super) struct Api {
    pub connection: ConnectionName,
    pub base: Url,
    pub http: Http,
    pub tokens: Tokens,
    pub patience: Duration,
    /// What a probe found out there; none where nobody probed it.
    pub findings: ArcSwapOption<Findings>,
}

/// What is asked: Halo knows GET, POST and DELETE alone.
#[derive(Debug, Clone)]
pub(super) struct Request {
    method: &'static str,
    path: String,
    query: Query,
    body: Option<Value>,
}

/// What was repeated already for one question.
#[derive(Debug, Default)]
struct Repeats {
    token: bool,
    dropped: bool,
    held: u32,
}

impl Request {
    pub(super) fn get(path: impl Into<String>) -> Request {
        Request {
            method: "GET",
            path: path.into(),
            query: Query::new(),
            body: None,
        }
    }

    pub(super) fn post(path: impl Into<String>, body: Value) -> Request {
        Request {
            method: "POST",
            path: path.into(),
            query: Query::new(),
            body: Some(body),
        }
    }

    pub(super) fn delete(path: impl Into<String>) -> Request {
        Request {
            method: "DELETE",
            ..Request::get(path)
        }
    }

    pub(super) fn with(mut self, query: Query) -> Request {
        self.query.extend(query);
        self
    }

    pub(super) fn is_write(&self) -> bool {
        self.method != "GET"
    }

    /// Form encoding writes a plus as `%2B`; a bare one would be read as a space.
    fn path_and_query(&self) -> String {
        if self.query.is_empty() {
            return self.path.clone();
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.query)
            .finish();
        format!("{}?{query}", self.path)
    }

    /// As the trace of a dry run shows it: nobody sent it. `answer` says whose word stands for Halo's.
    pub(super) fn unsent(&self, answer: &str) -> Call {
        let Label { method, path, body, .. } = self.label();
        Call {
            at: Timestamp::now(),
            method: method.to_owned(),
            path,
            body,
            http_status: 0,
            answer: answer.to_owned(),
            took_ms: 0,
            shared: 0,
            counts_elsewhere: false,
        }
    }

    fn label(&self) -> Label {
        let body = self.body.clone().unwrap_or_default();
        Label {
            method: self.method,
            path: self.path_and_query(),
            body,
            is_secret: false,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Api {
    /// The value that Halo answers with.
    pub(super) async fn ask(&self, request: &Request, calls: &Calls) -> Result<Value, HaloError> {
        let answer = self.answer(request, calls).await?;
        self.classed(request, answer)
    }

    /// The value, or none where Halo has no record of that id.
    pub(super) async fn ask_record(&self, request: &Request, calls: &Calls) -> Result<Option<Value>, HaloError> {
        let answer = self.answer(request, calls).await?;
        if answer.http_status == 404 {
            Ok(None)
        } else {
            self.classed(request, answer).map(Some)
        }
    }

    /// An answer of any status but 429. A 401 is repeated once with another token; a 429, of the sign-in too, means
    /// that nothing was done, so it is repeated for writes as well; a read is repeated once when its connection had been closed.
    pub(super) async fn answer(&self, request: &Request, calls: &Calls) -> Result<Answer, HaloError> {
        let mut repeats = Repeats::default();
        loop {
            let token = match self.tokens.token(&self.http, calls).await {
                Ok(token) => token,
                Err(HaloError::TooMany {
                    reason,
                    retry_after: Some(held),
                }) => {
                    self.wait_or_give_up(held, || reason, &mut repeats)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match self
                .http
                .exchange(self.prepared(request, &token), request.label(), calls)
                .await
            {
                Ok(answer) if answer.http_status == 401 && !repeats.token => {
                    repeats.token = true;
                    self.tokens.discard(&token).await;
                }
                Ok(answer) if answer.http_status == 429 => {
                    let held = self.http.pace.hold(answer.retry_after, fastrand::f64());
                    let said = || answer::sentence(answer.http_status, &answer.body);
                    self.wait_or_give_up(held, said, &mut repeats)?;
                }
                Ok(answer) => {
                    self.http.pace.flows();
                    return Ok(answer);
                }
                Err(Lost::Dropped(_)) if !request.is_write() && !repeats.dropped => repeats.dropped = true,
                Err(lost) => return Err(self.no_answer(request, lost)),
            }
        }
    }

    /// An answer of any status to one try with that very token.
    pub(super) async fn answer_to(&self, token: &Token, request: &Request, calls: &Calls) -> Result<Answer, HaloError> {
        let sent = self
            .http
            .exchange(self.prepared(request, token), request.label(), calls);
        sent.await.map_err(|lost| self.no_answer(request, lost))
    }

    fn prepared(&self, request: &Request, token: &Token) -> RequestBuilder {
        let mut url = below(&self.base, &format!("api{}", request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let agent = &self.http.agent;
        let builder = match (request.method, &request.body) {
            (_, Some(body)) => agent.post(url).json(body),
            ("DELETE", None) => agent.delete(url),
            (_, None) => agent.get(url),
        };
        builder
            .bearer_auth(token.bearer.expose_secret())
            .header(header::ACCEPT, "application/json")
    }

    /// The whole connection holds still; whoever is patient enough comes again when it flows.
    fn wait_or_give_up(
        &self,
        held: Duration,
        said: impl FnOnce() -> String,
        repeats: &mut Repeats,
    ) -> Result<(), HaloError> {
        repeats.held += 1;
        if held <= self.patience && repeats.held < WAITED_OUT {
            return Ok(());
        }
        Err(HaloError::TooMany {
            reason: said(),
            retry_after: Some(held),
        })
    }

    fn no_answer(&self, request: &Request, lost: Lost) -> HaloError {
        match lost {
            Lost::Held(left) => HaloError::TooMany {
                reason: lost.reason(),
                retry_after: Some(left),
            },
            Lost::Uncounted(reason) => HaloError::Uncounted { reason },
            Lost::Unsent(reason) => HaloError::Unreachable {
                url: shown(&self.base),
                reason,
            },
            Lost::Dropped(reason) | Lost::Unfinished(reason) => unusable(request, reason),
        }
    }

    /// The value of a success; everything else as the error that says what to do.
    pub(super) fn classed(&self, request: &Request, answer: Answer) -> Result<Value, HaloError> {
        let said = || answer::sentence(answer.http_status, &answer.body);
        match answer.http_status {
            200..=299 => serde_json::from_slice(&answer.body).map_err(|_| unusable(request, no_json(&answer))),
            300..=399 => Err(HaloError::Unreachable {
                url: shown(&self.base),
                reason: redirect(&answer),
            }),
            401 | 403 => Err(self.denied(request, answer.http_status, &said())),
            // 408: the server gave up waiting for what we sent, or so it says.
            408 | 500.. => Err(unusable(request, with_status(answer.http_status, &said()))),
            status => {
                let (method, path) = (request.method.to_owned(), request.path.clone());
                Err(HaloError::Refused {
                    method,
                    path,
                    status,
                    reason: said(),
                })
            }
        }
    }

    fn denied(&self, request: &Request, http_status: u16, said: &str) -> HaloError {
        let (method, path) = (request.method, &request.path);
        HaloError::Forbidden {
            connection: self.connection.clone(),
            permission: Permission::of(path, request.is_write()),
            reason: format!("{method} {path} is answered with {http_status}: {said}"),
            remedy: format!(
                "give the API application the permission {}, and the agent it signs in as the rights to match",
                permission(path, request.is_write())
            ),
        }
    }
}

/// An answer that can't be used. After a write nobody knows whether it was done.
pub(super) fn unusable(request: &Request, reason: String) -> HaloError {
    let (method, path) = (request.method.to_owned(), request.path.clone());
    HaloError::NoAnswer {
        method,
        path,
        reason,
        uncertain: request.is_write(),
    }
}

/// Halo's name for what an application needs; users and sites fall under customers, actions and files under tickets.
fn permission(path: &str, is_write: bool) -> String {
    let verb = if is_write { "edit" } else { "read" };
    let resource = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match resource.as_str() {
        "users" | "client" | "site" => format!("{verb}:customers"),
        "tickets" | "actions" | "attachment" => format!("{verb}:tickets"),
        other => format!("to {verb} {other}"),
    }
}

fn with_status(http_status: u16, said: &str) -> String {
    let status = http_status.to_string();
    if said.starts_with(&status) {
        said.to_owned()
    } else {
        format!("{status}: {said}")
    }
}

fn no_json(answer: &Answer) -> String {
    if answer.body.is_empty() {
        return format!("{} with an empty body", answer.http_status);
    }
    let text = answer::sentence(answer.http_status, &answer.body);
    format!(
        "{} with a body that is no JSON: {}",
        answer.http_status,
        answer::cut(&text, 100)
    )
}

fn redirect(answer: &Answer) -> String {
    let leads = answer
        .location
        .as_deref()
        .map(|to| format!(" to {}", answer::cut(to, 200)))
        .unwrap_or_default();
    format!(
        "it answers {} and leads{leads} elsewhere; set url to where the API is",
        answer.http_status
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> Api {
        super::super::client::tests::unconnected().into_api()
    }

    fn check(request: &Request, http_status: u16, body: &str, expected: Result<&str, &str>) {
        let answer = Answer {
            http_status,
            retry_after: None,
            location: None,
            body: body.into(),
        };
        let classed = api()
            .classed(request, answer)
            .map(|value| value.to_string())
            .map_err(|error| format!("{error:?}"));
        match expected {
            Ok(value) => assert_eq!(classed.as_deref(), Ok(value)),
            Err(part) => assert!(
                classed.as_ref().is_err_and(|error| error.contains(part)),
                "{classed:?} has no {part}"
            ),
        }
    }

    #[test]
    fn each_status_has_its_class() {
        let (get, post) = (Request::get("/Users"), Request::post("/Users", Value::Null));
        check(&get, 200, "[]", Ok("[]"));
        check(&get, 201, "{}", Ok("{}"));
        check(
            &get,
            200,
            "<html>hello</html>",
            Err("200 with a body that is no JSON: hello\", uncertain: false"),
        );
        check(&post, 200, "", Err("200 with an empty body\", uncertain: true"));
        check(&get, 302, "", Err("Unreachable"));
        check(
            &post,
            400,
            r#"{"name":["is needed"]}"#,
            Err("status: 400, reason: \"name: is needed\""),
        );
        check(&get, 404, "", Err("status: 404"));
        check(&get, 405, "", Err("status: 405"));
        check(&post, 413, "", Err("status: 413"));
        check(&get, 403, "", Err("the permission read:customers"));
        check(&post, 403, "", Err("the permission edit:customers"));
        check(&get, 401, "", Err("Forbidden"));
        check(&get, 408, "", Err("uncertain: false"));
        check(
            &get,
            500,
            "",
            Err("reason: \"500 Internal Server Error (empty answer)\", uncertain: false"),
        );
        check(
            &post,
            502,
            "<h1>Bad Gateway</h1>",
            Err("reason: \"502: Bad Gateway\", uncertain: true"),
        );
        check(&post, 504, "", Err("uncertain: true"));
    }

    #[test]
    fn the_permission_is_named_as_halo_names_it() {
        for (path, is_write, expected) in [
            ("/Users/7", false, "read:customers"),
            ("/Client", true, "edit:customers"),
            ("/Actions", true, "edit:tickets"),
            ("/Agent", false, "to read agent"),
        ] {
            assert_eq!(permission(path, is_write), expected);
        }
    }

    #[test]
    fn a_plus_in_an_address_is_not_sent_as_a_space() {
        let request = Request::get("/Users").with(vec![("search", "jane+news@acme.example".into())]);
        assert_eq!(request.path_and_query(), "/Users?search=jane%2Bnews%40acme.example");
        assert_eq!(Request::get("/Users/7").path_and_query(), "/Users/7");
    }
}
