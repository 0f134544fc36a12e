//! The daemon as a service: it watches, is alone on its state, and what it can not reach holds nothing else up.

use std::time::{Duration, Instant};

use crate::{
    running::{Daemon, USERS},
    world::{World, dovecot, finish, next_user},
};

#[test]
fn mail_that_comes_while_it_watches_becomes_a_user_at_once() {
    let mut world = World::with_dovecot(USERS);
    // Long enough that only IDLE can bring it.
    world.mailbox = "poll_interval = \"5m\"".to_owned();
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    world.mail("Ann <ann@stranger.example>", "First");
    daemon.says("completed");
    world.mail("Bob <bob@stranger.example>", "Second");
    daemon.says("completed");
    world.wait_until("settling", |world| world.folder("Processed").len() == 2);
    assert_eq!(world.users("bob@stranger.example").len(), 1);
    let (status, took) = daemon.stop();
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_maildir_is_watched_too() {
    let mut world = World::new(USERS);
    world.mailbox = "poll_interval = \"5m\"".to_owned();
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    world.wait_until("the first look", |world| {
        world.state_dir().join("control.sock").exists()
    });
    world.mail("Ann <ann@stranger.example>", "First");
    daemon.says("completed");
}

#[test]
fn a_second_daemon_on_the_same_state_says_so_and_exits() {
    let world = World::new(USERS);
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    let second = world.run(&["run"]);
    assert_eq!(second.status, 69, "{second:?}");
    assert!(second.stderr.contains("in use by another process"), "{}", second.stderr);
}

#[test]
fn a_mailbox_that_can_not_sign_in_is_named_and_does_not_stop_the_others() {
    let world = World::with_dovecot(USERS);
    let user = next_user();
    world.more(&format!(
        "[mailbox.other]\ntype = \"imap\"\nhost = \"localhost\"\nport = {}\ntls = \"implicit\"\nca_file = {:?}\nusername = \"{user}\"\npassword = \"not this\"\n",
        dovecot().imaps_port,
        dovecot().ca_pem,
    ));
    world.mail("Ann <ann@stranger.example>", "Still taken");
    let ran = world.run(&["run", "--once"]);
    assert_eq!(ran.status, 69, "{ran:?}");
    assert!(
        ran.stderr
            .contains(&format!("mailbox other: localhost refuses the sign-in of {user}")),
        "{}",
        ran.stderr
    );
    assert_eq!(world.only().0, "completed");
}

#[test]
fn an_untrusted_certificate_is_named_with_what_to_do() {
    let world = World::with_dovecot(USERS);
    let text = std::fs::read_to_string(world.configure()).unwrap();
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with("ca_file"))
        .map(|line| format!("{line}\n"))
        .collect();
    let path = world.folder.join("no-ca.toml");
    std::fs::write(&path, text).unwrap();
    let output = crate::world::program()
        .arg("--config")
        .arg(&path)
        .args(["run", "--once"])
        .output()
        .unwrap();
    let ran = finish(output);
    assert_eq!(ran.status, 69, "{ran:?}");
    assert!(ran.stderr.contains("ca_file"), "{}", ran.stderr);
}

/// A mail of so many octets.
fn large(number: usize, octets: usize) -> String {
    let line = "0123456789".repeat(7) + "\n";
    let head =
        format!("From: ann{number}@stranger.example\nSubject: Large {number}\nMessage-ID: <{number}@s.example>\n\n");
    head + &line.repeat(octets / line.len() + 1)
}

#[test]
fn many_large_messages_that_were_deferred_and_many_new_ones_do_not_wait_for_each_other() {
    use halo_intake::sandbox::{Fault, Mishap};
    const EACH: usize = 12;
    const OCTETS: usize = 3_500_000;
    let mut world = World::new(USERS);
    world.halo = "rate = \"100000 per 1m\"".to_owned();
    let unavailable = Mishap::Status {
        status: 503,
        message: String::new(),
    };
    world
        .sandbox
        .set(|switches| switches.faults = vec![Fault::once("", "/api/users", unavailable).times(100_000)]);
    (0..EACH).for_each(|number| world.deliver(&large(number, OCTETS)));
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    (EACH..2 * EACH).for_each(|number| world.deliver(&large(number, OCTETS)));
    world.sandbox.set(|switches| switches.faults.clear());
    let daemon = Daemon::start(&world, &[]);
    for _ in 0..2 * EACH {
        daemon.says("completed");
    }
    assert_eq!(world.log().len(), 2 * EACH);
}

#[test]
fn a_slow_halo_holds_up_no_other_mailbox() {
    let mut world = World::new(USERS);
    let (slow, rules) = (World::new(""), &mut world.rules);
    slow.sandbox.set(|switches| switches.latency_ms = 15_000);
    *rules = format!(
        "{}mailboxes = [\"support\"]\n{}\n{}mailboxes = [\"slow\"]\n{}",
        "[[rule]]\nname = \"quick\"\n",
        "[[rule.action]]\ntype = \"create_halo_user\"\nhalo = \"main\"\nclient = 12\nsite = 21\n",
        "[[rule]]\nname = \"slow\"\n",
        "[[rule.action]]\ntype = \"create_halo_user\"\nhalo = \"slow\"\nclient = 12\nsite = 21\n",
    );
    let path = world.folder.join("Slow");
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(path.join(part)).unwrap();
    }
    for number in 0..200 {
        let mail = format!("From: ann{number}@stranger.example\r\nSubject: Slow {number}\r\n\r\nx\r\n");
        std::fs::write(path.join("new").join(format!("{number}.slow")), mail).unwrap();
    }
    world.settings = format!(
        "[mailbox.slow]\ntype = \"maildir\"\npath = {path:?}\n[halo.slow]\nurl = {:?}\nclient_id = {:?}\nclient_secret = {:?}\n",
        slow.sandbox.url().as_str().trim_end_matches('/'),
        slow.sandbox.client_id(),
        slow.sandbox.client_secret(),
    );
    world.mailbox = "poll_interval = \"1s\"".to_owned();
    let daemon = Daemon::start(&world, &[]);
    world.wait_until("the journal", |world| world.state_dir().join("control.sock").exists());
    world.wait_until("the slow ones", |world| world.log().len() == 200);
    world.mail("Bob <bob@stranger.example>", "Quick");
    let began = Instant::now();
    daemon.says("completed");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let pending = world.log().iter().filter(|row| row["outcome"] == "pending").count();
    assert_eq!(pending, 200, "the slow ones were not slow");
}

#[test]
fn log_lines_are_json_where_that_is_asked_for_and_tell_each_message_once() {
    let world = World::new(USERS);
    world.mail("Ann <ann@stranger.example>", "First");
    world.mail("Bob <bob@stranger.example>", "Second");
    let ran = world.run(&["--log-format", "json", "run", "--once"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let lines: Vec<serde_json::Value> = ran
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for id in [1, 2] {
        let about: Vec<_> = lines.iter().filter(|line| line["id"] == id).collect();
        assert_eq!(about.len(), 1, "{about:#?}");
        for (name, value) in [
            ("level", "INFO"),
            ("outcome", "completed"),
            ("mailbox", "support"),
            ("rule", "users"),
        ] {
            assert_eq!(about[0][name], value, "{name} of {}", about[0]);
        }
    }
    assert!(!ran.stderr.contains("First"), "a subject was logged");
}
