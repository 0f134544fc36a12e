//! Every row of one journal into another one, and whether both hold the same then.

use super::{
    database::{Database, Fault},
    sieve,
};
use crate::journal::JournalError;
use table::{TABLES, UNCOUNTED};

mod dialect;
mod table;

/// What is said of a journal that bears the mark of a copy.
pub(in crate::journal) const UNFINISHED: &str =
    "it is a copy that goes on just now or was cut short; halo-intake journal copy FROM TO begins it afresh";

/// A journal that takes part in a copy, had as its owner.
pub(in crate::journal) struct Side {
    pub db: Box<dyn Database>,
    /// Where it lies, for people.
    pub shown: String,
    /// The statement that marks it as unfinished, and the one that takes the mark away.
    pub marks: [String; 2],
    /// What to do where it holds something.
    pub elsewhere: &'static str,
}

/// What there was of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    pub table: &'static str,
    pub rows: u64,
    /// Of its values.
    pub octets: u64,
    /// The sum of all rows' digests, in whatever order they come.
    digest: u128,
}

/// Why a copy has not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// One of the two, as it is or as it is read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Both are one.
    #[error("FROM and TO are the same journal; name another place for the copy")]
    Same,
    /// They do not hold the same; the new one stays marked.
    #[error(
        "the rows of {table} in {to} are not those in {from}, so the copy stays unused; see what the disk or the server \
         has logged, and copy again"
    )]
    Differs {
        table: &'static str,
        from: String,
        to: String,
    },
}

/// Copies all rows. The mark is taken away last.
pub(in crate::journal) fn copy(
    from: &Side,
    to: &Side,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<Vec<Copied>, CopyError> {
    is_empty(to)?;
    let all = from.read(counts)?.into_iter().map(|(_, rows)| rows).sum();
    to.say(&to.marks[0])?;
    let dialect = to.db.dialect();
    dialect.before_a_copy().iter().try_for_each(|sql| to.say(sql))?;
    let (mut done, mut copied) = (0, Vec::new());
    without_indexes(to, || {
        for table in TABLES {
            copied.push(table.copy(from, to, &mut |rows| {
                done += rows;
                tell(done, all);
            })?);
        }
        Ok(())
    })?;
    to.write(sieve::begin_again)?;
    dialect.after_a_copy().iter().try_for_each(|sql| to.say(sql))?;
    for (table, of_source) in TABLES.iter().zip(&copied) {
        if to.read(|db| table.sum(db))? != *of_source {
            return Err(CopyError::Differs {
                table: table.name,
                from: from.shown.clone(),
                to: to.shown.clone(),
            });
        }
    }
    to.say(&to.marks[1])?;
    Ok(copied)
}

/// Each index is made once for all rows, which takes a fraction of what it takes row by row.
fn without_indexes(to: &Side, fill: impl FnOnce() -> Result<(), JournalError>) -> Result<(), JournalError> {
    let indexes: Vec<(String, String)> =
        to.read(|db| db.list(db.dialect().indexes(), &[], |row| Ok((row.get(0)?, row.get(1)?))))?;
    indexes
        .iter()
        .try_for_each(|(name, _)| to.say(&format!("DROP INDEX {name}")))?;
    fill()?;
    indexes.iter().try_for_each(|(_, made)| to.say(made))
}

fn is_empty(to: &Side) -> Result<(), JournalError> {
    let held: Vec<String> = to
        .read(counts)?
        .into_iter()
        .filter(|(table, rows)| !UNCOUNTED.contains(table) && *rows > 0)
        .map(|(table, rows)| format!("{table} {rows}"))
        .collect();
    if held.is_empty() {
        return Ok(());
    }
    Err(JournalError::Unusable {
        path: to.shown.clone(),
        reason: format!(
            "it has rows already ({}), and a copy goes into an empty one; {}",
            held.join(", "),
            to.elsewhere
        ),
    })
}

fn counts(db: &dyn Database) -> Result<Vec<(&'static str, u64)>, Fault> {
    let count = |table: &table::Table| {
        let rows = db.one(&format!("SELECT count(*) FROM {}", table.name), &[])?;
        Ok((table.name, rows))
    };
    TABLES.iter().map(count).collect()
}

impl Side {
    fn read<T>(&self, look: impl FnOnce(&dyn Database) -> Result<T, Fault>) -> Result<T, JournalError> {
        look(&*self.db).map_err(|fault| JournalError::NotRead {
            reason: format!("{}: {fault}", self.shown),
        })
    }

    fn write<T>(&self, write: impl FnOnce(&dyn Database) -> Result<T, Fault>) -> Result<T, JournalError> {
        write(&*self.db).map_err(|fault| JournalError::NotWritten {
            reason: format!("{}: {fault}", self.shown),
        })
    }

    /// A statement without values, also one that answers with rows.
    fn say(&self, sql: &str) -> Result<(), JournalError> {
        self.write(|db| db.each(sql, &[], &mut |_| Ok(true)))
    }
}
