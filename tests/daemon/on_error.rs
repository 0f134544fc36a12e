//! One story for each row of the `on_error` table: a step that fails for good, and what comes of it.

use crate::world::World;

/// A step that always fails for good: client 13's site at client 12.
fn failing_step(on_error: &str) -> String {
    format!(
        r#"
  [[rule.action]]
  type = "create_halo_user"
  client = 12
  site = 24
  on_error = "{on_error}"
  store_as = "created"

  [[rule.action]]
  type = "set"
  value = "the step after"
  store_as = "after"
"#
    )
}

/// Whether the steps and rules after the failing one ran is seen by the clients they create.
fn rules(on_error: &str) -> String {
    let failing = failing_step(on_error);
    format!(
        r#"
[[rule]]
name = "fails"
{failing}
  [[rule.action]]
  type = "create_halo_client"
  client_name = "later step, error {{{{ custom.created_error | length > 0 }}}}, user {{{{ custom.created.id }}}}"

[[rule]]
name = "later"

  [[rule.action]]
  type = "create_halo_client"
  client_name = "later rule"
"#
    )
}

struct Expected {
    outcome: &'static str,
    later_step: bool,
    later_rule: bool,
    sender_told: bool,
    operators_told: bool,
}

fn check(rules: &str, expected: &Expected) {
    let world = World::with_dovecot(rules);
    world.mail("Ann Lee <ann@stranger.example>", "A question");

    world.once();

    let (outcome, reason) = world.only();
    let clients: Vec<String> = world
        .sandbox
        .clients()
        .iter()
        .map(|client| client["name"].as_str().unwrap().to_owned())
        .collect();
    let has = |begin: &str| clients.iter().any(|name| name.starts_with(begin));
    assert_eq!(outcome, expected.outcome, "{reason}");
    assert_eq!(has("later step"), expected.later_step, "later steps: {clients:?}");
    assert_eq!(has("later rule"), expected.later_rule, "later rules: {clients:?}");
    assert_eq!(
        world.told().contains(&"ann@stranger.example".to_owned()),
        expected.sender_told
    );
    assert_eq!(
        world.told().contains(&"ops@desk.example".to_owned()),
        expected.operators_told
    );
    let folder = match expected.outcome {
        "completed" => "Processed",
        "stopped" => "Stopped",
        "bounced" => "Bounced",
        _ => "Failed",
    };
    assert_eq!(world.folder(folder).len(), 1, "settled into {folder}");
    assert_eq!(world.folder("INBOX").len(), 0);
    assert!(world.users("ann@stranger.example").is_empty());
}

#[test]
fn exception_ends_the_message_as_failed_and_tells_operators() {
    let expected = Expected {
        outcome: "failed",
        later_step: false,
        later_rule: false,
        sender_told: false,
        operators_told: true,
    };
    check(&rules("exception"), &expected);
}

#[test]
fn bounce_returns_the_message_to_its_sender() {
    let expected = Expected {
        outcome: "bounced",
        later_step: false,
        later_rule: false,
        sender_told: true,
        operators_told: false,
    };
    check(&rules("bounce"), &expected);
}

#[test]
fn continue_goes_on_as_if_it_had_worked_with_the_failure_recorded() {
    let expected = Expected {
        outcome: "completed",
        later_step: true,
        later_rule: true,
        sender_told: false,
        operators_told: false,
    };
    check(&rules("continue"), &expected);
    let world = World::new(&rules("continue"));
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.once();
    let clients = world.sandbox.clients();
    assert!(
        clients
            .iter()
            .any(|client| client["name"] == "later step, error true, user"),
        "{clients:#?}"
    );
}

#[test]
fn stop_ends_the_rule_and_another_that_ran_to_its_end_completes_the_message() {
    let expected = Expected {
        outcome: "completed",
        later_step: false,
        later_rule: true,
        sender_told: false,
        operators_told: false,
    };
    check(&rules("stop"), &expected);
}

#[test]
fn stop_alone_leaves_the_message_stopped() {
    let rules = format!("[[rule]]\nname = \"fails\"\n{}", failing_step("stop"));
    let expected = Expected {
        outcome: "stopped",
        later_step: false,
        later_rule: false,
        sender_told: false,
        operators_told: false,
    };
    check(&rules, &expected);
}

#[test]
fn stop_all_ends_every_rule() {
    let expected = Expected {
        outcome: "stopped",
        later_step: false,
        later_rule: false,
        sender_told: false,
        operators_told: false,
    };
    check(&rules("stop_all"), &expected);
}

#[test]
fn the_steps_stop_and_stop_all_are_no_failures() {
    for (step, later) in [("stop", true), ("stop_all", false)] {
        let rules = format!(
            r#"
[[rule]]
name = "ends"

  [[rule.action]]
  type = "{step}"

  [[rule.action]]
  type = "create_halo_client"
  client_name = "later step"

[[rule]]
name = "later"

  [[rule.action]]
  type = "create_halo_client"
  client_name = "later rule"
"#
        );
        let expected = Expected {
            outcome: "completed",
            later_step: false,
            later_rule: later,
            sender_told: false,
            operators_told: false,
        };
        check(&rules, &expected);
    }
}
