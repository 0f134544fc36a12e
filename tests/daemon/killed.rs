//! The process is killed at any moment, again and again: no message is lost, nothing is done twice.

use std::{
    collections::BTreeSet,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    promise::{self, Delivered, Promise},
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

/// How much of it: a few for every day, or as many as the environment says. `docs/durability.md` has the command of
/// the long form.
struct Load {
    messages: usize,
    kills: usize,
}

impl Load {
    fn wanted() -> Load {
        let number = |name: &str, usual| match std::env::var(name) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")),
            Err(_) => usual,
        };
        Load {
            messages: number("HALO_INTAKE_MESSAGES", 60),
            kills: number("HALO_INTAKE_KILLS", 8),
        }
    }

    /// Each sender writes three messages.
    fn senders(&self) -> usize {
        self.messages.div_ceil(3)
    }

    /// The messages come in so many parts, and each of them is killed a few times only: a message that is in hand at
    /// five ends of the process in a row is held to be their cause.
    fn parts(&self) -> usize {
        self.kills.div_ceil(KILLS_A_PART)
    }

    fn message(&self, number: usize) -> Delivered {
        let subject = format!("Message {number}");
        if number.is_multiple_of(UNWANTED) {
            Delivered::new(&format!("u{number}@unwanted.example"), &subject, "bounced")
        } else {
            let sender = format!("s{}@stranger.example", number % self.senders());
            Delivered::new(&sender, &subject, "completed")
        }
    }
}

/// Every tenth message is turned away.
const UNWANTED: usize = 10;
const KILLS_A_PART: usize = 4;

fn world() -> World {
    let mut world = World::with_dovecot(RULES);
    world.halo = "timeout = \"1s\"\nrate = \"100000 per 1m\"".to_owned();
    world.more("[bounce]\nlimit_per_sender = \"1000 per 1h\"\n");
    world
        .sandbox
        .set(|switches| (switches.latency_ms, switches.rate) = (20, None));
    world
}

/// Starts the daemon and kills it after so long.
pub fn start_and_kill(world: &World, after: Duration) {
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

/// Delivers a part, kills the daemon a few times, and lets it come to its end.
fn part(world: &World, messages: &[Delivered], kills: usize, seen: usize) {
    let mails = messages.iter();
    world.mail_all(mails.map(|message| (message.sender.as_str(), message.subject.as_str())));
    for _ in 0..kills {
        start_and_kill(world, Duration::from_millis(fastrand::u64(50..600)));
    }
    let daemon = Daemon::start(world, &[]);
    world.wait_until("the end of this part", |world| {
        promise::is_at_rest(world, seen) && world.folder("INBOX").is_empty()
    });
    daemon.stop();
}

#[test]
fn killed_at_any_moment_under_load_it_does_everything_once() {
    let began = Instant::now();
    let (load, world) = (Load::wanted(), world());
    let messages: Vec<Delivered> = (0..load.messages).map(|number| load.message(number)).collect();
    let (mut seen, mut kills) = (0, 0);
    for messages in messages.chunks(load.messages.div_ceil(load.parts())) {
        let these = KILLS_A_PART.min(load.kills - kills);
        (seen, kills) = (seen + messages.len(), kills + these);
        part(&world, messages, these, seen);
    }
    let completed = messages.iter().filter(|message| message.outcome == "completed");
    let users: BTreeSet<String> = completed.map(|message| message.sender.clone()).collect();
    println!(
        "{seen} messages of {} senders, {kills} kills, {} attempts broken off, {} letters came again, {:.0} s",
        users.len(),
        promise::broken_off(&world),
        promise::repeats(&world),
        began.elapsed().as_secs_f64(),
    );
    Promise::new(messages).with_users(users).with_kills(kills).holds(&world);
}
