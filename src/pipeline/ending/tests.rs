//! What a bounce says of the mailbox that the message came to, and when a message comes again.

use super::*;
use crate::{
    config::{ConnectionName, MailboxName},
    halo::fault::Fault,
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
    let claim = Claim {
        entry: EntryId(1),
        token: 1,
    };
    Work::first(claim, place, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH)
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

/// A message that was deferred so often in a row, by its own fault or not, is deferred again by its own fault or not:
/// the wait in seconds.
fn check_wait(deferrals: u32, counted: bool, counts: bool, expected: i64) {
    let (generation, mut work) = (generation("support@desk.example"), work("support"));
    work.attempt = 40;
    work.deferred = (deferrals > 0).then_some((Timestamp::UNIX_EPOCH, counted));
    work.deferrals = deferrals;
    let attempted = Attempted {
        work: &work,
        generation: &generation,
        message: &Message::default(),
        octets: b"",
        dmarc: "none",
        hostname: "mx.desk.example",
        now: Timestamp::UNIX_EPOCH,
        spread: 0.0,
    };
    let end = End::Deferred {
        reason: "it is down".to_owned(),
        fault: (!counts).then(|| (ConnectionName("main".to_owned()), Fault::Unreachable)),
        not_before: None,
        run: Value::Null,
    };
    match attempted.change(end, &Trace::default()) {
        Change::Deferred { due, .. } => assert_eq!(due.as_second(), expected, "{deferrals}, {counted}, {counts}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn waits_grow_with_deferrals_of_one_kind_in_a_row_however_many_attempts_there_were() {
    let first = 5;
    for (counted, counts) in [(true, true), (false, false)] {
        check_wait(0, counted, counts, first);
        check_wait(1, counted, counts, 2 * first);
        check_wait(3, counted, counts, 8 * first);
    }
    // The connection was at fault meanwhile, or is now.
    check_wait(6, false, true, first);
    check_wait(6, true, false, first);
}

#[test]
fn rules_that_matched_before_the_message_was_given_up_are_kept() {
    let (generation, mut work) = (generation("support@desk.example"), work("support"));
    let run = serde_json::json!({ "matched": ["alerts", "all"] });
    work.waited = generation.config.retry.give_up_after;
    work.run = Some(run.clone());
    let attempted = Attempted {
        work: &work,
        generation: &generation,
        message: &Message::default(),
        octets: b"",
        dmarc: "none",
        hostname: "mx.desk.example",
        now: Timestamp::UNIX_EPOCH,
        spread: 0.0,
    };
    let given_up = End::Deferred {
        reason: "it is down".to_owned(),
        fault: None,
        not_before: None,
        run,
    };
    for change in [
        attempted.change(given_up, &Trace::default()),
        attempted.unread(Reason::OctetsGone),
    ] {
        match change {
            Change::Ended { ended, .. } => assert_eq!(ended.matched, ["alerts", "all"]),
            other => panic!("{other:?}"),
        }
    }
}
