//! Effects for real: reads go to the connection, writes pass the journal before and after.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Notify;

use super::{Answer, Ask, Asking, Effect, Performer, Said, creatable::Enclosure, flood::Flood};
use crate::{
    action::StepError,
    clock::Clock,
    config::ConnectionName,
    halo::{
        client::{Halo, HaloError},
        registry::Registry,
    },
    journal::{Journal, JournalError},
    web::Web,
};

mod conversation;
mod ensure;
mod mail;
mod reading;
mod request;
mod turns;
mod writing;

use ensure::Creations;
pub(super) use reading::{read, reservation};
use writing::Writing;

/// What is asked without an answer is asked again so often at once, before the message is deferred.
const TRIES_AT_ONCE: u32 = 3;
/// The wait before the first of these repeats; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The performer of real runs.
pub struct Live {
    journal: Arc<dyn Journal>,
    clock: Clock,
    halos: Arc<Registry>,
    creations: Creations,
    flood: Flood,
    web: Web,
    /// Rung for each mail that is to leave.
    pub posted: Arc<Notify>,
}

impl Performer for Live {
    fn perform<'a>(&'a self, effect: &'a Effect, asking: Asking<'a>) -> BoxFuture<'a, Result<Answer, StepError>> {
        Box::pin(async move {
            let writing = Writing {
                live: self,
                effect,
                asking,
            };
            match effect {
                Effect::Halo { connection, ask } => self.ask_halo(connection, ask, writing).await,
                Effect::Http { request } => writing.request(request).await,
                Effect::Mail { mail } => writing.post(mail).await,
            }
        })
    }
}

impl Live {
    /// A performer over these connections.
    pub fn new(journal: Arc<dyn Journal>, clock: Clock, halos: Arc<Registry>) -> Live {
        Live {
            journal,
            clock,
            halos,
            creations: Creations::default(),
            flood: Flood::default(),
            web: Web::default(),
            posted: Arc::default(),
        }
    }

    async fn ask_halo(
        &self,
        connection: &ConnectionName,
        ask: &Ask,
        writing: Writing<'_>,
    ) -> Result<Answer, StepError> {
        // A reload took it away; the next attempt finds the rules that go without it.
        let halo = self.halos.find(connection).ok_or_else(|| StepError::Later {
            reason: format!("there is no connection {connection} any more"),
            not_before: None,
        })?;
        let turn = Turn {
            live: self,
            halo: &halo,
            connection,
            ask,
            asking: writing.asking.clone(),
            writing,
        };
        Ok(Answer {
            value: turn.perform().await?,
            assumed: reservation(&halo, ask),
        })
    }
}

/// One question to Halo, or one write to it.
struct Turn<'a> {
    live: &'a Live,
    halo: &'a Halo,
    connection: &'a ConnectionName,
    ask: &'a Ask,
    asking: Asking<'a>,
    writing: Writing<'a>,
}

impl Turn<'_> {
    async fn perform(&self) -> Result<Said, StepError> {
        let (halo, calls) = (self.halo, self.asking.calls);
        let written = match self.ask {
            Ask::EnsureUser { user } => value(&self.ensure(user).await?),
            Ask::EnsureClient { client } => value(&self.ensure(client).await?),
            Ask::ReactivateUser { user } => value(&self.again(|| halo.reactivate_user(*user, calls)).await?),
            Ask::CreateTicket { ticket } => value(&self.ensure(ticket).await?),
            Ask::ChangeTicket { ticket, fields } => {
                value(&self.again(|| halo.change_ticket(*ticket, fields, calls)).await?)
            }
            Ask::AddAction { action } => value(&self.ensure(action).await?),
            Ask::AttachFile { file } => {
                let enclosed = self.asking.enclosed;
                value(&self.ensure(&Enclosure { file, enclosed }).await?)
            }
            Ask::UploadPicture { file } => {
                let octets = || self.asking.enclosed.octets(file.number).unwrap_or_default();
                value(&self.again(|| halo.upload_picture(file, octets(), calls)).await?)
            }
            Ask::TicketsOfConversation { .. } | Ask::TookPart { .. } | Ask::Join { .. } | Ask::Fold { .. } => {
                self.remember().await?
            }
            _ => return self.asked(|| read(halo, self.ask, calls)).await,
        };
        Ok(written.into())
    }

    /// Asks what changes nothing, a few times at once where there is no answer.
    async fn asked<T, F>(&self, ask: impl Fn() -> F) -> Result<T, StepError>
    where
        F: Future<Output = Result<T, HaloError>>,
    {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES_AT_ONCE {
            match ask().await {
                Err(HaloError::NoAnswer { .. }) => {
                    tokio::time::sleep(wait).await;
                    self.halo.note_retry();
                }
                answered => return answered.map_err(|error| self.step_error(error)),
            }
            wait *= 2;
        }
        ask().await.map_err(|error| self.step_error(error))
    }

    /// Writes what may be written again without another effect.
    async fn again<T: Serialize, F>(&self, write: impl FnOnce() -> F) -> Result<T, StepError>
    where
        F: Future<Output = Result<T, HaloError>>,
    {
        self.writing.intend(None).await?;
        match write().await {
            Ok(written) => {
                self.writing.answered(value(&written), None).await?;
                Ok(written)
            }
            Err(error) => {
                if !matches!(error, HaloError::NoAnswer { .. }) {
                    self.writing.answered(Value::Null, None).await?;
                }
                Err(self.step_error(error))
            }
        }
    }

    fn step_error(&self, error: HaloError) -> StepError {
        let (reason, fault) = (error.to_string(), error.fault());
        match (error, fault) {
            (error, Some(fault)) => StepError::Connection {
                connection: self.connection.clone(),
                fault,
                reason,
                until: error.retry_after().map(|left| self.live.clock.now() + left),
            },
            (HaloError::Refused { .. }, None) => StepError::Failed { reason },
            (_, None) => StepError::Later {
                reason,
                not_before: None,
            },
        }
    }
}

fn value<T: Serialize>(of: &T) -> Value {
    serde_json::to_value(of).expect("records are plain data")
}

fn later(error: JournalError) -> StepError {
    StepError::Later {
        reason: error.to_string(),
        not_before: None,
    }
}

#[cfg(test)]
mod tests;
