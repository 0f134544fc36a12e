//! Users by address: equality, pages, freshness.

use futures_util::future::join_all;
use halo_intake::halo::{
    ClientId, ListQuery, SiteId, UserId,
    client::Freshness,
    ticket::{NewTicket, TicketFields},
};
use serde_json::json;

use crate::world::*;

#[tokio::test]
async fn an_address_is_compared_exactly_and_never_as_a_part() {
    let world = world().await;
    for (address, expected) in [
        ("jane@acme.example", &[101][..]),
        ("MARY.jane@acme.example", &[102]),
        ("omar.haddad@acme.example", &[103]),
        ("ane@acme.example", &[]),
        ("ivo+rota@northgate.example", &[109]),
        ("rota@northgate.example", &[]),
    ] {
        assert_eq!(world.users(address, Freshness::Fresh).await, expected, "{address}");
    }
}

#[tokio::test]
async fn further_addresses_are_found_by_the_detail() {
    let world = world().await;
    assert_eq!(
        world.users("pia.lind@warehouse.acme.example", Freshness::Fresh).await,
        [104]
    );
    assert_eq!(world.users("rita.flour@example.com", Freshness::Fresh).await, [107]);
    let expected = [
        "GET /api/Users",
        "GET /api/Users/104",
        "GET /api/Users",
        "GET /api/Users/107",
    ];
    assert_eq!(world.asked(), expected);
}

#[tokio::test]
async fn only_so_many_hits_are_looked_at_in_detail() {
    let world = world().await;
    for number in 0..15 {
        let address = format!("n{number}-pat@acme.example");
        world
            .sandbox
            .add_user(json!({"name": "x", "site_id": 21, "emailaddress": address}));
    }
    assert_eq!(world.users("pat@acme.example", Freshness::Fresh).await, NOBODY);
    assert_eq!(world.asked().len(), 11);
    // What shows in no row comes first, whatever its id.
    let user =
        json!({"id": 9999, "name": "P", "site_id": 21, "emailaddress": "p@x.example", "email2": "pat@acme.example"});
    world.sandbox.add_user(user);
    assert_eq!(world.users("pat@acme.example", Freshness::Fresh).await, [9999]);
}

#[tokio::test]
async fn inactive_users_are_found_after_active_ones() {
    let world = world().await;
    let gone = world.found("gone@acme.example", Freshness::Fresh).await;
    assert!(gone.len() == 1 && gone[0].inactive);
    world
        .sandbox
        .add_user(json!({"name": "Gone Again", "site_id": 21, "emailaddress": "gone@acme.example"}));
    world
        .sandbox
        .add_user(json!({"id": 90, "name": "Gone First", "site_id": 21, "emailaddress": "gone@acme.example"}));
    let ids = world.users("gone@acme.example", Freshness::Fresh).await;
    assert_eq!((ids[0], ids[2]), (90, 105));
    assert_eq!(
        world.users("lena.bo@northgate.example", Freshness::Fresh).await,
        [110, 111]
    );
}

#[tokio::test]
async fn a_domain_with_letters_beyond_ascii_is_looked_for_in_both_spellings() {
    let world = world().await;
    world
        .sandbox
        .add_user(json!({"id": 91, "name": "Ann", "site_id": 21, "emailaddress": "Ann@Bücher.example"}));
    world
        .sandbox
        .add_user(json!({"id": 92, "name": "Bo", "site_id": 21, "emailaddress": "bo@xn--bcher-kva.example"}));
    for (address, id) in [
        ("ann@bücher.example", 91),
        ("ann@xn--bcher-kva.example", 91),
        ("bo@bücher.example", 92),
        ("bo@XN--BCHER-KVA.example", 92),
    ] {
        assert_eq!(world.users(address, Freshness::Fresh).await, [id], "{address}");
    }
}

#[tokio::test]
async fn floats_become_ids() {
    let world = world().await;
    let jane = &world.found("jane@acme.example", Freshness::Fresh).await[0];
    assert_eq!((jane.client_id, jane.site_id), (Some(ClientId(12)), Some(SiteId(21))));
    assert_eq!(
        (jane.client_name.as_str(), jane.site_name.as_str()),
        ("Acme Ltd", "Main")
    );
    assert_eq!(jane.raw.json()["site_id"].to_string(), "21");
}

#[tokio::test]
async fn twenty_who_ask_for_one_address_ask_once() {
    let world = world().await;
    for found in join_all((0..20).map(|_| world.users("jane@acme.example", Freshness::Cached))).await {
        assert_eq!(found, [101]);
    }
    assert_eq!(world.asked(), ["GET /api/Users"]);
    world.users("jane@acme.example", Freshness::Fresh).await;
    assert_eq!(world.asked().len(), 2, "a fresh answer is asked for");
}

#[tokio::test]
async fn answers_are_kept_and_our_own_writes_are_seen_at_once() {
    let world = world().await;
    assert_eq!(world.users("new@acme.example", Freshness::Cached).await, NOBODY);
    let created = world.create("new@acme.example").await.unwrap();
    assert_eq!(world.users("new@acme.example", Freshness::Cached).await, [created.id.0]);

    assert_eq!(world.users("other@acme.example", Freshness::Cached).await, NOBODY);
    let other = json!({"name": "x", "site_id": 21, "emailaddress": "other@acme.example"});
    let other = world.sandbox.add_user(other);
    assert_eq!(
        world.users("other@acme.example", Freshness::Cached).await,
        NOBODY,
        "kept for a minute"
    );
    assert_eq!(world.users("other@acme.example", Freshness::Fresh).await, [other.0]);

    assert!(world.found("gone@acme.example", Freshness::Cached).await[0].inactive);
    assert!(
        !world
            .halo
            .reactivate_user(UserId(105), &world.calls)
            .await
            .unwrap()
            .inactive
    );
    assert!(!world.found("gone@acme.example", Freshness::Cached).await[0].inactive);
}

#[tokio::test]
async fn all_pages_are_read_whatever_the_server_serves() {
    for (cap, pages) in [(100, 3), (50, 6)] {
        let world = world().await;
        let site = world.sandbox.add_site(json!({"name": "Big", "client_id": 13}));
        for number in 0..250 {
            let user = json!({"name": format!("Person {number}"), "site_id": site.0, "client_id": 77});
            world.sandbox.add_user(user);
        }
        world.sandbox.set(|switches| switches.page_cap = cap);
        let users = world.halo.every_user(Some(ClientId(77)), &world.calls).await.unwrap();
        assert_eq!((users.len(), world.asked().len()), (250, pages), "cap {cap}");
    }
}

#[tokio::test]
async fn a_server_that_repeats_its_page_comes_to_an_end() {
    let world = world().await;
    world
        .sandbox
        .set(|switches| (switches.repeat_page, switches.page_cap) = (true, 5));
    assert_eq!(world.halo.every_user(None, &world.calls).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_query_is_one_request_with_what_was_asked() {
    let world = world().await;
    let query = ListQuery {
        search: "jane".into(),
        client: Some(ClientId(12)),
        site: None,
        domain: String::new(),
        include_active: true,
        include_inactive: false,
        page_size: 1,
        page_no: 2,
        order_by: "name".into(),
        order_descending: false,
    };
    let page = world.halo.query_users(&query, &world.calls).await.unwrap();
    assert_eq!(
        (page.record_count, page.rows.len(), page.rows[0].name.as_str()),
        (2, 1, "Mary Jane")
    );
    let sites = ListQuery {
        search: String::new(),
        page_size: 25,
        page_no: 1,
        ..query
    };
    assert_eq!(
        world.halo.query_sites(&sites, &world.calls).await.unwrap().rows.len(),
        2
    );
    let by_domain = ListQuery {
        client: None,
        domain: "solebakery".into(),
        ..sites
    };
    assert_eq!(
        client_ids(&world.halo.query_clients(&by_domain, &world.calls).await.unwrap().rows),
        [13]
    );
    assert_eq!(world.asked(), ["GET /api/Users", "GET /api/Site", "GET /api/Client"]);
}

#[tokio::test]
async fn who_bears_an_address_as_a_further_one_is_seen_beside_the_one_whose_main_address_it_is() {
    let world = world().await;
    let add = |user| world.sandbox.add_user(user).0;
    let other = add(
        json!({"id": 90, "name": "Other", "site_id": 22, "emailaddress": "o@acme.example", "email2": "mm@acme.example"}),
    );
    let main = add(json!({"name": "Main", "site_id": 21, "emailaddress": "mm@acme.example"}));
    add(json!({"name": "Trap", "site_id": 21, "emailaddress": "1mm@acme.example"}));
    let expected = [main, other];
    assert_eq!(world.users("mm@acme.example", Freshness::Fresh).await, expected);
    // The row of the third shows why it was found.
    assert_eq!(
        world.asked(),
        ["GET /api/Users".to_owned(), format!("GET /api/Users/{other}")]
    );
    world.sandbox.set(|switches| switches.rows_show_other_addresses = true);
    world.sandbox.clear_log();
    assert_eq!(world.users("mm@acme.example", Freshness::Fresh).await, expected);
    assert_eq!(world.asked(), ["GET /api/Users"]);
}

#[tokio::test]
async fn placeholders_are_nobody_and_people_come_before_accounts_and_agents() {
    let world = world().await;
    let add = |user| world.sandbox.add_user(user).0;
    let shared = "shared@acme.example";
    let base = |id: i64, name: &str| json!({"id": id, "name": name, "site_id": 21, "emailaddress": shared});
    let with = |mut user: serde_json::Value, field: &str, value: serde_json::Value| {
        user[field] = value;
        user
    };
    add(base(80, "general user"));
    let account = add(with(base(81, "Backup"), "isserviceaccount", json!(true)));
    let agent = add(with(base(82, "Alex"), "linked_agent_id", json!(3)));
    let person = add(base(83, "Pat"));
    let found = world.found(shared, Freshness::Fresh).await;
    assert_eq!(
        found.iter().map(|user| user.id.0).collect::<Vec<_>>(),
        [person, account, agent]
    );
    let kinds: Vec<(bool, bool)> = found
        .iter()
        .map(|user| (user.is_person(), user.is_service_account()))
        .collect();
    assert_eq!(kinds, [(true, false), (false, true), (false, false)]);
}

#[tokio::test]
async fn who_was_deleted_is_looked_up_anew_when_their_ticket_is_refused() {
    let world = world().await;
    assert_eq!(world.users("jane@acme.example", Freshness::Cached).await, [101]);
    let token = sign_in(&world).await;
    let url = world.sandbox.url().join("api/users/101").unwrap();
    let deleted = http().delete(url).bearer_auth(token).send().await.unwrap();
    assert!(deleted.status().is_success(), "{deleted:?}");
    assert_eq!(world.users("jane@acme.example", Freshness::Cached).await, [101]);
    let ticket = NewTicket {
        marker: "halo-intake:1".to_owned(),
        fields: TicketFields {
            summary: "Printer".to_owned(),
            user: Some(UserId(101)),
            ..TicketFields::default()
        },
        mail: None,
        acknowledge: false,
    };
    let error = world.halo.create_ticket(&ticket, &world.calls).await.unwrap_err();
    assert!(
        error.to_string().ends_with("Please select a valid Client/Site/User"),
        "{error}"
    );
    assert_eq!(world.users("jane@acme.example", Freshness::Cached).await, NOBODY);
}
