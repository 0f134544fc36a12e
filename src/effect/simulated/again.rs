//! What a message of a replay does again: it is told what it was told when it ran.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Simulated, Then, asked,
    assumed::invented_site,
    made::Made,
    recorded::{Kind, Told},
    unknown,
};
use crate::{
    action::StepError,
    config::ConnectionName,
    effect::{Answer, Ask, Asking, Effect, Ensured},
    halo::{Client, User, ticket::Ticket},
};

impl Told {
    pub(super) fn as_answer(&self) -> Result<Answer, StepError> {
        match self {
            Told::Answer(value) => Ok(as_then(value.clone())),
            Told::Refused(reason) => Err(StepError::failed(reason.clone())),
        }
    }
}

impl Simulated {
    /// A read: what the message was told, as far as it is so in this world; else what Halo says now, where it is asked.
    pub(super) async fn recalled(
        &self,
        then: &Then,
        connection: &ConnectionName,
        ask: &Ask,
        asking: &Asking<'_>,
    ) -> Result<Answer, StepError> {
        let told = match then.told(&effect(connection, ask)) {
            Some(Told::Refused(reason)) => return Err(StepError::failed(reason.clone())),
            Some(Told::Answer(answer)) => Some(answer.clone()),
            None => None,
        };
        if let Some(known) = self.made().known(then, connection, ask, told) {
            return Ok(as_then(known));
        }
        let Some(halos) = &then.online else {
            return Err(unknown(connection, ask));
        };
        let answer = asked(halos, connection, ask, asking).await?;
        let here = self.made().answer_here(then, connection, ask, answer.value.json());
        here.map(|value| Answer {
            value: value.into(),
            assumed: answer.assumed,
        })
        .ok_or_else(|| unknown(connection, ask))
    }

    /// A write that was done when the message ran has the same answer; none where it was not, or can not be in this world.
    pub(super) fn again(&self, connection: &ConnectionName, ask: &Ask) -> Option<Result<Answer, StepError>> {
        let then = self.then()?;
        let answer = match then.told(&effect(connection, ask))? {
            Told::Refused(reason) => return Some(Err(StepError::failed(reason.clone()))),
            Told::Answer(answer) => answer,
        };
        let mut made = self.made();
        let (at, answer) = (connection.clone(), answer.clone());
        let is_so = match ask {
            Ask::EnsureUser { user } => {
                let address = user.emailaddress.clone();
                let is_made = made.overlay(connection, &Ask::UsersWithAddress { address }).is_some();
                !is_made && made.has_user(then, at, read(&answer)?)
            }
            Ask::EnsureClient { client } => {
                let name = client.name.clone();
                let is_made = made.overlay(connection, &Ask::ClientsAlike { name }).is_some();
                !is_made && made.has_client(then, at, read(&answer)?, &client.site_name)
            }
            Ask::CreateTicket { .. } => {
                made.tickets.push((at, read::<Ensured<Ticket>>(&answer)?.record));
                true
            }
            Ask::ChangeTicket { ticket, .. } => {
                let known = made
                    .tickets
                    .iter()
                    .any(|(of, known)| of == connection && known.id == *ticket);
                if !known {
                    made.tickets.push((at, read(&answer)?));
                }
                true
            }
            _ => true,
        };
        is_so.then(|| Ok(as_then(answer)))
    }
}

impl Made {
    /// Whether that user is there, or is now.
    fn has_user(&mut self, then: &Then, at: ConnectionName, ensured: Ensured<User>) -> bool {
        if !ensured.existed {
            self.users.push((at, ensured.record));
            return true;
        }
        let is_there = !self.is_not_there(then, &at, Kind::User, ensured.record.id.0);
        if is_there {
            self.existing.push((at, ensured.record));
        }
        is_there
    }

    /// The same of a client, with its first site.
    fn has_client(&mut self, then: &Then, at: ConnectionName, ensured: Ensured<Client>, site: &str) -> bool {
        let client = ensured.record;
        if ensured.existed {
            return !self.is_not_there(then, &at, Kind::Client, client.id.0);
        }
        if let Some(id) = client.main_site_id {
            self.sites.push((at.clone(), invented_site(id, site, Some(client.id))));
        }
        self.clients.push((at, client));
        true
    }
}

fn effect(connection: &ConnectionName, ask: &Ask) -> Effect {
    Effect::Halo {
        connection: connection.clone(),
        ask: ask.clone(),
    }
}

fn read<T: DeserializeOwned>(answer: &Value) -> Option<T> {
    serde_json::from_value(answer.clone()).ok()
}

fn as_then(of: Value) -> Answer {
    Answer {
        value: of.into(),
        assumed: Some("as then".to_owned()),
    }
}
