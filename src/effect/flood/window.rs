//! Who may create a user when: the turns of one connection. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{config::Rate, journal::EntryId};

/// Beyond so many waiting creations the last ones share a turn.
const MOST_TURNS: usize = 10_000;

/// Whether another user may be created now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::effect) enum Turn {
    Now,
    /// Not before `until`.
    Later {
        until: Timestamp,
    },
}

/// What came of a creation that had its turn and was not answered with a new record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::effect) enum Came {
    /// Nothing was made: somebody else has the turn.
    ToNothing,
    /// Nobody knows, so it counts; this message will look again.
    Unknown(EntryId),
}

/// A creation without an answer, and the message that was to look again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::effect) struct Unknown {
    pub key: String,
    pub entry: EntryId,
}

#[derive(Debug, Default)]
pub(super) struct Window {
    pub kept: Kept,
    /// The same as the journal has it.
    pub in_journal: Value,
    /// Those who wait, in the order in which they came.
    pub line: Vec<Waiting>,
}

/// A creation that waits, and until when.
#[derive(Debug)]
pub(super) struct Waiting {
    pub key: String,
    until: Timestamp,
}

/// What a restart must know.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Oldest first.
    pub created: Vec<Created>,
    /// Operators know that messages wait.
    pub told: bool,
}

/// A creation that had its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Created {
    at: Timestamp,
    pub key: String,
    /// Nobody knows whether it came about; this message will look again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_to: Option<EntryId>,
}

impl Kept {
    /// What the journal has of it; nothing where it can not be understood.
    pub fn of(value: &Value) -> Kept {
        Kept::deserialize(value).unwrap_or_default()
    }

    pub fn settle(&mut self, key: &str, came: Came) {
        match came {
            Came::ToNothing => self.created.retain(|created| created.key != key),
            Came::Unknown(entry) => {
                let of_key = self.created.iter_mut().filter(|created| created.key == key);
                of_key.for_each(|created| created.unknown_to = Some(entry));
            }
        }
    }

    pub fn learn(&mut self, unknown: &Unknown, was_made: bool) {
        let is_meant = |created: &Created| created.key == unknown.key && created.unknown_to == Some(unknown.entry);
        if was_made {
            let meant = self.created.iter_mut().filter(|created| is_meant(created));
            meant.for_each(|created| created.unknown_to = None);
        } else {
            self.created.retain(|created| !is_meant(created));
        }
    }
}

impl Window {
    pub fn turn(&mut self, rate: Rate, key: &str, now: Timestamp) -> Turn {
        let most = usize::try_from(rate.count.get()).unwrap_or(usize::MAX);
        self.kept.created.retain(|created| now < after(created.at, rate.per));
        // Who doesn't come within a whole period of its turn has lost it: its message may have ended otherwise.
        self.line.retain(|waiting| now < after(waiting.until, rate.per));
        // A repeat takes the turn of its forerunner with it.
        let had_its_turn = self.kept.created.iter().any(|created| created.key == key);
        self.kept.settle(key, Came::ToNothing);
        let place = self.line.iter().position(|waiting| waiting.key == key);
        let before = self.kept.created.len() + place.unwrap_or(self.line.len());
        if had_its_turn || before < most {
            self.line.retain(|waiting| waiting.key != key);
            if self.line.is_empty() && self.kept.created.len() <= most / 2 {
                self.kept.told = false;
            }
            self.kept.created.push(Created {
                at: now,
                key: key.to_owned(),
                unknown_to: None,
            });
            return Turn::Now;
        }
        let until = self.promise(place, key, (before - most, rate.per), now);
        Turn::Later { until }
    }

    /// The turn of one that waits: a whole period after the one `ahead` in the line of all turns, which is as many
    /// before it as may be created within a period. One that has a turn keeps it, unless it is over and was of no use.
    fn promise(
        &mut self,
        place: Option<usize>,
        key: &str,
        (ahead, per): (usize, Duration),
        now: Timestamp,
    ) -> Timestamp {
        if let Some(waiting) = place.map(|place| &self.line[place])
            && waiting.until > now
        {
            return waiting.until;
        }
        let before = match ahead.checked_sub(self.kept.created.len()) {
            None => self.kept.created[ahead].at,
            Some(place) => self.line[place].until,
        };
        let until = after(before, per);
        match place {
            Some(place) => self.line[place].until = until,
            None if self.line.len() < MOST_TURNS => self.line.push(Waiting {
                key: key.to_owned(),
                until,
            }),
            None => {}
        }
        until
    }
}

fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn second(time: Timestamp) -> i64 {
        time.duration_since(at(0)).as_secs()
    }

    fn rate() -> Rate {
        Rate {
            count: 2.try_into().unwrap(),
            per: Duration::from_secs(10),
        }
    }

    /// Asks at these seconds for the turns of these, with two turns in ten seconds; gives for each the second at which
    /// it may go on.
    fn check(asked: &[(&str, i64)], expected: &[i64]) {
        let mut window = Window::default();
        let turns: Vec<i64> = asked
            .iter()
            .map(|(key, asked)| match window.turn(rate(), key, at(*asked)) {
                Turn::Now => *asked,
                Turn::Later { until } => second(until),
            })
            .collect();
        assert_eq!(turns, expected, "{asked:?}");
    }

    #[test]
    fn as_many_as_the_limit_allows_go_on_at_once() {
        check(&[("a", 0), ("b", 3)], &[0, 3]);
        check(&[("a", 0), ("b", 10), ("c", 11), ("d", 20)], &[0, 10, 11, 20]);
    }

    #[test]
    fn who_waits_has_a_turn_of_its_own() {
        check(
            &[("a", 0), ("b", 3), ("c", 4), ("d", 5), ("e", 6), ("f", 7), ("g", 8)],
            &[0, 3, 10, 13, 20, 23, 30],
        );
    }

    #[test]
    fn who_comes_early_keeps_its_turn_and_so_does_everybody_else() {
        check(
            &[
                ("a", 0),
                ("b", 3),
                ("c", 4),
                ("d", 4),
                ("d", 5),
                ("c", 5),
                ("d", 6),
                ("c", 10),
                ("d", 13),
            ],
            &[0, 3, 10, 13, 13, 10, 13, 10, 13],
        );
    }

    #[test]
    fn nobody_overtakes_one_whose_turn_has_come() {
        check(
            &[
                ("a", 0),
                ("b", 3),
                ("c", 4),
                ("new", 10),
                ("newer", 10),
                ("c", 11),
                ("new", 13),
            ],
            &[0, 3, 10, 13, 20, 11, 13],
        );
    }

    #[test]
    fn who_does_not_come_loses_its_turn_in_the_end() {
        check(
            &[("a", 0), ("b", 0), ("gone", 1), ("c", 19), ("d", 19), ("d", 20)],
            &[0, 0, 10, 19, 29, 20],
        );
    }

    #[test]
    fn a_repeat_has_the_turn_of_its_forerunner() {
        check(
            &[("a", 0), ("a", 1), ("a", 2), ("b", 3), ("c", 3), ("a", 4), ("c", 12)],
            &[0, 1, 2, 3, 12, 4, 13],
        );
    }

    #[test]
    fn a_flood_after_a_quiet_time_is_news_again() {
        let mut window = Window::default();
        let mut told_after = |asked: &[(&str, i64)]| {
            for (key, second) in asked {
                window.turn(rate(), key, at(*second));
            }
            std::mem::replace(&mut window.kept.told, true)
        };
        assert!(!told_after(&[("a", 0), ("b", 1), ("c", 2)]));
        assert!(told_after(&[("d", 3)]));
        assert!(!told_after(&[("e", 40), ("f", 41), ("g", 42)]));
    }

    #[test]
    fn a_creation_that_came_to_nothing_gives_its_turn_to_who_stands_first() {
        let mut window = Window::default();
        let mut turn = |asked: &[(&str, i64)]| -> Vec<bool> {
            let mut is_now = |key: &str, second| window.turn(rate(), key, at(second)) == Turn::Now;
            let turns = asked.iter().map(|(key, second)| is_now(key, *second)).collect();
            window.kept.settle("a", Came::ToNothing);
            turns
        };
        assert_eq!(
            turn(&[("a", 0), ("b", 0), ("c", 1), ("d", 1)]),
            [true, true, false, false]
        );
        assert_eq!(turn(&[("d", 2), ("c", 2)]), [false, true]);
    }

    #[test]
    fn what_nobody_knows_of_counts_until_somebody_does() {
        let mut window = Window::default();
        let unknown = |key: &str| Unknown {
            key: key.to_owned(),
            entry: EntryId(7),
        };
        for key in ["a", "b"] {
            window.turn(rate(), key, at(0));
            window.kept.settle(key, Came::Unknown(EntryId(7)));
        }
        window.kept.learn(&unknown("b"), true);
        assert_ne!(window.turn(rate(), "c", at(1)), Turn::Now);
        window.kept.learn(&unknown("a"), false);
        window.kept.learn(&unknown("b"), false);
        assert_eq!(window.turn(rate(), "c", at(1)), Turn::Now);
        assert_ne!(window.turn(rate(), "d", at(1)), Turn::Now);
    }
}
