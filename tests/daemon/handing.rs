//! `process` and `retry`: a message from a pipe, and messages once more, by the daemon or without one.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    process::{Child, Stdio},
};

use halo_intake::sandbox::Sandbox;

use crate::{
    running::{Daemon, USERS},
    world::{Ran, World, finish},
};

#[test]
fn process_hands_its_message_to_the_daemon_that_runs() {
    let world = World::new(USERS);
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the socket", |world| world.state_dir().join("control.sock").exists());
    let ran = process(
        &world,
        b"From: Ann <ann@stranger.example>\r\nSubject: Piped\r\n\r\nx\r\n",
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.contains("completed"), "{ran:?}");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
    drop(daemon);
}

#[test]
fn process_does_its_work_alone_where_no_daemon_runs() {
    let world = World::new(USERS);
    let ran = process(
        &world,
        b"From: Ann <ann@stranger.example>\r\nSubject: Piped\r\n\r\nx\r\n",
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(world.only().0, "completed");
}

#[test]
fn process_exits_75_when_the_message_is_deferred() {
    use halo_intake::sandbox::{Fault, Mishap};
    let world = World::new(USERS);
    world.sandbox.set(|switches| {
        switches.faults = vec![
            Fault::once(
                "",
                "/api/users",
                Mishap::Status {
                    status: 503,
                    message: String::new(),
                },
            )
            .times(1000),
        ]
    });
    let ran = process(
        &world,
        b"From: Ann <ann@stranger.example>\r\nSubject: Piped\r\n\r\nx\r\n",
    );
    assert_eq!(ran.status, 75, "{ran:?}");
    assert_eq!(world.only().0, "deferred");
}

/// Without a daemon a message that is deferred is brought again, and is that message.
fn check_brought_again(mailbox: &str) {
    use halo_intake::sandbox::{Fault, Mishap};
    let mut world = World::new(USERS);
    world.mailbox = mailbox.to_owned();
    world.more("[retry]\nfirst = \"1h\"\nlongest = \"1h\"\n");
    let mail = b"From: Ann <ann@stranger.example>\r\nSubject: Piped\r\n\r\nx\r\n";
    let unavailable = Mishap::Status {
        status: 503,
        message: String::new(),
    };
    let fault = Fault::once("", "/api/users", unavailable).times(1000);
    world.sandbox.set(|switches| switches.faults = vec![fault]);
    for attempts in 1..=2 {
        let ran = process(&world, mail);
        assert_eq!(ran.status, 75, "{ran:?}");
        assert_eq!(world.only().0, "deferred");
        assert_eq!(world.log()[0]["attempts"], attempts);
    }
    world.sandbox.set(|switches| switches.faults.clear());
    let ran = process(&world, mail);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "1 completed\n"), "{ran:?}");
    assert_eq!(world.only().0, "completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn a_message_that_is_handed_over_again_without_a_daemon_is_tried_again_and_has_its_own_outcome() {
    check_brought_again("");
    check_brought_again("deduplicate = \"off\"");
}

/// `process -`, with these octets on its standard input.
fn process(world: &World, octets: &[u8]) -> Ran {
    let mut child = begin(world);
    // One that refuses to run reads nothing.
    let _ = child.stdin.take().unwrap().write_all(octets);
    finish(child.wait_with_output().unwrap())
}

fn begin(world: &World) -> Child {
    world
        .command(&["process", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A mail of so many octets or a little more.
fn large(from: &str, octets: usize) -> Vec<u8> {
    let line = "0123456789".repeat(7) + "\r\n";
    let head = format!("From: {from}\r\nSubject: Large\r\nMessage-ID: <{from}>\r\n\r\n");
    (head + &line.repeat(octets / line.len() + 1)).into_bytes()
}

#[test]
fn a_message_of_20_mb_is_handed_over_whole() {
    let world = World::new(USERS);
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the socket", |world| world.state_dir().join("control.sock").exists());
    let mail = large("ann@stranger.example", 20_000_000);
    let ran = process(&world, &mail);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(world.only().0, "completed");
    let raw = world.command(&["show", "1", "--raw"]).output().unwrap();
    assert!(raw.stdout == mail, "the octets differ");
    drop(daemon);
}

#[test]
fn two_at_once_without_a_daemon_wait_for_each_other() {
    let world = World::new(USERS);
    world.sandbox.set(|switches| switches.latency_ms = 200);
    let mut children = [begin(&world), begin(&world), begin(&world)];
    for (number, child) in children.iter_mut().enumerate() {
        let mail = format!("From: ann{number}@stranger.example\r\nSubject: Piped\r\n\r\nx\r\n");
        child.stdin.take().unwrap().write_all(mail.as_bytes()).unwrap();
    }
    for child in children {
        let ran = finish(child.wait_with_output().unwrap());
        assert_eq!(ran.status, 0, "{ran:?}");
    }
    assert_eq!(world.log().len(), 3);
}

#[test]
fn nothing_on_standard_input_is_65() {
    let world = World::new(USERS);
    let ran = process(&world, b"");
    assert_eq!(ran.status, 65, "{ran:?}");
    assert!(ran.stderr.contains("there is no message in it"), "{}", ran.stderr);
    assert_eq!(world.run(&["process", "no-such-file.eml"]).status, 65);
}

#[test]
fn a_message_that_is_too_large_is_failed_and_kept_for_its_caller_has_let_it_go() {
    let mut world = World::new(USERS);
    world.mailbox = "max_message_size = \"10 KiB\"".to_owned();
    let mail = large("ann@stranger.example", 20_000);
    let ran = process(&world, &mail);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(world.only(), ("failed".to_owned(), "too_large".to_owned()));
    assert_eq!(world.told(), ["ops@desk.example"]);
    let raw = world.command(&["show", "1", "--raw"]).output().unwrap();
    assert!(raw.stdout == mail, "the octets differ");
}

#[test]
fn a_message_of_more_than_twice_the_size_stays_with_its_caller() {
    let mut world = World::new(USERS);
    world.mailbox = "max_message_size = \"10 KiB\"".to_owned();
    let mail = large("ann@stranger.example", 30_000);
    let file = world.folder.join("large.eml");
    std::fs::write(&file, &mail).unwrap();
    for ran in [process(&world, &mail), world.run(&["process", file.to_str().unwrap()])] {
        assert_eq!(ran.status, 65, "{ran:?}");
        assert!(ran.stderr.contains("it is larger than 20480 octets"), "{}", ran.stderr);
    }
    // One that knows another size asks in vain as well, and may come again.
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the socket", |world| world.state_dir().join("control.sock").exists());
    world.mailbox.clear();
    let ran = process(&world, &mail);
    assert_eq!(ran.status, 75, "{ran:?}");
    assert!(
        ran.stderr.contains("no message of more than 20480 octets"),
        "{}",
        ran.stderr
    );
    assert!(world.log().is_empty());
    drop(daemon);
}

#[test]
fn whoever_waits_for_a_daemon_that_stops_is_told_to_come_again() {
    let mut world = World::new(USERS);
    world.halo = "timeout = \"60s\"".to_owned();
    world.sandbox.set(|switches| switches.latency_ms = 40_000);
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the socket", |world| world.state_dir().join("control.sock").exists());
    let mut waiting = begin(&world);
    let mail = b"From: Ann <ann@stranger.example>\r\nSubject: Piped\r\n\r\nx\r\n";
    waiting.stdin.take().unwrap().write_all(mail).unwrap();
    // Somebody who says nothing keeps no stop waiting.
    let _silent = connected(&world);
    world.wait_until("the request", |world| !world.sandbox.requests().is_empty());
    let (status, took) = daemon.stop();
    assert_eq!(status, 0);
    assert!(took < std::time::Duration::from_secs(10), "{took:?}");
    let ran = finish(waiting.wait_with_output().unwrap());
    assert_eq!(
        (ran.status, ran.stdout.as_str()),
        (75, "1 deferred: the daemon stops\n"),
        "{ran:?}"
    );
    assert_eq!(
        world.only().0,
        "pending",
        "it is in the journal, and runs at the next start"
    );
}

/// A world with a message that failed, since its rule was wrong, and a rule that is right now.
fn failed() -> World {
    let mut world = World::new(&USERS.replace("\"Acme Ltd\"", "12").replace("\"Warehouse\"", "24"));
    world.mail("Ann <ann@stranger.example>", "Fails");
    world.mail("Bob <bob@stranger.example>", "Fails too");
    world.once();
    assert!(
        world.log().iter().all(|row| row["outcome"] == "failed"),
        "{:?}",
        world.log()
    );
    world.rules = USERS.to_owned();
    world
}

#[test]
fn retry_runs_a_failed_message_again_without_a_daemon() {
    let world = failed();
    let listed = world.json(&["retry", "--outcome", "failed", "--since", "1h", "--dry-run"]);
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed.iter().all(|row| row["outcome"] == "failed"));

    let again = world.json(&["retry", "1"]);
    assert_eq!((again.len(), again[0]["outcome"].as_str()), (1, Some("completed")));
    assert_eq!(world.users("ann@stranger.example").len(), 1);
    assert!(world.users("bob@stranger.example").is_empty());

    let unknown = world.run(&["retry", "4711"]);
    assert_eq!(unknown.status, 2, "{unknown:?}");
    assert_eq!(world.run(&["retry"]).status, 2);
}

#[test]
fn retry_makes_anew_what_was_removed_from_halo_since() {
    let mut world = World::new(USERS);
    world.mail("Ann <ann@stranger.example>", "Made");
    world.once();
    assert_eq!(world.users("ann@stranger.example").len(), 1);
    let made = world.json(&["retry", "1"]);
    assert_eq!(made[0]["outcome"], "completed");
    assert_eq!(world.requests("POST", "/api/users"), 1, "it is found, not made again");

    // A Halo that is the same, but for the user.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    world.sandbox = runtime.block_on(Sandbox::start(([127, 0, 0, 1], 0).into())).unwrap();
    let made = world.json(&["retry", "1"]);
    assert_eq!(made[0]["outcome"], "completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn retry_has_the_daemon_run_messages_again() {
    let world = failed();
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the socket", |world| world.state_dir().join("control.sock").exists());
    assert_eq!(world.json(&["retry", "--outcome", "failed"]).len(), 2);
    daemon.says("completed");
    daemon.says("completed");
    assert_eq!(world.users("bob@stranger.example").len(), 1);
}

/// A world with a message that is deferred for an hour, and nothing that is still at fault.
fn deferred() -> World {
    let world = World::new(USERS);
    world.more("[retry]\nfirst = \"1h\"\nlongest = \"1h\"\n");
    world.sandbox.set(|switches| switches.reject_credentials = true);
    world.mail("Ann <ann@stranger.example>", "Waits");
    assert_eq!(world.run(&["run", "--once"]).status, 69);
    assert_eq!(world.only().0, "deferred");
    world.sandbox.set(|switches| switches.reject_credentials = false);
    world
}

#[test]
fn retry_runs_a_deferred_message_now_without_a_daemon() {
    let world = deferred();
    let again = world.json(&["retry", "1"]);
    assert_eq!((again.len(), again[0]["outcome"].as_str()), (1, Some("completed")));
}

#[test]
fn retry_has_the_daemon_run_a_deferred_message_now() {
    let world = deferred();
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the socket", |world| world.state_dir().join("control.sock").exists());
    assert_eq!(world.json(&["retry", "--outcome", "deferred"]).len(), 1);
    daemon.says("completed");
}

#[test]
fn retry_takes_ids_or_what_is_said_of_messages_and_never_both() {
    let world = failed();
    let both = world.run(&["retry", "1", "--outcome", "failed"]);
    assert_eq!(both.status, 2, "{both:?}");
    assert!(
        both.stderr.contains("[ID]") && both.stderr.contains("--outcome"),
        "{}",
        both.stderr
    );
    assert!(world.log().iter().all(|row| row["outcome"] == "failed"));
}

#[test]
fn what_another_program_puts_at_the_socket_is_answered_or_dropped() {
    let world = World::new(USERS);
    let daemon = Daemon::start(&world, &[]);
    let mut stream = connected(&world);
    stream.write_all(b"this is no request\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "");
    world.mail("Ann <ann@stranger.example>", "It lives");
    daemon.says("completed");
}

/// The socket has its name a moment before it listens.
fn connected(world: &World) -> UnixStream {
    let path = world.state_dir().join("control.sock");
    world.wait_until("the socket", |_| UnixStream::connect(&path).is_ok());
    UnixStream::connect(path).unwrap()
}
