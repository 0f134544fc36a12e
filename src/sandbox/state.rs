//! What the sandbox knows: its records, tokens, switches and log.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;
use url::Url;

use super::{
    log::Log,
    record::Record,
    sample,
    switches::{RateLimit, Switches},
};

/// Records that get no id of their own are numbered from here, so that those of the sample stay as they are.
const FIRST_NEW_ID: i64 = 1000;

/// One tenant.
#[derive(Debug)]
pub(super) struct World {
    pub base: Url,
    store: Mutex<Store>,
    switches: Mutex<Switches>,
    log: Mutex<Log>,
    served: Mutex<VecDeque<Instant>>,
}

/// A table, by id.
pub(super) type Table = BTreeMap<i64, Record>;

/// The records of the tenant and the tokens that are good.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub users: Table,
    pub clients: Table,
    pub sites: Table,
    pub agents: Vec<Value>,
    pub tokens: HashMap<String, Instant>,
    given_out: i64,
}

impl World {
    pub(super) fn new(address: SocketAddr) -> World {
        let base = Url::parse(&format!("http://{address}")).expect("a socket address is a host and a port");
        let mut store = Store::default();
        sample::fill(&mut store);
        World {
            base,
            store: Mutex::new(store),
            switches: Mutex::default(),
            log: Mutex::default(),
            served: Mutex::default(),
        }
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn switches(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, unless that would be more than the rate allows.
    pub(super) fn is_within(&self, rate: RateLimit, now: Instant) -> bool {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let period = Duration::from_millis(rate.per_ms);
        while served
            .front()
            .is_some_and(|&oldest| now.saturating_duration_since(oldest) > period)
        {
            served.pop_front();
        }
        let is_within = served.len() < rate.count;
        if is_within {
            served.push_back(now);
        }
        is_within
    }
}

impl Store {
    /// An id that no record bears.
    pub(super) fn new_id(&mut self) -> i64 {
        self.given_out += 1;
        FIRST_NEW_ID + self.given_out
    }
}
