//! Retention. What a row needs to be recognised by (place, fingerprint, digest) outlives its octets, and stays for
//! as long as the message may lie in a mailbox: a row is dropped only once its message was moved away, deleted,
//! found to be gone, or never lay in one. A message that settling left where it is keeps its row for good, for
//! nobody tells when people remove it. Totals are never reduced.

use jiff::Timestamp;
use rusqlite::{named_params, params};

use super::{
    column::At,
    sieve,
    writer::{Fault, Hand},
};

/// So many messages at a time: others' changes come in between.
const SLICE: i64 = 200;

/// So many pages of 4 KiB are given back to the file system at a time, and so many stay free for what comes.
const PAGES: i64 = 2000;

/// Drops one slice of what is too old, and makes one of what an older journal lacks; whether there is more.
pub(super) fn slice(hand: &Hand<'_>, octets_before: Timestamp, rows_before: Timestamp) -> Result<bool, Fault> {
    let dropped = octets(hand, octets_before)?
        + notices(hand, octets_before)?
        + rows(hand, rows_before)?
        + rest(hand, rows_before)?;
    let free = give_back(hand)?;
    let lacks = sieve::slice(hand)?;
    Ok(dropped > 0 || free > PAGES || lacks)
}

/// Octets, traces, and the octets of letters that did not leave.
fn octets(hand: &Hand<'_>, before: Timestamp) -> rusqlite::Result<usize> {
    const OLD: &str = "SELECT id FROM entry WHERE stored = 1 AND ended < ?1 ORDER BY ended LIMIT ?2";
    let ids: Vec<i64> = hand
        .db
        .prepare_cached(OLD)?
        .query_map(params![At(before), SLICE], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in &ids {
        for sql in [
            "DELETE FROM octets WHERE entry = ?1",
            "UPDATE attempt SET trace = NULL WHERE entry = ?1",
            "UPDATE letter SET octets = NULL WHERE entry = ?1 AND state <> 'waiting'",
            "UPDATE entry SET stored = 0 WHERE id = ?1",
        ] {
            hand.db.prepare_cached(sql)?.execute([id])?;
        }
    }
    Ok(ids.len())
}

const NOTICES: &str = "DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE at < :before LIMIT :slice)";

/// What operators were told, or could not be told for as long as its message could have run again.
fn notices(hand: &Hand<'_>, before: Timestamp) -> rusqlite::Result<usize> {
    drop_old(hand, NOTICES, before)
}

fn drop_old(hand: &Hand<'_>, sql: &str, before: Timestamp) -> rusqlite::Result<usize> {
    hand.db
        .prepare_cached(sql)?
        .execute(named_params! { ":before": At(before), ":slice": SLICE })
}

/// Rows of messages that are at their end and lie nowhere; with them go their attempts, intents and letters.
fn rows(hand: &Hand<'_>, before: Timestamp) -> rusqlite::Result<usize> {
    hand.db
        .prepare_cached(
            "DELETE FROM entry WHERE id IN (
                SELECT id FROM entry WHERE gone = 1 AND ended < ?1 ORDER BY ended LIMIT ?2)",
        )?
        .execute(params![At(before), SLICE])
}

/// Digests that left, conversations in which nobody has written since, kinds of which none has come since, and creations that are closed.
const REST: [&str; 5] = [
    "DELETE FROM letter WHERE id IN (
        SELECT id FROM letter WHERE entry IS NULL AND ended IS NOT NULL AND ended < :before LIMIT :slice)",
    "DELETE FROM joined WHERE (connection, key, ticket) IN (
        SELECT connection, key, ticket FROM joined WHERE at < :before ORDER BY at LIMIT :slice)",
    "DELETE FROM participant WHERE (connection, ticket, author) IN (
        SELECT connection, ticket, author FROM participant WHERE at < :before ORDER BY at LIMIT :slice)",
    "DELETE FROM fold WHERE id IN (SELECT id FROM fold WHERE last < :before ORDER BY last LIMIT :slice)",
    "DELETE FROM creation WHERE rowid IN (
        SELECT rowid FROM creation WHERE begun IS NULL AND doubt IS NULL AND coalesce(answered, 0) < :before LIMIT :slice)",
];

fn rest(hand: &Hand<'_>, before: Timestamp) -> rusqlite::Result<usize> {
    REST.iter()
        .try_fold(0, |dropped, sql| Ok(dropped + drop_old(hand, sql, before)?))
}

/// Gives free pages back to the file system; how many are left.
fn give_back(hand: &Hand<'_>) -> rusqlite::Result<i64> {
    let free = || {
        hand.db
            .query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0))
    };
    if free()? > PAGES {
        // A row for each page: it works only as far as it is stepped.
        let mut vacuum = hand.db.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
    }
    free()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::sqlite::schema;

    #[test]
    fn what_is_too_old_is_found_by_index() {
        let folder = tempfile::tempdir().unwrap();
        let db = schema::open_writer(&folder.path().join("journal.db")).unwrap();
        for sql in REST.iter().chain([&NOTICES]) {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = named_params! { ":before": 1, ":slice": 1 };
            let lines = plan.query_map(values, |row| row.get::<_, String>(3)).unwrap();
            let lines: Vec<String> = lines.map(Result::unwrap).collect();
            assert!(lines.iter().all(|line| !line.starts_with("SCAN")), "{sql}: {lines:?}");
        }
    }
}
