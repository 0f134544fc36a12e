//! Users created and changed: what is sent, and what it makes of the answers to lookups.

use super::{
    NewUser, User, UserId,
    api::Api,
    client::{Calls, HaloError},
    lookups::Lookups,
    times::Times,
    users::{creation, reactivation, user_in},
};

type Result<T> = std::result::Result<T, HaloError>;

/// Where users of one connection are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writes<'a> {
    pub api: &'a Api,
    pub lookups: &'a Lookups,
    pub times: &'a Times,
}

impl Writes<'_> {
    /// Creates a user. The look before it, and the look after an uncertain
    /// answer, are the caller's.
    pub(super) async fn create(&self, user: &NewUser, calls: &Calls) -> Result<User> {
        let address = &user.emailaddress;
        let was_absent = self.lookups.is_absent(address);
        let creates = self.lookups.creates(address, self.times);
        let request = creation(user);
        let answered = self.api.ask(&request, calls).await;
        let created = answered.and_then(|answer| user_in(&request, answer));
        drop(creates);
        if let Some(user) = created.as_ref().ok().filter(|_| was_absent) {
            self.lookups.put(address, user, self.times);
        }
        created
    }

    /// Makes an inactive user active.
    pub(super) async fn reactivate(&self, user: UserId, calls: &Calls) -> Result<User> {
        self.lookups.changed(user, self.times);
        let request = reactivation(user);
        let answered = self.api.ask(&request, calls).await;
        self.lookups.changed(user, self.times);
        user_in(&request, answered?)
    }
}
