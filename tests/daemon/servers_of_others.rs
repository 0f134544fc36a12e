//! The whole program on the servers that people have, besides Dovecot.

use std::{collections::BTreeSet, path::Path};

use crate::{
    promise::RULES,
    running::{Daemon, USERS},
    servers::{
        courier::Courier,
        cyrus::Cyrus,
        dovecot::{Dovecot, Options},
        raw::Raw,
    },
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

/// Dovecot counts what is copied, not what is moved.
const WITHOUT_MOVE: &str = "IMAP4rev1 LITERAL+ NAMESPACE UIDPLUS IDLE ENABLE";

/// A mailbox of `ann` on that server.
fn world_on(port: u16, ca_pem: &Path, further: &str) -> World {
    let world = World::with_dovecot(USERS);
    world.more(&format!(
        "[mailbox.support]\nport = {port}\nca_file = {ca_pem:?}\nusername = \"ann\"\npassword = \"geheim\"\n{further}"
    ));
    world
}

fn mail(name: &str) -> Vec<u8> {
    format!(
        "From: {name}@stranger.example\r\nTo: support@desk.example\r\nSubject: {name}\r\n\
         Message-ID: <{name}@stranger.example>\r\n\r\n{}\r\n",
        "x".repeat(900)
    )
    .into_bytes()
}

/// What operators were told so far, unfolded.
fn told(world: &World) -> String {
    let letters = world.sink.mails().into_iter().map(|mail| mail.octets);
    String::from_utf8_lossy(&letters.collect::<Vec<_>>().concat()).replace("\r\n  | ", " ")
}

/// Where a story's messages come, and where they are settled to; each with who looks there.
struct Folders<'a> {
    from: (&'a dyn Fn() -> Raw, &'static str),
    done: (&'a dyn Fn() -> Raw, &'static str),
}

impl Folders<'_> {
    fn lie(&self) -> (usize, usize) {
        let count = |(raw, name): (&dyn Fn() -> Raw, &str)| raw().folder(name).len();
        (count(self.from), count(self.done))
    }
}

/// Settling is refused for that reason and told, and nothing else changes; once that is mended, it is done.
fn settles_in_the_end(world: &World, folders: &Folders<'_>, reason: &str, mend: impl Fn()) {
    let daemon = Daemon::start(world, &[]);
    let said = daemon.says("settling ");
    assert!(said.contains(reason), "{said}");
    world.wait_until("the report", |world| told(world).contains(reason));
    // What is refused to a message is put off; a folder that is refused is tried again and again.
    let waits = if reason == ROOM {
        "word = 'completed' AND settle_reason IS NOT NULL"
    } else {
        "word = 'completed' AND settled IS NULL"
    };
    world.wait_until("both wait", |world| world.count_where(waits) == 2);
    assert_eq!(folders.lie(), (2, 0));

    mend();
    world.later(1_000);
    let (raw, folder) = folders.from;
    raw().append(folder, &mail("cy"));
    world.wait_until("settling", |_| folders.lie() == (0, 3));
    let outcomes = world.outcomes();
    assert_eq!(outcomes.len(), 3, "each was received once: {outcomes:?}");
    for name in ["ann", "bob", "cy"] {
        assert_eq!(world.users(&format!("{name}@stranger.example")).len(), 1, "{name}");
    }
}

fn put_two(mut raw: Raw, folder: &str) {
    for name in ["ann", "bob"] {
        raw.append(folder, &mail(name));
    }
}

const ROOM: &str = "; make room in the mailbox, or raise its quota";

#[test]
fn a_full_mailbox_on_dovecot_is_settled_when_there_is_room() {
    let options = Options {
        capability: Some(WITHOUT_MOVE),
        quota: Some("8k"),
        ..Options::default()
    };
    let server = Dovecot::start_with(&options);
    server.add_user_with("ann", "geheim");
    put_two(server.raw("ann"), "INBOX");
    server.commands("ann", &["CREATE Other"]);
    server.deliver("ann", "Other", &vec![b'x'; 5_400]);
    let world = world_on(server.imaps_port, &server.ca_pem, "");
    let raw: &dyn Fn() -> Raw = &|| server.raw("ann");
    let folders = Folders {
        from: (raw, "INBOX"),
        done: (raw, "Processed"),
    };
    settles_in_the_end(&world, &folders, ROOM, || server.commands("ann", &["DELETE Other"]));
}

#[test]
fn a_full_mailbox_on_cyrus_is_settled_when_there_is_room() {
    let server = Cyrus::start(&["ann"], "MOVE");
    put_two(server.raw("ann"), "INBOX");
    server.administer(&["SETQUOTA user/ann (STORAGE 1)"]);
    let world = world_on(server.imaps_port, &server.ca_pem, "");
    let raw: &dyn Fn() -> Raw = &|| server.raw("ann");
    let folders = Folders {
        from: (raw, "INBOX"),
        done: (raw, "Processed"),
    };
    settles_in_the_end(&world, &folders, ROOM, || {
        server.administer(&["SETQUOTA user/ann (STORAGE 100000)"])
    });
}

#[test]
fn a_full_mailbox_on_courier_is_settled_when_there_is_room() {
    let server = Courier::start(&["ann"]);
    put_two(server.raw("ann"), "INBOX");
    server.limit("ann", 1_000);
    // Its IDLE does not tell of what comes after a copy that was refused.
    let world = world_on(server.imaps_port, &server.ca_pem, "poll_interval = \"1s\"\n");
    let raw: &dyn Fn() -> Raw = &|| server.raw("ann");
    let folders = Folders {
        from: (raw, "INBOX"),
        done: (raw, "INBOX.Processed"),
    };
    settles_in_the_end(&world, &folders, ROOM, || server.limit("ann", 100_000_000));
}

const READ_ONLY: &str = "the server opens it read-only for this login; grant the right to change flags and to expunge";

#[test]
fn a_shared_folder_on_dovecot_that_may_only_be_read_is_settled_when_it_may_be_changed() {
    let options = Options {
        separator: '/',
        shared: true,
        ..Options::default()
    };
    let server = Dovecot::start_with(&options);
    ["ann", "bob"]
        .iter()
        .for_each(|name| server.add_user_with(name, "geheim"));
    let allow = |rights: &str| server.commands("bob", &[&format!("SETACL Team ann {rights}")]);
    server.commands("bob", &["CREATE Team"]);
    put_two(server.raw("bob"), "Team");
    allow("lr");
    let world = world_on(server.imaps_port, &server.ca_pem, "folder = \"shared/bob/Team\"\n");
    let (ann, bob): (&dyn Fn() -> Raw, &dyn Fn() -> Raw) = (&|| server.raw("ann"), &|| server.raw("bob"));
    let folders = Folders {
        from: (bob, "Team"),
        done: (ann, "Processed"),
    };
    settles_in_the_end(&world, &folders, READ_ONLY, || allow("lrswite"));
}

#[test]
fn a_shared_folder_on_cyrus_that_may_only_be_read_is_settled_when_it_may_be_changed() {
    let server = Cyrus::start(&["ann", "bob"], "");
    let allow = |rights: &str| drop(server.raw("bob").command(&format!("SETACL Team ann {rights}")));
    server.raw("bob").command("CREATE Team");
    put_two(server.raw("bob"), "Team");
    allow("lr");
    let folder = "folder = \"Other Users/bob/Team\"\n";
    let world = world_on(server.imaps_port, &server.ca_pem, folder);
    let (ann, bob): (&dyn Fn() -> Raw, &dyn Fn() -> Raw) = (&|| server.raw("ann"), &|| server.raw("bob"));
    let folders = Folders {
        from: (bob, "Team"),
        done: (ann, "Processed"),
    };
    settles_in_the_end(&world, &folders, READ_ONLY, || allow("lrswite"));
}
