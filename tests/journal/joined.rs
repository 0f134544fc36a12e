//! Conversations and the tickets that they have become.

use halo_intake::{
    config::ConnectionName,
    journal::{Change, Joined},
};
use jiff::Timestamp;

use super::world;
use crate::world::{World, at, future, past};

fn connection() -> ConnectionName {
    ConnectionName("main".into())
}

async fn join(world: &World, ticket: i64, keys: &[&str], author: &str, when: Timestamp) {
    let joined = Joined {
        connection: connection(),
        ticket,
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        author: author.to_owned(),
        at: when,
    };
    world.done(Change::Joined(joined)).await;
}

async fn tickets_of(world: &World, keys: &[&str]) -> Vec<i64> {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    world.journal.tickets_of(&connection(), keys).await.unwrap()
}

#[tokio::test]
async fn the_tickets_of_the_nearest_message_come_first_also_after_a_restart() {
    let world = world();
    join(&world, 7, &["a", "b"], "ann@stranger.example", at(1)).await;
    join(&world, 8, &["c"], "ann@stranger.example", at(2)).await;
    let world = world.restarted();
    assert_eq!(tickets_of(&world, &["x", "c", "a"]).await, [8, 7]);
    assert_eq!(tickets_of(&world, &["a", "b"]).await, [7]);
    assert!(tickets_of(&world, &["x"]).await.is_empty());
    let other = ConnectionName("other".into());
    assert!(
        world
            .journal
            .tickets_of(&other, vec!["a".into()])
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn no_message_is_taken_from_its_ticket_and_the_oldest_comes_first() {
    let world = world();
    join(&world, 7, &["a"], "ann@stranger.example", at(1)).await;
    for ticket in [12, 11, 10, 9, 8] {
        join(&world, ticket, &["a", "mine"], "eve@elsewhere.example", at(2)).await;
    }
    assert_eq!(tickets_of(&world, &["a"]).await, [7, 8, 9, 10, 11]);
    assert_eq!(tickets_of(&world, &["mine"]).await, [8, 9, 10, 11, 12]);
}

#[tokio::test]
async fn who_wrote_a_message_took_part_in_its_ticket_alone() {
    let world = world();
    join(&world, 7, &["a"], "ann@stranger.example", at(1)).await;
    for (ticket, author, expected) in [
        (7, "ann@stranger.example", true),
        (8, "ann@stranger.example", false),
        (7, "eve@elsewhere.example", false),
        (7, "", false),
    ] {
        let took_part = world.journal.took_part(&connection(), ticket, author).await.unwrap();
        assert_eq!(took_part, expected, "{ticket} {author}");
    }
}

#[tokio::test]
async fn a_conversation_in_which_nobody_has_written_for_long_is_forgotten() {
    let world = world();
    join(&world, 7, &["old"], "ann@stranger.example", past()).await;
    join(&world, 8, &["new"], "ann@stranger.example", future()).await;
    let trimmed = Change::Trimmed {
        octets_before: past(),
        rows_before: Timestamp::now(),
    };
    world.done(trimmed).await;
    assert_eq!(
        (tickets_of(&world, &["old"]).await, tickets_of(&world, &["new"]).await),
        (vec![], vec![8])
    );
    let connection = connection();
    let took_part = |ticket| world.journal.took_part(&connection, ticket, "ann@stranger.example");
    assert_eq!(
        (took_part(7).await.unwrap(), took_part(8).await.unwrap()),
        (false, true)
    );
}
