//! What was written lately: a listing that was begun before that does not show it, or not as it is now.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{User, UserId};
use crate::message::address::AddrSpec;

/// Addresses for which a user was created, and users that were changed, each with the time.
#[derive(Debug, Default)]
pub(super) struct Written {
    addresses: HashMap<AddrSpec, Instant>,
    users: HashMap<UserId, Instant>,
}

impl Written {
    /// No listing that is older than `life` is believed, so what was written earlier is forgotten.
    pub(super) fn forget_old(&mut self, now: Instant, life: Duration) {
        let is_young = |at: &mut Instant| now.saturating_duration_since(*at) <= life;
        self.addresses.retain(|_, at| is_young(at));
        self.users.retain(|_, at| is_young(at));
    }

    pub(super) fn created(&mut self, address: AddrSpec, now: Instant) {
        self.addresses.insert(address, now);
    }

    pub(super) fn changed(&mut self, user: UserId, now: Instant) {
        self.users.insert(user, now);
    }

    /// Whether what a listing begun at that time says of this address may be out of date.
    pub(super) fn concerns(&self, address: &AddrSpec, said: &[User], began: Instant) -> bool {
        let is_after = |at: Option<&Instant>| at.is_some_and(|&at| at >= began);
        is_after(self.addresses.get(address)) || said.iter().any(|user| is_after(self.users.get(&user.id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_concerns_the_listings_begun_before_it_alone() {
        let (start, ms) = (Instant::now(), Duration::from_millis(1));
        let address = |text| AddrSpec::parse(text).unwrap();
        let user = super::super::wire::user(&serde_json::json!({"id": 7, "emailaddress": "gone@acme.example"}));
        let said = [user.unwrap()];
        let (new, gone) = (address("new@acme.example"), address("gone@acme.example"));
        let mut written = Written::default();
        written.created(new.clone(), start + ms);
        written.changed(UserId(7), start + ms);
        for (address, said) in [(&new, &[][..]), (&gone, &said)] {
            assert!(written.concerns(address, said, start));
            assert!(!written.concerns(address, said, start + 2 * ms));
        }
        assert!(!written.concerns(&gone, &[], start));
        written.forget_old(start + 9 * ms, 5 * ms);
        assert!(!written.concerns(&new, &said, start));
    }
}
