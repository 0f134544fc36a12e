//! Nodes come, say that they are alive, share what there is to do, and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};

use super::{
    claim,
    database::{Database, Fault},
    value::{Columns, Json, json, values},
    writer::Hand,
};
use crate::journal::node::{Duty, LEASE, Lease, Node, NodeId, NodeState, Nodes, REMEMBERED, Roster, spread};

/// What a process says of itself.
#[derive(Clone)]
pub(super) struct Newcomer {
    host: String,
    pid: u32,
    version: &'static str,
}

impl Newcomer {
    pub(super) fn this() -> Newcomer {
        Newcomer {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// A process begins to work on the journal, which it says at that time. Alone: whoever else is written down is no more.
pub(super) fn enlist(hand: &Hand<'_>, newcomer: &Newcomer, is_alone: bool, at: Duration) -> Result<(), Fault> {
    let now = hand.db.now(hand.now)?;
    if is_alone {
        hand.db
            .run("UPDATE node SET gone = ?1 WHERE gone IS NULL", values![now])?;
    }
    lapse(hand.db, now, newcomer)?;
    // Whoever is alone has its lock, and says nothing more.
    let node = arrive(hand, newcomer, now, if is_alone { now } else { now + LEASE })?;
    clear(hand, now)?;
    hand.rights.becomes(node, at);
    Ok(())
}

/// Who has not been heard of in time is no more, and who ran on this machine and runs no longer. Says whether one is alive.
pub(super) fn lapse(db: &dyn Database, now: Timestamp, newcomer: &Newcomer) -> Result<bool, Fault> {
    db.run(
        "UPDATE node SET gone = ?1 WHERE gone IS NULL AND until < ?1",
        values![now],
    )?;
    let here: Vec<(NodeId, i32)> = db.list(
        "SELECT id, pid FROM node WHERE gone IS NULL AND host = ?1",
        values![newcomer.host],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (node, _) in here.iter().filter(|(_, pid)| !runs(*pid)) {
        db.run("UPDATE node SET gone = ?2 WHERE id = ?1", values![*node, now])?;
    }
    db.exists("SELECT 1 FROM node WHERE gone IS NULL", &[])
}

fn runs(pid: i32) -> bool {
    let asked = Pid::from_raw(pid).map(test_kill_process);
    asked.is_none_or(|asked| asked != Err(Errno::SRCH))
}

fn arrive(hand: &Hand<'_>, newcomer: &Newcomer, now: Timestamp, until: Timestamp) -> Result<NodeId, Fault> {
    let Newcomer { host, pid, version } = newcomer;
    let node = hand.db.insert(
        "INSERT INTO node (host, pid, version, began, seen, until) VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
        values![host, *pid, version, now, until],
    )?;
    Ok(NodeId(node))
}

/// What nodes had that are no more is free for others.
fn clear(hand: &Hand<'_>, now: Timestamp) -> Result<(), Fault> {
    let db = hand.db;
    db.tell("DELETE FROM node WHERE gone < ?1", values![now - REMEMBERED])?;
    db.tell(
        "UPDATE lease SET node = NULL, since = ?1
         WHERE node IS NOT NULL AND node NOT IN (SELECT id FROM node WHERE gone IS NULL)",
        values![now],
    )?;
    claim::interrupt(hand)?;
    hand.rights.forget();
    Ok(())
}

/// A node is alive, which it says at that time, could do what is `wanted`, and does what is `running`.
pub(super) fn beat(
    hand: &Hand<'_>,
    (newcomer, at): (&Newcomer, Duration),
    wanted: &BTreeSet<Duty>,
    running: &BTreeSet<Duty>,
) -> Result<Roster, Fault> {
    let (db, now) = (hand.db, hand.db.now(hand.now)?);
    let node = match hand.rights.is_alive(db)? {
        true => hand.rights.node(),
        false => {
            come_back(hand)?;
            arrive(hand, newcomer, now, now + LEASE)?
        }
    };
    db.tell(
        "UPDATE node SET seen = ?2, until = ?3, wanted = ?4 WHERE id = ?1",
        values![node, now, now + LEASE, json(wanted)?],
    )?;
    // The database's clock may have gone back.
    db.tell(
        "UPDATE node SET until = ?1 WHERE gone IS NULL AND until > ?1",
        values![now + LEASE],
    )?;
    db.tell(
        "UPDATE node SET gone = ?1 WHERE gone IS NULL AND until < ?1",
        values![now],
    )?;
    clear(hand, now)?;

    let able: BTreeMap<NodeId, BTreeSet<Duty>> =
        db.list("SELECT id, wanted FROM node WHERE gone IS NULL", &[], |row| {
            Ok((row.get(0)?, row.get::<Json<_>>(1)?.0))
        })?;
    let held = leases(db)?;
    let holders = held
        .iter()
        .filter_map(|(duty, (holder, _))| Some((duty.clone(), (*holder)?)))
        .collect();
    let shares = spread(&able, &holders);
    let is_mine = |duty: &Duty| shares.get(duty) == Some(&node);
    for (duty, _) in held.iter().filter(|(_, (holder, _))| *holder == Some(node)) {
        if !is_mine(duty) && !running.contains(duty) {
            db.tell(
                "UPDATE lease SET node = NULL, since = ?2 WHERE duty = ?1",
                values![duty.to_string(), now],
            )?;
        }
    }
    let is_free = |duty: &&Duty| held.get(duty).is_none_or(|(holder, _)| holder.is_none());
    let free: Vec<&Duty> = wanted.iter().filter(|duty| is_mine(duty)).filter(is_free).collect();
    take(db, &free, node, now)?;
    hand.rights.becomes(node, at);
    let leases = leases(db)?.into_iter().filter(|(_, (holder, _))| *holder == Some(node));
    let leases: Vec<Lease> = leases.map(|(duty, (_, token))| Lease { duty, token }).collect();
    let hand_over = leases
        .iter()
        .map(|lease| lease.duty.clone())
        .filter(|duty| !is_mine(duty))
        .collect();
    Ok(Roster {
        node,
        now,
        leases,
        hand_over,
        others: able.len().saturating_sub(1),
    })
}

/// The process lives: what it had in hand was given back for no fault of a message, as far as nobody has taken it up since.
fn come_back(hand: &Hand<'_>) -> Result<(), Fault> {
    hand.db.tell(
        "UPDATE entry SET interruptions = interruptions - 1
         WHERE outcome IS NULL AND interruptions > 0 AND state IN ('pending', 'deferred') AND owner = ?1",
        values![hand.rights.node().to_string()],
    )
}

/// Of each duty that somebody ever had: who has it, and its token.
fn leases(db: &dyn Database) -> Result<BTreeMap<Duty, (Option<NodeId>, i64)>, Fault> {
    db.list("SELECT duty, node, token FROM lease", &[], |row| {
        Ok((Duty::from(row.get::<String>(0)?), (row.get(1)?, row.get(2)?)))
    })
}

/// All in one go: nobody writes meanwhile.
fn take(db: &dyn Database, duties: &[&Duty], node: NodeId, now: Timestamp) -> Result<(), Fault> {
    if duties.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO lease (duty, node, token, since)
         SELECT e.*, CAST(?2 AS BIGINT), 1, CAST(?3 AS BIGINT) FROM ({}) AS e WHERE true
         ON CONFLICT (duty) DO UPDATE SET node = excluded.node, token = lease.token + 1, since = excluded.since",
        db.dialect().elements("?1")
    );
    db.tell(&sql, values![json(&duties)?, node, now])?;
    Ok(())
}

/// A node ends, and what it had is free at once.
pub(super) fn leave(hand: &Hand<'_>) -> Result<(), Fault> {
    let now = hand.db.now(hand.now)?;
    hand.db.tell(
        "UPDATE node SET gone = ?2, seen = ?2, stopped = 1 WHERE id = ?1 AND gone IS NULL",
        values![hand.rights.node(), now],
    )?;
    clear(hand, now)
}

/// All nodes of the last day, and what none of them does. Where a process is alone, `runs` says whether it does. Those that
/// ended without a word were commands.
pub(super) fn nodes(db: &dyn Database, now: Timestamp, runs: Option<bool>) -> Result<Nodes, Fault> {
    let now = db.now(now)?;
    let mut open: BTreeSet<Duty> = BTreeSet::new();
    let held = leases(db)?;
    let nodes: Vec<(Node, BTreeSet<Duty>)> = db.list(
        "SELECT n.id, n.host, n.pid, n.version, n.began, n.seen, n.until, n.gone, n.stopped, n.wanted,
            (SELECT count(*) FROM entry AS e WHERE e.state = 'claimed' AND e.owner = CAST(n.id AS TEXT))
         FROM node AS n ORDER BY n.id DESC",
        &[],
        |row| {
            let wanted: Json<BTreeSet<Duty>> = row.get(9)?;
            Ok((node(row, now, runs)?, wanted.0))
        },
    )?;
    let is_command = |node: &Node, wanted: &BTreeSet<Duty>| node.state == NodeState::Lost && wanted.is_empty();
    let nodes = nodes.into_iter().filter(|(node, wanted)| !is_command(node, wanted));
    let mut nodes: Vec<Node> = nodes
        .map(|(node, wanted)| {
            if node.state == NodeState::Alive {
                open.extend(wanted);
            }
            node
        })
        .collect();
    for node in &mut nodes {
        let mine = held
            .iter()
            .filter(|(_, (holder, _))| node.state == NodeState::Alive && *holder == Some(node.node));
        node.duties = mine.map(|(duty, _)| duty.clone()).collect();
        open.retain(|duty| !node.duties.contains(duty));
    }
    nodes.sort_by_key(|node| node.state != NodeState::Alive);
    let left: BTreeMap<String, Timestamp> =
        db.list("SELECT duty, since FROM lease WHERE node IS NULL", &[], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let open_since = open
        .iter()
        .filter_map(|duty| left.get(&duty.to_string()))
        .min()
        .copied();
    Ok(Nodes {
        now,
        nodes,
        open,
        open_since,
    })
}

/// One that is alone says nothing while it runs: its lock says it.
fn node(row: &dyn Columns, now: Timestamp, runs: Option<bool>) -> Result<Node, Fault> {
    let (until, gone) = (row.get::<Timestamp>(6)?, row.get::<Option<Timestamp>>(7)?);
    let state = match gone {
        Some(_) if row.get::<bool>(8)? => NodeState::Stopped,
        None if runs.unwrap_or(until >= now) => NodeState::Alive,
        _ => NodeState::Lost,
    };
    let is_heard = runs.is_some() && state == NodeState::Alive;
    Ok(Node {
        node: row.get(0)?,
        host: row.get(1)?,
        pid: row.get(2)?,
        version: row.get(3)?,
        began: row.get(4)?,
        seen: if is_heard { now } else { row.get(5)? },
        state,
        duties: BTreeSet::new(),
        in_hand: row.get(10)?,
    })
}
