//! How a message that can not go on waits, and how one that breaks the program comes to its end.

use halo_intake::sandbox::{Fault, Mishap};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    running::{Daemon, USERS},
    world::World,
};

const POISON: &str = "Poison";

/// A world in which nobody is created, and nobody knows why.
fn without_creations(rules: &str) -> World {
    let mut world = World::new(rules);
    world.halo = "timeout = \"1s\"\nrate = \"100000 per 1m\"".to_owned();
    let unavailable = Fault::once("POST", "/api/users", Mishap::Html { status: 502 });
    world.sandbox.set(|switches| {
        switches.rate = None;
        switches.faults = vec![unavailable.times(u32::MAX)];
    });
    world
}

/// How many seconds after the one before each attempt at the first message came, by the clock that the test holds.
fn waits(world: &World) -> Vec<f64> {
    let shown = world.json(&["show", "1"]).remove(0);
    let attempts = shown["attempts_made"].as_array().unwrap();
    let time = |attempt: &Value, name: &str| -> Timestamp { serde_json::from_value(attempt[name].clone()).unwrap() };
    let between = |pair: &[Value]| time(&pair[1], "began").duration_since(time(&pair[0], "ended"));
    attempts.windows(2).map(|pair| between(pair).as_secs_f64()).collect()
}

#[test]
fn the_waits_double_up_to_the_longest_and_no_two_messages_keep_step() {
    let world = without_creations(USERS);
    world.more("[retry]\nfirst = \"40s\"\nlongest = \"320s\"\n");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    for number in 0..4 {
        world.mail(&format!("s{number}@stranger.example"), "A question");
    }
    world.wait_until("all are deferred", |world| world.count_where("state = 'deferred'") == 4);
    let tried = "state = 'deferred' AND attempts >= 7";
    // The clock stands while one is worked on: a leap between a decision and its record would falsify the wait.
    world.wait_until("seven attempts", |world| {
        if world.count_where("state = 'claimed'") == 0 {
            world.later(world.ahead() + 5);
        }
        world.count_where(tried) == 4
    });
    daemon.stop();
    // A busy machine lets more of the time pass, and never less.
    for (wait, longest) in waits(&world).iter().zip([40.0, 80.0, 160.0, 320.0, 320.0, 320.0]) {
        assert!(*wait >= longest / 2.0, "{wait} s instead of up to {longest} s");
    }
    let wait = "(due - deferred_at) / 1000000";
    assert_eq!(
        world.count_where(&format!("{wait} BETWEEN 160 AND 320")),
        4,
        "no wait is longer"
    );
    let same = format!("{wait} = (SELECT {wait} FROM entry WHERE id = 1)");
    assert!(world.count_where(&same) < 4, "all come at one time");
}

#[test]
fn a_message_whose_four_hours_are_over_is_failed_and_reported_whatever_on_error_says() {
    let world = without_creations(&USERS.replace("site = ", "on_error = \"bounce\"\n  site = "));
    world.more("[retry]\nfirst = \"5s\"\nlongest = \"10m\"\n");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    world.mail("ann@stranger.example", "A question");
    world.wait_until("it is deferred", |world| world.count_where("state = 'deferred'") == 1);
    world.time_goes_on_until(60, "three hours", |world| world.ahead() >= 3 * 3600);
    assert_eq!(world.count_where("outcome IS NULL"), 1, "it has not given up");
    world.time_goes_on_until(60, "the end", |world| world.count_where("outcome = 'failed'") == 1);
    world.wait_until("the report", |world| !world.told().is_empty());
    world.wait_until("it is moved", |world| world.folder("Failed").len() == 1);
    daemon.stop();
    let (_, reason) = world.only();
    assert!(
        reason.starts_with("gave_up: POST /Users has no usable answer"),
        "{reason}"
    );
    assert_eq!(world.told(), ["ops@desk.example"]);
}

/// The poisonous message is set aside, and the others are done.
fn check_set_aside(world: &World, others: usize, reason: &str) {
    let log = world.log();
    let of = |outcome: &str| log.iter().filter(|row| row["outcome"] == outcome).count();
    assert_eq!((of("failed"), of("completed")), (1, others), "{log:#?}");
    let poison = log.iter().find(|row| row["subject"] == POISON).unwrap();
    assert_eq!(poison["reason"], reason);
    assert_eq!(world.told(), ["ops@desk.example"]);
    assert_eq!(
        (world.folder("Failed").len(), world.folder("Processed").len()),
        (1, others)
    );
}

fn deliver(world: &World, others: usize) {
    world.mail("eve@stranger.example", POISON);
    for number in 0..others {
        world.mail(&format!("s{number}@stranger.example"), "A question");
    }
}

#[test]
fn a_message_that_makes_the_program_panic_is_set_aside_and_holds_up_nobody() {
    let world = World::new(USERS);
    deliver(&world, 6);
    let daemon = Daemon::start(&world, &[("HALO_INTAKE_TEST_TRIP", "panic Poison")]);
    daemon.says("is watched");
    world.wait_until("the others", |world| world.count_where("outcome = 'completed'") == 6);
    world.time_goes_on_until(30, "its end", |world| world.count_where("outcome = 'failed'") == 1);
    world.wait_until("the report", |world| !world.told().is_empty());
    world.wait_until("all are moved", |world| world.folder("INBOX").is_empty());
    assert_eq!(daemon.stop().0, 0, "the daemon goes on");
    check_set_aside(&world, 6, "bound: 3 attempts at it broke off by a fault of the program");
}

#[test]
fn a_message_that_ends_the_process_each_time_is_set_aside_and_holds_up_nobody() {
    let world = World::new(USERS);
    deliver(&world, 6);
    let mut deaths = 0;
    loop {
        let mut command = world.command(&["run", "--once"]);
        command.env("HALO_INTAKE_TEST_TRIP", "abort Poison");
        match command.output().unwrap().status.code() {
            None => deaths += 1,
            Some(status) => {
                assert_eq!(status, 0);
                break;
            }
        }
        assert!(deaths < 9, "it goes on for ever");
    }
    assert_eq!(deaths, 5);
    check_set_aside(
        &world,
        6,
        "bound: the process ended 5 times while it had the message in hand",
    );
}
