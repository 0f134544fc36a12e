//! IMAP servers that misbehave: whatever they do, each message ends once, is moved once, nothing is done twice, and
//! the other mailbox and the daemon itself go on.

use std::{cell::Cell, path::PathBuf, time::Instant};

use crate::{
    hostile_imap::{EVERYTHING, HostileImap, Misbehaviour, WITHOUT_MOVE},
    promise::{Delivered, Promise, RULES},
    running::Daemon,
    world::World,
};

mod stories;
mod troubles;

/// How long one IMAP command may take here, in milliseconds; a computer under load takes none so long.
const PATIENCE: &str = "1000";
/// A daemon that was sent a few messages has less than this, in KiB, whatever else it was sent.
const MEMORY: u64 = 150 * 1024;

/// A world with a second mailbox, a Maildir, whose server can not misbehave.
fn world(capability: &'static str) -> World {
    let mut world = World::with_hostile_imap(RULES, capability);
    let other = other(&world);
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(other.join(part)).unwrap();
    }
    world.mailbox = "poll_interval = \"1s\"".to_owned();
    world.settings = format!("[mailbox.other]\ntype = \"maildir\"\npath = {other:?}\npoll_interval = \"1s\"\n");
    world.more("[bounce]\nlimit_per_sender = \"1000 per 1h\"\n");
    world
}

fn other(world: &World) -> PathBuf {
    world.folder.join("Other")
}

/// In the mailbox that misbehaves; every third is turned away.
fn message(number: usize) -> Delivered {
    let (domain, outcome) = if number % 3 == 2 {
        ("unwanted", "bounced")
    } else {
        ("stranger", "completed")
    };
    Delivered::new(
        &format!("s{number}@{domain}.example"),
        &format!("Message {number};"),
        outcome,
    )
}

fn deliver(world: &World, many: usize) {
    for _ in 0..many {
        let message = message(world.hostile().delivered());
        world.mail(&message.sender, &message.subject);
    }
}

fn deliver_to_other(world: &World) {
    let (written, path) = (
        other(world).join("tmp").join("1.other"),
        other(world).join("new").join("1.other"),
    );
    let text = "From: eve@other.example\r\nSubject: Other\r\nMessage-ID: <1@o.example>\r\n\r\nx\r\n";
    std::fs::write(&written, text).unwrap();
    std::fs::rename(written, path).unwrap();
}

fn start(world: &World) -> Daemon {
    Daemon::start(world, &[("HALO_INTAKE_TEST_PATIENCE", PATIENCE)])
}

/// What is not as promised, once all has ended and the mailbox was settled. So many copies of a message may lie in its
/// destination.
fn broken_promises(world: &World, copies: usize) -> Vec<String> {
    let other = Delivered {
        folder: "",
        ..Delivered::new("eve@other.example", "Other", "completed")
    };
    let messages = (0..world.hostile().delivered()).map(message);
    let promise = Promise::new(messages.clone().chain([other]));
    let wanted = messages.clone().filter(|message| message.outcome == "completed");
    let promise = promise.with_users(wanted.map(|message| message.sender));
    let mut broken = promise.broken(world);
    for message in messages {
        let lies = |times| {
            format!(
                "the mailbox: {:?} lies in {} {times} times, not 1",
                message.subject, message.folder
            )
        };
        broken.retain(|sentence| (2..=copies).all(|times| *sentence != lies(times)));
    }
    let seen = world
        .hostile()
        .folders()
        .into_values()
        .flatten()
        .filter(|message| message.flags.contains("\\Seen"));
    broken.extend(seen.map(|message| format!("message {} is marked as seen", message.number)));
    broken
}

/// Waits until this is so. A second of the story is a minute for the daemon, so that what it put off is soon due.
fn hurry(world: &World, began: Instant, is_so: impl Fn(&HostileImap) -> bool) -> Result<(), String> {
    let told = Cell::new(0);
    world.hostile().wait_until(|server| {
        let minutes = began.elapsed().as_secs();
        if told.replace(minutes) != minutes {
            world.later(60 * minutes);
        }
        is_so(server)
    })
}

fn is_empty(server: &HostileImap) -> bool {
    server.folder("INBOX").is_empty()
}

/// One trouble, from its beginning to its end.
struct Trouble {
    name: &'static str,
    wrong: Misbehaviour,
    /// How often; `LASTING` until the story ends.
    times: usize,
    capability: &'static str,
    /// So many copies of a message may lie in its destination.
    copies: usize,
}

const LASTING: usize = usize::MAX;

fn trouble(name: &'static str, wrong: Misbehaviour, times: usize) -> Trouble {
    Trouble {
        name,
        wrong,
        times,
        capability: EVERYTHING,
        copies: 1,
    }
}

impl Trouble {
    fn without_move(mut self) -> Trouble {
        self.capability = WITHOUT_MOVE;
        self
    }

    /// The gap that no client can close.
    fn with_copies(mut self, copies: usize) -> Trouble {
        self.copies = copies;
        self
    }

    /// Messages before, during and after; the other mailbox goes on meanwhile.
    fn run(&self) -> Result<(), String> {
        let (world, began) = (world(self.capability), Instant::now());
        let server = world.hostile();
        deliver(&world, 4);
        server.arm(self.wrong, self.times);
        let daemon = start(&world);
        server.wait_until_struck(1)?;
        deliver_to_other(&world);
        let goes_on = |_: &HostileImap| world.users("eve@other.example").len() == 1;
        server
            .wait_until(goes_on)
            .map_err(|text| format!("the other mailbox waits: {:#?} {text}", world.log()))?;
        deliver(&world, 2);
        match (self.wrong.text(), self.times) {
            // What concerns one message holds up no other.
            (Some(text), _) => {
                let others_left = |server: &HostileImap| server.folder("INBOX").iter().all(|one| one.holds(text));
                server.wait_until(others_left)?;
                server.calm();
            }
            (None, LASTING) => {}
            (None, times) => {
                server.wait_until_struck(times)?;
                server.calm();
            }
        }
        deliver(&world, 1);
        let emptied = hurry(&world, began, is_empty);
        let memory = daemon.peak_memory();
        let (status, _) = daemon.stop();
        emptied?;
        let mut broken = broken_promises(&world, self.copies);
        if status != 0 {
            broken.push(format!("the daemon ended with {status}"));
        }
        if memory > MEMORY {
            broken.push(format!("the daemon took {memory} KiB"));
        }
        match broken.as_slice() {
            [] => Ok(()),
            broken => Err(format!("{broken:#?} after {:#?}", server.heard())),
        }
    }
}

/// All at once: each waits most of the time.
fn check(troubles: Vec<Trouble>) {
    let failures: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = troubles
            .iter()
            .map(|one| (one.name, scope.spawn(|| one.run())))
            .collect();
        let ended = running.into_iter().map(|(name, story)| match story.join() {
            Ok(Ok(())) => None,
            Ok(Err(text)) => Some(format!("{name}: {text}")),
            Err(panic) => Some(format!(
                "{name}: {}",
                panic.downcast_ref::<String>().map_or("", String::as_str)
            )),
        });
        ended.flatten().collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
