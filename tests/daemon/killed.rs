//! The process is killed at any moment, again and again: no message is lost, nothing is done twice.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    promise::{Delivered, Promise},
    running::Daemon,
    world::World,
};

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

fn message(number: usize) -> Delivered {
    let subject = format!("Message {number}");
    if number.is_multiple_of(UNWANTED) {
        Delivered::new(&format!("u{number}@unwanted.example"), &subject, "bounced")
    } else {
        let sender = format!("s{}@stranger.example", number % SENDERS);
        Delivered::new(&sender, &subject, "completed")
    }
}

/// After the first `count` messages and so many kills.
fn promise(count: usize, kills: usize) -> Promise {
    let messages = (0..count).map(message);
    let wanted = messages.clone().filter(|message| message.outcome == "completed");
    Promise::new(messages)
        .with_users(wanted.map(|message| message.sender))
        .with_kills(kills)
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

#[test]
fn killed_at_any_moment_under_load_it_does_everything_once() {
    let world = world();
    let part = MESSAGES / PARTS;
    for number in 0..PARTS {
        for message in (number * part..(number + 1) * part).map(message) {
            world.mail(&message.sender, &message.subject);
        }
        for _ in 0..KILLS {
            start_and_kill(&world, Duration::from_millis(fastrand::u64(50..600)));
        }
        let daemon = Daemon::start(&world, &[]);
        promise((number + 1) * part, (number + 1) * KILLS).comes_true(&world, Duration::from_secs(60));
        daemon.stop();
    }
    promise(MESSAGES, PARTS * KILLS).holds(&world);
}
