//! Answers in the forms that Halo and the gateways before it give.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    record::BindingFaults,
    switches::{RateBody, Switches},
};

/// An answer before it is put on the wire.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub http_status: u16,
    /// What the log says besides; empty where the answer says it all.
    pub reason: &'static str,
    body: Bytes,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    /// Octets of a kind; without any, an empty body.
    pub(super) fn new(http_status: u16, media_type: &str, body: impl Into<Bytes>) -> Reply {
        Reply::empty(http_status)
            .with(header::CONTENT_TYPE, media_type)
            .saying(body.into())
    }

    pub(super) fn empty(http_status: u16) -> Reply {
        Reply {
            http_status,
            reason: "",
            body: Bytes::new(),
            fields: Vec::new(),
        }
    }

    /// The same with a word for the log.
    pub(super) fn because(self, reason: &'static str) -> Reply {
        Reply { reason, ..self }
    }

    fn saying(self, body: Bytes) -> Reply {
        Reply { body, ..self }
    }

    /// The same with another header field, unless its value can not stand in one.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Reply {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.fields.push((name, value));
        }
        self
    }

    pub(super) fn json(http_status: u16, value: Value) -> Reply {
        Reply::new(http_status, "application/json; charset=utf-8", value.to_string())
    }

    /// What Halo's business rules and its database say.
    pub(super) fn exception(http_status: u16, message: &str) -> Reply {
        let body = json!({
            "ClassName": "System.Exception", "Message": message, "Data": null, "InnerException": null, "HelpURL": null,
            "StackTraceString": null, "RemoteStackTraceString": null, "RemoteStackIndex": 0, "ExceptionMethod": null,
            "HResult": -2_146_233_088_i64, "Source": null, "WatsonBuckets": null,
        });
        Reply::json(http_status, body)
    }

    /// The one text of everything that is wrong with whose a record is.
    pub(super) fn nowhere() -> Reply {
        Reply::exception(400, "Please select a valid Client/Site/User")
    }

    /// What model binding says.
    pub(super) fn binding(faults: BindingFaults) -> Reply {
        Reply::json(400, Value::Object(faults))
    }

    /// The same of one place.
    pub(super) fn unbound(place: &str, text: &str) -> Reply {
        Reply::binding(BindingFaults::from_iter([(place.to_owned(), json!([text]))]))
    }

    /// The body is longer than it may be.
    pub(super) fn too_long(switches: &Switches) -> Reply {
        let reply = match switches.too_large_status {
            404 => {
                let html = "<html>\r\n<head><title>404.13</title></head>\r\n<body>\r\n<h1>HTTP Error 404.13</h1>\r\n\
                            <p>The request is longer than this server takes.</p>\r\n</body>\r\n</html>\r\n";
                Reply::new(404, "text/html", html)
            }
            http_status => Reply::empty(http_status),
        };
        reply.because("the body is longer than largest_request")
    }

    /// The rate was exceeded.
    pub(super) fn too_many(text: &str, switches: &Switches) -> Reply {
        let reply = match switches.rate_body {
            RateBody::Exception => Reply::exception(429, text),
            RateBody::Text => Reply::json(429, json!(text)),
            RateBody::Error => Reply::json(429, json!({ "error": text })),
        };
        reply.with_retry_after(switches)
    }

    /// The same with `Retry-After` if it is a 429 and the switch is on.
    pub(super) fn with_retry_after(self, switches: &Switches) -> Reply {
        match switches.retry_after_s {
            Some(seconds) if self.http_status == 429 && !self.has(&header::RETRY_AFTER) => {
                let date = || http_date(switches.now().checked_add(Duration::from_secs(seconds)).ok()?).into();
                let date = switches.retry_after_date.then(date).flatten();
                self.with(header::RETRY_AFTER, &date.unwrap_or_else(|| seconds.to_string()))
            }
            _ => self,
        }
    }

    /// The same with the time, where the clock is not right; else the server adds it.
    pub(super) fn dated(self, switches: &Switches) -> Reply {
        match switches.clock_ahead_s {
            0 => self,
            _ => self.with(header::DATE, &http_date(switches.now())),
        }
    }

    fn has(&self, name: &HeaderName) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// A page of whatever stands before Halo.
    pub(super) fn page(http_status: u16) -> Reply {
        let reason = StatusCode::from_u16(http_status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Error");
        let html = format!(
            "<html>\r\n<head><title>{http_status} {reason}</title></head>\r\n<body>\r\n\
             <center><h1>{reason}</h1></center>\r\n<hr><center>sandbox gateway</center>\r\n</body>\r\n</html>\r\n"
        );
        Reply::new(http_status, "text/html", html)
    }

    /// An answer as somebody wrote it down; what can not be a header field is left out.
    pub(super) fn verbatim(http_status: u16, fields: &BTreeMap<String, String>, body: &str) -> Reply {
        let reply = Reply::empty(http_status).saying(body.to_owned().into());
        let fields = fields
            .iter()
            .filter_map(|(name, value)| Some((name.parse().ok()?, value)));
        fields.fold(reply, |reply, (name, value)| reply.with(name, value))
    }

    /// The answer as it goes out.
    pub(super) fn into_response(self) -> Response<Body> {
        let body = Body::from(self.body.clone());
        self.headed(body)
    }

    /// The head of the answer with another body.
    pub(super) fn into_response_of(self, body: Body) -> Response<Body> {
        self.headed(body)
    }

    /// The first half of the answer, after which the connection closes.
    pub(super) fn into_half(self) -> Response<Body> {
        let half = self.body.slice(..self.body.len() / 2);
        if half.is_empty() {
            return self.into_response();
        }
        let cut = stream::once(async {
            // The server writes out what it has when the body makes it wait, and only then.
            tokio::task::yield_now().await;
            Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
        });
        self.headed(Body::from_stream(stream::iter([Ok(half)]).chain(cut)))
    }

    /// What it says.
    pub(super) fn octets(&self) -> Bytes {
        self.body.clone()
    }

    /// What a test reads.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn headed(self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().extend(self.fields);
        response
    }
}

/// As header fields show a time (RFC 9110, section 5.6.7).
fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// An empty list in so many MiB: JSON may have as many blanks as it likes.
pub(super) fn long(mib: usize) -> Response<Body> {
    let blanks = stream::iter(std::iter::repeat_n(vec![b' '; 1 << 20], mib));
    of_pieces(blanks.chain(stream::iter([b"[]".to_vec()])))
}

/// The blanks before a list that never comes.
pub(super) fn endless() -> Response<Body> {
    of_pieces(stream::repeat(vec![b' ']).then(|blank| async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        blank
    }))
}

fn of_pieces(pieces: impl futures_util::Stream<Item = Vec<u8>> + Send + 'static) -> Response<Body> {
    let body = Body::from_stream(pieces.map(Ok::<_, Infallible>));
    Reply::empty(200)
        .with(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .headed(body)
}
