//! The journal's tables: made, recognised, brought up to date.

use std::time::{Duration, Instant};

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
    include_str!("migrations/0003_digest.sql"),
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

/// Whoever reads holds this table for as long as it does.
pub(super) const GATE: &str = "schema_version";

/// Takes all tables there are. First in a way that only a vacuum stands in: one that the server runs by itself gives way to
/// whoever has waited for a second. Then without a wait, so that it is never a reader whom the server breaks off where two
/// wait for each other.
const TAKE_ALL: &str = "DO $$ DECLARE tables text; BEGIN
    SELECT string_agg(oid::regclass::text, ', ' ORDER BY oid) INTO tables FROM pg_class
        WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r';
    IF tables IS NOT NULL THEN
        EXECUTE 'LOCK TABLE ' || tables || ' IN SHARE UPDATE EXCLUSIVE MODE';
        EXECUTE 'LOCK TABLE ' || tables || ' IN ACCESS EXCLUSIVE MODE NOWAIT';
    END IF;
END $$";
/// Between two tries; those that had to wait for it go first.
const PAUSE: Duration = Duration::from_millis(500);
/// Who reads longer is waited for no more.
const READ_FOR: Duration = Duration::from_secs(60);

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
    bring_to(db, MIGRATIONS, READ_FOR)
}

/// Gives way to whoever reads, for as long as `patience`.
fn bring_to(db: &Connection, steps: &[&str], patience: Duration) -> Result<(), Unfit> {
    let until = Instant::now() + patience;
    loop {
        db.ask("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")?;
        db.ask(&format!("SELECT pg_advisory_xact_lock({MIGRATING})"))?;
        let migrated = migrate(db, steps);
        match &migrated {
            Ok(()) => crash::across(Step::Migrated, || db.commit())?,
            Err(_) => db.roll_back()?,
        }
        match migrated {
            Err(Unfit::Fault(Fault::Busy(_))) if Instant::now() < until => std::thread::sleep(PAUSE),
            Err(Unfit::Fault(Fault::Busy(_))) => {
                return Err(because(
                    "it is to be brought up to date, and another client does not let go of its tables (a backup, a \
                     vacuum, a long search; pg_stat_activity tells which); start again when that has ended",
                ));
            }
            migrated => return migrated,
        }
    }
}

fn migrate(db: &Connection, steps: &[&str]) -> Result<(), Unfit> {
    let version = version(db)?;
    if version < steps.len() {
        // Nobody may hold a table that is wanted here and want one that is held: first come those that read, then those
        // that write, and then clients of which nothing is known.
        if version > 0 {
            db.ask(&format!(
                "SET LOCAL lock_timeout = '2s'; LOCK TABLE {GATE} IN ACCESS EXCLUSIVE MODE"
            ))?;
        }
        db.ask(&format!("SELECT pg_advisory_xact_lock({WRITER})"))?;
        db.ask(TAKE_ALL)?;
    }
    if version == 0 {
        db.ask(
            "CREATE TABLE schema_version (program TEXT NOT NULL, version BIGINT NOT NULL);
             INSERT INTO schema_version VALUES ('halo-intake', 0)",
        )?;
    }
    for sql in steps.iter().skip(version) {
        db.ask(sql)?;
    }
    if version < steps.len() {
        db.ask(&format!(
            "UPDATE schema_version SET version = {}, oldest = {OLDEST_PROGRAM}",
            steps.len()
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

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    };

    use super::*;
    use crate::{
        journal::{
            postgres::{connection::Role, target::Target},
            sql::database::Purpose,
        },
        servers::postgres::Postgres,
    };

    /// What a later version may want, in an order of its own.
    const NEXT: &str = "ALTER TABLE entry ADD COLUMN colour TEXT; ALTER TABLE node ADD COLUMN size BIGINT";

    fn connect(address: &str, role: Role) -> Connection {
        let opened = Connection::open(Arc::new(Target::of(address).unwrap()), role);
        opened.unwrap_or_else(|none| panic!("{}", crate::journal::postgres::words(&none)))
    }

    /// A journal of this version, and the steps to the next.
    fn journal() -> (String, Connection, Vec<&'static str>) {
        let address = Postgres::shared().schema();
        let db = connect(&address, Role::Writer);
        assert!(bring_up_to_date(&db).is_ok());
        (address, db, [MIGRATIONS, &[NEXT]].concat())
    }

    fn read(db: &Connection, table: &str) -> Result<(), Fault> {
        db.ask(&format!("SELECT count(*) FROM {table}")).map(drop)
    }

    #[test]
    fn tables_are_brought_up_to_date_beside_those_that_read_them() {
        let (address, db, steps) = journal();
        let is_done = AtomicBool::new(false);
        let (tell, told) = mpsc::channel();
        let reads = std::thread::scope(|scope| {
            // What they read first is wanted last.
            let readers = [("node", "entry"), ("entry", "node"), ("node", "entry")].map(|(first, second)| {
                let db = connect(&address, Role::Reader);
                let (is_done, tell) = (&is_done, tell.clone());
                scope.spawn(move || {
                    let mut reads = 0;
                    while !is_done.load(Ordering::Relaxed) {
                        db.begin(Purpose::Look).unwrap();
                        read(&db, first).unwrap();
                        tell.send(()).unwrap();
                        std::thread::yield_now();
                        read(&db, second).unwrap();
                        db.commit().unwrap();
                        reads += 1;
                    }
                    reads
                })
            });
            // All are amid their reading, again and again.
            told.iter().take(10).for_each(drop);
            let done = bring_to(&db, &steps, READ_FOR);
            is_done.store(true, Ordering::Relaxed);
            assert!(done.is_ok());
            readers.map(|reader| reader.join().unwrap())
        });
        assert!(reads.iter().all(|reads| *reads > 0), "{reads:?}");
        assert_eq!(
            db.ask("SELECT version FROM schema_version").unwrap(),
            Some(steps.len().to_string())
        );
    }

    #[test]
    fn who_reads_for_ever_is_told_of() {
        let (address, db, steps) = journal();
        let reader = connect(&address, Role::Reader);
        reader.ask("SET idle_in_transaction_session_timeout = 0").unwrap();
        reader.begin(Purpose::Look).unwrap();
        read(&reader, "letter").unwrap();
        let done = bring_to(&db, &steps, Duration::from_millis(500));
        let Err(Unfit::Because(reason)) = done else {
            panic!("it did not wait for the reader");
        };
        assert!(
            reason.contains("another client does not let go of its tables"),
            "{reason}"
        );
        // It has left nothing behind, and the reader goes on.
        read(&reader, "entry").unwrap();
        reader.commit().unwrap();
        assert!(bring_to(&db, &steps, READ_FOR).is_ok());
    }
}
