//! What only the SQLite back end has: its files, its lock, its readers in other processes, its commits.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use halo_intake::{
    clock::Clock,
    journal::{
        Change, Journal, JournalError, Ledger, Opening, Received, RowFilter, Way,
        node::{Duty, NodeState, Nodes},
        sqlite::Sqlite,
    },
    outcome::Outcome,
};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::{
    on_sqlite::world,
    world::{Lies, ended, future, mail, mail_of, past, positioned},
};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn own(folder: &Path) -> Result<Ledger, JournalError> {
    Sqlite::open(folder, Clock::system(), Opening::Alone)
}

fn look(folder: &Path) -> Result<Ledger, JournalError> {
    Sqlite::open(folder, Clock::system(), Opening::Look)
}

fn pragma(folder: &Path, name: &str) -> i64 {
    let db = rusqlite::Connection::open(folder.join("journal.db")).unwrap();
    db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).unwrap()
}

/// What is refused, and the reason without the path.
fn check(opened: Result<Ledger, JournalError>, reason: &str) {
    match opened {
        Err(JournalError::Unusable { reason: given, .. }) => assert_eq!(given, reason),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened, though {reason}"),
    }
}

#[test]
fn the_files_are_for_their_owner_alone_and_shrink_when_they_can() {
    let folder = folder();
    let state = folder.path().join("a/state");
    drop(own(&state).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("journal.db")), 0o600);
    assert_eq!(pragma(&state, "auto_vacuum"), 2, "INCREMENTAL");
    assert!(pragma(&state, "user_version") > 0);
}

#[test]
fn a_second_owner_is_refused_until_the_first_has_gone() {
    let folder = folder();
    let first = own(folder.path()).unwrap();
    match own(folder.path()) {
        Err(error @ JournalError::InUse { .. }) => {
            let path = folder.path().display();
            let text = format!(
                "the journal in {path} is in use by another process; stop that one, or give this one a state_dir of its own"
            );
            assert_eq!(error.to_string(), text);
        }
        other => panic!("{:?}", other.err()),
    }
    drop(first);
    own(folder.path()).unwrap();
}

#[test]
fn what_is_not_our_journal_is_refused_and_left_alone() {
    let foreign =
        b"not a database, but long enough to be taken for the header of one by mistake ..............".repeat(9);
    let text = folder();
    fs::write(text.path().join("journal.db"), &foreign).unwrap();
    check(
        own(text.path()),
        "it is not an SQLite database; move it away or set another state_dir",
    );
    check(
        look(text.path()),
        "it is not an SQLite database; move it away or set another state_dir",
    );
    assert_eq!(fs::read(text.path().join("journal.db")).unwrap(), foreign);

    let other = folder();
    let db = rusqlite::Connection::open(other.path().join("journal.db")).unwrap();
    db.execute_batch("CREATE TABLE theirs (n)").unwrap();
    check(
        own(other.path()),
        "it is the database of another program; move it away or set another state_dir",
    );

    let newer = folder();
    drop(own(newer.path()).unwrap());
    let known = pragma(newer.path(), "user_version");
    let db = rusqlite::Connection::open(newer.path().join("journal.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    let reason = format!(
        "it has version 99 and this program knows versions up to {known}; install the newer halo-intake again, or set \
         another state_dir"
    );
    check(own(newer.path()), &reason);
    check(look(newer.path()), &reason);
}

#[tokio::test]
async fn a_journal_of_the_first_version_keeps_its_letters() {
    let folder = folder();
    let db = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
    db.execute_batch(include_str!("../../src/journal/sqlite/migrations/0001_start.sql"))
        .unwrap();
    db.execute_batch("PRAGMA application_id = 0x48494A31; PRAGMA user_version = 1;")
        .unwrap();
    db.execute(
        "INSERT INTO letter (recipients, octets, created, due) VALUES ('[\"ops@example.com\"]', ?1, 1, 1)",
        [zstd::encode_all(&b"To: ops\r\n"[..], 1).unwrap()],
    )
    .unwrap();
    drop(db);
    check(
        look(folder.path()),
        "it was made by an older version; start the daemon once to bring it up to date",
    );
    let due = own(folder.path())
        .unwrap()
        .letters(Way::Mail, 10, None)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        (due.letter.octets.as_ref(), due.letter.not_after),
        (&b"To: ops\r\n"[..], None)
    );
}

/// A journal as the first version left it, with a message and what a connection had sent.
fn of_the_first_version(folder: &Path) {
    let start = include_str!("../../src/journal/sqlite/migrations/0001_start.sql");
    let db = rusqlite::Connection::open(folder.join("journal.db")).unwrap();
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL").unwrap();
    db.execute_batch(start).unwrap();
    db.execute_batch(
        "PRAGMA application_id = 1212762673; PRAGMA user_version = 1;
         INSERT INTO entry (mailbox, folder, kind, validity, name, received, internal_date, size, author, subject,
            message_id, heard, fingerprint, digest, author_key, thread_key, state, outcome, attempts)
         VALUES ('support', 'INBOX', 'uid', 7, '1', 0, 0, 42, 'ann@customer.example', 'Hello', '', '', x'', x'', '',
            '', 'ended', 'completed', 1);
         INSERT INTO kept (name, value) VALUES ('halo main',
            '{\"pace\":{\"sent\":[1700000000000,1700000000500],\"held_until\":null},\"site_domains\":[]}')",
    )
    .unwrap();
}

#[tokio::test]
async fn a_journal_of_the_former_version_is_brought_up_to_date_by_its_owner() {
    let folder = folder();
    of_the_first_version(folder.path());
    check(
        look(folder.path()),
        "it was made by an older version; start the daemon once to bring it up to date",
    );
    let journal = own(folder.path()).unwrap();
    let rows = journal.rows(RowFilter::default()).await.unwrap();
    assert_eq!((rows[0].subject.as_str(), rows[0].calls), ("Hello", 0));
    let pace = journal.kept("pace main").await.unwrap();
    assert_eq!(
        pace,
        Some(
            serde_json::json!({ "sent": [[1_700_000_000_000_i64, 1], [1_700_000_000_500_i64, 1]], "held_until": null })
        )
    );
    look(folder.path()).unwrap();
}

#[test]
fn a_reader_says_that_there_is_no_journal_and_makes_none() {
    let folder = folder();
    check(
        look(folder.path()),
        "there is no journal yet; the daemon makes it when it starts, in the state_dir of its configuration (--config says which one is read here)",
    );
    assert!(!folder.path().join("journal.db").exists());
    fs::write(folder.path().join("journal.db"), b"").unwrap();
    check(look(folder.path()), "it is just being made by the daemon; try again");
}

#[tokio::test]
async fn a_reader_reads_beside_the_daemon_and_after_it() {
    let world = world();
    let entry = world.receive_new(mail(1)).await;
    let reader = look(world.folder()).unwrap();
    let rows = || async { reader.rows(RowFilter::default()).await.unwrap().len() };
    assert_eq!(rows().await, 1);
    world.receive_new(mail(2)).await;
    assert_eq!(rows().await, 2);
    let refused = reader.write(Change::Reopened { entry }).await.unwrap_err().to_string();
    assert_eq!(
        refused,
        "the journal can not be written: it was opened for reading only"
    );
    assert!(reader.claim(1, None).await.is_err());

    let Lies::In(folder) = world.lies else {
        panic!("not in SQLite")
    };
    drop(world.journal);
    assert_eq!(rows().await, 2);
    let late = look(folder.path()).unwrap();
    assert!(late.octets(entry).await.unwrap().is_some());
    drop((reader, late));
    own(folder.path()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_writes_of_sixteen_tasks_share_commits() {
    let folder = folder();
    let journal = Arc::new(own(folder.path()).unwrap());
    let before = journal.commits();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let journal = journal.clone();
        tasks.spawn(async move {
            for n in 0..63 {
                let received = mail_of(task * 63 + n, "ann", "");
                journal.write(Change::Received(Box::new(received))).await.unwrap();
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let commits = journal.commits() - before;
    assert_eq!(journal.rows(RowFilter::default()).await.unwrap().len(), 1008);
    assert!(commits < 504, "{commits} commits for 1008 writes");
}

#[tokio::test]
async fn what_retention_drops_makes_the_file_smaller() {
    let world = world();
    let mut random = fastrand::Rng::with_seed(1);
    let octets: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(20 << 20).collect();
    let received = Received {
        octets: octets.into(),
        ..mail(1)
    };
    world.with_outcome(received, Outcome::Completed).await;
    let pages = || pragma(world.folder(), "page_count");
    assert!(pages() > 5000);
    world
        .done(Change::Trimmed {
            octets_before: future(),
            rows_before: past(),
        })
        .await;
    assert!(pages() < 2500, "{} pages", pages());
}

#[tokio::test]
async fn what_was_written_is_there_after_the_process_was_cut_off() {
    let world = world();
    let entry = world.with_outcome(mail(1), Outcome::Completed).await;
    let in_hand = world.in_hand(mail(2)).await;
    // The files as a crash leaves them, with the last commits in the log that SQLite writes ahead.
    let copy = folder();
    for file in fs::read_dir(world.folder()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    assert!(fs::metadata(copy.path().join("journal.db-wal")).unwrap().len() > 0);

    let reader = look(copy.path()).unwrap();
    assert_eq!(reader.entry(entry).await.unwrap().unwrap().row.outcome, "completed");
    drop(reader);
    let journal = own(copy.path()).unwrap();
    assert_eq!(journal.entry(entry).await.unwrap().unwrap().row.outcome, "completed");
    let work = journal.claim(10, None).await.unwrap();
    assert_eq!((work[0].claim.entry, work[0].attempt), (in_hand.entry, 2));
    let ended = Box::new(ended(Outcome::Completed, ""));
    journal
        .write(Change::Ended {
            claim: work[0].claim,
            ended,
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn at_a_rest_what_was_written_goes_from_the_log_to_its_place() {
    let world = world();
    let entry = world.with_outcome(mail(1), Outcome::Completed).await;
    let is_in_its_place = async || {
        let alone = folder();
        fs::copy(world.folder().join("journal.db"), alone.path().join("journal.db")).unwrap();
        match look(alone.path()) {
            Ok(journal) => journal.entry(entry).await.unwrap().is_some(),
            // Not even its tables are there.
            Err(JournalError::Unusable { .. }) => false,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(!is_in_its_place().await);
    world.journal.rest().await.unwrap();
    // The first may share its commit with the rest; the second comes after it.
    world.done(positioned(2)).await;
    world.done(positioned(3)).await;
    assert!(is_in_its_place().await);
}

#[tokio::test]
async fn a_clock_that_was_set_back_hides_no_row() {
    let world = world();
    let mut ids = Vec::new();
    for n in 1..=4 {
        ids.push(world.receive_new(mail(n)).await);
    }
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let db = rusqlite::Connection::open(world.folder().join("journal.db")).unwrap();
    for (id, second) in ids.iter().zip([100, 200, 100, 150]) {
        db.execute(
            "UPDATE entry SET received = ?2 WHERE id = ?1",
            (id.0, second * 1_000_000_i64),
        )
        .unwrap();
    }
    let between = |since, until| RowFilter {
        since: Some(at(since)),
        until: Some(at(until)),
        ..RowFilter::default()
    };
    for (since, until, expected) in [(150, 300, [ids[3], ids[1]]), (0, 150, [ids[2], ids[0]])] {
        let rows = world.journal.rows(between(since, until)).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn who_reads_it_sees_by_the_lock_whether_the_one_node_runs() {
    let folder = folder();
    let state = |looked: Nodes| looked.nodes.iter().map(|node| node.state).collect::<Vec<_>>();
    let first = own(folder.path()).unwrap();
    let duties = BTreeSet::from([Duty::Outbox]);
    first.beat(duties.clone(), BTreeSet::new()).await.unwrap();
    let looks = look(folder.path()).unwrap();
    let seen = looks.nodes().await.unwrap();
    assert_eq!((&seen.nodes[0].duties, seen.nodes[0].seen), (&duties, seen.now));
    assert_eq!(state(seen), [NodeState::Alive]);
    drop(first);
    assert_eq!(state(looks.nodes().await.unwrap()), [NodeState::Lost]);
    assert_eq!(
        state(looks.nodes().await.unwrap()),
        [NodeState::Lost],
        "a look takes no lock"
    );

    // A command says nothing of what it could do, and is none of them when it has ended.
    drop(own(folder.path()).unwrap());
    let second = own(folder.path()).unwrap();
    second.beat(duties, BTreeSet::new()).await.unwrap();
    second.leave().await.unwrap();
    assert_eq!(
        state(looks.nodes().await.unwrap()),
        [NodeState::Stopped, NodeState::Lost]
    );
}
