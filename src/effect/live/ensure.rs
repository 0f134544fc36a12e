//! What is created once: looked for before, begun by one at a time, and looked for again where nobody knows what came of
//! it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;

use super::{Turn, later, value};
use crate::{
    action::StepError,
    clock,
    effect::{Ensured, creatable::Creatable},
    halo::client::{Freshness, HaloError},
    journal::{Change, Creation, CreationKey, Receipt},
};

/// So soon a node looks whether another one has created what both want, and less and less often.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const LOOK_SELDOM: Duration = Duration::from_secs(1);

/// One creation of a thing at a time, within this process; the journal's row does the same across restarts and nodes.
#[derive(Default)]
pub(super) struct Creations(Mutex<HashMap<CreationKey, Weak<tokio::sync::Mutex<()>>>>);

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

impl Turn<'_> {
    /// Found or created, and never twice.
    pub(super) async fn ensure<C: Creatable>(&self, new: &C) -> Result<Ensured<C::Record>, StepError> {
        let key = self
            .ask
            .creation(self.connection)
            .expect("what is ensured has a creation key");
        let _turn = self.live.creations.turn(&key).await;
        let until = clock::moment() + self.halo.timeout();
        let mut again = LOOK_AGAIN;
        loop {
            if let Some(ensured) = self.ensure_unless_under_way(new, &key).await? {
                return Ok(ensured);
            }
            if clock::moment() >= until {
                return Err(StepError::Later {
                    reason: format!("another node is creating the {} {}", key.kind, key.key),
                    not_before: None,
                });
            }
            clock::sleep(again).await;
            again = (again * 2).min(LOOK_SELDOM);
        }
    }

    /// Look, say what is intended, create, say what came of it. Nothing where another node is just creating it.
    async fn ensure_unless_under_way<C: Creatable>(
        &self,
        new: &C,
        key: &CreationKey,
    ) -> Result<Option<Ensured<C::Record>>, StepError> {
        let known = self.live.journal.creation(key).await.map_err(later)?;
        if known.is_under_way {
            return Ok(None);
        }
        let open_since = known.open_since;
        if let Some(record) = self.look_for(new, known).await? {
            let ensured = Ensured { record, existed: true };
            self.live.flood.leave(self.connection, &key.key).await;
            // The request without an answer may be another message's, and only an intent can be answered. One that is
            // under way will have an answer of its own.
            if open_since.is_some() && !matches!(self.writing.intend(Some(key.clone())).await?, Receipt::UnderWay) {
                self.writing.answered(value(&ensured), Some(key.clone())).await?;
            }
            return Ok(Some(ensured));
        }
        if let Some(since) = open_since {
            self.wait_out(since, key)?;
        }
        if C::IS_LIMITED {
            self.wait_for_turn(key).await?;
        }
        if !self.begins(key, known).await? {
            return Ok(None);
        }
        let ensured = self.create(new, key, open_since).await;
        if C::IS_LIMITED {
            self.settle_turn(&ensured, key).await?;
        }
        ensured.map(Some)
    }

    /// Says that it is to be created. It is not where another node is about it, or has been since this one has looked.
    async fn begins(&self, key: &CreationKey, known: Creation) -> Result<bool, StepError> {
        match self.writing.intend(Some(key.clone())).await? {
            Receipt::UnderWay => Ok(false),
            Receipt::Intent {
                open_since, answered, ..
            } if (open_since, answered) != (known.open_since, known.answered) => {
                self.writing.answered(Value::Null, Some(key.clone())).await?;
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    async fn create<C: Creatable>(
        &self,
        new: &C,
        key: &CreationKey,
        open_since: Option<Timestamp>,
    ) -> Result<Ensured<C::Record>, StepError> {
        match new.create(self.halo, self.asking.calls).await {
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
        }
    }

    /// Looks before anything is created.
    async fn look_for<C: Creatable>(&self, new: &C, known: Creation) -> Result<Option<C::Record>, StepError> {
        if known.open_since.is_some() {
            return self.look_in_doubt(new).await;
        }
        if !C::MAY_BE_THERE && known.answered.is_none() {
            return Ok(None);
        }
        let found = self.look(new, Freshness::Cached).await?;
        // An answer that is kept may be older than the request that made it.
        if found.is_none() && known.answered.is_some() {
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
}
