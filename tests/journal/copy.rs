//! A journal that moves to the other back end, and back.

use std::collections::BTreeMap;

use halo_intake::{
    config::ConnectionName,
    journal::{
        Change, EntryId, Fellow, Folding, Joined, Journal, JournalError, Notice, Post, Queue, Receipt, Received, RowFilter, Settled, Way,
        copy::{self, Copied, CopyError, Seat},
        postgres::Postgres, sqlite::Sqlite,
    },
    clock::Clock,
    outcome::Outcome,
    secret::{Secret, SecretString},
};
use jiff::Timestamp;
use serde_json::json;

use super::{model, world};
use crate::{
    servers::postgres::Postgres as Server,
    world::{Lies, patiently, World, at, ended, future, letter, mail, past, support, user},
};

fn connection() -> ConnectionName {
    ConnectionName("main".into())
}

fn seat(lies: &Lies) -> Seat {
    match lies {
        Lies::In(folder) => Seat::Folder(folder.path().to_owned()),
        Lies::At(address) => Seat::Server {
            address: Secret::Literal(SecretString::from(address.clone())),
            state_dir: None,
        },
    }
}

/// A place for it in the other back end.
fn elsewhere(lies: &Lies) -> Lies {
    match lies {
        Lies::In(_) => Lies::nowhere_in_postgres(),
        Lies::At(_) => Lies::nowhere_in_sqlite(),
    }
}

/// As the command does it: in no task.
fn tried(from: &Lies, to: &Lies, tell: &mut (dyn FnMut(u64, u64) + Send)) -> Result<Vec<Copied>, CopyError> {
    let (from, to) = (seat(from), seat(to));
    std::thread::scope(|scope| {
        let copied = scope.spawn(|| copy::copy(&from, &to, tell)).join();
        copied.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The same of journals that nobody has.
fn copied_as(from: &Lies, to: &Lies, mut tell: impl FnMut(u64, u64) + Send) -> Result<Vec<Copied>, CopyError> {
    patiently(|| tried(from, to, &mut tell), |error| matches!(error, CopyError::Journal(JournalError::InUse { .. })))
}

fn copied(from: &Lies, to: &Lies) -> Vec<Copied> {
    copied_as(from, to, |_, _| {}).unwrap()
}

/// What the journal can only say no to, and why.
fn refused(copied: Result<Vec<Copied>, CopyError>, reason: &str) {
    let error = copied.unwrap_err().to_string();
    assert!(error.contains(reason), "{error}");
}

/// A message that comes and goes again, by retention too.
async fn gone(world: &World) -> EntryId {
    let gone = world.with_outcome(mail(9_999), Outcome::Completed).await;
    world.settled(gone, Settled::leaving("moved to Processed")).await;
    let trimmed = Change::Trimmed {
        octets_before: past(),
        rows_before: future(),
    };
    world.done(trimmed).await;
    assert!(world.journal.entry(gone).await.unwrap().is_none());
    gone
}

/// One to which everything has happened that leaves a row.
async fn filled(seed: u64) -> World {
    let world = model::filled(seed).await;
    gone(&world).await;
    let kept = |name: &str, value| Change::Kept {
        name: name.into(),
        value,
    };
    world.done(kept("halo main", json!({ "token": "none" }))).await;
    world.done(kept("halo other", json!([1, "two", null]))).await;
    let position = Change::Positioned {
        mailbox: support(),
        folder: "INBOX".into(),
        validity: 7,
        next_uid: 400,
    };
    world.done(position).await;
    let joined = Joined {
        connection: connection(),
        ticket: 7,
        keys: vec!["a".into(), "b".into()],
        author: "ann@customer.example".into(),
        at: at(1),
    };
    world.done(Change::Joined(joined)).await;
    let notice = |n: i64| Notice {
        entry: None,
        topic: format!("topic {n}"),
        text: "it went wrong\nthere".into(),
        at: at(n),
    };
    for n in 0..3 {
        world.done(Change::Noticed(notice(n))).await;
    }
    steps(&world).await;
    folds(&world).await;
    world
}

async fn steps(world: &World) {
    let octets: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(3 << 20).collect();
    let large = Received {
        octets: octets.into(),
        subject: "Größe ✓".into(),
        ..mail(9_001)
    };
    let claim = world.in_hand(large).await;
    world.intended(claim, "0", past(), Some(user("ann@customer.example"))).await;
    world.answered(claim, "0", json!({ "id": 12 }), Some(user("ann@customer.example"))).await;
    world.intended(claim, "1", past(), Some(user("bob@customer.example"))).await;
    let post = Post {
        mark: "a mark".into(),
        letter: letter("ops@example.com"),
        limit: None,
    };
    world.write(Change::Posted { claim, post: Box::new(post) }).await;
    world.end(claim, ended(Outcome::Failed, "Halo answers 400")).await;
    world.settled(claim.entry, Settled::staying("kept")).await;
}

async fn folds(world: &World) {
    let fellow = |mark: &str| Fellow {
        key: "disk full".into(),
        mark: mark.into(),
    };
    let came = |mark| Folding::Came {
        fellow: fellow(mark),
        line: format!("line of {mark}"),
        within: std::time::Duration::from_secs(3600),
    };
    let made = Folding::Made {
        fellow: fellow("a"),
        ticket: json!({ "id": 77 }),
    };
    for (n, folding) in [(9_002, came("a")), (9_003, came("b")), (9_002, made), (9_004, came("c"))] {
        let claim = match world.receive(Received { claim: true, ..mail(n) }).await {
            Receipt::New(_, _, claim) => claim.unwrap(),
            Receipt::Known(entry) => halo_intake::journal::Claim { entry, token: 1 },
            other => panic!("{other:?}"),
        };
        let connection = connection();
        let receipt = world.write(Change::Folded { claim, connection, folding }).await;
        assert!(!matches!(receipt, Receipt::Stale), "{n}");
    }
}

/// All that it answers.
async fn answers(journal: &dyn Journal) -> Vec<String> {
    let mut said = Vec::new();
    let rows = journal.rows(RowFilter { limit: None, ..RowFilter::default() }).await.unwrap();
    for row in &rows {
        let id = row.id;
        let entry = journal.entry(id).await.unwrap().unwrap();
        let octets = journal.octets(id).await.unwrap();
        let digest = octets.map(|octets| crate::world::digest(&format!("{octets:?}")));
        said.push(format!("{row:?} {entry:?} {digest:?} {:?}", journal.intents(id).await.unwrap()));
        said.push(format!("{:?}", journal.last_attempts(id, 9).await.unwrap()));
    }
    let ids = rows.iter().map(|row| row.id).collect();
    said.push(format!("{:?}", journal.as_they_ran(ids).await.unwrap()));
    for way in Way::ALL {
        said.push(format!("{:?}", journal.letters(way, 999, Some(Timestamp::MAX)).await.unwrap()));
        said.push(format!("{:?}", journal.notices(way).await.unwrap()));
        said.push(format!("{:?}", journal.report_waits(way).await.unwrap()));
        said.push(format!("{:?}", journal.next_due(Queue::Letters(way)).await.unwrap()));
    }
    said.push(format!("{:?}", journal.next_due(Queue::Work).await.unwrap()));
    said.push(format!("{:?}", journal.position(&support(), "INBOX").await.unwrap()));
    said.push(format!("{:?}", journal.unsettled(&support(), 999).await.unwrap()));
    said.push(format!("{:?}", journal.unsettled_in().await.unwrap()));
    for key in ["ann@customer.example", "bob@customer.example"] {
        said.push(format!("{:?}", journal.creation(&user(key)).await.unwrap()));
    }
    said.push(format!("{:?}", journal.tickets_of(&connection(), vec!["b".into()]).await.unwrap()));
    said.push(format!("{:?}", journal.took_part(&connection(), 7, "ann@customer.example").await.unwrap()));
    said.push(format!("{:?}", journal.kept_under("").await.unwrap()));
    let mut survey = journal.survey().await.unwrap();
    survey.octets = 0;
    said.push(format!("{survey:?}"));
    said.push(format!("{:?} {:?}", journal.totals().await.unwrap(), journal.rule_counts().await.unwrap()));
    said.push(format!("{:?}", journal.day(Timestamp::MIN, Timestamp::MAX).await.unwrap()));
    said
}

/// What is taken in hand next, one after the other.
async fn claims(world: &World) -> Vec<String> {
    let work = world.journal.claim(999, Some(Timestamp::MAX)).await.unwrap();
    work.iter().map(|work| format!("{work:?}")).collect()
}

#[tokio::test]
async fn there_and_back_again_a_journal_answers_the_same() {
    for seed in 0..3 {
        // What was in hand is given back by whoever opens it next.
        let here = filled(seed).await.restarted();
        let said = answers(&*here.journal).await;
        let World { journal, lies: first } = here;
        drop(journal);

        let second = elsewhere(&first);
        copied(&first, &second);
        let there = World::opened(second);
        assert_eq!(answers(&*there.journal).await, said, "{seed}");
        let World { journal, lies: second } = there;
        drop(journal);

        let third = elsewhere(&second);
        assert_eq!(copied(&second, &third), copied(&first, &elsewhere(&first)));
        let (here, back) = (World::opened(first), World::opened(third));
        assert_eq!(answers(&*back.journal).await, said, "{seed}");
        assert_eq!(claims(&back).await, claims(&here).await, "{seed}");
    }
}

#[tokio::test]
async fn what_comes_after_the_copy_has_an_id_of_its_own() {
    let here = model::filled(1).await;
    let gone = gone(&here).await;
    let World { journal, lies } = here;
    drop(journal);
    let mut from = lies;
    for _ in 0..2 {
        let to = elsewhere(&from);
        copied(&from, &to);
        from = to;
    }
    let there = World::opened(from);
    let new = there.receive_new(mail(10_001)).await;
    assert_eq!(new.0, gone.0 + 1);
    let claim = there.in_hand(mail(10_002)).await;
    there.intended(claim, "0", past(), Some(user("eve@customer.example"))).await;
    there.done(Change::Noticed(Notice { entry: None, topic: "new".into(), text: String::new(), at: past() })).await;
    assert_eq!(there.topics().await.last().unwrap(), "new");
}

#[tokio::test]
async fn a_copy_that_was_cut_short_is_no_journal_and_the_next_one_begins_afresh() {
    let World { journal, lies: from } = filled(2).await.restarted();
    drop(journal);
    let to = elsewhere(&from);
    let cut = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        copied_as(&from, &to, |done, all| assert!(done * 2 < all, "the process ends here"))
    }));
    assert!(cut.is_err());
    for owner in [true, false] {
        let opened = match &to {
            Lies::In(folder) => Sqlite::open(folder.path(), Clock::system(), owner),
            Lies::At(address) => Postgres::open(address, Clock::system(), owner, None),
        };
        match opened {
            Err(JournalError::Unusable { reason, .. }) => assert_eq!(
                reason,
                "it is a copy that goes on just now or was cut short; halo-intake journal copy FROM TO begins it afresh"
            ),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was taken for a journal"),
        }
    }
    refused(copied_as(&to, &elsewhere(&to), |_, _| {}), "was cut short");
    copied(&from, &to);
    let (here, there) = (World::opened(from), World::opened(to));
    assert_eq!(answers(&*there.journal).await, answers(&*here.journal).await);
}

#[tokio::test]
async fn a_copy_goes_into_an_empty_journal_that_nobody_has() {
    let here = world();
    here.receive_new(mail(1)).await;
    let to = elsewhere(&here.lies);
    refused(tried(&here.lies, &to, &mut |_, _| {}), "is in use by another process; stop that one");
    let World { journal, lies: from } = here;
    drop(journal);
    let there = World::opened(to);
    refused(tried(&from, &there.lies, &mut |_, _| {}), "is in use by another process; stop that one");
    there.receive_new(mail(2)).await;
    let World { journal, lies: to } = there;
    drop(journal);
    let held = "it has rows already (entry 1, octets 1, total 2), and a copy goes into an empty one; ";
    refused(copied_as(&from, &to, |_, _| {}), held);
    // Nothing was changed on either side.
    assert_eq!(World::opened(to).topics().await.len(), 0);
    refused(copied_as(&elsewhere(&from), &elsewhere(&from), |_, _| {}), "there is no journal");
    refused(copied_as(&from, &from, |_, _| {}), "FROM and TO are the same journal");
    assert_eq!(copied(&from, &elsewhere(&from))[0].rows, 1);
}

#[tokio::test]
async fn a_text_with_a_sign_that_postgresql_does_not_keep_is_the_same_in_both() {
    let world = world();
    let subject = "nul\0 in it".to_owned();
    let odd = world.receive_new(Received { subject, ..mail(1) }).await;
    let World { journal, lies: from } = world;
    drop(journal);
    let to = elsewhere(&from);
    copied(&from, &to);
    let subject = World::opened(to).entry(odd).await.row.subject;
    assert_eq!(subject.replace('\0', "\u{2400}"), "nul\u{2400} in it");
}

/// Somebody changes a row by hand.
fn change(lies: &Lies, what: &str) {
    match lies {
        Lies::In(folder) => {
            let db = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
            assert_eq!(db.execute(&format!("UPDATE {what}"), []).unwrap(), 1);
        }
        Lies::At(address) => {
            let schema = address.rsplit("%3D").next().unwrap();
            let changed = Server::shared().psql(&format!("UPDATE {schema}.{what} RETURNING 1")).unwrap();
            assert_eq!(changed, "1");
        }
    }
}

#[tokio::test]
async fn a_copy_that_is_not_the_same_stays_unused() {
    let world = world();
    world.receive_new(mail(1)).await;
    let World { journal, lies: from } = world;
    drop(journal);
    let to = elsewhere(&from);
    let mut tables = 0;
    // Entry and octets are there, and it goes on with attempts.
    let differs = copied_as(&from, &to, |_, _| {
        tables += 1;
        if tables == 3 {
            change(&to, "entry SET subject = 'mail 2'");
        }
    });
    assert!(matches!(differs, Err(CopyError::Differs { table: "entry", .. })), "{differs:?}");
    refused(copied_as(&to, &elsewhere(&to), |_, _| {}), "was cut short");
}

/// The columns of each table that are written, by the names of the tables.
fn tables(lies: &Lies) -> BTreeMap<String, Vec<String>> {
    let listed = match lies {
        Lies::In(folder) => {
            let db = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
            let sql = "SELECT s.name || ' ' || c.name FROM sqlite_schema AS s, pragma_table_info(s.name) AS c
                WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
            let mut statement = db.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
            rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
        }
        Lies::At(address) => {
            let schema = address.rsplit("%3D").next().unwrap();
            let sql = format!(
                "SELECT table_name || ' ' || column_name FROM information_schema.columns
                 WHERE table_schema = '{schema}' AND is_generated = 'NEVER'"
            );
            Server::shared().psql(&sql).unwrap()
        }
    };
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in listed.lines().filter_map(|line| line.split_once(' ')) {
        tables.entry(table.to_owned()).or_default().push(column.to_owned());
    }
    tables.values_mut().for_each(|columns| columns.sort());
    // What a database has for itself, as `TABLES` in the source says.
    tables.retain(|table, _| !["sieve", "sieved", "schema_version"].contains(&table.as_str()));
    tables
}

/// A migration that adds a table or a column has to be told to the copy, and to the other back end.
#[tokio::test]
async fn every_table_is_copied_and_both_back_ends_have_the_same_columns() {
    let World { journal, lies: from } = world();
    drop(journal);
    let to = elsewhere(&from);
    let copied: Vec<String> = copied(&from, &to).iter().map(|copied| copied.table.to_owned()).collect();
    let tables_there = tables(&to);
    assert_eq!(tables(&from), tables_there);
    let mut known = copied;
    known.sort();
    assert_eq!(tables_there.into_keys().collect::<Vec<_>>(), known);
}

/// Also of what no test fills: each table had a row on its way.
#[tokio::test]
async fn the_journal_of_these_tests_has_rows_in_every_table() {
    let World { journal, lies: from } = filled(0).await;
    drop(journal);
    let empty: Vec<&str> = copied(&from, &elsewhere(&from))
        .iter()
        .filter(|copied| copied.rows == 0)
        .map(|copied| copied.table)
        .collect();
    assert_eq!(empty, [] as [&str; 0]);
}
