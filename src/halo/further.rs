//! Addresses that were found as a user's `email2` or `email3`. Rows of a list don't show these fields, so of such an
//! address a whole listing says nothing.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::message::address::AddrSpec;

/// Few users have a further address, and fewer write from it: a large tenant's have room.
const MOST: usize = 4096;

/// The addresses, the one that was found last at the end.
#[derive(Debug, Default)]
pub(super) struct Further(Mutex<VecDeque<AddrSpec>>);

impl Further {
    /// A search has found a user by this address.
    pub(super) fn note(&self, address: &AddrSpec) {
        let mut known = self.known();
        known.retain(|other| other != address);
        known.push_back(address.clone());
        let surplus = known.len().saturating_sub(MOST);
        known.drain(..surplus);
    }

    pub(super) fn holds(&self, address: &AddrSpec) -> bool {
        self.known().contains(address)
    }

    pub(super) fn snapshot(&self) -> Vec<AddrSpec> {
        self.known().iter().cloned().collect()
    }

    pub(super) fn restore(&self, snapshot: &[AddrSpec]) {
        snapshot.iter().for_each(|address| self.note(address));
    }

    fn known(&self) -> MutexGuard<'_, VecDeque<AddrSpec>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_was_found_longest_ago_goes_first() {
        let (further, address) = (Further::default(), |n: usize| {
            AddrSpec::parse(&format!("n{n}@acme.example")).unwrap()
        });
        (0..MOST).for_each(|number| further.note(&address(number)));
        further.note(&address(0));
        further.note(&address(MOST));
        assert!(further.holds(&address(0)) && !further.holds(&address(1)) && further.holds(&address(2)));

        let restored = Further::default();
        restored.restore(&further.snapshot());
        assert_eq!(restored.snapshot(), further.snapshot());
        assert_eq!(restored.snapshot().len(), MOST);
    }
}
