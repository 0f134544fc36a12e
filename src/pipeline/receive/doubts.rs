//! Messages that lie in the mailbox and do not come: the server refuses one, leaves it out, or breaks off at it. They
//! are asked for last and alone, so that they hold up no other, and set aside when that has gone on for too long.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{ReceiveError, Skipping, Watched};
use crate::{
    config::Deduplicate,
    journal::{Change, JournalError, Place, Receipt, Received, Spot},
    mailbox::{Listed, Mailbox},
    outcome::{Outcome, Reason},
};

/// So often a message may be where a connection broke off before it is held to be the reason.
const BY_CHANCE: u32 = 1;

/// What is known of the messages of one mailbox that did not come.
#[derive(Debug, Default)]
pub struct Doubts(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Whether what an earlier process kept was looked at.
    recalled: bool,
    doubts: BTreeMap<Spot, Doubt>,
    /// When a message came last: the server gives others.
    came: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Doubt {
    since: Timestamp,
    times: u32,
    reason: String,
}

impl Known {
    /// Those that are asked for last: the server was asked for them more often than chance explains.
    fn is_doubtful(&self, spot: &Spot) -> bool {
        self.doubts.get(spot).is_some_and(|doubt| doubt.times > BY_CHANCE)
    }

    fn doubt(&mut self, spot: &Spot, reason: &str, now: Timestamp) {
        let doubt = self.doubts.entry(spot.clone()).or_insert_with(|| Doubt {
            since: now,
            times: 0,
            reason: String::new(),
        });
        doubt.times += 1;
        reason.clone_into(&mut doubt.reason);
    }

    /// Why it is to be set aside: it did not come for so long, in which the server gave others. A server that gives
    /// nothing at all says nothing about this message.
    fn hopeless(&self, spot: &Spot, patience: Duration, now: Timestamp) -> Option<&str> {
        let doubt = self.doubts.get(spot)?;
        let gives_others = self.came.is_some_and(|came| came > doubt.since);
        let waited = Duration::try_from(now.duration_since(doubt.since)).unwrap_or_default();
        (gives_others && waited >= patience).then_some(doubt.reason.as_str())
    }

    /// These came; says whether one of them was in doubt.
    fn came(&mut self, spots: &HashSet<Spot>, now: Timestamp) -> bool {
        if spots.is_empty() || self.doubts.is_empty() {
            return false;
        }
        let before = self.doubts.len();
        self.doubts.retain(|spot, _| !spots.contains(spot));
        self.came = Some(now);
        self.doubts.len() < before
    }
}

impl Doubts {
    /// Those that are asked for last and alone, the most doubtful at the end, and the others.
    pub(super) fn apart(&self, wanted: Vec<Listed>) -> (Vec<Listed>, Vec<Listed>) {
        let known = self.known();
        let (mut doubtful, others): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|listed| known.is_doubtful(&listed.spot));
        doubtful.sort_by_key(|listed| known.doubts.get(&listed.spot).map_or(0, |doubt| doubt.times));
        (doubtful, others)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// Takes in what an earlier process kept.
    pub(super) async fn recall_doubts(&self) -> Result<(), JournalError> {
        if self.doubts.known().recalled {
            return Ok(());
        }
        let kept = self.world.journal.kept(&self.doubts_name()).await?;
        let kept: Vec<(Spot, Doubt)> = kept
            .and_then(|kept| serde_json::from_value(kept).ok())
            .unwrap_or_default();
        let mut known = self.doubts.known();
        known.recalled = true;
        known.doubts.extend(kept);
        Ok(())
    }

    /// These did not come, each for a reason.
    pub(super) async fn doubt(
        &self,
        those: impl Iterator<Item = (&Spot, &str)>,
    ) -> Result<HashSet<Spot>, JournalError> {
        let now = self.world.clock.now();
        let spots: HashSet<Spot> = {
            let mut known = self.doubts.known();
            those
                .map(|(spot, reason)| {
                    known.doubt(spot, reason, now);
                    spot.clone()
                })
                .collect()
        };
        if !spots.is_empty() {
            self.keep_doubts().await?;
        }
        Ok(spots)
    }

    /// These came.
    pub(super) async fn settle_doubts(&self, came: &HashSet<Spot>) -> Result<(), JournalError> {
        let is_news = self.doubts.known().came(came, self.world.clock.now());
        if is_news { self.keep_doubts().await } else { Ok(()) }
    }

    /// Asks for each by itself, when everything else is in, and sets aside what is hopeless.
    pub(super) async fn take_doubtful(
        &self,
        session: &mut dyn Mailbox,
        doubtful: Vec<Listed>,
        mut withheld: Vec<Listed>,
        skipping: Option<Skipping>,
    ) -> Result<(), ReceiveError> {
        for listed in doubtful {
            if !self.set_aside(&listed).await? {
                withheld.extend(self.take(session, vec![listed], skipping).await?);
            }
        }
        let mut left = Vec::new();
        for listed in withheld {
            if !self.set_aside(&listed).await? {
                left.push(listed);
            }
        }
        let Some(first) = left.first() else { return Ok(()) };
        let reason = self
            .doubts
            .known()
            .doubts
            .get(&first.spot)
            .map(|doubt| doubt.reason.clone());
        Err(ReceiveError::Withheld {
            count: left.len(),
            reason: reason.unwrap_or_default(),
        })
    }

    /// Ends a message that is hopeless as `failed`, so that operators hear of it and the journal can say what became
    /// of it; says whether it was.
    async fn set_aside(&self, listed: &Listed) -> Result<bool, ReceiveError> {
        let patience = self.world.generation.load().config.retry.give_up_after;
        let now = self.world.clock.now();
        let reason = match self.doubts.known().hopeless(&listed.spot, patience, now) {
            Some(reason) => format!("{}: {reason}", Reason::Withheld.word()),
            None => return Ok(false),
        };
        let end = (Outcome::Failed, reason);
        // Nothing of it is known.
        let unlike_any = Sha256::digest(format!("{} {:?}", self.name, listed.spot)).into();
        let received = Received {
            place: Place {
                mailbox: self.name.clone(),
                folder: self.folder().to_owned(),
                spot: listed.spot.clone(),
            },
            internal_date: now,
            size: listed.size,
            octets: Bytes::new(),
            from: String::new(),
            subject: String::new(),
            message_id: String::new(),
            fingerprint: unlike_any,
            digest: unlike_any,
            header_digest: unlike_any,
            author_key: String::new(),
            thread_key: String::new(),
            deduplicate: Deduplicate::Off,
            end: Some(end.clone()),
            claim: false,
        };
        let receipt = self.tell(Change::Received(Box::new(received))).await?;
        if let Receipt::New(entry, ..) = receipt {
            self.ended_at_once(entry, "", now, &Some(end)).await?;
        }
        self.doubts.known().doubts.remove(&listed.spot);
        self.keep_doubts().await?;
        Ok(true)
    }

    async fn keep_doubts(&self) -> Result<(), JournalError> {
        let doubts: Vec<(Spot, Doubt)> = self.doubts.known().doubts.clone().into_iter().collect();
        let (name, value) = (self.doubts_name(), json!(doubts));
        self.world.journal.write(Change::Kept { name, value }).await.map(drop)
    }

    /// Under this name the journal keeps them.
    fn doubts_name(&self) -> String {
        format!("doubts {} {}", self.name, self.folder())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn spot(uid: u32) -> Spot {
        Spot::Uid { validity: 7, uid }
    }

    fn came(known: &mut Known, uid: u32, second: i64) {
        known.came(&HashSet::from([spot(uid)]), at(second));
    }

    #[test]
    fn a_message_is_doubtful_when_it_did_not_come_twice() {
        let mut known = Known::default();
        known.doubt(&spot(1), "lost", at(0));
        assert!(!known.is_doubtful(&spot(1)), "the line may have broken by chance");
        known.doubt(&spot(1), "lost", at(5));
        assert!(known.is_doubtful(&spot(1)) && !known.is_doubtful(&spot(2)));
        came(&mut known, 1, 6);
        assert!(!known.is_doubtful(&spot(1)));
    }

    #[test]
    fn it_is_hopeless_only_where_the_server_gives_others() {
        let (mut known, patience) = (Known::default(), Duration::from_secs(100));
        known.doubt(&spot(1), "it is broken", at(0));
        assert_eq!(
            known.hopeless(&spot(1), patience, at(500)),
            None,
            "nothing comes from there"
        );
        came(&mut known, 2, 50);
        assert_eq!(known.hopeless(&spot(1), patience, at(99)), None, "it is too early");
        assert_eq!(known.hopeless(&spot(1), patience, at(100)), Some("it is broken"));
    }
}
