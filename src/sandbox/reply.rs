//! Answers in the forms that Halo and the gateways before it give.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Response, StatusCode, header},
};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::record::BindingFaults;

/// An answer before it is put on the wire.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub http_status: u16,
    pub body: Content,
    /// In seconds.
    pub retry_after: Option<u64>,
}

/// What an answer carries.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Empty,
    Json(Value),
    Html(String),
}

impl Reply {
    pub(super) fn json(http_status: u16, value: Value) -> Reply {
        Reply {
            http_status,
            body: Content::Json(value),
            retry_after: None,
        }
    }

    pub(super) fn empty(http_status: u16) -> Reply {
        Reply {
            http_status,
            body: Content::Empty,
            retry_after: None,
        }
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

    /// What model binding says.
    pub(super) fn binding(faults: BindingFaults) -> Reply {
        Reply::json(400, Value::Object(faults))
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
        Reply {
            http_status,
            body: Content::Html(html),
            retry_after: None,
        }
    }

    /// The answer as it goes out.
    pub(super) fn into_response(self) -> Response<Body> {
        let (media_type, octets) = match self.body {
            Content::Empty => (None, Vec::new()),
            Content::Json(value) => (Some("application/json; charset=utf-8"), value.to_string().into_bytes()),
            Content::Html(page) => (Some("text/html"), page.into_bytes()),
        };
        response(self.http_status, media_type, self.retry_after, Body::from(octets))
    }

    /// The first half of the answer, after which the connection closes.
    pub(super) fn into_half(self) -> Response<Body> {
        let Content::Json(value) = self.body else {
            return Reply::empty(self.http_status).into_response();
        };
        let octets = value.to_string().into_bytes();
        let half = Bytes::copy_from_slice(&octets[..octets.len() / 2]);
        let cut = stream::once(async {
            // The server writes out what it has when the body makes it wait, and only then.
            tokio::task::yield_now().await;
            Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
        });
        response(
            self.http_status,
            Some("application/json"),
            None,
            Body::from_stream(stream::iter([Ok(half)]).chain(cut)),
        )
    }
}

fn response(
    http_status: u16,
    media_type: Option<&'static str>,
    retry_after: Option<u64>,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(media_type) = media_type {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
