//! Effects for real: reads go to the connection, writes pass the journal before and after.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Notify;

use super::{
    Answer, Ask, Asking, Effect, Ensured, Performer,
    creatable::{Creatable, Enclosure},
    flood::Flood,
};
use crate::{
    action::StepError,
    clock::Clock,
    config::ConnectionName,
    halo::{
        client::{Freshness, Halo, HaloError},
        registry::Registry,
    },
    journal::{Change, Creation, CreationKey, Journal, JournalError},
    web::Web,
};

mod conversation;
mod mail;
mod reading;
mod request;
mod turns;
mod writing;

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

/// One creation of a thing at a time, within this process; the journal's row does the same across restarts.
#[derive(Default)]
struct Creations(Mutex<HashMap<CreationKey, Weak<tokio::sync::Mutex<()>>>>);

impl Creations {
    async fn turn(&self, key: &CreationKey) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            match turns.get(key).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    let turn = Arc::new(tokio::sync::Mutex::new(()));
                    turns.insert(key.clone(), Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
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
    async fn perform(&self) -> Result<Value, StepError> {
        let (halo, calls) = (self.halo, self.asking.calls);
        Ok(match self.ask {
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
            _ => self.asked(|| read(halo, self.ask, calls)).await?,
        })
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

    /// Found or created, and never twice: look, say what is intended, create, say what came of it.
    async fn ensure<C: Creatable>(&self, new: &C) -> Result<Ensured<C::Record>, StepError> {
        let key = self
            .ask
            .creation(self.connection)
            .expect("what is ensured has a creation key");
        let _turn = self.live.creations.turn(&key).await;
        let known = self.live.journal.creation(&key).await.map_err(later)?;
        let open_since = known.open_since;
        if let Some(record) = self.look_for(new, known).await? {
            let ensured = Ensured { record, existed: true };
            self.live.flood.leave(self.connection, &key.key).await;
            if open_since.is_some() {
                // The request without an answer may be another message's, and only an intent can be answered.
                self.writing.intend(Some(key.clone())).await?;
                self.writing.answered(value(&ensured), Some(key)).await?;
            }
            return Ok(ensured);
        }
        if let Some(since) = open_since {
            self.wait_out(since, &key)?;
        }
        if C::IS_LIMITED {
            self.wait_for_turn(&key).await?;
        }
        self.writing.intend(Some(key.clone())).await?;
        let ensured = match new.create(self.halo, self.asking.calls).await {
            Ok(created) => {
                let record = self.look_again(new, created.record, open_since).await;
                let existed = created.existed;
                if !existed {
                    self.halo.note_created(&key.kind);
                }
                let ensured = Ensured { record, existed };
                self.writing.answered(value(&ensured), Some(key.clone())).await?;
                Ok(ensured)
            }
            Err(error) => self.after_refusal(new, error, key.clone()).await,
        };
        if C::IS_LIMITED {
            self.settle_turn(&ensured, &key).await?;
        }
        ensured
    }

    /// Looks before anything is created.
    async fn look_for<C: Creatable>(&self, new: &C, known: Creation) -> Result<Option<C::Record>, StepError> {
        if known.open_since.is_some() {
            return self.look_in_doubt(new).await;
        }
        if !C::MAY_BE_THERE && !known.was_made {
            return Ok(None);
        }
        let found = self.look(new, Freshness::Cached).await?;
        // An answer that is kept may be older than the request that made it.
        if found.is_none() && known.was_made {
            return self.look(new, Freshness::Fresh).await;
        }
        Ok(found)
    }

    /// After a creation whose forerunner had no answer: that one may have come about meanwhile as well, and then
    /// the older one of both is used.
    async fn look_again<C: Creatable>(&self, new: &C, record: C::Record, open_since: Option<Timestamp>) -> C::Record {
        if open_since.is_none() {
            return record;
        }
        match self.look_in_doubt(new).await {
            Ok(Some(first)) => first,
            _ => record,
        }
    }

    /// The create did not work, or nobody knows: look before anything else is believed.
    async fn after_refusal<C: Creatable>(
        &self,
        new: &C,
        error: HaloError,
        key: CreationKey,
    ) -> Result<Ensured<C::Record>, StepError> {
        let uncertain = matches!(error, HaloError::NoAnswer { uncertain: true, .. });
        // Perhaps because it is there.
        let refused = C::MAY_BE_THERE && matches!(error, HaloError::Refused { .. });
        let found = if uncertain {
            self.look_in_doubt(new).await
        } else if refused {
            self.look(new, Freshness::Fresh).await
        } else {
            Ok(None)
        };
        if let Ok(Some(record)) = found {
            let ensured = Ensured {
                record,
                existed: refused,
            };
            if !refused {
                self.halo.note_created(&key.kind);
            }
            self.writing.answered(value(&ensured), Some(key)).await?;
            return Ok(ensured);
        }
        if uncertain {
            // It may have left long after it was intended, behind others: what has to be waited out begins now.
            self.writing.intend(Some(key)).await?;
            let not_before = self.live.clock.now() + self.halo.timeout();
            return Err(StepError::Later {
                reason: error.to_string(),
                not_before: Some(not_before),
            });
        }
        self.writing.answered(Value::Null, Some(key)).await?;
        // Where it could not be looked for, nobody knows whether it was refused because it is there.
        found?;
        Err(self.step_error(error))
    }

    /// After an answer that never came, the request may still be at work until its timeout has passed.
    fn wait_out(&self, since: Timestamp, key: &CreationKey) -> Result<(), StepError> {
        let not_before = since + self.halo.timeout();
        if self.live.clock.now() >= not_before {
            return Ok(());
        }
        let reason = format!(
            "creating the {} {} had no answer; it is looked for again before it is repeated",
            key.kind, key.key
        );
        Err(StepError::Later {
            reason,
            not_before: Some(not_before),
        })
    }

    async fn look<C: Creatable>(&self, new: &C, freshness: Freshness) -> Result<Option<C::Record>, StepError> {
        let found = self.asked(|| new.look(self.halo, freshness, self.asking.calls)).await?;
        Ok(found.into_iter().next())
    }

    /// After a request without an answer: where there are several now, it may have made one of them after its time.
    async fn look_in_doubt<C: Creatable>(&self, new: &C) -> Result<Option<C::Record>, StepError> {
        let ask = || new.look(self.halo, Freshness::Fresh, self.asking.calls);
        let found = self.asked(ask).await?;
        if found.len() > 1 {
            let ids: Vec<String> = found.iter().map(|record| C::id(record).to_string()).collect();
            let text = format!(
                "{}: Halo has several (ids {}), maybe since a request was carried out after its time; {} is used, \
                 merge the others with it",
                self.writing.effect.describe(),
                ids.join(", "),
                ids[0],
            );
            let topic = format!("created twice {}", self.connection);
            self.writing
                .write(Change::Noticed(self.writing.notice(topic, text)))
                .await?;
        }
        Ok(found.into_iter().next())
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
