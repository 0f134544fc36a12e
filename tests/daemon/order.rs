//! What is new, what was seen before, and in which order it is taken.

use crate::world::{Inbox, World, dovecot};

/// Every message makes a client that is named after its subject: the sandbox's log shows the order.
const NOTE: &str = "[[rule]]\nname = \"note\"\n[[rule.action]]\ntype = \"create_halo_client\"\nclient_name = \"{{ email.subject }}\"\n";

fn created(world: &World) -> Vec<String> {
    let posts = world
        .sandbox
        .requests()
        .into_iter()
        .filter(|request| request.method == "POST" && request.path.to_lowercase() == "/api/client");
    posts
        .map(|request| request.body[0]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn mail_that_a_person_has_already_read_is_processed() {
    let world = World::with_dovecot(NOTE);
    let Inbox::Imap(user) = &world.inbox else {
        unreachable!()
    };
    let mail =
        b"From: Ann <ann@stranger.example>\r\nSubject: Read on the phone\r\nMessage-ID: <r@s.example>\r\n\r\nx\r\n";
    dovecot().deliver_flagged(user, "INBOX", "\\Seen", mail);
    world.once();
    assert_eq!(world.only().0, "completed");
    assert_eq!(created(&world), ["Read on the phone"]);
}

#[test]
fn fetching_leaves_a_message_unseen() {
    let world = World::with_dovecot(
        "[[rule]]\nname = \"never\"\nwhen = \"email.size == 0\"\n[[rule.action]]\ntype = \"stop\"\n",
    );
    world.mail("Ann <ann@stranger.example>", "Unread");
    world.once();
    assert_eq!(world.only().0, "ignored");
    let Inbox::Imap(user) = &world.inbox else {
        unreachable!()
    };
    let kept = dovecot().folder(user, "INBOX");
    assert_eq!(kept.len(), 1);
    assert!(!kept[0].flags.contains(&"\\Seen".to_owned()), "{:?}", kept[0].flags);
}

#[test]
fn a_second_run_finds_nothing_new() {
    let world = World::with_dovecot(NOTE);
    world.more("[mailbox.support]\nsettle.completed = \"keep\"\n");
    world.mail("Ann <ann@stranger.example>", "Once");
    world.once();
    world.once();
    assert_eq!(created(&world), ["Once"]);
    assert_eq!(world.folder("INBOX").len(), 1);
}

#[test]
fn messages_of_one_author_keep_their_order() {
    let world = World::with_dovecot(NOTE);
    let subjects: Vec<String> = (1..=12).map(|number| format!("Number {number}")).collect();
    for subject in &subjects {
        world.mail("Ann <ann@stranger.example>", subject);
    }
    world.once();
    assert_eq!(created(&world), subjects);
}

#[test]
fn a_large_message_is_not_overtaken_by_small_ones_behind_it() {
    let world = World::with_dovecot(NOTE);
    let subjects: Vec<String> = (1..=24).map(|number| format!("Number {number}")).collect();
    for (number, subject) in subjects.iter().enumerate() {
        let lines = if number % 4 == 0 { 8_000 } else { 1 };
        let text = format!("Line {number} of a text that is as long as it is.\n").repeat(lines);
        world.deliver(&format!(
            "From: Ann <ann@stranger.example>\nSubject: {subject}\nMessage-ID: <{number}@s.example>\n\n{text}"
        ));
    }
    world.once();
    assert_eq!(created(&world), subjects);
}

#[test]
fn a_copy_of_a_message_that_ended_well_is_a_duplicate() {
    let world = World::with_dovecot(NOTE);
    let mail = "Return-Path: <ann@stranger.example>\nFrom: Ann <ann@stranger.example>\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nSubject: Twice\nMessage-ID: <twice@s.example>\n\nx\n";
    world.deliver(mail);
    world.once();
    world.deliver(&format!("Received: from elsewhere\n{mail}"));
    world.once();
    let outcomes: Vec<String> = world.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, ["completed", "duplicate"]);
    assert_eq!(created(&world), ["Twice"]);
}

#[test]
fn the_same_message_id_with_another_content_is_no_duplicate() {
    let world = World::new(NOTE);
    for subject in ["First", "Second"] {
        world.deliver(&format!(
            "From: Ann <ann@stranger.example>\nSubject: {subject}\nMessage-ID: <same@s.example>\n\nx\n"
        ));
    }
    world.once();
    assert!(
        world.outcomes().iter().all(|(_, outcome)| outcome == "completed"),
        "{:?}",
        world.outcomes()
    );
}

#[test]
fn a_skipped_backlog_is_ignored_and_left_where_it_is() {
    let world = World::with_dovecot(NOTE);
    world.more("[mailbox.support]\nbacklog = \"skip\"\n");
    world.mail("Ann <ann@stranger.example>", "Old");
    world.once();
    world.mail("Ann <ann@stranger.example>", "New");
    world.once();
    let log = world.log();
    assert_eq!(
        (log[0]["outcome"].as_str(), log[0]["reason"].as_str()),
        (Some("ignored"), Some("backlog"))
    );
    assert_eq!(log[1]["outcome"], "completed");
    assert_eq!(created(&world), ["New"]);
    assert_eq!(world.folder("INBOX").len(), 1);
}

#[test]
fn when_the_server_numbers_a_folder_anew_nothing_is_run_again_and_what_is_new_is() {
    let world = World::with_dovecot(NOTE);
    world.more("[mailbox.support]\nbacklog = \"skip\"\nsettle.completed = \"keep\"\n");
    world.mail("Ann <ann@stranger.example>", "Old");
    world.once();
    world.mail("Bob <bob@stranger.example>", "Known");
    world.once();
    let Inbox::Imap(user) = &world.inbox else {
        unreachable!("it is on Dovecot")
    };
    dovecot().renumber(user);
    world.mail("Cay <cay@stranger.example>", "New");
    world.once();
    let outcomes = world.outcomes();
    let expected = [("Old", "ignored"), ("Known", "completed"), ("New", "completed")];
    assert_eq!(
        outcomes,
        expected.map(|(subject, outcome)| (subject.to_owned(), outcome.to_owned()))
    );
    assert_eq!(created(&world), ["Known", "New"]);
}

#[test]
fn a_message_that_is_too_large_is_failed_without_being_fetched_whole() {
    let mut world = World::with_dovecot(NOTE);
    world.mailbox = "max_message_size = \"10 KiB\"".to_owned();
    world.deliver(&format!(
        "From: Ann <ann@stranger.example>\nSubject: Large\n\n{}",
        "0123456789abcdef\n".repeat(2000)
    ));
    world.mail("Ann <ann@stranger.example>", "Small");
    world.once();
    let log = world.log();
    assert_eq!(
        (log[0]["outcome"].as_str(), log[0]["reason"].as_str()),
        (Some("failed"), Some("too_large"))
    );
    assert_eq!(log[0]["subject"], "Large");
    assert_eq!(log[1]["outcome"], "completed");
    assert_eq!(world.told(), ["ops@desk.example"]);
}

#[test]
fn a_message_without_an_author_is_failed_and_nothing_else_is_held_up() {
    let world = World::new(NOTE);
    world.deliver("Subject: Nobody\n\nx\n");
    world.mail("Ann <ann@stranger.example>", "Somebody");
    world.once();
    let log = world.log();
    assert_eq!(
        (log[0]["outcome"].as_str(), log[0]["reason"].as_str()),
        (Some("failed"), Some("no_author"))
    );
    assert_eq!(log[1]["outcome"], "completed");
}
