//! Users by address, for as few requests as may be. A search is one request for one address; the roll
//! ([`super::roll`]) is one for each page, and answers everybody.
//!
//! Searches pass a gate, a few at a time, so that the others gather before it. Whoever has its turn looks anew: a roll
//! that is young enough costs nothing; where more wait than the roll has pages, it is read, once for all; else the one
//! address is searched for. A fresh answer is always a search.
//!
//! An address that is absent from the roll is absent, unless a user was created for it after the roll was begun, or a
//! search has shown it as a further address of a user ([`super::further`], which a restart doesn't forget), or the
//! connection says that absence is for a search to confirm.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::{
    User, UserId,
    api::Api,
    client::{Calls, Freshness, HaloError},
    directory::kept,
    further::Further,
    roll::{self, Roll, Size},
    shelf::{Brought, Shelf},
    times::Times,
    users::{is_same, search},
    waits::Waits,
    written::Written,
};
use crate::{clock::moment, message::address::AddrSpec};

/// Addresses arrive by the thousand, and each answer lives for a minute at most.
const MOST_ANSWERS: usize = 2048;
/// So many search at a time.
const AT_ONCE: usize = 4;
/// The gate gathers; it is no limit. Beyond this nobody waits for a server that is slow to answer those before it.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Where so many wait, it is worth one request to learn how long the listing is.
const WORTH_ASKING: usize = 8;
/// For so long it is remembered how long the listing is.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);

type Result<T> = std::result::Result<T, HaloError>;

/// What is known of a connection's users, and who waits to know more.
#[derive(Debug)]
pub(super) struct Lookups {
    answers: Shelf<AddrSpec, Vec<User>>,
    gate: Semaphore,
    /// How many the roll would answer.
    waiting: AtomicUsize,
    /// Locked while the roll is read.
    roll: tokio::sync::Mutex<Kept>,
    written: Mutex<Written>,
    pub further: Further,
    /// A search decides whether an address that no roll shows is absent.
    pub absence_is_confirmed_by_search: AtomicBool,
}

impl Lookups {
    pub(super) fn new() -> Lookups {
        Lookups {
            answers: Shelf::new(MOST_ANSWERS),
            gate: Semaphore::new(AT_ONCE),
            waiting: AtomicUsize::new(0),
            roll: tokio::sync::Mutex::new(Kept::new()),
            written: Mutex::default(),
            further: Further::default(),
            absence_is_confirmed_by_search: AtomicBool::new(false),
        }
    }

    /// The users whose address is exactly this one, active ones first, then by id.
    pub(super) async fn with_address(
        &self,
        (api, times): (&Api, &Times),
        (address, freshness): (&AddrSpec, Freshness),
        calls: &Calls,
    ) -> Result<Vec<User>> {
        let ask = || async {
            match freshness {
                Freshness::Cached => self.cheapest((api, times), address, calls).await,
                Freshness::Fresh => self.searched((api, times), address, calls).await,
            }
        };
        self.answers.find(address, freshness, ask).await
    }

    async fn cheapest(&self, (api, times): (&Api, &Times), address: &AddrSpec, calls: &Calls) -> Brought<Vec<User>> {
        let waits = Waits::among(&self.waiting);
        let _turn = tokio::time::timeout(LONGEST_WAIT, self.gate.acquire()).await;
        let on_roll = self.on_roll((api, times), &waits, address, calls).await;
        drop(waits);
        match on_roll {
            Ok(Some((users, left))) => kept(Ok(users), left, times, Vec::is_empty),
            Ok(None) => self.searched((api, times), address, calls).await,
            Err(error) => (Err(error), Duration::ZERO),
        }
    }

    /// One search.
    async fn searched(&self, (api, times): (&Api, &Times), address: &AddrSpec, calls: &Calls) -> Brought<Vec<User>> {
        let found = search(api, address, calls).await;
        let is_further = |user: &User| !is_same(&user.emailaddress, address);
        if found.as_ref().is_ok_and(|users| users.iter().any(is_further)) {
            self.further.note(address);
        }
        kept(found, times.users, times, Vec::is_empty)
    }

    /// What the roll says, and for how long; nothing where there is none or it can't say.
    async fn on_roll(
        &self,
        (api, times): (&Api, &Times),
        waits: &Waits<'_>,
        address: &AddrSpec,
        calls: &Calls,
    ) -> Result<Option<(Vec<User>, Duration)>> {
        let mut kept = self.roll.lock().await;
        kept.forget_old(times);
        if kept.roll.is_none() {
            if let Some((_, error)) = kept.failure.as_ref().filter(|(ended, _)| *ended >= waits.since) {
                return Err(error.clone());
            }
            let waiting = waits.count();
            if is_cheaper(waiting, kept.size) {
                kept.read((api, times), waiting, calls).await?;
            }
        }
        let Some(roll) = &kept.roll else { return Ok(None) };
        let left = roll.left(times.users);
        let may_be_further = self.absence_is_confirmed_by_search.load(Ordering::Relaxed) || self.further.holds(address);
        let said = roll.users(address, may_be_further);
        let said = said.filter(|users| !self.written().concerns(address, users, roll.began));
        Ok(said.filter(|_| !left.is_zero()).map(|users| (users, left)))
    }

    /// Forgets what is out of date.
    pub(super) fn sweep(&self, times: &Times) {
        self.answers.sweep();
        // One that is being read is young.
        if let Ok(mut kept) = self.roll.try_lock() {
            kept.forget_old(times);
        }
    }

    /// Whether it is known that nobody has this address.
    pub(super) fn is_absent(&self, address: &AddrSpec) -> bool {
        self.answers.holds(address, Vec::is_empty)
    }

    /// The user who was created for an address that nobody had.
    pub(super) fn put(&self, address: &AddrSpec, user: &User, times: &Times) {
        self.answers.put(address.clone(), vec![user.clone()], times.users);
    }

    /// For as long as the returned value lives, a user is created for this address: what is known of it is forgotten
    /// before and after.
    pub(super) fn creates<'a>(&'a self, address: &'a AddrSpec, times: &'a Times) -> Creates<'a> {
        let creates = Creates {
            lookups: self,
            address,
            times,
        };
        creates.forget();
        creates
    }

    /// A user was changed. Under which addresses this one is known isn't known.
    pub(super) fn changed(&self, user: UserId, times: &Times) {
        let now = moment();
        let mut written = self.written();
        written.forget_old(now, times.users);
        written.changed(user, now);
        drop(written);
        self.answers.clear();
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the roll costs fewer requests than a search for each who waits.
fn is_cheaper(waiting: usize, size: Size) -> bool {
    match size {
        Size::Unknown => waiting >= WORTH_ASKING,
        Size::Requests(requests) => waiting > requests,
        Size::Unusable => false,
    }
}

/// The roll that was read last, and what became of the last attempt to read one.
#[derive(Debug)]
struct Kept {
    roll: Option<Roll>,
    size: Size,
    size_is_of: Instant,
    failure: Option<(Instant, HaloError)>,
}

impl Kept {
    fn new() -> Kept {
        Kept {
            roll: None,
            size: Size::Unknown,
            size_is_of: moment(),
            failure: None,
        }
    }

    fn forget_old(&mut self, times: &Times) {
        self.roll = self.roll.take().filter(|roll| !roll.left(times.users).is_zero());
        if moment().saturating_duration_since(self.size_is_of) >= REMEMBERED {
            self.size = Size::Unknown;
        }
    }

    /// Reads the roll. A fault of the connection is everybody's who waits: else each would wait it out by itself.
    async fn read(&mut self, (api, times): (&Api, &Times), most: usize, calls: &Calls) -> Result<()> {
        let began = moment();
        let (roll, size) = match roll::read(api, most, calls).await {
            Err(error) if error.is_of_connection() => {
                self.failure = Some((moment(), error.clone()));
                return Err(error);
            }
            // A server may answer searches and be no match for the whole listing.
            Err(_) => (None, Size::Unusable),
            Ok(read) => read,
        };
        self.roll = roll;
        // One that is old when it is there is not read again soon.
        let is_slow = moment().saturating_duration_since(began) > times.users / 2;
        self.size = if is_slow { Size::Unusable } else { size };
        self.size_is_of = moment();
        Ok(())
    }
}

/// A creation under way.
pub(super) struct Creates<'a> {
    lookups: &'a Lookups,
    address: &'a AddrSpec,
    times: &'a Times,
}

impl Creates<'_> {
    fn forget(&self) {
        let now = moment();
        let mut written = self.lookups.written();
        written.forget_old(now, self.times.users);
        written.created(self.address.clone(), now);
        drop(written);
        self.lookups.answers.forget(self.address);
    }
}

impl Drop for Creates<'_> {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roll_is_read_where_it_costs_fewer_requests_than_searches() {
        for (waiting, size, expected) in [
            (WORTH_ASKING - 1, Size::Unknown, false),
            (WORTH_ASKING, Size::Unknown, true),
            (1, Size::Requests(1), false),
            (2, Size::Requests(1), true),
            (11, Size::Requests(11), false),
            (12, Size::Requests(11), true),
            (9999, Size::Unusable, false),
        ] {
            assert_eq!(is_cheaper(waiting, size), expected, "{waiting} wait, {size:?}");
        }
    }
}
