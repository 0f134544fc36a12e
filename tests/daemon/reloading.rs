//! A new configuration takes the place of the old one while the daemon runs.

use std::io::{BufRead, BufReader, Write};

use crate::{
    running::{Daemon, Signal, USERS},
    world::{Inbox, World, dovecot},
};

#[test]
fn sighup_loads_a_new_configuration_and_keeps_the_old_one_when_the_new_is_bad() {
    let mut world = World::with_dovecot(USERS);
    world.mailbox = "poll_interval = \"5m\"".to_owned();
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");

    world.rules =
        "[[rule]]\nname = \"broken\"\nwhen = \"emial.subject\"\n[[rule.action]]\ntype = \"stopp\"\n".to_owned();
    world.configure();
    // The second time operators know, and whoever asks for a reload reads it all the same.
    for _ in 0..2 {
        daemon.signal(Signal::HUP);
        daemon.says("did you mean \"email\"?");
        daemon.says("did you mean \"stop\"?");
        let last = daemon.says("the one before goes on");
        assert!(
            last.contains(": 2 faults, the first: ") && last.contains("emial"),
            "{last}"
        );
    }
    world.rules = USERS.to_owned();
    world.mail("Ann <ann@stranger.example>", "Under the old one");
    // Written again only for the commands that the story itself runs.
    daemon.says("completed");

    world.rules = USERS
        .replace("Warehouse", "Main")
        .replace("\"users\"", "\"users anew\"");
    world.configure();
    daemon.signal(Signal::HUP);
    daemon.says("the configuration was reloaded");
    world.mail("Bob <bob@stranger.example>", "Under the new one");
    daemon.says("completed");
    let rules: Vec<_> = world
        .log()
        .iter()
        .map(|row| row["rule"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(rules, ["users", "users anew"]);
}

#[test]
fn a_password_that_was_replaced_in_the_file_is_taken_by_a_reload() {
    let world = World::with_dovecot(USERS);
    world.more("[mailbox.support]\npassword = \"not this\"\n");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("refuses the sign-in");
    world.more(&format!(
        "[mailbox.support]\npassword = {:?}\n",
        crate::dovecot::PASSWORD
    ));
    world.mail("Ann <ann@stranger.example>", "Waits for the password");
    daemon.signal(Signal::HUP);
    daemon.says("completed");
}

#[test]
fn a_client_secret_that_was_replaced_in_the_file_is_taken_by_a_reload() {
    let world = World::new(USERS);
    world.more("[halo.main]\nclient_secret = \"not this\"\n");
    world.mail("Ann <ann@stranger.example>", "Waits for the secret");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("deferred");
    world.more(&format!(
        "[halo.main]\nclient_secret = {:?}\n",
        world.sandbox.client_secret()
    ));
    daemon.signal(Signal::HUP);
    daemon.says("completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn a_password_file_that_was_mended_is_tried_at_once_by_a_reload() {
    let world = World::with_dovecot(USERS);
    let file = world.folder.join("password");
    std::fs::write(&file, "not this").unwrap();
    world.more(&format!("[mailbox.support]\npassword = {{ file = {file:?} }}\n"));
    let daemon = Daemon::start(&world, &[]);
    daemon.says("refuses the sign-in");
    std::fs::write(&file, crate::dovecot::PASSWORD).unwrap();
    world.mail("Ann <ann@stranger.example>", "Waits for the password");
    daemon.signal(Signal::HUP);
    daemon.says("completed");
}

#[test]
fn a_secret_file_that_was_mended_is_tried_at_once_by_a_reload() {
    let world = World::new(USERS);
    let file = world.folder.join("secret");
    std::fs::write(&file, "not this").unwrap();
    world.more(&format!(
        "[halo.main]\nclient_secret = {{ file = {file:?} }}\n[retry]\nfirst = \"1h\"\nlongest = \"1h\"\n"
    ));
    world.mail("Ann <ann@stranger.example>", "Waits for the secret");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("deferred");
    std::fs::write(&file, world.sandbox.client_secret()).unwrap();
    daemon.signal(Signal::HUP);
    daemon.says("completed");
    assert_eq!(world.users("ann@stranger.example").len(), 1);
}

#[test]
fn mailboxes_come_and_go_and_no_message_is_lost_or_doubled() {
    let mut world = World::new(USERS);
    world.mailbox = "poll_interval = \"1s\"".to_owned();
    let other = world.folder.join("Other");
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(other.join(part)).unwrap();
    }
    let put = |number: usize| {
        let mail = format!("From: Bob <bob@stranger.example>\r\nSubject: Other {number}\r\n\r\nx\r\n");
        // As a delivery does it: what lies in `new` is whole.
        let name = format!("{number}.other");
        std::fs::write(other.join("tmp").join(&name), mail).unwrap();
        std::fs::rename(other.join("tmp").join(&name), other.join("new").join(&name)).unwrap();
    };
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    world.mail("Ann <ann@stranger.example>", "First");
    daemon.says("completed");

    put(1);
    world.settings = format!("[mailbox.other]\ntype = \"maildir\"\npath = {other:?}\npoll_interval = \"1s\"\n");
    world.configure();
    daemon.signal(Signal::HUP);
    daemon.says("completed");

    world.settings.clear();
    world.configure();
    daemon.signal(Signal::HUP);
    daemon.says("is no longer watched");
    put(2);
    world.mail("Ann <ann@stranger.example>", "Second");
    daemon.says("completed");

    world.settings = format!("[mailbox.other]\ntype = \"maildir\"\npath = {other:?}\npoll_interval = \"1s\"\n");
    world.configure();
    daemon.signal(Signal::HUP);
    daemon.says("completed");
    let mut subjects: Vec<String> = world.outcomes().into_iter().map(|(subject, _)| subject).collect();
    subjects.sort();
    assert_eq!(subjects, ["First", "Other 1", "Other 2", "Second"]);
}

/// Lets somebody sign in and select the folder, and does not say what lies there: a pass that was begun is waited for.
fn signed_in_to_silence(server: &std::net::TcpListener) -> std::net::TcpStream {
    let (mut stream, _) = server.accept().unwrap();
    stream.write_all(b"* OK [CAPABILITY IMAP4rev1] ready\r\n").unwrap();
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    for line in lines.map(Result::unwrap) {
        let (tag, command) = line.split_once(' ').unwrap();
        if command.starts_with("UID") {
            break;
        }
        if command.starts_with("SELECT") {
            let told = b"* 1 EXISTS\r\n* OK [UIDVALIDITY 1] so it is\r\n* OK [UIDNEXT 2] so it is\r\n";
            stream.write_all(told).unwrap();
        }
        stream
            .write_all(format!("{tag} OK [CAPABILITY IMAP4rev1] done\r\n").as_bytes())
            .unwrap();
    }
    stream
}

#[test]
fn a_changed_mailbox_is_watched_anew_only_when_its_old_loops_have_ended() {
    let mut world = World::new(USERS);
    let server = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    world.settings = format!(
        "[mailbox.slow]\ntype = \"imap\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nusername = \"a\"\npassword = \"b\"\n"
    );
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    daemon.says("is watched");
    let silent = signed_in_to_silence(&server);

    let other = world.folder.join("Other");
    world.settings += &format!("poll_interval = \"2m\"\n[mailbox.then]\ntype = \"maildir\"\npath = {other:?}\n");
    world.configure();
    daemon.signal(Signal::HUP);
    let line = daemon.says("is no longer watched");
    assert!(line.contains("slow"), "{line}");
    let line = daemon.says("is watched");
    assert!(line.contains("then"), "others do not wait for it: {line}");
    drop(silent);
    let line = daemon.says("is watched");
    assert!(line.contains("slow"), "{line}");
    server.accept().unwrap();
}

#[test]
fn what_came_from_a_folder_that_is_no_longer_watched_is_settled_there() {
    let rules = "[[rule]]\nname = \"bounces\"\n[[rule.action]]\ntype = \"bounce\"\n";
    let world = World::with_dovecot(rules);
    let Inbox::Imap(user) = &world.inbox else {
        unreachable!()
    };
    dovecot().commands(user, &["CREATE Later"]);
    dovecot().deliver(
        user,
        "Later",
        b"From: Ann <ann@stranger.example>\r\nSubject: Later\r\n\r\nx\r\n",
    );
    world.sink.switch(|switches| switches.down = true);
    world.mail("Ann <ann@stranger.example>", "Waits for its bounce");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("put off");
    world.more("[mailbox.support]\nfolder = \"Later\"\n");
    daemon.signal(Signal::HUP);
    daemon.says("is no longer watched");
    world.sink.switch(|switches| switches.down = false);
    world.wait_until("settling", |world| {
        world.folder("Bounced").len() == 1 && world.folder("INBOX").is_empty()
    });
}
