//! A journal that moves to the other back end, and back.

use halo_intake::{
    clock::Clock,
    config::ConnectionName,
    journal::{
        Change, JournalError, Notice, Opening, Received,
        copy::{self, Copied, CopyError, Seat},
        postgres::Postgres,
        sqlite::Sqlite,
    },
    secret::{Secret, SecretString},
};

use super::{model, world};
use crate::{
    servers::postgres::Postgres as Server,
    world::{Lies, World, mail, past, patiently, user},
};
use catalog::{indexes, tables};
use filled::{answers, claims, filled, gone};

mod catalog;
mod filled;

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
        // Whoever opened the second one is written down there.
        let without_nodes = |copied: Vec<Copied>| copied.into_iter().filter(|copied| copied.table != "node");
        assert!(without_nodes(copied(&second, &third)).eq(without_nodes(copied(&first, &elsewhere(&first)))));
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
    for opening in [Opening::Alone, Opening::Look] {
        let opened = match &to {
            Lies::In(folder) => Sqlite::open(folder.path(), Clock::system(), opening),
            Lies::At(address) => Postgres::open(address, Clock::system(), opening, None),
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
    refused(tried(&here.lies, &to, &mut |_, _| {}), "is in use by another process; stop ");
    let World { journal, lies: from } = here;
    drop(journal);
    let there = World::opened(to);
    refused(tried(&from, &there.lies, &mut |_, _| {}), "is in use by another process; stop ");
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

#[tokio::test]
async fn indexes_and_triggers_are_those_of_any_other_journal() {
    let World { journal, lies: from } = world();
    drop(journal);
    let (there, back) = (elsewhere(&from), elsewhere(&elsewhere(&from)));
    copied(&from, &there);
    copied(&there, &back);
    assert_eq!(indexes(&back), indexes(&from));
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
