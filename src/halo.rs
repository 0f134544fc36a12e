//! Halo as we use it: users, clients, sites and agents of one connection.
//!
//! Requests are few: `lookups` finds users by address, one by one or all at once, `gather` has many created together,
//! and `directory` remembers the rest.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{expression::Shared, message::address::AddrSpec};

mod agents;
pub mod alike;
mod answer;
mod api;
mod call;
pub mod choice;
mod choices;
mod circuit;
pub mod client;
mod client_domains;
mod directory;
mod domain;
mod error;
pub mod fault;
pub mod findings;
mod further;
mod gather;
pub(crate) mod http;
mod listing;
mod lookups;
mod mailboxes;
mod meter;
mod pace;
mod places;
pub mod probe;
pub mod registry;
mod roll;
mod shelf;
pub mod ticket;
mod tickets;
mod times;
mod token;
mod unreadable;
pub mod unsent;
mod users;
mod verdict;
mod waits;
mod wire;
mod writes;
mod written;

#[cfg(feature = "test-hooks")]
pub(crate) mod octets;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$name> for Shared {
            fn from(id: $name) -> Shared {
                id.0.into()
            }
        }
    };
}

id_type!(
    /// A Halo user (an end user of a client, never an agent).
    UserId
);
id_type!(
    /// A Halo client: a customer organisation.
    ClientId
);
id_type!(
    /// A site of a client; every user belongs to one.
    SiteId
);
id_type!(
    /// One of Halo's agents: the service desk's own people.
    AgentId
);
id_type!(
    /// A ticket, by the number that people write in a subject.
    TicketId
);
id_type!(
    /// An action of a ticket: its number within that ticket (fact sheet, 2.6).
    ActionId
);

/// A user as Halo shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub name: String,
    /// The main address as Halo has it; may be empty or no address at all.
    pub emailaddress: String,
    /// `email2` and `email3`, known only where the detail was read.
    #[serde(default)]
    pub other_addresses: Vec<String>,
    pub client_id: Option<ClientId>,
    pub client_name: String,
    pub site_id: Option<SiteId>,
    pub site_name: String,
    pub inactive: bool,
    /// Everything Halo returned.
    #[serde(default)]
    pub raw: Shared,
}

impl User {
    /// The agent who signs in to Halo as this user, too.
    pub fn agent(&self) -> Option<AgentId> {
        let id = self.raw.get("linked_agent_id").and_then(|id| wire::whole(&id.json()));
        id.filter(|&id| id > 0).map(AgentId)
    }

    /// Whether a program writes under this name.
    pub fn is_service_account(&self) -> bool {
        self.raw.get("isserviceaccount") == Some(true.into())
    }

    /// Whether this is somebody who may be the sender of a mail to the desk.
    pub fn is_person(&self) -> bool {
        self.agent().is_none() && !self.is_service_account()
    }
}

/// A client as Halo shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Client {
    pub id: ClientId,
    pub name: String,
    pub main_site_id: Option<SiteId>,
    pub website: String,
    /// Known only where the detail was read; else empty.
    #[serde(default)]
    pub domain: String,
    pub inactive: bool,
    #[serde(default)]
    pub raw: Shared,
}

/// A site as Halo shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Site {
    pub id: SiteId,
    pub name: String,
    pub client_id: Option<ClientId>,
    pub client_name: String,
    /// The mail domains of the site; known only where the detail was read.
    #[serde(default)]
    pub email_domains: Vec<String>,
    pub inactive: bool,
    #[serde(default)]
    pub raw: Shared,
}

/// One of Halo's agents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    pub id: AgentId,
    pub name: String,
    pub email: String,
}

/// A client or site as an operator names it: digits are an id, anything else an exact name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    Id(i64),
    Name(String),
}

impl Reference {
    /// Reads a rendered text: a text of digits is an id, any other an exact name. Empty is none.
    pub fn parse(text: &str) -> Option<Reference> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        // A number below 1 is an id that there can not be, and no name.
        if text
            .strip_prefix('-')
            .unwrap_or(text)
            .bytes()
            .all(|b| b.is_ascii_digit())
            && let Ok(id) = text.parse()
        {
            return Some(Reference::Id(id));
        }
        Some(Reference::Name(text.to_owned()))
    }

    /// The name; empty where it is an id.
    pub fn name(&self) -> &str {
        match self {
            Reference::Id(_) => "",
            Reference::Name(name) => name,
        }
    }

    /// Whether there can be something of that id; a name may always be there.
    pub fn is_possible(&self) -> bool {
        !matches!(self, Reference::Id(..1))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Id(id) => write!(f, "{id}"),
            Reference::Name(name) => write!(f, "{name:?}"),
        }
    }
}

/// What a user is created from; every field was checked by the step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewUser {
    pub name: String,
    pub first_name: String,
    pub surname: String,
    pub emailaddress: AddrSpec,
    pub client_id: ClientId,
    pub site_id: SiteId,
    /// `sendwelcomeemail`; false unless the operator asks for it.
    pub send_welcome_email: bool,
}

impl NewUser {
    /// Whether this is the user that was sent, as far as can be seen.
    pub(in crate::halo) fn is(&self, user: &User) -> bool {
        !user.inactive && user.name == self.name && user.site_id == Some(self.site_id)
    }
}

/// A user that there was none of before; or there was, and Halo refused to make another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    pub user: User,
    pub existed: bool,
}

/// What a client is created from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewClient {
    pub name: String,
    pub website: String,
    pub trading_name: String,
    pub notes: String,
    /// The name of its first site.
    pub site_name: String,
}

/// One page of a listing, as the `query_halo_…` steps ask for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListQuery {
    pub search: String,
    pub client: Option<ClientId>,
    pub site: Option<SiteId>,
    /// For clients alone.
    pub domain: String,
    pub include_active: bool,
    pub include_inactive: bool,
    /// 1 to 100: Halo gives no more (fact sheet, 2.4).
    pub page_size: u32,
    /// From 1.
    pub page_no: u32,
    pub order_by: String,
    pub order_descending: bool,
}

/// One page of rows with the count that Halo gave for the whole listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// Halo's `record_count`; not always the total (fact sheet, 2.4).
    pub record_count: u64,
    pub rows: Vec<T>,
}
