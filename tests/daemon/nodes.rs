//! Several nodes with one journal on PostgreSQL: whoever dies, is paused, or is cut off, the promise holds.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    mail::octets,
    promise::{self, Delivered, Promise, RULES},
    proxy::{Line, Proxy},
    running::{Daemon, Signal},
    servers::postgres::Postgres,
    world::{World, next_user},
};

/// Another node has taken over within this time of a death.
const TAKEN_OVER: Duration = Duration::from_secs(15);

/// A world of several mailboxes and a journal that nodes share.
fn world(server: &Postgres, further: usize) -> World {
    let mut world = World::with_dovecot(RULES);
    world.further = (0..further).map(|_| next_user()).collect();
    world.journal = Some(server.schema());
    world.halo = "timeout = \"2s\"\nrate = \"100000 per 1m\"".to_owned();
    world
        .sandbox
        .set(|switches| (switches.latency_ms, switches.rate) = (20, None));
    world
}

/// A machine on which a node may run.
struct Machine {
    /// Its line to the database.
    line: Proxy,
    number: usize,
    /// By so many seconds its clock is wrong.
    skew: i64,
}

impl Machine {
    fn new(server: &Postgres, number: usize, skew: i64) -> Machine {
        Machine {
            line: Proxy::to(server.port),
            number,
            skew,
        }
    }

    fn start(&self, world: &World, server: &Postgres) -> Daemon {
        let mut command = world.command(&["run"]);
        let address = world.journal.as_ref().unwrap();
        let by_line = address.replace(&format!(":{}/", server.port), &format!(":{}/", self.line.port));
        // Time passes for nodes as it does for their database.
        command
            .env_remove("HALO_INTAKE_TEST_CLOCK")
            .env(
                "HALO_INTAKE__STATE_DIR",
                world.folder.join(format!("state{}", self.number)),
            )
            .env("HALO_INTAKE__JOURNAL", by_line)
            .env("HALO_INTAKE_TEST_SKEW", self.skew.to_string());
        Daemon::spawn(command, &[])
    }
}

/// How many mailboxes each node that is alive watches, fewest first.
fn shares(world: &World, server: &Postgres) -> Vec<usize> {
    let (_, schema) = world.journal.as_ref().unwrap().rsplit_once("%3D").unwrap();
    let sql = format!(
        "SELECT count(duty) FROM {schema}.node AS n LEFT JOIN {schema}.lease AS l ON l.node = n.id AND duty <> 'outbox'
         WHERE n.gone IS NULL GROUP BY n.id ORDER BY 1"
    );
    let said = server.psql(&sql).unwrap_or_default();
    said.lines().map(|line| line.parse().unwrap()).collect()
}

fn wait_for_shares(world: &World, server: &Postgres, expected: &[usize]) -> Duration {
    let began = Instant::now();
    world.wait_until(&format!("shares of {expected:?}"), |world| {
        shares(world, server) == expected
    });
    began.elapsed()
}

fn message(number: usize) -> Delivered {
    let subject = format!("Message {number}");
    if number.is_multiple_of(10) {
        Delivered::new(&format!("u{number}@unwanted.example"), &subject, "bounced")
    } else {
        Delivered::new(&format!("s{}@stranger.example", number / 3), &subject, "completed")
    }
}

/// Delivers so many, from the one number on, to all mailboxes in turn.
fn deliver(world: &World, numbers: std::ops::Range<usize>) -> Vec<Delivered> {
    let messages: Vec<Delivered> = numbers.clone().map(message).collect();
    let boxes = world.further.len() + 1;
    for number in 0..boxes {
        // A sender's messages all come to one mailbox: their order is kept there.
        let is_here = |n: &usize| (n / 3) % boxes == number;
        let octets: Vec<Vec<u8>> = numbers
            .clone()
            .zip(&messages)
            .filter(|(n, _)| is_here(n))
            .map(|(_, message)| octets(&crate::mail::text(&message.sender, &message.subject, "")))
            .collect();
        world.deliver_to(number, &octets);
    }
    messages
}

fn promise(messages: &[Delivered]) -> Promise {
    let users = messages.iter().filter(|message| message.outcome == "completed");
    Promise::new(messages.to_vec()).with_users(users.map(|message| message.sender.clone()))
}

#[test]
fn mailboxes_are_shared_evenly_and_pass_on_when_a_node_dies_or_stops() {
    let server = Postgres::start();
    let world = world(&server, 3);
    let machines = [0, 1, 2].map(|number| Machine::new(&server, number, 0));
    let first = machines[0].start(&world, &server);
    first.says("mailbox support is watched");
    wait_for_shares(&world, &server, &[4]);
    let second = machines[1].start(&world, &server);
    wait_for_shares(&world, &server, &[2, 2]);
    let mut messages = deliver(&world, 1..13);
    promise(&messages).comes_true(&world, Duration::from_secs(30));

    second.signal(Signal::KILL);
    second.died();
    messages.extend(deliver(&world, 13..25));
    let took = wait_for_shares(&world, &server, &[4]);
    assert!(took < TAKEN_OVER, "{took:?}");
    promise(&messages)
        .with_kills(1)
        .comes_true(&world, Duration::from_secs(30));

    let third = machines[2].start(&world, &server);
    wait_for_shares(&world, &server, &[2, 2]);
    assert_eq!(first.stop().0, 0);
    // It gave them back itself: nobody had to wait until it was missed.
    let took = wait_for_shares(&world, &server, &[4]);
    assert!(took < Duration::from_secs(6), "{took:?}");
    messages.extend(deliver(&world, 25..31));
    promise(&messages)
        .with_kills(1)
        .comes_true(&world, Duration::from_secs(30));
    assert_eq!(third.stop().0, 0);
}

#[test]
fn a_node_that_was_paused_past_its_lease_does_no_harm_when_it_goes_on() {
    let server = Postgres::start();
    let world = world(&server, 3);
    let machines = [0, 1].map(|number| Machine::new(&server, number, 0));
    let nodes = [0, 1].map(|n: usize| machines[n].start(&world, &server));
    wait_for_shares(&world, &server, &[2, 2]);
    let mut messages = deliver(&world, 1..61);
    // It has some in hand.
    world.wait_until("some are worked on", |world| promise::seen(world) > 5);
    nodes[0].signal(Signal::STOP);
    let took = wait_for_shares(&world, &server, &[4]);
    assert!(took < TAKEN_OVER, "{took:?}");
    messages.extend(deliver(&world, 61..91));
    promise(&messages)
        .with_kills(1)
        .comes_true(&world, Duration::from_secs(60));
    nodes[0].signal(Signal::CONT);
    nodes[0].says("was taken for dead");
    wait_for_shares(&world, &server, &[2, 2]);
    messages.extend(deliver(&world, 91..121));
    promise(&messages)
        .with_kills(1)
        .comes_true(&world, Duration::from_secs(60));
    for node in nodes {
        assert_eq!(node.stop().0, 0);
    }
}

/// How much of it: a little for every day, or as much as the environment says. `docs/nodes.md` has the command of the
/// long form.
fn wanted(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number"))
    })
}

/// Four nodes whose clocks are hours apart; while they work one after the other is killed, paused past its lease, or cut
/// off from the database, which itself starts again.
#[test]
fn whatever_becomes_of_nodes_and_their_database_the_promise_holds() {
    const NODES: usize = 4;
    let server = Postgres::start();
    let world = world(&server, 7);
    let (count, faults) = (
        wanted("HALO_INTAKE_NODES_MESSAGES", 400),
        wanted("HALO_INTAKE_NODES_FAULTS", 5),
    );
    let skews = [0, 7200, -7200, 600];
    let machines: Vec<Machine> = (0..NODES)
        .map(|number| Machine::new(&server, number, skews[number]))
        .collect();
    let mut nodes: Vec<Daemon> = machines.iter().map(|machine| machine.start(&world, &server)).collect();
    wait_for_shares(&world, &server, &[2; NODES]);

    let began = Instant::now();
    let (mut messages, mut kills) = (Vec::new(), 0);
    for fault in 0..faults {
        let (from, to) = (count * fault / faults, count * (fault + 1) / faults);
        messages.extend(deliver(&world, from + 1..to + 1));
        world.wait_until("it goes on", |world| {
            promise::seen(world) > u64::try_from(from + (to - from) / 4).unwrap()
        });
        let which = fastrand::usize(..NODES);
        kills += 1;
        match fault % 5 {
            0 => {
                nodes[which].signal(Signal::KILL);
                nodes.remove(which).died();
                nodes.insert(which, machines[which].start(&world, &server));
            }
            1 => {
                nodes[which].signal(Signal::STOP);
                std::thread::sleep(Duration::from_secs(11));
                nodes[which].signal(Signal::CONT);
            }
            2 => server.restart(),
            3 => {
                machines[which].line.set(Line::Dead);
                std::thread::sleep(Duration::from_secs(11));
                machines[which].line.set(Line::Well);
                machines[which].line.cut();
            }
            _ => {
                assert_eq!(nodes.remove(which).stop().0, 0);
                nodes.insert(which, machines[which].start(&world, &server));
            }
        }
    }
    promise(&messages)
        .with_kills(kills)
        .comes_true(&world, Duration::from_secs(120 + u64::try_from(count / 10).unwrap()));
    let repeats = promise::repeats(&world);
    println!(
        "{count} messages, {NODES} nodes, {faults} faults: as promised after {:.0?}; {} attempts were broken off, {repeats} \
         letters left twice",
        began.elapsed(),
        promise::broken_off(&world),
    );
    // Those that came back have their part again.
    wait_for_shares(&world, &server, &[2; NODES]);
    for node in nodes {
        assert_eq!(node.stop().0, 0);
    }
    assert!(
        world
            .command(&["log"])
            .stdin(Stdio::null())
            .output()
            .unwrap()
            .status
            .success()
    );
}

#[test]
fn a_newer_version_comes_in_beside_the_one_that_runs() {
    let server = Postgres::start();
    let world = world(&server, 3);
    let machines = [0, 1, 2].map(|number| Machine::new(&server, number, 0));
    let first = machines[0].start(&world, &server);
    wait_for_shares(&world, &server, &[4]);
    let mut messages = deliver(&world, 1..31);
    world.wait_until("some are seen", |world| promise::seen(world) > 5);
    // What the tables of a newer version look like to the one before: more than it knows of. Whoever brings
    // them in gives way to those that read, as the program does.
    let (_, schema) = world.journal.as_ref().unwrap().rsplit_once("%3D").unwrap();
    let migration = format!(
        "BEGIN; SET search_path = {schema}; SET LOCAL lock_timeout = '200ms';
         LOCK TABLE schema_version, entry, node IN ACCESS EXCLUSIVE MODE;
         ALTER TABLE entry ADD COLUMN colour TEXT; ALTER TABLE node ADD COLUMN size BIGINT;
         CREATE TABLE colour (name TEXT PRIMARY KEY); CREATE INDEX entry_colour ON entry (colour);
         UPDATE schema_version SET version = version + 1; COMMIT"
    );
    let until = Instant::now() + Duration::from_secs(60);
    while let Err(error) = server.psql(&migration) {
        assert!(Instant::now() < until && error.contains("lock timeout"), "{error}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let second = machines[1].start(&world, &server);
    wait_for_shares(&world, &server, &[2, 2]);
    messages.extend(deliver(&world, 31..61));
    promise(&messages).comes_true(&world, Duration::from_secs(60));
    // The one before starts again as well, as long as the newer one says that it may.
    assert_eq!(first.stop().0, 0);
    let first = machines[0].start(&world, &server);
    wait_for_shares(&world, &server, &[2, 2]);
    messages.extend(deliver(&world, 61..91));
    promise(&messages).comes_true(&world, Duration::from_secs(60));
    server
        .psql(&format!("UPDATE {schema}.schema_version SET oldest = version"))
        .unwrap();
    let (status, _) = machines[2].start(&world, &server).ends();
    assert_eq!(status, 69);
    for node in [first, second] {
        assert_eq!(node.stop().0, 0);
    }
}
