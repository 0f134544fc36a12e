//! `retry` on a real mailbox: settled anew, told once, made once, whoever asks and how often.

use std::process::{Child, Stdio};

use crate::{
    hostile_imap::{At, EVERYTHING, Misbehaviour},
    running::{Daemon, USERS},
    world::{Inbox, Ran, World, dovecot, finish},
};

const BOUNCE: &str = "[[rule]]\nname = \"bounces\"\n[[rule.action]]\ntype = \"bounce\"\nmessage = \"No.\"\n";

/// The site is another client's, which Halo refuses.
fn wrong() -> String {
    USERS.replace("\"Acme Ltd\"", "12").replace("\"Warehouse\"", "24")
}

/// A world on Dovecot with a message in `Failed`, and a rule that is right now.
fn failed() -> World {
    let mut world = World::with_dovecot(&wrong());
    world.mail("Ann <ann@stranger.example>", "Fails");
    world.once();
    assert_eq!(world.only().0, "failed");
    assert_eq!(folders(&world), (0, 1, 0));
    world.rules = USERS.to_owned();
    world
}

/// How many messages lie in INBOX, `Failed` and `Processed`.
fn folders(world: &World) -> (usize, usize, usize) {
    let count = |name| world.folder(name).len();
    (count("INBOX"), count("Failed"), count("Processed"))
}

/// What a person does in the mailbox.
fn by_hand(world: &World, commands: &[&str]) {
    let Inbox::Imap(user) = &world.inbox else {
        unreachable!("it is on Dovecot")
    };
    dovecot().commands(user, commands);
}

fn settled(world: &World) -> String {
    let shown = world.json(&["show", "1"]);
    shown[0]["settled"]["how"].as_str().unwrap_or_default().to_owned()
}

fn daemon(world: &World) -> Daemon {
    let daemon = Daemon::start(world, &[]);
    world.wait_until("the socket", |world| world.state_dir().join("control.sock").exists());
    daemon
}

fn begin(world: &World, arguments: &[&str]) -> Child {
    let mut command = world.command(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn ends(child: Child) -> Ran {
    finish(child.wait_with_output().unwrap())
}

#[test]
fn what_lay_in_failed_lies_in_processed_when_it_completes() {
    let mut world = failed();
    // It fails once more, and still lies there.
    world.rules = wrong();
    let ran = world.run(&["retry", "1"]);
    assert!(
        ran.stdout.contains("failed") && ran.stderr.contains("1 message ran again: 1 failed"),
        "{ran:?}"
    );
    world.once();
    assert_eq!(
        (folders(&world), settled(&world).as_str()),
        ((0, 1, 0), "moved to Failed")
    );

    world.rules = USERS.to_owned();
    assert_eq!(world.json(&["retry", "1"])[0]["outcome"], "completed");
    world.once();
    assert_eq!(
        (folders(&world), settled(&world).as_str()),
        ((0, 0, 1), "moved to Processed")
    );
    // And back.
    world.rules = wrong();
    world.run(&["retry", "1"]);
    let daemon = daemon(&world);
    world.wait_until("the move", |world| folders(world) == (0, 1, 0));
    drop(daemon);
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn what_a_person_moved_or_deleted_meanwhile_is_left_alone() {
    for commands in [
        &["CREATE Kept", "SELECT Failed", "UID MOVE 1:* Kept"][..],
        &["SELECT Failed", "UID STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE"],
    ] {
        let world = failed();
        by_hand(&world, commands);
        let daemon = daemon(&world);
        assert_eq!(world.json(&["retry", "1"])[0]["outcome"], "completed");
        world.wait_until("the settling", |world| !settled(world).is_empty());
        assert_eq!(settled(&world), "gone: it was not in Failed any more");
        assert_eq!(folders(&world), (0, 0, 0));
        assert_eq!(
            world.folder("Kept").len(),
            usize::from(commands.len() == 3 && commands[0] == "CREATE Kept")
        );
        drop(daemon);
    }
}

/// By a person, while the message is in hand.
fn deleted_before_it_is_settled(world: &World, delete: impl Fn(&World)) {
    world.sandbox.set(|switches| switches.latency_ms = 3_000);
    world.mail("Ann <ann@stranger.example>", "In hand");
    let daemon = daemon(world);
    world.wait_until("the request", |world| !world.sandbox.requests().is_empty());
    delete(world);
    world.sandbox.set(|switches| switches.latency_ms = 0);
    world.wait_until("the settling", |world| !settled(world).is_empty());
    assert_eq!(settled(world), "gone: it was not in INBOX any more");
    assert_eq!((world.only().0.as_str(), folders(world)), ("completed", (0, 0, 0)));
    drop(daemon);
}

#[test]
fn what_a_person_deleted_before_it_was_settled_is_told_as_gone() {
    for how in ["{ move_to = \"Processed\" }", "\"seen\"", "\"delete\""] {
        let world = World::with_dovecot(USERS);
        world.more(&format!("[mailbox.support]\nsettle.completed = {how}\n"));
        deleted_before_it_is_settled(&world, |world| {
            by_hand(world, &["SELECT INBOX", "UID STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE"]);
        });
    }
    deleted_before_it_is_settled(&World::new(USERS), |world| {
        let Inbox::Maildir(path) = &world.inbox else {
            unreachable!("it is a Maildir")
        };
        let files = ["new", "cur"].map(|part| std::fs::read_dir(path.join(part)).unwrap());
        let files = files.into_iter().flatten();
        files.for_each(|file| std::fs::remove_file(file.unwrap().path()).unwrap());
    });
}

#[test]
fn what_fails_again_and_was_deleted_from_failed_is_not_told_as_moved_there() {
    let mut world = failed();
    world.rules = wrong();
    by_hand(
        &world,
        &["SELECT Failed", "UID STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE"],
    );
    assert_eq!(world.json(&["retry", "1"])[0]["outcome"], "failed");
    world.once();
    assert_eq!(settled(&world), "gone: it was not in Failed any more");
}

#[test]
fn where_the_server_refuses_the_folder_it_is_tried_again() {
    let mut world = World::with_hostile_imap(&wrong(), EVERYTHING);
    world.mail("Ann <ann@stranger.example>", "Fails");
    world.once();
    assert_eq!(folders(&world), (0, 1, 0));
    world.rules = USERS.to_owned();
    assert_eq!(world.json(&["retry", "1"])[0]["outcome"], "completed");
    world
        .hostile()
        .arm(Misbehaviour::Refuse(At::Select, "NO [NOPERM] it is not yours"), 100);
    let ran = world.run(&["run", "--once"]);
    assert!(ran.stderr.contains("folder \"Failed\" can not be used"), "{ran:?}");
    assert_eq!((settled(&world).as_str(), folders(&world)), ("", (0, 1, 0)));
    world.hostile().calm();
    world.later(200);
    world.once();
    assert_eq!(
        (settled(&world).as_str(), folders(&world)),
        ("moved to Processed", (0, 0, 1))
    );
}

#[test]
fn where_the_whole_folder_is_gone_nothing_else_waits_for_it() {
    let world = failed();
    by_hand(&world, &["DELETE Failed"]);
    world.mail("Bob <bob@stranger.example>", "Comes meanwhile");
    assert_eq!(world.json(&["retry", "1"])[0]["outcome"], "completed");
    world.once();
    assert!(
        settled(&world).starts_with("left alone: folder \"Failed\" can not be used"),
        "{}",
        settled(&world)
    );
    assert_eq!(folders(&world), (0, 0, 1));
}

#[test]
fn in_a_maildir_it_is_found_by_its_name() {
    let mut world = World::new(&wrong());
    world.mail("Ann <ann@stranger.example>", "Fails");
    world.mail("Bob <bob@stranger.example>", "Fails too");
    world.once();
    assert_eq!(folders(&world), (0, 2, 0));
    world.rules = USERS.to_owned();
    let Inbox::Maildir(path) = &world.inbox else {
        unreachable!("it is a Maildir")
    };
    assert_eq!(world.json(&["retry", "1"])[0]["outcome"], "completed");
    world.once();
    assert_eq!(
        (folders(&world), settled(&world).as_str()),
        ((0, 1, 1), "moved to Processed")
    );
    std::fs::remove_dir_all(path.join(".Failed")).unwrap();
    world.json(&["retry", "2"]);
    world.once();
    assert_eq!(
        world.json(&["show", "2"])[0]["settled"]["how"],
        "gone: it was not in Failed any more"
    );
}

#[test]
fn a_message_that_was_bounced_and_runs_again_is_bounced_once() {
    let world = World::with_dovecot(BOUNCE);
    world.mail("Ann <ann@stranger.example>", "A question");
    world.once();
    for _ in 1..=2 {
        assert_eq!(world.json(&["retry", "1"])[0]["outcome"], "bounced");
    }
    let daemon = daemon(&world);
    assert_eq!(world.json(&["retry", "1"])[0]["outcome"], "bounced");
    drop(daemon);
    assert_eq!(world.told(), ["ann@stranger.example"]);
}

#[test]
fn many_run_again_with_a_line_for_each_and_a_sum() {
    for beside in [true, false] {
        let mut world = World::new(&wrong());
        for name in ["ann", "bob", "eve"] {
            world.mail(&format!("{name}@stranger.example"), "Fails");
        }
        world.once();
        world.rules = USERS.to_owned();
        let daemon = beside.then(|| daemon(&world));
        let ran = world.run(&["retry", "--outcome", "failed", "--since", "2h"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert_eq!(
            ran.stdout.lines().filter(|line| line.contains("completed")).count(),
            3,
            "{ran:?}"
        );
        assert!(ran.stderr.contains("3 messages ran again: 3 completed"), "{ran:?}");
        let none = world.run(&["retry", "--outcome", "failed", "--since", "2h"]);
        assert_eq!((none.status, none.stderr.trim()), (0, "no message ran again"));
        drop(daemon);
    }
}

#[test]
fn two_who_run_one_message_again_at_once_make_one_user() {
    for beside in [true, false] {
        let world = failed();
        let daemon = beside.then(|| daemon(&world));
        let both = [begin(&world, &["retry", "1"]), begin(&world, &["retry", "1"])].map(ends);
        assert!(both.iter().all(|ran| ran.status == 0), "{both:?}");
        assert_eq!(world.only().0, "completed");
        assert_eq!(world.users("ann@stranger.example").len(), 1);
        drop(daemon);
    }
}

#[test]
fn a_message_in_hand_is_named_and_goes_on() {
    let world = World::new(USERS);
    world.sandbox.set(|switches| switches.latency_ms = 3_000);
    world.mail("Ann <ann@stranger.example>", "In hand");
    let daemon = daemon(&world);
    world.wait_until("the request", |world| !world.sandbox.requests().is_empty());
    let ran = world.run(&["retry", "1"]);
    assert_eq!(
        (ran.status, ran.stderr.lines().next()),
        (0, Some("message 1 is pending: its turn comes, or it has it now"))
    );
    world.sandbox.set(|switches| switches.latency_ms = 0);
    daemon.says("completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn a_message_that_was_in_hand_and_ends_while_another_is_waited_for_still_has_its_octets() {
    let mut world = World::new(&wrong());
    world.mail("Ann <ann@stranger.example>", "Fails");
    world.once();
    world.rules = USERS.to_owned();
    world.sandbox.set(|switches| switches.latency_ms = 2_000);
    world.mail("Bob <bob@stranger.example>", "In hand");
    let before = world.sandbox.requests().len();
    let daemon = daemon(&world);
    world.wait_until("the request", |world| world.sandbox.requests().len() > before);
    let retry = begin(&world, &["retry", "1", "2"]);
    world.wait_until("the retry", |world| {
        world.json(&["show", "1"])[0]["outcome"] == "pending"
    });
    world.sandbox.set(|switches| switches.latency_ms = 0);
    let ran = ends(retry);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.contains("message 2 is pending"), "{ran:?}");
    assert!(ran.stderr.contains("1 message ran again: 1 completed"), "{ran:?}");
    drop(daemon);
}

#[test]
fn a_message_whose_octets_are_gone_says_so() {
    let world = failed();
    let journal = rusqlite::Connection::open(world.state_dir().join("journal.db")).unwrap();
    journal.execute_batch("DELETE FROM octets").unwrap();
    let ran = world.run(&["retry", "1"]);
    let expected = "message 1 can not run again: its octets are no longer kept ([retention] octets)";
    assert_eq!((ran.status, ran.stderr.lines().next()), (70, Some(expected)), "{ran:?}");
    assert_eq!(world.only().0, "failed");
}

#[test]
fn a_duplicate_that_runs_again_finds_what_its_original_made() {
    let world = World::with_dovecot(USERS);
    let text = "From: Ann <ann@stranger.example>\nMessage-ID: <1@b.example>\nSubject: Twice\n\nx\n";
    world.deliver(text);
    world.deliver(text);
    world.once();
    let outcomes: Vec<_> = world.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, ["completed", "duplicate"]);
    assert_eq!(world.json(&["retry", "2"])[0]["outcome"], "completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
    assert_eq!(world.requests("POST", "/api/users"), 1);
}
