//! What only the PostgreSQL back end has: its server, its session, its commits whose answers are lost.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use halo_intake::{
    class::Class,
    clock::Clock,
    journal::{Change, Journal, JournalError, Ledger, Opening, Receipt, Received, RowFilter, postgres::Postgres},
};

use crate::{
    servers::{postgres::Postgres as Server, proxy::Proxy},
    world::{World, mail, support},
};

fn own(address: &str) -> Result<Ledger, JournalError> {
    Postgres::open(address, Clock::system(), Opening::Alone, None)
}

fn look(address: &str) -> Result<Ledger, JournalError> {
    Postgres::open(address, Clock::system(), Opening::Look, None)
}

/// How it is refused; a reason begins so.
fn check(opened: Result<Ledger, JournalError>, class: Class, reason: &str) {
    let Err(error) = opened else {
        panic!("it was opened, though {reason}")
    };
    let text = error.to_string();
    assert!(text.contains(reason), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(error.class(), class, "{text}");
}

fn psql(sql: &str) -> String {
    Server::shared().psql(sql).unwrap()
}

/// The name of the schema at an address.
fn schema(address: &str) -> &str {
    address.rsplit("%3D").next().unwrap()
}

#[test]
fn a_second_owner_is_refused_until_the_first_has_gone() {
    let address = Server::shared().schema();
    let first = own(&address).unwrap();
    let reason = format!(
        "the journal in postgres://127.0.0.1:{}/postgres is in use by another process; stop the nodes there \
         (halo-intake nodes lists them), or name another database",
        Server::shared().port
    );
    check(own(&address), Class::Fatal, &reason);
    look(&address).unwrap();
    drop(first);
    own(&address).unwrap();
}

#[test]
fn of_two_that_start_at_once_one_makes_the_tables_and_one_has_the_journal() {
    let address = Server::shared().schema();
    let both: Vec<_> = std::thread::scope(|scope| {
        let starts = [(); 2].map(|()| scope.spawn(|| own(&address)));
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(both.iter().filter(|opened| opened.is_ok()).count(), 1);
    let refused = both.iter().filter_map(|opened| opened.as_ref().err());
    assert!(
        refused
            .into_iter()
            .all(|error| matches!(error, JournalError::InUse { .. }))
    );
}

#[test]
fn what_is_not_there_or_not_ours_is_refused_with_what_to_do() {
    let port = Server::shared().port;
    let no_journal = "there is no journal in it yet; the daemon makes it when it starts";
    check(look(&Server::shared().schema()), Class::Fatal, no_journal);
    let none = format!("postgres://postgres@127.0.0.1:{port}/no_such");
    check(
        own(&none),
        Class::Fatal,
        "database \"no_such\" does not exist; make it (createdb",
    );
    let nobody = format!("postgres://no_such:hunter2@127.0.0.1:{port}/postgres");
    check(
        own(&nobody),
        Class::Credentials,
        "check user and password, and the server's pg_hba.conf",
    );
    let closed = crate::servers::child::free_port();
    let unreachable = format!("postgres://u:hunter2@127.0.0.1:{closed}/intake");
    check(
        own(&unreachable),
        Class::Transient,
        "check that the server runs and takes connections from here",
    );
    check(
        own("mysql://u:hunter2@127.0.0.1/intake"),
        Class::Fatal,
        "it has to begin with postgres://",
    );

    let theirs = Server::shared().schema();
    psql(&format!("CREATE TABLE {}.theirs (n int)", schema(&theirs)));
    check(
        own(&theirs),
        Class::Fatal,
        "it holds the tables of another program; make a database of its own",
    );

    let newer = Server::shared().schema();
    drop(own(&newer).unwrap());
    // What a newer program has made may be such that this one can go on beside it.
    psql(&format!("UPDATE {}.schema_version SET version = 99", schema(&newer)));
    drop(own(&newer).unwrap());
    look(&newer).unwrap();
    psql(&format!("UPDATE {}.schema_version SET oldest = 99", schema(&newer)));
    let reason = "it has a newer version than this program";
    check(own(&newer), Class::Fatal, reason);
    check(look(&newer), Class::Fatal, reason);
}

#[test]
fn a_wrong_password_is_refused_with_what_to_do_and_without_it() {
    let server = Server::start();
    server
        .psql("SET password_encryption = 'scram-sha-256'; CREATE ROLE intake LOGIN PASSWORD 'right'")
        .unwrap();
    server.psql("CREATE DATABASE intake OWNER intake").unwrap();
    server.ask_for_password("intake");
    let at = |password: &str| format!("postgres://intake:{password}@127.0.0.1:{}/intake", server.port);
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    // The server reads its rules anew when it comes to it.
    while own(&at("hunter2")).is_ok() {
        assert!(std::time::Instant::now() < deadline, "it asks for no password");
        std::thread::sleep(Duration::from_millis(20));
    }
    for opened in [own(&at("hunter2")), look(&at("hunter2"))] {
        assert!(matches!(opened, Err(JournalError::Refused { .. })));
        let remedy = "password authentication failed for user \"intake\"; check user and password, and the server's \
                      pg_hba.conf";
        check(opened, Class::Credentials, remedy);
    }
    drop(own(&at("right")).unwrap());
    look(&at("right")).unwrap();
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_alone_and_the_line_is_encrypted() {
    let server = Server::shared();
    let address = server.schema();
    let encrypted = format!("{address}&sslmode=require");
    let unknown = "its certificate comes from an authority that is not known here; set sslrootcert";
    check(own(&encrypted), Class::Credentials, unknown);
    let ca = server.ca_pem();
    let trusted = format!("{encrypted}&sslrootcert={}&application_name=encrypted", ca.display());
    let journal = own(&trusted).unwrap();
    journal.write(Change::Received(Box::new(mail(1)))).await.unwrap();
    let sessions = "FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'encrypted'";
    assert_eq!(psql(&format!("SELECT bool_and(ssl) {sessions}")), "t");
}

#[tokio::test]
async fn a_bad_change_does_not_disturb_those_that_are_committed_with_it() {
    let address = Server::shared().schema();
    let journal = own(&address).unwrap();
    psql(&format!(
        "ALTER TABLE {}.entry ADD CHECK (subject <> 'odd')",
        schema(&address)
    ));
    let receive = |n| {
        let subject = if n % 3 == 0 { "odd" } else { "even" }.to_owned();
        journal.write(Change::Received(Box::new(Received { subject, ..mail(n) })))
    };
    for (n, receipt) in (0..).zip(join_all((0..9).map(receive)).await) {
        assert_eq!(receipt.is_err(), n % 3 == 0, "{n}: {receipt:?}");
    }
    assert_eq!(journal.rows(RowFilter::default()).await.unwrap().len(), 6);
    assert!(receive(0).await.is_err(), "alone as well");
    assert!(matches!(receive(10).await, Ok(Receipt::New(..))));
}

#[tokio::test]
async fn a_text_with_a_sign_that_postgresql_does_not_keep_is_found_all_the_same() {
    let world = World::in_postgres();
    let author_key = "a\0b".to_owned();
    let subject = "nul\0 in it".to_owned();
    let odd = world
        .receive_new(Received {
            subject,
            author_key,
            ..mail(1)
        })
        .await;
    let grep = Some("nul\0 IN".to_owned());
    let rows = world
        .journal
        .rows(RowFilter {
            grep,
            ..RowFilter::default()
        })
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].id, rows[0].subject.as_str()), (odd, "nul\u{2400} in it"));
}

#[tokio::test]
async fn a_connection_that_was_lost_between_commits_is_made_again() {
    let server = Server::shared();
    let address = server.schema();
    let proxy = Proxy::to(server.port);
    let journal = own(&address.replace(&server.port.to_string(), &proxy.port.to_string())).unwrap();
    let receive = |n| journal.write(Change::Received(Box::new(mail(n))));
    let count = || async { journal.rows(RowFilter::default()).await.unwrap().len() };
    receive(1).await.unwrap();
    assert_eq!(count().await, 1);
    proxy.cut();
    assert!(matches!(receive(2).await, Ok(Receipt::New(..))));
    assert_eq!(count().await, 2);
}

/// A journal of a user of its own, behind a line that can be cut, whose commits of notices wait at the server until
/// `go_on`.
struct Cut {
    journal: Arc<Ledger>,
    proxy: Proxy,
    name: String,
}

impl Cut {
    /// The number of the lock that holds the commits up.
    const LOCK: u32 = 77;

    fn begin() -> Cut {
        let server = Server::shared();
        let address = server.schema();
        let name = schema(&address).to_owned();
        let proxy = Proxy::to(server.port);
        psql(&format!(
            "CREATE ROLE {name} LOGIN; ALTER SCHEMA {name} OWNER TO {name}"
        ));
        let address = address
            .replace("postgres@", &format!("{name}@"))
            .replace(&server.port.to_string(), &proxy.port.to_string());
        let journal = Arc::new(own(&address).unwrap());
        psql(&format!(
            "CREATE FUNCTION {name}.wait() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_advisory_xact_lock_shared({lock}, hashtext('{name}')); RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON {name}.entry DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION {name}.wait()",
            lock = Cut::LOCK
        ));
        Cut { journal, proxy, name }
    }

    /// Whether somebody holds the lock, or waits for it.
    fn has_lock(&self, granted: bool) -> bool {
        let sql = format!(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = {} AND granted = {granted}
                AND objid = (hashtext('{}')::bigint & 4294967295)::oid",
            Cut::LOCK,
            self.name
        );
        psql(&sql) != "0"
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while !is_so() {
            assert!(std::time::Instant::now() < deadline, "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Writes a message, and cuts the line while the server is about its commit; what was told, and whether it is kept.
    /// Meanwhile nobody can sign in, and the commit is made or, when the process comes back, given up.
    async fn written(&self, is_made: bool) -> (Result<Receipt, JournalError>, usize) {
        let holder = Holder::of(&self.name);
        self.until("the lock is held", || self.has_lock(true)).await;
        let writing = tokio::spawn({
            let journal = self.journal.clone();
            async move {
                let claim = true;
                journal
                    .write(Change::Received(Box::new(Received { claim, ..mail(1) })))
                    .await
            }
        });
        self.until("the commit waits", || self.has_lock(false)).await;
        psql(&format!("ALTER ROLE {} NOLOGIN", self.name));
        self.proxy.cut();
        let refused = self.journal.write(Change::Received(Box::new(mail(2)))).await;
        assert!(matches!(refused, Err(JournalError::NotWritten { .. })), "{refused:?}");
        assert!(!writing.is_finished(), "nobody is told what nobody knows");
        if is_made {
            drop(holder);
            let kept = format!("SELECT count(*) FROM {}.entry", self.name);
            self.until("the commit is made", || psql(&kept) == "1").await;
        }
        psql(&format!("ALTER ROLE {} LOGIN", self.name));
        let told = writing.await.unwrap();
        let kept = self.journal.rows(RowFilter::default()).await.unwrap().len();
        (told, kept)
    }
}

/// A session that holds the lock until it is dropped.
struct Holder(std::process::Child);

impl Holder {
    fn of(name: &str) -> Holder {
        let hold = format!("SELECT pg_advisory_lock({}, hashtext('{name}'))", Cut::LOCK);
        Holder(Server::shared().session(&hold))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn a_commit_without_an_answer_that_was_made_is_told_as_made() {
    let cut = Cut::begin();
    let (told, kept) = cut.written(true).await;
    let journal = &cut.journal;
    let Ok(Receipt::New(entry, _, Some(claim))) = told else {
        panic!("{told:?}")
    };
    assert_eq!(kept, 1);
    // It is in hand, and whoever asked for it knows.
    assert!(journal.claim(10, None).await.unwrap().is_empty());
    assert!(matches!(
        journal.write(Change::Released { claim }).await,
        Ok(Receipt::Done)
    ));
    assert_eq!(journal.claim(10, None).await.unwrap()[0].claim.entry, entry);
    assert!(journal.position(&support(), "INBOX").await.unwrap().is_none());
}

#[tokio::test]
async fn a_commit_without_an_answer_that_was_not_made_is_told_as_not_made() {
    let (told, kept) = Cut::begin().written(false).await;
    assert!(matches!(told, Err(JournalError::NotWritten { .. })), "{told:?}");
    assert_eq!(kept, 0);
}
