//! Users and clients that are created, and answers that are lost on the way.

use std::time::Duration;

use halo_intake::{
    class::Class,
    halo::{
        ClientId, NewClient, NewUser, SiteId,
        client::{Freshness, HaloError},
    },
    sandbox::{Duplicates, Fault, Mishap},
};
use serde_json::json;

use crate::world::*;

#[tokio::test]
async fn a_user_is_created_with_whole_numbers_whatever_the_success_is_called() {
    for http_status in [200, 201] {
        let world = world().await;
        world.sandbox.set(|switches| switches.create_status = http_status);
        let user = world.create("New@acme.example").await.unwrap();
        assert_eq!(user.emailaddress, "new@acme.example");
        assert_eq!((user.client_id, user.site_id), (Some(ClientId(12)), Some(SiteId(21))));
        let body = &world.sandbox.requests()[2].body[0];
        assert_eq!(
            (body["client_id"].to_string(), body["site_id"].to_string()),
            ("12".into(), "21".into())
        );
        assert_eq!(body["sendwelcomeemail"], false);
    }
}

#[tokio::test]
async fn what_halo_says_about_a_user_it_refuses_is_told() {
    let world = world().await;
    world
        .sandbox
        .set(|switches| switches.duplicate_users = Duplicates::Reject);
    let error = world.create("jane@acme.example").await.unwrap_err();
    let expected = "Halo answers POST /Users with 400: A User with this Email Address already exists";
    assert_eq!(error.to_string(), expected);
    assert_eq!((error.class(), error.is_of_connection()), (Class::Permanent, false));
    let refused = |user: NewUser| {
        let (halo, calls) = (world.halo.clone(), world.calls.clone());
        async move { halo.create_user(&user, &calls).await.unwrap_err().to_string() }
    };
    let error = refused(NewUser {
        site_id: SiteId(9999),
        ..new_user("x@acme.example")
    })
    .await;
    assert!(error.ends_with("Please select a valid Client/Site/User"), "{error}");
    let error = refused(NewUser {
        name: " ".into(),
        ..new_user("x@acme.example")
    })
    .await;
    assert!(error.contains("(515)"), "{error}");
}

#[tokio::test]
async fn two_users_of_one_address_are_possible_and_told_apart_by_id() {
    for duplicates in [Duplicates::Allow, Duplicates::Warn] {
        let world = world().await;
        world.sandbox.set(|switches| switches.duplicate_users = duplicates);
        let second = world.create("jane@acme.example").await.unwrap();
        assert_eq!(
            world.users("jane@acme.example", Freshness::Cached).await,
            [101, second.id.0]
        );
        assert_eq!(
            second.raw.json()["_email_collision"],
            json!(if duplicates == Duplicates::Warn { 101 } else { 0 })
        );
    }
}

#[tokio::test]
async fn a_client_is_created_with_its_first_site_and_found_at_once() {
    let world = world().await;
    let client = NewClient {
        name: "Fresh Paint".into(),
        website: "https://freshpaint.example".into(),
        trading_name: String::new(),
        notes: String::new(),
        site_name: "Studio".into(),
    };
    assert_eq!(world.clients(&name("Fresh Paint")).await, NOBODY);
    assert_eq!(world.clients_of("freshpaint.example").await, NOBODY);
    let created = world.halo.create_client(&client, &world.calls).await.unwrap();
    assert_eq!(world.clients(&name("Fresh Paint")).await, [created.id.0]);
    assert_eq!(world.clients_of("freshpaint.example").await, [created.id.0]);
    let site = world.halo.main_site(created.id, &world.calls).await.unwrap().unwrap();
    assert_eq!(site.name, "Studio");
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_write_is_uncertain_and_the_user_is_there() {
    let gateway = |status| Mishap::Html { status };
    for mishap in [
        Mishap::Drop,
        Mishap::Half,
        Mishap::NoId,
        gateway(502),
        gateway(504),
        status(500),
    ] {
        let world = world().await;
        world.fault(Fault::once("POST", "/api/users", mishap.clone()).after());
        let error = world.create("new@acme.example").await.unwrap_err();
        assert!(
            matches!(error, HaloError::NoAnswer { uncertain: true, .. }),
            "{mishap:?}: {error}"
        );
        assert_eq!((error.class(), error.is_of_connection()), (Class::Transient, false));
        assert_eq!(
            world.users_named("new@acme.example"),
            1,
            "{mishap:?}: sent once, and done"
        );
        assert_eq!(world.users("new@acme.example", Freshness::Fresh).await.len(), 1);
    }
}

#[tokio::test]
async fn a_write_whose_connection_closes_is_not_repeated_even_if_nothing_was_done() {
    let world = world().await;
    world.fault(Fault::once("POST", "/api/users", Mishap::Drop));
    let error = world.create("new@acme.example").await.unwrap_err();
    assert!(matches!(error, HaloError::NoAnswer { uncertain: true, .. }), "{error}");
    assert_eq!(world.asked(), ["POST /api/Users"]);
    assert_eq!(world.users_named("new@acme.example"), 0);
}

#[tokio::test]
async fn a_write_that_takes_too_long_is_uncertain() {
    let world = world_with(|config| config.timeout = Duration::from_millis(300), times()).await;
    world.check().await.unwrap();
    world.fault(Fault::once("POST", "/api/users", Mishap::Delay { ms: 5000 }));
    let error = world.create("new@acme.example").await.unwrap_err();
    let is_late =
        matches!(&error, HaloError::NoAnswer { uncertain: true, reason, .. } if reason == "no answer in time");
    assert!(is_late, "{error}");
    assert_eq!(world.users_named("new@acme.example"), 1);
}
