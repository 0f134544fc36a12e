//! Effects that change nothing: a write is noted as the request that would be sent and shown to later lookups; a
//! read is assumed or, where wanted, asked of Halo.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

mod assumed;
mod desk;

use assumed::{assumption, invented_client, invented_site, invented_user, requests};

use super::{Answer, Ask, Asking, Effect, Ensured, Performer, live};
use crate::{
    action::StepError,
    config::ConnectionName,
    halo::{
        Client, ClientId, NewClient, NewUser, Reference, Site, SiteId, TicketId, User, UserId,
        alike::instead_of_another, client::HaloError, fault::Fault, registry::Registry, ticket::Ticket, unsent,
    },
    journal::{Folding, Standing},
    web::{self, Request},
};

/// Invented records have this id or a greater one: Halo's ids have 32 bits, so none of them is one of its own.
const INVENTED: i64 = 9_000_000_000;

/// What a dry run takes for true where Halo is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assume {
    /// Every sender is a user of some client.
    Known,
    /// No sender is.
    Unknown,
}

/// Where a dry run's lookups are answered.
pub enum Lookups {
    /// By assumption; nothing is asked.
    Assumed(Assume),
    /// By Halo; reads only.
    Online(Arc<Registry>),
}

/// The performer of dry runs.
pub struct Simulated {
    lookups: Lookups,
    made: Mutex<Made>,
}

/// What the dry run would have made or found, for the lookups after it.
#[derive(Default)]
struct Made {
    users: Vec<(ConnectionName, User)>,
    clients: Vec<(ConnectionName, Client)>,
    sites: Vec<(ConnectionName, Site)>,
    /// Users who were there when they should have been created.
    existing: Vec<(ConnectionName, User)>,
    tickets: Vec<(ConnectionName, Ticket)>,
    /// So many ids were given out.
    ids: i64,
}

impl Made {
    fn new_id(&mut self) -> i64 {
        self.ids += 1;
        INVENTED + self.ids
    }
}

/// What of `made` belongs to this connection and is meant.
fn of<'a, T>(
    made: &'a [(ConnectionName, T)],
    connection: &'a ConnectionName,
    is_meant: impl Fn(&T) -> bool + 'a,
) -> Vec<&'a T> {
    let here = made.iter().filter(move |(of, _)| of == connection);
    here.map(|(_, record)| record)
        .filter(|record| is_meant(record))
        .collect()
}

impl Performer for Simulated {
    fn perform<'a>(&'a self, effect: &'a Effect, asking: Asking<'a>) -> BoxFuture<'a, Result<Answer, StepError>> {
        Box::pin(async move {
            match effect {
                Effect::Halo { connection, ask } => self.ask_halo(connection, ask, &asking).await,
                Effect::Http { request } => unasked(request, &asking),
                // What a limit says of it only the journal knows.
                Effect::Mail { .. } => Ok(simulated(&())),
            }
        })
    }
}

impl Simulated {
    /// A performer whose lookups are answered so.
    pub fn new(lookups: Lookups) -> Simulated {
        Simulated {
            lookups,
            made: Mutex::new(Made::default()),
        }
    }

    /// What our journal would say of a conversation: nothing, by assumption.
    fn of_journal(&self, ask: &Ask, nothing: &impl Serialize) -> Result<Answer, StepError> {
        match self.lookups {
            Lookups::Assumed(_) => Ok(assumed_to_be(nothing)),
            Lookups::Online(_) => Err(StepError::Unknown { what: ask.describe() }),
        }
    }

    async fn ask_halo(&self, of: &ConnectionName, ask: &Ask, asking: &Asking<'_>) -> Result<Answer, StepError> {
        match ask {
            Ask::EnsureUser { user } => Ok(simulated(&self.ensure_user(of, user, asking).await?)),
            Ask::EnsureClient { client } => Ok(simulated(&self.ensure_client(of, client, asking).await?)),
            Ask::ReactivateUser { user } => Ok(simulated(&self.reactivate(of, *user, asking))),
            Ask::CreateTicket { ticket } => Ok(simulated(&self.create_ticket(of, ticket, asking))),
            Ask::ChangeTicket { ticket, fields } => {
                Ok(simulated(&self.change_ticket(of, *ticket, fields, asking).await?))
            }
            Ask::AddAction { action } => Ok(simulated(&self.add_action(action, asking))),
            Ask::AttachFile { file } => Ok(simulated(&self.attach_file(file, asking))),
            Ask::UploadPicture { file } => Ok(simulated(&desk::picture(file, asking))),
            // A dry run has no journal. Where nothing is assumed, that is what nobody knows.
            Ask::TicketsOfConversation { .. } => self.of_journal(ask, &Vec::<TicketId>::new()),
            Ask::TookPart { .. } => self.of_journal(ask, &false),
            Ask::Join { .. } => Ok(simulated(&())),
            // Nor has it seen another message of its kind.
            Ask::Fold {
                folding: Folding::Came { .. },
            } => Ok(simulated(&Standing::First)),
            Ask::Fold { .. } => Ok(simulated(&())),
            ask => self.read(of, ask, asking).await,
        }
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, connection: &ConnectionName, ask: &Ask, asking: &Asking<'_>) -> Result<Answer, StepError> {
        if let Some(value) = self.overlay(connection, ask) {
            return Ok(simulated(&value));
        }
        let answer = match &self.lookups {
            Lookups::Assumed(assume) => assumed(connection, ask, *assume, asking)?,
            Lookups::Online(halos) => asked(halos, connection, ask, asking).await?,
        };
        Ok(match ask {
            Ask::ClientsOfDomain { domain } => self.with_made_clients(connection, domain, answer),
            _ => answer,
        })
    }

    /// What an earlier simulated write makes true, where it alone answers the question.
    fn overlay(&self, connection: &ConnectionName, ask: &Ask) -> Option<Value> {
        let made = self.made();
        let records = match ask {
            Ask::UsersWithAddress { address } => {
                let users = of(&made.users, connection, |user| user.emailaddress == address.as_str());
                users.into_iter().map(value).collect()
            }
            Ask::Clients { client } => {
                let clients = of(&made.clients, connection, |known| {
                    is_meant(client, known.id.0, &known.name)
                });
                clients.into_iter().map(value).collect()
            }
            Ask::ClientsAlike { name } => {
                let folded = name.trim().to_lowercase();
                let is_alike = |known: &Client| known.name.trim().to_lowercase() == folded;
                let clients = of(&made.clients, connection, is_alike);
                clients.into_iter().map(value).collect()
            }
            Ask::Sites { client, site } => {
                let sites = of(&made.sites, connection, |known| {
                    is_meant(site, known.id.0, &known.name) && (client.is_none() || known.client_id == *client)
                });
                sites.into_iter().map(value).collect()
            }
            Ask::MainSite { client } => {
                let sites = of(&made.sites, connection, |known| known.client_id == Some(*client));
                return sites.first().map(value);
            }
            Ask::Ticket { ticket } => {
                let tickets = of(&made.tickets, connection, |known| known.id == *ticket);
                return tickets.first().map(value);
            }
            Ask::User { user } => {
                let users = of(&made.users, connection, |known| known.id == *user);
                return users.first().map(value);
            }
            _ => Vec::new(),
        };
        (!records.is_empty()).then_some(Value::Array(records))
    }

    /// A client that would have been made is matched by its website from then on.
    fn with_made_clients(&self, connection: &ConnectionName, domain: &str, mut answer: Answer) -> Answer {
        let made = self.made();
        let clients = of(&made.clients, connection, |client| client.is_of_domain(domain));
        if let (false, Value::Array(found)) = (clients.is_empty(), &mut answer.value) {
            found.extend(clients.into_iter().map(value));
            answer.assumed = Some("simulated".to_owned());
        }
        answer
    }

    async fn ensure_user(
        &self,
        connection: &ConnectionName,
        user: &NewUser,
        asking: &Asking<'_>,
    ) -> Result<Ensured<User>, StepError> {
        let address = user.emailaddress.clone();
        let look = self
            .read(connection, &Ask::UsersWithAddress { address }, asking)
            .await?;
        if let Some(record) = first::<User>(look) {
            self.made().existing.push((connection.clone(), record.clone()));
            return Ok(Ensured { record, existed: true });
        }
        asking.calls.note(unsent::create_user(user));
        let mut made = self.made();
        let record = User {
            id: UserId(made.new_id()),
            name: user.name.clone(),
            emailaddress: user.emailaddress.to_string(),
            other_addresses: Vec::new(),
            client_id: Some(user.client_id),
            client_name: String::new(),
            site_id: Some(user.site_id),
            site_name: String::new(),
            inactive: false,
            raw: json!({}),
        };
        made.users.push((connection.clone(), record.clone()));
        Ok(Ensured { record, existed: false })
    }

    async fn ensure_client(
        &self,
        connection: &ConnectionName,
        client: &NewClient,
        asking: &Asking<'_>,
    ) -> Result<Ensured<Client>, StepError> {
        let named = Ask::ClientsAlike {
            name: client.name.clone(),
        };
        // That a client is there may be assumed where it is named, not where it is to be made.
        let found = match &self.lookups {
            Lookups::Assumed(_) => self
                .overlay(connection, &named)
                .map(|value| Answer { value, assumed: None }),
            Lookups::Online(_) => Some(self.read(connection, &named, asking).await?),
        };
        let alike: Vec<Client> = found
            .and_then(|answer| serde_json::from_value(answer.value).ok())
            .unwrap_or_default();
        if let Some(record) = instead_of_another(&alike, &client.name).into_iter().next() {
            return Ok(Ensured { record, existed: true });
        }
        asking.calls.note(unsent::create_client(client));
        let mut made = self.made();
        let (id, site) = (ClientId(made.new_id()), SiteId(made.new_id()));
        let record = Client {
            website: client.website.clone(),
            ..invented_client(id, &client.name, site)
        };
        let site = Site {
            client_name: client.name.clone(),
            ..invented_site(site, &client.site_name, Some(id))
        };
        made.clients.push((connection.clone(), record.clone()));
        made.sites.push((connection.clone(), site));
        Ok(Ensured { record, existed: false })
    }

    fn reactivate(&self, connection: &ConnectionName, id: UserId, asking: &Asking<'_>) -> User {
        asking.calls.note(unsent::reactivate_user(id));
        let made = self.made();
        let known = of(&made.existing, connection, |user| user.id == id);
        let user = known
            .first()
            .map_or_else(|| invented_user(id, ""), |user| (*user).clone());
        User {
            inactive: false,
            ..user
        }
    }
}

/// Nobody knows what a server of others would say. That a write was done is taken for true, as it is at Halo.
fn unasked(request: &Request, asking: &Asking<'_>) -> Result<Answer, StepError> {
    if request.writes() {
        asking.calls.note(web::unsent(request, "simulated"));
        return Ok(simulated(&Value::Null));
    }
    asking.calls.note(web::unsent(request, "assumed"));
    Err(StepError::Unknown {
        what: request.describe(),
    })
}

fn is_meant(reference: &Reference, id: i64, name: &str) -> bool {
    match reference {
        Reference::Id(wanted) => *wanted == id,
        Reference::Name(wanted) => wanted == name,
    }
}

fn first<T: DeserializeOwned>(answer: Answer) -> Option<T> {
    let records: Vec<T> = serde_json::from_value(answer.value).unwrap_or_default();
    records.into_iter().next()
}

fn assumed_to_be(of: &impl Serialize) -> Answer {
    Answer {
        value: value(of),
        assumed: Some("assumed".to_owned()),
    }
}

fn simulated(of: &impl Serialize) -> Answer {
    Answer {
        value: value(of),
        assumed: Some("simulated".to_owned()),
    }
}

async fn asked(
    halos: &Registry,
    connection: &ConnectionName,
    ask: &Ask,
    asking: &Asking<'_>,
) -> Result<Answer, StepError> {
    let trouble = |reason: String, fault: Fault| StepError::Connection {
        connection: connection.clone(),
        fault,
        reason,
        until: None,
    };
    let halo = halos
        .find(connection)
        .ok_or_else(|| trouble(format!("there is no connection {connection}"), Fault::Unreachable))?;
    let answered = live::read(&halo, ask, asking.calls).await;
    answered
        .map(|value| Answer {
            value,
            assumed: live::reservation(&halo, ask),
        })
        .map_err(|error| match error {
            HaloError::Refused { .. } => StepError::failed(error.to_string()),
            _ => trouble(error.to_string(), error.fault().unwrap_or(Fault::Unreachable)),
        })
}

/// What an assumption says to a question, with the request that would ask it noted; where it says nothing, the
/// outcome can not be told.
fn assumed(connection: &ConnectionName, ask: &Ask, assume: Assume, asking: &Asking<'_>) -> Result<Answer, StepError> {
    requests(ask).into_iter().for_each(|call| asking.calls.note(call));
    let unknown = || StepError::Unknown {
        what: Effect::Halo {
            connection: connection.clone(),
            ask: ask.clone(),
        }
        .describe(),
    };
    assumption(ask, assume)
        .map(|value| Answer {
            value,
            assumed: Some("assumed".to_owned()),
        })
        .ok_or_else(unknown)
}

fn value<T: Serialize + ?Sized>(of: &T) -> Value {
    serde_json::to_value(of).expect("records are plain data")
}

#[cfg(test)]
mod tests;
