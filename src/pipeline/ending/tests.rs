//! What a bounce says of the mailbox that the message came to.

use super::*;
use crate::{
    config::MailboxName,
    journal::{Claim, EntryId, Place, Spot},
};

const MAILBOXES: &str = r#"
[mailbox.support]
host = "imap.desk.example"
username = "support@desk.example"
password = "x"
addresses = ["help@desk.example"]
[mailbox.sales]
host = "imap.desk.example"
username = "support@desk.example"
mailbox = "sales@desk.example"
password = "x"
[mailbox.drop]
type = "maildir"
path = "/nonexistent"
[bounce]
from = "Example Desk <FROM>"
"#;

fn generation(from: &str) -> Generation {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("halo-intake.toml");
    let text = format!("state_dir = {:?}\n{}", folder.path(), MAILBOXES.replace("FROM", from));
    std::fs::write(&path, text).unwrap();
    Generation::load(&path, &[]).unwrap().0
}

fn work(mailbox: &str) -> Work {
    let place = Place {
        mailbox: MailboxName(mailbox.to_owned()),
        folder: "INBOX".to_owned(),
        spot: Spot::Uid { validity: 1, uid: 1 },
    };
    Work {
        claim: Claim {
            entry: EntryId(1),
            token: 1,
        },
        place,
        internal_date: Timestamp::UNIX_EPOCH,
        received: Timestamp::UNIX_EPOCH,
        attempt: 1,
        waited: Duration::ZERO,
        deferred: None,
        run: None,
        intents: Vec::new(),
    }
}

/// The recipient that is named for a message with these fields in this mailbox.
fn check_from(from: &str, mailbox: &str, fields: &str, expected: &str) {
    let (generation, work) = (generation(from), work(mailbox));
    let octets = format!("From: ann@customer.example\r\n{fields}\r\nx\r\n");
    let attempted = Attempted {
        work: &work,
        generation: &generation,
        message: &Message::read(octets.as_bytes()),
        octets: octets.as_bytes(),
        dmarc: "none",
        hostname: "mx.desk.example",
        now: Timestamp::UNIX_EPOCH,
        spread: 0.0,
    };
    assert_eq!(
        attempted.recipient(&generation.config),
        expected,
        "{mailbox}: {fields:?}"
    );
}

fn check(mailbox: &str, fields: &str, expected: &str) {
    check_from("support@desk.example", mailbox, fields, expected);
}

#[test]
fn the_final_recipient_is_an_address_of_the_mailbox_that_the_message_is_in() {
    check("sales", "To: Sales <sales@desk.example>\r\n", "sales@desk.example");
    check("support", "Cc: help@desk.example\r\n", "help@desk.example");
    check(
        "sales",
        "To: support@desk.example\r\nCc: sales@desk.example\r\n",
        "sales@desk.example",
    );
}

#[test]
fn a_detail_is_named_as_it_was_written() {
    check("sales", "To: Sales+x@desk.example\r\n", "sales+x@desk.example");
}

#[test]
fn a_message_that_names_no_address_of_its_mailbox_came_to_the_first_one() {
    check("sales", "", "sales@desk.example");
    check("support", "To: sales@desk.example\r\n", "support@desk.example");
}

#[test]
fn a_mailbox_without_addresses_never_takes_those_of_another() {
    check("drop", "To: sales@desk.example\r\n", "halo-intake@mx.desk.example");
    check_from("desk@desk.example", "drop", "", "desk@desk.example");
}
