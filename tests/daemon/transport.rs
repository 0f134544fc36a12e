//! `process -` as the pipe transport of a real Postfix: what can not be taken now stays in its queue, and nothing is lost.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use halo_intake::sandbox::{Fault, Mishap};

use crate::{
    running::{Daemon, USERS},
    servers::{
        child::hand_over,
        postfix::{DOMAIN, Delivery, Postfix},
    },
    world::World,
};

/// A world whose program Postfix can run as `nobody`.
fn world() -> (World, Postfix) {
    beside(World::new(USERS))
}

fn beside(world: World) -> (World, Postfix) {
    let program = world.folder.join("halo-intake");
    fs::copy(env!("CARGO_BIN_EXE_halo-intake"), &program).unwrap();
    let config = world.configure();
    hand_over(&world.folder);
    let (program, config) = (program.display(), config.display());
    let program = format!("{program} --config {config} process --transport -");
    let postfix = Postfix::start(&Delivery::Program(&program));
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

#[test]
fn what_can_never_be_read_is_returned_by_postfix() {
    let mut world = World::new(USERS);
    world.mailbox = "max_message_size = \"1 KiB\"".to_owned();
    let (world, postfix) = beside(world);
    let body = "x".repeat(900) + "\r\n";
    let message = format!("From: ann@stranger.example\r\nSubject: Large\r\n\r\n{}", body.repeat(3));
    postfix.submit("ann@stranger.example", &format!("support@{DOMAIN}"), &message);
    world.wait_until("the return", |_| {
        let log = postfix.log();
        let bounced = |line: &str| line.contains("status=bounced") && line.contains("twice max_message_size");
        log.lines().any(bounced) && log.contains("sender non-delivery notification")
    });
    assert!(world.users("ann@stranger.example").is_empty());
}

#[test]
fn beside_a_daemon_of_the_same_user_the_daemon_does_the_work() {
    let (world, postfix) = world();
    let as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let copy = world.folder.join("halo-intake");
    let daemon = Daemon::spawn(world.command_within(&as_nobody, &copy, &["run"]), &[]);
    daemon.says("is watched");
    world.wait_until("the socket", |world| world.state_dir().join("control.sock").exists());
    submit(&postfix, "ann@stranger.example");
    daemon.says("completed");
    queue_has(&world, &postfix, 0);
    assert!(postfix.log().contains("status=sent"), "{}", postfix.log());
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn a_user_who_may_not_use_the_daemons_state_leaves_the_mail_in_postfixs_queue() {
    let (world, postfix) = world();
    fs::create_dir(world.state_dir()).unwrap();
    fs::set_permissions(world.state_dir(), fs::Permissions::from_mode(0o700)).unwrap();
    let _daemon = Daemon::start(&world, &[]);
    world.wait_until("the socket", |world| world.state_dir().join("control.sock").exists());
    submit(&postfix, "ann@stranger.example");
    let reasons = queue_has(&world, &postfix, 1);
    assert!(reasons[0].contains("Permission denied"), "{reasons:?}");
    assert!(reasons[0].contains("call it as root"), "{reasons:?}");
    assert!(world.users("ann@stranger.example").is_empty());
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
