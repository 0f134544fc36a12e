//! The journal's disk is full: nothing more is fetched, it is said, nothing is lost, and with room all goes on.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    running::{Daemon, USERS},
    world::World,
};

/// The state of this story lies on a small file system of its own, which only root can make.
const SIZE: usize = 12 << 20;
const LARGE: usize = 1_500_000;

struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> SmallDisk {
        fs::create_dir_all(path).unwrap();
        let options = format!("size={SIZE},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(path)
            .output();
        let mounted = mounted.expect("mount is there");
        let words = String::from_utf8_lossy(&mounted.stderr);
        assert!(
            mounted.status.success(),
            "the tests run as root, who may mount: {words}"
        );
        SmallDisk(path.to_owned())
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Takes all but so many octets of what is free.
    fn fill(&self, left: u64) {
        let stat = rustix::fs::statvfs(&self.0).unwrap();
        let free = stat.f_bavail * stat.f_frsize;
        let filler = vec![0; usize::try_from(free.saturating_sub(left)).unwrap()];
        // Where less is free by now it is full all the same.
        if let Err(error) = fs::write(self.filler(), filler) {
            assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a daemon that a failed story leaves to its own end may still hold a file.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// A mail that compression makes no smaller.
fn large(world: &World, name: &str) {
    let mut seeded = fastrand::Rng::with_seed(7);
    let text: String = (0..LARGE / 70)
        .map(|_| (0..69).map(|_| seeded.alphanumeric()).collect::<String>() + "\n")
        .collect();
    world.deliver(&format!(
        "Return-Path: <{name}@stranger.example>\nFrom: {name}@stranger.example\nSubject: {name}\nMessage-ID: <{name}@story.example>\n\n{text}"
    ));
}

/// Waits until systemd would be told a line with both texts.
fn is_told(socket: &UnixDatagram, texts: [&str; 2]) {
    let (deadline, mut buffer) = (Instant::now() + Duration::from_secs(20), [0; 4096]);
    let mut told = Vec::new();
    while Instant::now() < deadline {
        let Ok(read) = socket.recv(&mut buffer) else { continue };
        told.push(String::from_utf8_lossy(&buffer[..read]).into_owned());
        if texts.iter().all(|text| told.last().unwrap().contains(text)) {
            return;
        }
    }
    panic!("{texts:?} was not told: {told:#?}");
}

#[test]
fn a_full_disk_stops_fetching_with_a_clear_word_and_loses_nothing() {
    let world = World::new(USERS);
    let disk = SmallDisk::mount(&world.state_dir());
    let path = world.folder.join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let daemon = Daemon::start(&world, &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    world.mail("Ann <ann@stranger.example>", "Before");
    world.wait_until("the first", |world| world.folder("Processed").len() == 1);

    disk.fill(300_000);
    let names = ["bea", "cid", "dan"];
    names.iter().for_each(|name| large(&world, name));
    daemon.says("the journal can not be written: database or disk is full");
    is_told(
        &socket,
        ["STATUS=0 of 1 mailboxes are well", "database or disk is full"],
    );
    // What can not be kept is not fetched: all of it still lies there, and Halo has heard of nobody.
    assert_eq!(world.folder("INBOX").len(), names.len());
    assert_eq!(world.outcomes(), [("Before".to_owned(), "completed".to_owned())]);
    assert!(
        names
            .iter()
            .all(|name| world.users(&format!("{name}@stranger.example")).is_empty())
    );

    disk.make_room();
    world.wait_until("all", |world| world.folder("Processed").len() == 1 + names.len());
    is_told(&socket, ["STATUS=1 of 1 mailboxes are well", ""]);
    assert!(world.outcomes().iter().all(|(_, outcome)| outcome == "completed"));
    for name in names {
        assert_eq!(world.users(&format!("{name}@stranger.example")).len(), 1, "{name}");
    }
    assert_eq!(daemon.stop().0, 0);
}

/// What is in hand when the disk fills has its effects in Halo once, however often its end could not be written.
#[test]
fn a_disk_that_fills_while_messages_are_in_hand_makes_no_user_twice() {
    let mut world = World::new(USERS);
    world.halo = "rate = \"100000 per 1m\"".to_owned();
    let disk = SmallDisk::mount(&world.state_dir());
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    disk.fill(200_000);
    for number in 0..40 {
        world.mail(&format!("ann{number}@stranger.example"), &format!("Number {number}"));
    }
    daemon.says("database or disk is full");
    disk.make_room();
    world.wait_until("all", |world| world.folder("Processed").len() == 40);
    assert!(world.outcomes().iter().all(|(_, outcome)| outcome == "completed"));
    for number in 0..40 {
        assert_eq!(
            world.users(&format!("ann{number}@stranger.example")).len(),
            1,
            "{number}"
        );
    }
    assert_eq!(daemon.stop().0, 0);
}

/// A letter that the SMTP server took does not leave again because the journal can be read and not written.
#[test]
fn a_disk_that_is_full_when_a_letter_leaves_sends_it_once() {
    let world = World::new("[[rule]]\nname = \"bounces\"\n[[rule.action]]\ntype = \"bounce\"\n");
    // It is not tried again before the disk is full.
    world.more("[retry]\nfirst = \"1h\"\nlongest = \"1h\"\n");
    let disk = SmallDisk::mount(&world.state_dir());
    world.sink.switch(|switches| switches.down = true);
    let daemon = Daemon::start(&world, &[]);
    world.mail_with(
        "Ann <ann@stranger.example>",
        "Refused",
        "Return-Path: <ann@stranger.example>\n",
    );
    // Said before it is written: a disk that fills in between has nobody to send to, for it is the putting off that waits.
    daemon.says("is put off until");
    world.wait_until("the putting off", |world| {
        world.count_where("id IN (SELECT entry FROM letter WHERE tried IS NOT NULL)") == 1
    });
    disk.fill(0);
    world.sink.switch(|switches| switches.down = false);
    world.later(2 * 3600);
    for _ in 0..3 {
        daemon.says("is written again in a second: ");
    }
    assert_eq!(world.told(), ["ann@stranger.example"]);
    disk.make_room();
    world.wait_until("the outcome", |world| world.count_where("outcome = 'bounced'") == 1);
    assert_eq!(daemon.stop().0, 0);
    assert_eq!(world.told(), ["ann@stranger.example"]);
}
