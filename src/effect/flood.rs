//! `new_users`: no more users in a while than the operator allows, so that a flood of spam makes no flood of users.
//! What was created is kept in the journal. Who has to wait stands in a line and has a turn of its own, so that not
//! all of them come back whenever one may go on; who comes early, or twice, has the same turn still.
//!
//! A turn is that of a creation, not of an attempt at it: whatever is repeated, and whoever repeats it, uses up one.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    config::{ConnectionName, Rate},
    journal::{Change, Journal, JournalError, Notice, Receipt},
};
pub(super) use window::{Came, Turn, Unknown};
use window::{Kept, Window};

mod window;

/// What was created lately, for each connection.
#[derive(Default)]
pub(super) struct Flood(tokio::sync::Mutex<HashMap<ConnectionName, Window>>);

/// What of a change is to be on disk.
enum Keep {
    Nothing,
    It,
    /// In one commit with this.
    With(Notice),
}

impl Flood {
    /// Asks for the turn of the creation `key`. One that is given counts as used, and is on disk before it is used.
    pub(super) async fn turn(
        &self,
        journal: &dyn Journal,
        connection: &ConnectionName,
        rate: Rate,
        (key, now): (&str, Timestamp),
    ) -> Result<Turn, JournalError> {
        let turn = |window: &mut Window| {
            let turn = window.turn(rate, key, now);
            (turn, if turn == Turn::Now { Keep::It } else { Keep::Nothing })
        };
        self.change(journal, connection, turn).await
    }

    /// That somebody has to wait is news once in a flood. The notice shares its commit with the knowledge of it.
    pub(super) async fn tell_once(
        &self,
        journal: &dyn Journal,
        connection: &ConnectionName,
        notice: impl Fn() -> Notice,
    ) -> Result<(), JournalError> {
        let tell = |window: &mut Window| match std::mem::replace(&mut window.kept.told, true) {
            true => ((), Keep::Nothing),
            false => ((), Keep::With(notice())),
        };
        self.change(journal, connection, tell).await
    }

    /// Says what came of a creation that had its turn.
    pub(super) async fn settle(
        &self,
        journal: &dyn Journal,
        connection: &ConnectionName,
        key: &str,
        came: Came,
    ) -> Result<(), JournalError> {
        let settle = |window: &mut Window| (window.kept.settle(key, came), Keep::It);
        self.change(journal, connection, settle).await
    }

    /// Whoever waits for this creation has no need of it any more.
    pub(super) async fn leave(&self, connection: &ConnectionName, key: &str) {
        if let Some(window) = self.0.lock().await.get_mut(connection) {
            window.line.retain(|waiting| waiting.key != key);
        }
    }

    /// Creations that hold a turn though nobody knows whether they came about.
    pub(super) async fn unknown(&self, connection: &ConnectionName) -> Vec<Unknown> {
        let windows = self.0.lock().await;
        let created = windows.get(connection).map_or(&[][..], |window| &window.kept.created);
        let unknown = created.iter().filter_map(|created| {
            let (key, entry) = (created.key.clone(), created.unknown_to?);
            Some(Unknown { key, entry })
        });
        unknown.collect()
    }

    /// By now it is known of this one, unless somebody repeats it meanwhile.
    pub(super) async fn learn(
        &self,
        journal: &dyn Journal,
        connection: &ConnectionName,
        (unknown, was_made): (&Unknown, bool),
    ) -> Result<(), JournalError> {
        let learn = |window: &mut Window| (window.kept.learn(unknown, was_made), Keep::It);
        self.change(journal, connection, learn).await
    }

    /// Changes what the journal keeps of a connection, and says what came of that; again from what it keeps then, where
    /// another node has changed it meanwhile.
    async fn change<T>(
        &self,
        journal: &dyn Journal,
        connection: &ConnectionName,
        change: impl Fn(&mut Window) -> (T, Keep),
    ) -> Result<T, JournalError> {
        let mut windows = self.0.lock().await;
        let name = name(connection);
        loop {
            let window = window(&mut windows, journal, connection).await?;
            let (came, keep) = change(window);
            let value = serde_json::to_value(&window.kept).expect("times are plain data");
            let (as_name, as_value) = (name.clone(), value.clone());
            let mut kept = match keep {
                Keep::Nothing => return Ok(came),
                Keep::It => Change::Kept {
                    name: as_name,
                    value: as_value,
                },
                Keep::With(notice) => Change::Told {
                    notice,
                    name: as_name,
                    value: as_value,
                },
            };
            if journal.is_shared() {
                kept = Change::Where {
                    name: name.clone(),
                    kept: window.in_journal.clone(),
                    change: Box::new(kept),
                };
            }
            match journal.write(kept).await {
                Ok(Receipt::Stale) => {}
                Ok(_) => {
                    window.in_journal = value;
                    return Ok(came);
                }
                Err(error) => {
                    window.kept = Kept::of(&window.in_journal);
                    return Err(error);
                }
            }
        }
    }
}

/// What is known of a connection; where other nodes share the journal, what it keeps now.
async fn window<'a>(
    windows: &'a mut HashMap<ConnectionName, Window>,
    journal: &dyn Journal,
    connection: &ConnectionName,
) -> Result<&'a mut Window, JournalError> {
    let is_known = windows.contains_key(connection);
    let window = windows.entry(connection.clone()).or_default();
    if !is_known || journal.is_shared() {
        window.in_journal = journal.kept(&name(connection)).await?.unwrap_or_default();
        window.kept = Kept::of(&window.in_journal);
    }
    Ok(window)
}

/// Under this name the journal keeps what was created lately.
fn name(connection: &ConnectionName) -> String {
    format!("new_users {connection}")
}
