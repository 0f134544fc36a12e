//! What a stretch of time brought. It walks the messages of that time alone.

use jiff::Timestamp;

use super::{
    database::{Database, Fault},
    value::values,
};
use crate::{
    config::MailboxName,
    journal::{Day, Waiting},
    outcome::{Outcome, Reason},
};

pub(super) fn day(db: &dyn Database, from: Timestamp, until: Timestamp) -> Result<Day, Fault> {
    let mut day = Day::default();
    came(db, from, until, &mut day)?;
    waiting(db, &mut day)?;
    let span = values![from, until];
    let created = format!(
        "SELECT kind, count(*) FROM creation
         WHERE answered >= ?1 AND answered < ?2 AND kind IN ('user', 'client', 'ticket') AND NOT {}
         GROUP BY kind",
        db.dialect().says("answer", "existed")
    );
    day.created = db.list(&created, span, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let count = |sql: &str| db.one(sql, span);
    day.bounces = count(
        "SELECT count(*) FROM letter
         WHERE entry IS NOT NULL AND mark IS NULL AND state = 'taken' AND ended >= ?1 AND ended < ?2",
    )?;
    day.suppressed = count(
        "SELECT count(DISTINCT entry) FROM notice WHERE at >= ?1 AND at < ?2 AND topic LIKE 'bounce suppressed %'",
    )?;
    Ok(day)
}

fn came(db: &dyn Database, from: Timestamp, until: Timestamp, day: &mut Day) -> Result<(), Fault> {
    let of_that_time = format!(
        "SELECT mailbox, word, reason, calls FROM entry {} WHERE received >= ?1 AND received < ?2",
        db.dialect().by("entry_received")
    );
    db.each(&of_that_time, values![from, until], &mut |row| {
        let mailbox = MailboxName(row.get(0)?);
        let (word, reason): (String, &str) = (row.get(1)?, row.get(2)?);
        if word == Outcome::Ignored.word() && reason == Reason::Canary.word() {
            *day.canaries.entry(mailbox.clone()).or_default() += 1;
        }
        *day.came.entry(mailbox).or_default().entry(word).or_default() += 1;
        day.calls += row.get::<u64>(3)?;
        Ok(true)
    })
}

fn waiting(db: &dyn Database, day: &mut Day) -> Result<(), Fault> {
    day.waiting = db.list(
        "SELECT w.mailbox, w.count, w.oldest, e.received FROM entry AS e JOIN (
            SELECT mailbox, count(*) AS count, min(id) AS oldest FROM entry
            WHERE word IN ('pending', 'deferred') GROUP BY mailbox) AS w ON e.id = w.oldest",
        &[],
        |row| {
            let waiting = Waiting {
                count: row.get(1)?,
                oldest: row.get(2)?,
                since: row.get(3)?,
            };
            Ok((MailboxName(row.get(0)?), waiting))
        },
    )?;
    Ok(())
}
