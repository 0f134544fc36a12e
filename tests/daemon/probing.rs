//! `halo probe` as its caller sees it: asked for, said beforehand, kept in a file, taken in by `check` and the daemon.

use std::os::unix::fs::PermissionsExt;

use halo_intake::sandbox::{Fault, Mishap, Pattern};
use serde_json::Value;

use crate::{
    running::{Daemon, Signal, USERS},
    world::World,
};

const PROBE: [&str; 3] = ["halo", "probe", "--yes"];

/// What the tenant holds.
fn held(world: &World) -> [Vec<Value>; 3] {
    [world.sandbox.users(), world.sandbox.clients(), world.sandbox.sites()]
}

#[test]
fn without_a_terminal_nothing_is_probed_unless_yes_is_said() {
    let world = World::new(USERS);
    let ran = world.run(&["halo", "probe"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(
        ran.stderr.contains("removes again") && ran.stderr.contains("--yes"),
        "{ran:?}"
    );
    assert_eq!(world.sandbox.requests(), []);
    assert!(!world.state_dir().exists());
}

#[test]
fn a_probe_says_what_it_makes_and_keeps_what_it_found() {
    let world = World::new(USERS);
    let before = held(&world);
    assert!(
        world
            .run(&["check"])
            .stdout
            .contains("halo main: not probed (halo-intake halo probe would find out how it behaves, and asks first)\n")
    );
    let ran = world.run(&PROBE);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(held(&world), before);
    let file = world.state_dir().join("halo-main.json");
    for part in [
        "a client \"halo-intake probe ",
        "example.com",
        "removes them again",
        &format!("kept in {}", file.display()),
    ] {
        assert!(ran.stderr.contains(part), "{part:?} is not in {}", ran.stderr);
    }
    let line = ran
        .stdout
        .lines()
        .find(|line| line.trim_start().starts_with("duplicate_users "))
        .unwrap();
    assert!(
        line.contains(" allow ") && line.contains("is answered with 201"),
        "{line}"
    );

    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(kept["url"], world.sandbox.url().as_str());
    assert_eq!(kept["findings"][0]["answer"], "allow");
    let ran = world.run(&["check"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let said = "halo main: probed 20";
    let line = ran.stdout.lines().find(|line| line.starts_with(said)).unwrap();
    assert!(
        line.contains("duplicate_users allow") && line.contains("page_cap 100"),
        "{line}"
    );
}

#[test]
fn findings_are_printed_as_they_are_kept() {
    let world = World::new(USERS);
    let lines = world.json(&PROBE);
    let file = world.state_dir().join("halo-main.json");
    let kept: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(Value::Array(lines), kept["findings"]);
}

#[test]
fn a_client_that_is_there_is_named_beforehand() {
    let world = World::new(USERS);
    let ran = world.run(&[&PROBE[..], &["--client", "Acme Ltd"]].concat());
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        ran.stderr
            .contains("at the site \"Main\" of the client 12 (\"Acme Ltd\")"),
        "{ran:?}"
    );
    assert_eq!(world.requests("POST", "/api/client"), 0);
    assert_eq!(world.run(&[&PROBE[..], &["--client", "Nobody Ltd"]].concat()).status, 2);
}

#[test]
fn a_broken_file_and_one_of_another_url_are_warned_of_and_nothing_stops() {
    let world = World::new(USERS);
    world.run(&PROBE);
    let file = world.state_dir().join("halo-main.json");
    let kept = std::fs::read_to_string(&file).unwrap();
    let other = kept.replace(world.sandbox.url().as_str(), "https://other.example/");
    for (text, part) in [
        ("{", "can not be read"),
        (other.as_str(), "is about https://other.example/"),
    ] {
        std::fs::write(&file, text).unwrap();
        let ran = world.run(&["check"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(
            ran.stderr.starts_with("warning: halo main: ") && ran.stderr.contains(part),
            "{ran:?}"
        );
        let ran = world.run(&["run", "--once"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(ran.stderr.contains("WARN") && ran.stderr.contains(part), "{ran:?}");
    }
}

#[test]
fn a_folder_that_can_not_be_written_to_is_said_before_anything_is_made() {
    let world = World::new(USERS);
    std::fs::write(world.state_dir(), "a file").unwrap();
    let ran = world.run(&PROBE);
    assert_eq!(ran.status, 70, "{ran:?}");
    assert!(ran.stderr.contains("halo-main.json can not be written"), "{ran:?}");
    assert_eq!(world.requests("POST", "/api"), 0);
}

#[test]
fn an_interrupted_probe_removes_what_it_made_and_keeps_nothing() {
    let world = World::new(USERS);
    let before = held(&world);
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        world.sandbox.clear_log();
        world.sandbox.set(|switches| switches.latency_ms = 20);
        let probing = Daemon::spawn(world.command(&PROBE), &[]);
        world.wait_until("the users are made", |world| world.requests("POST", "/api/users") > 0);
        probing.signal(signal);
        probing.says("stops, and removes what it made");
        probing.says("the probe was interrupted");
        assert_eq!(probing.ends().0, 75);
        assert_eq!(held(&world), before);
        assert!(world.requests("DELETE", "/api/client") > 0);
        assert_eq!(std::fs::read_dir(world.state_dir()).unwrap().count(), 0);
    }
}

#[test]
fn a_second_interrupt_leaves_what_is_there_and_names_it() {
    let world = World::new(USERS);
    world.sandbox.set(|switches| {
        switches.faults = vec![Fault::once("DELETE", "", Mishap::Delay { ms: 60_000 })];
    });
    let probing = Daemon::spawn(world.command(&PROBE), &[]);
    world.wait_until("the removal begins", |world| world.requests("DELETE", "/api") > 0);
    probing.signal(Signal::INT);
    probing.says("stops, and removes what it made");
    probing.signal(Signal::INT);
    let line = probing.says("client ");
    assert!(line.contains("is still there"), "{line}");
    probing.says("interrupted before everything was removed");
    assert_eq!(probing.ends().0, 75);
}

#[test]
fn what_could_not_be_removed_is_named_and_inactive() {
    let world = World::new(USERS);
    world
        .sandbox
        .set(|switches| switches.forbidden = vec![Pattern::of("DELETE", "")]);
    let ran = world.run(&PROBE);
    assert_eq!(ran.status, 0, "{ran:?}");
    let clients = world.sandbox.clients();
    let client = clients.last().unwrap();
    let named = format!(
        "client {} {} could not be removed and is inactive now",
        client["id"], client["name"]
    );
    assert!(ran.stderr.contains(&named), "{named:?} is not in {ran:?}");
}

#[test]
fn a_daemon_takes_findings_in_when_it_is_reloaded() {
    let world = World::new(USERS);
    let daemon = Daemon::start(&world, &[]);
    daemon.says("begins");
    world.sandbox.set(|switches| switches.page_cap = 7);
    assert_eq!(world.run(&PROBE).status, 0);
    daemon.signal(Signal::HUP);
    daemon.says("the configuration is as it was");
    world.sandbox.clear_log();
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.wait_until("the user is made", |world| {
        !world.users("ann@stranger.example").is_empty()
    });
    let asks_for_seven = |request: &halo_intake::sandbox::LoggedRequest| {
        request.query.contains(&("page_size".to_owned(), "7".to_owned()))
    };
    assert!(world.sandbox.requests().iter().any(asks_for_seven));
    assert_eq!(daemon.stop().0, 0);
}
