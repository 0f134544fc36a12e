//! `new_users`: no more users in a while than the operator allows, so that a flood of spam makes no flood of users.
//! What was created is kept in the journal; who has to wait is given a turn of its own, so that not all of them come
//! back whenever one may go on.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    config::{ConnectionName, Rate},
    journal::{Change, Journal, JournalError, Notice},
};

/// Beyond so many waiting messages the last ones share a turn.
const MOST_TURNS: usize = 10_000;

/// What was created lately, for each connection.
#[derive(Default)]
pub(super) struct Flood(tokio::sync::Mutex<HashMap<ConnectionName, Window>>);

/// Whether another user may be created now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Yes; this is how the creation is known, should it not come about.
    Now(Timestamp),
    /// Not before `until`. `is_news` for the first that has to wait.
    Later { until: Timestamp, is_news: bool },
}

impl Flood {
    /// Asks for a turn. One that is given counts as used, and is on disk before it is used. `news` is what operators
    /// hear at the first that has to wait; it shares its commit with the knowledge that they did.
    pub(super) async fn turn(
        &self,
        journal: &dyn Journal,
        connection: &ConnectionName,
        rate: Rate,
        now: Timestamp,
        news: impl FnOnce() -> Notice,
    ) -> Result<Turn, JournalError> {
        let mut windows = self.0.lock().await;
        let window = window(&mut windows, journal, connection).await?;
        let turn = window.turn(rate, now);
        match turn {
            Turn::Now(_) => keep(journal, connection, &window.kept).await?,
            Turn::Later { is_news: true, .. } => {
                let (name, value) = kept(connection, &window.kept);
                let notice = news();
                let told = journal.write(Change::Told { notice, name, value }).await;
                window.kept.told = told.is_ok();
                told?;
            }
            Turn::Later { .. } => {}
        }
        Ok(turn)
    }

    /// The creation did not come about: somebody else has the turn.
    pub(super) async fn give_back(
        &self,
        journal: &dyn Journal,
        connection: &ConnectionName,
        created: Timestamp,
    ) -> Result<(), JournalError> {
        let mut windows = self.0.lock().await;
        let window = window(&mut windows, journal, connection).await?;
        window.kept.give_back(created);
        keep(journal, connection, &window.kept).await
    }
}

async fn window<'a>(
    windows: &'a mut HashMap<ConnectionName, Window>,
    journal: &dyn Journal,
    connection: &ConnectionName,
) -> Result<&'a mut Window, JournalError> {
    if !windows.contains_key(connection) {
        let kept = journal.kept(&name(connection)).await?;
        let kept = kept.and_then(|kept| serde_json::from_value(kept).ok());
        let window = Window {
            kept: kept.unwrap_or_default(),
            promised: Vec::new(),
        };
        windows.insert(connection.clone(), window);
    }
    Ok(windows.entry(connection.clone()).or_default())
}

async fn keep(journal: &dyn Journal, connection: &ConnectionName, kept: &Kept) -> Result<(), JournalError> {
    let (name, value) = self::kept(connection, kept);
    journal.write(Change::Kept { name, value }).await.map(drop)
}

fn kept(connection: &ConnectionName, kept: &Kept) -> (String, Value) {
    let value = serde_json::to_value(kept).expect("times are plain data");
    (name(connection), value)
}

/// Under this name the journal keeps what was created lately.
fn name(connection: &ConnectionName) -> String {
    format!("new_users {connection}")
}

#[derive(Debug, Default)]
struct Window {
    kept: Kept,
    /// The turns of those who wait, oldest first.
    promised: Vec<Timestamp>,
}

/// What a restart must know.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// Oldest first.
    created: Vec<Timestamp>,
    /// Operators know that messages wait.
    told: bool,
}

impl Kept {
    fn give_back(&mut self, created: Timestamp) {
        if let Some(place) = self.created.iter().rposition(|known| *known == created) {
            self.created.remove(place);
        }
    }
}

impl Window {
    fn turn(&mut self, rate: Rate, now: Timestamp) -> Turn {
        let most = usize::try_from(rate.count.get()).unwrap_or(usize::MAX);
        self.kept.created.retain(|created| now < after(*created, rate.per));
        self.promised.retain(|promised| *promised > now);
        if self.kept.created.len() < most {
            if self.promised.is_empty() && self.kept.created.len() <= most / 2 {
                self.kept.told = false;
            }
            self.kept.created.push(now);
            return Turn::Now(now);
        }
        let until = self.next(most, rate.per);
        let is_news = !std::mem::replace(&mut self.kept.told, true);
        Turn::Later { until, is_news }
    }

    /// The turn of one more that waits: a whole period after the one that is as many turns before it as may be
    /// created within a period.
    fn next(&mut self, most: usize, per: Duration) -> Timestamp {
        let turns = self.kept.created.len() + self.promised.len();
        let before = turns.saturating_sub(most);
        let before = match before.checked_sub(self.kept.created.len()) {
            None => self.kept.created[before],
            Some(place) => self.promised[place],
        };
        let until = after(before, per);
        if self.promised.len() < MOST_TURNS {
            self.promised.push(until);
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

    /// Asks at these seconds, with two turns in ten seconds; gives when each may go on and whether that was news.
    fn check(asked: &[i64], expected: &[(i64, bool)]) {
        let mut window = Window::default();
        let rate = Rate {
            count: 2.try_into().unwrap(),
            per: Duration::from_secs(10),
        };
        let turns: Vec<(i64, bool)> = asked
            .iter()
            .map(|second| match window.turn(rate, at(*second)) {
                Turn::Now(time) => (time.duration_since(at(0)).as_secs(), false),
                Turn::Later { until, is_news } => (until.duration_since(at(0)).as_secs(), is_news),
            })
            .collect();
        assert_eq!(turns, expected, "asked at {asked:?}");
    }

    #[test]
    fn as_many_as_the_limit_allows_go_on_at_once() {
        check(&[0, 3], &[(0, false), (3, false)]);
        check(&[0, 10, 11, 20], &[(0, false), (10, false), (11, false), (20, false)]);
    }

    #[test]
    fn who_waits_has_a_turn_of_its_own_and_only_the_first_is_news() {
        check(
            &[0, 3, 4, 5, 6, 7, 8],
            &[
                (0, false),
                (3, false),
                (10, true),
                (13, false),
                (20, false),
                (23, false),
                (30, false),
            ],
        );
    }

    #[test]
    fn who_comes_back_at_its_turn_goes_on() {
        check(
            &[0, 3, 4, 5, 10, 13],
            &[
                (0, false),
                (3, false),
                (10, true),
                (13, false),
                (10, false),
                (13, false),
            ],
        );
    }

    #[test]
    fn a_flood_after_a_quiet_time_is_news_again() {
        check(
            &[0, 1, 2, 40, 41, 42],
            &[(0, false), (1, false), (10, true), (40, false), (41, false), (50, true)],
        );
    }

    #[test]
    fn a_creation_that_did_not_come_about_is_given_back() {
        let mut kept = Kept {
            created: vec![at(1), at(2)],
            told: false,
        };
        kept.give_back(at(1));
        kept.give_back(at(9));
        assert_eq!(kept.created, [at(2)]);
    }
}
