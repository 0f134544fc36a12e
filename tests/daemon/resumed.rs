//! A message that was put off comes back to the step at which it stopped, and holds up nobody else.

use halo_intake::sandbox::{Fault, Mishap};
use serde_json::{Value, json};

use crate::world::World;

const RULES: &str = r#"
[[rule]]
name = "two steps"
when = "email.subject == 'Question'"

  [[rule.action]]
  type = "create_halo_client"
  client_name = "{{ email.subject }} {{ meta.attempt }}"
  store_as = "first"

  [[rule.action]]
  type = "create_halo_user"
  client = "{{ custom.first.id }}"
  site = "{{ custom.first.site_id }}"
  full_name = "user {{ meta.attempt }}"
  on_error = "bounce"

[[rule]]
name = "others"
when = "email.subject != 'Question'"

  [[rule.action]]
  type = "stop"
"#;

fn unavailable(method: &str, path: &str) -> Fault {
    Fault::once(
        method,
        path,
        Mishap::Status {
            status: 503,
            message: String::new(),
        },
    )
    .times(1000)
}

/// Nobody can be looked for, so the second step has no answer.
fn second_step_fails(world: &World) {
    world
        .sandbox
        .set(|switches| switches.faults = vec![unavailable("GET", "/api/users")]);
}

fn all_is_well(world: &World) {
    world.sandbox.set(|switches| switches.faults.clear());
}

fn show(world: &World, row: usize) -> Value {
    let id = world.log()[row]["id"].to_string();
    world.json(&["show", &id]).remove(0)
}

#[test]
fn it_comes_back_to_the_step_that_failed_and_repeats_nothing() {
    let world = World::with_dovecot(RULES);
    second_step_fails(&world);
    world.mail("Ann Lee <ann@stranger.example>", "Question");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    assert_eq!(world.only().0, "deferred");
    assert_eq!(world.folder("INBOX").len(), 1, "it is settled when it has ended");
    all_is_well(&world);
    world.once();

    assert_eq!(world.only().0, "completed");
    assert_eq!(world.requests("POST", "/api/client"), 1);
    let users = world.users("ann@stranger.example");
    assert_eq!(
        (users.len(), &users[0]["name"]),
        (1, &json!("user 1")),
        "its fields were frozen"
    );
    assert_eq!(world.log()[0]["attempts"], 3);
    let shown = show(&world, 0);
    let attempts = shown["attempts_made"].as_array().unwrap();
    let results: Vec<&str> = attempts
        .iter()
        .map(|attempt| attempt["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["deferred", "deferred", "completed"]);
    let steps = |attempt: &Value| attempt["trace"]["rules"][0]["steps"].as_array().unwrap().len();
    assert_eq!(attempts.iter().map(steps).collect::<Vec<_>>(), [2, 1, 1]);
}

#[test]
fn a_deferred_message_holds_back_its_own_conversation_alone() {
    let world = World::with_dovecot(RULES);
    second_step_fails(&world);
    let ann = "Ann Lee <ann@stranger.example>";
    world.deliver(&format!(
        "From: {ann}\nSubject: Question\nMessage-ID: <first@story.example>\n\nThe text.\n"
    ));
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    world.mail(ann, "Another");
    world.mail_with(ann, "Reply", "In-Reply-To: <first@story.example>\n");
    world.mail("Bob <bob@stranger.example>", "Unrelated");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    let outcomes = world.outcomes();
    let of = |subject: &str| outcomes.iter().find(|(known, _)| known == subject).unwrap().1.as_str();
    assert_eq!(
        ["Question", "Reply", "Another", "Unrelated"].map(of),
        ["deferred", "pending", "completed", "completed"]
    );
    all_is_well(&world);
    world.once();
    assert!(
        world.outcomes().iter().all(|(_, outcome)| outcome == "completed"),
        "{:?}",
        world.outcomes()
    );
}

#[test]
fn a_message_that_has_waited_long_enough_is_failed_and_reported_and_never_bounced() {
    let world = World::new(RULES);
    world.more("[retry]\ngive_up_after = \"200ms\"\n");
    second_step_fails(&world);
    world.mail("Ann Lee <ann@stranger.example>", "Question");
    world.wait_until("giving up", |world| world.run(&["run", "--once"]).status == 0);
    let (outcome, reason) = world.only();
    assert_eq!(outcome, "failed");
    assert!(
        reason.starts_with("gave_up: GET /Users has no usable answer"),
        "{reason}"
    );
    assert_eq!(world.told(), ["ops@desk.example"]);
    assert_eq!(world.folder("Failed").len(), 1);
}

#[test]
fn an_outage_of_the_connection_does_not_count() {
    let world = World::new(RULES);
    world.more("[retry]\ngive_up_after = \"1ms\"\n");
    world.sandbox.set(|switches| switches.reject_credentials = true);
    world.mail("Ann Lee <ann@stranger.example>", "Question");
    for _ in 0..3 {
        let ran = world.run(&["run", "--once"]);
        assert_eq!(ran.status, 69, "{ran:?}");
        assert_eq!(world.only().0, "deferred");
    }
    world.sandbox.set(|switches| switches.reject_credentials = false);
    world.once();
    assert_eq!(world.only().0, "completed");
    assert!(!world.told().contains(&"ann@stranger.example".to_owned()));
}

const LOCKED: &str = r#"
[[rule]]
name = "locked"

  [[rule.action]]
  type = "create_halo_user"
  client = "Newcomer Ltd"
  site = "Main"
  on_error = "bounce"
"#;

#[test]
fn where_a_locked_client_is_gone_its_messages_wait_until_it_is_back() {
    let world = World::new(LOCKED);
    world.more("[retry]\ngive_up_after = \"1ms\"\n");
    world.mail("Ann Lee <ann@stranger.example>", "Question");
    for _ in 0..2 {
        let ran = world.run(&["run", "--once"]);
        assert!(matches!(ran.status, 69 | 75), "{ran:?}");
        let (outcome, reason) = world.only();
        assert_eq!(outcome, "deferred");
        assert!(
            reason.contains("client \"Newcomer Ltd\" is no client in Halo"),
            "{reason}"
        );
    }
    assert!(world.told().iter().all(|to| to == "ops@desk.example"));
    assert!(!world.told().is_empty());

    world.sandbox.add_client(json!({ "name": "Newcomer Ltd" }));
    world.once();
    assert_eq!(world.only().0, "completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn a_locked_site_of_a_client_that_each_message_has_anew_fails_for_good() {
    let rules = LOCKED
        .replace("\"Newcomer Ltd\"", "\"{{ email.subject }}\"")
        .replace("\"Main\"", "\"Annex\"")
        .replace("on_error = \"bounce\"", "");
    let world = World::new(&rules);
    world.mail("Ann Lee <ann@stranger.example>", "Acme Ltd");
    world.mail("Bob <bob@stranger.example>", "Northgate Clinic");
    world.once();
    let outcomes: Vec<String> = world.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, ["failed", "completed"]);
    let log = world.log();
    let reason = log[0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("site \"Annex\" is no site in Halo at the client \"Acme Ltd\""),
        "{reason}"
    );
}
