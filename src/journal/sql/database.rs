//! A database as the journal needs it: what each back end is behind.

use jiff::Timestamp;

use super::value::{Column, Columns, Value};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(in crate::journal) enum Fault {
    /// The database refuses it, in its words.
    #[error("{0}")]
    Database(String),
    /// Another transaction holds what it needs. It can be tried again.
    #[error("{0}")]
    Busy(String),
    /// Nobody has said whether the transaction was kept: ask [`Database::was_kept`].
    #[error("{0}")]
    Unanswered(String),
    /// It does not fit what the journal holds.
    #[error("{0}")]
    Refused(String),
    /// What stands in a column is not what this program puts there; which value that is may be a message's, and is not told.
    #[error("column {column} of a row holds {found} where {wanted} is expected")]
    Column {
        column: usize,
        found: &'static str,
        wanted: &'static str,
    },
    /// Octets are not what was compressed.
    #[error("what was kept is damaged: {0}")]
    Damaged(String),
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal) enum Purpose {
    /// All that it reads is of one moment.
    Look,
    /// Nobody else writes until its end.
    Write,
}

/// A connection. Statements name their values `?1`, `?2`, … and are kept prepared by their text. `OR FAIL` in one says that
/// nobody goes on where it fails midway: all that was written with it is taken back then, so SQLite need not keep a copy of
/// each page for that.
pub(in crate::journal) trait Database: Send {
    /// How this one says what not all of them say in the same way.
    fn dialect(&self) -> Dialect;
    /// Runs a statement; how many rows it changed.
    fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<usize, Fault>;
    /// Has a statement run of which nothing is asked. It comes before all that are run after it; whether it could be done is
    /// told by [`Database::heard`], and by what is run after it.
    fn tell(&self, sql: &str, values: &[Value<'_>]) -> Result<(), Fault> {
        self.run(sql, values).map(drop)
    }
    /// What came of all that it was told since it was asked the last time.
    fn heard(&self) -> Result<(), Fault> {
        Ok(())
    }
    /// Puts a row into a table whose key is `id`; gives that.
    fn insert(&self, sql: &str, values: &[Value<'_>]) -> Result<i64, Fault>;
    /// Gives each row to `each`, until that has enough.
    fn each(&self, sql: &str, values: &[Value<'_>], each: &mut Each<'_>) -> Result<(), Fault>;
    /// Begins a transaction.
    fn begin(&self, purpose: Purpose) -> Result<(), Fault>;
    /// Whether the transaction still stands: a failing disk ends it, and so does the end of a connection.
    fn is_open(&self) -> bool;
    /// Keeps what was written in it.
    fn commit(&self) -> Result<(), Fault>;
    /// Leaves nothing of it.
    fn roll_back(&self) -> Result<(), Fault>;
    /// Whether the transaction was kept whose commit had no answer. To be asked again where that can not be told yet.
    fn was_kept(&self) -> Result<bool, Fault>;
    /// Nothing is asked for a while: puts in order what would otherwise be put in order when somebody waits.
    fn rest(&self) {}
    /// Gives room that is free back to the file system, a slice of it; whether there is more.
    fn give_back(&self) -> Result<bool, Fault>;
    /// The time that all who write there go by; `own` is this process's.
    fn now(&self, own: Timestamp) -> Result<Timestamp, Fault>;
    /// How many octets it has on disk.
    fn size(&self) -> Result<u64, Fault>;
}

/// What is done with a row; false: that is enough.
pub(in crate::journal) type Each<'a> = dyn FnMut(&dyn Columns) -> Result<bool, Fault> + 'a;

impl dyn Database + '_ {
    /// The first row, if there is one.
    pub(super) fn find<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&dyn Columns) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let (mut read, mut found) = (Some(read), None);
        self.each(sql, values, &mut |row| {
            found = read.take().map(|read| read(row)).transpose()?;
            Ok(false)
        })?;
        Ok(found)
    }

    /// The row of a statement that always has one.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnOnce(&dyn Columns) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let none = || Fault::Refused("what it is about is not there".to_owned());
        self.find(sql, values, read)?.ok_or_else(none)
    }

    /// The only column of that row.
    pub(super) fn one<T: for<'a> Column<'a>>(&self, sql: &str, values: &[Value<'_>]) -> Result<T, Fault> {
        self.row(sql, values, |row| row.get(0))
    }

    /// All rows.
    pub(super) fn list<T, C: FromIterator<T>>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Columns) -> Result<T, Fault>,
    ) -> Result<C, Fault> {
        let mut list = Vec::new();
        self.each(sql, values, &mut |row| {
            list.push(read(row)?);
            Ok(true)
        })?;
        Ok(list.into_iter().collect())
    }

    /// Whether there is a row.
    pub(super) fn exists(&self, sql: &str, values: &[Value<'_>]) -> Result<bool, Fault> {
        self.find(sql, values, |_| Ok(())).map(|found| found.is_some())
    }
}

/// The few words in which back ends differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Whether searches are narrowed by what `sieve` keeps: one statement is asked while another one gives its rows.
    pub(super) fn has_sieve(self) -> bool {
        self == Dialect::Sqlite
    }

    /// Whether an answer costs no way through a network.
    pub(super) fn is_near(self) -> bool {
        self == Dialect::Sqlite
    }

    /// Behind the name of a table: the index to walk.
    pub(super) fn by(self, index: &'static str) -> String {
        match self {
            Dialect::Sqlite => format!("INDEXED BY {index}"),
            // It goes by what the tables hold, and is not told.
            Dialect::Postgres => String::new(),
        }
    }

    /// Behind the name of a table: walk it by its primary key.
    pub(super) fn by_key(self) -> &'static str {
        match self {
            Dialect::Sqlite => "NOT INDEXED",
            Dialect::Postgres => "",
        }
    }

    /// Whether the text has that part.
    pub(super) fn has_part(self, text: &str, part: &str) -> String {
        match self {
            Dialect::Sqlite => format!("instr({text}, {part}) > 0"),
            Dialect::Postgres => format!("strpos({text}, {part}) > 0"),
        }
    }

    /// The texts of a list, JSON as text, as rows.
    pub(super) fn elements(self, list: &str) -> String {
        match self {
            Dialect::Sqlite => format!("SELECT value FROM json_each({list})"),
            Dialect::Postgres => format!("SELECT json_array_elements_text(CAST({list} AS json))"),
        }
    }

    /// Whether the object, JSON as text, says true of this key.
    pub(super) fn says(self, object: &str, key: &str) -> String {
        match self {
            Dialect::Sqlite => format!("coalesce(json_extract({object}, '$.{key}'), 0) <> 0"),
            Dialect::Postgres => format!("coalesce(CAST({object} AS json) ->> '{key}', 'false') <> 'false'"),
        }
    }
}
