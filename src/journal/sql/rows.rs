//! The lines of `log`. Every question walks ids downwards, all of them or those of one index, within the ids that its
//! times allow, and stops at the limit; what it looks at and leaves out are a few rows, however many there are.

use jiff::Timestamp;

use super::{
    database::{Database, Dialect, Fault},
    order::HELD_BY,
    read::count,
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
    conditions.select(db, &format!("entry {}", walk(db.dialect(), filter)), filter.limit)
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
}

impl Conditions {
    /// `None` where no row can.
    fn of(db: &dyn Database, filter: &RowFilter) -> Result<Option<Conditions>, Fault> {
        let mut all = Conditions {
            sql: vec!["TRUE".to_owned()],
            values: Vec::new(),
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
            let Some((first, last)) = ids_between(db, filter)? else {
                return Ok(None);
            };
            all.number("entry.id >=", first);
            all.number("entry.id <=", last);
        }
        if let Some(since) = filter.since {
            all.number("received >=", since.as_microsecond());
        }
        if let Some(until) = filter.until {
            all.number("received <", until.as_microsecond());
        }
        if let Some(before) = filter.before {
            all.number("entry.id <", before.0);
        }
        if let Some(after) = filter.after {
            all.number("entry.id >", after.0);
        }
        let dialect = db.dialect();
        if let Some(from) = &filter.from {
            // The author stands first in what was folded.
            let author = "substr(heard, 1, length(author))";
            all.text(|part| dialect.has_part(author, part), fold([from.as_str()]));
        }
        if let Some(grep) = &filter.grep {
            let said = "heard || '\n' || said";
            all.text(|part| dialect.has_part(said, part), fold([grep.as_str()]));
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

    fn select(mut self, db: &dyn Database, from: &str, limit: Option<usize>) -> Result<Vec<Row>, Fault> {
        self.values.push(Compared::Number(limit.map_or(i64::MAX, count)));
        let sql = format!(
            "SELECT {} FROM {from} WHERE {} ORDER BY entry.id DESC LIMIT ?{}",
            columns(),
            self.sql.join(" AND "),
            self.values.len()
        );
        let values: Vec<Value<'_>> = self.values.iter().map(Bind::bind).collect();
        db.list(&sql, &values, row)
    }
}

/// The first and the last id of what was received within the times. Ids follow the time but where a clock was set back,
/// so they are looked up and not guessed; the index holds nothing else and is read quickly.
fn ids_between(db: &dyn Database, filter: &RowFilter) -> Result<Option<(i64, i64)>, Fault> {
    let micros = |at: Option<Timestamp>, open| at.map_or(open, Timestamp::as_microsecond);
    let sql = format!(
        "SELECT min(id), max(id) FROM entry {} WHERE received >= ?1 AND received < ?2",
        db.dialect().by("entry_received")
    );
    let (since, until) = (micros(filter.since, i64::MIN), micros(filter.until, i64::MAX));
    db.row(&sql, values![since, until], |row| {
        let (first, last): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok(first.zip(last))
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
            "SELECT id FROM entry {} WHERE {} ORDER BY entry.id DESC LIMIT 1",
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
        check(RowFilter::default(), "SCAN entry");
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
