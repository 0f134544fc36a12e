//! What the sandbox does differently: faults to come, and the things that nobody knows about the real one.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::faults::{Fault, Pattern};
use crate::config::fault::suggest;

/// One table makes the struct, the defaults and what the manual says.
macro_rules! switches {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty = $default:expr,)+) => {
        /// The switches, each at what is most likely true. As JSON they are read and set at `/sandbox/switches`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Switches {
            $($(#[doc = $doc])+ pub $name: $kind,)+
        }

        impl Default for Switches {
            fn default() -> Switches {
                Switches { $($name: $default,)+ }
            }
        }

        /// The name of each switch and what it is for.
        pub const TABLE: &[(&str, &str)] = &[$((stringify!($name), concat!($($doc),+)),)+];
    };
}

switches! {
    /// Every answer takes so many milliseconds longer.
    latency_ms: u64 = 0,
    /// What goes wrong next; the first that matches a request has its turn.
    faults: Vec<Fault> = Vec::new(),
    /// What is answered with 403: patterns of `method` and `path`, as in a fault's `on`.
    forbidden: Vec<Pattern> = Vec::new(),
    /// Whether a body is taken only by its content type: JSON below `/api`, else a 415, and a form at `/auth/token`, else a 400.
    content_types: bool = true,
    /// 201 or 200, or another 2xx, for every POST that works.
    create_status: u16 = 201,
    /// Whether `?returnall=true` is heeded; else the last element is answered all the same.
    returnall: bool = true,
    /// Whether a POST of an object is taken for an array of one; else it is a 400.
    bare_objects: bool = false,
    /// A second user with an address that is taken: `"allow"`, `"reject"` or `"warn"`.
    duplicate_users: Duplicates = Duplicates::Allow,
    /// More requests than that get a 429; null for no bound.
    rate: Option<RateLimit> = Some(RateLimit { count: 700, per_ms: 300_000 }),
    /// What a 429 carries: an `"exception"`, a bare `"text"`, or an object with `"error"`.
    rate_body: RateBody = RateBody::Exception,
    /// The `Retry-After` of a 429 in seconds; null for none.
    retry_after_s: Option<u64> = None,
    /// Whether that `Retry-After` is the date when it is over, instead of seconds.
    retry_after_date: bool = false,
    /// How many seconds the clock is ahead that its header fields show.
    clock_ahead_s: i64 = 0,
    /// How many seconds a token is good for.
    token_lifetime_s: u64 = 3600,
    /// Whether a new token makes the older ones worthless.
    one_token: bool = false,
    /// 401 or 400, for credentials that are wrong.
    invalid_client_status: u16 = 401,
    /// What a sign-in with another `tenant` is answered with: a `"json"` error and 400, a `"page"` of HTML and 404, or an `"empty"` 404.
    wrong_tenant: WrongTenant = WrongTenant::Json,
    /// 403 or 401, for a token that lacks the scope.
    missing_scope_status: u16 = 403,
    /// Whether no credentials are right.
    reject_credentials: bool = false,
    /// Whether `/api/AuthInfo` is there.
    auth_info: bool = true,
    /// How agents are listed: an envelope with `"results"`, or `"bare"`.
    agents: Agents = Agents::Results,
    /// What the parameter `domain` of a list of clients does: `"filter"`, `"ignored"` (all are listed), `"nothing"` (none is), or `"in_rows"`: it filters, and rows show the field.
    client_domain: ClientDomain = ClientDomain::Filter,
    /// No page is longer.
    page_cap: usize = 100,
    /// Whether every page is the first one.
    repeat_page: bool = false,
    /// Whether `record_count` of a page counts the whole list; else it counts the rows of the page.
    record_count_is_total: bool = true,
    /// Whether a list of users, clients, sites or tickets is the same whatever it is asked to be narrowed to.
    ignore_filters: bool = false,
    /// Whether a search for users looks at `email2` and `email3`.
    search_other_addresses: bool = true,
    /// Whether rows of users show `email2` and `email3`.
    rows_show_other_addresses: bool = false,
    /// What stands between the domains of a site: `"as_written"`, `"comma"`, `"semicolon"` or `"blank"`.
    emaildomain_separator: Separator = Separator::AsWritten,
    /// A ticket without client, site and user: `"accept"` (it goes to the client 1) or `"reject"`.
    clientless_tickets: Clientless = Clientless::Accept,
    /// Fields that a new ticket must have, for example `["category_1"]`, unless it says `_novalidate`.
    mandatory_fields: Vec<String> = Vec::new(),
    /// Whether rows of tickets show `email_message_id`.
    message_id_in_rows: bool = true,
    /// Whether tickets can be filtered by `third_party_id_string`.
    third_party_id_filter: bool = true,
    /// What makes the first action of a ticket a mail of its user, as Halo's own intake does: `"never"`, `"email_message_id"` (the ticket has one) or `"source"` (it is 1, Email).
    customer_opening: CustomerOpening = CustomerOpening::Never,
    /// What `who_type` says of an action's author: `"agent_is_1"` (and a user is 2) or `"user_is_1"` (and an agent is 0). A user's is an action with `actionby_user_id`.
    who_type: WhoType = WhoType::AgentIs1,
    /// 200 with no rows, or 500, for `/api/Actions` without `ticket_id`.
    actions_without_ticket: u16 = 200,
    /// Whether an attachment may be base64 without `data:…;base64,` before it.
    bare_base64: bool = false,
    /// A request below `/api` or `/auth` with a longer body, in octets, gets a 413.
    largest_request: usize = 30_000_000,
    /// 413 without a body, or 404 with a page that names the fault 404.13, for a request that is longer.
    too_large_status: u16 = 413,
    /// Whether an attachment is read as a `link` that needs no token, instead of its octets.
    attachment_links: bool = false,
}

/// Why a switch is not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// There is none of that name.
    #[error("switch {name:?} is not known; {}the switches are {}", nearest(name), names().collect::<Vec<_>>().join(", "))]
    Unknown {
        /// As it was written.
        name: String,
    },
    /// It can't be that.
    #[error("switch {name:?} can not be {value}: {reason}; it is: {}", meaning(name))]
    Value {
        /// Which one.
        name: String,
        /// As it was written.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn names() -> impl Iterator<Item = &'static str> + Clone {
    TABLE.iter().map(|(name, _)| *name)
}

fn nearest(name: &str) -> String {
    match suggest(name, names()) {
        near if near.starts_with("did you mean") => format!("{near} "),
        _ => String::new(),
    }
}

fn meaning(name: &str) -> &'static str {
    TABLE
        .iter()
        .find(|(known, _)| *known == name)
        .map_or("", |(_, doc)| doc.trim())
}

impl Switches {
    /// Sets one switch to a JSON value.
    pub fn put(&mut self, name: &str, value: &Value) -> Result<(), SwitchError> {
        if !names().any(|known| known == name) {
            return Err(SwitchError::Unknown { name: name.to_owned() });
        }
        let refused = |reason: String| SwitchError::Value {
            name: name.to_owned(),
            value: value.to_string(),
            reason,
        };
        let mut all = serde_json::to_value(&*self).map_err(|error| refused(error.to_string()))?;
        all[name] = value.clone();
        let changed: Switches = serde_json::from_value(all).map_err(|error| refused(error.to_string()))?;
        if let Some(reason) = changed.fault_of(name) {
            return Err(refused(reason.to_owned()));
        }
        *self = changed;
        Ok(())
    }

    /// Sets one switch to what a command line says: JSON, or a word that stands for a text.
    pub fn put_text(&mut self, name: &str, text: &str) -> Result<(), SwitchError> {
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        self.put(name, &value)
    }

    /// The switches that differ from the default, by name.
    pub fn differing(&self) -> Vec<(&'static str, Value)> {
        let [here, default] = [self, &Switches::default()].map(|each| serde_json::json!(each));
        names()
            .filter(|name| here[*name] != default[*name])
            .map(|name| (name, here[name].clone()))
            .collect()
    }

    fn fault_of(&self, name: &str) -> Option<&'static str> {
        let (is_right, reason) = match name {
            "create_status" => (
                (200..300).contains(&self.create_status),
                "a status of success is expected",
            ),
            "invalid_client_status" => (
                [400, 401].contains(&self.invalid_client_status),
                "400 or 401 is expected",
            ),
            "missing_scope_status" => (
                [401, 403].contains(&self.missing_scope_status),
                "401 or 403 is expected",
            ),
            "too_large_status" => ([404, 413].contains(&self.too_large_status), "413 or 404 is expected"),
            "actions_without_ticket" => (
                [200, 500].contains(&self.actions_without_ticket),
                "200 or 500 is expected",
            ),
            "page_cap" => (self.page_cap > 0, "a page has at least one row"),
            "faults" => (
                self.faults.iter().all(|fault| fault.mishap.is_sound()),
                "a status of 200 to 599 is expected",
            ),
            _ => return None,
        };
        (!is_right).then_some(reason)
    }

    /// The time by the clock that header fields show.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.clock_ahead_s)
    }

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

/// What a 429 carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateBody {
    /// A .NET exception.
    Exception,
    /// A JSON string.
    Text,
    /// An object with `error`.
    Error,
}

/// How a tenant that is not known is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrongTenant {
    /// 400 with `error` and `error_description`.
    Json,
    /// 404 with a page of a gateway.
    Page,
    /// 404 without a body.
    Empty,
}

/// What makes a ticket one that came by mail, so that its first action is the customer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerOpening {
    /// Nothing does.
    Never,
    /// An `email_message_id`.
    EmailMessageId,
    /// The `source` whose name is Email.
    Source,
}

/// The numbers of `who_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhoType {
    /// An agent is 1, a user 2.
    #[serde(rename = "agent_is_1")]
    AgentIs1,
    /// An agent is 0, a user 1.
    #[serde(rename = "user_is_1")]
    UserIs1,
}

/// What stands between the domains of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Separator {
    /// What was written there.
    AsWritten,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// One space.
    Blank,
}

/// What becomes of a ticket that is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clientless {
    /// It is the client's whose id is 1.
    Accept,
    /// It is refused with 400.
    Reject,
}

/// What the list parameter `domain` of clients means, and whether rows show the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientDomain {
    /// Those whose domain or website holds it.
    Filter,
    /// Nothing: all are listed.
    Ignored,
    /// Something else, by which no client is listed.
    Nothing,
    /// As `Filter`, and rows show the field.
    InRows,
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
mod tests;
