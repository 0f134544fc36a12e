//! One question to Halo's API: with a token, repeated where that is safe, its answer classed.

use std::{fmt, time::Duration};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use jiff::Timestamp;
use reqwest::{
    RequestBuilder, header,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{
    TicketId, answer,
    client::{Call, Calls, HaloError},
    findings::Findings,
    http::{Answer, Http, Label, Lost},
    token::{Token, Tokens, below, shown},
    verdict::{self, unusable},
    wire::Query,
};
use crate::{
    config::ConnectionName,
    crash::{self, Step},
    secret::ExposeSecret,
};

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
    /// Which step it is, where it writes.
    write: Option<Step>,
    path: String,
    query: Query,
    body: Option<Body>,
    /// What the trace shows in the place of a body that is no text for people.
    shown: Option<Value>,
    /// Its body names a record that there may not be.
    names_record: bool,
}

/// What is sent along.
#[derive(Debug, Clone)]
enum Body {
    Json(Value),
    Form(Picture),
}

/// A picture that stands in a text, as a form uploads it (fact sheet, 7.2).
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub ticket: TicketId,
    /// Any that no other upload has.
    pub key: String,
    pub name: String,
    pub content_type: String,
    pub octets: Bytes,
}

impl Picture {
    fn form(&self) -> Form {
        let file = Part::stream(self.octets.clone()).file_name(self.name.clone());
        // A type that is no type is left out; what kind of picture it is shows in its octets.
        let file = file
            .mime_str(&self.content_type)
            .unwrap_or_else(|_| Part::stream(self.octets.clone()).file_name(self.name.clone()));
        Form::new()
            .text("ticket_id", self.ticket.to_string())
            .text("image_upload_id", "0")
            .text("image_upload_key", self.key.clone())
            .part("file", file)
    }
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
            write: None,
            path: path.into(),
            query: Query::new(),
            body: None,
            shown: None,
            names_record: false,
        }
    }

    pub(super) fn post(write: Step, path: impl Into<String>, body: Value) -> Request {
        Request {
            method: "POST",
            write: Some(write),
            body: Some(Body::Json(body)),
            ..Request::get(path)
        }
    }

    /// The upload of a picture.
    pub(super) fn upload(write: Step, path: impl Into<String>, picture: Picture) -> Request {
        let shown = json!({
            "ticket_id": picture.ticket, "file": format!("{}, {} octets", picture.name, picture.octets.len()),
        });
        Request {
            method: "POST",
            write: Some(write),
            body: Some(Body::Form(picture)),
            shown: Some(shown),
            ..Request::get(path)
        }
    }

    /// Its body names a record, so that "not found" may be an answer to that.
    pub(super) fn naming_a_record(mut self) -> Request {
        self.names_record = true;
        self
    }

    pub(super) fn names_record(&self) -> bool {
        self.names_record
    }

    /// The trace shows this in the place of its body.
    pub(super) fn shown_as(mut self, shown: Value) -> Request {
        self.shown = Some(shown);
        self
    }

    pub(super) fn delete(write: Step, path: impl Into<String>) -> Request {
        Request {
            method: "DELETE",
            write: Some(write),
            ..Request::get(path)
        }
    }

    pub(super) fn with(mut self, query: Query) -> Request {
        self.query.extend(query);
        self
    }

    /// Whether one record is meant by its id.
    pub(super) fn is_of_record(&self) -> bool {
        self.method != "POST" && self.path.trim_matches('/').contains('/')
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn method(&self) -> &'static str {
        self.method
    }

    pub(super) fn is_write(&self) -> bool {
        self.write.is_some()
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
        let body = match (&self.shown, &self.body) {
            (Some(shown), _) => shown.clone(),
            (None, Some(Body::Json(body))) => body.clone(),
            (None, _) => Value::Null,
        };
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
        if verdict::is_no_record(request, &answer) {
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
            match self.exchange(&token, request, calls).await {
                Ok(answer) if answer.http_status == 401 && !repeats.token => {
                    repeats.token = true;
                    self.http.pace.meter.note_retry();
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
                Err(Lost::Dropped(_)) if !request.is_write() && !repeats.dropped => {
                    repeats.dropped = true;
                    self.http.pace.meter.note_retry();
                }
                Err(lost) => return Err(self.no_answer(request, lost)),
            }
        }
    }

    /// An answer of any status to one try with that very token.
    pub(super) async fn answer_to(&self, token: &Token, request: &Request, calls: &Calls) -> Result<Answer, HaloError> {
        let answer = self.exchange(token, request, calls).await;
        answer.map_err(|lost| self.no_answer(request, lost))
    }

    async fn exchange(&self, token: &Token, request: &Request, calls: &Calls) -> Result<Answer, Lost> {
        let exchanged = self
            .http
            .exchange(self.prepared(request, token), request.label(), calls);
        crash::around(request.write, exchanged).await
    }

    fn prepared(&self, request: &Request, token: &Token) -> RequestBuilder {
        let mut url = below(&self.base, &format!("api{}", request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let agent = &self.http.agent;
        let builder = match (request.method, &request.body) {
            (_, Some(Body::Json(body))) => agent.post(url).json(body),
            (_, Some(Body::Form(picture))) => agent.post(url).multipart(picture.form()),
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
            self.http.pace.meter.note_retry();
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_in_an_address_is_not_sent_as_a_space() {
        let request = Request::get("/Users").with(vec![("search", "jane+news@acme.example".into())]);
        assert_eq!(request.path_and_query(), "/Users?search=jane%2Bnews%40acme.example");
        assert_eq!(Request::get("/Users/7").path_and_query(), "/Users/7");
    }
}
