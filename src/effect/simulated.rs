//! Effects that change nothing: writes are shown to later lookups only, reads are assumed or, where wanted,
//! asked of Halo.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Answer, Ask, Asking, Effect, Ensured, Performer, live};
use crate::{
    action::StepError,
    halo::{Agent, Client, ClientId, Reference, Site, SiteId, User, UserId, registry::Registry},
};

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
    created: Mutex<Created>,
}

/// What the dry run would have made, for the lookups after it. Simulated records have negative ids.
#[derive(Default)]
struct Created {
    users: Vec<User>,
    clients: Vec<Client>,
}

impl Simulated {
    /// A performer whose lookups are answered so.
    pub fn new(lookups: Lookups) -> Simulated {
        Simulated {
            lookups,
            created: Mutex::new(Created::default()),
        }
    }

    fn created(&self) -> std::sync::MutexGuard<'_, Created> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an earlier simulated write makes true.
    fn overlay(&self, ask: &Ask) -> Option<Value> {
        let created = self.created();
        match ask {
            Ask::UsersWithAddress { address } => {
                let users: Vec<&User> = created
                    .users
                    .iter()
                    .filter(|user| user.emailaddress == address.as_str())
                    .collect();
                (!users.is_empty()).then(|| value(&users))
            }
            Ask::Clients { client } => {
                let same = |known: &&Client| match client {
                    Reference::Id(id) => known.id.0 == *id,
                    Reference::Name(name) => known.name == *name,
                };
                let clients: Vec<&Client> = created.clients.iter().filter(same).collect();
                (!clients.is_empty()).then(|| value(&clients))
            }
            Ask::MainSite { client } => {
                let known = created.clients.iter().find(|known| known.id == *client)?;
                Some(value(
                    &known
                        .main_site_id
                        .map(|site| assumed_site(site, "Main", Some(known.id))),
                ))
            }
            _ => None,
        }
    }

    async fn read(&self, effect: &Effect, asking: &Asking<'_>) -> Result<Answer, StepError> {
        if let Some(value) = self.overlay(&effect.ask) {
            return Ok(simulated(value));
        }
        match &self.lookups {
            Lookups::Assumed(assume) => assumed(&effect.ask, *assume)
                .map(|value| Answer {
                    value,
                    assumed: Some("assumed".to_owned()),
                })
                .ok_or_else(|| StepError::Unknown {
                    what: effect.describe(),
                }),
            Lookups::Online(halos) => {
                let what = || StepError::Unknown {
                    what: effect.describe(),
                };
                let halo = halos.find(&effect.connection).ok_or_else(what)?;
                let answered = live::read(&halo, &effect.ask, asking.calls).await;
                answered
                    .map(|value| Answer { value, assumed: None })
                    .map_err(|error| match error {
                        crate::halo::client::HaloError::Refused { .. } => StepError::failed(error.to_string()),
                        _ => StepError::Connection {
                            connection: effect.connection.to_string(),
                            reason: error.to_string(),
                        },
                    })
            }
        }
    }

    async fn ensure_user(&self, effect: &Effect, asking: &Asking<'_>) -> Result<Answer, StepError> {
        let Ask::EnsureUser { user } = &effect.ask else {
            unreachable!("asked for this effect alone")
        };
        let look = Effect {
            connection: effect.connection.clone(),
            ask: Ask::UsersWithAddress {
                address: user.emailaddress.clone(),
            },
        };
        let found: Vec<User> = serde_json::from_value(self.read(&look, asking).await?.value).unwrap_or_default();
        if let Some(record) = found.into_iter().next() {
            return Ok(simulated(value(&Ensured { record, existed: true })));
        }
        let mut created = self.created();
        let record = User {
            id: UserId(-1 - i64::try_from(created.users.len()).unwrap_or(0)),
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
        created.users.push(record.clone());
        Ok(simulated(value(&Ensured { record, existed: false })))
    }

    async fn ensure_client(&self, effect: &Effect, asking: &Asking<'_>) -> Result<Answer, StepError> {
        let Ask::EnsureClient { client } = &effect.ask else {
            unreachable!("asked for this effect alone")
        };
        let named = Ask::Clients {
            client: Reference::Name(client.name.clone()),
        };
        let found: Vec<Client> = match &self.lookups {
            Lookups::Assumed(_) => self
                .overlay(&named)
                .and_then(|value| serde_json::from_value(value).ok())
                .unwrap_or_default(),
            Lookups::Online(_) => {
                let look = Effect {
                    connection: effect.connection.clone(),
                    ask: named,
                };
                serde_json::from_value(self.read(&look, asking).await?.value).unwrap_or_default()
            }
        };
        if let Some(record) = found.into_iter().next() {
            return Ok(simulated(value(&Ensured { record, existed: true })));
        }
        let mut created = self.created();
        let number = -1 - i64::try_from(created.clients.len()).unwrap_or(0);
        let record = assumed_client(ClientId(number), &client.name, SiteId(number));
        created.clients.push(record.clone());
        Ok(simulated(value(&Ensured { record, existed: false })))
    }
}

impl Performer for Simulated {
    fn perform<'a>(&'a self, effect: &'a Effect, asking: Asking<'a>) -> BoxFuture<'a, Result<Answer, StepError>> {
        Box::pin(async move {
            match &effect.ask {
                Ask::EnsureUser { .. } => self.ensure_user(effect, &asking).await,
                Ask::EnsureClient { .. } => self.ensure_client(effect, &asking).await,
                Ask::ReactivateUser { user } => {
                    let look = self.created().users.iter().find(|known| known.id == *user).cloned();
                    let user = look.unwrap_or_else(|| assumed_user(*user, ""));
                    Ok(simulated(value(&User {
                        inactive: false,
                        ..user
                    })))
                }
                _ => self.read(effect, &asking).await,
            }
        })
    }
}

fn simulated(value: Value) -> Answer {
    Answer {
        value,
        assumed: Some("simulated".to_owned()),
    }
}

/// What an assumption says to a question; `None` where it says nothing.
fn assumed(ask: &Ask, assume: Assume) -> Option<Value> {
    let known = assume == Assume::Known;
    Some(match ask {
        Ask::UsersWithAddress { address } if known => value(&[assumed_user(UserId(0), address.as_str())]),
        Ask::UsersWithAddress { .. } => json!([]),
        Ask::AgentWithAddress { .. } => value(&None::<Agent>),
        Ask::SitesOfDomain { .. } | Ask::ClientsOfDomain { .. } => json!([]),
        Ask::Clients {
            client: Reference::Id(id),
        } => value(&[assumed_client(ClientId(*id), "(assumed)", SiteId(0))]),
        Ask::Clients {
            client: Reference::Name(name),
        } => value(&[assumed_client(ClientId(0), name, SiteId(0))]),
        Ask::Sites {
            client,
            site: Reference::Id(id),
        } => value(&[assumed_site(SiteId(*id), "(assumed)", *client)]),
        Ask::Sites {
            client,
            site: Reference::Name(name),
        } => value(&[assumed_site(SiteId(0), name, *client)]),
        Ask::MainSite { client } => value(&Some(assumed_site(SiteId(0), "(assumed)", Some(*client)))),
        _ => return None,
    })
}

fn assumed_user(id: UserId, address: &str) -> User {
    User {
        id,
        name: address.to_owned(),
        emailaddress: address.to_owned(),
        other_addresses: Vec::new(),
        client_id: Some(ClientId(0)),
        client_name: "(assumed)".to_owned(),
        site_id: Some(SiteId(0)),
        site_name: "(assumed)".to_owned(),
        inactive: false,
        raw: json!({}),
    }
}

fn assumed_client(id: ClientId, name: &str, site: SiteId) -> Client {
    Client {
        id,
        name: name.to_owned(),
        main_site_id: Some(site),
        website: String::new(),
        domain: String::new(),
        inactive: false,
        raw: json!({}),
    }
}

fn assumed_site(id: SiteId, name: &str, client: Option<ClientId>) -> Site {
    Site {
        id,
        name: name.to_owned(),
        client_id: client,
        client_name: "(assumed)".to_owned(),
        email_domains: Vec::new(),
        inactive: false,
        raw: json!({}),
    }
}

fn value<T: Serialize>(of: &T) -> Value {
    serde_json::to_value(of).expect("records are plain data")
}
