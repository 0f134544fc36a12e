//! `new_users`: a creation waits for its turn, and says what came of it.

use jiff::Timestamp;

use super::{Turn, later};
use crate::{
    action::StepError,
    effect::{
        Ensured,
        flood::{self, Came},
    },
    halo::client::Freshness,
    journal::CreationKey,
    message::address::AddrSpec,
};

/// What can be known of a creation whose message gave up before it had an answer.
enum Known {
    Made,
    Nothing,
    /// Its request may be at work until then.
    NotBefore(Timestamp),
    /// Its message will look by itself, or Halo gives no answer now.
    Unknown,
}

impl Turn<'_> {
    /// A flood of spam makes no flood of users: beyond the operator's limit the message waits for its turn.
    pub(super) async fn wait_for_turn(&self, key: &CreationKey) -> Result<(), StepError> {
        let connection = self.connection;
        let Some(rate) = self.live.halos.new_users(connection) else {
            return Ok(());
        };
        let (journal, now) = (&*self.live.journal, self.live.clock.now());
        let ask = || self.live.flood.turn(journal, connection, rate, (&key.key, now));
        let mut turn = ask().await.map_err(later)?;
        let mut known_at = None;
        if turn != flood::Turn::Now {
            known_at = self.give_back_what_came_to_nothing(key, now).await?;
            turn = ask().await.map_err(later)?;
        }
        let flood::Turn::Later { until } = turn else {
            return Ok(());
        };
        let limit = format!("[halo.{connection}] new_users allows {} in {:?}", rate.count, rate.per);
        let news = || {
            let text = format!(
                "{limit}, and more are wanted: their messages wait; `halo-intake log --outcome deferred` shows from \
                 whom they are"
            );
            self.writing.notice(format!("new_users {connection}"), text)
        };
        let told = self.live.flood.tell_once(journal, connection, news);
        told.await.map_err(later)?;
        Err(StepError::Held {
            reason: format!("{limit}; the message waits for its turn"),
            until: known_at.map_or(until, |known_at| until.min(known_at)),
        })
    }

    /// Says what came of a creation that had its turn and no answer of its own.
    pub(super) async fn settle_turn<T>(
        &self,
        ensured: &Result<Ensured<T>, StepError>,
        key: &CreationKey,
    ) -> Result<(), StepError> {
        let connection = self.connection;
        if self.live.halos.new_users(connection).is_none() {
            return Ok(());
        }
        let came = match (ensured, self.asking.claim) {
            (Ok(ensured), _) if !ensured.existed => return Ok(()),
            (Err(StepError::Later { .. }), Some(claim)) => Came::Unknown(claim.entry),
            _ => Came::ToNothing,
        };
        let journal = &*self.live.journal;
        let settle = self.live.flood.settle(journal, connection, &key.key, came);
        settle.await.map_err(later)
    }

    /// A message that gave up looks no more for what it may have created. That is made good before somebody else has
    /// to wait: what came to nothing gives its turn back. Gives the time at which more can be known.
    async fn give_back_what_came_to_nothing(
        &self,
        ours: &CreationKey,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StepError> {
        let (journal, connection) = (&*self.live.journal, self.connection);
        let mut known_at = None;
        for unknown in self.live.flood.unknown(connection).await {
            let key = CreationKey {
                key: unknown.key.clone(),
                ..ours.clone()
            };
            let was_made = match self.known_of(&unknown, &key, now).await? {
                Known::Made => true,
                Known::Nothing => false,
                Known::NotBefore(time) => {
                    known_at = Some(known_at.map_or(time, |known_at: Timestamp| known_at.min(time)));
                    continue;
                }
                Known::Unknown => continue,
            };
            let learn = self.live.flood.learn(journal, connection, (&unknown, was_made));
            learn.await.map_err(later)?;
        }
        Ok(known_at)
    }

    async fn known_of(&self, unknown: &flood::Unknown, key: &CreationKey, now: Timestamp) -> Result<Known, StepError> {
        let entry = self.live.journal.entry(unknown.entry).await.map_err(later)?;
        let looks_again = entry.is_some_and(|entry| ["pending", "deferred"].contains(&entry.row.outcome.as_str()));
        let Some(address) = AddrSpec::parse(&unknown.key).ok().filter(|_| !looks_again) else {
            return Ok(Known::Unknown);
        };
        if let Some(since) = self.live.journal.creation(key).await.map_err(later)?.open_since
            && now < since + self.halo.timeout()
        {
            return Ok(Known::NotBefore(since + self.halo.timeout()));
        }
        let calls = self.asking.calls;
        Ok(
            match self.halo.users_with_address(&address, Freshness::Fresh, calls).await {
                Ok(found) if found.is_empty() => Known::Nothing,
                Ok(_) => Known::Made,
                Err(_) => Known::Unknown,
            },
        )
    }
}
