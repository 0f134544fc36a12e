//! One session with the server: a runtime of its own, driven by whoever waits for an answer, so that a statement needs
//! no second thread; the statements that it has prepared.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{StreamExt, pin_mut};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{
    Client, SimpleQueryMessage, Statement,
    error::{Severity, SqlState},
    types::ToSql,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{target::Target, value::Kept};
use crate::{
    journal::sql::{
        database::{Each, Fault},
        value::Value,
    },
    tls::{self, HandshakeFault},
};

/// So many statements stay prepared. There are fewer, but for the filters of `log`, each set of which is another one.
const STATEMENTS: usize = 256;

/// The server takes a client within this time.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// What holds for every session, beside what the server is set to. What was committed is on its disk; nobody waits for
/// ever for anybody; a client that has gone is noticed, and one that stops amid a transaction holds up the others for a
/// few seconds only.
const SETTINGS: &str = "SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '5s'; SET jit = off;
    SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';";

/// Why there is no session.
pub(super) enum NoSession {
    /// The server's word.
    Refused(Box<tokio_postgres::error::DbError>),
    /// Its certificate is not trusted, or nothing is; with what to do.
    Untrusted(String),
    /// Nobody answers, or not as PostgreSQL does.
    Unreachable(String),
}

/// An answer that nobody waits for yet.
type Told = Pin<Box<dyn Future<Output = Result<u64, tokio_postgres::Error>> + Send>>;

pub(super) struct Session {
    // In this order they go: the line ends when its client has gone.
    told: RefCell<Vec<Told>>,
    statements: RefCell<HashMap<String, Statement>>,
    client: Arc<Client>,
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    /// An answer takes this long at most.
    within: Duration,
    /// The line is lost.
    is_lost: Cell<bool>,
    /// The server's process of this session, and since when that runs.
    pub process: (i32, String),
}

impl Session {
    /// Connects. The server gives a statement up after `within`, and a little later nobody waits for its answer any more.
    pub(super) fn open(target: &Target, within: Duration) -> Result<Session, NoSession> {
        let unreachable = |error: &dyn std::fmt::Display| NoSession::Unreachable(error.to_string());
        let config = tls::client_config(target.ca_file.as_deref()).map_err(|error| untrusted(&error.to_string()))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unreachable(&error))?;
        let connecting = target.config.connect(MakeRustlsConnect::new((*config).clone()));
        let connected = runtime.block_on(async { tokio::time::timeout(CONNECT_WITHIN, connecting).await });
        let nobody = |_| NoSession::Unreachable("nobody has answered in time".to_owned());
        let (client, line) = connected.map_err(nobody)?.map_err(no_session)?;
        runtime.spawn(line);
        let mut session = Session {
            told: RefCell::default(),
            statements: RefCell::default(),
            client: Arc::new(client),
            runtime: Some(runtime),
            within: within + Duration::from_secs(10),
            is_lost: Cell::new(false),
            process: (0, String::new()),
        };
        let settings = format!(
            "SET statement_timeout = {}; {SETTINGS}
             SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()",
            within.as_millis()
        );
        let said = session.say(&settings).map_err(|fault| unreachable(&fault))?;
        if let Some(row) = said.last() {
            let text = |column| row.get(column).and_then(Option::clone).unwrap_or_default();
            session.process = (text(0).parse().unwrap_or_default(), text(1));
        }
        Ok(session)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.get()
    }

    /// It is of no more use.
    pub(super) fn lose(&self) {
        self.is_lost.set(true);
    }

    /// How many rows it changed.
    pub(super) fn run(&self, sql: &str, values: &[Value<'_>]) -> Result<usize, Fault> {
        let statement = self.prepared(sql)?;
        let changed = self.wait(self.client.execute_raw(&statement, bound(values)))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// Sends it on its way.
    pub(super) fn tell(&self, sql: &str, values: &[Value<'_>]) -> Result<(), Fault> {
        let statement = self.prepared(sql)?;
        let (client, values) = (self.client.clone(), values.iter().map(Kept::of).collect::<Vec<_>>());
        let mut told: Told = Box::pin(async move {
            let values = values.iter().map(|value| value as &(dyn ToSql + Sync));
            client.execute_raw(&statement, values).await
        });
        // It leaves with the first look at it, and so before all that comes after it.
        match told.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => self.wait(std::future::ready(answer)).map(drop),
            Poll::Pending => {
                self.told.borrow_mut().push(told);
                Ok(())
            }
        }
    }

    /// Waits for the answers to all that was told.
    pub(super) fn heard(&self) -> Result<(), Fault> {
        if self.told.borrow().is_empty() {
            return Ok(());
        }
        self.wait(async { Ok(()) })
    }

    pub(super) fn each(&self, sql: &str, values: &[Value<'_>], each: &mut Each<'_>) -> Result<(), Fault> {
        let statement = self.prepared(sql)?;
        let mut fault = None;
        self.wait(async {
            let rows = self.client.query_raw(&statement, bound(values)).await?;
            pin_mut!(rows);
            while let Some(row) = rows.next().await {
                match each(&row?) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(found) => {
                        fault = Some(found);
                        break;
                    }
                }
            }
            Ok(())
        })?;
        fault.map_or(Ok(()), Err)
    }

    /// Statements without values, in one go; their rows as text.
    pub(super) fn say(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, Fault> {
        let said = self.wait(self.client.simple_query(sql))?;
        let rows = said.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let columns = |row: &tokio_postgres::SimpleQueryRow| {
            (0..row.len())
                .map(|column| row.get(column).map(str::to_owned))
                .collect()
        };
        Ok(rows.map(columns).collect())
    }

    fn prepared(&self, sql: &str) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.wait(self.client.prepare(&numbered(sql)))?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// The answer, behind those to all that was told before, while the line is driven.
    fn wait<T>(&self, answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
        let Some(runtime) = &self.runtime else {
            return Err(Fault::Database("the connection is closed".to_owned()));
        };
        let told = self.told.take();
        let heard = async {
            for answer in told {
                answer.await?;
            }
            Ok(())
        };
        // Of two that fail the first one is why.
        let both = async {
            let (heard, answer) = futures_util::join!(heard, answer);
            heard.and(answer)
        };
        let answered = runtime.block_on(async { tokio::time::timeout(self.within, both).await });
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if ends_the_session(&error) {
                    self.is_lost.set(true);
                }
                Err(match error.code() {
                    Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED) => {
                        Fault::Busy(words(&error))
                    }
                    _ => Fault::Database(words(&error)),
                })
            }
            Err(_) => {
                self.is_lost.set(true);
                let seconds = self.within.as_secs();
                Err(Fault::Database(format!(
                    "the database has not answered for {seconds} s"
                )))
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Whoever drops it may be a task of another runtime, which may not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn bound<'a>(values: &'a [Value<'_>]) -> impl ExactSizeIterator<Item = &'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync))
}

/// `?1` as PostgreSQL writes it, and without the words for SQLite alone. No statement has either in another sense.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$").replace("OR FAIL ", "")
}

fn no_session(error: tokio_postgres::Error) -> NoSession {
    if let Some(refused) = error.as_db_error() {
        return NoSession::Refused(Box::new(refused.clone()));
    }
    let io = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
    match io.and_then(HandshakeFault::of) {
        Some(HandshakeFault { reason, remedy }) => untrusted(&format!("{reason}; {remedy}")),
        None => NoSession::Unreachable(words(&error)),
    }
}

/// What is said of TLS names the key of other servers.
fn untrusted(words: &str) -> NoSession {
    NoSession::Untrusted(words.replace("ca_file", "sslrootcert"))
}

/// What the server refuses leaves the session as it is; all else, and what it calls fatal, ends it.
fn ends_the_session(error: &tokio_postgres::Error) -> bool {
    let severity = error.as_db_error().map(|refused| refused.parsed_severity());
    !matches!(severity, Some(Some(severity)) if !matches!(severity, Severity::Fatal | Severity::Panic))
}

/// The library's own words name the kind alone.
fn words(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(refused), _) => refused.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
