//! Conversations and the tickets that they have become.

use halo_intake::{
    config::ConnectionName,
    journal::{Change, Joined},
};
use jiff::Timestamp;

use crate::world::{World, at, future, past, world};

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

async fn ticket_of(world: &World, keys: &[&str]) -> Option<i64> {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    world.journal.ticket_of(&connection(), keys).await.unwrap()
}

#[tokio::test]
async fn the_first_key_that_is_known_names_the_ticket_also_after_a_restart() {
    let world = world();
    join(&world, 7, &["a", "b"], "ann@stranger.example", at(1)).await;
    join(&world, 8, &["c"], "ann@stranger.example", at(2)).await;
    let world = world.restarted();
    assert_eq!(ticket_of(&world, &["x", "c", "a"]).await, Some(8));
    assert_eq!(ticket_of(&world, &["b", "c"]).await, Some(7));
    assert_eq!(ticket_of(&world, &["x"]).await, None);
    let other = ConnectionName("other".into());
    assert_eq!(world.journal.ticket_of(&other, vec!["a".into()]).await.unwrap(), None);
}

#[tokio::test]
async fn a_message_is_taken_from_its_ticket_only_by_who_wrote_there() {
    let world = world();
    join(&world, 7, &["a"], "ann@stranger.example", at(1)).await;
    for author in ["eve@elsewhere.example", ""] {
        join(&world, 8, &["a", "mine"], author, at(2)).await;
        assert_eq!(ticket_of(&world, &["a"]).await, Some(7), "{author}");
    }
    assert_eq!(ticket_of(&world, &["mine"]).await, Some(8));
    join(&world, 9, &["a"], "ann@stranger.example", at(3)).await;
    assert_eq!(ticket_of(&world, &["a"]).await, Some(9));
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
        (ticket_of(&world, &["old"]).await, ticket_of(&world, &["new"]).await),
        (None, Some(8))
    );
    let connection = connection();
    let took_part = |ticket| world.journal.took_part(&connection, ticket, "ann@stranger.example");
    assert_eq!(
        (took_part(7).await.unwrap(), took_part(8).await.unwrap()),
        (false, true)
    );
}
