//! What `log` and `show` read.

use halo_intake::{
    config::MailboxName,
    journal::{Change, EntryId, Place, Received, RowFilter, Settled},
    outcome::Outcome,
};
use jiff::Timestamp;

use super::world;
use crate::world::{World, bounced, ended, future, mail, support};

async fn check(world: &World, filter: RowFilter, ids: &[EntryId]) {
    let rows = world.journal.rows(filter.clone()).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), ids, "{filter:?}");
}

fn grep(text: &str) -> RowFilter {
    RowFilter {
        grep: Some(text.into()),
        ..RowFilter::default()
    }
}

fn outcome(word: &str) -> RowFilter {
    RowFilter {
        outcome: Some(word.into()),
        ..RowFilter::default()
    }
}

#[tokio::test]
async fn the_newest_come_first_up_to_the_limit() {
    let world = world();
    let mut ids = Vec::new();
    for n in 1..=5 {
        ids.insert(0, world.receive_new(mail(n)).await);
    }
    check(&world, RowFilter::default(), &ids).await;
    check(
        &world,
        RowFilter {
            limit: Some(2),
            ..RowFilter::default()
        },
        &ids[..2],
    )
    .await;
    let row = world.journal.rows(RowFilter::default()).await.unwrap().remove(0);
    assert_eq!(
        (row.from.as_str(), row.subject.as_str()),
        ("ann5@customer.example", "mail 5")
    );
    assert_eq!(
        (row.outcome.as_str(), row.mailbox, row.attempts),
        ("pending", support(), 0)
    );
}

#[tokio::test]
async fn what_is_in_hand_is_pending_and_what_waits_for_its_bounce_is_deferred() {
    let world = world();
    let pending = world.receive_new(mail(1)).await;
    let in_hand = world.in_hand(mail(2)).await;
    let deferred = world.in_hand(mail(3)).await;
    world.defer(deferred, future()).await;
    let bouncing = world.in_hand(mail(4)).await;
    world.end(bouncing, bounced("ann@customer.example", 1)).await;
    let failed = world.with_outcome(mail(5), Outcome::Failed).await;
    check(&world, outcome("pending"), &[in_hand.entry, pending]).await;
    check(&world, outcome("deferred"), &[bouncing.entry, deferred.entry]).await;
    check(&world, outcome("failed"), &[failed]).await;
    check(&world, outcome("completed"), &[]).await;
}

#[tokio::test]
async fn rows_are_found_by_mailbox_author_and_time() {
    let world = world();
    let first = world.receive_new(mail(1)).await;
    let place = Place {
        mailbox: MailboxName("sales".into()),
        ..mail(2).place
    };
    let subject = "about ann1@customer.example".to_owned();
    let second = world
        .receive_new(Received {
            place,
            subject,
            ..mail(2)
        })
        .await;
    check(
        &world,
        RowFilter {
            mailbox: Some(support()),
            ..RowFilter::default()
        },
        &[first],
    )
    .await;
    check(
        &world,
        RowFilter {
            from: Some("ANN1@".into()),
            ..RowFilter::default()
        },
        &[first],
    )
    .await;
    check(
        &world,
        RowFilter {
            from: Some("customer".into()),
            ..RowFilter::default()
        },
        &[second, first],
    )
    .await;
    let taken = world.entry(second).await.row.time;
    check(
        &world,
        RowFilter {
            since: Some(taken),
            ..RowFilter::default()
        },
        &[second],
    )
    .await;
    check(
        &world,
        RowFilter {
            since: Some(Timestamp::now()),
            ..RowFilter::default()
        },
        &[],
    )
    .await;
}

#[tokio::test]
async fn rows_between_two_times_are_found_and_pages_follow_each_other() {
    let world = world();
    let mut ids = Vec::new();
    let mut times = Vec::new();
    for n in 1..=5 {
        let entry = world.with_outcome(mail(n), Outcome::Completed).await;
        ids.push(entry);
        times.push(world.entry(entry).await.row.time);
    }
    let between = |since: usize, until: usize| RowFilter {
        since: Some(times[since]),
        until: Some(times[until]),
        ..RowFilter::default()
    };
    check(&world, between(1, 3), &[ids[2], ids[1]]).await;
    check(&world, between(3, 3), &[]).await;
    let below = |before: EntryId| RowFilter {
        before: Some(before),
        limit: Some(2),
        ..outcome("completed")
    };
    check(&world, below(ids[4]), &[ids[3], ids[2]]).await;
    check(&world, below(ids[2]), &[ids[1], ids[0]]).await;
    check(&world, below(ids[0]), &[]).await;
}

#[tokio::test]
async fn each_filter_narrows_what_the_others_leave() {
    let world = world();
    let sales = Place {
        mailbox: MailboxName("sales".into()),
        ..mail(2).place
    };
    let first = world.with_outcome(mail(1), Outcome::Failed).await;
    let second = world
        .with_outcome(
            Received {
                place: sales,
                ..mail(2)
            },
            Outcome::Failed,
        )
        .await;
    let third = world.with_outcome(mail(3), Outcome::Completed).await;
    let in_support = RowFilter {
        mailbox: Some(support()),
        ..RowFilter::default()
    };
    check(&world, in_support.clone(), &[third, first]).await;
    let failed = RowFilter {
        outcome: Some("failed".into()),
        ..in_support.clone()
    };
    check(&world, failed.clone(), &[first]).await;
    check(&world, outcome("failed"), &[second, first]).await;
    let taken = world.entry(second).await.row.time;
    for filter in [
        RowFilter {
            since: Some(taken),
            ..failed.clone()
        },
        RowFilter {
            grep: Some("ann3".into()),
            ..failed
        },
        RowFilter {
            from: Some("ann2".into()),
            ..in_support
        },
    ] {
        check(&world, filter, &[]).await;
    }
}

#[tokio::test]
async fn grep_finds_parts_of_every_text_in_any_case_and_takes_no_letter_for_a_sign() {
    let world = world();
    let subject = "Drucker BRENNT: 100% ÄRGER im_Büro \\o/".to_owned();
    let first = world.in_hand(Received { subject, ..mail(1) }).await;
    world.end(first, ended(Outcome::Failed, "Halo refuses Größe")).await;
    let first = first.entry;
    let second = world.receive_new(mail(2)).await;
    for text in [
        "drucker",
        "ärger",
        "ÄRGER",
        "100%",
        "im_b",
        "\\o/",
        "ANN1@",
        "1@customer",
        "GRÖSSE",
        "gröẞe",
        "everyone",
    ] {
        // The capital ẞ folds to ß, SS does not: letters are compared, not spellings.
        let found: &[EntryId] = if text == "GRÖSSE" { &[] } else { &[first] };
        check(&world, grep(text), found).await;
    }
    check(&world, grep("%"), &[first]).await;
    check(&world, grep("im büro"), &[]).await;
    check(&world, grep("customer.example"), &[second, first]).await;
}

#[tokio::test]
async fn the_lines_of_some_messages_are_read_at_once() {
    let world = world();
    let first = world.receive_new(mail(1)).await;
    world.receive_new(mail(2)).await;
    let third = world.with_outcome(mail(3), Outcome::Failed).await;
    let rows = world.journal.rows_of(vec![first, EntryId(99), third]).await.unwrap();
    let read: Vec<_> = rows.iter().map(|row| (row.id, row.outcome.as_str())).collect();
    assert_eq!(read, [(first, "pending"), (third, "failed")]);
}

#[tokio::test]
async fn a_message_that_is_not_there_is_no_entry() {
    let world = world();
    assert!(world.journal.entry(EntryId(1)).await.unwrap().is_none());
    assert!(world.journal.octets(EntryId(1)).await.unwrap().is_none());
    let settled = Change::Settled {
        entry: EntryId(1),
        attempts: 0,
        settled: Settled::staying("kept"),
    };
    assert!(matches!(
        world.write(settled).await,
        halo_intake::journal::Receipt::Stale
    ));
}
