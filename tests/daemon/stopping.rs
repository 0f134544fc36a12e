//! A stop finishes or hands back what is in hand, within ten seconds, whatever the daemon waits for.

use std::time::Duration;

use crate::{
    running::{Daemon, Signal, USERS},
    world::World,
};

#[test]
fn a_stop_hands_back_what_hangs_and_the_next_start_takes_it_up() {
    let mut world = World::with_dovecot(USERS);
    world.halo = "timeout = \"60s\"".to_owned();
    world.sandbox.set(|switches| switches.latency_ms = 40_000);
    world.mail("Ann <ann@stranger.example>", "Slow");
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the request", |world| !world.sandbox.requests().is_empty());
    let (status, took) = daemon.stop();
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(world.only().0, "pending");

    world.sandbox.set(|switches| switches.latency_ms = 0);
    world.once();
    assert_eq!(world.only().0, "completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut world = World::new(USERS);
    world.halo = "timeout = \"60s\"".to_owned();
    world.sandbox.set(|switches| switches.latency_ms = 40_000);
    world.mail("Ann <ann@stranger.example>", "Slow");
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the request", |world| !world.sandbox.requests().is_empty());
    daemon.signal(Signal::TERM);
    daemon.says("stops");
    daemon.signal(Signal::TERM);
    let (status, took) = daemon.ends();
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(7), "{took:?}");
    assert_eq!(world.only().0, "pending");
}

#[test]
fn messages_that_wait_for_the_rate_are_handed_back_without_an_attempt() {
    let mut world = World::new(USERS);
    world.halo = "rate = \"1 per 10m\"".to_owned();
    for number in 1..=5 {
        world.mail(&format!("Ann <ann{number}@stranger.example>"), "Slow");
    }
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the first request", |world| !world.sandbox.requests().is_empty());
    world.wait_until("all messages", |world| world.log().len() == 5);
    let (status, took) = daemon.stop();
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(10), "{took:?}");
    for row in world.log() {
        assert_eq!(
            (row["outcome"].as_str(), row["attempts"].as_u64()),
            (Some("pending"), Some(0)),
            "{row}"
        );
    }
}

#[test]
fn a_mailbox_that_can_not_be_reached_keeps_no_stop_waiting() {
    let world = World::with_dovecot(USERS);
    world.more("[mailbox.support]\nport = 1\n");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("can not be reached");
    let (status, took) = daemon.stop();
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(7), "{took:?}");
}

#[test]
fn an_idle_mailbox_keeps_no_stop_waiting() {
    let mut world = World::with_dovecot(USERS);
    world.mailbox = "poll_interval = \"5m\"".to_owned();
    world.mail("Ann <ann@stranger.example>", "Before it idles");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("completed");
    world.wait_until("settling", |world| world.folder("Processed").len() == 1);
    let (status, took) = daemon.stop();
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(7), "{took:?}");
}

#[test]
fn a_letter_that_is_leaving_at_a_stop_is_not_sent_again() {
    let rules = "[[rule]]\nname = \"bounces\"\n[[rule.action]]\ntype = \"bounce\"\n";
    let world = World::new(rules);
    world
        .sink
        .switch(|switches| switches.slow_answer = Some(Duration::from_secs(2)));
    world.mail("Ann <ann@stranger.example>", "A question");
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the letter", |world| {
        world.sink.commands().iter().any(|line| line == "DATA")
    });
    let (status, took) = daemon.stop();
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(10), "{took:?}");
    world.sink.switch(|switches| switches.slow_answer = None);
    world.once();
    assert_eq!(world.only().0, "bounced");
    assert_eq!(world.told(), ["ann@stranger.example"]);
}
