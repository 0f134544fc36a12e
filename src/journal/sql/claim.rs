//! A message is taken in hand, and what is known of it is read for whoever works on it.

use std::{cell::Cell, collections::HashMap};

use jiff::Timestamp;

use super::{
    database::{Database, Dialect, Fault},
    order::{self, FREE},
    value::{Json, Value, spot, values},
    writer::Hand,
};
use crate::{
    config::MailboxName,
    journal::{Claim, EntryId, Intent, Place, Work},
};

/// So many messages that waited for the same part of a connection are in hand at a time. When it is well again
/// thousands of them may be due at once, and each waits for the connection's rate: the others need places too.
const MOST_OF_ONE: i64 = 16;

/// How many of those are in hand.
fn waited(dialect: Dialect) -> String {
    format!(
        "SELECT waited_for, count(*) FROM entry {}
         WHERE state = 'claimed' AND waited_for IS NOT NULL GROUP BY waited_for",
        dialect.by("entry_waited")
    )
}

/// New messages that nothing holds back, oldest first.
const PENDING: &str =
    "SELECT id FROM entry WHERE ready = 1 AND state = 'pending' AND interruptions < 2 ORDER BY id LIMIT ?1";

/// Deferred ones that nothing holds back: those due by ?2, or those that were deferred before ?2, due or not. With what
/// they waited for, of which fewer than ?3 are in hand.
fn deferred(dialect: Dialect, by_deferral: bool) -> String {
    let order = if by_deferral { "deferred_at" } else { "due" };
    format!(
        "SELECT id, waited_for FROM entry AS e
         WHERE e.ready = 1 AND e.state = 'deferred' AND e.interruptions < 2 AND {} AND {FREE}
            AND coalesce(e.waited_for, '') NOT IN (SELECT waited_for FROM ({} HAVING count(*) >= ?3) AS w)
         ORDER BY e.{order}, e.id LIMIT ?1",
        is_due(by_deferral),
        waited(dialect)
    )
}

/// One message in whose hands the process ended twice; none while another such one is in hand.
fn suspect(by_deferral: bool) -> String {
    format!(
        "SELECT id FROM entry AS e
         WHERE e.interruptions >= 2 AND e.ready = 1 AND (e.state = 'pending' OR {}) AND {FREE}
            AND NOT EXISTS (SELECT 1 FROM entry AS s WHERE s.interruptions >= 2 AND s.state = 'claimed')
         ORDER BY e.id LIMIT ?1",
        is_due(by_deferral)
    )
}

fn is_due(by_deferral: bool) -> &'static str {
    if by_deferral {
        "e.deferred_at < ?2"
    } else {
        "e.due <= ?2"
    }
}

/// Takes up to `limit` runnable messages in hand.
pub(super) fn claim(hand: &Hand<'_>, limit: usize, deferred_before: Option<Timestamp>) -> Result<Vec<Work>, Fault> {
    if !hand.rights.is_alive(hand.db)? {
        return Ok(Vec::new());
    }
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let time = deferred_before.unwrap_or(hand.now);
    let by_deferral = deferred_before.is_some();
    let mut entries = ids(hand.db, &suspect(by_deferral), values![most.min(1), time])?;
    let deferred = of_each(hand.db, by_deferral, values![most, time, MOST_OF_ONE])?;
    let pending = ids(hand.db, PENDING, values![most])?;
    entries.extend(share(deferred, pending, limit - entries.len(), hand.turn));

    let mut work = Vec::new();
    for entry in entries {
        // One that was ready a moment ago may now have to wait for another one of these.
        if let Some(claim) = take(hand, entry)? {
            work.extend(self::work(hand.db, claim)?);
        }
    }
    Ok(work)
}

/// Deferred messages, not too many of any connection.
fn of_each(db: &dyn Database, by_deferral: bool, values: &[Value<'_>]) -> Result<Vec<EntryId>, Fault> {
    let dialect = db.dialect();
    let mut counted: HashMap<String, i64> = db.list(&waited(dialect), &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut ids = Vec::new();
    db.each(&deferred(dialect, by_deferral), values, &mut |row| {
        let count = row
            .get::<Option<String>>(1)?
            .map(|waited_for| counted.entry(waited_for).or_default());
        let has_room = count.is_none_or(|count| {
            *count += 1;
            *count <= MOST_OF_ONE
        });
        if has_room {
            ids.push(row.get(0)?);
        }
        Ok(true)
    })?;
    Ok(ids)
}

/// Half of the places for each kind when both want all, so that a flood of either never starves the other. An
/// odd place goes to each in turn.
fn share(mut deferred: Vec<EntryId>, pending: Vec<EntryId>, limit: usize, turn: &Cell<bool>) -> Vec<EntryId> {
    let odd = limit % 2 == 1 && !deferred.is_empty() && !pending.is_empty() && !turn.replace(!turn.get());
    let half = limit / 2 + usize::from(odd);
    deferred.truncate(half.max(limit.saturating_sub(pending.len())));
    let left = limit - deferred.len();
    deferred.extend(pending.into_iter().take(left));
    deferred
}

fn ids(db: &dyn Database, sql: &str, values: &[Value<'_>]) -> Result<Vec<EntryId>, Fault> {
    db.list(sql, values, |row| row.get(0))
}

/// Takes one message in hand if it is runnable; its token is the next one.
pub(super) fn take(hand: &Hand<'_>, entry: EntryId) -> Result<Option<Claim>, Fault> {
    let sql = format!(
        "UPDATE OR FAIL entry AS e SET state = 'claimed', ready = 0, token = token + 1, began = ?2, owner = ?3
         WHERE e.id = ?1 AND e.ready = 1 AND (e.state = 'pending' OR {FREE})
         RETURNING token, author_key, thread_key, deferred_at IS NOT NULL"
    );
    let taken = hand
        .db
        .find(&sql, values![entry, hand.now, hand.rights.node().to_string()], |row| {
            Ok((
                row.get(0)?,
                row.get::<String>(1)?,
                row.get::<String>(2)?,
                row.get::<bool>(3)?,
            ))
        })?;
    let Some((token, author_key, thread_key, deferred)) = taken else {
        return Ok(None);
    };
    // A new one held its author's later ones back already; a deferred one begins to.
    if deferred {
        order::reorder(hand.db, entry, &author_key, &thread_key)?;
    }
    Ok(Some(Claim { entry, token }))
}

/// What is known of a message in hand; `None` where the claim is stale.
fn work(db: &dyn Database, claim: Claim) -> Result<Option<Work>, Fault> {
    let work = db.find(
        "SELECT mailbox, folder, kind, validity, name, internal_date, received, attempts, waited, deferred_at,
                deferred_counts, deferrals, interruptions, run
             FROM entry WHERE id = ?1 AND token = ?2 AND state = 'claimed'",
        values![claim.entry, claim.token],
        |row| {
            Ok(Work {
                claim,
                place: Place {
                    mailbox: MailboxName(row.get(0)?),
                    folder: row.get(1)?,
                    spot: spot(row, 2)?,
                },
                internal_date: row.get::<Timestamp>(5)?,
                received: row.get::<Timestamp>(6)?,
                attempt: row.get::<u32>(7)?.saturating_add(1),
                waited: row.get(8)?,
                deferred: row.get::<Option<Timestamp>>(9)?.zip(row.get(10)?),
                deferrals: row.get(11)?,
                interruptions: row.get(12)?,
                run: row.get::<Option<Json<_>>>(13)?.map(|run| run.0),
                intents: Vec::new(),
            })
        },
    )?;
    let Some(mut work) = work else { return Ok(None) };
    work.intents = intents(db, claim.entry)?;
    Ok(Some(work))
}

/// What was intended under a message, oldest first.
pub(super) fn intents(db: &dyn Database, entry: EntryId) -> Result<Vec<Intent>, Fault> {
    db.list(
        "SELECT step, effect, answer, begun FROM intent WHERE entry = ?1 ORDER BY id",
        values![entry],
        |row| {
            Ok(Intent {
                step: row.get(0)?,
                effect: row.get::<Json<_>>(1)?.0,
                answer: row.get::<Option<Json<_>>>(2)?.map(|answer| answer.0),
                begun: row.get::<Timestamp>(3)?,
            })
        },
    )
}

/// Gives back what nodes had in hand that are no more. Its attempt counts: a message that ends the process each time
/// must come to an end itself.
pub(super) fn interrupt(hand: &Hand<'_>) -> Result<(), Fault> {
    let left = ids(
        hand.db,
        "SELECT id FROM entry WHERE state = 'claimed' AND (owner IS NULL
            OR owner NOT IN (SELECT CAST(id AS TEXT) FROM node WHERE gone IS NULL))
         ORDER BY id",
        &[],
    )?;
    for entry in &left {
        hand.db.tell(
            "INSERT INTO attempt (entry, number, began, ended, result, reason)
             SELECT id, attempts + 1, began, ?2, 'interrupted', 'the process ended while it had the message in hand'
             FROM entry WHERE id = ?1",
            values![entry, hand.now],
        )?;
        hand.db.tell(
            "UPDATE entry SET attempts = attempts + 1, interruptions = interruptions + 1, stored = 1 WHERE id = ?1",
            values![entry],
        )?;
        release(hand, *entry)?;
    }
    Ok(())
}

/// Puts a message in hand back to where it was taken from. A request of it may have left long after it was intended,
/// behind others; now at the latest.
pub(super) fn release(hand: &Hand<'_>, entry: EntryId) -> Result<(), Fault> {
    let (author_key, thread_key) = hand.db.row(
        "UPDATE entry SET state = CASE WHEN deferred_at IS NULL THEN 'pending' ELSE 'deferred' END
             WHERE id = ?1 RETURNING author_key, thread_key",
        values![entry],
        |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)),
    )?;
    order::reorder(hand.db, entry, &author_key, &thread_key)?;
    hand.db.tell(
        "UPDATE creation SET begun = ?2 WHERE open IN (SELECT id FROM intent WHERE entry = ?1)",
        values![entry, hand.now],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::sqlite;

    fn check(turn: &Cell<bool>, deferred: usize, pending: usize, limit: usize, taken: (usize, usize)) {
        let ids = |kind: i64, count: usize| (0..count).map(|_| EntryId(kind)).collect::<Vec<_>>();
        let shared = share(ids(1, deferred), ids(2, pending), limit, turn);
        let count = |kind: i64| shared.iter().filter(|id| id.0 == kind).count();
        assert_eq!(
            (count(1), count(2)),
            taken,
            "{deferred} deferred, {pending} pending, {limit} places"
        );
    }

    #[test]
    fn new_and_deferred_messages_share_the_places() {
        let turn = Cell::new(false);
        check(&turn, 0, 0, 8, (0, 0));
        check(&turn, 8, 8, 8, (4, 4));
        check(&turn, 8, 0, 8, (8, 0));
        check(&turn, 0, 8, 8, (0, 8));
        check(&turn, 8, 2, 8, (6, 2));
        check(&turn, 2, 8, 8, (2, 6));
        check(&turn, 5, 5, 0, (0, 0));
    }

    /// Nothing is sorted and nothing scanned but the index that holds the ready ones alone, in their order.
    fn check_plan(sql: &str, index: &str) {
        let folder = tempfile::tempdir().unwrap();
        let steps = sqlite::plan(folder.path(), sql);
        assert!(steps[0].contains(index), "{steps:#?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:#?}");
    }

    #[test]
    fn a_claim_looks_at_ready_messages_alone_however_many_wait() {
        check_plan(PENDING, "INDEX entry_pending");
        check_plan(&deferred(Dialect::Sqlite, false), "INDEX entry_due (due<?)");
        check_plan(&deferred(Dialect::Sqlite, true), "INDEX entry_deferred");
        check_plan(&suspect(false), "INDEX entry_suspect");
    }

    #[test]
    fn a_single_place_goes_to_each_kind_in_turn() {
        let turn = Cell::new(false);
        check(&turn, 5, 5, 1, (1, 0));
        check(&turn, 5, 5, 1, (0, 1));
        check(&turn, 0, 5, 1, (0, 1));
        check(&turn, 5, 5, 3, (2, 1));
        check(&turn, 5, 5, 3, (1, 2));
    }
}
