//! A mail of our own that travels the whole way: met before any rule, missed where it does not come, and nobody else's
//! mail is taken for it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use crate::{
    measuring::get,
    running::{Daemon, Signal, USERS},
    servers::child::free_port,
    servers::postfix::{Delivery, Postfix},
    world::{Inbox, World},
};

const CANARY: &str = "[canary]\nmailboxes = [\"support\"]\nto = \"support@desk.example\"\n";
const MARK: &str = "X-Halo-Intake-Canary: ";

/// What has ended in this way.
fn count(world: &World, condition: &str) -> u32 {
    world.count_where(condition)
}

fn met(world: &World, canaries: u32) -> bool {
    count(world, "outcome = 'ignored' AND reason = 'canary'") == canaries
}

/// The canaries that left, as an MTA delivers them.
fn sent(world: &World) -> Vec<String> {
    let mails = world.sink.mails().into_iter();
    let texts = mails.map(|mail| String::from_utf8(mail.octets).unwrap());
    let canaries = texts.filter(|text| text.contains(MARK));
    canaries
        .map(|text| format!("Return-Path: <>\n{}", text.replace("\r\n", "\n")))
        .collect()
}

fn reports(world: &World) -> Vec<String> {
    let mails = world.sink.mails().into_iter();
    let texts = mails.map(|mail| String::from_utf8(mail.octets).unwrap());
    texts.filter(|text| !text.contains(MARK)).collect()
}

/// The daemon, once its first canary has left.
fn flying(world: &World, environment: &[(&str, &str)]) -> Daemon {
    let before = sent(world).len();
    let daemon = Daemon::start(world, environment);
    world.wait_until("a canary", |world| sent(world).len() > before);
    daemon
}

#[test]
fn a_canary_travels_through_postfix_is_met_before_any_rule_and_leaves_nothing_behind() {
    let world = World::new(USERS);
    let Inbox::Maildir(maildir) = &world.inbox else {
        unreachable!("it is a Maildir")
    };
    crate::servers::child::hand_over(maildir);
    fs::set_permissions(&world.folder, fs::Permissions::from_mode(0o755)).unwrap();
    let postfix = Postfix::start(&Delivery::Virtual(maildir));
    world.more(&format!("[smtp]\nport = {}\n{CANARY}", postfix.port()));
    let daemon = Daemon::start(&world, &[]);
    let journal = world.state_dir().join("journal.db");
    world.wait_until("the journal", |_| journal.exists());
    daemon.says("is watched");
    world.wait_until("the first", |world| met(world, 1));
    world.later(15 * 60 + 1);
    world.wait_until("the second", |world| met(world, 2));
    world.wait_until("their end", |world| world.folder("INBOX").is_empty());
    assert_eq!(daemon.stop().0, 0);
    let log = world.log();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(world.requests("", "/api/users") == 0 && world.told().is_empty());
    assert!(!world.kept("told canary support"));
}

#[test]
fn a_canary_that_does_not_come_is_missed_and_one_in_time_ends_that() {
    let world = World::with_dovecot(USERS);
    world.more(CANARY);
    world.more("[report]\nevery = \"1s\"\n");
    let daemon = flying(&world, &[]);
    world.later(301);
    world.wait_until("the report", |world| reports(world).len() == 1);
    let report = &reports(&world)[0];
    let subject = halo_intake::message::Message::read(report.as_bytes()).subject;
    assert!(
        subject.starts_with("halo-intake: canary support: the mail that was sent "),
        "{report}"
    );
    assert!(report.contains("support@desk.example"), "{report}");
    assert!(report.contains("\r\n  it lasts\r\n"), "{report}");

    // The late one is known, and is no sign that all is well.
    world.deliver(&sent(&world)[0]);
    world.wait_until("the late one", |world| met(world, 1));
    assert!(world.kept("told canary support"));
    world.later(15 * 60 + 1);
    world.wait_until("the next", |world| sent(world).len() == 2);
    world.deliver(&sent(&world)[1]);
    world.wait_until("the one in time", |world| met(world, 2));
    world.time_goes_on_until(2, "the end", |world| reports(world).len() == 2);
    assert!(
        reports(&world)[1].contains("the canary comes in time again"),
        "{:?}",
        reports(&world)
    );
    world.wait_until("their end", |world| world.folder("INBOX").is_empty());
    assert_eq!(daemon.stop().0, 0);
    assert!(world.users("support@desk.example").is_empty());
}

#[test]
fn a_forged_canary_and_one_that_comes_again_are_messages_like_any_other() {
    let world = World::new(USERS);
    world.more(CANARY);
    let daemon = flying(&world, &[]);
    let canary = sent(&world)[0].clone();
    let (before, rest) = canary.split_once(MARK).unwrap();
    let from = |text: &str| text.replace("support@desk.example>\nTo:", "ann@stranger.example>\nTo:");
    world.deliver(&from(&format!("{before}{MARK}0{}", &rest[1..])).replace("Message-ID: <", "Message-ID: <forged."));
    world.deliver(&canary);
    world.wait_until("the canary", |world| met(world, 1));
    world.wait_until("the forged one", |world| count(world, "outcome = 'completed'") == 1);
    world.deliver(&canary.replace("Message-ID: <", "Message-ID: <again."));
    world.wait_until("the one that comes again", |world| {
        count(world, "outcome = 'completed'") == 2
    });
    assert!(met(&world, 1));
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn a_canary_is_known_by_the_next_process_and_stays_one_when_it_runs_again() {
    let world = World::new(USERS);
    world.more(CANARY);
    // It dies when it has noted that the canary came, and not what became of it.
    let daemon = flying(&world, &[("HALO_INTAKE_TEST_CRASH", "journal.ended.before")]);
    world.deliver(&sent(&world)[0]);
    daemon.died();
    world.once();
    assert!(met(&world, 1), "{:?}", world.log());
    assert_eq!(world.folder("INBOX").len(), 0);

    // The next one has left, so that the journal knows nothing more of the first.
    world.later(15 * 60 + 1);
    let daemon = flying(&world, &[]);
    assert_eq!(world.run(&["retry", "1"]).status, 0);
    world.wait_until("the retry", |world| {
        count(world, "attempts = 3 AND reason = 'canary'") == 1
    });
    assert_eq!(daemon.stop().0, 0);
    assert!(world.users("support@desk.example").is_empty());
    let totals = world.log();
    assert_eq!(totals.len(), 1);
}

#[test]
fn a_canary_is_settled_as_what_is_ignored_where_it_is_not_to_be_deleted() {
    let world = World::new(USERS);
    let port = free_port();
    world.more(&format!(
        "{CANARY}delete = false\n[mailbox.support]\nsettle.ignored = {{ move_to = \"Ignored\" }}\n[http]\nlisten = \"127.0.0.1:{port}\"\n"
    ));
    let daemon = flying(&world, &[]);
    world.deliver(&sent(&world)[0]);
    world.wait_until("settling", |world| world.folder("Ignored").len() == 1);
    let (_, metrics) = get(port, "/metrics", "text/plain").expect("the daemon serves metrics");
    for name in ["last_success_timestamp_seconds", "round_trip_seconds"] {
        assert!(
            metrics.contains(&format!("halo_intake_canary_{name}{{mailbox=\"support\"}} ")),
            "{metrics}"
        );
    }
    assert_eq!(daemon.stop().0, 0);

    // No rule has seen it, so none is asked about it afterwards.
    let config = world.configure();
    let lines = world.json(&["replay", "--against", config.to_str().unwrap()]);
    assert_eq!(lines.last().unwrap()["summary"]["same"], 1, "{lines:?}");
    let would = world.json(&["retry", "1", "--dry-run"]);
    assert_eq!(
        (&would[0]["would_be"], &would[0]["would_be_reason"]),
        (&"ignored".into(), &"canary".into()),
        "{would:?}"
    );
}

#[test]
fn a_canary_that_can_not_leave_is_tried_again_and_told_where_that_lasts() {
    let world = World::new(USERS);
    world.more(CANARY);
    world.sink.switch(|switches| switches.down = true);
    let daemon = Daemon::start(&world, &[]);
    daemon.says("the mail to support@desk.example did not leave: ");
    world.time_goes_on_until(61, "the notice", |world| world.kept("told canary support"));
    world.sink.switch(|switches| switches.down = false);
    // How long it waits by now depends on how often it was tried.
    world.time_goes_on_until(61, "a canary", |world| !sent(world).is_empty());
    world.deliver(sent(&world).last().unwrap());
    world.wait_until("its end", |world| !world.kept("told canary support"));
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn a_canary_that_is_under_way_while_its_mailbox_can_not_be_read_is_not_missed() {
    let mut world = World::new(USERS);
    world.mailbox = "poll_interval = \"1s\"".to_owned();
    world.more(CANARY);
    let Inbox::Maildir(path) = &world.inbox else {
        unreachable!("it is a Maildir")
    };
    let daemon = flying(&world, &[]);
    let away = path.with_extension("away");
    fs::rename(path, &away).unwrap();
    daemon.says("mailbox support: ");
    world.later(15 * 60 + 1);
    daemon.says("mailbox support: ");
    fs::rename(&away, path).unwrap();
    let (mut said, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(60));
    while sent(&world).len() < 2 {
        assert!(Instant::now() < deadline, "no other one left: {said:#?}");
        said.extend(daemon.said());
    }
    assert!(
        !said.iter().any(|line| line.contains("did not come within")),
        "{said:#?}"
    );
    assert_eq!(daemon.stop().0, 0);
}

#[test]
fn a_shorter_time_between_canaries_counts_at_once_and_one_that_was_taken_out_is_not_late() {
    let world = World::new(USERS);
    world.more(CANARY);
    let daemon = flying(&world, &[]);
    world.more("[canary]\nevery = \"2m\"\nwithin = \"1m\"\n");
    daemon.signal(Signal::HUP);
    daemon.says("the configuration was reloaded");
    world.deliver(&sent(&world)[0]);
    world.wait_until("the first", |world| met(world, 1));
    world.later(121);
    world.wait_until("the second", |world| sent(world).len() == 2);

    fs::remove_dir_all(world.folder.join("conf.d")).unwrap();
    daemon.signal(Signal::HUP);
    daemon.says("the configuration was reloaded");
    world.later(121 + 65);
    world.more(CANARY);
    world.more("[canary]\nevery = \"2m\"\nwithin = \"1m\"\n");
    daemon.signal(Signal::HUP);
    daemon.says("the configuration was reloaded");
    world.later(121 + 125);
    world.wait_until("the third", |world| sent(world).len() == 3);
    let said = daemon.said();
    assert!(
        !said.iter().any(|line| line.contains("did not come within")),
        "{said:#?}"
    );
    assert_eq!(daemon.stop().0, 0);
}
