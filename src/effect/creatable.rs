//! What a step may create, each once: how it is looked for, and how it is made.

use serde::Serialize;

use super::{Enclosed, Ensured};
use crate::halo::{
    Client, NewClient, NewUser, User,
    alike::instead_of_another,
    client::{Calls, Freshness, Halo, HaloError},
    ticket::{Action, File, NewAction, NewFile, NewTicket, Ticket},
};

/// What can be looked for and created: a user by its address, a client by its name, a ticket by its marker.
pub(super) trait Creatable: Sync {
    /// What Halo makes of it.
    type Record: Serialize + Send + Sync;
    /// Whether `new_users` limits them.
    const IS_LIMITED: bool = false;
    /// Whether somebody else may have made it already. Else only what was begun before is looked for.
    const MAY_BE_THERE: bool;
    /// Halo's id of a record.
    fn id(record: &Self::Record) -> i64;
    /// Those that are there, the one to be used first.
    async fn look(&self, halo: &Halo, freshness: Freshness, calls: &Calls) -> Result<Vec<Self::Record>, HaloError>;
    async fn create(&self, halo: &Halo, calls: &Calls) -> Result<Ensured<Self::Record>, HaloError>;
}

impl Creatable for NewUser {
    type Record = User;
    const IS_LIMITED: bool = true;
    const MAY_BE_THERE: bool = true;

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
    const MAY_BE_THERE: bool = true;

    fn id(record: &Client) -> i64 {
        record.id.0
    }

    async fn look(&self, halo: &Halo, freshness: Freshness, calls: &Calls) -> Result<Vec<Client>, HaloError> {
        let alike = halo.clients_alike(&self.name, freshness, calls).await?;
        Ok(instead_of_another(&alike, &self.name))
    }

    async fn create(&self, halo: &Halo, calls: &Calls) -> Result<Ensured<Client>, HaloError> {
        halo.create_client(self, calls).await.map(made)
    }
}

impl Creatable for NewTicket {
    type Record = Ticket;
    const MAY_BE_THERE: bool = false;

    fn id(record: &Ticket) -> i64 {
        record.id.0
    }

    async fn look(&self, halo: &Halo, _: Freshness, calls: &Calls) -> Result<Vec<Ticket>, HaloError> {
        halo.tickets_with_marker(self, calls).await
    }

    async fn create(&self, halo: &Halo, calls: &Calls) -> Result<Ensured<Ticket>, HaloError> {
        halo.create_ticket(self, calls).await.map(made)
    }
}

impl Creatable for NewAction {
    type Record = Action;
    const MAY_BE_THERE: bool = false;

    fn id(record: &Action) -> i64 {
        record.id.0
    }

    async fn look(&self, halo: &Halo, _: Freshness, calls: &Calls) -> Result<Vec<Action>, HaloError> {
        halo.same_actions(self, calls).await
    }

    async fn create(&self, halo: &Halo, calls: &Calls) -> Result<Ensured<Action>, HaloError> {
        halo.add_action(self, calls).await.map(made)
    }
}

/// A file, and where what it holds comes from.
pub(super) struct Enclosure<'a> {
    pub file: &'a NewFile,
    pub enclosed: &'a dyn Enclosed,
}

impl Creatable for Enclosure<'_> {
    type Record = File;
    const MAY_BE_THERE: bool = false;

    fn id(record: &File) -> i64 {
        record.id
    }

    async fn look(&self, halo: &Halo, _: Freshness, calls: &Calls) -> Result<Vec<File>, HaloError> {
        halo.same_files(self.file, calls).await
    }

    async fn create(&self, halo: &Halo, calls: &Calls) -> Result<Ensured<File>, HaloError> {
        let octets = self
            .enclosed
            .octets(self.file.number)
            .ok_or_else(|| HaloError::Refused {
                method: "POST".to_owned(),
                path: "/Attachment".to_owned(),
                status: 0,
                reason: format!("nothing was sent: the message holds no attachment {}", self.file.number),
            })?;
        halo.attach_file(self.file, &octets, calls).await.map(made)
    }
}

fn made<T>(record: T) -> Ensured<T> {
    Ensured { record, existed: false }
}
