//! What the sandbox answers where clients are careless, and what follows from a change.

use serde_json::{Value, json};

use crate::world::*;

fn parsed(said: &str) -> Value {
    serde_json::from_str(said).unwrap()
}

async fn read(world: &World, token: &str, path: &str) -> Value {
    let (status, said) = fetch(world, token, path).await;
    assert_eq!(status, 200, "{path}: {said}");
    parsed(&said)
}

async fn delete(world: &World, token: &str, path: &str) {
    let url = world.sandbox.url().join(path).unwrap();
    let answer = http().delete(url).bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
}

#[tokio::test]
async fn a_post_without_an_element_is_refused() {
    let world = world().await;
    let token = sign_in(&world).await;
    for path in [
        "/api/Users",
        "/api/Client",
        "/api/Tickets",
        "/api/Actions",
        "/api/Attachment",
    ] {
        let (status, said) = post(&world, &token, path, json!([])).await;
        assert!(status == 400 && said.contains("no element"), "{path}: {said}");
    }
    let tickets = world.sandbox.tickets();
    for body in ["", "{\"summary\":\"a\"},{\"summary\":\"b\"}", "[{\"summary\":\"a\"}]"] {
        let url = world.sandbox.url().join("api/Tickets/OBJECT").unwrap();
        let sent = http()
            .post(url)
            .bearer_auth(&token)
            .header("Content-Type", "application/json");
        assert_eq!(sent.body(body).send().await.unwrap().status(), 400, "{body}");
    }
    assert_eq!(world.sandbox.tickets(), tickets);
}

#[tokio::test]
async fn a_fault_names_the_place_and_the_id_as_they_were_sent() {
    let world = world().await;
    let token = sign_in(&world).await;
    let (status, said) = fetch(&world, &token, "/API/USERS/AbC").await;
    assert_eq!(
        (status, said.as_str()),
        (400, r#"{"id":["The value 'AbC' is not valid."]}"#)
    );
    let (status, said) = fetch(&world, &token, "/api/Users?client_id=Acme").await;
    assert_eq!(
        (status, said.as_str()),
        (400, r#"{"client_id":["The value 'Acme' is not valid."]}"#)
    );
    let actions = json!([{"ticket_id": 2001, "outcome": "Note", "note": "a"}, {"outcome": "Note", "note": "b"}]);
    let (_, said) = post(&world, &token, "/api/Actions", actions).await;
    assert!(said.starts_with(r#"{"[1].ticket_id":"#), "{said}");
    let file = json!({"ticket_id": 2001, "filename": "a", "data_base64": "data:text/plain;base64,aGk="});
    let (_, said) = post(&world, &token, "/api/Attachment", json!([file, {"filename": "b"}])).await;
    assert!(said.starts_with(r#"{"[1].ticket_id":"#), "{said}");
}

#[tokio::test]
async fn what_is_renamed_is_renamed_wherever_it_is_shown() {
    let world = world().await;
    let token = sign_in(&world).await;
    let names = [
        ("/api/Client", json!([{"id": 12, "name": "Acme SE"}])),
        (
            "/api/Site",
            json!([{"id": 22, "name": "Depot"}, {"id": 21, "name": "Head Office"}]),
        ),
    ];
    for (path, renamed) in names {
        assert_eq!(post(&world, &token, path, renamed).await.0, 201);
    }
    let client = read(&world, &token, "/api/Client/12").await;
    assert_eq!(client["main_site_name"], "Head Office");
    let site = read(&world, &token, "/api/Site/22").await;
    assert_eq!(site["clientsite_name"], "Acme SE/Depot");
    for path in ["/api/Users/104", "/api/Tickets/2001"] {
        let record = read(&world, &token, path).await;
        assert_eq!(
            (&record["client_name"], &record["site_name"]),
            (&json!("Acme SE"), &json!("Depot"))
        );
    }
    let filter = r#"[{"filter_name":"client_name","filter_type":2,"filter_value":"acme se"}]"#;
    let query = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect::<String>();
    let found = read(&world, &token, &format!("/api/Site?advanced_search={query}")).await;
    assert_eq!(found["record_count"], 2);
}

#[tokio::test]
async fn what_is_deleted_takes_along_what_lies_in_it() {
    let world = world().await;
    let token = sign_in(&world).await;
    delete(&world, &token, "/api/Site/21").await;
    assert!(world.sandbox.users().iter().all(|user| user["site_id_int"] != 21));
    let client = read(&world, &token, "/api/Client/12").await;
    assert_eq!(
        (&client["main_site_id"], &client["main_site_name"]),
        (&json!(22), &json!("Warehouse"))
    );
    let ticket = json!([{"summary": "Where to?", "client_id": 12}]);
    let (_, ticket) = post(&world, &token, "/api/Tickets", ticket).await;
    assert_eq!(parsed(&ticket)["site_name"], "Warehouse");

    delete(&world, &token, "/api/Client/12").await;
    assert!(world.sandbox.sites().iter().all(|site| site["client_id"] != 12.0));
    assert!(
        world
            .sandbox
            .users()
            .iter()
            .all(|user| user["client_name"] != "Acme Ltd")
    );
    let (status, said) = post(
        &world,
        &token,
        "/api/Tickets",
        json!([{"id": 2001, "summary": "Still there"}]),
    )
    .await;
    assert_eq!(status, 201, "{said}");
    assert_eq!(
        (&parsed(&said)["client_name"], &parsed(&said)["site_name"]),
        (&json!("Acme Ltd"), &json!("Warehouse"))
    );
}

#[tokio::test]
async fn a_reply_changes_its_ticket_for_those_who_ask_what_changed() {
    let world = world().await;
    let token = sign_in(&world).await;
    let before = read(&world, &token, "/api/Tickets/2001").await["last_update"].clone();
    let reply = json!([{"ticket_id": 2001, "outcome": "Email Update", "note": "x", "emaildirection": "I"}]);
    let mut updated = before.clone();
    while updated == before {
        assert_eq!(post(&world, &token, "/api/Actions", reply.clone()).await.0, 201);
        updated = read(&world, &token, "/api/Tickets/2001").await["last_update"].clone();
    }
    let path = format!("/api/Tickets?lastupdatefromdate={}", updated.as_str().unwrap());
    let found = read(&world, &token, &path).await;
    assert_eq!(
        (&found["record_count"], &found["tickets"][0]["id"]),
        (&json!(1), &json!(2001))
    );
}

#[tokio::test]
async fn attachments_are_measured_wherever_they_come_and_go_with_their_action() {
    let world = world().await;
    let token = sign_in(&world).await;
    let file = |kind: &str| json!({"filename": "a", "data_base64": format!("data:{kind};base64,aGk=")});
    let wide = file(&"x".repeat(101));
    let mut alone = wide.clone();
    alone["ticket_id"] = json!(2001);
    let long = json!({"filename": "a", "desc": "x".repeat(256), "data_base64": "data:text/plain;base64,aGk="});
    let action = |files: Value| json!([{"ticket_id": 2001, "outcome": "Note", "note": "x", "attachments": files}]);
    for (path, body) in [
        ("/api/Attachment", json!([alone])),
        ("/api/Actions", action(json!([wide]))),
        ("/api/Actions", action(json!([long]))),
        ("/api/Tickets", json!([{"summary": "x", "attachments": [wide]}])),
    ] {
        let (status, said) = post(&world, &token, path, body).await;
        assert!(status == 400 && said.contains("truncated"), "{path}: {said}");
    }
    let (_, said) = post(&world, &token, "/api/Actions", action(json!([file("text/plain")]))).await;
    assert_eq!(world.sandbox.attachments().len(), 1);
    delete(
        &world,
        &token,
        &format!("/api/Actions/{}?ticket_id=2001", parsed(&said)["id"]),
    )
    .await;
    assert_eq!(world.sandbox.attachments(), [json!(null); 0]);
    assert_eq!(read(&world, &token, "/api/Tickets/2001").await["attachment_count"], 0);
}

#[tokio::test]
async fn reference_data_are_read_one_by_one_also_what_lists_hide() {
    let world = world().await;
    let token = sign_in(&world).await;
    let guid = "7D3A1C52-0000-4000-8000-000000000002";
    for (path, name) in [
        (format!("/api/Priority/{guid}"), "High"),
        ("/api/Priority/2".to_owned(), "High"),
        ("/api/TicketType/6".to_owned(), "Old Request"),
        ("/api/Lookup/1?lookupid=22".to_owned(), "Email"),
    ] {
        assert_eq!(read(&world, &token, &path).await["name"], name);
    }
    for (path, expected) in [
        ("/api/Priority/9", 404),
        ("/api/Priority/high", 400),
        ("/api/Team/x", 400),
    ] {
        assert_eq!(fetch(&world, &token, path).await.0, expected, "{path}");
    }
}

#[tokio::test]
async fn rows_have_the_fields_that_rows_of_the_real_one_have() {
    let world = world().await;
    let token = sign_in(&world).await;
    world
        .sandbox
        .add_user(json!({"name": "Log In", "login": "ACME\\lin", "site_id": 21}));
    let row = read(&world, &token, "/api/Users?search=acme%5Clin").await["users"][0].clone();
    assert_eq!(row["name"], "Log In");
    for field in [
        "initials",
        "colour",
        "isimportantcontact2",
        "login",
        "fax",
        "mobilenumber2",
        "other1",
        "other5",
    ] {
        assert!(!row[field].is_null(), "{field}");
    }
    let row = read(&world, &token, "/api/Users?search=jane%40acme").await["users"][0].clone();
    assert_eq!(row["initials"], "JD");
    let row = read(&world, &token, "/api/Client?count=1").await["clients"][0].clone();
    assert_eq!(row["stopped"], 0);
    let row = read(&world, &token, "/api/Site?count=1").await["sites"][0].clone();
    assert!(
        row["maincontact_id"] == 0 && row["delivery_address_line5"] == "",
        "{row}"
    );
}
