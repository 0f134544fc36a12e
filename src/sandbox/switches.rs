//! What the sandbox does differently: faults to come, and the things that nobody knows about the real one.

use serde::{Deserialize, Serialize};

/// The switches, each at what is most likely true. As JSON they are read and set at `/sandbox/switches`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Every answer takes so much longer.
    pub latency_ms: u64,
    /// What goes wrong next; the first that matches a request has its turn.
    pub faults: Vec<Fault>,
    /// What is answered with 403.
    pub forbidden: Vec<Pattern>,
    /// 201 or 200, for every POST that works.
    pub create_status: u16,
    /// A second user with an address that is taken.
    pub duplicate_users: Duplicates,
    /// More requests than that get a 429.
    pub rate: Option<RateLimit>,
    /// The `Retry-After` of a 429; without it none is sent.
    pub retry_after_s: Option<u64>,
    /// How long a token is good for.
    pub token_lifetime_s: u64,
    /// 401 or 400, for credentials that are wrong.
    pub invalid_client_status: u16,
    /// No credentials are right.
    pub reject_credentials: bool,
    /// Whether `/api/AuthInfo` is there.
    pub auth_info: bool,
    /// How agents are listed.
    pub agents: Agents,
    /// No page is longer.
    pub page_cap: usize,
    /// Every page is the first one.
    pub repeat_page: bool,
    /// Whether a search for users looks at `email2` and `email3`.
    pub search_other_addresses: bool,
    /// Whether rows of users show `email2` and `email3`.
    pub rows_show_other_addresses: bool,
    /// Whether `returnall` is ignored: of several written records only the last is shown.
    pub ignore_returnall: bool,
    /// Whether `record_count` of a page counts the whole listing, or the rows of the page.
    pub record_count_is_total: bool,
    /// Whether a new token makes the earlier ones worthless.
    pub one_token: bool,
    /// Whether a list is the same whatever it is asked to be narrowed to.
    pub ignore_filters: bool,
}

impl Default for Switches {
    fn default() -> Switches {
        Switches {
            latency_ms: 0,
            faults: Vec::new(),
            forbidden: Vec::new(),
            create_status: 201,
            duplicate_users: Duplicates::Allow,
            rate: None,
            retry_after_s: None,
            token_lifetime_s: 3600,
            invalid_client_status: 401,
            reject_credentials: false,
            auth_info: true,
            agents: Agents::Results,
            page_cap: 100,
            repeat_page: false,
            search_other_addresses: true,
            rows_show_other_addresses: false,
            ignore_returnall: false,
            record_count_is_total: true,
            one_token: false,
            ignore_filters: false,
        }
    }
}

impl Switches {
    /// The fault that has its turn with this request; a counted one is used up by it.
    pub(super) fn next_fault(&mut self, method: &str, path: &str) -> Option<Fault> {
        let fault = self
            .faults
            .iter_mut()
            .find(|fault| fault.times > 0 && fault.on.matches(method, path))?;
        fault.times -= 1;
        let fault = fault.clone();
        self.faults.retain(|fault| fault.times > 0);
        Some(fault)
    }

    pub(super) fn forbids(&self, method: &str, path: &str) -> bool {
        self.forbidden.iter().any(|pattern| pattern.matches(method, path))
    }
}

/// Which requests are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pattern {
    /// Empty: any.
    pub method: String,
    /// How the path begins, for example `/api/users` or `/auth/token`; upper and lower case are one.
    pub path: String,
}

impl Pattern {
    /// Requests of that method below that path.
    pub fn of(method: &str, path: &str) -> Pattern {
        Pattern {
            method: method.into(),
            path: path.into(),
        }
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        let begins = path
            .get(..self.path.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(&self.path));
        begins && (self.method.is_empty() || self.method.eq_ignore_ascii_case(method))
    }
}

/// Something that goes wrong with the next requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests are meant.
    #[serde(default)]
    pub on: Pattern,
    /// How many of them.
    #[serde(default = "once")]
    pub times: u32,
    /// Whether the request is carried out before it goes wrong.
    #[serde(default)]
    pub after: bool,
    /// What goes wrong.
    pub mishap: Mishap,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// Goes wrong once, before anything is done.
    pub fn once(method: &str, path: &str, mishap: Mishap) -> Fault {
        Fault {
            on: Pattern::of(method, path),
            times: 1,
            after: false,
            mishap,
        }
    }

    /// The same after it was done.
    pub fn after(self) -> Fault {
        Fault { after: true, ..self }
    }

    /// The same several times.
    pub fn times(self, times: u32) -> Fault {
        Fault { times, ..self }
    }
}

/// How a request goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mishap {
    /// A status with a .NET exception that says `message`.
    Status {
        /// The HTTP status.
        status: u16,
        /// Empty: an empty body.
        #[serde(default)]
        message: String,
    },
    /// A gateway's page.
    Html {
        /// The HTTP status.
        status: u16,
    },
    /// The connection closes without an answer.
    Drop,
    /// The connection closes in the middle of the answer.
    Half,
    /// The answer takes so long.
    Delay {
        /// In milliseconds.
        ms: u64,
    },
    /// A success that shows no id.
    NoId,
}

/// What a tenant does with a second user of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// Makes a second one.
    Allow,
    /// Refuses with 400.
    Reject,
    /// Makes a second one and says so in `_warning`.
    Warn,
}

/// How agents are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agents {
    /// An envelope with `results`.
    Results,
    /// A bare array.
    Bare,
}

/// A rolling window over all requests to the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// So many requests.
    pub count: usize,
    /// Within so many milliseconds.
    pub per_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_used_up_by_the_requests_it_names() {
        let dropped = Fault::once("POST", "/api/users", Mishap::Drop);
        let page = Fault::once("", "/api", Mishap::Html { status: 502 }).times(2);
        let mut switches = Switches {
            faults: vec![dropped, page],
            ..Switches::default()
        };
        let mut next = |method, path| switches.next_fault(method, path).map(|fault| fault.mishap);
        assert_eq!(next("GET", "/auth/token"), None);
        assert_eq!(next("GET", "/API/Users"), Some(Mishap::Html { status: 502 }));
        assert_eq!(next("POST", "/api/Users"), Some(Mishap::Drop));
        assert_eq!(next("POST", "/api/Users"), Some(Mishap::Html { status: 502 }));
        assert_eq!(next("POST", "/api/Users"), None);
        assert_eq!(switches, Switches::default());
    }

    #[test]
    fn switches_are_written_as_json() {
        let text =
            r#"{"latency_ms":5,"faults":[{"on":{"path":"/api/users"},"mishap":{"kind":"status","status":500}}]}"#;
        let switches: Switches = serde_json::from_str(text).unwrap();
        assert_eq!((switches.latency_ms, switches.create_status), (5, 201));
        let fault = Fault::once(
            "",
            "/api/users",
            Mishap::Status {
                status: 500,
                message: String::new(),
            },
        );
        assert_eq!(switches.faults, [fault]);
        assert!(serde_json::from_str::<Switches>(r#"{"latency":5}"#).is_err());
    }
}
