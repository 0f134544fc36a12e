//! What each failure means to the one who asked.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use halo_intake::{
    class::Class,
    config::HaloConfig,
    halo::{
        Reference,
        client::{Calls, Freshness, HaloError},
    },
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
        (status(404), Class::Transient, "set url to where the API is"),
        (Mishap::Html { status: 404 }, Class::Transient, "404 Not Found"),
        (
            Mishap::Html { status: 400 },
            Class::Transient,
            "what stands before Halo refuses it",
        ),
        (Mishap::Html { status: 405 }, Class::Transient, "405 Method Not Allowed"),
        (
            Mishap::Html { status: 407 },
            Class::Transient,
            "a proxy wants a sign-in",
        ),
        (said(409, "locked"), Class::Transient, "409: locked"),
        (
            said(200, "no licence"),
            Class::Transient,
            "it holds no list of users: no licence",
        ),
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
async fn a_record_that_a_gateway_does_not_find_is_not_taken_for_missing() {
    let world = world().await;
    world.fault(Fault::once("GET", "/api/client/12", Mishap::Html { status: 404 }));
    let by_id = || world.halo.clients_by(&Reference::Id(12), &world.calls);
    assert!(by_id().await.unwrap_err().is_of_connection());
    assert_eq!(client_ids(&by_id().await.unwrap()), [12], "and it is not remembered");
    assert_eq!(world.clients(&Reference::Id(999)).await, NOBODY);
}

#[tokio::test]
async fn a_user_whose_record_is_an_error_is_not_passed_over() {
    let world = world().await;
    let said = Mishap::Status {
        status: 200,
        message: "deadlock".into(),
    };
    world.fault(Fault::once("GET", "/api/users/104", said));
    let pia = addr("pia.lind@warehouse.acme.example");
    let look = || world.halo.users_with_address(&pia, Freshness::Fresh, &world.calls);
    let error = look().await.unwrap_err().to_string();
    assert!(error.contains("no user with that id: deadlock"), "{error}");
    assert_eq!(look().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_gateway_that_refuses_a_write_says_nothing_of_the_user() {
    for http_status in [400, 403, 404, 405, 407] {
        let world = world().await;
        world.fault(Fault::once("POST", "/api/users", Mishap::Html { status: http_status }));
        let error = world.create("new@acme.example").await.unwrap_err();
        assert!(error.is_of_connection(), "{error}");
        world.create("new@acme.example").await.unwrap();
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
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
