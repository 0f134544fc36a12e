//! Clients that ask for too much, send what is none, or go away: the sandbox stays of use.

use std::time::Duration;

use halo_intake::sandbox::{Fault, LoggedRequest, Mishap};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{program::Program, world::*};

#[tokio::test]
async fn the_log_takes_no_more_memory_than_what_was_sent() {
    let program = Program::start(&["--set", "rate=null"]);
    let body = format!("[{}[]]", "[],".repeat(1_000_000));
    for _ in 0..4 {
        let sent = http().post(program.at("api/Users")).body(body.clone()).send();
        assert_eq!(sent.await.unwrap().status(), 401);
    }
    let log = http().get(program.at("sandbox/requests")).send().await.unwrap();
    assert!(log.bytes().await.unwrap().len() > 4 * body.len());
    let most = program.most_memory();
    assert!(most < 150_000_000, "{most} octets for {}", 4 * body.len());
}

#[tokio::test]
async fn the_last_requests_are_read_alone() {
    let world = world().await;
    for path in ["/api/One", "/api/Two", "/api/Three"] {
        fetch(&world, "", path).await;
    }
    let (_, log) = fetch(&world, "", "/sandbox/requests?last=2").await;
    let log: Vec<LoggedRequest> = serde_json::from_str(&log).unwrap();
    assert_eq!(log, world.sandbox.requests()[1..]);
}

#[tokio::test]
async fn the_bound_of_a_request_does_not_lock_the_switches() {
    let world = world().await;
    let (status, _) = post(&world, "", "/sandbox/switches", json!({"largest_request": 1})).await;
    assert_eq!(status, 200);
    let (status, _) = post(&world, "", "/api/Users", json!([])).await;
    assert_eq!(status, 413);
    let (status, _) = post(&world, "", "/sandbox/users", json!({"name": "Ann", "site_id": 21})).await;
    assert_eq!(status, 201);
    let (status, _) = post(&world, "", "/sandbox/switches", json!({"largest_request": 1000})).await;
    assert_eq!(status, 200);
    let paths: Vec<String> = world
        .sandbox
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(
        paths,
        ["/api/Users"],
        "what is asked of the sandbox itself is in no log"
    );
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_not_one_that_is_too_long() {
    let world = world().await;
    for path in ["/sandbox/users", "/api/Users"] {
        let mut stream = TcpStream::connect(world.sandbox.address()).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n[");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
    let logged = async {
        loop {
            if let Some(request) = world.sandbox.requests().pop() {
                return request;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let request = tokio::time::timeout(Duration::from_secs(20), logged).await.unwrap();
    assert_eq!((request.path.as_str(), request.status), ("/api/Users", 0));
    assert!(request.reason.contains("went away"), "{}", request.reason);
}

#[tokio::test]
async fn a_token_may_be_good_for_ever() {
    let world = world().await;
    world.sandbox.set(|switches| switches.token_lifetime_s = u64::MAX);
    let token = sign_in(&world).await;
    assert_eq!(fetch(&world, &token, "/api/Users/101").await.0, 200);
}

#[tokio::test]
async fn a_success_without_an_id_is_a_success() {
    let world = world().await;
    let token = sign_in(&world).await;
    let no_id = || Fault::once("POST", "/api/users", Mishap::NoId);
    world.fault(no_id());
    let (status, said) = post(&world, &token, "/api/Users", json!([{"name": "x"}])).await;
    assert!(status == 400 && said.contains("Client/Site/User"), "{said}");
    world.fault(no_id());
    let taken = post(&world, &token, "/api/Users", json!([{"name": "x", "site_id": 21}])).await;
    assert_eq!(taken, (201, "{}".to_owned()));
}

#[tokio::test]
async fn a_client_gets_no_site_of_another_one() {
    let world = world().await;
    let token = sign_in(&world).await;
    let before = world.sandbox.sites();
    let thief = json!([{"name": "Thief", "main_site_id": 21}]);
    let (status, thief) = post(&world, &token, "/api/Client", thief).await;
    let thief: Value = serde_json::from_str(&thief).unwrap();
    assert!(status == 201 && thief["main_site_id"] != 21, "{thief}");
    let (status, _) = post(
        &world,
        "",
        "/sandbox/clients",
        json!({"name": "Thief", "main_site_id": 21}),
    )
    .await;
    assert_eq!(status, 400);
    let moved = json!([{"id": thief["id"], "main_site_id": 21}]);
    assert_eq!(post(&world, &token, "/api/Client", moved).await.0, 400);
    assert_eq!(world.sandbox.sites()[..before.len()], before);
    let own = json!([{"id": 12, "main_site_id": 22}]);
    let (status, said) = post(&world, &token, "/api/Client", own).await;
    assert!(
        status == 201 && said.contains(r#""main_site_name":"Warehouse""#),
        "{said}"
    );
}

#[tokio::test]
async fn the_log_says_what_was_answered_and_why() {
    let world = world().await;
    let token = sign_in(&world).await;
    fetch(&world, "", "/api/Users").await;
    fetch(&world, "stale", "/api/Users").await;
    world.sandbox.set(|switches| switches.token_lifetime_s = 0);
    let expired = sign_in(&world).await;
    fetch(&world, &expired, "/api/Users").await;
    world.sandbox.clear_log();
    for (token, reason) in [
        ("", "there is no bearer token"),
        ("stale", "the token is not known"),
        (&expired, "the token has expired"),
    ] {
        fetch(&world, token, "/api/Users").await;
        assert_eq!(world.sandbox.requests().pop().unwrap().reason, reason);
    }
    let url = world.sandbox.url().join("api/Users").unwrap();
    let sent = http()
        .post(url)
        .bearer_auth(&token)
        .header("Content-Type", "application/json");
    sent.body("[{\"name\": \"x\"").send().await.unwrap();
    let last = world.sandbox.requests().pop().unwrap();
    assert_eq!(
        (last.content_type.as_str(), last.raw.as_str()),
        ("application/json", "[{\"name\": \"x\"")
    );
    assert!(last.answer.contains("The body is no JSON."), "{}", last.answer);
    sign_in(&world).await;
    let last = world.sandbox.requests().pop().unwrap();
    assert_eq!((last.status, last.answer.as_str(), last.raw.as_str()), (200, "", ""));
    assert!(!json!(world.sandbox.requests()).to_string().contains("sandbox-secret"));
}
