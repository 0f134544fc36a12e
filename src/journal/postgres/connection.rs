//! A connection to PostgreSQL, as the journal's statements see it: a session, and another one where that was lost.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    schema,
    session::{NoSession, Session},
    target::Target,
};
use crate::journal::sql::{
    database::{Database, Dialect, Each, Fault, Purpose},
    value::Value,
};

/// A change is given up by the server after so long, and a look after so long.
const CHANGE_WITHIN: Duration = Duration::from_secs(60);
const LOOK_WITHIN: Duration = Duration::from_secs(300);
/// An index of all messages is made within this time.
const MOVE_WITHIN: Duration = Duration::from_secs(4 * 3600);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Writer,
    Reader,
    /// An owner that copies all of it.
    Mover,
}

/// How a process has the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Alone,
    /// Among other nodes.
    Shared,
}

pub(super) struct Connection {
    target: Arc<Target>,
    role: Role,
    hold: Cell<Option<Hold>>,
    session: RefCell<Session>,
    /// A transaction stands.
    is_open: Cell<bool>,
    /// The number of the newest transaction that writes.
    number: RefCell<String>,
}

impl Connection {
    pub(super) fn open(target: Arc<Target>, role: Role) -> Result<Connection, NoSession> {
        let session = session(&target, role)?;
        Ok(Connection {
            target,
            role,
            hold: Cell::new(None),
            session: session.into(),
            is_open: Cell::new(false),
            number: RefCell::default(),
        })
    }

    /// Takes hold of the journal, for as long as the session lasts, and of every later one of this connection; false:
    /// another process has it.
    pub(super) fn take(&self, hold: Hold) -> Result<bool, Fault> {
        let how = match hold {
            Hold::Alone => "",
            Hold::Shared => "_shared",
        };
        let taken = self
            .ask(&format!("SELECT pg_try_advisory_lock{how}({})", schema::OWNER))?
            .as_deref()
            == Some("t");
        if taken {
            self.hold.set(Some(hold));
        }
        Ok(taken)
    }

    /// The one value that the statement gives.
    pub(super) fn ask(&self, sql: &str) -> Result<Option<String>, Fault> {
        let said = self.session.borrow().say(sql)?;
        Ok(said
            .into_iter()
            .next_back()
            .and_then(|row| row.into_iter().next_back())
            .flatten())
    }

    fn say(&self, sql: &str) -> Result<(), Fault> {
        self.session.borrow().say(sql).map(|_| ())
    }

    fn is_lost(&self) -> bool {
        self.session.borrow().is_lost()
    }

    /// Another session in the place of one that was lost. The server may not have noticed yet: what is left of it there
    /// would hold on to the journal, so it is ended.
    fn renew(&self) -> Result<(), Fault> {
        let session = session(&self.target, self.role).map_err(|none| Fault::Database(super::words(&none)))?;
        let lost = self.session.replace(session);
        let (process, since) = &lost.process;
        let Some(hold) = self.hold.get() else {
            return Ok(());
        };
        let ended = self.say(&format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
             WHERE pid = {process} AND backend_start::text = '{since}'"
        ));
        match ended.and_then(|()| self.take(hold)) {
            Ok(true) => Ok(()),
            taken => {
                // Nothing is written by a session that has no hold.
                self.session.borrow().lose();
                taken.and(Err(Fault::Refused("another process has taken the journal".to_owned())))
            }
        }
    }

    fn end(&self, sql: &str) -> Result<(), Fault> {
        let ended = self.say(sql);
        self.is_open.set(ended.is_err() && !self.is_lost());
        ended
    }
}

fn session(target: &Target, role: Role) -> Result<Session, NoSession> {
    let within = match role {
        Role::Writer => CHANGE_WITHIN,
        Role::Reader => LOOK_WITHIN,
        Role::Mover => MOVE_WITHIN,
    };
    let session = Session::open(target, within)?;
    let setting = match role {
        Role::Writer => None,
        // One plan for all mailboxes would walk all messages for the sake of a small one.
        Role::Reader => Some("SET plan_cache_mode = force_custom_plan"),
        // Nobody else waits for it.
        Role::Mover => Some("SET idle_in_transaction_session_timeout = 0"),
    };
    if let Some(setting) = setting {
        let set = session.say(setting);
        set.map_err(|fault| NoSession::Unreachable(fault.to_string()))?;
    }
    Ok(session)
}

impl Database for Connection {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<usize, Fault> {
        self.session.borrow().run(sql, values)
    }

    fn tell(&self, sql: &str, values: &[Value<'_>]) -> Result<(), Fault> {
        self.session.borrow().tell(sql, values)
    }

    fn heard(&self) -> Result<(), Fault> {
        self.session.borrow().heard()
    }

    fn insert(&self, sql: &str, values: &[Value<'_>]) -> Result<i64, Fault> {
        let (sql, mut id) = (format!("{sql} RETURNING id"), None);
        self.each(&sql, values, &mut |row| {
            id = Some(row.value(0)?.number());
            Ok(false)
        })?;
        id.flatten().ok_or_else(|| Fault::Refused("it has no id".to_owned()))
    }

    fn each(&self, sql: &str, values: &[Value<'_>], each: &mut Each<'_>) -> Result<(), Fault> {
        self.session.borrow().each(sql, values, each)
    }

    /// Of those that write there is one at a time, whichever process it belongs to, and it sees what the one before it has
    /// left. Its number says afterwards what came of it.
    fn begin(&self, purpose: Purpose) -> Result<(), Fault> {
        let begin = || match purpose {
            // Tables are not brought up to date amid a look; what it sees is of the moment after this lock.
            Purpose::Look => self.say(&format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE {} IN ACCESS SHARE MODE",
                schema::GATE
            )),
            Purpose::Write => {
                let number = self.ask(&format!(
                    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock({});
                     SELECT pg_current_xact_id()",
                    schema::WRITER
                ))?;
                *self.number.borrow_mut() = number.unwrap_or_default();
                Ok(())
            }
        };
        if self.is_lost() {
            self.renew()?;
        }
        let mut begun = begin();
        // It was lost while nothing was asked of it.
        if begun.is_err() && self.is_lost() {
            self.renew()?;
            begun = begin();
        }
        self.is_open.set(!self.is_lost());
        begun
    }

    fn is_open(&self) -> bool {
        self.is_open.get() && !self.is_lost()
    }

    fn commit(&self) -> Result<(), Fault> {
        match self.end("COMMIT") {
            Err(fault) if self.is_lost() => Err(Fault::Unanswered(fault.to_string())),
            ended => ended,
        }
    }

    fn roll_back(&self) -> Result<(), Fault> {
        self.end("ROLLBACK")
    }

    fn was_kept(&self) -> Result<bool, Fault> {
        if self.is_lost() {
            self.renew()?;
        }
        let number = self.number.borrow();
        match self.ask(&format!("SELECT pg_xact_status('{number}')"))?.as_deref() {
            Some("committed") => Ok(true),
            Some("in progress") => Err(Fault::Refused("it still goes on".to_owned())),
            _ => Ok(false),
        }
    }

    /// The server does so by itself.
    fn give_back(&self) -> Result<bool, Fault> {
        Ok(false)
    }

    fn now(&self, _: Timestamp) -> Result<Timestamp, Fault> {
        let now = self.ask("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)")?;
        let now = now.and_then(|now| Timestamp::from_microsecond(now.parse().ok()?).ok());
        now.ok_or_else(|| Fault::Refused("the server tells no time".to_owned()))
    }

    fn size(&self) -> Result<u64, Fault> {
        let size = self.ask(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class
             WHERE relkind = 'r' AND relnamespace = to_regnamespace(current_schema())",
        )?;
        Ok(size.and_then(|size| size.parse().ok()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::postgres::Postgres;

    /// A connection whose table has the line 1, within a transaction.
    fn writing() -> Connection {
        let target = Target::of(&Postgres::shared().schema()).unwrap();
        let opened = Connection::open(Arc::new(target), Role::Writer);
        let db = opened.unwrap_or_else(|none| panic!("{}", crate::journal::postgres::words(&none)));
        db.run("CREATE TABLE line (n BIGINT PRIMARY KEY)", &[]).unwrap();
        db.begin(Purpose::Write).unwrap();
        tell(&db, 1);
        db
    }

    fn tell(db: &Connection, n: i64) {
        db.tell("INSERT INTO line VALUES (?1)", &[Value::Number(n)]).unwrap();
    }

    fn count(db: &Connection) -> Option<i64> {
        let mut count = None;
        db.each("SELECT count(*) FROM line", &[], &mut |row| {
            count = row.value(0)?.number();
            Ok(true)
        })
        .unwrap();
        count
    }

    #[test]
    fn what_was_told_is_done_before_what_is_asked_after_it() {
        let db = writing();
        tell(&db, 2);
        assert_eq!(count(&db), Some(2));
        tell(&db, 3);
        db.commit().unwrap();
        assert_eq!(count(&db), Some(3));
    }

    #[test]
    fn what_was_told_and_refused_is_heard_once_and_by_its_own_words() {
        let twice = "duplicate key value violates unique constraint \"line_pkey\"";
        let db = writing();
        tell(&db, 1);
        assert_eq!(db.heard().unwrap_err().to_string(), twice);
        db.heard().unwrap();
        db.roll_back().unwrap();
        assert_eq!(count(&db), Some(0));

        let db = writing();
        tell(&db, 1);
        let next = db.run("INSERT INTO line VALUES (4)", &[]);
        assert_eq!(next.unwrap_err().to_string(), twice);
    }
}
