//! The whole program on the servers that people have, besides Dovecot.

use std::{collections::BTreeSet, path::Path};

use crate::{
    promise::RULES,
    servers::{courier::Courier, cyrus::Cyrus, raw::Raw},
    world::World,
};

/// All that comes ends once and lies where it belongs; `done` and `bounced` are the server's names of the folders.
fn takes_everything(port: u16, ca_pem: &Path, mut raw: Raw, [done, bounced]: [&str; 2]) {
    const MESSAGES: usize = 30;
    let world = World::with_dovecot(RULES);
    world.more(&format!(
        "[mailbox.support]\nport = {port}\nca_file = {ca_pem:?}\nusername = \"ann\"\npassword = \"geheim\"\n\
         [bounce]\nlimit_per_sender = \"100 per 1h\"\n"
    ));
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    for number in 0..MESSAGES {
        let domain = if number % 10 == 0 {
            "unwanted.example"
        } else {
            "stranger.example"
        };
        let mail = format!(
            "Return-Path: <s{number}@{domain}>\r\nDate: {date}\r\nFrom: s{number}@{domain}\r\nTo: support@desk.example\r\n\
             Subject: Message {number}\r\nMessage-ID: <{number}@{domain}>\r\n\r\nText {number}.\r\n"
        );
        raw.append("INBOX", mail.as_bytes());
    }
    world.once();
    world.once();
    let outcomes = world.outcomes();
    assert_eq!(outcomes.len(), MESSAGES, "{outcomes:?}");
    let count = |wanted: &str| outcomes.iter().filter(|(_, outcome)| outcome == wanted).count();
    assert_eq!((count("completed"), count("bounced")), (27, 3), "{outcomes:?}");
    let told = world.told();
    assert_eq!(
        (told.len(), told.iter().collect::<BTreeSet<_>>().len()),
        (3, 3),
        "{told:?}"
    );
    let lies = ["INBOX", done, bounced].map(|folder| raw.folder(folder).len());
    assert_eq!(lies, [0, 27, 3]);
    for number in (0..MESSAGES).filter(|number| number % 10 != 0) {
        assert_eq!(world.users(&format!("s{number}@stranger.example")).len(), 1);
    }
}

#[test]
fn everything_on_cyrus_ends_once_and_lies_where_it_belongs() {
    let cyrus = Cyrus::start(&["ann"], "");
    takes_everything(
        cyrus.imaps_port,
        &cyrus.ca_pem,
        cyrus.raw("ann"),
        ["Processed", "Bounced"],
    );
}

#[test]
fn everything_on_courier_ends_once_and_lies_where_it_belongs() {
    let courier = Courier::start(&["ann"]);
    let folders = ["INBOX.Processed", "INBOX.Bounced"];
    takes_everything(courier.imaps_port, &courier.ca_pem, courier.raw("ann"), folders);
}
