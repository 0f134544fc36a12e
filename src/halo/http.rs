//! One HTTP exchange with Halo: sent within the pace, read within bounds, noted for the trace.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use reqwest::{
    RequestBuilder, Response,
    header::{self, HeaderMap, HeaderName},
};
use serde_json::Value;
use tracing::trace;

use super::{
    circuit::Circuit,
    client::{Call, Calls},
    pace::{NoSlot, Pace},
};
use crate::{
    clock::Clock,
    foreign::{cut, root_of},
    when,
};

/// A listing of a hundred rows stays far below; what is longer would only fill the memory.
const LONGEST_ANSWER: usize = 32 * 1024 * 1024;

/// So much of an answer is kept for the trace.
const KEPT_OF_ANSWER: usize = 2000;

/// What is said to whoever comes while a silent connection is tried.
const SILENT: &str = "the last requests had no answer in time; one at a time is tried until one is answered";

/// The HTTP agent of one connection, its pace, and whether it answers.
#[derive(Debug)]
pub(super) struct Http {
    pub agent: reqwest::Client,
    pub pace: Arc<Pace>,
    pub circuit: Circuit,
}

/// What the trace says of an exchange.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub method: &'static str,
    /// Path and query below `/api`; of the authorisation server, below the host.
    pub path: String,
    /// What was sent; null where that is secret or nothing.
    pub body: Value,
    /// The answer holds a token and is not kept.
    pub is_secret: bool,
}

/// An answer of any status, read whole.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub http_status: u16,
    pub retry_after: Option<Duration>,
    /// Where a redirect leads.
    pub location: Option<String>,
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lost {
    /// The pace holds still; nothing was sent.
    Held(Duration),
    /// The journal can not hold that it is sent; so it was not.
    Uncounted(String),
    /// No connection came about; nothing was sent.
    Unsent(String),
    /// The connection closed before the first octet of an answer.
    Dropped(String),
    /// No answer in time, half of one, or one beyond bounds.
    Unfinished(String),
}

impl Http {
    /// Sends one request and reads its answer.
    pub(super) async fn exchange(&self, request: RequestBuilder, label: Label, calls: &Calls) -> Result<Answer, Lost> {
        let passage = self.circuit.enter().ok_or_else(|| Lost::Unsent(SILENT.to_owned()))?;
        let slot = self.pace.slot().await?;
        let (at, began) = (Timestamp::now(), Instant::now());
        let answer = self.send(request).await;
        drop(slot);
        let took = began.elapsed();
        passage.ends(answer.is_ok(), took);
        self.pace.meter.note(&label, took, &answer);
        let call = noted(label, at, took, &answer);
        trace!(
            method = call.method,
            path = call.path,
            http_status = call.http_status,
            took_ms = call.took_ms,
            "Halo was asked"
        );
        calls.note(call);
        answer
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Lost> {
        let response = request.send().await.map_err(|error| lost(&error))?;
        let retry_after = wait_of(response.headers());
        let location = text(response.headers(), &header::LOCATION).map(str::to_owned);
        let http_status = response.status().as_u16();
        let body = read(response).await?;
        Ok(Answer {
            http_status,
            retry_after,
            location,
            body,
        })
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, Lost> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() > LONGEST_ANSWER => {
                let reason = format!("the answer is longer than {} MiB", LONGEST_ANSWER >> 20);
                return Err(Lost::Unfinished(reason));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) if error.is_timeout() => return Err(Lost::Unfinished("the answer did not end in time".into())),
            Err(error) => return Err(Lost::Unfinished(format!("the answer breaks off: {}", root_of(&error)))),
        }
    }
}

fn noted(label: Label, at: Timestamp, took: Duration, answer: &Result<Answer, Lost>) -> Call {
    let (http_status, text) = match answer {
        Ok(answer) if label.is_secret => (answer.http_status, "(not kept)".to_owned()),
        Ok(answer) => (answer.http_status, kept_of(&String::from_utf8_lossy(&answer.body))),
        Err(lost) => (0, lost.reason()),
    };
    Call {
        at,
        method: label.method.to_owned(),
        path: label.path,
        body: label.body,
        http_status,
        answer: text,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        shared: 0,
        counts_elsewhere: false,
    }
}

/// An answer as the trace keeps it.
pub(super) fn kept_of(answer: &str) -> String {
    cut(answer, KEPT_OF_ANSWER)
}

impl Lost {
    pub(super) fn reason(&self) -> String {
        match self {
            Lost::Held(left) => format!(
                "requests rest for {} more",
                when::length(Duration::from_secs(left.as_secs().max(1)))
            ),
            Lost::Uncounted(reason) | Lost::Unsent(reason) | Lost::Dropped(reason) | Lost::Unfinished(reason) => {
                reason.clone()
            }
        }
    }
}

impl From<NoSlot> for Lost {
    fn from(none: NoSlot) -> Lost {
        match none {
            NoSlot::Held(left) => Lost::Held(left),
            NoSlot::NotKept(error) => Lost::Uncounted(error.to_string()),
        }
    }
}

fn lost(error: &reqwest::Error) -> Lost {
    if error.is_connect() {
        let timed_out = error.is_timeout().then(|| "no connection in time".to_owned());
        return Lost::Unsent(
            certificate_reason(error)
                .or(timed_out)
                .unwrap_or_else(|| root_of(error)),
        );
    }
    if error.is_timeout() {
        return Lost::Unfinished("no answer in time".into());
    }
    Lost::Dropped(format!("the connection closes before an answer: {}", root_of(error)))
}

/// What is wrong with the server's certificate, and what to do about it.
fn certificate_reason(error: &reqwest::Error) -> Option<String> {
    let fault = tls_error(error)?;
    let rustls::Error::InvalidCertificate(wrong) = fault else {
        return Some(format!("no TLS connection: {fault}"));
    };
    use rustls::CertificateError as Wrong;
    let remedy = match wrong {
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => "use the name in the certificate in url",
        Wrong::Expired | Wrong::ExpiredContext { .. } | Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            "renew it, or set this machine's clock"
        }
        Wrong::Revoked => "ask who runs the server",
        _ => "name the CA that issued it in ca_file",
    };
    Some(format!("its certificate is not accepted ({wrong}); {remedy}"))
}

/// Finds rustls's own error below the layers; an `io::Error` doesn't show what it wraps as its source.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(layer) = next {
        if let Some(found) = layer.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match layer.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => layer.source(),
        };
    }
    None
}

/// How long an answer asks to wait.
pub(crate) fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    let sent = text(headers, &header::DATE).and_then(http_date);
    retry_after(text(headers, &header::RETRY_AFTER)?, sent.unwrap_or_else(now))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn now() -> Timestamp {
    Clock::system().now()
}

/// `Retry-After` as seconds or as a date (RFC 9110, 10.2.3). A date is one by the server's clock, which the answer shows
/// as well.
fn retry_after(text: &str, sent: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = http_date(text)?;
    Some(Duration::try_from(at.duration_since(sent)).unwrap_or_default())
}

fn http_date(text: &str) -> Option<Timestamp> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    parser.parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_wait_is_read_as_seconds_and_as_a_date() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
        ] {
            assert_eq!(retry_after(text, now), expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn the_answer_of_the_token_endpoint_is_not_kept() {
        let answer = Answer {
            http_status: 200,
            retry_after: None,
            location: None,
            body: b"{\"access_token\":\"x\"}".into(),
        };
        let label = Label {
            method: "POST",
            path: "/auth/token".into(),
            body: Value::Null,
            is_secret: true,
        };
        let call = noted(
            label.clone(),
            Timestamp::UNIX_EPOCH,
            Duration::from_millis(7),
            &Ok(answer.clone()),
        );
        assert_eq!(
            (call.answer.as_str(), call.http_status, call.took_ms),
            ("(not kept)", 200, 7)
        );
        let shown = noted(
            Label {
                is_secret: false,
                ..label
            },
            Timestamp::UNIX_EPOCH,
            Duration::ZERO,
            &Ok(answer),
        );
        assert_eq!(shown.answer, "{\"access_token\":\"x\"}");
    }
}
