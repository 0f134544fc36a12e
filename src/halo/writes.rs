//! Users created and changed: what is sent, and what it makes of the answers to lookups.

use super::{
    Created, NewUser, User, UserId,
    api::Api,
    client::{Calls, Freshness, HaloError},
    gather::Gather,
    lookups::Lookups,
    times::Times,
    users::{reactivation, user_in},
};

type Result<T> = std::result::Result<T, HaloError>;

/// Where users of one connection are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writes<'a> {
    pub api: &'a Api,
    pub lookups: &'a Lookups,
    pub gather: &'a Gather,
    pub times: &'a Times,
}

impl Writes<'_> {
    /// Creates a user, together with others where they wait. The look before it, and the look after an uncertain
    /// answer, are the caller's.
    pub(super) async fn create(&self, user: &NewUser, calls: &Calls) -> Result<Created> {
        let address = &user.emailaddress;
        let was_absent = self.lookups.is_absent(address);
        let creates = self.lookups.creates(address, self.times);
        let created = match self.gather.create(self.api, user, calls).await {
            Some(user) => user.map(made),
            None => self.create_after_refusal(user, calls).await,
        };
        drop(creates);
        if let Some(created) = created.as_ref().ok().filter(|created| was_absent && !created.existed) {
            self.lookups.put(address, &created.user, self.times);
        }
        created
    }

    /// An array with this one in it was refused: perhaps because of another one, after this one was made, and perhaps
    /// because of this one, since there is one.
    async fn create_after_refusal(&self, user: &NewUser, calls: &Calls) -> Result<Created> {
        let of = (self.api, self.times);
        let look = self
            .lookups
            .with_address(of, (&user.emailaddress, Freshness::Fresh), calls);
        match look.await?.into_iter().next() {
            Some(found) => Ok(Created {
                existed: !user.is(&found),
                user: found,
            }),
            None => self.gather.create_alone(self.api, user, calls).await.map(made),
        }
    }

    /// Makes an inactive user active.
    pub(super) async fn reactivate(&self, user: UserId, calls: &Calls) -> Result<User> {
        self.lookups.changed(user, self.times);
        let request = reactivation(user);
        let answered = self.api.ask(&request, calls).await;
        self.lookups.changed(user, self.times);
        user_in(&request, &answered?, |shown| shown.id == user)
    }
}

fn made(user: User) -> Created {
    Created { user, existed: false }
}
