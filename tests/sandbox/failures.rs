//! What each failure means to the one who asked.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use halo_intake::{
    class::Class,
    config::HaloConfig,
    halo::client::{Calls, Freshness, HaloError},
    message::address::AddrSpec,
    sandbox::{Fault, Mishap, Pattern, Sandbox},
};

use crate::world::*;

#[tokio::test]
async fn each_failure_of_a_read_is_of_its_class() {
    let said = |status, message: &str| Mishap::Status {
        status,
        message: message.into(),
    };
    for (mishap, class, part) in [
        (
            Mishap::Html { status: 502 },
            Class::Transient,
            "502 Bad Gateway Bad Gateway sandbox gateway",
        ),
        (Mishap::Html { status: 503 }, Class::Transient, "Service Unavailable"),
        (
            status(500),
            Class::Transient,
            "500 Internal Server Error (empty answer)",
        ),
        (said(500, "deadlock"), Class::Transient, "500: deadlock"),
        (
            said(400, "no such column"),
            Class::Permanent,
            "with 400: no such column",
        ),
        (status(404), Class::Permanent, "404 Not Found (empty answer)"),
        (status(413), Class::Permanent, "413"),
        (status(302), Class::Transient, "set url to where the API is"),
        (Mishap::Html { status: 200 }, Class::Transient, "no JSON"),
        (Mishap::Half, Class::Transient, "breaks off"),
    ] {
        let world = world().await;
        world.fault(Fault::once("GET", "/api/users", mishap.clone()));
        let error = world.refusal().await;
        assert_eq!(error.class(), class, "{mishap:?}");
        assert!(error.to_string().contains(part), "{mishap:?}: {error}");
        assert!(!matches!(error, HaloError::NoAnswer { uncertain: true, .. }));
        world.check().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_forbidden_names_the_permission() {
    let world = world().await;
    world
        .sandbox
        .set(|switches| switches.forbidden = vec![Pattern::of("POST", "/api/users")]);
    let error = world.create("new@acme.example").await.unwrap_err();
    assert!(error.is_of_connection());
    let text = error.to_string();
    assert!(
        text.contains("POST /Users") && text.contains("403") && text.contains("edit:customers"),
        "{text}"
    );
    world.check().await.unwrap();
}

#[tokio::test]
async fn a_read_is_repeated_once_when_its_connection_had_been_closed() {
    let world = world().await;
    world.check().await.unwrap();
    world.fault(Fault::once("GET", "/api/users", Mishap::Drop));
    world.check().await.unwrap();
    world.fault(Fault::once("GET", "/api/users", Mishap::Drop).times(2));
    let error = world.refusal().await;
    let says_so = matches!(&error, HaloError::NoAnswer { uncertain: false, reason, .. } if reason.contains("closes"));
    assert!(says_so, "{error}");
    assert_eq!(world.asked().len(), 5);
    let statuses: Vec<u16> = world.calls.take().iter().map(|call| call.http_status).collect();
    assert_eq!(statuses, [200, 200, 200, 0, 200, 0, 0], "every attempt is in the trace");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable_and_found_when_it_comes_back() {
    let world = world().await;
    let (address, url) = (world.sandbox.address(), world.sandbox.url());
    world.check().await.unwrap();
    world.sandbox.stop().await;
    let new = connected(
        &HaloConfig {
            auth_url: Some(url.join("auth").unwrap()),
            ..config(url)
        },
        times(),
    );
    let error = new
        .create_user(&new_user("new@acme.example"), &world.calls)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, HaloError::Unreachable { reason, .. } if reason.contains("refused")),
        "{error}"
    );
    assert!(error.is_of_connection());

    let sandbox = Sandbox::start(address).await.unwrap();
    world.halo.check(&world.calls).await.unwrap();
    let statuses: Vec<u16> = sandbox.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [401, 200, 200]);
}

#[tokio::test]
async fn twenty_who_wait_for_a_dead_server_wait_together() {
    // It takes connections in and never answers.
    let listener = std::net::TcpListener::bind(loopback()).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let halo = connected(
        &HaloConfig {
            timeout: Duration::from_millis(300),
            ..config(url)
        },
        times(),
    );
    let (calls, began) = (Calls::default(), Instant::now());
    let addresses: Vec<AddrSpec> = (0..20)
        .map(|number| addr(&format!("n{}@acme.example", number / 2)))
        .collect();
    let lookups = addresses
        .iter()
        .map(|address| halo.users_with_address(address, Freshness::Cached, &calls));
    for found in join_all(lookups).await {
        assert!(matches!(found, Err(HaloError::Unreachable { .. })), "{found:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}
