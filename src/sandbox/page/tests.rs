//! What the page shows, and how much of it.

use serde_json::json;

use super::*;
use crate::sandbox::{
    actions, attachments, clients,
    log::{Answered, Arrived},
    record::given,
    sample, sites,
    switches::Switches,
    tickets, users,
};

fn world(store: Store, switches: Switches) -> World {
    World::new(([127, 0, 0, 1], 9746).into(), store, switches)
}

#[test]
fn hostile_text_is_text() {
    let hostile = "<script>alert(1)</script>\"'&";
    let mut store = sample::full();
    let user = json!({"name": hostile, "emailaddress": hostile, "site_id": 21});
    users::add(&mut store, given(users::FIELDS, &user));
    let ticket = json!({"summary": hostile, "details": hostile, "site_id": 21});
    let ticket = tickets::add(&mut store, given(tickets::FIELDS, &ticket));
    let file = json!({"ticket_id": ticket, "filename": hostile, "data_base64": "aGk="});
    attachments::add(&mut store, given(attachments::FIELDS, &file));
    let switches = Switches {
        mandatory_fields: vec![hostile.to_owned()],
        ..Switches::default()
    };
    let world = world(store, switches);
    let number = world.log().begin(Arrived {
        at: jiff::Timestamp::UNIX_EPOCH,
        method: "GET".into(),
        path: hostile.into(),
        query: hostile.into(),
        content_type: hostile.into(),
        body: hostile.into(),
    });
    let answered = Answered {
        status: 404,
        reason: "",
        answer: hostile.into(),
    };
    world.log().end(number, answered);
    let html = page(&world, &Query::default()).text();
    assert!(!html.contains("<script") && !html.contains("alert(1)</"), "{html}");
    assert!(html.matches("&lt;script&gt;alert(1)").count() >= 11, "{html}");
}

#[test]
fn what_is_too_much_is_counted() {
    let mut store = Store::default();
    for number in 0..records::MOST + 3 {
        let ticket = json!({"summary": format!("ticket {number}"), "details": "é".repeat(html::LONGEST + 1)});
        tickets::add(&mut store, given(tickets::FIELDS, &ticket));
    }
    for number in 0..records::MOST_ACTIONS + 5 {
        let action = json!({"ticket_id": 3050, "outcome": "Note", "note": format!("note {number}")});
        actions::add(&mut store, given(actions::FIELDS, &action));
    }
    let html = records::tickets(&store);
    assert!(html.contains("… and 3 more"));
    assert!(html.contains("6 earlier ones and") && html.contains("note 24<") && !html.contains("note 4<"));
    assert_eq!(html.matches("é …").count(), records::MOST - 1);
}

#[test]
fn a_large_tenant_is_a_page_of_its_beginning() {
    let mut store = sample::bare();
    for client in 0..150 {
        let id = clients::add(
            &mut store,
            given(clients::FIELDS, &json!({"name": format!("client {client}")})),
        );
        for _ in 0..8 {
            let site = json!({"name": "Branch", "client_id": id});
            let site = sites::add(&mut store, given(sites::FIELDS, &site));
            users::add(
                &mut store,
                given(users::FIELDS, &json!({"name": "Ann", "site_id": site})),
            );
        }
    }
    let html = records::clients(&store);
    assert!(html.contains("… and 51 more"), "of the clients");
    let rows = html.matches("<div class=\"row\">").count() + html.matches("<strong>").count();
    assert_eq!(rows, records::MOST + records::MOST_ROWS);
    // Each site that has no row left says so once.
    assert!(html.contains("… and 9 more"));
}

#[test]
fn a_page_renews_itself_only_where_it_is_asked_to() {
    let world = world(Store::default(), Switches::default());
    let renewing = Query(vec![("renew".into(), "on".into())]);
    for (query, expected) in [(Query::default(), false), (renewing, true)] {
        let response = page(&world, &query).into_response();
        assert_eq!(response.headers().contains_key("refresh"), expected);
    }
}
