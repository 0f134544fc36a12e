//! Retention. What a row needs to be recognised by (place, fingerprint, digest) outlives its octets, and stays for
//! as long as the message may lie in a mailbox: a row is dropped only once its message was moved away, deleted,
//! found to be gone, or never lay in one. A message that settling left where it is keeps its row for good, for
//! nobody tells when people remove it. Totals are never reduced.

use jiff::Timestamp;

use super::{database::Fault, sieve, value::values, writer::Hand};

/// So many messages at a time: others' changes come in between.
const SLICE: i64 = 200;

/// Drops one slice of what is too old, and makes one of what an older journal lacks; whether there is more.
pub(super) fn slice(hand: &Hand<'_>, octets_before: Timestamp, rows_before: Timestamp) -> Result<bool, Fault> {
    let dropped = octets(hand, octets_before)?
        + notices(hand, octets_before)?
        + rows(hand, rows_before)?
        + rest(hand, rows_before)?;
    let has_more = hand.db.give_back()?;
    let lacks = sieve::slice(hand)?;
    Ok(dropped > 0 || has_more || lacks)
}

/// Octets, traces, and the octets of letters that did not leave.
fn octets(hand: &Hand<'_>, before: Timestamp) -> Result<usize, Fault> {
    const OLD: &str = "SELECT id FROM entry WHERE stored = 1 AND ended < ?1 ORDER BY ended LIMIT ?2";
    let ids: Vec<i64> = hand.db.list(OLD, values![before, SLICE], |row| row.get(0))?;
    for id in &ids {
        for sql in [
            "DELETE FROM octets WHERE entry = ?1",
            "UPDATE attempt SET trace = NULL WHERE entry = ?1",
            "UPDATE letter SET octets = NULL WHERE entry = ?1 AND state <> 'waiting'",
            "UPDATE entry SET stored = 0 WHERE id = ?1",
        ] {
            hand.db.tell(sql, values![id])?;
        }
    }
    Ok(ids.len())
}

const NOTICES: &str = "DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE at < ?1 LIMIT ?2)";

/// What operators were told, or could not be told for as long as its message could have run again.
fn notices(hand: &Hand<'_>, before: Timestamp) -> Result<usize, Fault> {
    drop_old(hand, NOTICES, before)
}

fn drop_old(hand: &Hand<'_>, sql: &str, before: Timestamp) -> Result<usize, Fault> {
    hand.db.run(sql, values![before, SLICE])
}

/// Rows of messages that are at their end and lie nowhere; with them go their attempts, intents and letters.
fn rows(hand: &Hand<'_>, before: Timestamp) -> Result<usize, Fault> {
    hand.db.run(
        "DELETE FROM entry WHERE id IN (
                SELECT id FROM entry WHERE gone = 1 AND ended < ?1 ORDER BY ended LIMIT ?2)",
        values![before, SLICE],
    )
}

/// Digests that left, conversations in which nobody has written since, kinds of which none has come since, and creations that are closed.
const REST: [&str; 5] = [
    "DELETE FROM letter WHERE id IN (
        SELECT id FROM letter WHERE entry IS NULL AND ended IS NOT NULL AND ended < ?1 LIMIT ?2)",
    "DELETE FROM joined WHERE (connection, key, ticket) IN (
        SELECT connection, key, ticket FROM joined WHERE at < ?1 ORDER BY at LIMIT ?2)",
    "DELETE FROM participant WHERE (connection, ticket, author) IN (
        SELECT connection, ticket, author FROM participant WHERE at < ?1 ORDER BY at LIMIT ?2)",
    "DELETE FROM fold WHERE id IN (SELECT id FROM fold WHERE last < ?1 ORDER BY last LIMIT ?2)",
    "DELETE FROM creation WHERE (connection, kind, key) IN (
        SELECT connection, kind, key FROM creation WHERE begun IS NULL AND doubt IS NULL AND coalesce(answered, 0) < ?1 LIMIT ?2)",
];

fn rest(hand: &Hand<'_>, before: Timestamp) -> Result<usize, Fault> {
    REST.iter()
        .try_fold(0, |dropped, sql| Ok(dropped + drop_old(hand, sql, before)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::sqlite;

    #[test]
    fn what_is_too_old_is_found_by_index() {
        let folder = tempfile::tempdir().unwrap();
        for sql in REST.iter().chain([&NOTICES]) {
            let steps = sqlite::plan(folder.path(), sql);
            assert!(steps.iter().all(|step| !step.starts_with("SCAN")), "{sql}: {steps:?}");
        }
    }
}
