//! What a step may create, each once: how it is looked for, and how it is made.

use serde::Serialize;

use super::Ensured;
use crate::halo::{
    Client, NewClient, NewUser, User,
    alike::instead_of_another,
    client::{Calls, Freshness, Halo, HaloError},
};

/// What can be looked for and created: a user by its address, a client by its name.
pub(super) trait Creatable: Sync {
    /// What Halo makes of it.
    type Record: Serialize + Send + Sync;
    /// Whether `new_users` limits them.
    const IS_LIMITED: bool;
    /// Halo's id of a record.
    fn id(record: &Self::Record) -> i64;
    /// Those that are there, the one to be used first.
    async fn look(&self, halo: &Halo, freshness: Freshness, calls: &Calls) -> Result<Vec<Self::Record>, HaloError>;
    async fn create(&self, halo: &Halo, calls: &Calls) -> Result<Ensured<Self::Record>, HaloError>;
}

impl Creatable for NewUser {
    type Record = User;
    const IS_LIMITED: bool = true;

    fn id(record: &User) -> i64 {
        record.id.0
    }

    async fn look(&self, halo: &Halo, freshness: Freshness, calls: &Calls) -> Result<Vec<User>, HaloError> {
        halo.users_with_address(&self.emailaddress, freshness, calls).await
    }

    async fn create(&self, halo: &Halo, calls: &Calls) -> Result<Ensured<User>, HaloError> {
        let created = halo.create_user(self, calls).await?;
        Ok(Ensured {
            record: created.user,
            existed: created.existed,
        })
    }
}

impl Creatable for NewClient {
    type Record = Client;
    const IS_LIMITED: bool = false;

    fn id(record: &Client) -> i64 {
        record.id.0
    }

    async fn look(&self, halo: &Halo, freshness: Freshness, calls: &Calls) -> Result<Vec<Client>, HaloError> {
        let alike = halo.clients_alike(&self.name, freshness, calls).await?;
        Ok(instead_of_another(&alike, &self.name))
    }

    async fn create(&self, halo: &Halo, calls: &Calls) -> Result<Ensured<Client>, HaloError> {
        let record = halo.create_client(self, calls).await?;
        Ok(Ensured { record, existed: false })
    }
}
