//! What is made of a message is the same at its first attempt, at a later one by another process, and in a replay.

use halo_intake::sandbox::{Fault, Mishap};

use crate::{hook::Hook, world::World};

#[test]
fn a_message_renders_the_same_text_at_every_attempt_and_in_a_replay() {
    let rules = r#"
[[rule]]
name = "hook"
  [[rule.action]]
  type = "http_request"
  method = "GET"
  url = "@HOOK@/?at={{ email.received }}"
  store_as = "first"

  [[rule.action]]
  type = "create_halo_user"
  client = "Acme Ltd"
  site = "Main"

  [[rule.action]]
  type = "http_request"
  method = "GET"
  url = "@HOOK@/?at={{ email.received }}"
  store_as = "second"
"#;
    let hook = Hook::start(Vec::new());
    let world = World::new(&rules.replace("@HOOK@", &hook.url()));
    let mishap = Mishap::Status {
        status: 503,
        message: String::new(),
    };
    let down = Fault::once("POST", "/api/users", mishap).times(1000);
    world.sandbox.set(|switches| switches.faults = vec![down]);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    world.sandbox.set(|switches| switches.faults.clear());
    world.later(3600);
    world.once();
    let asked: Vec<String> = hook.asked().into_iter().map(|asked| asked.what).collect();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1]);
    let lines = world.json(&["replay", "--against", "halo-intake.toml", "--all"]);
    assert_eq!(lines[0]["present"], "completed", "{lines:#?}");
}

#[test]
fn where_copies_are_not_looked_for_a_killed_attempt_makes_no_second_ticket_either() {
    let rules = r#"
[[rule]]
name = "tickets"
  [[rule.action]]
  type = "create_halo_ticket_from_email"
  default_client = "Unknown senders"
"#;
    let mut world = World::new(rules);
    world.mailbox = "deduplicate = \"off\"".to_owned();
    let before = world.sandbox.tickets().len();
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    let mut command = world.command(&["run", "--once"]);
    let died = command
        .env("HALO_INTAKE_TEST_CRASH", "journal.answered.before")
        .output()
        .unwrap();
    assert_eq!(died.status.code(), None, "{died:?}");
    assert_eq!(world.sandbox.tickets().len(), before + 1);
    world.time_goes_on_until(60, "the end", |world| world.run(&["run", "--once"]).status == 0);
    assert_eq!(world.only().0, "completed");
    assert_eq!(world.sandbox.tickets().len(), before + 1);
}
