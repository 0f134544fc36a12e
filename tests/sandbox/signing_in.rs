//! Where to sign in, how often, and what is said when that is refused.

use std::time::Duration;

use futures_util::future::join_all;
use halo_intake::{
    class::Class,
    config::HaloConfig,
    halo::client::{HaloError, Times},
    sandbox::{Fault, Mishap},
};
use serde_json::json;

use crate::world::*;

#[tokio::test]
async fn the_authorisation_server_is_discovered_and_one_token_serves_all() {
    let world = world().await;
    world.check().await.unwrap();
    world.check().await.unwrap();
    let requests = world.sandbox.requests();
    let paths: Vec<&str> = requests.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/api/AuthInfo", "/auth/token", "/api/Users", "/api/Users"]);
    assert_eq!(requests[1].query, [("tenant".to_owned(), "sandbox".to_owned())]);
    let form = json!({"grant_type": "client_credentials", "client_id": "sandbox-client", "scope": "all"});
    assert_eq!(requests[1].body, form);
    let calls = world.calls.take();
    let paths: Vec<&str> = calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/AuthInfo",
            "/auth/token?tenant=sandbox",
            "/Users?count=1",
            "/Users?count=1"
        ]
    );
    assert!(!format!("{calls:?}").contains("sandbox-secret") && !format!("{calls:?}").contains("access_token"));
}

#[tokio::test]
async fn without_auth_info_the_server_stands_beside_the_api() {
    let world = world().await;
    world.sandbox.set(|switches| switches.auth_info = false);
    world.check().await.unwrap();
    assert_eq!(world.sandbox.requests()[1].path, "/auth/token");
    assert_eq!(world.sandbox.requests()[1].query, []);
}

#[tokio::test]
async fn a_configured_authorisation_server_is_not_looked_for() {
    let change = |config: &mut HaloConfig| config.auth_url = Some(config.url.join("auth/").unwrap());
    let world = world_with(change, times()).await;
    world.check().await.unwrap();
    assert_eq!(world.sandbox.requests()[0].path, "/auth/token");
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires() {
    let world = world_with(
        |_| {},
        Times {
            refresh_early: Duration::from_millis(59_900),
            ..times()
        },
    )
    .await;
    world.sandbox.set(|switches| switches.token_lifetime_s = 60);
    world.check().await.unwrap();
    world.check().await.unwrap();
    assert_eq!(world.sign_ins(), 1);
    tokio::time::sleep(Duration::from_millis(110)).await;
    world.check().await.unwrap();
    assert_eq!(world.sign_ins(), 2);
}

#[tokio::test]
async fn a_token_that_the_api_refuses_is_replaced_once_and_the_request_repeated() {
    let world = world().await;
    world.check().await.unwrap();
    world.sandbox.revoke_tokens();
    world.sandbox.clear_log();
    world.check().await.unwrap();
    let requests = world.sandbox.requests();
    let answered: Vec<(&str, u16)> = requests
        .iter()
        .map(|request| (request.path.as_str(), request.status))
        .collect();
    assert_eq!(
        answered,
        [("/api/Users", 401), ("/auth/token", 200), ("/api/Users", 200)]
    );
}

#[tokio::test]
async fn a_request_that_is_refused_with_a_new_token_too_is_a_missing_permission() {
    let world = world().await;
    world.fault(Fault::once("GET", "/api/users", status(401)).times(9));
    let error = world.refusal().await;
    assert!(
        matches!(&error, HaloError::Forbidden { remedy, .. } if remedy.contains("read:customers")),
        "{error}"
    );
    assert_eq!(world.asked(), ["GET /api/Users"; 2]);
}

#[tokio::test]
async fn twenty_who_meet_a_revoked_token_share_one_new_one() {
    let world = world().await;
    world.check().await.unwrap();
    world.sandbox.revoke_tokens();
    world.sandbox.clear_log();
    assert!(join_all((0..20).map(|_| world.check())).await.iter().all(Result::is_ok));
    assert_eq!(world.sign_ins(), 1);
}

#[tokio::test]
async fn a_wrong_secret_is_sent_once_and_says_what_to_do() {
    for http_status in [401, 400] {
        let world = world_with(|config| config.client_secret = secret("wr0ng"), times()).await;
        world
            .sandbox
            .set(|switches| switches.invalid_client_status = http_status);
        for _ in 0..5 {
            let error = world.refusal().await;
            assert_eq!((error.class(), error.is_of_connection()), (Class::Credentials, true));
            let text = error.to_string();
            assert!(
                text.contains("main") && text.contains("invalid_client") && text.contains("client_secret"),
                "{text}"
            );
            assert!(!text.contains("wr0ng"), "{text}");
        }
        assert_eq!(world.sign_ins(), 1);
    }
}

#[tokio::test]
async fn refused_credentials_are_tried_again_after_a_while() {
    let world = world_with(
        |_| {},
        Times {
            rejected: Duration::from_millis(150),
            ..times()
        },
    )
    .await;
    world.sandbox.set(|switches| switches.reject_credentials = true);
    world.refusal().await;
    world.sandbox.set(|switches| switches.reject_credentials = false);
    world.refusal().await;
    tokio::time::sleep(Duration::from_millis(160)).await;
    world.check().await.unwrap();
}

#[tokio::test]
async fn a_wrong_scope_and_a_wrong_server_each_have_their_remedy() {
    let scoped = world_with(|config| config.scope = "all read:actions".into(), times()).await;
    let error = scoped.refusal().await.to_string();
    assert!(error.contains("read:actions") && error.contains("scope"), "{error}");
    let change = |config: &mut HaloConfig| config.auth_url = Some(config.url.join("login").unwrap());
    let error = world_with(change, times()).await.refusal().await;
    assert!(
        matches!(&error, HaloError::Credentials { remedy, .. } if remedy.contains("auth_url")),
        "{error}"
    );
}

#[tokio::test]
async fn an_authorisation_server_that_is_down_is_a_fault_of_the_connection() {
    let world = world().await;
    world.fault(Fault::once("POST", "/auth/token", Mishap::Html { status: 503 }));
    let error = world.refusal().await;
    let says_so = matches!(&error, HaloError::Unreachable { reason, .. } if reason.contains("Service Unavailable"));
    assert!(says_so, "{error}");
    world.check().await.unwrap();
}
