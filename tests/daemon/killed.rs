//! The process is killed at any moment, again and again: no message is lost, nothing is done twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::world::World;

/// Unknown senders become users, but those of one domain are turned away.
const RULES: &str = r#"
[[rule]]
name = "turned away"
when = "email.from.domain == 'unwanted.example'"

  [[rule.action]]
  type = "bounce"

[[rule]]
name = "users"

  [[rule.action]]
  type = "find_halo_user_and_client"
  default_client = "Unknown senders"
  store_as = "sender"

  [[rule.action]]
  type = "create_halo_user"
  when = "not custom.sender.user"
  client = "{{ custom.sender.client.id }}"
  site = "{{ custom.sender.site.id }}"
"#;

const MESSAGES: usize = 60;
const SENDERS: usize = 20;
/// Every tenth message is turned away.
const UNWANTED: usize = 10;

/// They come in so many parts, and each of them is killed so often: a message that is in hand at five ends of the
/// process in a row is held to be their cause.
const PARTS: usize = 2;
const KILLS: usize = 4;

fn world() -> World {
    let mut world = World::with_dovecot(RULES);
    world.halo = "timeout = \"1s\"\nrate = \"100000 per 1m\"".to_owned();
    world.more("[bounce]\nlimit_per_sender = \"1000 per 1h\"\n");
    world
        .sandbox
        .set(|switches| (switches.latency_ms, switches.rate) = (20, None));
    world
}

fn deliver(world: &World, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let from = if number % UNWANTED == 0 {
            format!("u{number}@unwanted.example")
        } else {
            format!("s{}@stranger.example", number % SENDERS)
        };
        world.mail(&from, &format!("Message {number}"));
    }
}

/// Starts the daemon and kills it after so long.
fn start_and_kill(world: &World, after: Duration) {
    let mut command = world.command(&["run"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + after;
    while Instant::now() < end {
        assert!(child.try_wait().unwrap().is_none(), "the daemon ended by itself");
        std::thread::park_timeout(end.saturating_duration_since(Instant::now()));
    }
    // SIGKILL, and to our own child.
    child.kill().unwrap();
    child.wait().unwrap();
}

fn count(world: &World, outcome: &str) -> usize {
    world.log().iter().filter(|row| row["outcome"] == outcome).count()
}

/// The letters that each sender got: how many, and how many that differ.
fn told(world: &World) -> BTreeMap<String, (usize, usize)> {
    let mut letters: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for mail in world.sink.mails() {
        for to in &mail.rcpt_to {
            letters.entry(to.clone()).or_default().push(mail.octets.clone());
        }
    }
    let counted = letters.into_iter().map(|(to, letters)| {
        let differing: BTreeSet<_> = letters.iter().collect();
        (to, (letters.len(), differing.len()))
    });
    counted.collect()
}

#[test]
fn killed_at_any_moment_under_load_it_does_everything_once() {
    let world = world();
    let unwanted = MESSAGES / UNWANTED;
    let part = MESSAGES / PARTS;
    for number in 0..PARTS {
        deliver(&world, number * part..(number + 1) * part);
        for _ in 0..KILLS {
            start_and_kill(&world, Duration::from_millis(fastrand::u64(50..600)));
        }
        world.wait_until("the end", |world| world.run(&["run", "--once"]).status == 0);
    }

    let log = world.log();
    assert_eq!(log.len(), MESSAGES, "every message is seen once");
    assert_eq!(count(&world, "completed"), MESSAGES - unwanted, "{log:#?}");
    assert_eq!(count(&world, "bounced"), unwanted, "{log:#?}");
    let senders = (0..MESSAGES)
        .filter(|number| number % UNWANTED != 0)
        .map(|number| number % SENDERS);
    for sender in senders.collect::<std::collections::BTreeSet<_>>() {
        let address = format!("s{sender}@stranger.example");
        assert_eq!(world.users(&address).len(), 1, "{address}");
    }
    let told = told(&world);
    assert_eq!(told.len(), unwanted, "{told:?}");
    // A kill between the server's 250 and its note in the journal is the gap that no client can close: one letter can
    // be in it, and what is sent again is the same mail, octet for octet.
    assert!(
        told.values().all(|(_, differing)| *differing == 1),
        "a sender was told two things: {told:?}"
    );
    let again: usize = told.values().map(|(times, _)| times - 1).sum();
    assert!(again <= PARTS * KILLS, "a kill repeats one letter at most: {told:?}");
    assert_eq!(world.folder("INBOX").len(), 0);
    assert_eq!(world.folder("Processed").len(), MESSAGES - unwanted);
    assert_eq!(world.folder("Bounced").len(), unwanted);
}
