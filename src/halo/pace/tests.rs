use std::{num::NonZeroU32, path::Path, sync::Arc};

use jiff::Timestamp;

use super::*;
use crate::{
    clock::Clock,
    config::ConnectionName,
    journal::{Journal, Opening, sqlite::Sqlite},
};

mod nodes;

const SECOND: Duration = Duration::from_secs(1);

fn journal(folder: &Path, opening: Opening) -> Arc<dyn Journal> {
    Arc::new(Sqlite::open(folder, Clock::system(), opening).unwrap())
}

/// A pace of so many requests in ten minutes over this journal.
fn pace(count: u32, journal: &Arc<dyn Journal>) -> Pace {
    pace_of(count, 600 * SECOND, journal)
}

fn pace_of(count: u32, per: Duration, journal: &Arc<dyn Journal>) -> Pace {
    let rate = Rate {
        count: NonZeroU32::new(count).unwrap(),
        per,
    };
    let hold = Backoff {
        first: 5 * SECOND,
        longest: 60 * SECOND,
    };
    let ledger = Ledger::new(journal.clone(), &ConnectionName("main".into()));
    let meter = Meter::new(ConnectionName("main".into()), Arc::default());
    Pace::new(rate, (hold, SECOND), Some(ledger), meter)
}

/// How many requests may leave without waiting; they do.
async fn free(pace: &Pace) -> usize {
    pace.recall(&mut *pace.line.lock().await).await.unwrap();
    let mut free = 0;
    while pace.window().grant(Instant::now(), true) == Grant::Now {
        pace.window().end(Instant::now());
        free += 1;
    }
    free
}

#[tokio::test]
async fn a_kill_forgets_nothing_and_wastes_no_more_than_a_slice() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), Opening::Alone);
    let first = pace(100, &journal);
    for _ in 0..5 {
        first.slot().await.unwrap();
    }
    // As a kill leaves it: nothing is told any more.
    drop(first);
    let second = pace(100, &journal);
    assert_eq!(free(&second).await, 100 - 6, "slices of two");
}

#[tokio::test]
async fn an_end_in_order_wastes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), Opening::Alone);
    let first = pace(100, &journal);
    for _ in 0..5 {
        first.slot().await.unwrap();
    }
    first.settle().await.unwrap();
    assert_eq!(free(&first).await, 95);
    first.settle().await.unwrap();
    let second = pace(200, &journal);
    assert_eq!(free(&second).await, 100);
}

#[tokio::test]
async fn what_was_under_way_at_a_kill_counts_as_used_at_the_restart() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), Opening::Alone);
    let first = pace(8, &journal);
    let under_way = [first.slot().await.unwrap(), first.slot().await.unwrap()];
    let second = pace(8, &journal);
    let after_the_restart = Instant::now();
    assert_eq!(free(&second).await, 6);
    let kept = second.window().kept(after_the_restart, Timestamp::now());
    assert_eq!(kept.sent.iter().map(|(_, count)| count).sum::<usize>(), 8);
    drop(under_way);
}

#[tokio::test]
async fn nothing_leaves_while_the_journal_can_not_be_written() {
    let folder = tempfile::tempdir().unwrap();
    drop(journal(folder.path(), Opening::Alone));
    let pace = pace(8, &journal(folder.path(), Opening::Look));
    match pace.slot().await {
        Err(NoSlot::NotKept(error)) => assert_eq!(
            error.to_string(),
            "the journal can not be written: it was opened for reading only"
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_slice_is_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Arc::new(Sqlite::open(folder.path(), Clock::system(), Opening::Alone).unwrap());
    let pace = pace(1000, &(journal.clone() as Arc<dyn Journal>));
    let before = journal.commits();
    for _ in 0..60 {
        drop(pace.slot().await.unwrap());
    }
    assert_eq!(journal.commits() - before, 3, "slices of twenty");
}

#[tokio::test]
async fn a_lower_rate_counts_what_was_sent_under_the_higher_one() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), Opening::Alone);
    let pace = pace(100, &journal);
    for _ in 0..5 {
        drop(pace.slot().await.unwrap());
    }
    pace.adjust(Rate {
        count: NonZeroU32::new(7).unwrap(),
        per: 600 * SECOND,
    });
    assert_eq!(free(&pace).await, 2);
}

#[tokio::test]
async fn a_hold_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path(), Opening::Alone);
    let first = pace(8, &journal);
    drop(first.slot().await.unwrap());
    first.hold(Some(90 * SECOND), 0.0);
    first.settle().await.unwrap();
    let second = pace(8, &journal);
    match second.slot().await {
        Err(NoSlot::Held(left)) => assert!(left > 80 * SECOND, "{left:?}"),
        other => panic!("{other:?}"),
    }
}
