//! Which node this process is, and what it may do: known from commit to commit.

use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    database::{Database, Fault},
    value::{Bind, Column, Value, values},
};
use crate::{
    clock,
    journal::node::{LEASE, Lease, NodeId},
};

/// What the last commit has made of this process.
#[derive(Debug, Default)]
pub(super) struct Tenure {
    node: AtomicI64,
    /// Until then nobody takes it for dead; milliseconds since the machine was started.
    until: AtomicU64,
    /// As which node this process has ended all that it did as another one.
    goes_on: AtomicI64,
}

impl Tenure {
    pub(super) fn node(&self) -> NodeId {
        NodeId(self.node.load(Ordering::Acquire))
    }

    /// What it did as another node has ended.
    pub(super) fn go_on(&self, node: NodeId) {
        self.goes_on.store(node.0, Ordering::Release);
    }

    /// Whether nobody can have taken it for dead, since what it does was begun.
    pub(super) fn lasts(&self) -> bool {
        let is_same = self.goes_on.load(Ordering::Acquire) == self.node().0;
        is_same && millis(clock::since_boot()) < self.until.load(Ordering::Acquire)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What this process may do within the transaction that stands; nothing of it changes before its end, since nobody else
/// writes.
#[derive(Default)]
pub(super) struct Rights {
    tenure: Arc<Tenure>,
    /// What the commit makes of it, told at that time.
    next: Cell<Option<(NodeId, Duration)>>,
    is_alive: Cell<Option<bool>>,
    leases: RefCell<Vec<Lease>>,
}

impl Rights {
    pub(super) fn of(tenure: Arc<Tenure>) -> Rights {
        Rights {
            tenure,
            ..Rights::default()
        }
    }

    /// To be said when a transaction begins.
    pub(super) fn begin(&self) {
        self.next.set(None);
        self.forget();
    }

    /// What was known of nodes has changed.
    pub(super) fn forget(&self) {
        self.is_alive.set(None);
        self.leases.borrow_mut().clear();
    }

    /// From the commit on it is that node, which said at that time that it is alive: others count from when they heard it.
    pub(super) fn becomes(&self, node: NodeId, at: Duration) {
        self.next.set(Some((node, at)));
    }

    /// The transaction was committed. Whoever has asked for that may wait for it no longer.
    pub(super) fn keep(&self) {
        if let Some((node, at)) = self.next.take() {
            let before = self.tenure.node.swap(node.0, Ordering::AcqRel);
            if before == 0 {
                self.tenure.go_on(node);
            }
            self.tenure.until.fetch_max(millis(at + LEASE), Ordering::AcqRel);
        }
    }

    pub(super) fn node(&self) -> NodeId {
        self.next.get().map_or_else(|| self.tenure.node(), |(node, _)| node)
    }

    /// Whether nobody has taken it for dead.
    pub(super) fn is_alive(&self, db: &dyn Database) -> Result<bool, Fault> {
        if let Some(is_alive) = self.is_alive.get() {
            return Ok(is_alive);
        }
        let alive = "SELECT 1 FROM node WHERE id = ?1 AND gone IS NULL";
        let is_alive = db.exists(alive, values![self.node()])?;
        self.is_alive.set(Some(is_alive));
        Ok(is_alive)
    }

    /// Whether it has that duty still.
    pub(super) fn holds(&self, db: &dyn Database, lease: &Lease) -> Result<bool, Fault> {
        if self.leases.borrow().contains(lease) {
            return Ok(true);
        }
        let held = "SELECT 1 FROM lease WHERE duty = ?1 AND token = ?2 AND node = ?3";
        let holds = db.exists(held, values![lease.duty.to_string(), lease.token, self.node()])?;
        if holds {
            self.leases.borrow_mut().push(lease.clone());
        }
        Ok(holds)
    }
}

impl Bind for NodeId {
    fn bind(&self) -> Value<'_> {
        Value::Number(self.0)
    }
}

impl<'a> Column<'a> for NodeId {
    const WANTED: &'static str = "the number of a node";

    fn of(value: Value<'a>) -> Option<Self> {
        value.number().map(NodeId)
    }
}
