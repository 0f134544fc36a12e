//! What the sandbox knows: its records, tokens, switches and log.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;
use url::Url;

use super::{
    attachments::Octets,
    log::Log,
    pictures::Picture,
    record::Record,
    switches::{RateLimit, Switches},
    token::Token,
};

/// The largest id that a record may be given: the binding takes no more than 32 bits, and one stays for whatever is next.
pub(super) const LARGEST_ID: i64 = i32::MAX as i64 - 1;
/// Records that get no id of their own are numbered from here, so that those of the sample stay as they are.
const FIRST_NEW_ID: i64 = 1000;

/// One tenant.
#[derive(Debug)]
pub(super) struct World {
    pub address: SocketAddr,
    pub base: Url,
    /// Something may have changed that is to be kept.
    pub changed: Notify,
    store: Mutex<Store>,
    switches: Mutex<Switches>,
    log: Mutex<Log>,
    served: Mutex<VecDeque<Instant>>,
}

/// A table, by id.
pub(super) type Table = BTreeMap<i64, Record>;

/// The actions of a ticket by their numbers, which are never given out twice.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Thread {
    pub given_out: i64,
    pub actions: Table,
}

/// The records of the tenant and the tokens that are good.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub clients: Table,
    pub sites: Table,
    pub users: Table,
    pub tickets: Table,
    pub threads: BTreeMap<i64, Thread>,
    pub attachments: Table,
    /// What the attachments hold, by their ids.
    pub contents: BTreeMap<i64, Octets>,
    /// By their GUIDs.
    pub pictures: BTreeMap<String, Picture>,
    pub agents: Vec<Value>,
    given_out: i64,
    /// Ids that records bear which are about to be added: nothing else gets them meanwhile.
    #[serde(skip)]
    pub promised: BTreeSet<i64>,
    #[serde(skip)]
    pub tokens: HashMap<String, Token>,
}

impl World {
    pub(super) fn new(address: SocketAddr, store: Store, switches: Switches) -> World {
        World {
            address,
            base: Url::parse(&format!("http://{address}")).expect("a socket address is a host and a port"),
            changed: Notify::new(),
            store: Mutex::new(store),
            switches: Mutex::new(switches),
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

    /// Forgets the requests that were counted.
    pub(super) fn forget_rate(&self) {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Store {
    /// An id that no record bears.
    pub(super) fn new_id(&mut self) -> i64 {
        loop {
            self.given_out += 1;
            let id = FIRST_NEW_ID + self.given_out;
            let tables = [&self.clients, &self.sites, &self.users, &self.attachments];
            if !self.promised.contains(&id) && !tables.iter().any(|table| table.contains_key(&id)) {
                return id;
            }
        }
    }

    /// Whether the numbers that were given out are such as this program gives out.
    pub(super) fn has_sound_numbers(&self) -> bool {
        let numbers = self.threads.values().map(|thread| thread.given_out);
        numbers
            .chain([self.given_out])
            .all(|number| (0..LARGEST_ID - FIRST_NEW_ID).contains(&number))
    }
}

/// A GUID that nobody else has made.
pub(super) fn new_guid() -> String {
    let random = fastrand::u128(..);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        random >> 96,
        (random >> 80) & 0xffff,
        (random >> 64) & 0xfff,
        (random >> 48) & 0xfff,
        random & 0xffff_ffff_ffff
    )
}
