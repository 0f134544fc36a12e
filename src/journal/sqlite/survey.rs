//! How much there is of everything: a few seeks for each mailbox, and no look at what has ended.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, OptionalExtension, Row};

use super::{column::At, read};
use crate::{
    config::MailboxName,
    journal::{Queued, Survey, Totals, Way},
};

/// All of it; the octets of the database at `path` are those of the file system.
pub(super) fn survey(db: &Connection, path: &Path) -> rusqlite::Result<Survey> {
    let totals = read::totals(db)?;
    let seen: u64 = totals.values().map(|totals| totals.seen).sum();
    let dropped = db
        .prepare_cached("SELECT count FROM dropped")?
        .query_row([], |row| number(row, 0))?;
    let mut oldest_open = BTreeMap::new();
    let mut oldest =
        db.prepare_cached("SELECT received FROM entry WHERE mailbox = ?1 AND outcome IS NULL ORDER BY id LIMIT 1")?;
    for (mailbox, _) in totals.iter().filter(|(_, totals)| has_open(totals)) {
        let received = oldest.query_row([&mailbox.0], |row| row.get::<_, At>(0)).optional()?;
        oldest_open.extend(received.map(|At(received)| (mailbox.clone(), received)));
    }
    Ok(Survey {
        rows: seen.saturating_sub(dropped),
        totals,
        rules: read::rule_counts(db)?,
        oldest_open,
        unsettled: unsettled(db)?,
        letters: letters(db)?,
        octets: octets(path),
    })
}

fn has_open(totals: &Totals) -> bool {
    let of = |word| totals.by_state.get(word).copied().unwrap_or(0);
    of("pending") + of("deferred") > 0
}

fn unsettled(db: &Connection) -> rusqlite::Result<BTreeMap<MailboxName, u64>> {
    db.prepare_cached("SELECT mailbox, count(*) FROM entry WHERE settle_due IS NOT NULL GROUP BY mailbox")?
        .query_map([], |row| Ok((MailboxName(row.get(0)?), number(row, 1)?)))?
        .collect()
}

fn letters(db: &Connection) -> rusqlite::Result<BTreeMap<Way, Queued>> {
    let mut waiting =
        db.prepare_cached("SELECT count(*), min(created) FROM letter WHERE state = 'waiting' AND way = ?1")?;
    let mut letters = BTreeMap::new();
    for way in Way::ALL {
        let (count, oldest) =
            waiting.query_row([way.word()], |row| Ok((number(row, 0)?, row.get::<_, Option<At>>(1)?)))?;
        letters.extend(oldest.map(|At(oldest)| (way, Queued { count, oldest })));
    }
    Ok(letters)
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

/// Of the database and what was written and is not in it yet.
fn octets(path: &Path) -> u64 {
    let wal = path.with_extension("db-wal");
    let sizes = [path, &wal].map(|path| path.metadata().map_or(0, |metadata| metadata.len()));
    sizes.iter().sum()
}
