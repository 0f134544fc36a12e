//! The sandbox itself, as other processes see it.

use halo_intake::sandbox::{LoggedRequest, RateLimit, Switches};
use serde_json::{Value, json};

use crate::world::*;

#[tokio::test]
async fn the_sandbox_reads_as_the_real_one_does() {
    let world = world().await;
    let token = sign_in(&world).await;
    assert_eq!(fetch(&world, "stale", "/api/Users").await, (401, String::new()));
    for unknown in ["/api/Nonsense", "/api/Users/me", "/api/users/77777", "/nonsense"] {
        assert_eq!(fetch(&world, &token, unknown).await, (404, String::new()), "{unknown}");
    }
    let said = r#"{"id":["The value 'abc' is not valid."]}"#.to_owned();
    assert_eq!(fetch(&world, &token, "/API/users/abc").await, (400, said));
    let (status, site) = fetch(&world, &token, "/api/SITE/21").await;
    assert!(
        status == 200 && site.contains(r#""client_id":12.0"#) && site.contains("emaildomain"),
        "{site}"
    );
    let (_, rows) = fetch(&world, &token, "/api/users?page_size=3").await;
    assert!(!rows.contains("page_no") && !rows.contains("email2"), "{rows}");
    world.sandbox.set(|switches| switches.rows_show_other_addresses = true);
    let (_, rows) = fetch(&world, &token, "/api/users?search=pia").await;
    assert!(rows.contains(r#""email2":"pia.lind@warehouse.acme.example""#), "{rows}");
}

#[tokio::test]
async fn the_sandbox_writes_as_the_real_one_does() {
    let world = world().await;
    let token = sign_in(&world).await;
    let (status, said) = post(&world, &token, "/api/Users", json!({"name": "bare"})).await;
    assert!(status == 400 && said.contains("array"), "{said}");
    let (status, said) = post(&world, &token, "/api/Users", json!([{"name": "x", "site_id": 21.0}])).await;
    assert!(
        status == 400 && said.contains("Input string '21.0' is not a valid integer"),
        "{said}"
    );
    let two = json!([{"name": "One", "site_id": 21}, {"name": "Two", "site_id": 25, "client_id": 12}]);
    let (status, last) = post(&world, &token, "/api/Users", two.clone()).await;
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!((status, &last["name"]), (201, &json!("Two")));
    assert_eq!(last["client_name"], "Acme Ltd", "no cross-check of site and client");
    let (_, all) = post(&world, &token, "/api/Users?returnall=true", two.clone()).await;
    assert_eq!(
        serde_json::from_str::<Value>(&all).unwrap().as_array().map(Vec::len),
        Some(2)
    );
    world.sandbox.set(|switches| switches.returnall = false);
    let (_, last) = post(&world, &token, "/api/Users?returnall=true", two).await;
    assert_eq!(serde_json::from_str::<Value>(&last).unwrap()["name"], "Two");
}

#[tokio::test]
async fn switches_records_and_log_are_there_over_http() {
    let world = world().await;
    let wanted = json!({"latency_ms": 1, "rate": {"count": 5, "per_ms": 9}});
    let (status, switches) = post(&world, "", "/sandbox/switches", wanted).await;
    assert_eq!(status, 200);
    let switches: Switches = serde_json::from_str(&switches).unwrap();
    assert_eq!((switches.latency_ms, switches.create_status), (1, 201));
    assert_eq!(switches.rate, Some(RateLimit { count: 5, per_ms: 9 }));
    let (status, said) = post(&world, "", "/sandbox/switches", json!({"latencyms": 1})).await;
    assert!(status == 400 && said.contains("latencyms"), "{said}");
    world.sandbox.set(|switches| switches.rate = None);

    world.check().await.unwrap();
    let (_, log) = fetch(&world, "", "/sandbox/requests").await;
    assert_eq!(
        serde_json::from_str::<Vec<LoggedRequest>>(&log).unwrap(),
        world.sandbox.requests()
    );
    assert!(!log.contains("sandbox-secret"));
    let (_, users) = fetch(&world, "", "/sandbox/users").await;
    assert_eq!(
        serde_json::from_str::<Vec<Value>>(&users).unwrap(),
        world.sandbox.users()
    );
}

#[tokio::test]
async fn a_test_lays_tickets_and_reads_what_became_of_them() {
    let world = world().await;
    let token = sign_in(&world).await;
    let id = world
        .sandbox
        .add_ticket(json!({"summary": "Laid", "details": "By a test.", "user_id": 104}));
    let ticket = |id: i64| {
        world
            .sandbox
            .tickets()
            .into_iter()
            .find(|ticket| ticket["id"] == id)
            .unwrap()
    };
    assert_eq!(
        (&ticket(id)["client_id"], &ticket(id)["site_name"]),
        (&json!(12), &json!("Warehouse"))
    );
    let reply =
        json!([{"ticket_id": id, "outcome": "Email Update", "note": "Thanks", "emaildirection": "I", "new_status": 9}]);
    let (status, said) = post(&world, &token, "/api/Actions", reply).await;
    assert_eq!(status, 201, "{said}");
    let notes: Vec<Value> = world
        .sandbox
        .actions(id)
        .iter()
        .map(|action| action["note"].clone())
        .collect();
    assert_eq!(notes, ["By a test.", "Thanks"]);
    assert_eq!(ticket(id)["hasbeenclosed"], true);
    world
        .sandbox
        .add_action(json!({"ticket_id": id, "outcome": "Note", "note": "Again", "new_status": 2}));
    assert_eq!(ticket(id)["hasbeenclosed"], false);
    assert_eq!(world.sandbox.actions(id).len(), 3);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whole() {
    let world = world().await;
    let token = sign_in(&world).await;
    world.sandbox.set(|switches| switches.largest_request = 1_000_000);
    let (status, said) = post(
        &world,
        &token,
        "/api/Tickets",
        json!([{"summary": "x".repeat(8_000_000)}]),
    )
    .await;
    assert_eq!((status, said), (413, String::new()));
    let last = world.sandbox.requests().pop().unwrap();
    assert_eq!((last.path.as_str(), last.status), ("/api/Tickets", 413));
}
