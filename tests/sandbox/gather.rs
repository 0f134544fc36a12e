//! Many users at once: few requests, each with its own answer, and nobody twice whatever goes wrong.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use halo_intake::{
    halo::{
        NewUser, User,
        client::{Call, Calls, Freshness, HaloError},
    },
    sandbox::{Duplicates, Fault, Mishap, Pattern},
};
use serde_json::json;

use crate::world::*;

fn address(number: usize) -> String {
    format!("new{number}@acme.example")
}

/// Creates so many users at once; each one's answer and trace.
async fn create(world: &World, count: usize) -> Vec<(Result<User, HaloError>, Vec<Call>)> {
    create_all(world, (0..count).map(|number| new_user(&address(number))).collect()).await
}

async fn create_all(world: &World, users: Vec<NewUser>) -> Vec<(Result<User, HaloError>, Vec<Call>)> {
    let one = |user: NewUser| async move {
        let calls = Calls::default();
        let created = world.halo.create_user(&user, &calls).await;
        (created.map(|created| created.user), calls.take())
    };
    join_all(users.into_iter().map(one)).await
}

fn is_uncertain(created: &Result<User, HaloError>) -> bool {
    matches!(created, Err(HaloError::NoAnswer { uncertain: true, .. }))
}

fn posts(world: &World) -> usize {
    world.asked_of("POST /api/Users")
}

#[tokio::test]
async fn sixty_at_once_take_few_requests_and_each_has_its_own_answer() {
    let world = world().await;
    let created = create(&world, 60).await;
    // One that was alone, an array that is full, the rest.
    assert_eq!(posts(&world), 3);
    for (number, (user, calls)) in created.iter().enumerate() {
        let (user, address) = (user.as_ref().unwrap(), address(number));
        assert_eq!((&user.emailaddress, world.users_named(&address)), (&address, 1));
        assert_eq!(world.users(&address, Freshness::Fresh).await, [user.id.0]);
        let call = calls.last().unwrap();
        assert_eq!(call.body.as_array().map(Vec::len), Some(1));
        assert_eq!(call.body[0]["emailaddress"], address.as_str());
        assert!(!call.answer.contains(&super::gather::address((number + 1) % 60)));
        assert_eq!(
            call.shared,
            if number == 0 {
                0
            } else if number <= 50 {
                50
            } else {
                9
            }
        );
    }
}

#[tokio::test]
async fn one_that_is_alone_is_sent_as_an_array_of_one_and_those_soon_after_it_are_gathered() {
    // A slot of this rate takes a second to come back.
    let world = world_with(|config| config.rate = rate(300, Duration::from_secs(300)), times()).await;
    world.check().await.unwrap();
    world.create("new@acme.example").await.unwrap();
    let sent = world.sandbox.requests().pop().unwrap();
    assert_eq!((sent.query.len(), sent.body.as_array().map(Vec::len)), (0, Some(1)));

    let began = Instant::now();
    let created = create(&world, 20).await;
    assert!(began.elapsed() >= Duration::from_millis(900), "more are gathered");
    assert!(created.iter().all(|(user, _)| user.is_ok()));
    assert!(posts(&world) <= 3);
}

#[tokio::test]
async fn one_bad_element_spoils_nothing_but_itself() {
    let world = world().await;
    let mut users: Vec<NewUser> = (0..12).map(|number| new_user(&address(number))).collect();
    users[7].name = "x".repeat(300);
    for (number, (created, _)) in create_all(&world, users).await.into_iter().enumerate() {
        if number == 7 {
            let error = created.unwrap_err();
            assert!(matches!(error, HaloError::Refused { status: 400, .. }), "{error:?}");
            assert!(error.to_string().contains("truncated in column 'name'"), "{error}");
        } else {
            assert_eq!(created.unwrap().emailaddress, address(number));
        }
        assert_eq!(world.users_named(&address(number)), usize::from(number != 7));
    }
    // Those before the bad one were made by the array: they are found and not sent again.
    assert_eq!(posts(&world), 1 + 1 + 5);
}

#[tokio::test]
async fn who_was_there_when_an_array_was_refused_is_told_from_who_was_made_by_it() {
    let world = world().await;
    world
        .sandbox
        .set(|switches| switches.duplicate_users = Duplicates::Reject);
    let there = json!({"name": "New Person", "site_id": 21, "emailaddress": address(2), "inactive": true});
    world.sandbox.add_user(there);
    let users: Vec<NewUser> = (0..4).map(|number| new_user(&address(number))).collect();
    let created = users.iter().map(|user| world.halo.create_user(user, &world.calls));
    let existed = join_all(created)
        .await
        .into_iter()
        .map(|created| created.unwrap().existed);
    assert_eq!(existed.collect::<Vec<_>>(), [false, false, true, false]);
    // One that was alone, the array, and the one behind the one that was there.
    assert_eq!(posts(&world), 3);
}

#[tokio::test]
async fn an_array_whose_answer_is_lost_leaves_each_uncertain_and_there_once() {
    for mishap in [
        Mishap::Drop,
        Mishap::Half,
        Mishap::NoId,
        status(500),
        Mishap::Html { status: 504 },
    ] {
        let world = world().await;
        // The first is sent alone, the others together.
        world.fault(Fault::once("POST", "/api/users", mishap.clone()).after().times(2));
        for (number, (created, calls)) in create(&world, 12).await.into_iter().enumerate() {
            assert!(is_uncertain(&created), "{mishap:?}: {created:?}");
            assert_eq!(calls.last().unwrap().shared, if number == 0 { 0 } else { 11 });
            assert_eq!(world.users_named(&address(number)), 1);
            assert_eq!(world.users(&address(number), Freshness::Fresh).await.len(), 1);
        }
        assert_eq!(posts(&world), 2, "{mishap:?}");
    }
}

#[tokio::test]
async fn a_server_that_shows_only_the_last_leaves_the_others_uncertain_and_gets_no_more_arrays() {
    let world = world().await;
    world.sandbox.set(|switches| switches.returnall = false);
    let created = create(&world, 12).await;
    let uncertain = created.iter().filter(|(created, _)| is_uncertain(created)).count();
    assert_eq!((uncertain, posts(&world)), (10, 2));
    for (number, (created, _)) in created.iter().enumerate() {
        let found = world.users(&address(number), Freshness::Fresh).await;
        assert_eq!(found.len(), 1);
        assert!(created.as_ref().map_or(true, |user| user.id.0 == found[0]));
    }
    let others = (20..25).map(|number| new_user(&address(number))).collect();
    let created = create_all(&world, others).await;
    assert!(
        created
            .iter()
            .all(|(created, calls)| created.is_ok() && calls[0].shared == 0)
    );
    assert_eq!(posts(&world), 2 + 5);
}

#[tokio::test]
async fn what_is_forbidden_is_told_to_each_and_what_must_wait_is_sent_again_together() {
    let world = world().await;
    world
        .sandbox
        .set(|switches| switches.forbidden = vec![Pattern::of("POST", "/api/users")]);
    for (created, calls) in create(&world, 6).await {
        assert!(created.unwrap_err().to_string().contains("edit:customers"));
        assert_eq!(calls.last().unwrap().http_status, 403);
    }
    assert_eq!(posts(&world), 2);

    world.sandbox.set(|switches| switches.forbidden.clear());
    world.fault(Fault::once("POST", "/api/users", status(429)).times(2));
    let created = create(&world, 6).await;
    assert!(created.iter().all(|(created, _)| created.is_ok()));
    // Two that were refused, and the same again; so soon after the last request the first one may wait for the others.
    assert!((2 + 2 + 1..=2 + 2 + 2).contains(&posts(&world)), "{}", posts(&world));
    assert_eq!(world.users_named(&address(3)), 1);
}

#[tokio::test]
async fn whoever_waits_for_one_that_is_stopped_while_it_sends_is_told() {
    let world = world().await;
    world.sandbox.set(|switches| switches.latency_ms = 4000);
    let begin = |number: usize| {
        let halo = world.halo.clone();
        tokio::spawn(async move {
            let created = halo.create_user(&new_user(&address(number)), &Calls::default()).await;
            created.map(|created| created.user)
        })
    };
    let sent = async |count: usize| {
        let deadline = Instant::now() + Duration::from_secs(10);
        while posts(&world) < count {
            assert!(Instant::now() < deadline, "{count} requests were not sent");
            tokio::task::yield_now().await;
        }
    };
    let alone = begin(0);
    sent(1).await;
    let (sender, other) = (begin(1), begin(2));
    tokio::task::yield_now().await;
    alone.abort();
    sent(2).await;
    sender.abort();
    let created = other.await.unwrap();
    assert!(is_uncertain(&created), "{created:?}");
    assert!(
        created
            .unwrap_err()
            .to_string()
            .contains("was stopped before the answer came")
    );

    world.sandbox.set(|switches| switches.latency_ms = 0);
    world.create(&address(3)).await.unwrap();
}
