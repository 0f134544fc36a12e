//! `run --once`: what its exit status says.

use std::time::Duration;

use halo_intake::sandbox::{Fault, Mishap, Pattern, RateLimit};

use crate::{
    running::{Daemon, USERS},
    world::World,
};

/// A world with one message from Ann.
fn with_a_message() -> World {
    let world = World::new(USERS);
    world.mail("Ann <ann@stranger.example>", "A question");
    world
}

fn status(world: &World) -> i32 {
    world.run(&["run", "--once"]).status
}

#[test]
fn a_halo_that_is_not_there_is_69_and_the_message_waits() {
    let world = with_a_message();
    world.more("[halo.main]\nurl = \"http://127.0.0.1:1\"\n");
    let ran = world.run(&["run", "--once"]);
    assert_eq!(ran.status, 69, "{ran:?}");
    assert_eq!(ran.stderr.matches("connection main: ").count(), 1, "{}", ran.stderr);
    assert_eq!(world.only().0, "deferred");
    // Operators know of it now, and whoever calls it again reads it all the same.
    let ran = world.run(&["run", "--once"]);
    assert_eq!(ran.stderr.matches("connection main: ").count(), 1, "{}", ran.stderr);
}

#[test]
fn a_halo_that_asks_to_slow_down_was_reached_and_is_75() {
    let world = with_a_message();
    world.sandbox.set(|switches| {
        switches.rate = Some(RateLimit {
            count: 0,
            per_ms: 600_000,
        });
        switches.retry_after_s = Some(300);
    });
    assert_eq!(status(&world), 75);
    assert_eq!(world.only().0, "deferred");
}

#[test]
fn a_client_that_the_configuration_names_and_halo_has_not_is_75() {
    let mut world = with_a_message();
    world.rules = USERS.replace("Acme Ltd", "Nobody Ltd");
    assert_eq!(status(&world), 75);
    assert_eq!(world.only().0, "deferred");
    assert_eq!(world.told(), ["ops@desk.example"]);
}

#[test]
fn a_connection_that_is_well_again_before_the_end_is_no_69() {
    let world = with_a_message();
    world.mail("Ann <ann@stranger.example>", "A second question");
    let refused = Mishap::Status {
        status: 403,
        message: String::new(),
    };
    world
        .sandbox
        .set(|switches| switches.faults = vec![Fault::once("", "/api/users", refused)]);
    // The first message waits for the permission, the second finds it granted.
    assert_eq!(status(&world), 75);
    let outcomes: Vec<String> = world.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, ["deferred", "completed"]);
}

#[test]
fn operators_hear_once_of_refused_credentials_however_often_it_runs_and_once_of_their_end() {
    let world = with_a_message();
    world.sandbox.set(|switches| switches.reject_credentials = true);
    for _ in 0..3 {
        assert_eq!(status(&world), 69);
    }
    assert_eq!(world.told(), ["ops@desk.example"]);
    world.sandbox.set(|switches| switches.reject_credentials = false);
    world.once();
    assert_eq!(world.only().0, "completed");
    let mails = world.sink.mails();
    assert_eq!(mails.len(), 2);
    assert!(String::from_utf8_lossy(&mails[1].octets).contains("Halo answers again"));
}

#[test]
fn operators_hear_of_a_mailbox_that_refuses_to_sign_in_also_from_a_single_run() {
    let world = World::with_dovecot(USERS);
    world.more("[mailbox.support]\npassword = \"not this\"\n");
    assert_eq!(status(&world), 69);
    assert_eq!(status(&world), 69);
    let mails = world.sink.mails();
    assert_eq!(mails.len(), 1, "{:?}", world.told());
    assert!(String::from_utf8_lossy(&mails[0].octets).contains("refuses the sign-in"));
}

#[test]
fn a_stop_hands_back_what_is_in_hand() {
    let mut world = with_a_message();
    world.halo = "timeout = \"60s\"".to_owned();
    world.sandbox.set(|switches| switches.latency_ms = 40_000);
    let run = Daemon::spawn(world.command(&["run", "--once"]), &[]);
    world.wait_until("the request", |world| !world.sandbox.requests().is_empty());
    let (status, took) = run.stop();
    assert_eq!(status, 75);
    assert!(took < Duration::from_secs(10), "{took:?}");
    let log = world.log();
    assert_eq!(
        (log[0]["outcome"].as_str(), log[0]["attempts"].as_u64()),
        (Some("pending"), Some(0))
    );

    world.sandbox.set(|switches| switches.latency_ms = 0);
    world.once();
    assert_eq!(world.only().0, "completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn the_rate_is_kept_across_runs() {
    let mut world = with_a_message();
    world.halo = "rate = \"4 per 10m\"".to_owned();
    // Less than one user needs, so that the rest waits for ten minutes.
    let first = Daemon::spawn(world.command(&["run", "--once"]), &[]);
    world.wait_until("the first requests", |world| world.sandbox.requests().len() == 4);
    first.stop();
    let second = Daemon::spawn(world.command(&["run", "--once"]), &[]);
    world.wait_until("the second run", |world| world.log().len() == 1);
    std::thread::park_timeout(Duration::from_secs(1));
    second.stop();
    assert_eq!(world.sandbox.requests().len(), 4, "the second run began the count anew");
}

#[test]
fn a_missing_permission_to_write_is_told_once_while_reads_are_answered() {
    let rules = "[[rule]]\nname = \"r\"\n\
        [[rule.action]]\ntype = \"find_halo_user_and_client\"\nstore_as = \"sender\"\n\
        [[rule.action]]\ntype = \"create_halo_user\"\nwhen = \"not custom.sender.user\"\nclient = 12\nsite = 21\n";
    let world = World::new(rules);
    world
        .sandbox
        .set(|switches| switches.forbidden = vec![Pattern::of("POST", "/api/users")]);
    world.mail("Ann <ann@stranger.example>", "Unknown");
    assert_eq!(status(&world), 69);
    for number in 1..=3 {
        world.mail("Jane Doe <jane@acme.example>", &format!("Known {number}"));
        assert_eq!(status(&world), 69);
    }
    assert_eq!(world.told(), ["ops@desk.example"]);
    world.sandbox.set(|switches| switches.forbidden.clear());
    world.once();
    let mails = world.sink.mails();
    assert_eq!(mails.len(), 2);
    assert!(String::from_utf8_lossy(&mails[1].octets).contains("Halo takes writes again"));
}
