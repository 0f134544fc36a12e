//! Answers in the forms that Halo and the gateways before it give.

use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{
    record::BindingFaults,
    switches::{RateBody, Switches},
};

/// An answer before it is put on the wire.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub http_status: u16,
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
            body: Bytes::new(),
            fields: Vec::new(),
        }
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
                self.with(header::RETRY_AFTER, &seconds.to_string())
            }
            _ => self,
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

    /// The answer as it goes out.
    pub(super) fn into_response(self) -> Response<Body> {
        let body = Body::from(self.body.clone());
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
