//! What people report of other programs of this kind, where no other file has its story.

use std::time::Duration;

use serde_json::Value;

use crate::{
    promise::{Delivered, Promise},
    running::{Daemon, USERS},
    world::{Inbox, World, dovecot},
};

/// Whatever comes makes a user, automatic or not.
const EVERYBODY: &str = r#"
[[rule]]
name = "everybody"

  [[rule.action]]
  type = "create_halo_user"
  client = "Acme Ltd"
  site = "Warehouse"
  store_as = "created"
"#;

fn shown(world: &World, row: usize) -> Value {
    world.json(&["show", &world.log()[row]["id"].to_string()]).remove(0)
}

#[test]
fn no_real_mail_is_dropped_for_an_automatic_one() {
    let world = World::new(EVERYBODY);
    // Outlook sets this on mail that people write.
    world.mail_with(
        "Ann <ann@stranger.example>",
        "From Outlook",
        "X-Auto-Response-Suppress: DR, RN, NRN\n",
    );
    world.mail_with(
        "Bob <bob@stranger.example>",
        "On a list",
        "List-Id: <friends.stranger.example>\n",
    );
    world.once();
    let expected = ["ann", "bob"].map(|name| format!("{name}@stranger.example"));
    Promise::new([
        Delivered::new(&expected[0], "From Outlook", "completed"),
        Delivered::new(&expected[1], "On a list", "completed"),
    ])
    .with_users(expected)
    .holds(&world);
    let context = |row: usize| shown(&world, row)["email"].clone();
    assert_eq!(
        (&context(0)["automatic"], &context(1)["automatic"]),
        (&false.into(), &true.into())
    );
    let sign = context(1)["automatic_reason"]
        .as_str()
        .unwrap_or_default()
        .to_lowercase();
    assert!(sign.contains("list-id"), "the sign that decided is kept: {sign:?}");
}

#[test]
fn a_wrong_charset_loses_no_body() {
    let world = World::new(EVERYBODY);
    // Labelled as ASCII, as a charset that nobody knows, and as one while it is another.
    for (number, label) in ["us-ascii", "x-no-such-charset", "utf-8", "iso-8859-1"]
        .iter()
        .enumerate()
    {
        world.deliver(&format!(
            "Date: Mon, 23 Nov 2026 10:00:00 +0000\nFrom: =?{label}?Q?J=FCrgen?= <j{number}@stranger.example>\nSubject: {label}\nMessage-ID: <{number}@stranger.example>\nContent-Type: text/plain; charset={label}\nContent-Transfer-Encoding: quoted-printable\n\nDer Drucker ist f=FCr alle da.\n"
        ));
    }
    world.once();
    for row in 0..4 {
        let shown = shown(&world, row);
        let body = shown["email"]["body"].as_str().unwrap_or_default();
        assert!(
            body.contains("Der Drucker ist f") && body.contains("r alle da."),
            "{body:?}"
        );
        let name = world.users(&format!("j{row}@stranger.example"))[0]["name"].clone();
        let name = name.as_str().unwrap_or_default().to_owned();
        assert!(name.starts_with('J') && name.ends_with("rgen"), "{name:?}");
    }
}

#[test]
fn no_odd_sender_is_a_dropped_mail() {
    let world = World::new(EVERYBODY);
    let date = "Date: Mon, 23 Nov 2026 10:00:00 +0000\n";
    for (number, fields) in [
        "From:\nSender: a0@stranger.example\n",
        "From: Undisclosed: ;\nReply-To: a1@stranger.example\n",
        "From: \"a2@stranger.example\" <a2@stranger.example>, b@other.example\n",
        "From: a3@stranger.example\nReply-To: <>\n",
        "Return-Path: <a4@stranger.example>\nFrom: nobody\n",
        "From: Sales: a5@stranger.example, b@other.example;\n",
    ]
    .iter()
    .enumerate()
    {
        world.deliver(&format!("{fields}{date}Subject: Odd {number}\n\nText {number}.\n"));
    }
    world.once();
    for number in 0..6 {
        let address = format!("a{number}@stranger.example");
        assert_eq!(world.users(&address).len(), 1, "{address}: {:#?}", world.outcomes());
    }
}

#[test]
fn however_old_mail_is_and_whoever_has_read_it_it_is_looked_at() {
    let world = World::with_dovecot(USERS);
    world.once();
    let Inbox::Imap(user) = &world.inbox else {
        unreachable!("it is on Dovecot")
    };
    // Years ago by every date that a search could go by, and already seen.
    let mail = "Date: Thu, 02 Jan 2020 10:00:00 +0000\r\nFrom: ann@stranger.example\r\nSubject: Old\r\nMessage-ID: <o@s.example>\r\n\r\nx\r\n";
    let append = format!(
        "APPEND INBOX (\\Seen) \"02-Jan-2020 10:00:00 +0000\" {{{}+}}\r\n{mail}",
        mail.len()
    );
    dovecot().commands(user, &[&append]);
    world.once();
    Promise::new([Delivered::new("ann@stranger.example", "Old", "completed")])
        .with_users(["ann@stranger.example"])
        .holds(&world);
}

#[test]
fn work_that_takes_long_is_not_repeated() {
    let world = World::with_dovecot(USERS);
    // Longer than the connection that fetched is used: settling has one of its own.
    world.sandbox.set(|switches| switches.latency_ms = 700);
    let daemon = Daemon::start(&world, &[]);
    world.mail("ann@stranger.example", "Slow");
    let promise = Promise::new([Delivered::new("ann@stranger.example", "Slow", "completed")]);
    promise
        .with_users(["ann@stranger.example"])
        .comes_true(&world, Duration::from_secs(30));
    assert_eq!(world.requests("POST", "/api/users"), 1);
    drop(daemon);
}
