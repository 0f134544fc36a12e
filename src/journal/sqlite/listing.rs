//! One message in full, as people read it.

use rusqlite::{Connection, OptionalExtension};

use super::{
    claim,
    column::{At, Json, spot},
    pack,
    read::count,
    rows::{columns, row},
};
use crate::journal::{Attempt, Entry, EntryId, LetterId, Place};

/// One message in full.
pub(super) fn entry(db: &Connection, id: EntryId) -> rusqlite::Result<Option<Entry>> {
    let sql = format!(
        "SELECT {}, folder, kind, validity, name, message_id, internal_date, size, due, settled, how, settle_due,
            settle_reason
         FROM entry WHERE id = ?1",
        columns()
    );
    let entry = db
        .prepare_cached(&sql)?
        .query_row([id], |columns| {
            let row = row(columns)?;
            let time = |column: usize| Ok::<_, rusqlite::Error>(columns.get::<_, Option<At>>(column)?.map(|at| at.0));
            Ok(Entry {
                place: Place {
                    mailbox: row.mailbox.clone(),
                    folder: columns.get(10)?,
                    spot: spot(columns, 11)?,
                },
                row,
                message_id: columns.get(14)?,
                internal_date: columns.get::<_, At>(15)?.0,
                size: u64::try_from(columns.get::<_, i64>(16)?).unwrap_or_default(),
                due: time(17)?,
                settled: time(18)?.zip(columns.get(19)?),
                settle_again: time(20)?.zip(columns.get(21)?),
                attempts: Vec::new(),
                intents: Vec::new(),
                letters: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut entry) = entry else { return Ok(None) };
    entry.attempts = attempts(db, id)?;
    entry.intents = claim::intents(db, id)?;
    entry.letters = letters(db, id)?;
    Ok(Some(entry))
}

fn attempts(db: &Connection, id: EntryId) -> rusqlite::Result<Vec<Attempt>> {
    db.prepare_cached(
        "SELECT number, began, ended, result, reason, trace FROM attempt WHERE entry = ?1 ORDER BY number",
    )?
    .query_map([id], |row| {
        Ok(Attempt {
            number: row.get(0)?,
            began: row.get::<_, At>(1)?.0,
            ended: row.get::<_, At>(2)?.0,
            result: row.get(3)?,
            reason: row.get(4)?,
            trace: pack::unpack_value(row.get_ref(5)?.as_blob_or_null()?)?,
        })
    })?
    .collect()
}

/// How the newest ones ended, without the rest of them.
pub(super) fn last_attempts(db: &Connection, id: EntryId, limit: usize) -> rusqlite::Result<Vec<(String, String)>> {
    db.prepare_cached("SELECT result, reason FROM attempt WHERE entry = ?1 ORDER BY number DESC LIMIT ?2")?
        .query_map((id, count(limit)), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

type LetterLine = (LetterId, Vec<String>, String, String);

fn letters(db: &Connection, id: EntryId) -> rusqlite::Result<Vec<LetterLine>> {
    db.prepare_cached("SELECT id, recipients, state, reason FROM letter WHERE entry = ?1 ORDER BY id")?
        .query_map([id], |row| {
            Ok((row.get(0)?, row.get::<_, Json<_>>(1)?.0, row.get(2)?, row.get(3)?))
        })?
        .collect()
}
