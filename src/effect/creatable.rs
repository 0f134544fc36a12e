//! What a step may create, each once: how it is looked for, and how it is made.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    action::LARGEST_PAGE,
    halo::{
        Client, ListQuery, NewClient, NewUser, Reference, User,
        client::{Calls, Freshness, Halo, HaloError},
    },
};

/// A search for a client's name is read no further than this.
const MOST_PAGES: u32 = 50;
/// Whatever is asked for, a page with fewer rows than Halo's default size is the last one.
const SHORTEST_PAGE: usize = 50;

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
    async fn create(&self, halo: &Halo, calls: &Calls) -> Result<Self::Record, HaloError>;
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

    async fn create(&self, halo: &Halo, calls: &Calls) -> Result<User, HaloError> {
        halo.create_user(self, calls).await
    }
}

impl Creatable for NewClient {
    type Record = Client;
    const IS_LIMITED: bool = false;

    fn id(record: &Client) -> i64 {
        record.id.0
    }

    async fn look(&self, halo: &Halo, freshness: Freshness, calls: &Calls) -> Result<Vec<Client>, HaloError> {
        if freshness == Freshness::Cached {
            return halo.clients_by(&Reference::Name(self.name.clone()), calls).await;
        }
        let mut found = BTreeMap::new();
        for page_no in 1..=MOST_PAGES {
            let (page, known) = (
                halo.query_clients(&by_name(&self.name, page_no), calls).await?,
                found.len(),
            );
            let came = page.rows.len();
            found.extend(page.rows.into_iter().map(|client| (client.id, client)));
            if came < SHORTEST_PAGE || found.len() == known {
                break;
            }
        }
        Ok(named(found.into_values().collect(), &self.name))
    }

    async fn create(&self, halo: &Halo, calls: &Calls) -> Result<Client, HaloError> {
        halo.create_client(self, calls).await
    }
}

/// Those of that name; where none is written the same way, those that differ in case alone.
fn named(clients: Vec<Client>, name: &str) -> Vec<Client> {
    let (same, others): (Vec<_>, Vec<_>) = clients
        .into_iter()
        .partition(|client| client.name.trim() == name.trim());
    if !same.is_empty() {
        return same;
    }
    let folded = name.trim().to_lowercase();
    let alike = |client: &Client| client.name.trim().to_lowercase() == folded;
    others.into_iter().filter(alike).collect()
}

/// Asks Halo itself for clients whose name holds `name`.
fn by_name(name: &str, page_no: u32) -> ListQuery {
    ListQuery {
        search: name.to_owned(),
        client: None,
        site: None,
        domain: String::new(),
        include_active: true,
        include_inactive: false,
        page_size: LARGEST_PAGE,
        page_no,
        order_by: "id".to_owned(),
        order_descending: false,
    }
}
