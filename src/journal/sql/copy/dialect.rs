//! What a copy says to each database in its own words.

use crate::journal::sql::database::Dialect;

impl Dialect {
    /// The names of a table's columns that are written: what the database makes itself of others is not.
    pub(super) fn columns_of(self, table: &str) -> String {
        match self {
            Dialect::Sqlite => format!("SELECT name FROM pragma_table_info('{table}')"),
            Dialect::Postgres => format!(
                "SELECT CAST(column_name AS text) FROM information_schema.columns
                 WHERE table_schema = current_schema() AND table_name = '{table}' AND is_generated = 'NEVER'"
            ),
        }
    }

    /// The indexes that no constraint makes: their names, and how they are made.
    pub(super) fn indexes(self) -> &'static str {
        match self {
            Dialect::Sqlite => "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
            Dialect::Postgres => {
                "SELECT CAST(CAST(indexrelid AS regclass) AS text), pg_get_indexdef(indexrelid)
                 FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
                 WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r' AND NOT indisunique"
            }
        }
    }

    /// Before the first row. In PostgreSQL each message that is counted leaves a dead row of the same total, and the next
    /// one has to step over all of them.
    pub(super) fn before_a_copy(self) -> &'static [&'static str] {
        match self {
            Dialect::Sqlite => &["PRAGMA cache_size = -65536", "PRAGMA temp_store = DEFAULT"],
            Dialect::Postgres => &["ALTER TABLE entry DISABLE TRIGGER USER"],
        }
    }

    /// After the last row. PostgreSQL would look at what is there on its own, some minutes later.
    pub(super) fn after_a_copy(self) -> &'static [&'static str] {
        match self {
            Dialect::Sqlite => &[],
            Dialect::Postgres => &[
                "ALTER TABLE entry ENABLE TRIGGER USER",
                "ANALYZE entry",
                "ANALYZE octets",
                "ANALYZE attempt",
                "ANALYZE intent",
                "ANALYZE creation",
                "ANALYZE letter",
            ],
        }
    }

    /// The highest `id` that a table has ever given, though its row may be gone.
    pub(super) fn highest(self, table: &str) -> String {
        match self {
            Dialect::Sqlite => format!(
                "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{table}'), 0),
                            coalesce((SELECT max(id) FROM {table}), 0))"
            ),
            Dialect::Postgres => format!(
                "SELECT greatest(coalesce(pg_sequence_last_value(CAST(pg_get_serial_sequence('{table}', 'id') AS regclass)), 0),
                                 coalesce((SELECT max(id) FROM {table}), 0))"
            ),
        }
    }

    /// Has a table give none up to this one.
    pub(super) fn go_on_after(self, table: &str, id: i64) -> Vec<String> {
        match self {
            // Without the word a table goes on after its last row.
            Dialect::Sqlite => vec![
                format!("DELETE FROM sqlite_sequence WHERE name = '{table}'"),
                format!(
                    "INSERT INTO sqlite_sequence (name, seq)
                     SELECT name, {id} FROM sqlite_schema WHERE name = '{table}' AND sql LIKE '%AUTOINCREMENT%'"
                ),
            ],
            Dialect::Postgres if id == 0 => Vec::new(),
            Dialect::Postgres => vec![format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), {id})")],
        }
    }
}
