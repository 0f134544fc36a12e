//! Several nodes with one journal in PostgreSQL keep one rate.

use futures_util::future::join_all;

use super::*;
use crate::{journal::postgres::Postgres, servers::postgres::Postgres as Server};

fn node(address: &str) -> Arc<dyn Journal> {
    Arc::new(Postgres::open(address, Clock::system(), Opening::Node, None).unwrap())
}

fn psql(address: &str, sql: &str) -> String {
    let schema = address.rsplit("%3D").next().unwrap();
    Server::shared()
        .psql(&format!("SET search_path = {schema}; {sql}"))
        .unwrap()
}

/// As many as may leave now, and a few times as long as it takes to ask again whether there are more.
async fn takes(pace: &Pace) -> usize {
    let mut taken = 0;
    while let Ok(slot) = tokio::time::timeout(3 * SECOND, pace.slot()).await {
        drop(slot.unwrap());
        taken += 1;
    }
    taken
}

/// Sends as long as that lasts, as much as it may, each request for a little; when they came to the receiver.
async fn busy(pace: &Pace, end: Instant, seed: u64) -> Vec<Instant> {
    let sends = |seed| async move {
        let (mut random, mut came) = (fastrand::Rng::with_seed(seed), Vec::new());
        while let Ok(slot) = tokio::time::timeout_at(end.into(), pace.slot()).await {
            let slot = slot.unwrap();
            tokio::time::sleep(Duration::from_millis(random.u64(0..15))).await;
            came.push(Instant::now());
            tokio::time::sleep(Duration::from_millis(random.u64(0..15))).await;
            drop(slot);
        }
        came
    };
    join_all((0..8).map(|number| sends(seed * 8 + number))).await.concat()
}

/// The most that came within a time.
fn most_within(mut came: Vec<Instant>, per: Duration) -> usize {
    came.sort_unstable();
    let within = |first: usize| came[first..].partition_point(|then| *then < came[first] + per);
    (0..came.len()).map(within).max().unwrap_or(0)
}

async fn check(nodes: u64, count: u32) {
    let address = Server::shared().schema();
    let journals: Vec<_> = (0..nodes).map(|_| node(&address)).collect();
    let paces: Vec<Pace> = journals.iter().map(|journal| pace_of(count, SECOND, journal)).collect();
    let begun = Instant::now();
    // The first one has all to itself for a while, the others come one after the other.
    let late = |number: u64| begun + SECOND * u32::try_from(number).unwrap();
    let came = join_all((0..).zip(&paces).map(|(number, pace)| async move {
        tokio::time::sleep_until(late(number).into()).await;
        busy(pace, begun + 8 * SECOND, number).await
    }))
    .await;
    let sent: Vec<usize> = came.iter().map(Vec::len).collect();
    println!("{count} per second, {nodes} nodes: sent {sent:?} in 8 s");
    let most = most_within(came.concat(), SECOND);
    assert!(most <= count as usize, "{most} of {count} within a second; {sent:?}");
    assert!(sent.iter().all(|sent| *sent > 0), "all get on: {sent:?}");
}

#[tokio::test]
async fn the_rate_of_all_nodes_together_is_never_exceeded_and_each_gets_on() {
    check(2, 40).await;
    check(3, 60).await;
}

#[tokio::test]
async fn each_gets_on_where_there_are_more_nodes_than_slots() {
    check(3, 2).await;
}

#[tokio::test]
async fn what_another_node_has_sent_is_not_free_and_its_own_part_is_neither_while_it_lives() {
    let address = Server::shared().schema();
    let [one, two] = [node(&address), node(&address)];
    let (first, second) = (pace(100, &one), pace(100, &two));
    for _ in 0..20 {
        drop(first.slot().await.unwrap());
    }
    // It may have another one at any time.
    assert_eq!(takes(&second).await, 100 - 21);
    assert_eq!(takes(&first).await, 1);
}

#[tokio::test]
async fn a_node_that_dies_frees_its_slots_only_when_they_could_come_back_at_the_receiver() {
    let address = Server::shared().schema();
    let [one, two] = [node(&address), node(&address)];
    let first = pace(100, &one);
    for _ in 0..21 {
        drop(first.slot().await.unwrap());
    }
    drop((first, one));
    let second = pace(100, &two);
    assert_eq!(
        takes(&second).await,
        100 - 23,
        "it is alive, as far as anybody knows, and may send two more"
    );
    // What the second one has is told, so that it may be looked at as if time had passed.
    second.settle().await.unwrap();
    let earlier = |name: &str, milliseconds: i64| {
        let sql = format!(
            "UPDATE kept SET value = jsonb_set(jsonb_set(value::jsonb, '{{seen}}', ((value::jsonb->>'seen')::bigint - {milliseconds})::text::jsonb),
                '{{sent}}', coalesce((SELECT jsonb_agg(jsonb_build_array((s->>0)::bigint - {milliseconds}, s->1))
                    FROM jsonb_array_elements(value::jsonb->'sent') AS s), '[]'))::text
             WHERE name LIKE 'pace main%' AND (value::jsonb->>'seen')::bigint {name}
                (SELECT max((value::jsonb->>'seen')::bigint) FROM kept WHERE name LIKE 'pace main%')"
        );
        psql(&address, &sql);
    };
    earlier("<", 500_000);
    assert_eq!(
        takes(&second).await,
        1,
        "it has had 22 at most, and the period is not over"
    );
    second.settle().await.unwrap();
    earlier("<", 110_000);
    assert_eq!(takes(&second).await, 22);
    assert_eq!(
        psql(&address, "SELECT count(*) FROM kept WHERE name LIKE 'pace main%'"),
        "1"
    );
}

#[tokio::test]
async fn what_a_node_does_not_use_for_its_lease_is_for_the_others() {
    let address = Server::shared().schema();
    let [one, two] = [node(&address), node(&address)];
    let first = pace(100, &one);
    drop(first.slot().await.unwrap());
    {
        let mut line = first.line.lock().await;
        assert!(line.has_slice(clock::moment()));
        // As it is when it was paused.
        line.until = Some(Instant::now());
    }
    let second = pace(100, &two);
    assert_eq!(takes(&second).await, 97);
    let waits = tokio::time::timeout(SECOND, first.slot()).await;
    assert!(waits.is_ok(), "the slot that it was allowed is asked for again");
}

#[tokio::test]
async fn a_hold_of_one_node_holds_all() {
    let address = Server::shared().schema();
    let [one, two] = [node(&address), node(&address)];
    let (first, second) = (pace(100, &one), pace(100, &two));
    drop(second.slot().await.unwrap());
    drop(first.slot().await.unwrap());
    first.hold(Some(90 * SECOND), 0.0);
    // Whoever asks next says so.
    assert!(matches!(first.slot().await, Err(NoSlot::Held(_))));
    let held = async {
        loop {
            match second.slot().await {
                Ok(slot) => drop(slot),
                Err(NoSlot::Held(left)) => return left,
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    let left = held.await;
    assert!(left > 80 * SECOND && left <= 90 * SECOND, "{left:?}");
    let kept = second.window().kept(Instant::now(), Timestamp::now());
    assert_eq!(kept.held_until, None, "it tells only of its own");
}
