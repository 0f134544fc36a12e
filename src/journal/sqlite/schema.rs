//! The database file: made, recognised, brought up to date, and opened for writing or reading.

use std::{path::Path, time::Duration};

use rusqlite::{ErrorCode, OpenFlags, config::DbConfig};

use super::connection::Connection;
use crate::{
    crash::{self, Step},
    journal::{JournalError, sql::copy},
};

/// What all forward steps come to, for a new file: it is there in a third of their time. They make it; see the test.
const NEW: &str = include_str!("new.sql");

/// The forward steps, in order. The file's `user_version` says how many of them it has seen; a step that was
/// released is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_letter.sql"),
    include_str!("migrations/0003_calls.sql"),
    include_str!("migrations/0004_pace.sql"),
    include_str!("migrations/0005_entry.sql"),
    include_str!("migrations/0006_message_id.sql"),
    include_str!("migrations/0007_open.sql"),
    include_str!("migrations/0008_waited.sql"),
    include_str!("migrations/0009_joined.sql"),
    include_str!("migrations/0010_fold.sql"),
    include_str!("migrations/0011_mark.sql"),
    include_str!("migrations/0012_rule_count.sql"),
    include_str!("migrations/0013_listing.sql"),
    include_str!("migrations/0014_way.sql"),
    include_str!("migrations/0015_survey.sql"),
    include_str!("migrations/0016_lies.sql"),
    include_str!("migrations/0017_trim.sql"),
    include_str!("migrations/0018_sieve.sql"),
    include_str!("migrations/0019_lists.sql"),
    include_str!("migrations/0020_nodes.sql"),
    include_str!("migrations/0021_total.sql"),
    include_str!("migrations/0022_digest.sql"),
];

/// Stands in the file's header, so that another program's database is not taken for ours: "HIJ1".
const APPLICATION_ID: i32 = 0x4849_4A31;

/// In its place as long as a copy into the file has not come to its end, so that an older program does not take it for a
/// journal either: "HIJ?".
const UNFINISHED: i32 = 0x4849_4A3F;

/// The writer holds its lock for milliseconds; only a checkpoint on a slow disk takes longer.
const BUSY: Duration = Duration::from_secs(10);

/// Opens the database for its one writer, making it and bringing it up to date.
pub(super) fn open_writer(path: &Path) -> Result<Connection, JournalError> {
    let unusable = |error: rusqlite::Error| unusable(path, &error);
    let mut db = rusqlite::Connection::open(path).map_err(unusable)?;
    db.busy_timeout(BUSY).map_err(unusable)?;
    let version = recognise(&db, path)?;
    if version == 0 {
        // Works only before the first page is written, so before WAL as well.
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(unusable)?;
    }
    // Of 16 MB of what was written, pages that many commits change go to their places in the file once; with SQLite's own 4 MB
    // nearly each commit of much mail would wait for that.
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -4096; PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 4000;",
    )
    .map_err(unusable)?;
    // What a column may hold is the program's own to keep, and tests watch it: each list of words that is compared costs
    // a table of its own with each row that is written.
    db.pragma_update(None, "ignore_check_constraints", !cfg!(debug_assertions))
        .map_err(unusable)?;
    migrate(&mut db, version).map_err(unusable)?;
    prepare_once(&db, 128).map_err(unusable)?;
    let path = path.to_owned();
    Ok(Connection { db, path })
}

/// Opens the database for reading, beside its writer or alone.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let db = rusqlite::Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    db.busy_timeout(BUSY)?;
    prepare_once(&db, 32)?;
    let path = path.to_owned();
    Ok(Connection { db, path })
}

/// Keeps prepared statements, and keeps SQLite from preparing them anew for each value that might make a partial
/// index usable: that took a quarter of the writer's time, and no statement here needs it.
fn prepare_once(db: &rusqlite::Connection, statements: usize) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(statements);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map(|_| ())
}

/// Opens it for reading in a process that is not the owner, so that nobody has looked at the file before.
pub(super) fn check_reader(path: &Path) -> Result<Connection, JournalError> {
    let db = open_reader(path).map_err(|error| unusable(path, &error))?;
    let version = recognise(&db.db, path)?;
    if version == 0 {
        return Err(refuse(path, "it is just being made by the daemon; try again"));
    }
    if version < MIGRATIONS.len() {
        return Err(refuse(
            path,
            "it was made by an older version; start the daemon once to bring it up to date",
        ));
    }
    Ok(db)
}

/// How many migrations the file has seen; refuses what is not ours or is newer than this program.
fn recognise(db: &rusqlite::Connection, path: &Path) -> Result<usize, JournalError> {
    let number = |sql: &str| {
        db.query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|error| unusable(path, &error))
    };
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let id = number("PRAGMA application_id")?;
    if tables > 0 && id == i64::from(UNFINISHED) {
        return Err(refuse(path, copy::UNFINISHED));
    }
    if tables > 0 && id != i64::from(APPLICATION_ID) {
        return Err(refuse(
            path,
            "it is the database of another program; move it away or set another state_dir",
        ));
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(refuse(
            path,
            &format!(
                "it has version {version} and this program knows versions up to {}; install the newer halo-intake \
                 again, or set another state_dir",
                MIGRATIONS.len()
            ),
        )),
    }
}

/// Whether a copy into the file was cut short. What it has written lies in the file then, and in none beside it.
pub(super) fn is_unfinished(path: &Path) -> Result<bool, JournalError> {
    let unusable = |error: rusqlite::Error| unusable(path, &error);
    let db = rusqlite::Connection::open(path).map_err(unusable)?;
    let id: i32 = db
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .map_err(unusable)?;
    Ok(id == UNFINISHED)
}

/// How a copy into it is marked, and how the mark is taken away.
pub(super) fn marks() -> [String; 2] {
    [UNFINISHED, APPLICATION_ID].map(|id| format!("PRAGMA application_id = {id}"))
}

/// In a file with many messages a step may take long, and one that is done stays. A new file is made at once, since each
/// commit is waited for.
fn migrate(db: &mut rusqlite::Connection, version: usize) -> rusqlite::Result<()> {
    if version == 0 {
        return step(db, NEW, MIGRATIONS.len());
    }
    let mut steps = MIGRATIONS.iter().zip(1..).skip(version);
    steps.try_for_each(|(sql, version)| step(db, sql, version))
}

fn step(db: &mut rusqlite::Connection, sql: &str, version: usize) -> rusqlite::Result<()> {
    let migration = db.transaction()?;
    migration.execute_batch(sql)?;
    migration.pragma_update(None, "application_id", APPLICATION_ID)?;
    migration.pragma_update(None, "user_version", i64::try_from(version).unwrap_or(i64::MAX))?;
    crash::across(Step::Migrated, || migration.commit())
}

fn unusable(path: &Path, error: &rusqlite::Error) -> JournalError {
    let reason = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            "it is not an SQLite database; move it away or set another state_dir".to_owned()
        }
        Some(ErrorCode::DatabaseCorrupt) => format!("{error}; restore it from a copy or move it away"),
        _ => error.to_string(),
    };
    JournalError::Unusable {
        path: path.display().to_string(),
        reason,
    }
}

fn refuse(path: &Path, reason: &str) -> JournalError {
    JournalError::Unusable {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use rusqlite::types::Value;

    use super::*;

    /// What makes such a database: its tables and the rest in their order, then the rows that are in them from the start.
    fn dumped(db: &rusqlite::Connection) -> String {
        let list = |sql: &str| -> Vec<String> {
            let mut statement = db.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            rows.map(Result::unwrap).collect()
        };
        let mut text = String::from(
            "-- What the steps in migrations/ come to, made from them:\n\
             -- UPDATE=1 cargo test --all-features --lib journal::sqlite::schema\n\n",
        );
        let ours = "FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        for sql in list(&format!("SELECT sql {ours} ORDER BY rowid")) {
            writeln!(text, "{sql};").unwrap();
        }
        for table in list(&format!("SELECT name {ours} AND type = 'table' ORDER BY rowid")) {
            let mut statement = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = statement.column_count();
            let names = statement.column_names().collect::<Vec<_>>().join(", ");
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let values: Vec<String> = (0..columns).map(|column| literal(row.get_unwrap(column))).collect();
                writeln!(text, "INSERT INTO {table} ({names}) VALUES ({});", values.join(", ")).unwrap();
            }
        }
        text
    }

    fn literal(value: Value) -> String {
        match value {
            Value::Null => "NULL".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
            other => panic!("{other:?} is in no table from the start"),
        }
    }

    fn check(steps: &[&str]) -> String {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        steps.iter().for_each(|sql| db.execute_batch(sql).unwrap());
        dumped(&db)
    }

    #[test]
    fn a_new_file_is_what_all_steps_make() {
        let stepwise = check(MIGRATIONS);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write("src/journal/sqlite/new.sql", &stepwise).unwrap();
        }
        assert_eq!(std::fs::read_to_string("src/journal/sqlite/new.sql").unwrap(), stepwise);
        assert_eq!(check(&[NEW]), stepwise);
    }
}
