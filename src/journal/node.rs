//! Nodes: the processes that have a journal together, and what only one of them at a time may do.
//!
//! A node is alive as long as it says so: its lease on all that it does ends [`LEASE`] after its last word, by the
//! database's clock, and another node takes over. Each duty has a token that grows whenever it changes hands, and what is
//! told under an older one is [`super::Receipt::Stale`]: a node that was paused can not do harm when it goes on.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::MailboxName;

/// A node that was not heard of for so long is taken for dead.
pub const LEASE: Duration = Duration::from_secs(8);
/// How often a node says that it is alive.
pub const BEAT: Duration = Duration::from_secs(2);
/// What a node has left is taken within this time, where another one is alive that could do it.
pub const TAKEN_WITHIN: Duration = Duration::from_secs(15);
/// So long the journal shows nodes that are no more.
pub(super) const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// The number of a node in its journal. A process that was taken for dead goes on as another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub i64);

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What one node at a time does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Duty {
    /// Watches this mailbox and settles what has ended there.
    Mailbox(MailboxName),
    /// Sends letters and reports, and what is to be told in time.
    Outbox,
}

const OUTBOX: &str = "outbox";
const MAILBOX: &str = "mailbox ";

impl std::fmt::Display for Duty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Duty::Mailbox(name) => write!(f, "{MAILBOX}{name}"),
            Duty::Outbox => f.write_str(OUTBOX),
        }
    }
}

impl From<Duty> for String {
    fn from(duty: Duty) -> String {
        duty.to_string()
    }
}

impl From<String> for Duty {
    fn from(text: String) -> Duty {
        match text.strip_prefix(MAILBOX) {
            Some(name) => Duty::Mailbox(MailboxName(name.to_owned())),
            None => Duty::Outbox,
        }
    }
}

/// The right to do a duty; a stale token changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub duty: Duty,
    /// Grows each time that the duty changes hands.
    pub token: i64,
}

/// What the journal says to a node that is alive.
#[derive(Debug, Clone)]
pub struct Roster {
    /// Who it is; another one than before where it was taken for dead.
    pub node: NodeId,
    /// The database's time.
    pub now: Timestamp,
    /// What it does.
    pub leases: Vec<Lease>,
    /// Which of these it is to end, since another node is to have them.
    pub hand_over: BTreeSet<Duty>,
    /// How many other nodes are alive.
    pub others: usize,
}

/// A node, as `nodes` prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Node {
    pub node: NodeId,
    pub host: String,
    pub pid: u32,
    /// Of the program.
    pub version: String,
    pub began: Timestamp,
    /// When it was heard of last; one that is alone says nothing while it runs, and is heard of then by its lock.
    pub seen: Timestamp,
    pub state: NodeState,
    pub duties: BTreeSet<Duty>,
    /// How many messages it has in hand.
    pub in_hand: u64,
}

/// How a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    Alive,
    /// Not heard of in time.
    Lost,
    /// It said that it ends.
    Stopped,
}

impl NodeState {
    /// Each of them.
    pub const ALL: [NodeState; 3] = [NodeState::Alive, NodeState::Lost, NodeState::Stopped];

    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            NodeState::Alive => "alive",
            NodeState::Lost => "lost",
            NodeState::Stopped => "stopped",
        }
    }
}

/// All nodes, and what nobody does.
#[derive(Debug, Clone, Serialize)]
pub struct Nodes {
    /// The database's time.
    pub now: Timestamp,
    /// Those that are alive first.
    pub nodes: Vec<Node>,
    /// What is wanted by a node that is alive, and done by none.
    pub open: BTreeSet<Duty>,
    /// Since when the first of these was left.
    pub open_since: Option<Timestamp>,
}

impl Nodes {
    /// Those that are alive.
    pub fn alive(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.state == NodeState::Alive)
    }

    /// Which node does that.
    pub fn at(&self, duty: &Duty) -> Option<&Node> {
        self.alive().find(|node| node.duties.contains(duty))
    }

    /// How long nobody has done what is open, where that is longer than it takes another node to begin.
    pub fn left_for(&self) -> Option<Duration> {
        let left = self.now.duration_since(self.open_since?);
        Duration::try_from(left).ok().filter(|left| *left > TAKEN_WITHIN)
    }
}

/// Which node is to do what, of what each of them can do. What is done stays where it is as long as no node has two
/// mailboxes more than another one that could take one of them.
pub(super) fn spread<'a>(
    wanted: &'a BTreeMap<NodeId, BTreeSet<Duty>>,
    held: &BTreeMap<Duty, NodeId>,
) -> BTreeMap<&'a Duty, NodeId> {
    let mut shares = share(wanted, held, |duty| *duty != Duty::Outbox);
    shares.extend(share(wanted, held, |duty| *duty == Duty::Outbox));
    shares
}

/// The same of the duties of one kind.
fn share<'a>(
    wanted: &'a BTreeMap<NodeId, BTreeSet<Duty>>,
    held: &BTreeMap<Duty, NodeId>,
    is_of_kind: impl Fn(&Duty) -> bool,
) -> BTreeMap<&'a Duty, NodeId> {
    let wants = |node: NodeId, duty: &Duty| wanted.get(&node).is_some_and(|duties| duties.contains(duty));
    let mut shares: BTreeMap<NodeId, BTreeSet<&Duty>> = wanted.keys().map(|node| (*node, BTreeSet::new())).collect();
    let all: BTreeSet<&Duty> = wanted.values().flatten().filter(|duty| is_of_kind(duty)).collect();
    let mut free = Vec::new();
    for duty in all {
        match held.get(duty).filter(|node| wants(**node, duty)) {
            Some(node) => shares.entry(*node).or_default().insert(duty),
            None => {
                free.push(duty);
                continue;
            }
        };
    }
    for duty in free {
        let able = shares.iter_mut().filter(|(node, _)| wants(**node, duty));
        if let Some((_, share)) = able.min_by_key(|(_, share)| share.len()) {
            share.insert(duty);
        }
    }
    while let Some((from, to, duty)) = unfair(&shares, &wants) {
        shares.entry(from).or_default().remove(duty);
        shares.entry(to).or_default().insert(duty);
    }
    let pairs = |(node, share): (NodeId, BTreeSet<&'a Duty>)| share.into_iter().map(move |duty| (duty, node));
    shares.into_iter().flat_map(pairs).collect()
}

/// A duty of a node with at least two more than another one that wants it.
fn unfair<'a>(
    shares: &BTreeMap<NodeId, BTreeSet<&'a Duty>>,
    wants: &impl Fn(NodeId, &Duty) -> bool,
) -> Option<(NodeId, NodeId, &'a Duty)> {
    let mut by_load: Vec<(&NodeId, &BTreeSet<&Duty>)> = shares.iter().collect();
    by_load.sort_by_key(|(_, share)| share.len());
    for (from, much) in by_load.iter().rev() {
        for (to, little) in by_load.iter().take_while(|(_, little)| little.len() + 2 <= much.len()) {
            debug_assert!(little.len() < much.len());
            if let Some(duty) = much.iter().find(|duty| wants(**to, duty)) {
                return Some((**from, **to, duty));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duties(names: &str) -> BTreeSet<Duty> {
        let duty = |name: &str| Duty::Mailbox(MailboxName(name.to_owned()));
        names.split_whitespace().map(duty).collect()
    }

    /// `"1=a,b 2=c"`: who is to do what, of nodes that want `wanted` and have `held`.
    fn check(wanted: &[&str], held: &[(&str, i64)], expected: &str) {
        let wanted = (1..)
            .map(NodeId)
            .zip(wanted.iter().map(|names| duties(names)))
            .collect();
        let held = held
            .iter()
            .flat_map(|(names, node)| duties(names).into_iter().map(|duty| (duty, NodeId(*node))));
        let mut shares: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
        for (duty, node) in spread(&wanted, &held.collect()) {
            shares
                .entry(node)
                .or_default()
                .push(duty.to_string().replace(MAILBOX, ""));
        }
        let shares: Vec<String> = shares
            .iter()
            .map(|(node, names)| format!("{node}={}", names.join(",")))
            .collect();
        assert_eq!(shares.join(" "), expected, "{wanted:?}");
    }

    #[test]
    fn what_nobody_does_goes_to_whoever_has_least() {
        check(&["a b c"], &[], "1=a,b,c");
        check(&["a b c d", "a b c d"], &[], "1=a,c 2=b,d");
        check(&["a b c d", "a b c d"], &[("a", 1), ("b", 1)], "1=a,b 2=c,d");
        check(&["a b c", "a b c"], &[("a b", 3), ("c", 2)], "1=a,b 2=c");
    }

    #[test]
    fn what_is_done_moves_only_where_somebody_has_two_more() {
        check(
            &["a b c d e", "a b c d e"],
            &[("a b c", 1), ("d e", 2)],
            "1=a,b,c 2=d,e",
        );
        check(&["a b c d", "a b c d", "a b c d"], &[("a b c d", 1)], "1=c,d 2=a 3=b");
        check(&["a b", "a b", "a b"], &[("a", 2), ("b", 3)], "2=a 3=b");
    }

    #[test]
    fn the_outbox_is_counted_among_no_mailboxes_and_stays_where_it_is() {
        let all: BTreeSet<Duty> = duties("a b c d").into_iter().chain([Duty::Outbox]).collect();
        let wanted = BTreeMap::from([(NodeId(1), all.clone()), (NodeId(2), all)]);
        for holder in [NodeId(1), NodeId(2)] {
            let shares = spread(&wanted, &[(Duty::Outbox, holder)].into());
            assert_eq!(shares[&Duty::Outbox], holder);
            assert_eq!(shares.values().filter(|node| **node == holder).count(), 3);
        }
    }

    #[test]
    fn nobody_gets_what_it_does_not_have_in_its_configuration() {
        check(&["a b c d", "d e"], &[("a b c d", 1)], "1=a,b,c 2=d,e");
        check(&["a b c d", ""], &[("a b c d", 1)], "1=a,b,c,d");
        check(&["a", "b"], &[("b", 1), ("a", 2)], "1=a 2=b");
        check(&["", ""], &[("b", 1)], "");
    }

    #[test]
    fn shares_are_even_and_stay_so_whoever_comes_and_goes() {
        let mut random = fastrand::Rng::with_seed(7);
        let names: Vec<Duty> = (0..23).map(|n| Duty::Mailbox(MailboxName(format!("box{n}")))).collect();
        let mut held: BTreeMap<Duty, NodeId> = BTreeMap::new();
        for _ in 0..500 {
            let alive: Vec<NodeId> = (1..=5).map(NodeId).filter(|_| random.bool()).collect();
            let wanted: BTreeMap<NodeId, BTreeSet<Duty>> = alive
                .iter()
                .map(|node| (*node, names.iter().cloned().collect()))
                .collect();
            let before = held.clone();
            held = spread(&wanted, &held)
                .into_iter()
                .map(|(duty, node)| (duty.clone(), node))
                .collect();
            let counts: Vec<usize> = alive
                .iter()
                .map(|node| held.values().filter(|holder| *holder == node).count())
                .collect();
            let (least, most) = (counts.iter().min().copied(), counts.iter().max().copied());
            assert!(most.unwrap_or(0) - least.unwrap_or(0) <= 1, "{counts:?}");
            assert_eq!(held.len(), if alive.is_empty() { 0 } else { names.len() });
            // Whoever has no more than its even share keeps it.
            let even = names.len().checked_div(alive.len()).unwrap_or(0);
            for node in &alive {
                let had: BTreeSet<&Duty> = before
                    .iter()
                    .filter(|(_, holder)| *holder == node)
                    .map(|(duty, _)| duty)
                    .collect();
                if had.len() <= even {
                    assert!(had.iter().all(|duty| held[*duty] == *node), "{node} keeps what it has");
                }
            }
        }
    }
}
