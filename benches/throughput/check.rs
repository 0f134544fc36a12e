//! That a program has done its work: where it has not, there is nothing to measure.

use std::{collections::BTreeSet, fs, path::Path, process::Stdio};

use serde_json::Value;

use crate::{
    commands,
    desk::{Mailbox, Place},
    mail,
};

/// That everything was taken, once: the journal, the mailbox and Halo agree.
pub fn halo_intake(place: &Place, mailbox: &Mailbox) {
    let log = commands::halo_intake(place, &["log", "--limit", "all", "--format", "json"])
        .stdout(Stdio::piped())
        .output();
    let log = String::from_utf8(log.expect("our own program").stdout).expect("JSON");
    let completed = log
        .lines()
        .filter(|line| serde_json::from_str::<Value>(line).unwrap()["outcome"] == "completed");
    let rows = log.lines().count();
    assert_eq!(
        completed.count(),
        mailbox.messages,
        "completed in the journal, of {rows} rows"
    );
    moved(place, mailbox);
    users(place, mailbox);
}

/// That each stranger has become a user, and none of them two.
fn users(place: &Place, mailbox: &Mailbox) {
    let users = place.sandbox.users();
    let made: Vec<&str> = users
        .iter()
        .filter_map(|user| user["emailaddress"].as_str())
        .filter(|address| address.starts_with(mail::STRANGER))
        .collect();
    let different: BTreeSet<String> = made.iter().map(|address| (*address).to_owned()).collect();
    assert_eq!(made.len(), different.len(), "users made, and their addresses");
    assert!(
        different == mailbox.strangers,
        "{} users made of {} strangers",
        different.len(),
        mailbox.strangers.len()
    );
    assert_eq!(users_of_acme(&users), mail::KNOWN, "users that were there before");
}

fn users_of_acme(users: &[Value]) -> usize {
    users
        .iter()
        .filter_map(|user| user["emailaddress"].as_str())
        .filter(|address| address.starts_with("person"))
        .count()
}

/// That the mailbox is empty and all of it in Processed.
pub fn moved(place: &Place, mailbox: &Mailbox) {
    let processed = files(&place.maildir.join(".Processed"));
    assert_eq!(processed, mailbox.messages, "messages in Processed");
    assert_eq!(files(&place.maildir), 0, "messages left in INBOX");
}

/// That the program's own Maildir has everything.
pub fn pulled(place: &Place, mailbox: &Mailbox) {
    let near = files(&place.folder.join("Maildir/INBOX"));
    assert_eq!(near, mailbox.messages, "messages that were pulled");
}

/// How many messages lie in a Maildir.
fn files(maildir: &Path) -> usize {
    ["cur", "new"]
        .iter()
        .filter_map(|part| fs::read_dir(maildir.join(part)).ok())
        .map(Iterator::count)
        .sum()
}
