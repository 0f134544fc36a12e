//! How mailboxes and connections are: for the status line, for the exit status of `run --once`, and for operators,
//! who hear of each trouble once.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

use crate::config::{ConnectionName, MailboxName};

/// What mends itself within this time is nobody's business.
const LASTS: SignedDuration = SignedDuration::from_mins(15);

/// What can have trouble. Its text is the topic under which operators hear of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A mailbox can not be read.
    Mailbox(MailboxName),
    /// What ended can not be moved, marked or deleted there.
    Settling(MailboxName),
    /// A Halo connection.
    Connection(ConnectionName),
    /// A Halo connection that answers questions and takes no writes: a permission is missing.
    Writing(ConnectionName),
    /// The SMTP server.
    Smtp,
    /// Reports to operators are refused for good.
    Report,
    /// A new configuration that was not taken.
    Configuration,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Thing::Mailbox(name) => write!(f, "mailbox {name}"),
            Thing::Settling(name) => write!(f, "settling in mailbox {name}"),
            Thing::Connection(name) => write!(f, "connection {name}"),
            Thing::Writing(name) => write!(f, "writing at connection {name}"),
            Thing::Smtp => f.write_str("smtp"),
            Thing::Report => f.write_str("report"),
            Thing::Configuration => f.write_str("configuration"),
        }
    }
}

/// When operators hear of a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// At once: somebody has to change something.
    Now,
    /// Only where it does not mend itself.
    IfItLasts,
}

/// What is wrong with a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// The newest reason.
    pub reason: String,
    /// It was not reached, or refused to sign in; otherwise it answers, and work waits all the same.
    pub is_unavailable: bool,
    /// Whether operators were to hear of it.
    told: bool,
}

/// How everything is.
#[derive(Debug)]
pub struct States(Mutex<Known>);

#[derive(Debug)]
struct Known {
    /// `None`: it is well.
    things: BTreeMap<Thing, Option<Trouble>>,
    /// When the loop that takes up work made its last turn.
    turned: Instant,
    /// Messages that were deferred before this time need not wait any longer: a connection answers again.
    catch_up: Option<Timestamp>,
    /// Whether systemd knows that the daemon is ready.
    is_ready: bool,
}

impl Default for States {
    fn default() -> States {
        States(Mutex::new(Known {
            things: BTreeMap::new(),
            turned: Instant::now(),
            catch_up: None,
            is_ready: false,
        }))
    }
}

impl States {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thing is well. Says whether that is news: it had trouble, or this is the first that is known of it.
    pub fn well(&self, thing: &Thing) -> bool {
        let mut known = self.known();
        match known.things.get(thing) {
            Some(None) => false,
            _ => {
                known.things.insert(thing.clone(), None);
                true
            }
        }
    }

    /// Something is wrong with the thing; says whether operators are to hear of it now.
    pub fn trouble(
        &self,
        thing: &Thing,
        reason: String,
        is_unavailable: bool,
        urgency: Urgency,
        now: Timestamp,
    ) -> bool {
        let mut known = self.known();
        let earlier = known.things.remove(thing).flatten();
        let since = earlier.as_ref().map_or(now, |earlier| earlier.since);
        let was_told = earlier.is_some_and(|earlier| earlier.told);
        let tell = !was_told && (urgency == Urgency::Now || now.duration_since(since) >= LASTS);
        let trouble = Trouble {
            since,
            reason,
            is_unavailable,
            told: was_told || tell,
        };
        known.things.insert(thing.clone(), Some(trouble));
        tell
    }

    /// The mailbox is no longer watched as it was.
    pub fn forget(&self, mailbox: &MailboxName) {
        let mut known = self.known();
        known.things.remove(&Thing::Mailbox(mailbox.clone()));
        known.things.remove(&Thing::Settling(mailbox.clone()));
    }

    /// Whether the thing is well; `None` before the first that is known of it.
    pub fn is_well(&self, thing: &Thing) -> Option<bool> {
        self.known().things.get(thing).map(Option::is_none)
    }

    /// All that is wrong now.
    pub fn troubles(&self) -> Vec<(Thing, Trouble)> {
        let known = self.known();
        known
            .things
            .iter()
            .filter_map(|(thing, trouble)| Some((thing.clone(), trouble.clone()?)))
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

    /// The loop that takes up work made a turn.
    pub fn turned(&self) {
        self.known().turned = Instant::now();
    }

    /// How long ago that was.
    pub fn since_turn(&self) -> Duration {
        self.known().turned.elapsed()
    }

    /// Messages that were deferred before `now` are to be taken up, due or not.
    pub fn catch_up(&self, now: Timestamp) {
        self.known().catch_up = Some(now);
    }

    /// Up to which deferral messages are to be taken up, where any are.
    pub fn catching_up(&self) -> Option<Timestamp> {
        self.known().catch_up
    }

    /// All that were deferred before `time` are taken up.
    pub fn caught_up(&self, time: Timestamp) {
        let mut known = self.known();
        if known.catch_up == Some(time) {
            known.catch_up = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox() -> Thing {
        Thing::Mailbox(MailboxName("support".to_owned()))
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    /// Whether operators hear at the last of these troubles, each with its minute.
    fn check(troubles: &[(i64, Urgency)], told: &[bool]) {
        let states = States::default();
        let heard: Vec<bool> = troubles
            .iter()
            .map(|(minute, urgency)| states.trouble(&mailbox(), "it".to_owned(), true, *urgency, at(*minute)))
            .collect();
        assert_eq!(heard, told, "{troubles:?}");
    }

    #[test]
    fn operators_hear_once_of_what_they_have_to_change() {
        use Urgency::{IfItLasts, Now};
        check(&[(0, Now), (1, Now), (60, Now)], &[true, false, false]);
        check(&[(0, IfItLasts), (1, Now), (2, Now)], &[false, true, false]);
        check(&[(0, Now), (60, IfItLasts)], &[true, false]);
    }

    #[test]
    fn operators_hear_of_a_network_only_when_it_does_not_come_back() {
        use Urgency::IfItLasts;
        check(
            &[(0, IfItLasts), (14, IfItLasts), (15, IfItLasts), (30, IfItLasts)],
            &[false, false, true, false],
        );
    }

    #[test]
    fn a_trouble_that_was_over_begins_anew() {
        let states = States::default();
        assert!(states.trouble(&mailbox(), "it".to_owned(), true, Urgency::Now, at(0)));
        assert!(states.well(&mailbox()));
        assert!(!states.well(&mailbox()));
        assert!(states.trouble(&mailbox(), "it".to_owned(), true, Urgency::Now, at(1)));
    }

    #[test]
    fn what_is_wrong_with_one_thing_says_nothing_of_another() {
        let states = States::default();
        let other = Thing::Connection(ConnectionName("main".to_owned()));
        states.trouble(&mailbox(), "it".to_owned(), true, Urgency::Now, at(0));
        assert!(states.well(&other));
        assert_eq!(states.is_well(&mailbox()), Some(false));
        assert_eq!(states.is_well(&other), Some(true));
        assert_eq!(states.is_well(&Thing::Smtp), None);
        assert_eq!(states.troubles().len(), 1);
        states.forget(&MailboxName("support".to_owned()));
        assert!(states.troubles().is_empty());
    }
}
