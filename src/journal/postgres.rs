//! The journal in a PostgreSQL database.
//!
//! Each group of changes is one transaction, and all that write, of whatever process, take one lock first: what is true
//! with one writer stays true with many. Reads go beside them, each on a snapshot.
//!
//! A connection may be lost at any moment. Before a commit was sent, nothing of it was kept, and all are told so. When the
//! answer to a commit is lost, nobody is told anything until the server has said by the transaction's number what came of
//! it; so a caller sees what it sees on SQLite. Only the end of the process leaves that open, as a crash does, and the
//! next start gives back what it had in hand.

use std::{
    fs::File,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    JournalError, Opening,
    node::LEASE,
    sql::{
        self, Ledger, Tenancy,
        database::{Database, Fault},
        readers::Open,
    },
};
use crate::clock::{self, Clock};
use connection::{Connection, Hold, Role};
use schema::Unfit;
use session::NoSession;
use target::{Target, Wrong};
use tokio_postgres::error::SqlState;

mod connection;
mod copy;
mod schema;
mod session;
mod target;
mod value;

pub(crate) use copy::has_password;
pub(super) use copy::{source, target_of_copy};

/// In the place of an address that is not understood.
pub(super) const HIDDEN: &str = "postgres://…";
/// Whoever had the journal before and has ended is gone within this time.
const ENDED_WITHIN: Duration = Duration::from_secs(2);

/// The journal in PostgreSQL.
pub struct Postgres;

impl Postgres {
    /// Opens the journal at an address as [`super::sqlite::Sqlite::open`] does. Whoever writes holds on to `lock` as well.
    ///
    /// # Errors
    /// [`JournalError::InUse`] where another process has it; [`JournalError::Unreachable`] where nobody answers;
    /// [`JournalError::Refused`] where the login is not taken or the server not trusted; [`JournalError::Unusable`] where the database is not there or not
    /// fit. Each says what to do, and none says the login.
    pub fn open(address: &str, clock: Clock, opening: Opening, lock: Option<File>) -> Result<Ledger, JournalError> {
        let target = target(address)?;
        // Sessions may not wait within a task, and whoever opens a journal may be one.
        std::thread::scope(|scope| {
            let opened = scope.spawn(|| match opening {
                Opening::Look => look(target, clock),
                Opening::Alone => write(target, clock, Hold::Alone, lock),
                Opening::Node => write(target, clock, Hold::Shared, lock),
            });
            opened.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// Looks at the journal at an address without a change to it: where it is, and what the daemon has to do there first. Not
/// to be called within a task.
///
/// # Errors
/// As [`Postgres::open`], but for a journal that is not there yet or is in use.
pub(super) fn inspect(address: &str) -> Result<(String, Option<&'static str>), JournalError> {
    let target = Arc::new(target(address)?);
    let db = connect(&target, Role::Reader)?;
    let awaits = schema::awaits(&db).map_err(|unfit| unusable(&target, unfit))?;
    Ok((target.shown.clone(), awaits))
}

fn target(address: &str) -> Result<Target, JournalError> {
    Target::of(address).map_err(|Wrong(reason)| JournalError::Unusable {
        path: HIDDEN.to_owned(),
        reason,
    })
}

/// Whether this is an address of a journal; if not, why, without a part of it.
pub(crate) fn check(address: &str) -> Result<(), String> {
    Target::of(address).map(|_| ()).map_err(|Wrong(reason)| reason)
}

fn write(target: Target, clock: Clock, hold: Hold, lock: Option<File>) -> Result<Ledger, JournalError> {
    let target = Arc::new(target);
    let db = connect(&target, Role::Writer)?;
    schema::bring_up_to_date(&db).map_err(|unfit| unusable(&target, unfit))?;
    // Before anything is due by it.
    let now = db.now(clock.now()).map_err(|fault| unusable(&target, fault.into()))?;
    if let Some(ahead) = clock::follow(now) {
        let ahead = ahead.as_secs_f64();
        tracing::warn!(
            ahead,
            "this machine's clock is not the database's, which is gone by: {ahead:+.3} s"
        );
    }
    let tenancy = enter(&db, &clock, hold).map_err(|fault| unusable(&target, fault.into()))?;
    let tenancy = tenancy.ok_or_else(|| in_use(&target, hold))?;
    Ledger::write(Box::new(db), readers(target), clock, (tenancy, lock))
}

fn in_use(target: &Target, hold: Hold) -> JournalError {
    JournalError::InUse {
        path: target.shown.clone(),
        remedy: match hold {
            Hold::Alone => "stop the nodes there (halo-intake nodes lists them), or name another database",
            Hold::Shared => "wait until that one has ended, or name another database",
        },
    }
}

/// Takes hold of the journal; nothing where another process does not let it.
fn enter(db: &Connection, clock: &Clock, hold: Hold) -> Result<Option<Tenancy>, Fault> {
    in_time(|| {
        if hold == Hold::Shared {
            return Ok(db.take(hold)?.then_some(Tenancy::Shared));
        }
        if !db.take(hold)? {
            return Ok(None);
        }
        // A node whose session was lost just now comes in no more, but does not know it yet.
        let until = Instant::now() + LEASE;
        while !sql::is_alone(db, clock)? && Instant::now() < until {
            std::thread::sleep(LEASE / 80);
        }
        Ok(Some(Tenancy::Alone))
    })
}

/// The server takes a moment to notice that a process has ended.
fn in_time<T>(mut take: impl FnMut() -> Result<Option<T>, Fault>) -> Result<Option<T>, Fault> {
    let until = Instant::now() + ENDED_WITHIN;
    loop {
        match take()? {
            None if Instant::now() < until => std::thread::sleep(ENDED_WITHIN / 50),
            taken => return Ok(taken),
        }
    }
}

fn look(target: Target, clock: Clock) -> Result<Ledger, JournalError> {
    let target = Arc::new(target);
    let db = connect(&target, Role::Reader)?;
    schema::check(&db).map_err(|unfit| unusable(&target, unfit))?;
    Ok(Ledger::look(Box::new(db), readers(target), clock, None))
}

fn readers(target: Arc<Target>) -> Arc<Open> {
    Arc::new(move || match Connection::open(target.clone(), Role::Reader) {
        Ok(db) => Ok(Box::new(db) as Box<dyn Database>),
        Err(none) => Err(Fault::Database(words(&none))),
    })
}

fn connect(target: &Arc<Target>, role: Role) -> Result<Connection, JournalError> {
    let path = target.shown.clone();
    Connection::open(target.clone(), role).map_err(|none| {
        let reason = words(&none);
        match none {
            NoSession::Unreachable(_) => JournalError::Unreachable { path, reason },
            NoSession::Untrusted(_) => JournalError::Refused { path, reason },
            NoSession::Refused(error) if is_login(error.code()) => JournalError::Refused { path, reason },
            NoSession::Refused(error) if is_for_now(error.code()) => JournalError::Unreachable { path, reason },
            NoSession::Refused(_) => JournalError::Unusable { path, reason },
        }
    })
}

fn is_login(code: &SqlState) -> bool {
    [
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
    ]
    .contains(code)
}

/// It starts, stops, or has too many clients.
fn is_for_now(code: &SqlState) -> bool {
    [
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::TOO_MANY_CONNECTIONS,
    ]
    .contains(code)
}

/// Why there is no session, and what to do.
fn words(none: &NoSession) -> String {
    match none {
        NoSession::Unreachable(words) => format!("{words}; check that the server runs and takes connections from here"),
        NoSession::Untrusted(words) => words.clone(),
        NoSession::Refused(error) => {
            let code = error.code();
            let remedy = if is_login(code) {
                "check user and password, and the server's pg_hba.conf"
            } else if *code == SqlState::INVALID_CATALOG_NAME {
                "make it (createdb -O USER -E UTF8 NAME), or name another one"
            } else if is_for_now(code) {
                "try again in a moment"
            } else {
                "see the server's log"
            };
            format!("{}; {remedy}", error.message())
        }
    }
}

fn unusable(target: &Target, unfit: Unfit) -> JournalError {
    JournalError::Unusable {
        path: target.shown.clone(),
        reason: match unfit {
            Unfit::Because(reason) => reason,
            Unfit::Fault(fault) => fault.to_string(),
        },
    }
}
