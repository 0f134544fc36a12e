//! What a stretch of time brought. It walks the messages of that time alone, from the newest down.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::column::At;
use crate::{
    config::MailboxName,
    journal::{Day, Waiting},
    outcome::{Outcome, Reason},
};

pub(super) fn day(db: &Connection, from: Timestamp, until: Timestamp) -> rusqlite::Result<Day> {
    let mut day = Day::default();
    came(db, from, until, &mut day)?;
    waiting(db, &mut day)?;
    let span = params![At(from), At(until)];
    let mut created = db.prepare_cached(
        "SELECT kind, count(*) FROM creation
         WHERE answered >= ?1 AND answered < ?2 AND kind IN ('user', 'client', 'ticket')
            AND coalesce(json_extract(answer, '$.existed'), 0) = 0
         GROUP BY kind",
    )?;
    let created = created.query_map(span, |row| Ok((row.get(0)?, number(row.get(1)?))))?;
    day.created = created.collect::<rusqlite::Result<_>>()?;
    let count = |sql: &str| db.prepare_cached(sql)?.query_row(span, |row| row.get(0).map(number));
    day.bounces = count(
        "SELECT count(*) FROM letter
         WHERE entry IS NOT NULL AND mark IS NULL AND state = 'taken' AND ended >= ?1 AND ended < ?2",
    )?;
    day.suppressed = count(
        "SELECT count(DISTINCT entry) FROM notice WHERE at >= ?1 AND at < ?2 AND topic LIKE 'bounce suppressed %'",
    )?;
    Ok(day)
}

/// Ids grow with the time at which messages come.
fn came(db: &Connection, from: Timestamp, until: Timestamp, day: &mut Day) -> rusqlite::Result<()> {
    let mut rows = db.prepare_cached("SELECT mailbox, word, reason, received, calls FROM entry ORDER BY id DESC")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let received = row.get::<_, At>(3)?.0;
        if received < from {
            break;
        }
        if received >= until {
            continue;
        }
        let mailbox = MailboxName(row.get(0)?);
        let (word, reason): (String, String) = (row.get(1)?, row.get(2)?);
        if word == Outcome::Ignored.word() && reason == Reason::Canary.word() {
            *day.canaries.entry(mailbox.clone()).or_default() += 1;
        }
        *day.came.entry(mailbox).or_default().entry(word).or_default() += 1;
        day.calls += number(row.get(4)?);
    }
    Ok(())
}

fn waiting(db: &Connection, day: &mut Day) -> rusqlite::Result<()> {
    // Of the row with the lowest id SQLite gives the other columns as well.
    let mut waiting = db.prepare_cached(
        "SELECT mailbox, count(*), min(id), received FROM entry WHERE word IN ('pending', 'deferred') GROUP BY mailbox",
    )?;
    let waiting = waiting.query_map([], |row| {
        let waiting = Waiting {
            count: number(row.get(1)?),
            oldest: row.get(2)?,
            since: row.get::<_, At>(3)?.0,
        };
        Ok((MailboxName(row.get(0)?), waiting))
    })?;
    day.waiting = waiting.collect::<rusqlite::Result<_>>()?;
    Ok(())
}

fn number(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
