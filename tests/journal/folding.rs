//! Messages of one kind that make one ticket.

use std::time::Duration;

use halo_intake::{
    config::ConnectionName,
    journal::{Change, Claim, Fellow, Folding, Receipt, Standing},
    outcome::Outcome,
};
use serde_json::json;

use super::world;
use crate::world::{World, ended, future, mail, mail_of, past};

const HOUR: Duration = Duration::from_secs(3600);

fn fellow(mark: &str) -> Fellow {
    Fellow {
        key: "disk full".into(),
        mark: mark.into(),
    }
}

fn folded(claim: Claim, folding: Folding) -> Change {
    Change::Folded {
        claim,
        connection: ConnectionName("main".into()),
        folding,
    }
}

async fn came_within(world: &World, claim: Claim, mark: &str, within: Duration) -> Standing {
    let folding = Folding::Came {
        fellow: fellow(mark),
        line: format!("line of {mark}"),
        within,
    };
    match world.write(folded(claim, folding)).await {
        Receipt::Stands(standing) => standing,
        other => panic!("{other:?}"),
    }
}

async fn came(world: &World, claim: Claim, mark: &str) -> Standing {
    came_within(world, claim, mark, HOUR).await
}

fn waits(standing: &Standing) -> bool {
    matches!(standing, Standing::Waits { .. })
}

#[tokio::test]
async fn the_first_is_the_first_however_often_it_asks_and_the_others_wait() {
    let world = world();
    let (first, second) = (world.in_hand(mail(1)).await, world.in_hand(mail(2)).await);
    assert_eq!(came(&world, first, "a").await, Standing::First);
    assert!(waits(&came(&world, second, "b").await));
    assert_eq!(came(&world, first, "a").await, Standing::First);
    let made = Folding::Made {
        fellow: fellow("a"),
        ticket: json!({ "id": 7 }),
    };
    world.done(folded(first, made)).await;
    assert!(waits(&came(&world, second, "b").await));
    world.end(first, ended(Outcome::Completed, "")).await;
    let world = world.restarted();
    assert_eq!(world.claimed(10).await, [second.entry]);
    // The claim is another one now.
    let stale = Folding::Left { fellow: fellow("a") };
    assert!(matches!(world.write(folded(second, stale)).await, Receipt::Stale));
}

#[tokio::test]
async fn another_connection_another_kind_and_another_time_are_another_ticket() {
    let world = world();
    let (first, second) = (world.in_hand(mail(1)).await, world.in_hand(mail(2)).await);
    assert_eq!(came(&world, first, "a").await, Standing::First);
    let elsewhere = Change::Folded {
        claim: second,
        connection: ConnectionName("other".into()),
        folding: Folding::Came {
            fellow: fellow("b"),
            line: String::new(),
            within: HOUR,
        },
    };
    assert!(matches!(world.write(elsewhere).await, Receipt::Stands(Standing::First)));
    let of_another_kind = Folding::Came {
        fellow: Fellow {
            key: "fan broken".into(),
            mark: "b".into(),
        },
        line: String::new(),
        within: HOUR,
    };
    assert!(matches!(
        world.write(folded(second, of_another_kind)).await,
        Receipt::Stands(Standing::First)
    ));
    assert_eq!(
        came_within(&world, second, "b", Duration::ZERO).await,
        Standing::First,
        "its time is over"
    );
}

#[tokio::test]
async fn the_next_takes_the_place_of_a_first_that_came_to_no_ticket() {
    let world = world();
    let mut claims = Vec::new();
    for number in 1..=3 {
        claims.push(world.in_hand(mail(number)).await);
    }
    assert_eq!(came(&world, claims[0], "a").await, Standing::First);
    assert!(waits(&came(&world, claims[1], "b").await));
    assert!(waits(&came(&world, claims[2], "c").await));
    // Deferred, it is still awaited.
    world.defer(claims[0], future()).await;
    assert!(waits(&came(&world, claims[1], "b").await));
    let left = Folding::Left { fellow: fellow("a") };
    world.done(folded(claims[1], left)).await;
    assert_eq!(came(&world, claims[2], "c").await, Standing::First);
    // And where it has ended without saying so.
    world.end(claims[2], ended(Outcome::Failed, "no")).await;
    assert_eq!(came(&world, claims[1], "b").await, Standing::First);
}

#[tokio::test]
async fn one_that_waits_holds_back_no_conversation() {
    let world = world();
    let first = world.in_hand(mail(1)).await;
    assert_eq!(came(&world, first, "a").await, Standing::First);
    let second = world
        .in_hand(mail_of(2, "monitor@customer.example", "one thread"))
        .await;
    let third = world
        .receive_new(mail_of(3, "other@customer.example", "one thread"))
        .await;
    assert!(world.claimed(10).await.is_empty(), "an earlier one is unfinished");
    assert!(waits(&came(&world, second, "b").await));
    world.defer(second, future()).await;
    assert_eq!(world.claimed(10).await, [third]);
}

#[tokio::test]
async fn what_is_known_of_a_kind_is_dropped_with_the_rows_of_its_time() {
    let world = world();
    let (first, second) = (world.in_hand(mail(1)).await, world.in_hand(mail(2)).await);
    assert_eq!(came(&world, first, "a").await, Standing::First);
    assert!(waits(&came(&world, second, "b").await));
    for (rows_before, is_first) in [(past(), false), (future(), true)] {
        let octets_before = past();
        world
            .done(Change::Trimmed {
                octets_before,
                rows_before,
            })
            .await;
        assert_eq!(came(&world, second, "b").await == Standing::First, is_first);
    }
}
