//! Clients, sites and agents by id, by name, by domain and by address.

use std::time::Duration;

use futures_util::future::join_all;
use halo_intake::{
    halo::{
        ClientId, Reference,
        client::{Calls, Freshness, HaloError, Times},
    },
    sandbox::{Agents, ClientDomain, Fault},
};
use serde_json::json;

use crate::world::*;

#[tokio::test]
async fn clients_are_found_by_id_and_by_exact_name() {
    let world = world().await;
    for (reference, expected) in [
        (Reference::Id(12), &[12][..]),
        (Reference::Id(15), &[15]),
        (Reference::Id(999), &[]),
        (name("Acme Ltd"), &[12]),
        (name(" Acme Ltd "), &[12]),
        (name("acme LTD"), &[]),
        (name("Acme"), &[]),
        (name("Unknown"), &[1]),
        (name("Closed Shop"), &[]),
    ] {
        assert_eq!(world.clients(&reference).await, expected, "{reference}");
    }
    let before = world.asked().len();
    world.clients(&name("Acme Ltd")).await;
    assert_eq!(world.asked().len(), before, "kept");
}

#[tokio::test]
async fn a_site_that_was_read_for_its_mail_domain_is_not_read_again() {
    let world = world().await;
    let found = world
        .halo
        .sites_of_domain("warehouse.acme.example", &Calls::default())
        .await
        .unwrap();
    let before = world.asked().len();
    let reference = Reference::Id(found[0].id.0);
    assert_eq!(world.sites(None, &reference).await, [found[0].id.0]);
    assert_eq!(world.asked().len(), before);
}

#[tokio::test]
async fn two_clients_of_one_name_are_both_given() {
    let world = world().await;
    let other = world.sandbox.add_client(json!({"name": "Acme Ltd"}));
    assert_eq!(world.clients(&name("Acme Ltd")).await, [12, other.0]);
}

#[tokio::test]
async fn sites_are_found_by_id_and_by_name_within_their_client() {
    let world = world().await;
    let acme = Some(ClientId(12));
    for (client, reference, expected) in [
        (acme, name("Main"), &[21][..]),
        (acme, name("Annex"), &[]),
        (acme, name("Old Office"), &[]),
        (None, name("Annex"), &[26]),
        (None, name("Main"), &[18, 21, 24, 25, 27, 28]),
        (None, Reference::Id(22), &[22]),
        (None, Reference::Id(999), &[]),
    ] {
        assert_eq!(
            world.sites(client, &reference).await,
            expected,
            "{client:?} {reference}"
        );
    }
    let of_other = world
        .halo
        .sites_by(acme, &Reference::Id(26), &world.calls)
        .await
        .unwrap();
    assert_eq!(
        of_other[0].client_id,
        Some(ClientId(14)),
        "whose it is, is for the caller to judge"
    );
}

#[tokio::test]
async fn the_main_site_is_the_one_named_else_the_first_active_one() {
    let world = world().await;
    assert_eq!(world.main_site(12).await, Some(21));
    assert_eq!(world.main_site(999).await, None);
    let client = world.sandbox.add_client(json!({"name": "Moved"}));
    let first = world.halo.every_site(Some(client), &world.calls).await.unwrap()[0].id;
    let old = world
        .sandbox
        .add_site(json!({"name": "Old", "client_id": client.0, "inactive": true}));
    let token = sign_in(&world).await;
    post(
        &world,
        &token,
        "/api/Client",
        json!([{"id": client.0, "main_site_id": old.0}]),
    )
    .await;
    assert_eq!(
        world.main_site(client.0).await,
        Some(first.0),
        "the named one is inactive"
    );
}

#[tokio::test]
async fn sites_and_clients_are_found_by_their_whole_mail_domain() {
    let world = world().await;
    for (domain, sites, clients) in [
        ("acme.example", &[21][..], &[12][..]),
        ("ACME-group.example", &[21], &[]),
        ("warehouse.acme.example", &[22], &[]),
        ("northgate.example", &[25], &[]),
        ("solebakery.example", &[], &[13]),
        ("www.solebakery.example", &[], &[]),
        ("bakery.example", &[], &[]),
        ("closedshop.example", &[], &[]),
        ("sub.northgate.example", &[], &[]),
    ] {
        assert_eq!(world.sites_of(domain).await, sites, "{domain}");
        assert_eq!(world.clients_of(domain).await, clients, "{domain}");
    }
    assert_eq!(world.asked_of("GET /api/Site/"), 8, "one for each active site, once");
    assert_eq!(world.asked_of("GET /api/Site"), 9);
}

/// How many requests of the world were for lists of clients, and how many for one client.
fn asked_for_clients(world: &World) -> (usize, usize) {
    let records = world.asked_of("GET /api/Client/");
    (world.asked_of("GET /api/Client") - records, records)
}

#[tokio::test]
async fn the_domain_of_a_client_is_read_where_halos_filter_hints_at_it() {
    let world = world().await;
    assert_eq!(world.clients_of("acme.example").await, [12]);
    assert_eq!(
        asked_for_clients(&world),
        (2, 1),
        "all, those of the domain, and the one"
    );
    assert_eq!(world.clients_of("ACME.example.").await, [12]);
    assert_eq!(asked_for_clients(&world), (2, 1), "kept");
    assert_eq!(world.clients_of("me.example").await, NOBODY, "a part is no match");
}

#[tokio::test]
async fn a_domain_of_one_client_and_a_website_of_another_are_two() {
    let world = world().await;
    let site = json!({"name": "Website", "website": "https://www.both.example/x"});
    let by_website = world.sandbox.add_client(site);
    let by_domain = world
        .sandbox
        .add_client(json!({"name": "Domain", "domain": "both.example"}));
    assert_eq!(world.clients_of("both.example").await, [by_website.0, by_domain.0]);
}

#[tokio::test]
async fn a_flood_of_strange_domains_costs_no_more_than_the_clients() {
    let world = world().await;
    for number in 0..35 {
        world.sandbox.add_client(json!({"name": format!("Client {number}")}));
    }
    let domains: Vec<String> = (0..200).map(|number| format!("strange{number}.example")).collect();
    let asked = domains.iter().map(|domain| world.clients_of(domain));
    assert!(join_all(asked).await.iter().all(Vec::is_empty));
    let (lists, records) = asked_for_clients(&world);
    assert!(lists <= 42 && records == 40, "{lists} lists and {records} records");
    assert_eq!(world.clients_of("acme.example").await, [12]);
    assert_eq!(asked_for_clients(&world), (lists, records));

    let again = connected(&config(world.sandbox.url()), times());
    again.restore(world.halo.snapshot());
    world.sandbox.clear_log();
    let found = again.clients_of_domain("acme.example", &world.calls).await.unwrap();
    assert_eq!(client_ids(&found), [12]);
    assert_eq!(asked_for_clients(&world), (1, 0), "after a restart they are known");
}

#[tokio::test]
async fn a_filter_that_filters_nothing_or_everything_is_not_trusted() {
    for filter in [ClientDomain::Ignored, ClientDomain::Nothing] {
        let blind = world().await;
        blind.sandbox.set(|switches| switches.client_domain = filter);
        for number in 0..3 {
            blind.clients_of(&format!("strange{number}.example")).await;
        }
        assert_eq!(blind.clients_of("acme.example").await, [12], "all were read meanwhile");
    }

    let large = world().await;
    large
        .sandbox
        .set(|switches| switches.client_domain = ClientDomain::Ignored);
    for number in 0..40 {
        large.sandbox.add_client(json!({"name": format!("Client {number}")}));
    }
    assert_eq!(large.clients_of("strange.example").await, NOBODY);
    let (lists, records) = asked_for_clients(&large);
    assert!(lists <= 3 && records <= 5, "{lists} lists and {records} records");
}

#[tokio::test]
async fn rows_that_show_the_domain_are_enough() {
    let world = world().await;
    world
        .sandbox
        .set(|switches| switches.client_domain = ClientDomain::InRows);
    assert_eq!(world.clients_of("acme.example").await, [12]);
    assert_eq!(asked_for_clients(&world), (1, 0));
}

#[tokio::test]
async fn an_index_that_was_given_up_goes_on_where_it_stopped_and_survives_a_restart() {
    let world = world().await;
    world.fault(Fault::once("GET", "/api/Site/28", status(500)));
    let error = world
        .halo
        .sites_of_domain("acme.example", &world.calls)
        .await
        .unwrap_err();
    assert!(matches!(error, HaloError::NoAnswer { uncertain: false, .. }), "{error}");
    assert_eq!(world.sites_of("acme.example").await, [21]);
    assert_eq!(
        (world.asked_of("GET /api/Site/18"), world.asked_of("GET /api/Site/28")),
        (1, 2)
    );

    world.sandbox.clear_log();
    let again = connected(&config(world.sandbox.url()), times());
    again.restore(world.halo.snapshot());
    assert_eq!(
        site_ids(&again.sites_of_domain("northgate.example", &world.calls).await.unwrap()),
        [25]
    );
    assert_eq!(world.asked_of("GET /api/Site/"), 0);
}

#[tokio::test]
async fn a_record_that_can_not_be_read_stops_nobody() {
    for http_status in [500, 400, 403] {
        // What can't be shown is waited for as long as an absence is kept: here not at all.
        let times = Times {
            absent: Duration::ZERO,
            ..times()
        };
        let world = world_with(|_| {}, times).await;
        for path in ["/api/Site/28", "/api/Client/13"] {
            world.fault(Fault::once("GET", path, status(http_status)).times(999));
        }
        let first = world.halo.sites_of_domain("acme.example", &world.calls).await;
        assert_eq!(first.is_err(), http_status == 500, "it may be able to in a moment");
        assert_eq!(world.sites_of("acme.example").await, [21], "{http_status}");
        let asked = world.asked_of("GET /api/Site/28");
        assert_eq!(world.sites_of("northgate.example").await, [25]);
        assert_eq!(world.asked_of("GET /api/Site/28"), asked, "kept for a while");

        // The filter lets nothing through, so that all records are read in the end.
        world
            .sandbox
            .set(|switches| switches.client_domain = ClientDomain::Nothing);
        for number in 0..4 {
            let domain = format!("strange{number}.example");
            let _ = world.halo.clients_of_domain(&domain, &world.calls).await;
        }
        assert!(world.asked_of("GET /api/Client/13") > 0);
        assert_eq!(world.clients_of("acme.example").await, [12], "{http_status}");
    }
}

#[tokio::test]
async fn agents_are_recognised_in_both_shapes() {
    for shape in [Agents::Results, Agents::Bare] {
        let world = world().await;
        world.sandbox.set(|switches| switches.agents = shape);
        assert_eq!(world.agent("billie@desk.example").await, Some(4));
        assert_eq!(world.agent("jane@acme.example").await, None);
        assert_eq!(world.asked(), ["GET /api/Agent"]);
    }
}

#[tokio::test]
async fn agents_that_may_not_be_read_are_none() {
    for http_status in [401, 403] {
        let world = world().await;
        world.fault(Fault::once("GET", "/api/agent", status(http_status)).times(9));
        assert_eq!(world.agent("alex@desk.example").await, None);
        assert_eq!(world.users("jane@acme.example", Freshness::Fresh).await, [101]);
    }
}
