//! Effects that change nothing: a write is noted as the request that would be sent and shown to later lookups; a
//! read is assumed or, where wanted, asked of Halo.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

mod again;
mod assumed;
mod desk;
mod ensured;
mod made;
mod recorded;
mod remembered;

use assumed::{assumption, requests};
use made::{Made, of};
pub use recorded::{MadeThen, Recorded, Then};

use super::{Answer, Ask, Asking, Effect, Performer, live};
use crate::{
    action::StepError,
    config::ConnectionName,
    halo::{client::HaloError, fault::Fault, registry::Registry},
    journal::Journal,
    web::{self, Request},
};

/// Invented records have this id or a greater one: Halo's ids have 32 bits, so none of them is one of its own.
pub const INVENTED: i64 = 9_000_000_000;

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
    /// By what the message was told when it ran.
    Recorded(Then),
}

/// The performer of dry runs. What one message would make is there for the next.
pub struct Simulated {
    lookups: Lookups,
    /// Knows which tickets conversations have become; none in a dry run that has no journal.
    journal: Option<Arc<dyn Journal>>,
    /// When the message at hand runs.
    now: Timestamp,
    made: Mutex<Made>,
}

impl Performer for Simulated {
    fn perform<'a>(&'a self, effect: &'a Effect, asking: Asking<'a>) -> BoxFuture<'a, Result<Answer, StepError>> {
        Box::pin(async move {
            match effect {
                Effect::Halo { connection, ask } => self.ask_halo(connection, ask, &asking).await,
                Effect::Http { request } => self.request(effect, request, &asking),
                // What a limit says of it only the journal knows.
                Effect::Mail { .. } => Ok(simulated(&())),
            }
        })
    }
}

impl Simulated {
    /// A performer whose lookups are answered so.
    pub fn new(lookups: Lookups, journal: Option<Arc<dyn Journal>>) -> Simulated {
        Simulated {
            lookups,
            journal,
            now: Timestamp::UNIX_EPOCH,
            made: Mutex::default(),
        }
    }

    /// The next message has its turn, at that time, in the world that the ones before it left.
    pub fn turn(&mut self, lookups: Lookups, now: Timestamp) {
        (self.lookups, self.now) = (lookups, now);
    }

    async fn ask_halo(&self, at: &ConnectionName, ask: &Ask, asking: &Asking<'_>) -> Result<Answer, StepError> {
        if ask.writes()
            && let Some(answered) = self.again(at, ask)
        {
            return answered;
        }
        match ask {
            Ask::EnsureUser { user } => Ok(simulated(&self.ensure_user(at, user, asking).await?)),
            Ask::EnsureClient { client } => Ok(simulated(&self.ensure_client(at, client, asking).await?)),
            Ask::ReactivateUser { user } => Ok(simulated(&self.reactivate(at, *user, asking))),
            Ask::CreateTicket { ticket } => Ok(simulated(&self.create_ticket(at, ticket, asking))),
            Ask::ChangeTicket { ticket, fields } => {
                Ok(simulated(&self.change_ticket(at, *ticket, fields, asking).await?))
            }
            Ask::AddAction { action } => Ok(simulated(&self.add_action(action, asking))),
            Ask::AttachFile { file } => Ok(simulated(&self.attach_file(file, asking))),
            Ask::UploadPicture { file } => Ok(simulated(&desk::picture(file, asking))),
            Ask::TicketsOfConversation { keys } => self.tickets_of(at, ask, keys).await,
            Ask::TookPart { ticket, address } => self.took_part(at, ask, *ticket, address).await,
            Ask::Join { ticket, keys, author } => {
                self.join(at, *ticket, keys, author.as_ref());
                Ok(simulated(&()))
            }
            Ask::Fold { folding } => Ok(self.fold(at, ask, folding)),
            ask => self.read(at, ask, asking).await,
        }
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, connection: &ConnectionName, ask: &Ask, asking: &Asking<'_>) -> Result<Answer, StepError> {
        let answer = match &self.lookups {
            Lookups::Recorded(then) => self.recalled(then, connection, ask, asking).await?,
            Lookups::Assumed(assume) => match self.made().overlay(connection, ask) {
                Some(value) => return Ok(simulated(&value)),
                None => assumed(connection, ask, *assume, asking)?,
            },
            Lookups::Online(halos) => {
                let made = self.made().overlay(connection, ask);
                match made {
                    Some(value) => return Ok(simulated(&value)),
                    None => asked(halos, connection, ask, asking).await?,
                }
            }
        };
        Ok(match ask {
            Ask::ClientsOfDomain { domain } => self.with_made_clients(connection, domain, answer),
            _ => answer,
        })
    }

    /// A client that would have been made is matched by its website from then on.
    fn with_made_clients(&self, connection: &ConnectionName, domain: &str, mut answer: Answer) -> Answer {
        let made = self.made();
        let clients = of(&made.clients, connection, |client| client.is_of_domain(domain));
        if let Value::Array(mut found) = answer.value.json() {
            let known: Vec<Value> = found.iter().map(|client| client["id"].clone()).collect();
            let further = clients
                .into_iter()
                .map(value)
                .filter(|client| !known.contains(&client["id"]));
            let before = found.len();
            found.extend(further);
            if found.len() > before {
                answer.value = Value::Array(found).into();
                answer.assumed = Some("simulated".to_owned());
            }
        }
        answer
    }

    /// Nobody knows what a server of others would say. That a write was done is taken for true, as it is at Halo.
    fn request(&self, effect: &Effect, request: &Request, asking: &Asking<'_>) -> Result<Answer, StepError> {
        if let Some(told) = self.then().and_then(|then| then.told(effect)) {
            return told.as_answer();
        }
        if request.writes() {
            asking.calls.note(web::unsent(request, "simulated"));
            return Ok(simulated(&Value::Null));
        }
        asking.calls.note(web::unsent(request, "assumed"));
        Err(StepError::Unknown {
            what: request.describe(),
        })
    }

    fn then(&self) -> Option<&Then> {
        match &self.lookups {
            Lookups::Recorded(then) => Some(then),
            Lookups::Assumed(_) | Lookups::Online(_) => None,
        }
    }
}

fn assumed_to_be(of: &impl Serialize) -> Answer {
    Answer {
        value: value(of).into(),
        assumed: Some("assumed".to_owned()),
    }
}

fn simulated(of: &impl Serialize) -> Answer {
    Answer {
        value: value(of).into(),
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
    assumption(ask, assume)
        .map(|value| Answer {
            value: value.into(),
            assumed: Some("assumed".to_owned()),
        })
        .ok_or_else(|| unknown(connection, ask))
}

fn unknown(connection: &ConnectionName, ask: &Ask) -> StepError {
    StepError::Unknown {
        what: format!("{connection}: {}", ask.describe()),
    }
}

fn value<T: Serialize + ?Sized>(of: &T) -> Value {
    serde_json::to_value(of).expect("records are plain data")
}

#[cfg(test)]
mod tests;
