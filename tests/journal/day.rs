//! What a stretch of time brought.

use halo_intake::journal::{Change, EntryId, Notice, Receipt};
use jiff::{SignedDuration, Timestamp};

use super::world;
use crate::world::{World, at, bounced, ended, future, mail};

const ANN: &str = "ann@customer.example";

async fn today(world: &World) -> halo_intake::journal::Day {
    let now = Timestamp::now();
    let hour = SignedDuration::from_hours(1);
    world.journal.day(now - hour, now + hour).await.unwrap()
}

#[tokio::test]
async fn a_day_counts_what_came_by_what_it_is_now() {
    let world = world();
    let support = crate::world::support();
    let first = world.in_hand(mail(1)).await;
    world
        .end(first, ended(halo_intake::outcome::Outcome::Completed, ""))
        .await;
    let second = world.in_hand(mail(2)).await;
    world
        .end(second, ended(halo_intake::outcome::Outcome::Ignored, "canary"))
        .await;
    let third = world.in_hand(mail(3)).await;
    world.defer(third, future()).await;
    let fourth = world.in_hand(mail(4)).await;
    assert!(matches!(world.end(fourth, bounced(ANN, 9)).await, Receipt::Bouncing));
    let day = today(&world).await;
    let came: Vec<(&str, u64)> = day.came[&support]
        .iter()
        .map(|(word, count)| (word.as_str(), *count))
        .collect();
    assert_eq!(came, [("completed", 1), ("deferred", 2), ("ignored", 1)]);
    assert_eq!(day.canaries[&support], 1);
    assert_eq!(
        (day.waiting[&support].count, day.waiting[&support].oldest),
        (2, third.entry)
    );

    let letter = world
        .journal
        .letters(halo_intake::journal::Way::Mail, 10, None)
        .await
        .unwrap()[0]
        .id;
    world.done(Change::LetterTaken { letter }).await;
    world
        .done(Change::Noticed(Notice {
            entry: Some(EntryId(3)),
            topic: "bounce suppressed ann@customer.example".into(),
            text: "junk".into(),
            at: Timestamp::now(),
        }))
        .await;
    let day = today(&world).await;
    assert_eq!((day.bounces, day.suppressed, day.waiting[&support].count), (1, 1, 1));
    let before = world.journal.day(at(0), at(1000)).await.unwrap();
    assert!(before.came.is_empty() && before.bounces + before.suppressed == 0);
    assert_eq!(before.waiting[&support].count, 1, "what waits, waits now");
}
