//! One run: nodes that are ready, the mail, and the wait until all of it is settled.

use std::{
    fmt, fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    cost::{Cost, Meter},
    desk::{Desk, MAILBOXES, Place},
    line, process,
};

/// Whoever has not got so far by then never does.
const WITHIN: Duration = Duration::from_secs(600);
/// How often the journal is asked how far it is; a part of what is measured.
const LOOK: Duration = Duration::from_millis(300);
/// Each way.
const DELAY: Duration = Duration::from_micros(250);

/// How many have ended and are settled, and how long that took, in microseconds.
const SETTLED: &str = "SELECT count(*), coalesce(max(settled) - min(received), 0) FROM entry WHERE settled IS NOT NULL";

/// Who works, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// None: one process with SQLite.
    nodes: usize,
    is_far: bool,
}

impl Setting {
    pub const fn sqlite() -> Setting {
        Setting::nodes(0)
    }

    pub const fn nodes(nodes: usize) -> Setting {
        Setting { nodes, is_far: false }
    }

    pub const fn behind_a_line(self) -> Setting {
        Setting { is_far: true, ..self }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nodes {
            0 => f.write_str("SQLite, one process"),
            nodes => write!(
                f,
                "PostgreSQL, nodes: {nodes}{}",
                if self.is_far { ", behind the line" } else { "" }
            ),
        }
    }
}

/// All of it once.
pub fn measure(desk: &Desk, setting: Setting) -> Cost {
    let place = desk.place();
    let port = desk.server.port;
    let line = setting.is_far.then(|| line::to(port, DELAY));
    let journal = |node: usize| match setting.nodes {
        0 => String::new(),
        _ => format!(
            "journal = \"{}\"\nstate_dir = \"{}\"",
            place.address(line.as_ref().map_or(port, |line| line.port)),
            place.state(node)
        ),
    };
    let nodes: Vec<Node> = (0..setting.nodes.max(1))
        .map(|node| Node::start(&place, &desk.configuration(&place, &journal(node)), node))
        .collect();
    wait("shares are even", || are_even(desk, &place, setting.nodes));
    let turns = || line.as_ref().map(|line| line.turns());
    let (meter, before, cpu) = (Meter::read(&desk.server), turns(), cpu_of(&nodes));
    desk.deliver(&place);
    let mut took = Duration::ZERO;
    wait("all is settled", || {
        let (count, micros) = settled(desk, &place, setting.nodes == 0);
        took = Duration::from_micros(micros);
        count == desk.messages
    });
    let count = desk.messages as f64;
    let mut cost = Cost {
        messages_a_second: count / took.as_secs_f64(),
        node_ms: 1e3 * (cpu_of(&nodes) - cpu) / count,
        database: None,
        round_trips: turns()
            .zip(before)
            .map(|(after, before)| (after - before) as f64 / count),
    };
    if setting.nodes > 0 {
        cost.database = Some(meter.since(&desk.server, &place, count));
    }
    drop(nodes);
    desk.leave(place);
    cost
}

fn cpu_of(nodes: &[Node]) -> f64 {
    nodes.iter().map(|node| process::cpu_seconds(&node.0)).sum()
}

/// Each watches as many mailboxes as the others, and all are watched.
fn are_even(desk: &Desk, place: &Place, nodes: usize) -> bool {
    let watched = (0..nodes.max(1)).map(|node| {
        let words = fs::read_to_string(place.words(node)).unwrap_or_default();
        words.matches(" is watched").count()
    });
    if nodes < 2 {
        return watched.sum::<usize>() == MAILBOXES;
    }
    let shares = "SELECT count(*) = count(*) FILTER (WHERE held) FROM (SELECT n.id, count(l.duty) = SHARE AS held
        FROM node AS n LEFT JOIN lease AS l ON l.node = n.id AND l.duty <> 'outbox' GROUP BY n.id) AS s HAVING count(*) = NODES";
    let share = (MAILBOXES / nodes).to_string();
    let shares = shares.replace("SHARE", &share).replace("NODES", &nodes.to_string());
    // The one that has a mailbox since a moment ago signs in there first.
    desk.ask(place, &shares) == "t" && watched.sum::<usize>() >= MAILBOXES
}

fn settled(desk: &Desk, place: &Place, is_sqlite: bool) -> (usize, u64) {
    if is_sqlite {
        let db = rusqlite::Connection::open(format!("{}/journal.db", place.state(0))).unwrap();
        return db
            .query_row(SETTLED, (), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .map(|(count, micros)| (count.try_into().unwrap(), micros.try_into().unwrap()))
            .unwrap();
    }
    let said = desk.ask(place, SETTLED);
    let (count, micros) = said.split_once('|').unwrap();
    (count.parse().unwrap(), micros.parse().unwrap())
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !is_so() {
        assert!(Instant::now() < deadline, "not so after {WITHIN:?}: {what}");
        std::thread::sleep(LOOK);
    }
}

/// A daemon; it is stopped when it is dropped.
struct Node(Child);

impl Node {
    fn start(place: &Place, configuration: &str, number: usize) -> Node {
        let path = place.folder.join(format!("{number}.toml"));
        fs::write(&path, configuration).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_halo-intake"));
        command
            .env_clear()
            .env("HALO_INTAKE_LOG", "info")
            .arg("--config")
            .arg(path)
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(place.words(number)).unwrap());
        Node(command.spawn().unwrap())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}
