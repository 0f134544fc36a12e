//! What is known of a connection's clients, sites and agents, each with its lifetime. Users are known to `lookups`.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Agent, Client, ClientId, Reference, Site, SiteId,
    choice::{Choice, List},
    client::HaloError,
    client_domains::Rows,
    shelf::{Brought, Shelf},
    times::Times,
    unreadable::Unreadable,
};

/// Whole records of clients and sites, which may be large. A tenant has more of them; most are asked for once.
const MOST_PLACES: usize = 512;
/// Of domains asked for, few have any.
const MOST_DOMAINS: usize = 4096;
/// The mail domains of a site or a client are a few octets and cost a request: all of a large tenant have room.
const MOST_SITES: usize = 100_000;

/// Rows by mail domain.
pub(super) type ByDomain<T> = Arc<HashMap<String, Vec<T>>>;

/// The shelves of one connection.
#[derive(Debug)]
pub(super) struct Directory {
    /// Nothing where they may not be read.
    pub agents: Shelf<(), Option<Arc<Vec<Agent>>>>,
    pub clients: Shelf<Reference, Vec<Client>>,
    pub sites: Shelf<(Option<ClientId>, Reference), Vec<Site>>,
    pub main_sites: Shelf<ClientId, Option<Site>>,
    pub site_domains: Shelf<SiteId, Vec<String>>,
    pub sites_by_domain: Shelf<(), ByDomain<Site>>,
    pub client_rows: Shelf<(), Arc<Rows>>,
    pub clients_of_domain: Shelf<String, Vec<Client>>,
    pub client_domains: Shelf<ClientId, Vec<String>>,
    pub choices: Shelf<List, Arc<Vec<Choice>>>,
    /// The addresses of Halo's own mailboxes; nothing where they may not be read.
    pub mailboxes: Shelf<(), Arc<Vec<String>>>,
    /// Names that were in no list lately.
    pub missing_choices: Shelf<(List, String), Vec<Choice>>,
    /// Records of which the mail domain can not be read.
    pub unreadable: Unreadable,
    /// Requests for the clients of domains, since all their records were read.
    pub spent_on_domains: tokio::sync::Mutex<usize>,
    /// How many look for the clients of a domain.
    pub waiting_for_domains: AtomicUsize,
}

impl Directory {
    pub(super) fn new() -> Directory {
        Directory {
            agents: Shelf::new(1),
            clients: Shelf::new(MOST_PLACES),
            sites: Shelf::new(MOST_PLACES),
            main_sites: Shelf::new(MOST_PLACES),
            site_domains: Shelf::new(MOST_SITES),
            sites_by_domain: Shelf::new(1),
            client_rows: Shelf::new(1),
            clients_of_domain: Shelf::new(MOST_DOMAINS),
            client_domains: Shelf::new(MOST_SITES),
            choices: Shelf::new(List::ALL.len()),
            mailboxes: Shelf::new(1),
            missing_choices: Shelf::new(MOST_PLACES),
            unreadable: Unreadable::default(),
            spent_on_domains: tokio::sync::Mutex::default(),
            waiting_for_domains: AtomicUsize::new(0),
        }
    }

    /// After a client was created: what was absent may be there, and names may be ambiguous.
    pub(super) fn forget_places(&self) {
        self.clients.clear();
        self.sites.clear();
        self.main_sites.clear();
        self.sites_by_domain.clear();
        self.client_rows.clear();
        self.clients_of_domain.clear();
    }

    /// Forgets what is out of date.
    pub(super) fn sweep(&self) {
        self.agents.sweep();
        self.clients.sweep();
        self.sites.sweep();
        self.main_sites.sweep();
        self.site_domains.sweep();
        self.sites_by_domain.sweep();
        self.client_rows.sweep();
        self.clients_of_domain.sweep();
        self.client_domains.sweep();
        self.choices.sweep();
        self.mailboxes.sweep();
        self.missing_choices.sweep();
    }

    /// The mail domains of sites and clients as a restart wants them: they cost a request each.
    pub(super) fn snapshot(&self, now: Timestamp) -> MailDomains {
        MailDomains {
            sites: kept_domains(&self.site_domains, now),
            clients: kept_domains(&self.client_domains, now),
        }
    }

    /// Puts back what a snapshot holds and is not out of date.
    pub(super) fn restore(&self, snapshot: &MailDomains, now: Timestamp, times: &Times) {
        put_back(&self.site_domains, &snapshot.sites, now, times);
        put_back(&self.client_domains, &snapshot.clients, now, times);
    }
}

/// The mail domains that cost a request each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct MailDomains {
    sites: Vec<DomainsOf<SiteId>>,
    clients: Vec<DomainsOf<ClientId>>,
}

/// In milliseconds.
const MINUTE: i64 = 60_000;

/// The mail domains of one site or client, and until when they hold (milliseconds since the epoch).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct DomainsOf<Id> {
    id: Id,
    domains: Vec<String>,
    until: i64,
}

fn kept_domains<Id: Copy + Eq + Hash>(shelf: &Shelf<Id, Vec<String>>, now: Timestamp) -> Vec<DomainsOf<Id>> {
    // To the minute: else the time since, measured by two clocks, makes the same answer look like another one.
    let until = |left: Duration| {
        let left = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        let until = now.as_millisecond().saturating_add(left);
        until.saturating_add(MINUTE / 2).div_euclid(MINUTE) * MINUTE
    };
    let kept = shelf.kept().into_iter();
    kept.map(|(id, domains, left)| DomainsOf {
        id,
        domains,
        until: until(left),
    })
    .collect()
}

fn put_back<Id: Copy + Eq + Hash>(
    shelf: &Shelf<Id, Vec<String>>,
    snapshot: &[DomainsOf<Id>],
    now: Timestamp,
    times: &Times,
) {
    for kept in snapshot {
        let left = u64::try_from(kept.until - now.as_millisecond()).unwrap_or(0);
        let left = Duration::from_millis(left).min(times.mail_domains);
        if !left.is_zero() {
            shelf.put(kept.id, kept.domains.clone(), left);
        }
    }
}

/// An answer with the lifetime of its kind; that there is nothing is kept shortly, a failure not at all.
pub(super) fn kept<V>(
    result: Result<V, HaloError>,
    life: Duration,
    times: &Times,
    is_absent: impl Fn(&V) -> bool,
) -> Brought<V> {
    let life = match &result {
        Ok(value) if is_absent(value) => life.min(times.absent),
        Ok(_) => life,
        Err(_) => Duration::ZERO,
    };
    (result, life)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domains_of_sites_outlive_a_restart_until_they_are_out_of_date() {
        let (before, after) = (Directory::new(), Directory::new());
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        before
            .site_domains
            .put(SiteId(1), vec!["acme.example".into()], Duration::from_secs(60));
        before.site_domains.put(SiteId(2), vec![], Duration::from_secs(3600));
        let snapshot = before.snapshot(now);
        after.restore(&snapshot, now + jiff::SignedDuration::from_secs(61), &Times::default());
        let kept = after.site_domains.kept();
        assert_eq!(kept.iter().map(|(site, ..)| *site).collect::<Vec<_>>(), [SiteId(2)]);
        after.restore(&snapshot, now, &Times::default());
        assert_eq!(after.site_domains.kept().len(), 2);
    }

    #[test]
    fn a_snapshot_is_another_one_only_where_something_is() {
        let directory = Directory::new();
        directory
            .site_domains
            .put(SiteId(1), vec!["acme.example".into()], Duration::from_secs(3600));
        let first = directory.snapshot(Timestamp::now());
        for _ in 0..50 {
            let began = std::time::Instant::now();
            while began.elapsed() < Duration::from_micros(1300) {
                std::hint::spin_loop();
            }
            assert_eq!(directory.snapshot(Timestamp::now()), first);
        }
    }

    #[test]
    fn that_there_is_nothing_is_kept_shortly() {
        let times = Times::default();
        let life = |result| kept(result, times.places, &times, Vec::<u8>::is_empty).1;
        assert_eq!(life(Ok(vec![1])), times.places);
        assert_eq!(life(Ok(vec![])), times.absent);
        assert_eq!(
            life(Err(HaloError::TooMany {
                reason: String::new(),
                retry_after: None
            })),
            Duration::ZERO
        );
    }
}
