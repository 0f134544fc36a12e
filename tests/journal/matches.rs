//! How often rules matched.

use std::collections::BTreeMap;

use halo_intake::{
    journal::{Change, Claim, Ended, Receipt, RuleCount, Settled},
    outcome::Outcome,
};

use super::world;
use crate::world::{World, bounced, ended, future, mail, past};

fn matched(rules: &[&str]) -> Ended {
    Ended {
        matched: rules.iter().map(ToString::to_string).collect(),
        ..ended(Outcome::Completed, "")
    }
}

async fn counts(world: &World) -> BTreeMap<String, RuleCount> {
    world.journal.rule_counts().await.unwrap()
}

async fn check(world: &World, expected: &[(&str, u64)]) {
    let counts = counts(world).await;
    let counts: Vec<(&str, u64)> = counts
        .iter()
        .map(|(rule, count)| (rule.as_str(), count.matched))
        .collect();
    assert_eq!(counts, expected);
}

async fn again(world: &World, claim: Claim) -> Claim {
    world.done(Change::Reopened { entry: claim.entry }).await;
    world.claim(1).await[0].claim
}

#[tokio::test]
async fn each_rule_that_matched_counts_once_a_message_and_once_more_when_it_runs_again() {
    let world = world();
    check(&world, &[]).await;
    let first = world.in_hand(mail(1)).await;
    world.defer(first, past()).await;
    check(&world, &[]).await;
    let first = world.claim(1).await[0].claim;
    world.end(first, matched(&["Alerts", "Everyone"])).await;
    let second = world.in_hand(mail(2)).await;
    world.end(second, matched(&["Everyone"])).await;
    let third = world.in_hand(mail(3)).await;
    world.end(third, matched(&[])).await;
    check(&world, &[("Alerts", 1), ("Everyone", 2)]).await;

    let first = again(&world, first).await;
    check(&world, &[("Alerts", 1), ("Everyone", 2)]).await;
    world.end(first, matched(&["Everyone"])).await;
    check(&world.restarted(), &[("Alerts", 1), ("Everyone", 3)]).await;
}

#[tokio::test]
async fn the_time_is_that_of_the_last_end() {
    let world = world();
    let began = jiff::Timestamp::now();
    let mut last = Vec::new();
    for n in 1..=2 {
        let claim = world.in_hand(mail(n)).await;
        world.end(claim, matched(&["Everyone"])).await;
        last.push(counts(&world).await["Everyone"].last.unwrap());
    }
    assert!(
        began.as_millisecond() <= last[0].as_millisecond() && last[0] < last[1],
        "{began} {last:?}"
    );
}

#[tokio::test]
async fn a_message_that_is_bounced_counts_when_its_bounce_is_written_or_suppressed() {
    let world = world();
    for n in 1..=2 {
        let claim = world.in_hand(mail(n)).await;
        let receipt = world.end(claim, bounced("ann@customer.example", 1)).await;
        assert_eq!(matches!(receipt, Receipt::Suppressed(_)), n == 2, "{receipt:?}");
    }
    check(&world, &[("Everyone", 2)]).await;
}

#[tokio::test]
async fn what_is_no_longer_in_hand_counts_nothing() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    world.end(claim, matched(&["Everyone"])).await;
    assert!(matches!(world.end(claim, matched(&["Everyone"])).await, Receipt::Stale));
    check(&world, &[("Everyone", 1)]).await;
}

#[tokio::test]
async fn counts_outlive_the_messages_that_were_counted() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    world.end(claim, matched(&["Everyone"])).await;
    world.settled(claim.entry, Settled::leaving("moved")).await;
    world
        .done(Change::Trimmed {
            octets_before: future(),
            rows_before: future(),
        })
        .await;
    assert!(
        world.journal.entry(claim.entry).await.unwrap().is_none(),
        "its row is gone"
    );
    check(&world, &[("Everyone", 1)]).await;
}
