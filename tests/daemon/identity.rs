//! Which message is new: by its number where that holds, else by what it is made of.

use std::path::{Path, PathBuf};

use crate::{
    promise::{Delivered, Promise},
    world::{Inbox, World, dovecot},
};

/// A few of many become users; the others match no rule.
const CUSTOMERS: &str = r#"
[[rule]]
name = "customers"
when = "email.from.domain == 'customer.example'"

  [[rule.action]]
  type = "create_halo_user"
  client = "Acme Ltd"
  site = "Warehouse"
"#;

/// Every message makes a client that is named after its subject, whoever wrote it.
const NOTE: &str = r#"
[[rule]]
name = "note"

  [[rule.action]]
  type = "create_halo_client"
  client_name = "{{ email.subject }} in {{ email.mailbox }}"
"#;

/// The names of the clients that messages made, sorted.
fn noted(world: &World) -> Vec<String> {
    let clients = world.sandbox.clients();
    let names = clients.iter().filter_map(|client| client["name"].as_str());
    let mut noted: Vec<String> = names.filter(|name| name.contains(" in ")).map(str::to_owned).collect();
    noted.sort();
    noted
}

/// Subject, outcome and reason of each message, oldest first.
fn ended(world: &World) -> Vec<[String; 3]> {
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let log = world.log();
    log.iter()
        .map(|row| ["subject", "outcome", "reason"].map(|name| text(row, name)))
        .collect()
}

/// So many lie in the folder when the server numbers it anew.
const OLD: usize = 10_000;
/// Every so-many-th of them is a customer's.
const CUSTOMER: usize = 500;
const NEW: usize = 25;

fn message(number: usize, age: &str) -> (Delivered, Vec<u8>) {
    let (sender, outcome) = if number.is_multiple_of(CUSTOMER) {
        (format!("c{number}@customer.example"), "completed")
    } else {
        (format!("s{}@stranger.example", number % 97), "ignored")
    };
    let subject = format!("{age} {number}");
    // Every second one has no Message-ID.
    let id = if number.is_multiple_of(2) {
        String::new()
    } else {
        format!("Message-ID: <{age}.{number}@mail.example>\r\n")
    };
    let octets = format!(
        "Return-Path: <{sender}>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nFrom: {sender}\r\nTo: support@desk.example\r\nSubject: {subject}\r\n{id}\r\nThe text of message {number}.\r\n"
    );
    let mut delivered = Delivered::new(&sender, &subject, outcome);
    delivered.folder = "INBOX";
    (delivered, octets.into_bytes())
}

/// Elsewhere all mail is imported again, or the wrong message is acted on.
#[test]
fn ten_thousand_messages_that_are_numbered_anew_are_not_run_again_and_new_ones_are() {
    let mut world = World::with_dovecot(CUSTOMERS);
    // What has ended stays where it lies, so that all of it is met again.
    world.more("[mailbox.support]\nsettle.completed = \"keep\"\n");
    world.halo = "rate = \"100000 per 1m\"".to_owned();
    let Inbox::Imap(user) = &world.inbox else {
        unreachable!("it is on Dovecot")
    };
    let (old, octets): (Vec<Delivered>, Vec<_>) = (0..OLD).map(|number| message(number, "Old")).unzip();
    dovecot().deliver_all(user, "INBOX", "", &octets);
    world.once();

    dovecot().renumber(user);
    let (new, octets): (Vec<Delivered>, Vec<_>) = (OLD..OLD + NEW).map(|number| message(number, "New")).unzip();
    dovecot().deliver_all(user, "INBOX", "", &octets);
    world.once();
    let customers = (0..OLD + NEW)
        .step_by(CUSTOMER)
        .map(|number| format!("c{number}@customer.example"));
    Promise::new(old.into_iter().chain(new))
        .with_users(customers)
        .holds(&world);
    let attempts: Vec<_> = world.log().iter().filter_map(|row| row["attempts"].as_u64()).collect();
    assert!(attempts.iter().all(|attempts| *attempts == 1), "something ran again");
}

/// Puts a message into another Maildir than the world's.
fn put(maildir: &Path, name: &str, octets: &str) {
    std::fs::write(maildir.join("new").join(name), octets.replace('\n', "\r\n")).unwrap();
}

/// A world with a second mailbox; copies are looked for as `deduplicate` says.
fn two_mailboxes(deduplicate: &str) -> (World, PathBuf) {
    let mut world = World::new(NOTE);
    world.mailbox = format!("deduplicate = \"{deduplicate}\"");
    let second = world.folder.join("Sales");
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(second.join(part)).unwrap();
    }
    world.more(&format!(
        "[mailbox.sales]\ntype = \"maildir\"\npath = {second:?}\naddresses = [\"sales@desk.example\"]\nbacklog = \"process\"\ndeduplicate = \"{deduplicate}\"\n"
    ));
    (world, second)
}

/// The same Message-ID comes twice, and rightly so.
#[test]
fn the_same_mail_in_two_mailboxes_is_run_in_each_or_once_as_configured() {
    for (deduplicate, expected) in [
        ("mailbox", vec!["Hello in sales", "Hello in support"]),
        ("all", vec!["Hello in support"]),
    ] {
        let (world, sales) = two_mailboxes(deduplicate);
        let mail = |by: &str| {
            format!(
                "Received: by {by}; Mon, 23 Nov 2026 10:00:01 +0000\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nFrom: ann@stranger.example\nTo: support@desk.example, sales@desk.example\nSubject: Hello\nMessage-ID: <h@stranger.example>\n\nText.\n"
            )
        };
        world.deliver(&mail("mx1.desk.example"));
        world.once();
        // Its trace fields differ, as they do where a server delivers to two.
        put(&sales, "1.story", &mail("mx2.desk.example"));
        world.once();
        assert_eq!(noted(&world), expected, "{deduplicate}");
    }
}

/// Elsewhere they are lost, or merged with each other.
#[test]
fn mails_without_a_message_id_are_told_apart_by_all_that_they_hold() {
    let world = World::new(NOTE);
    let mail = |subject: &str, text: &str| {
        world.deliver(&format!(
            "Date: Mon, 23 Nov 2026 10:00:00 +0000\nFrom: ann@stranger.example\nTo: support@desk.example\nSubject: {subject}\n\n{text}\n"
        ));
    };
    mail("A", "The disk is full.");
    mail("A", "The disk is full again.");
    mail("B", "The disk is full.");
    mail("A", "The disk is full.");
    world.once();
    let ended = ended(&world);
    let outcomes: Vec<_> = ended
        .iter()
        .map(|[subject, outcome, _]| (subject.as_str(), outcome.as_str()))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("A", "completed"),
            ("A", "completed"),
            ("B", "completed"),
            ("A", "duplicate")
        ],
        "{ended:?}"
    );
}

/// Or it is reused.
#[test]
fn a_message_id_that_a_broken_sender_uses_for_all_its_mail_hides_none_of_it() {
    let world = World::new(NOTE);
    for number in 0..20 {
        world.deliver(&format!(
            "Date: Mon, 23 Nov 2026 10:00:00 +0000\nFrom: printer@stranger.example\nTo: support@desk.example\nSubject: Alarm {number}\nMessage-ID: <alarm@printer.example>\n\nText.\n"
        ));
    }
    world.once();
    assert_eq!(noted(&world).len(), 20);
    assert!(ended(&world).iter().all(|[_, outcome, _]| outcome == "completed"));
}
