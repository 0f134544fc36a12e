//! `process -` as the pipe transport of a real Postfix: what can not be taken now stays in its queue, and nothing is lost.

use std::{fs, path::Path};

use halo_intake::sandbox::{Fault, Mishap};

use crate::{
    running::USERS,
    servers::{
        child::hand_over,
        postfix::{DOMAIN, Postfix},
    },
    world::World,
};

/// A world whose program Postfix can run as `nobody`.
fn world() -> (World, Postfix) {
    let world = World::new(USERS);
    let program = world.folder.join("halo-intake");
    fs::copy(env!("CARGO_BIN_EXE_halo-intake"), &program).unwrap();
    let config = world.configure();
    hand_over(&world.folder);
    let (program, config) = (program.display(), config.display());
    let postfix = Postfix::start(&format!("{program} --config {config} process --transport -"));
    (world, postfix)
}

fn submit(postfix: &Postfix, sender: &str) {
    let message =
        format!("From: {sender}\r\nTo: support@{DOMAIN}\r\nSubject: Piped\r\nMessage-ID: <1@{sender}>\r\n\r\nx");
    postfix.submit(sender, &format!("support@{DOMAIN}"), &message);
}

/// Until the queue holds so many, each with a reason for which it was put off.
fn queue_has(world: &World, postfix: &Postfix, count: usize) -> Vec<String> {
    let reasons = || -> Vec<String> {
        let queue = postfix.queue();
        let reason = |mail: &serde_json::Value| mail["recipients"][0]["delay_reason"].as_str().map(str::to_owned);
        queue.iter().filter_map(reason).collect()
    };
    world.wait_until("the queue", |_| {
        postfix.queue().len() == count && reasons().len() == count
    });
    reasons()
}

#[test]
fn what_halo_can_not_take_now_stays_in_postfixs_queue_and_comes_once() {
    let (world, postfix) = world();
    let unavailable = Mishap::Status {
        status: 503,
        message: String::new(),
    };
    let fault = Fault::once("", "/api", unavailable).times(10_000);
    world.sandbox.set(|switches| switches.faults = vec![fault]);
    submit(&postfix, "ann@stranger.example");
    let reasons = queue_has(&world, &postfix, 1);
    assert!(reasons[0].contains("deferred"), "{reasons:?}");

    world.sandbox.set(|switches| switches.faults.clear());
    postfix.flush();
    queue_has(&world, &postfix, 0);
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn a_wrong_configuration_bounces_no_mail() {
    let (world, postfix) = world();
    let config = world.folder.join("halo-intake.toml");
    let right = fs::read_to_string(&config).unwrap();
    write(&config, &format!("{right}\n[retry]\nfirst = \"soon\"\n"));
    submit(&postfix, "bob@stranger.example");
    let reasons = queue_has(&world, &postfix, 1);
    assert!(reasons[0].contains("halo-intake.toml"), "{reasons:?}");

    write(&config, &right);
    postfix.flush();
    queue_has(&world, &postfix, 0);
    assert_eq!(world.users("bob@stranger.example").len(), 1);
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
