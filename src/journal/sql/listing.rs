//! One message in full, as people read it.

use super::{
    claim,
    database::{Database, Fault},
    read::count,
    rows::{columns, row},
    trace,
    value::{Json, spot, values},
};
use jiff::Timestamp;

use crate::journal::{Attempt, Entry, EntryId, LetterId, Place};

/// One message in full.
pub(super) fn entry(db: &dyn Database, id: EntryId) -> Result<Option<Entry>, Fault> {
    let sql = format!(
        "SELECT {}, folder, kind, validity, name, message_id, internal_date, size, due, settled, how, settle_due,
            settle_reason
         FROM entry WHERE id = ?1",
        columns()
    );
    let entry = db.find(&sql, values![id], |columns| {
        let row = row(columns)?;
        let time = |column: usize| columns.get::<Option<Timestamp>>(column);
        Ok(Entry {
            place: Place {
                mailbox: row.mailbox.clone(),
                folder: columns.get(10)?,
                spot: spot(columns, 11)?,
            },
            row,
            message_id: columns.get(14)?,
            internal_date: columns.get::<Timestamp>(15)?,
            size: columns.get(16)?,
            due: time(17)?,
            settled: time(18)?.zip(columns.get(19)?),
            settle_again: time(20)?.zip(columns.get(21)?),
            attempts: Vec::new(),
            intents: Vec::new(),
            letters: Vec::new(),
        })
    })?;
    let Some(mut entry) = entry else { return Ok(None) };
    entry.attempts = attempts(db, id)?;
    entry.intents = claim::intents(db, id)?;
    entry.letters = letters(db, id)?;
    Ok(Some(entry))
}

fn attempts(db: &dyn Database, id: EntryId) -> Result<Vec<Attempt>, Fault> {
    db.list(
        "SELECT number, began, ended, result, reason, trace FROM attempt WHERE entry = ?1 ORDER BY number",
        values![id],
        |row| {
            Ok(Attempt {
                number: row.get(0)?,
                began: row.get::<Timestamp>(1)?,
                ended: row.get::<Timestamp>(2)?,
                result: row.get(3)?,
                reason: row.get(4)?,
                trace: trace::unpack(row.get(5)?)?,
            })
        },
    )
}

/// How the newest ones ended, without the rest of them.
pub(super) fn last_attempts(db: &dyn Database, id: EntryId, limit: usize) -> Result<Vec<(String, String)>, Fault> {
    db.list(
        "SELECT result, reason FROM attempt WHERE entry = ?1 ORDER BY number DESC LIMIT ?2",
        values![id, count(limit)],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

type LetterLine = (LetterId, Vec<String>, String, String);

fn letters(db: &dyn Database, id: EntryId) -> Result<Vec<LetterLine>, Fault> {
    db.list(
        "SELECT id, recipients, state, reason FROM letter WHERE entry = ?1 ORDER BY id",
        values![id],
        |row| Ok((row.get(0)?, row.get::<Json<_>>(1)?.0, row.get(2)?, row.get(3)?)),
    )
}
