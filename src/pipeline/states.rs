//! How mailboxes and connections are: for the status line, for the exit status of `run --once`, and for operators,
//! who hear of each trouble once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

pub use super::{
    thing::Thing,
    trouble::{Over, Sort, Span, Trouble, Urgency},
};
use crate::{clock::moment, config::MailboxName};

/// What mends itself within this time is nobody's business.
const LASTS: SignedDuration = SignedDuration::from_mins(15);

/// So long it is known what was in trouble: for the summary of a day, which may be late.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(49);
/// And so many troubles at most.
const MOST_SPANS: usize = 1000;
/// The loop that takes up work makes a turn four times as often.
const TURN_PATIENCE: Duration = Duration::from_secs(60);

/// How far the reading of a mailbox is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// So many messages were looked at.
    pub done: usize,
    /// Of so many; 0 where only what came since the last time is read.
    pub of: usize,
}

/// When a watched mailbox was looked at.
#[derive(Debug, Clone, Copy)]
pub struct Checked {
    /// When it answered last, and all that was new there was received, or reading that went on; `None`: not yet.
    pub last: Option<Timestamp>,
    /// The same by a clock that goes on evenly; when the watch began where there is none yet.
    since: Instant,
}

impl Checked {
    /// So long it has not answered, since the watch began where it never did.
    pub fn silent_for(&self) -> Duration {
        moment().saturating_duration_since(self.since)
    }
}

/// How everything is.
#[derive(Debug, Default)]
pub struct States {
    known: Mutex<Known>,
    /// Rings when something became well or bad, or a mailbox was reached.
    pub changed: Notify,
}

#[derive(Debug)]
struct Known {
    troubles: BTreeMap<Thing, Trouble>,
    /// Since when the others are known to be well.
    well: BTreeMap<Thing, Timestamp>,
    /// Troubles that are over, in this order.
    over: Vec<Span>,
    /// What operators have heard of and not heard the end of, by this process or an earlier one.
    told: BTreeSet<Thing>,
    /// The mailboxes that were reached and are being read.
    reading: BTreeMap<MailboxName, Reading>,
    /// Those that are watched.
    checked: BTreeMap<MailboxName, Checked>,
    /// When a configuration was taken last.
    loaded: Option<Timestamp>,
    /// When the loop that takes up work made its last turn.
    turned: Instant,
    /// Whether systemd knows that the daemon is ready.
    is_ready: bool,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            troubles: BTreeMap::new(),
            well: BTreeMap::new(),
            over: Vec::new(),
            told: BTreeSet::new(),
            reading: BTreeMap::new(),
            checked: BTreeMap::new(),
            loaded: None,
            turned: Instant::now(),
            is_ready: false,
        }
    }
}

impl Known {
    /// The thing's trouble is over; says whether it had one.
    fn end(&mut self, thing: &Thing, now: Timestamp) -> bool {
        let trouble = self.troubles.remove(thing);
        if let Some(trouble) = &trouble {
            self.remember(thing, trouble.since, now);
        }
        trouble.is_some()
    }

    fn remember(&mut self, thing: &Thing, since: Timestamp, until: Timestamp) {
        self.over
            .retain(|span| span.until.is_some_and(|over| until.duration_since(over) < REMEMBERED));
        if self.over.len() == MOST_SPANS {
            self.over.remove(0);
        }
        self.over.push(Span {
            thing: thing.clone(),
            since,
            until: Some(until),
        });
    }
}

impl States {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thing is well. Says what that ends.
    pub fn well(&self, thing: &Thing, now: Timestamp) -> Over {
        let mut known = self.known();
        let had_trouble = known.end(thing, now);
        if known.well.insert(thing.clone(), now).is_none() || had_trouble {
            self.changed.notify_one();
        }
        match (known.told.remove(thing), had_trouble) {
            (true, _) => Over::Told,
            (false, true) => Over::Untold,
            (false, false) => Over::Nothing,
        }
    }

    /// Something is wrong with the thing; says whether operators are to hear of it now.
    pub fn trouble(&self, thing: &Thing, reason: String, sort: Sort, urgency: Urgency, now: Timestamp) -> bool {
        let mut known = self.known();
        known.well.remove(thing);
        let earlier = known.troubles.get(thing);
        let since = earlier.map_or(now, |earlier| earlier.since);
        let is_logged = earlier.is_some_and(|earlier| earlier.is_logged);
        let trouble = Trouble {
            since,
            reason,
            sort,
            is_logged,
            last: now,
        };
        known.troubles.insert(thing.clone(), trouble);
        self.changed.notify_one();
        let is_time = urgency == Urgency::Now || now.duration_since(since) >= LASTS;
        is_time && known.told.insert(thing.clone())
    }

    /// Whether this trouble was met before, with the same words.
    pub fn is_known(&self, thing: &Thing, reason: &str) -> bool {
        let known = self.known();
        known
            .troubles
            .get(thing)
            .is_some_and(|trouble| trouble.reason == reason)
    }

    /// The log says it.
    pub fn logs(&self, thing: &Thing) {
        if let Some(trouble) = self.known().troubles.get_mut(thing) {
            trouble.is_logged = true;
        }
    }

    /// An earlier process told operators of the thing, and not of the end.
    pub fn recall(&self, thing: Thing) {
        self.known().told.insert(thing);
    }

    /// Operators could not be told of it: they hear of it the next time.
    pub fn untold(&self, thing: &Thing) {
        self.known().told.remove(thing);
    }

    /// What has trouble that was not met any more since `time`.
    pub fn troubled_before(&self, time: Timestamp) -> BTreeSet<Thing> {
        let known = self.known();
        let met = |thing: &Thing| known.troubles.get(thing).is_none_or(|trouble| trouble.last < time);
        let things = known.troubles.keys().chain(&known.told);
        things.filter(|thing| met(thing)).cloned().collect()
    }

    /// Whether the thing was found well later than that.
    pub fn was_well_after(&self, thing: &Thing, time: Timestamp) -> bool {
        self.known().well.get(thing).is_some_and(|well| *well > time)
    }

    /// The mailbox was reached, and so many messages are to be read.
    pub fn reaches(&self, mailbox: &MailboxName, of: usize) {
        let reading = Reading { done: 0, of };
        let mut known = self.known();
        known.reading.insert(mailbox.clone(), reading);
        // Of those that are well it is known that they were reached: thousands are, every minute.
        if !known.well.contains_key(&Thing::Mailbox(mailbox.clone())) {
            self.changed.notify_one();
        }
    }

    /// So many more of them were.
    pub fn read(&self, mailbox: &MailboxName, more: usize) {
        if let Some(reading) = self.known().reading.get_mut(mailbox) {
            reading.done += more;
        }
    }

    /// The reading is over, or broke off.
    pub fn has_read(&self, mailbox: &MailboxName) {
        self.known().reading.remove(mailbox);
    }

    /// How far it is, where it goes on.
    pub fn reading(&self, mailbox: &MailboxName) -> Option<Reading> {
        self.known().reading.get(mailbox).copied()
    }

    /// The mailbox is watched from now on.
    pub fn watches(&self, mailbox: &MailboxName) {
        let (last, since) = (None, moment());
        self.known().checked.insert(mailbox.clone(), Checked { last, since });
    }

    /// The mailbox answers, and what was new there was received, or a part of it where that is much.
    pub fn checks(&self, mailbox: &MailboxName, now: Timestamp) {
        if let Some(checked) = self.known().checked.get_mut(mailbox) {
            (checked.last, checked.since) = (Some(now), moment());
        }
    }

    /// When it did so last; `None`: it is not watched.
    pub fn checked(&self, mailbox: &MailboxName) -> Option<Checked> {
        self.known().checked.get(mailbox).copied()
    }

    /// The mailbox is no longer watched as it was: what troubled it is over, and known for a while.
    pub fn forget(&self, mailbox: &MailboxName, now: Timestamp) {
        let mut known = self.known();
        known.reading.remove(mailbox);
        known.checked.remove(mailbox);
        for thing in [Thing::Mailbox(mailbox.clone()), Thing::Settling(mailbox.clone())] {
            known.end(&thing, now);
            known.well.remove(&thing);
        }
    }

    /// Whether the thing is well; `None` before the first that is known of it.
    pub fn is_well(&self, thing: &Thing) -> Option<bool> {
        let known = self.known();
        let is_well = known.well.contains_key(thing);
        (is_well || known.troubles.contains_key(thing)).then_some(is_well)
    }

    /// Whether nothing is wrong with the mailbox but that it waits for a word.
    pub fn waits(&self, mailbox: &MailboxName) -> bool {
        let known = self.known();
        let trouble = known.troubles.get(&Thing::Mailbox(mailbox.clone()));
        trouble.is_some_and(|trouble| trouble.sort == Sort::Waits)
    }

    /// All that is wrong now.
    pub fn troubles(&self) -> Vec<(Thing, Trouble)> {
        let known = self.known();
        let troubles = known.troubles.iter();
        troubles
            .map(|(thing, trouble)| (thing.clone(), trouble.clone()))
            .collect()
    }

    /// What was wrong in that time, and what still is, in order.
    pub fn spans(&self, from: Timestamp, until: Timestamp) -> Vec<Span> {
        let known = self.known();
        let ongoing = known.troubles.iter().map(|(thing, trouble)| Span {
            thing: thing.clone(),
            since: trouble.since,
            until: None,
        });
        let all = known.over.iter().cloned().chain(ongoing);
        all.filter(|span| span.since < until && span.until.is_none_or(|over| over > from))
            .collect()
    }

    /// The daemon is ready; says whether that is news.
    pub fn becomes_ready(&self) -> bool {
        !std::mem::replace(&mut self.known().is_ready, true)
    }

    /// Whether it was ready once.
    pub fn is_ready(&self) -> bool {
        self.known().is_ready
    }

    /// A configuration was taken.
    pub fn loads(&self, now: Timestamp) {
        self.known().loaded = Some(now);
    }

    /// When one was taken last.
    pub fn loaded(&self) -> Option<Timestamp> {
        self.known().loaded
    }

    /// The loop that takes up work made a turn.
    pub fn turned(&self) {
        self.known().turned = Instant::now();
    }

    /// Whether that was lately.
    pub fn is_turning(&self) -> bool {
        self.since_turn() < TURN_PATIENCE
    }

    /// How long ago that was.
    pub fn since_turn(&self) -> Duration {
        self.known().turned.elapsed()
    }
}

#[cfg(test)]
mod tests;
