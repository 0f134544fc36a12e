//! The answer that never came: a request may have been carried out, and nothing is created twice all the same.

use std::process::{Child, Stdio};

use halo_intake::sandbox::{Duplicates, Fault, Mishap};
use serde_json::{Value, json};

use crate::world::{World, finish};

const USER: &str = r#"
[[rule]]
name = "users"

  [[rule.action]]
  type = "create_halo_user"
  client = "Acme Ltd"
  site = "Warehouse"
  on_error = "bounce"
  store_as = "created"

  [[rule.action]]
  type = "create_halo_client"
  client_name = "user {{ custom.created.id }}, existed {{ custom.created.existed }}"
"#;

const CLIENT: &str = r#"
[[rule]]
name = "clients"

  [[rule.action]]
  type = "create_halo_client"
  client_name = "Stranger Ltd"
"#;

/// A world whose requests time out soon, so that one without an answer is not waited for long.
fn world(rules: &str, faults: Vec<Fault>) -> World {
    let mut world = World::new(rules);
    world.halo = "timeout = \"1s\"".to_owned();
    world.sandbox.set(|switches| switches.faults = faults);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world
}

/// Runs until nothing is left.
fn run_to_the_end(world: &World) {
    world.wait_until("the end", |world| match world.run(&["run", "--once"]).status {
        0 => true,
        75 => false,
        other => panic!("run --once exits {other}"),
    });
}

/// The same in the background.
fn start(world: &World) -> Child {
    let mut command = world.command(&["run", "--once"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The sender as a user, made by somebody else.
fn ann() -> Value {
    json!({ "name": "Ann", "emailaddress": "ann@stranger.example", "site_id": 22 })
}

fn clients(world: &World, begin: &str) -> Vec<String> {
    let clients = world.sandbox.clients();
    let names = clients.iter().map(|client| client["name"].as_str().unwrap().to_owned());
    names.filter(|name| name.starts_with(begin)).collect()
}

/// What operators were told, all in one text.
fn reported(world: &World) -> String {
    let mails = world.sink.mails();
    let reports = mails.iter().filter(|mail| mail.rcpt_to == ["ops@desk.example"]);
    reports
        .map(|mail| String::from_utf8_lossy(&mail.octets).replace("=\r\n", ""))
        .collect()
}

#[test]
fn a_user_that_was_created_without_an_answer_is_found() {
    for mishap in [Mishap::Drop, Mishap::Half, Mishap::NoId, Mishap::Html { status: 502 }] {
        let world = world(USER, vec![Fault::once("POST", "/api/users", mishap.clone()).after()]);
        run_to_the_end(&world);
        assert_eq!(world.only().0, "completed", "{mishap:?}");
        assert_eq!(world.users("ann@stranger.example").len(), 1, "{mishap:?}");
        assert_eq!(world.requests("POST", "/api/users"), 1, "{mishap:?}");
    }
}

#[test]
fn a_user_that_was_not_created_is_created_once_after_the_time_of_the_request() {
    let mut world = world(USER, vec![Fault::once("POST", "/api/users", Mishap::Drop)]);
    world.halo = "timeout = \"50s\"".to_owned();
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    let (outcome, reason) = world.only();
    assert_eq!(outcome, "deferred");
    assert!(reason.contains("has no usable answer"), "{reason}");
    // Too early: the first request may still be at work.
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(world.requests("POST", "/api/users"), 1);
    world.later(100);
    run_to_the_end(&world);
    assert_eq!(world.only().0, "completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
    assert_eq!(world.requests("POST", "/api/users"), 2);
}

#[test]
fn the_time_to_be_waited_out_begins_no_earlier_than_the_request() {
    // A request may leave long after it was intended: others go first, and the rate may be used up.
    let world = world(USER, vec![Fault::once("POST", "/api/users", Mishap::Drop)]);
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    let requests = world.sandbox.requests();
    let request = requests
        .iter()
        .find(|request| request.path == "/api/Users" && request.method == "POST");
    let id = world.log()[0]["id"].to_string();
    let intents = world.json(&["show", &id]).remove(0)["intents"].take();
    let begun: jiff::Timestamp = serde_json::from_value(intents[0]["begun"].clone()).unwrap();
    assert!(begun >= request.unwrap().at, "{intents}");
}

#[test]
fn the_request_of_a_process_that_was_killed_may_have_left_just_before() {
    let mut world = world(USER, Vec::new());
    world.halo = "timeout = \"60s\"".to_owned();
    world.sandbox.set(|switches| switches.latency_ms = 500);
    let mut running = start(&world);
    world.wait_until("the request", |world| world.requests("POST", "/api/users") == 1);
    running.kill().unwrap();
    running.wait().unwrap();
    world.sandbox.set(|switches| switches.latency_ms = 0);
    // Long after it was intended; but it may have waited for the rate just as long.
    world.later(61);
    world.run(&["run", "--once"]);
    assert_eq!(world.requests("POST", "/api/users"), 1);
    world.later(122);
    world.once();
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn an_answer_that_is_late_is_as_good_as_none() {
    let world = world(
        USER,
        vec![Fault::once("POST", "/api/users", Mishap::Delay { ms: 3000 })],
    );
    run_to_the_end(&world);
    assert_eq!(world.only().0, "completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
    assert_eq!(world.requests("POST", "/api/users"), 1);
}

#[test]
fn a_client_that_was_created_without_an_answer_is_found() {
    let world = world(CLIENT, vec![Fault::once("POST", "/api/client", Mishap::Drop).after()]);
    run_to_the_end(&world);
    assert_eq!(world.only().0, "completed");
    assert_eq!(clients(&world, "Stranger"), ["Stranger Ltd"]);
    assert_eq!(world.requests("POST", "/api/client"), 1);
}

#[test]
fn a_client_that_was_not_created_is_created_once() {
    let world = world(CLIENT, vec![Fault::once("POST", "/api/client", Mishap::Drop)]);
    run_to_the_end(&world);
    assert_eq!(clients(&world, "Stranger"), ["Stranger Ltd"]);
    assert_eq!(world.requests("POST", "/api/client"), 2);
}

#[test]
fn what_a_message_that_gave_up_left_open_holds_up_nobody() {
    let world = world(USER, vec![Fault::once("POST", "/api/users", Mishap::Drop)]);
    world.more("[retry]\ngive_up_after = \"10ms\"\n");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    run_to_the_end(&world);
    let (outcome, reason) = world.only();
    assert_eq!(outcome, "failed");
    assert!(reason.starts_with("gave_up: "), "{reason}");

    // Its request was carried out after all.
    world.sandbox.add_user(ann());
    world.more("[retry]\ngive_up_after = \"4h\"\n");
    world.mail("Ann Lee <ann@stranger.example>", "Another question");
    world.once();
    assert_eq!(world.outcomes()[1].1, "completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
    assert_eq!(world.requests("POST", "/api/users"), 1);
}

#[test]
fn a_creation_that_is_refused_since_somebody_else_made_it_meanwhile_finds_it() {
    let world = world(USER, Vec::new());
    world.sandbox.set(|switches| {
        switches.duplicate_users = Duplicates::Reject;
        // The request is seen so long before it is carried out.
        switches.latency_ms = 200;
    });
    let running = start(&world);
    world.wait_until("the request", |world| world.requests("POST", "/api/users") == 1);
    let id = world.sandbox.add_user(ann());
    assert_eq!(finish(running.wait_with_output().unwrap()).status, 0);
    assert_eq!(world.only().0, "completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
    assert_eq!(clients(&world, "user"), [format!("user {id}, existed true")]);
}

#[test]
fn where_a_request_is_carried_out_beside_its_repeat_the_older_user_is_used() {
    let world = world(USER, vec![Fault::once("POST", "/api/users", Mishap::Drop)]);
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    world.sandbox.set(|switches| switches.latency_ms = 100);
    let late = std::thread::scope(|scope| {
        let late = scope.spawn(|| {
            world.wait_until("the repeat", |world| world.requests("POST", "/api/users") == 2);
            world.sandbox.add_user(ann())
        });
        run_to_the_end(&world);
        late.join().unwrap()
    });
    assert_eq!(world.users("ann@stranger.example").len(), 2);
    assert_eq!(clients(&world, "user"), [format!("user {late}, existed false")]);
    assert!(reported(&world).contains("Halo has several"), "{}", reported(&world));
}

#[test]
fn of_two_users_the_one_with_the_lowest_id_is_used_and_operators_hear_of_it() {
    let world = world(USER, vec![Fault::once("POST", "/api/users", Mishap::Drop)]);
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    let ids = [world.sandbox.add_user(ann()), world.sandbox.add_user(ann())];
    run_to_the_end(&world);
    assert_eq!(clients(&world, "user"), [format!("user {}, existed true", ids[0])]);
    let told = reported(&world);
    let expected = format!("(ids {}, {})", ids[0], ids[1]);
    assert!(told.contains(&expected), "{expected} is not in {told}");
    assert_eq!(world.requests("POST", "/api/users"), 1);
}

#[test]
fn a_dry_run_shows_the_request_that_is_sent_then() {
    let world = world(USER, Vec::new());
    let mail = world.folder.join("mail.eml");
    std::fs::write(&mail, &world.folder("INBOX")[0]).unwrap();
    let explained = &world.json(&["explain", "--online", mail.to_str().unwrap()])[0];
    let calls = explained["rules"][0]["steps"][0]["effects"].as_array().unwrap();
    let calls: Vec<&Value> = calls
        .iter()
        .flat_map(|effect| effect["calls"].as_array().unwrap())
        .collect();
    let shown = calls
        .iter()
        .find(|call| call["method"] == "POST" && call["path"] == "/Users")
        .unwrap();
    assert_eq!(
        (&shown["http_status"], &shown["answer"]),
        (&json!(0), &json!("simulated"))
    );
    run_to_the_end(&world);
    let sent = world.sandbox.requests();
    let sent = sent
        .iter()
        .find(|request| request.method == "POST" && request.path == "/api/Users")
        .unwrap();
    assert_eq!((&shown["path"], &shown["body"]), (&json!("/Users"), &sent.body));
}
