//! A request to a server that an operator names, as data, and its answer. A secret stands in it by its name alone.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    class::Class,
    foreign::status_line,
    secret::{SecretError, Source},
};

mod client;
mod receiver;

pub use client::{Web, unsent};
pub use receiver::inspect;

/// The header field by which a server knows a request that is repeated.
pub const KEY_FIELD: &str = "Idempotency-Key";

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    pub url: Url,
    /// Names and values.
    pub headers: Vec<(String, Held)>,
    /// Empty: none.
    pub body: String,
    /// The same at each repeat.
    pub key: String,
    /// What counts as done.
    pub expect: Expect,
}

/// What a header field holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Held {
    Text(String),
    /// Opened when it is sent.
    Secret(Source),
}

impl Request {
    /// Whether it changes something where it goes.
    pub fn writes(&self) -> bool {
        self.method != "GET"
    }

    /// What it is, for people.
    pub fn describe(&self) -> String {
        format!("{} {}", self.method, self.url)
    }

    /// What it says, for people.
    fn said(&self) -> Value {
        match serde_json::from_str(&self.body) {
            Ok(json) => json,
            Err(_) if self.body.is_empty() => Value::Null,
            Err(_) => Value::String(self.body.clone()),
        }
    }
}

/// The statuses that count as done: `2xx`, `200`, `200,204`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expect(String);

impl Expect {
    /// Reads a list of statuses and classes of them.
    pub fn parse(text: &str) -> Option<Expect> {
        let is_status = |text: &str| {
            let (class, rest) = text.split_at_checked(1).unwrap_or_default();
            let is_class = ["1", "2", "3", "4", "5"].contains(&class);
            is_class && (rest == "xx" || rest.len() == 2 && rest.bytes().all(|digit| digit.is_ascii_digit()))
        };
        let parts = || text.split(',').map(str::trim);
        parts()
            .all(is_status)
            .then(|| Expect(parts().collect::<Vec<_>>().join(",")))
    }

    fn includes(&self, http_status: u16) -> bool {
        let status = http_status.to_string();
        self.0
            .split(',')
            .any(|part| part == status || part.strip_suffix("xx").is_some_and(|class| status.starts_with(class)))
    }
}

/// An answer of an expected status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub status: u16,
    /// By their names in lower case; the values of one that is repeated are joined with newlines.
    pub headers: Map<String, Value>,
    /// Null where the answer is no JSON.
    pub json: Value,
    pub text: String,
}

/// Why there is no such answer.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error("the secret of the header {field} can not be opened")]
    Closed { field: String, source: SecretError },
    #[error("the header {field} holds what can not stand in one")]
    Unusable { field: String },
    #[error("the webhook of [report] can not be opened: {0}")]
    Hidden(SecretError),
    #[error(
        "the webhook of [report] is no address that reports may be posted to; it needs https://…, without a login before the host"
    )]
    NoReceiver,
    #[error("no HTTPS client can be made: {reason}")]
    NoClient { reason: String },
    #[error("{request} is not reached: {reason}")]
    Unreached { request: String, reason: String },
    #[error("{request} has no answer: {reason}")]
    NoAnswer { request: String, reason: String },
    #[error("{request} answers {}{}", status_line(*http_status), Said(answer))]
    Unexpected {
        request: String,
        http_status: u16,
        answer: String,
        retry_after: Option<std::time::Duration>,
    },
    #[error("{request} answers with more than {most} octets")]
    TooLong { request: String, most: usize },
}

/// What follows a status, where something does.
struct Said<'a>(&'a str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.0)
    }
}

impl WebError {
    /// What whoever asked does next.
    pub fn class(&self) -> Class {
        match self {
            // The server says come again: it is busy, or broken for now.
            WebError::Unexpected { http_status, .. } if is_for_now(*http_status) => Class::Transient,
            WebError::Unexpected { .. } | WebError::Unusable { .. } | WebError::TooLong { .. } => Class::Permanent,
            WebError::Hidden(_) | WebError::NoReceiver => Class::Credentials,
            WebError::Closed { .. }
            | WebError::NoClient { .. }
            | WebError::Unreached { .. }
            | WebError::NoAnswer { .. } => Class::Transient,
        }
    }

    /// Whether asking again at once may help.
    pub fn may_pass_at_once(&self) -> bool {
        match self {
            WebError::Unreached { .. } | WebError::NoAnswer { .. } => true,
            WebError::Unexpected {
                http_status,
                retry_after,
                ..
            } => *http_status >= 500 && retry_after.is_none(),
            _ => false,
        }
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            WebError::Unexpected { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// 408, 425 and 429 ask for a repeat (RFC 9110, 15.5.9; RFC 8470; RFC 6585), and a 5xx is the server's own trouble.
fn is_for_now(http_status: u16) -> bool {
    http_status >= 500 || [408, 425, 429].contains(&http_status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_is_a_list_of_statuses_and_classes() {
        let expect = Expect::parse("2xx, 404").unwrap();
        let included = [200, 204, 299, 404].into_iter().all(|status| expect.includes(status));
        let others = [199, 300, 400, 403].into_iter().any(|status| expect.includes(status));
        assert!(included && !others);
        for bad in ["", "2x", "2xx,", "ok", "99", "600", "2xxx", "2xx 404", "ä00"] {
            assert_eq!(Expect::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn only_trouble_of_the_server_passes() {
        let answered = |http_status| WebError::Unexpected {
            request: "GET https://hooks.example/".to_owned(),
            http_status,
            answer: String::new(),
            retry_after: None,
        };
        for (http_status, class) in [
            (302, Class::Permanent),
            (400, Class::Permanent),
            (404, Class::Permanent),
            (408, Class::Transient),
            (429, Class::Transient),
            (503, Class::Transient),
        ] {
            assert_eq!(answered(http_status).class(), class, "{http_status}");
        }
        assert_eq!(
            answered(404).to_string(),
            "GET https://hooks.example/ answers 404 Not Found"
        );
    }
}
