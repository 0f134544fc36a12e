//! Many addresses at once: the whole listing where that costs fewer requests, and the same answers either way.

use futures_util::future::join_all;
use halo_intake::{
    halo::{UserId, client::Freshness},
    sandbox::Pattern,
};
use serde_json::json;

use crate::world::*;

/// A world with a thousand users besides those of the sample: eleven pages.
async fn large() -> World {
    let world = world().await;
    for number in 0..1000 {
        let address = match number % 2 {
            0 => format!("person{number}@many.example"),
            _ => format!(" Person{number}@MANY.example"),
        };
        let user = json!({"id": 5000 + number, "name": "x", "site_id": 21, "emailaddress": address});
        world.sandbox.add_user(user);
    }
    world
}

/// Asks for all of them at once.
async fn at_once(world: &World, addresses: &[String]) -> Vec<Vec<i64>> {
    let ask = |address| world.users(address, Freshness::Cached);
    join_all(addresses.iter().map(|address| ask(address))).await
}

fn persons(numbers: std::ops::Range<i64>) -> (Vec<String>, Vec<Vec<i64>>) {
    let addresses = numbers.clone().map(|number| format!("person{number}@many.example"));
    (addresses.collect(), numbers.map(|number| vec![5000 + number]).collect())
}

#[tokio::test]
async fn forty_addresses_at_once_cost_about_the_pages_and_find_exactly_the_right_users() {
    let world = large().await;
    // A further address that a search found is remembered, across a restart too.
    assert_eq!(
        world.users("pia.lind@warehouse.acme.example", Freshness::Fresh).await,
        [104]
    );
    let halo = connected(&config(world.sandbox.url()), times());
    halo.restore(world.halo.snapshot());
    let world = World { halo, ..world };
    world.sandbox.clear_log();

    let (mut addresses, mut expected) = persons(0..30);
    for (address, ids) in [
        ("PERSON999@many.example", &[5999][..]),
        ("erson12@many.example", &[]),
        ("person1@many.example.org", &[]),
        ("jane@acme.example", &[101]),
        ("ane@acme.example", &[]),
        ("gone@acme.example", &[105]),
        ("lena.bo@northgate.example", &[110, 111]),
        ("pia.lind@warehouse.acme.example", &[104]),
        ("ivo+rota@northgate.example", &[109]),
        ("nobody@stranger.example", &[]),
    ] {
        addresses.push(address.into());
        expected.push(ids.to_vec());
    }
    assert_eq!(at_once(&world, &addresses).await, expected);
    // Four searches, eleven pages, and searches for the inactive user alone and for Pia, whose detail is read.
    assert!(world.asked().len() <= 4 + 11 + 1 + 2, "{:?}", world.asked());

    let asked = world.asked().len();
    let (others, expected) = persons(40..80);
    assert_eq!(at_once(&world, &others).await, expected);
    assert_eq!(world.asked().len(), asked, "a young roll costs nothing");
    world.users("person90@many.example", Freshness::Fresh).await;
    assert_eq!(world.asked().len(), asked + 1, "a fresh answer is searched for");
}

#[tokio::test]
async fn where_there_are_more_pages_than_addresses_each_is_searched_for() {
    let world = large().await;
    world.sandbox.set(|switches| switches.page_cap = 10);
    for (begin, requests) in [(0, 41), (100, 40)] {
        world.sandbox.clear_log();
        let (addresses, expected) = persons(begin..begin + 40);
        assert_eq!(at_once(&world, &addresses).await, expected);
        // One page was read to learn how many there are, and that is remembered.
        let details = world.asked_of("GET /api/Users/");
        assert_eq!((world.asked().len(), details), (requests, 0));
    }
}

#[tokio::test]
async fn a_few_addresses_are_searched_for_without_a_look_at_the_listing() {
    let world = large().await;
    let (addresses, expected) = persons(0..8);
    assert_eq!(at_once(&world, &addresses).await, expected);
    assert_eq!(world.asked().len(), 8);
}

#[tokio::test]
async fn a_listing_that_does_not_hold_what_it_counts_is_not_believed() {
    let world = large().await;
    world.sandbox.set(|switches| switches.repeat_page = true);
    let (addresses, expected) = persons(500..540);
    assert_eq!(at_once(&world, &addresses).await, expected);
    let asked = world.asked().len();
    assert!(asked <= 40 + 6, "{asked}");
    let (addresses, expected) = persons(600..640);
    assert_eq!(at_once(&world, &addresses).await, expected);
    assert_eq!(world.asked().len(), asked + 40, "nor is it read again soon");
}

#[tokio::test]
async fn a_listing_that_is_forbidden_fails_all_who_wait_for_it_at_once() {
    let world = large().await;
    world.check().await.unwrap();
    world
        .sandbox
        .set(|switches| switches.forbidden = vec![Pattern::of("GET", "/api/users")]);
    world.sandbox.clear_log();
    let (addresses, _) = persons(0..40);
    let addresses: Vec<_> = addresses.iter().map(|address| addr(address)).collect();
    let ask = |address| world.halo.users_with_address(address, Freshness::Cached, &world.calls);
    for found in join_all(addresses.iter().map(ask)).await {
        assert!(found.unwrap_err().is_of_connection());
    }
    assert!(world.asked().len() <= 4 + 1, "{:?}", world.asked());
}

#[tokio::test]
async fn our_own_writes_are_seen_though_the_roll_is_older() {
    let world = large().await;
    let (mut addresses, _) = persons(0..40);
    addresses.push("known-absent@acme.example".into());
    addresses.push("lena.bo@northgate.example".into());
    at_once(&world, &addresses).await;
    let asked = world.asked().len();

    let created = world.create("never-asked-for@acme.example").await.unwrap();
    let found = world.users("never-asked-for@acme.example", Freshness::Cached).await;
    assert_eq!(found, [created.id.0]);
    assert_eq!(world.asked().len(), asked + 2, "a search decides");
    let created = world.create("known-absent@acme.example").await.unwrap();
    let found = world.users("known-absent@acme.example", Freshness::Cached).await;
    assert_eq!(found, [created.id.0]);
    assert_eq!(world.asked().len(), asked + 3, "nobody else had the address");

    world.halo.reactivate_user(UserId(111), &world.calls).await.unwrap();
    let lenas = world.found("lena.bo@northgate.example", Freshness::Cached).await;
    assert_eq!(lenas.iter().filter(|lena| !lena.inactive).count(), 2);
}

#[tokio::test]
async fn a_further_address_that_nobody_searched_for_is_absent_unless_rows_show_it_or_searches_confirm() {
    for (rows_show, is_confirmed, expected) in [(false, false, &[][..]), (true, false, &[107]), (false, true, &[107])] {
        let world = large().await;
        world
            .sandbox
            .set(|switches| switches.rows_show_other_addresses = rows_show);
        world.halo.confirm_absence_by_search(is_confirmed);
        let (mut addresses, _) = persons(0..39);
        addresses.push("rita.flour@example.com".into());
        let found = at_once(&world, &addresses).await;
        assert_eq!(found[39], expected, "{rows_show} {is_confirmed}");
        let details = world.asked_of("GET /api/Users/");
        assert_eq!(details, usize::from(is_confirmed));
    }
}
