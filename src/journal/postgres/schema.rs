//! The journal's tables: made, recognised, brought up to date.

use super::connection::Connection;
use crate::{
    crash::{self, Step},
    journal::sql::{
        copy,
        database::{Database, Fault},
    },
};

/// The forward steps, in order. `schema_version` says how many of them the database has seen; a step that was released
/// is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_start.sql"),
    include_str!("migrations/0002_nodes.sql"),
];

/// Programs that know fewer of them can not work with what they make. Nodes are replaced one after the other, so a step
/// that older ones can not live with comes a release after those that can.
const OLDEST_PROGRAM: usize = 2;

/// Locks that nodes agree on, each of the journal in this schema: by the first number ours are told from others' in the
/// database.
macro_rules! lock {
    ($number:literal) => {
        concat!(
            $number,
            ", (SELECT (oid::bigint % 2147483647)::int FROM pg_namespace WHERE nspname = current_schema())"
        )
    };
}
/// Whoever has the journal holds it as long as its session lasts: the nodes together, or one process alone.
pub(super) const OWNER: &str = lock!("1212762673");
/// Held by a transaction that writes.
pub(super) const WRITER: &str = lock!("1212762674");
/// Held by a transaction that brings the tables up to date.
const MIGRATING: &str = lock!("1212762675");

/// The oldest server that does all that is asked of it.
const OLDEST: u32 = 140_000;

const MAY_MAKE: &str = "SELECT has_schema_privilege(current_schema(), 'CREATE')";

/// Whether the table of versions is such a one as ours.
const IS_KNOWN: &str = "SELECT count(*) = 2 FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name = 'schema_version' AND column_name IN ('program', 'version')";

/// Leaves no table in the schema, which is the journal's alone.
const CLEAR: &str = "DO $$ DECLARE made text; BEGIN
    SELECT string_agg(format('DROP FUNCTION %s CASCADE;', oid::regprocedure), '') INTO made FROM pg_proc
        WHERE pronamespace = to_regnamespace(current_schema()) AND oid IN (SELECT tgfoid FROM pg_trigger);
    EXECUTE coalesce(made, '');
    SELECT string_agg(format('DROP TABLE %s CASCADE;', oid::regclass), '') INTO made FROM pg_class
        WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r';
    EXECUTE made;
END $$";

/// Why the journal in a database can not be used; nothing was changed.
pub(super) enum Unfit {
    /// What it is, and what to do.
    Because(String),
    Fault(Fault),
}

impl From<Fault> for Unfit {
    fn from(fault: Fault) -> Unfit {
        Unfit::Fault(fault)
    }
}

/// Makes what is missing. Of nodes that start together one does it, and the others find it done.
pub(super) fn bring_up_to_date(db: &Connection) -> Result<(), Unfit> {
    is_fit(db)?;
    db.ask("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")?;
    db.ask(&format!("SELECT pg_advisory_xact_lock({MIGRATING})"))?;
    let migrated = migrate(db);
    match migrated {
        Ok(()) => crash::across(Step::Migrated, || db.commit())?,
        Err(_) => db.roll_back()?,
    }
    migrated
}

fn migrate(db: &Connection) -> Result<(), Unfit> {
    let version = version(db)?;
    if version == 0 {
        db.ask(
            "CREATE TABLE schema_version (program TEXT NOT NULL, version BIGINT NOT NULL);
             INSERT INTO schema_version VALUES ('halo-intake', 0)",
        )?;
    }
    for sql in MIGRATIONS.iter().skip(version) {
        db.ask(sql)?;
    }
    if version < MIGRATIONS.len() {
        db.ask(&format!(
            "UPDATE schema_version SET version = {}, oldest = {OLDEST_PROGRAM}",
            MIGRATIONS.len()
        ))?;
    }
    Ok(())
}

/// For whoever only reads.
pub(super) fn check(db: &Connection) -> Result<(), Unfit> {
    awaits(db)?.map_or(Ok(()), |what| Err(because(what)))
}

/// What the daemon has to do first, where it has, before somebody can read.
pub(super) fn awaits(db: &Connection) -> Result<Option<&'static str>, Unfit> {
    is_fit(db)?;
    Ok(match version(db)? {
        0 if db.ask(MAY_MAKE)?.as_deref() == Some("f") => {
            return Err(because(
                "its user may make no tables there; ALTER DATABASE NAME OWNER TO USER",
            ));
        }
        0 => Some("there is no journal in it yet; the daemon makes it when it starts"),
        version if version < MIGRATIONS.len() => {
            Some("it was made by an older version; start the daemon once to bring it up to date")
        }
        _ => None,
    })
}

fn is_fit(db: &Connection) -> Result<(), Unfit> {
    let version = db
        .ask("SHOW server_version_num")?
        .and_then(|number| number.parse().ok());
    if version.is_none_or(|version: u32| version < OLDEST) {
        return Err(because("the server is older than PostgreSQL 14; use a newer one"));
    }
    let encoding = db.ask("SHOW server_encoding")?.unwrap_or_default();
    if encoding != "UTF8" {
        let reason = format!("it keeps text as {encoding}; make one with ENCODING 'UTF8' TEMPLATE template0");
        return Err(Unfit::Because(reason));
    }
    match db.ask("SELECT current_schema()")? {
        Some(_) => Ok(()),
        None => Err(because(
            "no schema of the search_path is there; create one, or leave search_path out",
        )),
    }
}

/// How many migrations it has seen; refuses what is not ours or is newer than this program.
fn version(db: &Connection) -> Result<usize, Unfit> {
    let others = "it holds the tables of another program; make a database of its own for the journal (createdb), or a \
                  schema (options=-csearch_path%3DNAME)";
    let tables =
        "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r'";
    if db.ask(tables)?.as_deref() == Some("0") {
        return Ok(0);
    }
    if db.ask(IS_KNOWN)?.as_deref() != Some("t") {
        return Err(because(others));
    }
    if is_unfinished(db)? {
        return Err(because(copy::UNFINISHED));
    }
    let version = db.ask("SELECT version FROM schema_version WHERE program = 'halo-intake'")?;
    match version.map(|version| version.parse::<usize>()) {
        None => Err(because(others)),
        Some(Ok(version)) if version <= MIGRATIONS.len() || is_enough(db)? => Ok(version),
        Some(_) => Err(Unfit::Because(format!(
            "it has a newer version than this program, which knows versions up to {}; install the newer halo-intake \
             again, or name another database",
            MIGRATIONS.len()
        ))),
    }
}

/// Whether what newer programs have made is such that this one can go on beside them.
fn is_enough(db: &Connection) -> Result<bool, Fault> {
    let oldest = db.ask("SELECT oldest FROM schema_version")?;
    Ok(oldest
        .and_then(|oldest| oldest.parse().ok())
        .is_some_and(|oldest: usize| oldest <= MIGRATIONS.len()))
}

/// Refuses what is no journal yet.
pub(super) fn is_there(db: &Connection) -> Result<(), Unfit> {
    is_fit(db)?;
    match version(db)? {
        0 => Err(because(
            "there is no journal in it; name the database or schema that has one",
        )),
        _ => Ok(()),
    }
}

/// How a copy into it is marked, and how the mark is taken away. An older program takes it for another one's.
pub(super) fn marks() -> [String; 2] {
    ["halo-intake journal copy", "halo-intake"]
        .map(|program| format!("UPDATE schema_version SET program = '{program}'"))
}

fn is_unfinished(db: &Connection) -> Result<bool, Fault> {
    let program = db.ask("SELECT program FROM schema_version")?;
    Ok(program.as_deref() == Some("halo-intake journal copy"))
}

/// Takes away all of the journal that a copy which was cut short has left.
pub(super) fn clear_unfinished(db: &Connection) -> Result<(), Unfit> {
    if db.ask(IS_KNOWN)?.as_deref() == Some("t") && is_unfinished(db)? {
        db.ask(CLEAR)?;
    }
    Ok(())
}

fn because(reason: &str) -> Unfit {
    Unfit::Because(reason.to_owned())
}
