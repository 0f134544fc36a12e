//! A Maildir that others fill and read: a real Postfix delivers into it, mail clients rename in it, and folders come and
//! go.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    mail::{octets, text},
    running::{Daemon, USERS},
    servers::postfix::{DOMAIN, Delivery, Postfix},
    world::{Inbox, World},
};

mod rights;

/// Nothing is found by polling within the time of a story.
const BY_NEWS_ALONE: &str = "poll_interval = \"30m\"";

fn world() -> World {
    let mut world = World::new(USERS);
    world.mailbox = BY_NEWS_ALONE.to_owned();
    world
}

fn maildir(world: &World) -> PathBuf {
    match &world.inbox {
        Inbox::Maildir(path) => path.clone(),
        _ => panic!("this world's mailbox is no Maildir"),
    }
}

fn make(maildir: &Path) {
    for part in ["tmp", "new", "cur"] {
        fs::create_dir_all(maildir.join(part)).unwrap();
    }
}

/// The daemon, once it has looked and waits for news.
fn watching(world: &World) -> Daemon {
    let daemon = Daemon::start(world, &[]);
    daemon.says("is watched");
    world.wait_until("the first look", |world| {
        world.state_dir().join("journal.db").exists() && world.state_dir().join("control.sock").exists()
    });
    daemon
}

fn submit(postfix: &Postfix, sender: &str, number: usize) {
    let to = format!("support@{DOMAIN}");
    let message = format!(
        "From: {sender}\r\nTo: {to}\r\nSubject: Message {number}\r\nMessage-ID: <{number}@{sender}>\r\n\r\n\
         Text {number}."
    );
    postfix.submit(sender, &to, &message);
}

fn is_settled(world: &World, messages: usize) -> bool {
    world.folder("Processed").len() == messages && world.folder("INBOX").is_empty()
}

/// Each of them ended once, and each sender is one user.
fn each_came_once(world: &World, messages: usize, senders: impl Iterator<Item = String>) {
    let outcomes = world.outcomes();
    assert_eq!(outcomes.len(), messages, "{outcomes:?}");
    assert!(
        outcomes.iter().all(|(_, outcome)| outcome == "completed"),
        "{outcomes:?}"
    );
    for sender in senders {
        assert_eq!(world.users(&sender).len(), 1, "{sender}");
    }
}

#[test]
fn what_postfix_delivers_becomes_its_user_once_and_at_once() {
    const SENDERS: usize = 10;
    const EACH: usize = 5;
    let world = world();
    crate::servers::child::hand_over(&maildir(&world));
    fs::set_permissions(&world.folder, fs::Permissions::from_mode(0o755)).unwrap();
    let postfix = Postfix::start(&Delivery::Virtual(&maildir(&world)));
    let _daemon = watching(&world);
    let sender = |number: usize| format!("s{number}@stranger.example");
    std::thread::scope(|scope| {
        for number in 0..SENDERS {
            let postfix = &postfix;
            scope.spawn(move || (0..EACH).for_each(|message| submit(postfix, &sender(number), message)));
        }
    });
    world.wait_until("settling", |world| is_settled(world, SENDERS * EACH));
    each_came_once(&world, SENDERS * EACH, (0..SENDERS).map(sender));
    let delivered = world.folder("Processed");
    let bears = |field: &str| {
        delivered
            .iter()
            .all(|octets| String::from_utf8_lossy(octets).contains(field))
    };
    assert!(bears("Return-Path: <s") && bears("Delivered-To: support@"));
    for delivered in fs::read_dir(maildir(&world).join(".Processed/cur")).unwrap() {
        let mode = delivered.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "Postfix delivers for its user alone");
    }
}

#[test]
fn a_maildir_that_postfix_makes_with_its_first_delivery_is_waited_for() {
    let world = world();
    let home = world.folder.join("home");
    fs::create_dir(&home).unwrap();
    crate::servers::child::hand_over(&home);
    let path = home.join("Maildir");
    world.more(&format!("[mailbox.support]\npath = {path:?}\n"));
    let postfix = Postfix::start(&Delivery::Local(&path));
    let daemon = Daemon::start(&world, &[]);
    let said = daemon.says("there is no such folder");
    assert!(said.contains(&path.display().to_string()), "{said}");
    submit(&postfix, "ann@stranger.example", 1);
    daemon.says("completed");
    submit(&postfix, "bob@stranger.example", 2);
    daemon.says("completed");
    let settled = path.join(".Processed/cur");
    world.wait_until("settling", |_| {
        fs::read_dir(&settled).is_ok_and(|settled| settled.count() == 2)
    });
    each_came_once(
        &world,
        2,
        ["ann", "bob"]
            .map(|name| format!("{name}@stranger.example"))
            .into_iter(),
    );
}

#[test]
fn a_delivery_in_progress_is_not_read_before_it_is_whole() {
    let world = world();
    let root = maildir(&world);
    let daemon = watching(&world);
    let whole = octets(&text("Ann <ann@stranger.example>", "Slow", ""));
    let (first, second) = whole.split_at(whole.len() / 2);
    let growing = root.join("tmp/1.slow");
    let mut file = fs::File::create(&growing).unwrap();
    file.write_all(first).unwrap();
    file.sync_all().unwrap();
    world.mail("Bob <bob@stranger.example>", "Fast");
    daemon.says("completed");
    assert_eq!(world.outcomes(), [("Fast".to_owned(), "completed".to_owned())]);

    file.write_all(second).unwrap();
    // Linked and then unlinked, as Postfix does it.
    fs::hard_link(&growing, root.join("new/1.slow")).unwrap();
    fs::remove_file(&growing).unwrap();
    daemon.says("completed");
    world.wait_until("settling", |world| is_settled(world, 2));
    assert!(world.folder("Processed").contains(&whole));
    let size = whole.len();
    assert_eq!(world.count_where(&format!("subject = 'Slow' AND size = {size}")), 1);
}

#[test]
fn a_mail_client_that_reads_along_loses_and_doubles_nothing() {
    const MESSAGES: usize = 60;
    let world = world();
    let root = maildir(&world);
    let daemon = watching(&world);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut renames = 0;
            while !over.load(Ordering::Relaxed) {
                renames += read_along(&root);
            }
            renames
        });
        for number in 0..MESSAGES {
            world.mail(&format!("s{number}@stranger.example"), "Read along");
        }
        let settled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            world.wait_until("settling", |world| is_settled(world, MESSAGES));
        }));
        over.store(true, Ordering::Relaxed);
        let renames: usize = reader.join().unwrap();
        println!("{renames} renames meanwhile");
        settled.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    drop(daemon);
    let senders = (0..MESSAGES).map(|number| format!("s{number}@stranger.example"));
    each_came_once(&world, MESSAGES, senders);
}

/// What a mail client does that shows new mail, and whose user reads it and marks it; gives how often it renamed.
fn read_along(root: &Path) -> usize {
    let (mut renames, cur) = (0, root.join("cur"));
    for part in ["new", "cur"] {
        for entry in fs::read_dir(root.join(part)).unwrap().map_while(Result::ok) {
            let name = entry.file_name().into_string().unwrap();
            let (unique, flags) = name.split_once(":2,").unwrap_or((&name, ""));
            let next = match flags {
                "" => "S",
                "S" => "FS",
                _ => "",
            };
            // What was settled meanwhile is gone.
            let renamed = fs::rename(entry.path(), cur.join(format!("{unique}:2,{next}")));
            renames += usize::from(renamed.is_ok());
        }
    }
    renames
}

#[test]
fn a_maildir_that_is_removed_and_made_anew_while_it_is_watched_is_watched_on() {
    let world = world();
    let root = maildir(&world);
    let daemon = watching(&world);
    world.mail("Ann <ann@stranger.example>", "Before");
    daemon.says("completed");
    world.wait_until("settling", |world| is_settled(world, 1));
    fs::remove_dir_all(&root).unwrap();
    daemon.says("there is no such folder");
    make(&root);
    world.mail("Bob <bob@stranger.example>", "After");
    daemon.says("completed");
    fs::rename(&root, world.folder.join("old")).unwrap();
    make(&root);
    world.mail("Cy <cy@stranger.example>", "After a change at once");
    daemon.says("completed");
    world.wait_until("settling", |world| is_settled(world, 1));
}

/// The limits that the system sets for one user, in a user namespace of the daemon's own.
#[test]
fn where_the_system_lets_nothing_more_be_watched_the_maildir_is_polled_and_that_is_said_once() {
    for (limit, told) in [
        ("max_inotify_instances", "raise fs.inotify.max_user_instances"),
        ("max_inotify_watches", "raise fs.inotify.max_user_watches"),
    ] {
        let mut world = World::new(USERS);
        world.mailbox = "poll_interval = \"1s\"".to_owned();
        let limited = format!("echo 0 >/proc/sys/user/{limit} && exec \"$@\"");
        let wrapper = ["unshare", "-Ur", "sh", "-c", &limited, "sh"];
        let command = world.command_within(&wrapper, Path::new(env!("CARGO_BIN_EXE_halo-intake")), &["run"]);
        let daemon = Daemon::spawn(command, &[]);
        let said = daemon.says("can not be watched, so it is polled");
        assert!(said.contains(told), "{said}");
        for name in ["ann", "bob", "cy"] {
            world.mail(&format!("{name}@stranger.example"), "Polled");
            world.wait_until("the user", |world| {
                world.users(&format!("{name}@stranger.example")).len() == 1
            });
        }
        let later = daemon.said();
        assert!(
            !later.iter().any(|line| line.contains("can not be watched")),
            "{later:#?}"
        );
    }
}
