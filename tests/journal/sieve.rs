//! What only the SQLite back end has: what a search need not read.

use halo_intake::{
    journal::{Change, EntryId, RowFilter, Settled},
    outcome::Outcome,
};
use jiff::Timestamp;

use crate::{
    on_sqlite::world,
    world::{World, ended, future, mail, past},
};

/// Four hundred messages, the `n`th of which has that id, are four blocks of ids, the last of them not whole.
async fn four_hundred() -> World {
    let world = world();
    for n in 1..=400 {
        world.receive_new(mail(n)).await;
    }
    world
}

fn change(world: &World, sql: &str) {
    let db = rusqlite::Connection::open(world.folder().join("journal.db")).unwrap();
    db.execute_batch(sql).unwrap();
}

async fn found(world: &World, text: &str) -> Vec<i64> {
    let filter = RowFilter {
        grep: Some(text.into()),
        ..RowFilter::default()
    };
    let rows = world.journal.rows(filter).await.unwrap();
    rows.iter().map(|row| row.id.0).collect()
}

async fn trim(world: &World, rows_before: Timestamp) {
    let trimmed = Change::Trimmed {
        octets_before: past(),
        rows_before,
    };
    world.done(trimmed).await;
}

#[tokio::test]
async fn a_search_reads_only_where_its_letters_stand_together() {
    let world = four_hundred().await;
    assert_eq!(found(&world, "ann77@").await, [77]);
    // Nothing stands there, as far as is kept of it.
    change(&world, "UPDATE sieve SET bits = zeroblob(4000) WHERE block = 0");
    for (text, ids) in [("ann77@", &[][..]), ("77@", &[377, 277, 177]), ("277@", &[277])] {
        assert_eq!(found(&world, text).await, ids, "{text}");
    }
    assert!(found(&world, "7").await.iter().all(|id| *id >= 128));
    let all: Vec<i64> = (1..=400).rev().collect();
    assert_eq!(found(&world, "").await, all);
}

#[tokio::test]
async fn an_older_journal_is_searched_rightly_before_and_after_retention_made_what_it_lacks() {
    let world = four_hundred().await;
    let kept = || {
        let db = rusqlite::Connection::open(world.folder().join("journal.db")).unwrap();
        let mut blocks = db.prepare("SELECT block FROM sieve ORDER BY block").unwrap();
        let blocks = blocks.query_map([], |row| row.get::<_, i64>(0)).unwrap();
        blocks.map(Result::unwrap).collect::<Vec<_>>()
    };
    assert_eq!(kept(), [0, 1, 2, 3]);
    // As the migration leaves it.
    change(&world, "DELETE FROM sieve; UPDATE sieved SET since = 4");
    assert_eq!(found(&world, "ann77@").await, [77]);
    // One that changes brings its block, with all that its neighbours said before.
    let claims = world.claim(200).await;
    let claim = claims
        .iter()
        .find(|work| work.claim.entry == EntryId(140))
        .unwrap()
        .claim;
    world.end(claim, ended(Outcome::Completed, "Wellensittich")).await;
    world.receive_new(mail(401)).await;
    assert_eq!(kept(), [1, 3]);
    for _ in 0..2 {
        for (text, id) in [
            ("ann77@", 77),
            ("ann150@", 150),
            ("ann277@", 277),
            ("ann399@", 399),
            ("sittich", 140),
            ("ann401@", 401),
        ] {
            assert_eq!(found(&world, text).await, [id], "{text}");
        }
        trim(&world, past()).await;
        assert_eq!(kept(), [0, 1, 2, 3]);
    }
}

#[tokio::test]
async fn what_retention_empties_keeps_nothing_to_be_searched() {
    let world = four_hundred().await;
    let leave = world
        .claim(400)
        .await
        .into_iter()
        .filter(|work| work.claim.entry.0 != 300);
    let leave = leave.map(|work| {
        let world = &world;
        async move {
            world.end(work.claim, ended(Outcome::Completed, "")).await;
            world.settled(work.claim.entry, Settled::leaving("moved")).await;
        }
    });
    futures_util::future::join_all(leave).await;
    trim(&world, future()).await;
    assert_eq!(found(&world, "ann").await, [300]);
    let db = rusqlite::Connection::open(world.folder().join("journal.db")).unwrap();
    let kept: (i64, i64) = db
        .query_row("SELECT min(block), max(block) FROM sieve", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(kept, (2, 2));
}
