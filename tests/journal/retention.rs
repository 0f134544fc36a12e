//! What retention drops and what it leaves.

use halo_intake::{
    journal::{Change, Notice, Receipt, Settled, Way},
    outcome::Outcome,
};
use jiff::Timestamp;
use serde_json::Value;

use super::world;
use crate::world::{World, bounced, ended, future, mail, past, support};

async fn trim(world: &World, octets_before: Timestamp, rows_before: Timestamp) {
    world
        .done(Change::Trimmed {
            octets_before,
            rows_before,
        })
        .await;
}

#[tokio::test]
async fn octets_and_traces_go_and_the_message_is_still_known() {
    let world = world();
    let entry = world.with_outcome(mail(1), Outcome::Completed).await;
    trim(&world, past(), past()).await;
    assert!(
        world.journal.octets(entry).await.unwrap().is_some(),
        "it is not that old"
    );

    trim(&world, future(), past()).await;
    assert!(world.journal.octets(entry).await.unwrap().is_none());
    let shown = world.entry(entry).await;
    assert_eq!(
        (shown.attempts[0].result.as_str(), &shown.attempts[0].trace),
        ("completed", &Value::Null)
    );
    assert!(matches!(world.receive(mail(1)).await, Receipt::Known(known) if known == entry));
    assert!(matches!(world.write(Change::Reopened { entry }).await, Receipt::Stale));
}

#[tokio::test]
async fn rows_go_only_when_the_message_is_in_no_mailbox_and_totals_never() {
    let world = world();
    let pending = world.receive_new(mail(1)).await;
    let deferred = world.in_hand(mail(2)).await;
    world.defer(deferred, future()).await;
    let bouncing = world.in_hand(mail(3)).await;
    world.end(bouncing, bounced("ann@customer.example", 1)).await;
    let unsettled = world.with_outcome(mail(4), Outcome::Completed).await;
    let kept = world.with_outcome(mail(5), Outcome::Completed).await;
    world.settled(kept, Settled::staying("kept")).await;
    let moved = world.in_hand(mail(6)).await;
    world.intended(moved, "a", past(), None).await;
    world.end(moved, ended(Outcome::Completed, "")).await;
    world.settled(moved.entry, Settled::leaving("moved to Processed")).await;

    let before = world.totals(&support()).await;
    trim(&world, future(), future()).await;
    for entry in [pending, deferred.entry, bouncing.entry, unsettled, kept] {
        assert!(world.journal.entry(entry).await.unwrap().is_some(), "{entry}");
    }
    for entry in [pending, deferred.entry, bouncing.entry] {
        assert!(
            world.journal.octets(entry).await.unwrap().is_some(),
            "{entry} has not ended"
        );
    }
    assert_eq!(world.journal.letters(Way::Mail, 10, None).await.unwrap().len(), 1);
    assert!(world.journal.entry(moved.entry).await.unwrap().is_none());
    assert_eq!(world.totals(&support()).await, before);
}

#[tokio::test]
async fn what_nobody_could_be_told_of_goes_with_the_octets() {
    let world = world();
    world.done(notice("old", past())).await;
    world.done(notice("new", future())).await;
    trim(&world, past(), past()).await;
    assert_eq!(world.topics().await, ["old", "new"]);
    trim(&world, Timestamp::now(), past()).await;
    assert_eq!(world.topics().await, ["new"]);
}

fn notice(topic: &str, at: Timestamp) -> Change {
    Change::Noticed(Notice {
        entry: None,
        topic: topic.into(),
        text: "it rests".into(),
        at,
    })
}

#[tokio::test]
async fn an_id_is_never_given_twice() {
    let world = world();
    let entry = world.with_outcome(mail(1), Outcome::Completed).await;
    world.settled(entry, Settled::leaving("deleted")).await;
    trim(&world, future(), future()).await;
    assert!(world.journal.entry(entry).await.unwrap().is_none());
    assert!(world.receive_new(mail(2)).await > entry);
}

#[tokio::test]
async fn many_go_in_one_trim() {
    let world = world();
    for n in 1..=450 {
        let entry = world.with_outcome(mail(n), Outcome::Ignored).await;
        world.settled(entry, Settled::leaving("gone")).await;
    }
    trim(&world, future(), future()).await;
    assert!(world.journal.rows(Default::default()).await.unwrap().is_empty());
    assert_eq!(world.totals(&support()).await.seen, 450);
}
