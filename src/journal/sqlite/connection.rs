//! A connection to the SQLite database, as the journal's statements see it.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::{
    Row, ToSql, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};

use crate::journal::sql::{
    database::{Database, Dialect, Each, Fault, Purpose},
    value::{Columns, Value},
};

/// So many pages of 4 KiB are given back to the file system at a time, and so many stay free for what comes.
const PAGES: i64 = 2000;

/// A connection to the database at `path`.
pub(super) struct Connection {
    pub db: rusqlite::Connection,
    pub path: PathBuf,
}

impl Database for Connection {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<usize, Fault> {
        Ok(self.db.prepare_cached(sql)?.execute(params_from_iter(values))?)
    }

    fn insert(&self, sql: &str, values: &[Value<'_>]) -> Result<i64, Fault> {
        Ok(self.db.prepare_cached(sql)?.insert(params_from_iter(values))?)
    }

    fn each(&self, sql: &str, values: &[Value<'_>], each: &mut Each<'_>) -> Result<(), Fault> {
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            if !each(row)? {
                break;
            }
        }
        Ok(())
    }

    fn begin(&self, purpose: Purpose) -> Result<(), Fault> {
        let begin = match purpose {
            Purpose::Look => "BEGIN",
            Purpose::Write => "BEGIN IMMEDIATE",
        };
        self.run(begin, &[]).map(|_| ())
    }

    fn is_open(&self) -> bool {
        !self.db.is_autocommit()
    }

    fn commit(&self) -> Result<(), Fault> {
        self.run("COMMIT", &[]).map(|_| ())
    }

    fn roll_back(&self) -> Result<(), Fault> {
        self.run("ROLLBACK", &[]).map(|_| ())
    }

    /// Its commits have their answers.
    fn was_kept(&self) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Brings what was written to its places in the file. What can not go there now, goes when it is closed.
    fn rest(&self) {
        let _ = self.each("PRAGMA wal_checkpoint(PASSIVE)", &[], &mut |_| Ok(true));
    }

    fn give_back(&self) -> Result<bool, Fault> {
        let free = || {
            self.db
                .query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0))
        };
        if free()? > PAGES {
            // A row for each page: it works only as far as it is stepped.
            let mut vacuum = self.db.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
            let mut pages = vacuum.query([])?;
            while pages.next()?.is_some() {}
        }
        Ok(free()? > PAGES)
    }

    /// Of the database and what was written and is not in it yet.
    fn now(&self, own: Timestamp) -> Result<Timestamp, Fault> {
        Ok(own)
    }

    fn size(&self) -> Result<u64, Fault> {
        let wal = self.path.with_extension("db-wal");
        let sizes = [&self.path, &wal].map(|path| path.metadata().map_or(0, |metadata| metadata.len()));
        Ok(sizes.iter().sum())
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Null => ValueRef::Null,
            Value::Number(number) => ValueRef::Integer(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Octets(octets) => ValueRef::Blob(octets),
        }))
    }
}

impl Columns for Row<'_> {
    fn value(&self, column: usize) -> Result<Value<'_>, Fault> {
        Ok(match self.get_ref(column)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Number(number),
            ValueRef::Blob(octets) => Value::Octets(octets),
            text @ ValueRef::Text(_) => Value::Text(text.as_str().map_err(rusqlite::Error::from)?),
            ValueRef::Real(_) => {
                return Err(Fault::Column {
                    column,
                    found: "a fraction",
                    wanted: "anything else",
                });
            }
        })
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::Database(error.to_string())
    }
}
