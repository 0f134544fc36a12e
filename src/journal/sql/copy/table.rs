//! The tables of the journal, and how each is walked, written and summed up.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::{Copied, Side};
use crate::journal::{
    JournalError,
    sql::{
        database::{Database, Fault, Purpose},
        value::{Bind, Value},
    },
};

/// So many octets are committed together, about.
const COMMIT: u64 = 16 << 20;

/// A table as it is copied: its key, by which it is walked, and how many of its rows are in memory at a time. All values
/// of these are bound in one statement, which takes 32766.
pub(super) struct Table {
    pub name: &'static str,
    key: &'static [&'static str],
    page: usize,
}

/// These have rows in an empty journal too: how many messages were dropped, and who began to work on it.
pub(super) const UNCOUNTED: [&str; 3] = ["dropped", "node", "lease"];

/// All of them, each behind those that it refers to. Not copied is what a database has for itself: `schema_version` in
/// PostgreSQL; in SQLite `sieve` and `sieved`, which the daemon makes from the messages.
pub(super) const TABLES: &[Table] = &[
    table("entry", &["id"], 500),
    // A row has up to 1 MiB, that of a letter more.
    table("octets", &["entry", "chunk"], 16),
    table("attempt", &["entry", "number"], 100),
    table("intent", &["id"], 500),
    table("creation", &["connection", "kind", "key"], 500),
    table("letter", &["id"], 8),
    table("notice", &["id"], 500),
    table("position", &["mailbox", "folder"], 500),
    table("kept", &["name"], 100),
    table("joined", &["connection", "key", "ticket"], 500),
    table("participant", &["connection", "ticket", "author"], 500),
    table("fold", &["id"], 500),
    table("folded", &["id"], 500),
    table("rule_count", &["rule"], 500),
    // Who has what in hand is told by its number, so that of a new node is one that none had.
    table("node", &["id"], 500),
    table("lease", &["duty"], 500),
    // Where filling `entry` has counted there, what it counted is taken away first.
    table("total", &["mailbox", "word"], 500),
    table("dropped", &["count"], 500),
];

const fn table(name: &'static str, key: &'static [&'static str], page: usize) -> Table {
    Table { name, key, page }
}

impl Table {
    /// Copies it, and has the other side count on where this one would.
    pub(super) fn copy(&self, from: &Side, to: &Side, tell: &mut dyn FnMut(u64)) -> Result<Copied, JournalError> {
        let mut pages = from.read(|db| Pages::of(self, db))?;
        let (mut copied, mut kept) = (self.none(), 0);
        to.say(&format!("DELETE FROM {}", self.name))?;
        while let Some(rows) = from.read(|db| pages.turn(db))? {
            rows.iter().for_each(|row| copied.add(row));
            to.write(|db| self.put(db, &pages.columns, &rows))?;
            if copied.octets - kept > COMMIT {
                to.write(|db| db.commit())?;
                kept = copied.octets;
            }
            tell(rows.len().try_into().unwrap_or(u64::MAX));
        }
        if to.db.is_open() {
            to.write(|db| db.commit())?;
        }
        if self.key == ["id"] {
            let highest = from.read(|db| db.one(&db.dialect().highest(self.name), &[]))?;
            let go_on = to.db.dialect().go_on_after(self.name, highest);
            go_on.iter().try_for_each(|sql| to.say(sql))?;
        }
        Ok(copied)
    }

    /// What it holds.
    pub(super) fn sum(&self, db: &dyn Database) -> Result<Copied, Fault> {
        let (mut pages, mut sum) = (Pages::of(self, db)?, self.none());
        while let Some(rows) = pages.turn(db)? {
            rows.iter().for_each(|row| sum.add(row));
        }
        Ok(sum)
    }

    fn none(&self) -> Copied {
        Copied {
            table: self.name,
            rows: 0,
            octets: 0,
            digest: 0,
        }
    }

    fn put(&self, db: &dyn Database, columns: &[String], rows: &[Row]) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        if !db.is_open() {
            db.begin(Purpose::Write)?;
        }
        let place = |row: usize| places(row * columns.len(), columns.len());
        let places: Vec<String> = (0..rows.len()).map(place).collect();
        let into = format!("INSERT INTO {} ({})", self.name, quoted(columns));
        let values: Vec<Value<'_>> = rows.iter().flatten().map(Bind::bind).collect();
        db.run(&format!("{into} VALUES {}", places.join(", ")), &values)
            .map(drop)
    }
}

impl Copied {
    fn add(&mut self, row: &Row) {
        let mut digest = Sha256::new();
        for cell in row {
            let (kind, octets) = cell.octets();
            let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
            // None runs over into the next one.
            digest.update([kind]);
            digest.update(length.to_be_bytes());
            digest.update(&octets);
            self.octets += length;
        }
        let digest: [u8; 32] = digest.finalize().into();
        let half = std::array::from_fn(|at| digest[at]);
        self.digest = self.digest.wrapping_add(u128::from_be_bytes(half));
        self.rows += 1;
    }
}

/// A value that its row has left.
#[derive(Clone)]
enum Cell {
    Null,
    Number(i64),
    Text(String),
    Octets(Vec<u8>),
}

type Row = Vec<Cell>;

impl Cell {
    fn of(value: Value<'_>) -> Cell {
        match value {
            Value::Null => Cell::Null,
            Value::Number(number) => Cell::Number(number),
            Value::Text(text) => Cell::Text(text.to_owned()),
            Value::Octets(octets) => Cell::Octets(octets.to_owned()),
        }
    }

    /// Its kind and itself, the same on every database.
    fn octets(&self) -> (u8, Cow<'_, [u8]>) {
        match self {
            Cell::Null => (0, Cow::Borrowed(&[])),
            Cell::Number(number) => (1, number.to_be_bytes().to_vec().into()),
            // PostgreSQL keeps no NUL, and has this sign in its place.
            Cell::Text(text) if text.contains('\0') => (2, text.replace('\0', "\u{2400}").into_bytes().into()),
            Cell::Text(text) => (2, text.as_bytes().into()),
            Cell::Octets(octets) => (3, octets.into()),
        }
    }
}

impl Bind for Cell {
    fn bind(&self) -> Value<'_> {
        match self {
            Cell::Null => Value::Null,
            Cell::Number(number) => Value::Number(*number),
            Cell::Text(text) => Value::Text(text),
            Cell::Octets(octets) => Value::Octets(octets),
        }
    }
}

/// A table's rows in the order of its key, a page at a time.
struct Pages<'a> {
    table: &'a Table,
    /// In one order everywhere: in the table they stand as migrations added them.
    columns: Vec<String>,
    /// The key of the last row that came.
    after: Row,
    is_over: bool,
}

impl Pages<'_> {
    fn of<'a>(table: &'a Table, db: &dyn Database) -> Result<Pages<'a>, Fault> {
        let mut columns: Vec<String> = db.list(&db.dialect().columns_of(table.name), &[], |row| row.get(0))?;
        columns.sort_unstable();
        Ok(Pages {
            table,
            columns,
            after: Vec::new(),
            is_over: false,
        })
    }

    fn turn(&mut self, db: &dyn Database) -> Result<Option<Vec<Row>>, Fault> {
        if self.is_over {
            return Ok(None);
        }
        let Table { name, key, page } = self.table;
        let beyond = match self.after.len() {
            0 => String::new(),
            length => format!("WHERE ({}) > {}", quoted(key), places(0, length)),
        };
        let (columns, key) = (quoted(&self.columns), quoted(key));
        let sql = format!("SELECT {columns} FROM {name} {beyond} ORDER BY {key} LIMIT {page}");
        let after: Vec<Value<'_>> = self.after.iter().map(Bind::bind).collect();
        let rows: Vec<Row> = db.list(&sql, &after, |row| {
            let cell = |column| row.value(column).map(Cell::of);
            (0..self.columns.len()).map(cell).collect()
        })?;
        self.is_over = rows.len() < *page;
        if let Some(last) = rows.last() {
            self.after = self.key_of(last);
        }
        Ok(Some(rows))
    }

    fn key_of(&self, row: &Row) -> Row {
        let column = |name: &&str| self.columns.iter().position(|column| column == name);
        let key = self.table.key.iter().filter_map(column);
        key.map(|column| row[column].clone()).collect()
    }
}

/// `(?1, ?2, …)`, beginning behind that number.
fn places(behind: usize, length: usize) -> String {
    let places: Vec<String> = (1..=length).map(|place| format!("?{}", behind + place)).collect();
    format!("({})", places.join(", "))
}

/// Names of columns, of which some are words of SQL.
fn quoted(names: &[impl AsRef<str>]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{}\"", name.as_ref())).collect();
    names.join(", ")
}
