//! How much there is of everything.

use halo_intake::{
    config::MailboxName,
    journal::{Change, Place, Received, Settled, Survey, Way},
    outcome::Outcome,
};

use super::world;
use crate::world::{World, bounced, ended, future, mail, past, support};

async fn survey(world: &World) -> Survey {
    world.journal.survey().await.unwrap()
}

#[tokio::test]
async fn an_empty_journal_has_nothing_but_its_files() {
    let world = world();
    let empty = survey(&world).await;
    assert!(empty.octets > 0);
    let octets = empty.octets;
    assert_eq!(
        empty,
        Survey {
            octets,
            ..Survey::default()
        }
    );
}

#[tokio::test]
async fn the_oldest_message_without_an_outcome_is_told_of_each_mailbox() {
    let world = world();
    world.with_outcome(mail(1), Outcome::Completed).await;
    assert!(survey(&world).await.oldest_open.is_empty());
    let deferred = world.in_hand(mail(2)).await;
    world.defer(deferred, future()).await;
    let pending = world.receive_new(mail(3)).await;
    let sales = MailboxName("sales".into());
    let elsewhere = Place {
        mailbox: sales.clone(),
        ..mail(4).place
    };
    let bouncing = world
        .in_hand(Received {
            place: elsewhere,
            ..mail(4)
        })
        .await;
    world.end(bouncing, bounced("ann@customer.example", 1)).await;

    let surveyed = survey(&world).await;
    let received = |row: halo_intake::journal::Entry| row.row.time;
    let oldest = received(world.entry(deferred.entry).await);
    let of_sales = received(world.entry(bouncing.entry).await);
    assert_eq!(surveyed.oldest_open, [(support(), oldest), (sales, of_sales)].into());
    let by_mail = surveyed.letters[&Way::Mail];
    assert_eq!((surveyed.letters.len(), by_mail.count), (1, 1));

    world.done(Change::Reopened { entry: deferred.entry }).await;
    let claim = world
        .claim(9)
        .await
        .into_iter()
        .find(|work| work.claim.entry == deferred.entry)
        .unwrap()
        .claim;
    world.end(claim, ended(Outcome::Completed, "")).await;
    let next = received(world.entry(pending).await);
    assert_eq!(survey(&world).await.oldest_open[&support()], next);
}

#[tokio::test]
async fn what_is_not_settled_is_counted_and_what_was_dropped_is_no_row_any_more() {
    let world = world();
    let moved = world.with_outcome(mail(1), Outcome::Completed).await;
    world.with_outcome(mail(2), Outcome::Completed).await;
    assert_eq!(survey(&world).await.unsettled, [(support(), 2)].into());
    world.settled(moved, Settled::leaving("moved")).await;
    let trimmed = Change::Trimmed {
        octets_before: past(),
        rows_before: future(),
    };
    world.done(trimmed).await;

    let world = world.restarted();
    let surveyed = survey(&world).await;
    assert_eq!(surveyed.unsettled, [(support(), 1)].into());
    assert_eq!((surveyed.rows, surveyed.totals[&support()].seen), (1, 2));
    assert_eq!(surveyed.totals, world.journal.totals().await.unwrap());
    assert_eq!(surveyed.rules, world.journal.rule_counts().await.unwrap());
}
