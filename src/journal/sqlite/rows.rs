//! The lines of `log`. Every question walks ids downwards, all of them or those of one index, within the ids that its
//! times allow, and stops at the limit; what it looks at and leaves out are a few rows, however many there are. A text
//! that is rare is looked for only where the sieve does not rule it out.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, ToSql, params, params_from_iter};

use super::{
    column::{At, fold},
    order::HELD_BY,
    read::count,
    sieve,
};
use crate::{
    config::MailboxName,
    journal::{EntryId, Row, RowFilter},
};

/// The columns of a line. The reason of a message that is held back says by which.
pub(super) fn columns() -> String {
    let reason = format!("ltrim(reason || coalesce('; ' || {HELD_BY}, ''), '; ')");
    format!("id, received, mailbox, author, subject, word, rule, {reason}, attempts, calls")
}

/// A line from its columns.
pub(super) fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
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

/// The lines of these messages, those that are there.
pub(super) fn rows_of(db: &Connection, entries: &[EntryId]) -> rusqlite::Result<Vec<Row>> {
    let mut one = db.prepare_cached(&format!("SELECT {} FROM entry WHERE id = ?1", columns()))?;
    let rows = entries.iter().map(|entry| one.query_row([entry], row).optional());
    rows.filter_map(rusqlite::Result::transpose).collect()
}

/// Each once, in the order of their last attempts; what was never taken in hand comes when it was received.
pub(super) fn as_they_ran(db: &Connection, mut entries: Vec<EntryId>) -> rusqlite::Result<Vec<EntryId>> {
    let mut began = db.prepare_cached(
        "SELECT coalesce((SELECT max(began) FROM attempt WHERE entry = id), received) FROM entry WHERE id = ?1",
    )?;
    let mut ran = Vec::with_capacity(entries.len());
    for entry in entries.drain(..) {
        let at: Option<i64> = began.query_row([entry], |row| row.get(0)).optional()?;
        ran.push((at, entry));
    }
    ran.sort_unstable();
    ran.dedup();
    Ok(ran.into_iter().map(|(_, entry)| entry).collect())
}

/// The lines of `log`, newest first.
pub(super) fn rows(db: &Connection, filter: &RowFilter) -> rusqlite::Result<Vec<Row>> {
    let Some(conditions) = Conditions::of(db, filter)? else {
        return Ok(Vec::new());
    };
    let limit = filter.limit.map_or(i64::MAX, count);
    conditions.select(db, walk(filter), limit)
}

/// What is walked. SQLite knows no better: it would sort all of a mailbox for the sake of the first hundred.
fn walk(filter: &RowFilter) -> &'static str {
    match (&filter.mailbox, &filter.outcome) {
        (Some(_), Some(_)) => "INDEXED BY entry_mailbox_word",
        (Some(_), None) => "INDEXED BY entry_mailbox",
        (None, Some(_)) => "INDEXED BY entry_word",
        (None, None) => "NOT INDEXED",
    }
}

/// What a row has to fulfil.
struct Conditions {
    sql: Vec<&'static str>,
    values: Vec<Box<dyn ToSql>>,
    /// The first and the last id that may.
    ids: (i64, i64),
    /// What the sieve has to hold.
    sought: BTreeSet<usize>,
}

impl Conditions {
    /// `None` where no row can.
    fn of(db: &Connection, filter: &RowFilter) -> rusqlite::Result<Option<Conditions>> {
        let mut all = Conditions {
            sql: vec!["TRUE"],
            values: Vec::new(),
            ids: (0, i64::MAX),
            sought: BTreeSet::new(),
        };
        if let Some(mailbox) = &filter.mailbox {
            // As its indexes name it.
            all.add("mailbox || '' = ?", mailbox.0.clone());
        }
        if let Some(outcome) = &filter.outcome {
            all.add("word = ?", outcome.clone());
        }
        // Ids that are given bound the walk as well.
        if filter.after.is_none() && (filter.since.is_some() || filter.until.is_some()) {
            let Some(between) = ids_between(db, filter)? else {
                return Ok(None);
            };
            all.ids = between;
        }
        if let Some(since) = filter.since {
            all.add("received >= ?", At(since));
        }
        if let Some(until) = filter.until {
            all.add("received < ?", At(until));
        }
        if let Some(before) = filter.before {
            all.ids.1 = all.ids.1.min(before.0.saturating_sub(1));
        }
        if let Some(after) = filter.after {
            all.ids.0 = all.ids.0.max(after.0.saturating_add(1));
        }
        if let Some(from) = &filter.from {
            // The author stands first in what was folded.
            let part = fold([from.as_str()]);
            all.sought.append(&mut sieve::sought(&part));
            all.add("instr(substr(heard, 1, length(author)), ?) > 0", part);
        }
        if let Some(grep) = &filter.grep {
            let part = fold([grep.as_str()]);
            all.sought.append(&mut sieve::sought(&part));
            all.add("instr(heard || char(10) || said, ?) > 0", part);
        }
        Ok(Some(all))
    }

    fn add(&mut self, condition: &'static str, value: impl ToSql + 'static) {
        self.sql.push(condition);
        self.values.push(Box::new(value));
    }

    fn select(&self, db: &Connection, walk: &str, limit: i64) -> rusqlite::Result<Vec<Row>> {
        let mut some = db.prepare_cached(&format!(
            "SELECT {} FROM entry {walk} WHERE {} AND entry.id BETWEEN ? AND ? ORDER BY entry.id DESC LIMIT ?",
            columns(),
            self.sql.join(" AND ")
        ))?;
        let mut rows = Vec::new();
        sieve::narrow(db, &self.sought, self.ids, |first, last| {
            let left = limit - count(rows.len());
            let bounds: [&dyn ToSql; 3] = [&first, &last, &left];
            let values = self.values.iter().map(Box::as_ref).chain(bounds);
            for found in some.query_map(params_from_iter(values), row)? {
                rows.push(found?);
            }
            Ok(count(rows.len()) >= limit)
        })?;
        Ok(rows)
    }
}

/// The first and the last id of what was received within the times. Ids follow the time but where a clock was set back,
/// so they are looked up and not guessed; the index holds nothing else and is read quickly.
fn ids_between(db: &Connection, filter: &RowFilter) -> rusqlite::Result<Option<(i64, i64)>> {
    let micros = |at: Option<jiff::Timestamp>, open| at.map_or(open, |at| at.as_microsecond());
    db.prepare_cached(
        "SELECT min(id), max(id) FROM entry INDEXED BY entry_received WHERE received >= ?1 AND received < ?2",
    )?
    .query_row(
        params![micros(filter.since, i64::MIN), micros(filter.until, i64::MAX)],
        |row| {
            let (first, last): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
            Ok(first.zip(last))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::sqlite::{receive, schema};

    /// Nothing is sorted: the first hundred of a million would wait for all of them.
    fn check(filter: RowFilter, index: &str) {
        let folder = tempfile::tempdir().unwrap();
        let db = schema::open_writer(&folder.path().join("journal.db")).unwrap();
        let plan = |sql: &str| -> Vec<String> {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            plan.query_map([], |row| row.get("detail"))
                .unwrap()
                .map(Result::unwrap)
                .collect()
        };
        let conditions = Conditions::of(&db, &filter).unwrap();
        let Some(conditions) = conditions else {
            panic!("{filter:?}")
        };
        let sql = conditions.sql.join(" AND ").replace('?', "1");
        let steps = plan(&format!(
            "SELECT id FROM entry {} WHERE {sql} AND entry.id BETWEEN 1 AND 9 ORDER BY entry.id DESC LIMIT 1",
            walk(&filter)
        ));
        assert!(steps.len() == 1 && steps[0].contains(index), "{steps:#?}");
    }

    #[test]
    fn no_other_statement_walks_a_mailbox() {
        let folder = tempfile::tempdir().unwrap();
        let db = schema::open_writer(&folder.path().join("journal.db")).unwrap();
        let sql = format!("EXPLAIN QUERY PLAN {}", receive::MOVED);
        let mut plan = db.prepare(&sql).unwrap();
        let steps: Vec<String> = plan
            .query_map([0; 5], |row| row.get("detail"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(steps.iter().any(|step| step.contains("entry_digest ")), "{steps:?}");
        let walks = |step: &String| step.contains("mailbox=?") || step.starts_with("SCAN entry");
        assert!(!steps.iter().any(walks), "{steps:?}");
    }

    #[test]
    fn rows_are_walked_in_their_order_whatever_is_asked() {
        let some = |text: &str| Some(text.to_owned());
        check(RowFilter::default(), "SEARCH entry USING INTEGER PRIMARY KEY");
        let before = RowFilter {
            before: Some(EntryId(9)),
            ..RowFilter::default()
        };
        check(before, "SEARCH entry USING INTEGER PRIMARY KEY");
        let after = RowFilter {
            after: Some(EntryId(9)),
            grep: some("x"),
            since: Some(jiff::Timestamp::UNIX_EPOCH),
            ..RowFilter::default()
        };
        check(after, "SEARCH entry USING INTEGER PRIMARY KEY");
        let failed = RowFilter {
            outcome: some("failed"),
            grep: some("x"),
            ..RowFilter::default()
        };
        check(failed.clone(), "entry_word ");
        let mailbox = Some(MailboxName("support".into()));
        check(
            RowFilter {
                mailbox: mailbox.clone(),
                ..RowFilter::default()
            },
            "entry_mailbox ",
        );
        check(RowFilter { mailbox, ..failed }, "entry_mailbox_word ");
    }
}
