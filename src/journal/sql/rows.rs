//! The lines of `log`. Every question walks ids downwards, all of them or those of one index, within the ids that its
//! times allow, and stops at the limit; what it looks at and leaves out are a few rows, however many there are. A text
//! that is rare is looked for only where the sieve does not rule it out.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    database::{Database, Dialect, Fault},
    order::HELD_BY,
    read::count,
    sieve,
    value::{Bind, Columns, Value, fold, values},
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
pub(super) fn row(row: &dyn Columns) -> Result<Row, Fault> {
    Ok(Row {
        id: row.get(0)?,
        time: row.get(1)?,
        mailbox: MailboxName(row.get(2)?),
        from: row.get(3)?,
        subject: row.get(4)?,
        outcome: row.get(5)?,
        rule: row.get(6)?,
        reason: row.get(7)?,
        attempts: row.get(8)?,
        calls: row.get(9)?,
    })
}

/// The lines of these messages, those that are there.
pub(super) fn rows_of(db: &dyn Database, entries: &[EntryId]) -> Result<Vec<Row>, Fault> {
    let one = format!("SELECT {} FROM entry WHERE id = ?1", columns());
    let rows = entries.iter().map(|entry| db.find(&one, values![entry], row));
    rows.filter_map(Result::transpose).collect()
}

/// Each once, in the order of their last attempts; what was never taken in hand comes when it was received.
pub(super) fn as_they_ran(db: &dyn Database, mut entries: Vec<EntryId>) -> Result<Vec<EntryId>, Fault> {
    let began = "SELECT coalesce((SELECT max(began) FROM attempt WHERE entry = id), received) FROM entry WHERE id = ?1";
    let mut ran = Vec::with_capacity(entries.len());
    for entry in entries.drain(..) {
        let at: Option<Timestamp> = db.find(began, values![entry], |row| row.get(0))?;
        ran.push((at, entry));
    }
    ran.sort_unstable();
    ran.dedup();
    Ok(ran.into_iter().map(|(_, entry)| entry).collect())
}

/// The lines of `log`, newest first.
pub(super) fn rows(db: &dyn Database, filter: &RowFilter) -> Result<Vec<Row>, Fault> {
    let Some(conditions) = Conditions::of(db, filter)? else {
        return Ok(Vec::new());
    };
    let limit = filter.limit.map_or(i64::MAX, count);
    conditions.select(db, &walk(db.dialect(), filter), limit)
}

/// What is walked. SQLite knows no better: it would sort all of a mailbox for the sake of the first hundred.
fn walk(dialect: Dialect, filter: &RowFilter) -> String {
    match (&filter.mailbox, &filter.outcome) {
        (Some(_), Some(_)) => dialect.by("entry_mailbox_word"),
        (Some(_), None) => dialect.by("entry_mailbox"),
        (None, Some(_)) => dialect.by("entry_word"),
        (None, None) => dialect.by_key().to_owned(),
    }
}

/// A value that a condition compares with.
enum Compared {
    Number(i64),
    Text(String),
}

impl Bind for Compared {
    fn bind(&self) -> Value<'_> {
        match self {
            Compared::Number(number) => number.bind(),
            Compared::Text(text) => text.bind(),
        }
    }
}

/// What a row has to fulfil.
struct Conditions {
    sql: Vec<String>,
    values: Vec<Compared>,
    /// The first and the last id that may.
    ids: (i64, i64),
    /// What the sieve has to hold.
    sought: BTreeSet<usize>,
}

impl Conditions {
    /// `None` where no row can.
    fn of(db: &dyn Database, filter: &RowFilter) -> Result<Option<Conditions>, Fault> {
        let mut all = Conditions {
            sql: vec!["TRUE".to_owned()],
            values: Vec::new(),
            ids: (0, i64::MAX),
            sought: BTreeSet::new(),
        };
        if let Some(mailbox) = &filter.mailbox {
            // As its indexes name it.
            all.text(|value| format!("mailbox || '' = {value}"), mailbox.0.clone());
        }
        if let Some(outcome) = &filter.outcome {
            all.text(|value| format!("word = {value}"), outcome.clone());
        }
        // Ids that are given bound the walk as well.
        if filter.after.is_none() && (filter.since.is_some() || filter.until.is_some()) {
            let Some(between) = ids_between(db, filter)? else {
                return Ok(None);
            };
            all.ids = between;
        }
        if let Some(since) = filter.since {
            all.number("received >=", since.as_microsecond());
        }
        if let Some(until) = filter.until {
            all.number("received <", until.as_microsecond());
        }
        if let Some(before) = filter.before {
            all.ids.1 = all.ids.1.min(before.0.saturating_sub(1));
        }
        if let Some(after) = filter.after {
            all.ids.0 = all.ids.0.max(after.0.saturating_add(1));
        }
        let dialect = db.dialect();
        if let Some(from) = &filter.from {
            // The author stands first in what was folded.
            let author = "substr(heard, 1, length(author))";
            let part = fold([from.as_str()]);
            all.sought.append(&mut sieve::sought(&part));
            all.text(|value| dialect.has_part(author, value), part);
        }
        if let Some(grep) = &filter.grep {
            let said = "heard || '\n' || said";
            let part = fold([grep.as_str()]);
            all.sought.append(&mut sieve::sought(&part));
            all.text(|value| dialect.has_part(said, value), part);
        }
        Ok(Some(all))
    }

    fn number(&mut self, comparison: &str, value: i64) {
        self.values.push(Compared::Number(value));
        self.sql.push(format!("{comparison} ?{}", self.values.len()));
    }

    fn text(&mut self, condition: impl FnOnce(&str) -> String, value: String) {
        self.values.push(Compared::Text(value));
        self.sql.push(condition(&format!("?{}", self.values.len())));
    }

    fn select(&self, db: &dyn Database, walk: &str, limit: i64) -> Result<Vec<Row>, Fault> {
        let [first, last, most] = [1, 2, 3].map(|beyond| self.values.len() + beyond);
        let some = format!(
            "SELECT {} FROM entry {walk} WHERE {} AND entry.id BETWEEN ?{first} AND ?{last}
             ORDER BY entry.id DESC LIMIT ?{most}",
            columns(),
            self.sql.join(" AND ")
        );
        let mut rows = Vec::new();
        sieve::narrow(db, &self.sought, self.ids, |first, last| {
            let bounds = [first, last, limit - count(rows.len())];
            let values = self.values.iter().map(Bind::bind).chain(bounds.iter().map(Bind::bind));
            let found: Vec<Row> = db.list(&some, &values.collect::<Vec<_>>(), row)?;
            rows.extend(found);
            Ok(count(rows.len()) >= limit)
        })?;
        Ok(rows)
    }
}

/// Ids are looked up for so many messages at most.
const LOOKED_UP: i64 = 100_000;

/// The first and the last id of what was received within the times. Ids follow the time but where a clock was set back,
/// so they are looked up and not guessed. Where that are very many the walk may have all ids: it soon meets one of them.
fn ids_between(db: &dyn Database, filter: &RowFilter) -> Result<Option<(i64, i64)>, Fault> {
    let micros = |at: Option<Timestamp>, open| at.map_or(open, Timestamp::as_microsecond);
    // In this order PostgreSQL walks that index as well; for the least id alone it would walk all messages before it.
    let sql = format!(
        "SELECT min(id), max(id), count(*) FROM (
            SELECT id FROM entry {} WHERE received >= ?1 AND received < ?2 ORDER BY received LIMIT ?3) AS received",
        db.dialect().by("entry_received")
    );
    let (since, until) = (micros(filter.since, i64::MIN), micros(filter.until, i64::MAX));
    db.row(&sql, values![since, until, LOOKED_UP], |row| {
        let (first, last): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok(match row.get::<i64>(2)? {
            LOOKED_UP => Some((0, i64::MAX)),
            _ => first.zip(last),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{
        sql::receive,
        sqlite::{self, writer_in},
    };

    /// Nothing is sorted: the first hundred of a million would wait for all of them.
    fn check(filter: RowFilter, index: &str) {
        let folder = tempfile::tempdir().unwrap();
        let conditions = Conditions::of(&writer_in(folder.path()), &filter).unwrap();
        let Some(conditions) = conditions else {
            panic!("{filter:?}")
        };
        let sql = format!(
            "SELECT id FROM entry {} WHERE {} AND entry.id BETWEEN 1 AND 9 ORDER BY entry.id DESC LIMIT 1",
            walk(Dialect::Sqlite, &filter),
            conditions.sql.join(" AND ")
        );
        let steps = sqlite::plan(folder.path(), &sql);
        assert!(steps.len() == 1 && steps[0].contains(index), "{steps:#?}");
    }

    #[test]
    fn no_other_statement_walks_a_mailbox() {
        let folder = tempfile::tempdir().unwrap();
        let steps = sqlite::plan(folder.path(), &receive::moved_here(Dialect::Sqlite));
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
