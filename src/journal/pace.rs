//! The rate of a connection that nodes keep together: each tells what it has sent and needs, and hears how much of the
//! window it may fill until it tells again.
//!
//! A node never has more in the window than it was allowed last, or had already. What all nodes are allowed, or have where
//! that is more, is never above the rate, since each is told within a transaction, and these are one at a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::node::LEASE;
use crate::config::{ConnectionName, Rate};

/// What a process tells of its requests to a connection.
#[derive(Debug, Clone)]
pub struct Paced {
    pub connection: ConnectionName,
    /// Which of the processes that share the journal it is; `None`: it is alone.
    pub share: Option<String>,
    pub rate: Rate,
    /// By its own clock, as the times in `kept`.
    pub at: i64,
    pub kept: Kept,
    /// Of the slots that are open: so many have not left yet.
    pub slice: usize,
    /// So many slots it could use by now, those that it has used included.
    pub needed: usize,
}

impl Paced {
    /// Under this name the journal keeps it.
    pub(super) fn name(&self) -> String {
        match &self.share {
            None => name(&self.connection),
            Some(share) => format!("{}\t{share}", name(&self.connection)),
        }
    }

    /// What others keep of the same connection: one that is alone, and, between these two, those that share.
    pub(super) fn others(&self) -> (String, String, String) {
        let alone = name(&self.connection);
        (alone.clone(), format!("{alone}\t"), format!("{alone}\n"))
    }
}

/// Under this name the journal keeps what a process has sent that is alone.
pub fn name(connection: &ConnectionName) -> String {
    format!("pace {connection}")
}

/// A window as it is kept; times are milliseconds since the epoch, rounded up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// When so many requests had ended, oldest first.
    pub sent: Vec<(i64, usize)>,
    /// Slots of which nobody knows what came of them: under way, or granted.
    pub open: usize,
    pub held_until: Option<i64>,
}

/// What a process may do until it tells again, but no longer than [`LEASE`] where others share the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// So many slots of the window it may use, those that it has used included.
    pub most: usize,
    /// Earlier than after this time others free nothing, as far as is known.
    pub again: Duration,
    /// Halo told another node to hold still for so long.
    pub held: Duration,
}

/// What is kept of one process, by the clock of whoever keeps it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Share {
    #[serde(flatten)]
    kept: Kept,
    /// When it told that.
    seen: i64,
    slice: usize,
    needed: usize,
    /// What it was allowed then.
    most: usize,
    /// It is one of several; one that is alone is no more when somebody else sees this.
    is_node: bool,
}

/// The moment at which shares are looked at, and how long a slot counts.
#[derive(Debug, Clone, Copy)]
struct Look {
    now: i64,
    period: i64,
}

impl Share {
    /// What is to be kept of a process that tells this now, among these others, and what it may do.
    pub(super) fn of(told: &Paced, others: &[Share], now: i64) -> (Share, Allowed) {
        let look = Look::of(told, now);
        let later = now.saturating_sub(told.at);
        let mut share = Share {
            kept: told.kept.clone(),
            seen: now,
            slice: told.slice,
            needed: told.needed,
            most: 0,
            is_node: told.share.is_some(),
        };
        share.kept.sent.iter_mut().for_each(|(at, _)| *at += later);
        share.kept.held_until = share.kept.held_until.map(|until| until + later);
        let rate = usize::try_from(told.rate.count.get()).unwrap_or(usize::MAX);
        share.most = share.most(rate, others, look);
        let held = others.iter().filter_map(|other| other.kept.held_until).max();
        let again = others.iter().filter_map(|other| other.frees(look)).min();
        let allowed = Allowed {
            most: share.most,
            again: millis(again.map_or(0, |at| at - now)),
            held: millis(held.map_or(0, |until| until - now)),
        };
        (share, allowed)
    }

    /// Nothing of it counts any more.
    pub(super) fn is_over(&self, told: &Paced, now: i64) -> bool {
        let look = Look::of(told, now);
        !self.is_current(look) && self.used(look) == 0 && self.kept.held_until.is_none_or(|until| until < now)
    }

    /// An even part of the rate, or more where others need less, as far as that is free.
    fn most(&self, rate: usize, others: &[Share], look: Look) -> usize {
        let (current, gone): (Vec<&Share>, Vec<&Share>) = others.iter().partition(|other| other.is_current(look));
        let left_behind: usize = gone.iter().map(|other| other.used(look)).sum();
        let taken: usize = current.iter().map(|other| other.most.max(other.used(look))).sum();
        let shared = rate.saturating_sub(left_behind);
        let part = part(shared, self.needed, current.iter().map(|other| other.needed).collect());
        // Where there are more nodes than slots, none has one twice in a row.
        let least = usize::from(self.needed > 0 && self.used(look) == 0);
        part.max(least).min(shared.saturating_sub(taken))
    }

    /// It may use what it was allowed, as far as the others know.
    fn is_current(&self, look: Look) -> bool {
        self.is_node && look.now <= self.lapses()
    }

    fn lapses(&self) -> i64 {
        self.seen + milliseconds(LEASE)
    }

    /// What it has in the window. Of one that is heard of no more that is all that it could have sent, at the last moment
    /// at which it could.
    fn used(&self, look: Look) -> usize {
        let sent = self.kept.sent.iter().filter(|(at, _)| at + look.period > look.now);
        let sent: usize = sent.map(|(_, count)| count).sum();
        let open = match self.is_current(look) {
            true => self.kept.open.saturating_sub(self.slice),
            false if look.now < self.lapses() + look.period => self.kept.open,
            false => 0,
        };
        sent + open
    }

    /// When something of it comes back.
    fn frees(&self, look: Look) -> Option<i64> {
        let lapses = self.is_current(look).then(|| self.lapses());
        let comes_back = self.kept.sent.iter().map(|(at, _)| at + look.period);
        comes_back.chain(lapses).filter(|at| *at > look.now).min()
    }
}

impl Look {
    fn of(told: &Paced, now: i64) -> Look {
        // One more, for servers that count the edge of the window as inside.
        let period = milliseconds(told.rate.per) + 1;
        Look { now, period }
    }
}

/// What one that needs `mine` gets of so much, beside others with these needs: the same as they, but for those that need
/// less.
fn part(all: usize, mine: usize, mut others: Vec<usize>) -> usize {
    others.sort_unstable();
    let (mut left, mut sharers) = (all, others.len() + 1);
    for need in others {
        if need > left / sharers {
            break;
        }
        left -= need;
        sharers -= 1;
    }
    mine.min(left / sharers)
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

fn millis(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests;
