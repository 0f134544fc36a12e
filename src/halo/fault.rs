//! What of a connection is at fault, as data: each kind is over when an answer of that kind shows it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ClientId, Reference, choice::List, client::Call};

/// A fault of a connection. Messages that meet it wait for its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Halo, or where it has one sign in, can not be reached, or does not answer any more.
    Unreachable,
    /// Halo asks to slow down (429).
    Held,
    /// Nobody is signed in.
    Credentials,
    /// A permission is missing.
    Forbidden(Permission),
    /// The configuration names what Halo has not exactly once.
    Missing(Named),
}

/// What an API application may do with one kind of path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Permission {
    /// To change it, not only to read it.
    pub write: bool,
    /// The path below `/api` in lower case, with `ID` in the place of each number: a list and its records are
    /// granted apart.
    pub resource: String,
}

/// A client, a site or a choice as a configuration names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// A client.
    Client(Reference),
    /// A site, of this client where one is given.
    Site(Option<ClientId>, Reference),
    /// Something that the tenant has set up.
    Choice(List, Reference),
}

impl Fault {
    /// Whether nothing is to be had there; else it answers, and work waits all the same.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Fault::Unreachable | Fault::Credentials | Fault::Forbidden(_) => true,
            Fault::Held | Fault::Missing(_) => false,
        }
    }
}

impl Permission {
    /// What a request to this path needs.
    pub(super) fn of(path: &str, write: bool) -> Permission {
        let path = path.split('?').next().unwrap_or_default();
        let segment = |segment: &str| {
            if segment.bytes().all(|octet| octet.is_ascii_digit()) {
                "ID".to_owned()
            } else {
                segment.to_ascii_lowercase()
            }
        };
        let segments = path.split('/').filter(|segment| !segment.is_empty()).map(segment);
        Permission {
            write,
            resource: segments.collect::<Vec<_>>().join("/"),
        }
    }
}

impl Call {
    /// The permission that its answer shows to be there; none where it was refused, had no answer, or was made
    /// to sign in.
    pub fn granted(&self) -> Option<Permission> {
        let write = self.method != "GET";
        // The body of a sign-in is never noted.
        let signs_in = (write && self.body.is_null()) || self.path.starts_with("/AuthInfo");
        let is_success = (200..300).contains(&self.http_status);
        (is_success && !signs_in).then(|| Permission::of(&self.path, write))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.write { "writing" } else { "reading" };
        write!(f, "{verb} {}", self.resource)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Named::Client(client) => write!(f, "client {client}"),
            Named::Site(Some(client), site) => write!(f, "site {site} of client {client}"),
            Named::Site(None, site) => write!(f, "site {site}"),
            Named::Choice(list, choice) => write!(f, "{list} {choice}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, http_status: u16, expected: Option<&str>) {
        let is_sign_in = path.starts_with("/auth/");
        let call = Call {
            at: jiff::Timestamp::UNIX_EPOCH,
            method: method.to_owned(),
            path: path.to_owned(),
            body: if method == "GET" || is_sign_in {
                serde_json::Value::Null
            } else {
                serde_json::json!([{}])
            },
            http_status,
            answer: String::new(),
            took_ms: 0,
            shared: 0,
            counts_elsewhere: false,
        };
        let granted = call.granted().map(|permission| permission.to_string());
        assert_eq!(granted.as_deref(), expected, "{method} {path}");
    }

    #[test]
    fn an_answer_shows_the_permission_that_it_needed_and_no_other() {
        check("GET", "/Users?search=a%40b", 200, Some("reading users"));
        check("GET", "/Users/17?includedetails=true", 200, Some("reading users/ID"));
        check("POST", "/Users", 201, Some("writing users"));
        check("GET", "/Users", 403, None);
        check("GET", "/Users", 0, None);
        check("POST", "/auth/token?tenant=x", 200, None);
        check("GET", "/AuthInfo", 200, None);
    }
}
