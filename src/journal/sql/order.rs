//! Which messages are runnable: none while an earlier one of its conversation is unfinished, or an earlier one
//! of its author is new or in hand. A deferred one so holds back only its own conversation. One that waits for its
//! bounce to leave has had its rules, and holds back none.
//!
//! The answer is kept in the column `ready`, so that a claim need not look through all that waits. It is exact
//! for new messages, of which an author has at most one that is ready. For a deferred one it covers only the
//! conversation: an author may have thousands of those, and each claim of one would change all. What their
//! author has in hand is asked when they are claimed (`FREE`).

use super::{
    database::{Database, Fault},
    value::values,
};
use crate::journal::EntryId;

/// Of the message `e`: nothing earlier of its author is new or in hand.
macro_rules! free {
    () => {
        "(e.author_key = '' OR NOT EXISTS (
            SELECT 1 FROM entry AS a
            WHERE a.author_key = e.author_key AND a.state IN ('pending', 'claimed') AND a.id < e.id))"
    };
}

/// Of the message `e`: it waits, and nothing earlier of its conversation is unfinished; for a new one, see above.
macro_rules! ready {
    () => {
        concat!(
            "(e.state IN ('pending', 'deferred')
              AND (e.thread_key = '' OR NOT EXISTS (
                SELECT 1 FROM entry AS t WHERE t.thread_key = e.thread_key
                    AND t.state NOT IN ('bouncing', 'ended') AND t.id < e.id))
              AND (e.state = 'deferred' OR ",
            free!(),
            "))"
        )
    };
}

/// The condition under which a ready deferred message `e` may be claimed.
pub(super) const FREE: &str = free!();

/// Of the message `entry`: the one that it waits for, in words; null where it waits for none.
pub(super) const HELD_BY: &str = "CASE WHEN entry.ready = 0 AND entry.state IN ('pending', 'deferred') THEN coalesce(
    (SELECT 'it waits for message ' || min(t.id) || ' of its conversation' FROM entry AS t
     WHERE entry.thread_key <> '' AND t.thread_key = entry.thread_key
        AND t.state NOT IN ('bouncing', 'ended') AND t.id < entry.id),
    (SELECT 'it waits for message ' || min(a.id) || ' of its author' FROM entry AS a
     WHERE entry.author_key <> '' AND a.author_key = entry.author_key
        AND a.state IN ('pending', 'claimed') AND a.id < entry.id)) END";

/// Whose `ready` the change of one message's state can have touched: its own, that of what was ready of its author and
/// of its conversation, and of what comes next in either.
macro_rules! touched {
    () => {
        "SELECT CAST(?1 AS BIGINT) AS id
    UNION ALL SELECT id FROM entry WHERE ?2 <> '' AND author_key = ?2 AND ready = 1 AND state = 'pending'
    UNION ALL SELECT min(id) FROM entry WHERE ?2 <> '' AND author_key = ?2 AND state IN ('pending', 'claimed')
    UNION ALL SELECT id FROM entry WHERE ?3 <> '' AND thread_key = ?3 AND ready = 1
    UNION ALL SELECT min(id) FROM entry WHERE ?3 <> '' AND thread_key = ?3 AND state NOT IN ('bouncing', 'ended')"
    };
}

/// Brings these up to date: whether one is ready does not depend on whether others are.
const PLACE: &str = concat!(
    "UPDATE OR FAIL entry AS e SET ready = 1 - ready WHERE e.id IN (",
    touched!(),
    ") AND (e.ready = 1) <> ",
    ready!()
);

/// Whether there is one that is not; most often there is none.
const MISPLACED: &str = concat!(
    "SELECT 1 FROM (",
    touched!(),
    ") AS touched JOIN entry AS e ON e.id = touched.id WHERE (e.ready = 1) <> ",
    ready!(),
    " LIMIT 1"
);

/// To be called after every change of a message's state, within its transaction.
pub(super) fn reorder(db: &dyn Database, entry: EntryId, author_key: &str, thread_key: &str) -> Result<(), Fault> {
    let values = values![entry, author_key, thread_key];
    // SQLite makes two tables for the change, if only to find nothing in them.
    if db.dialect().is_near() && !db.exists(MISPLACED, values)? {
        return Ok(());
    }
    db.tell(PLACE, values)
}

/// Whether a message of this author and this conversation that is put in now is ready: it is the newest, so it touches no
/// other. Nothing of the one is new or in hand, and nothing of the other unfinished.
pub(super) fn is_alone(author_key: &str, thread_key: &str) -> String {
    format!(
        "({author_key} = '' OR NOT EXISTS (
            SELECT 1 FROM entry AS a WHERE a.author_key = {author_key} AND a.state IN ('pending', 'claimed')))
        AND ({thread_key} = '' OR NOT EXISTS (
            SELECT 1 FROM entry AS t WHERE t.thread_key = {thread_key} AND t.state NOT IN ('bouncing', 'ended')))"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::sqlite;

    /// The plan must walk indexes only: with 100,000 waiting messages a scan would be felt at each claim.
    fn check(sql: &str, indexes: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let steps = sqlite::plan(folder.path(), sql);
        let scans: Vec<&String> = steps
            .iter()
            .filter(|step| step.starts_with("SCAN") && !matches!(step.as_str(), "SCAN CONSTANT ROW" | "SCAN touched"))
            .collect();
        assert!(scans.is_empty(), "{steps:#?}");
        for index in indexes {
            assert!(
                steps.iter().any(|step| step.contains(index)),
                "{index}is not used: {steps:#?}"
            );
        }
    }

    #[test]
    fn a_change_of_state_touches_a_handful_of_rows() {
        let (author, thread) = ("entry_author ", "entry_thread ");
        check(PLACE, &[author, "entry_author_ready ", thread, "entry_thread_ready "]);
        check(
            MISPLACED,
            &[author, "entry_author_ready ", thread, "entry_thread_ready "],
        );
        check(&format!("SELECT {}", is_alone("?1", "?2")), &[author, thread]);
    }
}
