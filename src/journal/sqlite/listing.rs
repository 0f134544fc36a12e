//! What people read: the lines of `log`, and one message in full.

use rusqlite::{Connection, OptionalExtension, ToSql, params_from_iter};

use super::{
    claim,
    column::{At, Json, fold, spot},
    order::HELD_BY,
    pack,
    read::count,
};
use crate::{
    config::MailboxName,
    journal::{Attempt, Entry, EntryId, LetterId, Place, Row, RowFilter},
};

/// The columns of a line. The reason of a message that is held back says by which.
fn columns() -> String {
    let reason = format!("ltrim(reason || coalesce('; ' || {HELD_BY}, ''), '; ')");
    format!("id, received, mailbox, author, subject, word, rule, {reason}, attempts, calls")
}

/// The lines of `log`, newest first. It walks the ids downwards, or those of one outcome, and stops at the limit.
pub(super) fn rows(db: &Connection, filter: &RowFilter) -> rusqlite::Result<Vec<Row>> {
    let mut conditions = vec!["TRUE"];
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut add = |condition, value: Box<dyn ToSql>| {
        conditions.push(condition);
        values.push(value);
    };
    if let Some(mailbox) = &filter.mailbox {
        // The plus keeps SQLite from sorting all of a mailbox for the sake of the first hundred.
        add("+mailbox = ?", Box::new(mailbox.0.clone()));
    }
    if let Some(from) = &filter.from {
        // The author stands first in what was folded.
        add(
            "instr(substr(heard, 1, length(author)), ?) > 0",
            Box::new(fold([from.as_str()])),
        );
    }
    if let Some(outcome) = &filter.outcome {
        add("word = ?", Box::new(outcome.clone()));
    }
    if let Some(since) = filter.since {
        add("received >= ?", Box::new(At(since)));
    }
    if let Some(grep) = &filter.grep {
        let part = fold([grep.as_str()]);
        add("instr(heard || char(10) || said, ?) > 0", Box::new(part));
    }
    values.push(Box::new(filter.limit.map_or(-1, count)));
    let sql = format!(
        "SELECT {} FROM entry WHERE {} ORDER BY id DESC LIMIT ?",
        columns(),
        conditions.join(" AND ")
    );
    db.prepare_cached(&sql)?
        .query_map(params_from_iter(values), row)?
        .collect()
}

/// The lines of these messages, those that are there.
pub(super) fn rows_of(db: &Connection, entries: &[EntryId]) -> rusqlite::Result<Vec<Row>> {
    let mut one = db.prepare_cached(&format!("SELECT {} FROM entry WHERE id = ?1", columns()))?;
    let rows = entries.iter().map(|entry| one.query_row([entry], row).optional());
    rows.filter_map(rusqlite::Result::transpose).collect()
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get(0)?,
        time: row.get::<_, At>(1)?.0,
        mailbox: MailboxName(row.get(2)?),
        from: row.get(3)?,
        subject: row.get(4)?,
        outcome: row.get(5)?,
        rule: row.get(6)?,
        reason: row.get(7)?,
        attempts: row.get(8)?,
        calls: u64::try_from(row.get::<_, i64>(9)?).unwrap_or_default(),
    })
}

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
