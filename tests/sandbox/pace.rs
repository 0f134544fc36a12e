//! The rate that is never exceeded, and the hold after a 429.

use std::time::Duration;

use futures_util::future::join_all;
use halo_intake::{
    halo::client::HaloError,
    sandbox::{Fault, LoggedRequest, Mishap, RateLimit},
};

use crate::world::*;

#[tokio::test]
async fn the_connection_holds_still_after_a_429_and_goes_on() {
    for retry_after in [None, Some(0)] {
        let world = world().await;
        world.check().await.unwrap();
        world.sandbox.set(|switches| switches.retry_after_s = retry_after);
        world.fault(Fault::once("POST", "/api/users", slow_down()).times(2));
        world.create("new@acme.example").await.unwrap();
        assert_eq!(world.users_named("new@acme.example"), 1);
        let posts: Vec<LoggedRequest> = world
            .sandbox
            .requests()
            .into_iter()
            .filter(|request| request.path == "/api/Users")
            .skip(1)
            .collect();
        assert_eq!(
            posts.iter().map(|request| request.status).collect::<Vec<_>>(),
            [429, 429, 201]
        );
        if retry_after.is_none() {
            let waited = posts[2].at.duration_since(posts[1].at);
            assert!(waited.as_millis() >= 40, "doubled, less half at most: {waited:?}");
        }
    }
}

#[tokio::test]
async fn a_long_hold_is_told_at_once_and_nothing_is_sent_meanwhile() {
    let world = world().await;
    world.check().await.unwrap();
    world.sandbox.set(|switches| switches.retry_after_s = Some(90));
    world.fault(Fault::once("", "/api/users", slow_down()));
    let held = |error: &HaloError| match error {
        HaloError::TooMany {
            retry_after: Some(left),
            ..
        } => left.as_secs(),
        other => panic!("{other:?} is no hold"),
    };
    let error = world.refusal().await;
    assert!(
        error.to_string().ends_with("slow down") && (80..=90).contains(&held(&error)),
        "{error:?}"
    );
    let asked = world.asked().len();
    assert!((80..=90).contains(&held(&world.refusal().await)));
    let error = world.create("new@acme.example").await.unwrap_err();
    assert!((80..=90).contains(&held(&error)) && error.is_of_connection());
    assert_eq!(world.asked().len(), asked);
}

#[tokio::test]
async fn the_rolling_window_is_never_exceeded() {
    let (count, per_ms) = (6, 150);
    let world = world_with(|config| config.rate = rate(6, Duration::from_millis(per_ms)), times()).await;
    world.sandbox.set(|switches| {
        switches.rate = Some(RateLimit { count, per_ms });
        switches.latency_ms = 5;
    });
    assert!(join_all((0..28).map(|_| world.check())).await.iter().all(Result::is_ok));
    let requests = world.sandbox.requests();
    assert_eq!(requests.len(), 30);
    assert!(
        requests.iter().all(|request| request.status == 200),
        "the sandbox refuses what is too much"
    );
    for (first, next) in requests.iter().zip(&requests[count..]) {
        let apart = next.at.duration_since(first.at);
        assert!(apart.as_millis() >= 150, "{count} and one more within {apart:?}");
    }
}

#[tokio::test]
async fn a_429_at_the_sign_in_holds_everybody_and_is_waited_out() {
    let world = world().await;
    world.sandbox.set(|switches| switches.retry_after_s = Some(1));
    world.fault(Fault::once("POST", "/auth/token", slow_down()));
    let answers = join_all((0..5).map(|_| world.check())).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let requests = world.sandbox.requests();
    let refused = requests.iter().position(|request| request.status == 429).unwrap();
    assert_eq!(
        requests.len(),
        refused + 1 + 6,
        "another sign-in, and a request for each"
    );
    let waited = requests[refused + 1].at.duration_since(requests[refused].at);
    assert!(waited.as_millis() >= 1000, "{waited:?}");
}

#[tokio::test]
async fn everybody_holds_still_after_a_429_and_then_full_pace_is_there_at_once() {
    let (ours, theirs) = (40, 20);
    let world = world_with(|config| config.rate = rate(40, Duration::from_secs(1)), times()).await;
    world.check().await.unwrap();
    world.sandbox.clear_log();
    world.sandbox.set(|switches| {
        switches.rate = Some(RateLimit {
            count: theirs,
            per_ms: 1000,
        });
        switches.retry_after_s = Some(1);
    });
    let answers = join_all((0..2 * ours).map(|_| world.check())).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");

    let requests = world.sandbox.requests();
    let first_refused = requests.iter().position(|request| request.status == 429).unwrap();
    // Those that were under way when the first answer said 429 may still come; everybody else stands in line.
    let held = (first_refused..requests.len() - 1)
        .find(|&at| apart(&requests[at], &requests[at + 1]) >= 900)
        .expect("a time in which nothing comes");
    assert!(held < ours, "{held} came before the connection held still");
    let last_refused = requests[..=held]
        .iter()
        .rposition(|request| request.status == 429)
        .unwrap();
    let at_full_pace = apart(&requests[last_refused], &requests[held + ours]) - 1000;
    println!("full pace, {ours} requests, {at_full_pace} ms after the end of the hold");
    assert!((0..1000).contains(&at_full_pace), "{at_full_pace} ms");
}

#[tokio::test]
async fn a_time_to_come_again_is_by_the_clock_of_who_says_it() {
    // A day behind it would be over, a day ahead it would be far away.
    for ahead in [-86_400, 86_400] {
        let world = world().await;
        world.sandbox.set(|switches| {
            switches.clock_ahead_s = ahead;
            (switches.retry_after_s, switches.retry_after_date) = (Some(90), true);
        });
        world.fault(Fault::once("GET", "/api/users", slow_down()));
        let error = world.refusal().await;
        let held = error.retry_after().unwrap().as_secs();
        assert!((80..=90).contains(&held), "{ahead}: {held}");
    }
}

fn slow_down() -> Mishap {
    Mishap::Status {
        status: 429,
        message: "slow down".into(),
    }
}

fn apart(first: &LoggedRequest, next: &LoggedRequest) -> i128 {
    next.at.duration_since(first.at).as_millis()
}
