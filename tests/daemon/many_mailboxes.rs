//! Many mailboxes on one server: it restarts, one of them fails, and the others go on.

use std::{process::Command, sync::Arc, time::Duration};

use crate::{
    dovecot::{Dovecot, PASSWORD},
    mail::{octets, text},
    running::{Daemon, USERS},
    world::World,
};

const MAILBOXES: usize = 40;
/// Fewer than so many mailboxes need; the system allows more to whoever asks.
const OPEN_FILES: usize = 50;

fn account(number: usize) -> String {
    format!("m{number}@example.test")
}

/// A server with an account for each mailbox, and one more whose password is another one than that of the configuration.
fn world() -> (World, Arc<Dovecot>) {
    let server = Dovecot::start();
    let accounts: Vec<String> = (0..MAILBOXES).map(account).collect();
    server.add_users(accounts.iter().map(String::as_str));
    server.add_user_with("wrong@example.test", "not that");
    let server = Arc::new(server);
    let world = World::with_server(USERS, server.clone(), account(0));
    let mailbox = |name: &str, account: &str| {
        format!(
            "[mailbox.{name}]\nhost = \"localhost\"\nport = {}\nca_file = {:?}\nusername = \"{account}\"\npassword = \"{PASSWORD}\"\n",
            server.imaps_port, server.ca_pem
        )
    };
    let others = (1..MAILBOXES).map(|number| mailbox(&format!("m{number}"), &account(number)));
    world.more(&others.collect::<String>());
    world.more(&mailbox("wrong", "wrong@example.test"));
    (world, server)
}

/// The daemon as it starts where few files may be open and the most are `most`.
fn command(world: &World, most: &str) -> Command {
    let inner = world.command(&["run"]);
    let mut command = Command::new("/bin/sh");
    command
        .args([
            "-c",
            &format!("ulimit -Sn {OPEN_FILES}; ulimit -Hn {most}; exec \"$0\" \"$@\""),
        ])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_clear()
        .current_dir(&world.folder);
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
}

/// A mail into each of the mailboxes; every sender becomes a user.
fn each_takes_mail(world: &World, server: &Dovecot, when: &str) {
    let sender = |number: usize| format!("{when}{number}@stranger.example");
    for number in 0..MAILBOXES {
        let mail = octets(&text(&sender(number), &format!("Message {when} {number}"), ""));
        server.deliver(&account(number), "INBOX", &mail);
    }
    world.wait_until("all senders are users", |world| {
        let users = world.sandbox.users();
        let is_there = |number: usize| users.iter().any(|user| user["emailaddress"] == sender(number).as_str());
        (0..MAILBOXES).all(is_there)
    });
}

#[test]
fn all_come_back_after_a_restart_and_one_that_fails_disturbs_none() {
    let (world, server) = world();
    let daemon = Daemon::spawn(command(&world, "4096"), &[]);
    daemon.says("localhost refuses the sign-in of wrong@example.test");
    each_takes_mail(&world, &server, "before");
    server.restart();
    each_takes_mail(&world, &server, "after");
    let (status, took) = daemon.stop();
    assert_eq!(status, 0);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn too_few_open_files_are_told_with_what_to_do() {
    let (world, _server) = world();
    let daemon = Daemon::spawn(command(&world, "60"), &[]);
    daemon.says("41 mailboxes need up to 210 open files, and the system allows 60");
}
