//! What systemd is told.

use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use crate::{
    running::{Daemon, Signal, USERS},
    world::World,
};

/// The socket that systemd would listen on.
struct Manager {
    socket: UnixDatagram,
    daemon: Daemon,
    told: Vec<String>,
    /// What nobody has waited for yet.
    unasked: Vec<String>,
}

impl Manager {
    /// Starts the daemon with a watchdog of three seconds.
    fn start(world: &World) -> Manager {
        let path = world.folder.join("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "3000000")];
        Manager {
            daemon: Daemon::start(world, &environment),
            socket,
            told: Vec::new(),
            unasked: Vec::new(),
        }
    }

    /// What comes within this time.
    fn hears(&mut self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let mut buffer = [0; 4096];
        let read = self.socket.recv(&mut buffer).ok()?;
        let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
        self.told.push(text.clone());
        Some(text)
    }

    /// Waits until it is told this, before or after what else it is told.
    fn waits_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(place) = self.unasked.iter().position(|told| told.contains(text)) {
                return self.unasked.remove(place);
            }
            let told = self.hears(Duration::from_secs(1));
            self.unasked.extend(told);
        }
        panic!("{text:?} was not told: {:#?}", self.told)
    }
}

#[test]
fn it_is_told_when_the_daemon_is_ready_how_it_is_and_that_it_lives() {
    let world = World::with_dovecot(USERS);
    let mut manager = Manager::start(&world);
    let ready = manager.waits_for("READY=1");
    assert!(ready.contains("STATUS=1 of 1 mailboxes are well"), "{ready}");
    manager.waits_for("WATCHDOG=1");
    manager.daemon.signal(Signal::TERM);
    manager.waits_for("STOPPING=1");
    assert_eq!(manager.daemon.ends().0, 0);
}

#[test]
fn a_mailbox_that_refuses_to_sign_in_is_a_clear_status_and_no_endless_start() {
    let world = World::with_dovecot(USERS);
    world.more("[mailbox.support]\npassword = \"not this\"\n");
    let mut manager = Manager::start(&world);
    let ready = manager.waits_for("READY=1");
    assert!(!ready.contains("WATCHDOG"), "{ready}");
    assert!(
        ready.contains("STATUS=0 of 1 mailboxes are well; mailbox support: "),
        "{ready}"
    );
    assert!(ready.contains("refuses the sign-in"), "{ready}");
}

#[test]
fn a_reload_is_told_when_it_begins_and_when_it_is_over() {
    let mut world = World::new(USERS);
    let mut manager = Manager::start(&world);
    manager.waits_for("READY=1");
    manager.daemon.signal(Signal::HUP);
    let reloading = manager.waits_for("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    manager.waits_for("READY=1");

    world.rules = USERS.replace("client =", "cleint =");
    world.configure();
    manager.daemon.signal(Signal::HUP);
    manager.waits_for("RELOADING=1");
    manager.waits_for("READY=1");
    let status = manager.waits_for("configuration: the new configuration was not taken");
    assert!(status.contains("halo-intake.toml:"), "{status}");

    world.rules = USERS.to_owned();
    world.configure();
    manager.daemon.signal(Signal::HUP);
    while manager.waits_for("STATUS=").contains("configuration") {}
}

#[test]
fn a_journal_that_takes_no_changes_feeds_no_watchdog() {
    let world = World::new(USERS);
    let mut manager = Manager::start(&world);
    manager.waits_for("WATCHDOG=1");
    let database = rusqlite::Connection::open(world.state_dir().join("journal.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    // One may have been on its way.
    while manager.hears(Duration::from_millis(500)).is_some() {}
    let silence = Instant::now();
    while silence.elapsed() < Duration::from_secs(4) {
        let told = manager.hears(Duration::from_millis(500)).unwrap_or_default();
        assert!(!told.contains("WATCHDOG"), "it is fed though nothing can be written");
    }
    database.execute_batch("ROLLBACK").unwrap();
    manager.waits_for("WATCHDOG=1");
}

#[test]
fn a_mailbox_that_waits_for_a_word_says_so_in_the_status_line() {
    let world = World::new(USERS);
    world.more("[mailbox.support]\nbacklog = \"report\"\n");
    world.mail("Ann <ann@stranger.example>", "Was there before");
    let mut manager = Manager::start(&world);
    manager.waits_for("mailbox support: waits until backlog is \"process\" or \"skip\"");
}
