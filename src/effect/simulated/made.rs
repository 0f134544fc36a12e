//! The world of a dry run: what it would have made or found, for the lookups after it.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    INVENTED,
    recorded::{Kind, Then},
    value,
};
use crate::{
    config::ConnectionName,
    effect::Ask,
    halo::{Client, Reference, Site, TicketId, User, ticket::Ticket},
};

/// What the dry run would have made or found.
#[derive(Default)]
pub(super) struct Made {
    pub users: Vec<(ConnectionName, User)>,
    pub clients: Vec<(ConnectionName, Client)>,
    pub sites: Vec<(ConnectionName, Site)>,
    /// Users who were there when they should have been created.
    pub existing: Vec<(ConnectionName, User)>,
    pub tickets: Vec<(ConnectionName, Ticket)>,
    /// Those that were changed otherwise than then.
    pub otherwise: Vec<(ConnectionName, TicketId)>,
    /// Which messages belong to a ticket, and who wrote them.
    pub joined: Vec<(ConnectionName, Joined)>,
    /// Tickets that take up further messages of their kind.
    pub folds: Vec<(ConnectionName, Fold)>,
    /// So many ids were given out.
    ids: i64,
}

/// Messages of a conversation.
pub(super) struct Joined {
    pub ticket: TicketId,
    pub keys: Vec<String>,
    pub author: String,
}

/// A ticket of messages of one kind.
pub(super) struct Fold {
    pub key: String,
    pub ticket: Value,
    pub since: Timestamp,
    pub count: u64,
}

/// What of `made` belongs to this connection and is meant.
pub(super) fn of<'a, T>(
    made: &'a [(ConnectionName, T)],
    connection: &'a ConnectionName,
    is_meant: impl Fn(&T) -> bool + 'a,
) -> Vec<&'a T> {
    let here = made.iter().filter(move |(of, _)| of == connection);
    here.map(|(_, record)| record)
        .filter(|record| is_meant(record))
        .collect()
}

impl Made {
    pub fn new_id(&mut self) -> i64 {
        self.ids += 1;
        INVENTED + self.ids
    }

    /// What an earlier simulated write makes true, where it alone answers the question.
    pub fn overlay(&self, connection: &ConnectionName, ask: &Ask) -> Option<Value> {
        let records = match ask {
            Ask::UsersWithAddress { address } => {
                let users = of(&self.users, connection, |user| user.emailaddress == address.as_str());
                users.into_iter().map(value).collect()
            }
            Ask::Clients { client } => {
                let clients = of(&self.clients, connection, |known| {
                    is_meant(client, known.id.0, &known.name)
                });
                clients.into_iter().map(value).collect()
            }
            Ask::ClientsAlike { name } => {
                let folded = name.trim().to_lowercase();
                let is_alike = |known: &Client| known.name.trim().to_lowercase() == folded;
                let clients = of(&self.clients, connection, is_alike);
                clients.into_iter().map(value).collect()
            }
            Ask::Sites { client, site } => {
                let sites = of(&self.sites, connection, |known| {
                    is_meant(site, known.id.0, &known.name) && (client.is_none() || known.client_id == *client)
                });
                sites.into_iter().map(value).collect()
            }
            Ask::MainSite { client } => {
                let sites = of(&self.sites, connection, |known| known.client_id == Some(*client));
                return sites.first().map(value);
            }
            Ask::Ticket { ticket } => {
                let tickets = of(&self.tickets, connection, |known| known.id == *ticket);
                return tickets.first().map(value);
            }
            Ask::User { user } => {
                let users = of(&self.users, connection, |known| known.id == *user);
                return users.first().map(value);
            }
            _ => Vec::new(),
        };
        (!records.is_empty()).then_some(Value::Array(records))
    }

    fn has(&self, connection: &ConnectionName, kind: Kind, id: i64) -> bool {
        match kind {
            Kind::User => !of(&self.users, connection, |user| user.id.0 == id).is_empty(),
            Kind::Client => !of(&self.clients, connection, |client| client.id.0 == id).is_empty(),
            Kind::Ticket => !of(&self.tickets, connection, |ticket| ticket.id.0 == id).is_empty(),
        }
    }

    /// Whether it would have made one of this kind that was not made then.
    fn has_others(&self, connection: &ConnectionName, kind: Kind) -> bool {
        match kind {
            Kind::User => !of(&self.users, connection, |user| user.id.0 >= INVENTED).is_empty(),
            Kind::Client => !of(&self.clients, connection, |client| client.id.0 >= INVENTED).is_empty(),
            Kind::Ticket => !of(&self.tickets, connection, |ticket| ticket.id.0 >= INVENTED).is_empty(),
        }
    }

    /// Whether a message of the replay made that when it ran, and none does now.
    pub fn is_not_there(&self, then: &Then, connection: &ConnectionName, kind: Kind, id: i64) -> bool {
        then.made.has(connection, kind, id) && !self.has(connection, kind, id)
    }

    /// What an answer of the real Halo is in this world: without what is not there. None: nobody knows.
    pub fn answer_here(&self, then: &Then, connection: &ConnectionName, ask: &Ask, mut answer: Value) -> Option<Value> {
        let gone = |kind: Kind, id: &Value| {
            let id = id.as_i64();
            id.is_some_and(|id| self.is_not_there(then, connection, kind, id))
        };
        let mut without = |field: &str, kind: Kind| {
            if let Value::Array(rows) = &mut answer {
                rows.retain(|row| !gone(kind, if field.is_empty() { row } else { &row[field] }));
            }
        };
        match ask {
            Ask::UsersWithAddress { .. } => without("id", Kind::User),
            Ask::Clients { .. } | Ask::ClientsAlike { .. } | Ask::ClientsOfDomain { .. } => without("id", Kind::Client),
            Ask::Sites { .. } | Ask::SitesAlike { .. } | Ask::SitesOfDomain { .. } => {
                without("client_id", Kind::Client);
            }
            Ask::TicketsOfConversation { .. } => without("", Kind::Ticket),
            Ask::MainSite { client } if gone(Kind::Client, &client.0.into()) => return None,
            Ask::User { user } if gone(Kind::User, &user.0.into()) => return Some(Value::Null),
            Ask::Ticket { ticket } if gone(Kind::Ticket, &ticket.0.into()) => return Some(Value::Null),
            // What it was like without that change nobody knows.
            Ask::Ticket { ticket } if self.lacks_a_change(then, connection, *ticket) => return None,
            Ask::TookPart { ticket, .. } if gone(Kind::Ticket, &ticket.0.into()) => return Some(false.into()),
            Ask::QueryUsers { .. } => return self.page_here(connection, Kind::User, &gone, answer),
            Ask::QueryClients { .. } => return self.page_here(connection, Kind::Client, &gone, answer),
            Ask::QueryTickets { .. } => return self.page_here(connection, Kind::Ticket, &gone, answer),
            _ => {}
        }
        Some(answer)
    }

    fn lacks_a_change(&self, then: &Then, connection: &ConnectionName, ticket: TicketId) -> bool {
        let is_here = self.has(connection, Kind::Ticket, ticket.0);
        !is_here && then.made.changed_before(connection, ticket, then.now)
    }

    /// What is so in this world, given what the message was told when it ran, where it asked the same.
    pub fn known(&self, then: &Then, connection: &ConnectionName, ask: &Ask, told: Option<Value>) -> Option<Value> {
        let told = told.and_then(|answer| self.answer_here(then, connection, ask, answer));
        let is_otherwise =
            matches!(ask, Ask::Ticket { ticket } if self.otherwise.contains(&(connection.clone(), *ticket)));
        match told {
            // Halo itself knows best what has become of it since.
            Some(answer) if shows_something(&answer) && !is_otherwise => Some(answer),
            told => self.overlay(connection, ask).or(told),
        }
    }

    /// A page of a listing is known where none of its rows is gone and none can have come.
    fn page_here(
        &self,
        connection: &ConnectionName,
        kind: Kind,
        gone: &dyn Fn(Kind, &Value) -> bool,
        page: Value,
    ) -> Option<Value> {
        let rows = page["rows"].as_array().into_iter().flatten();
        let lacks = rows.into_iter().any(|row| gone(kind, &row["id"]));
        (!lacks && !self.has_others(connection, kind)).then_some(page)
    }
}

fn shows_something(answer: &Value) -> bool {
    !answer.is_null() && answer.as_array().is_none_or(|rows| !rows.is_empty())
}

fn is_meant(reference: &Reference, id: i64, name: &str) -> bool {
    match reference {
        Reference::Id(wanted) => *wanted == id,
        Reference::Name(wanted) => wanted == name,
    }
}
