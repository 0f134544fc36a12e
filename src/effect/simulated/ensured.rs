//! Users and clients that a dry run would make or find.

use serde_json::json;

use super::{
    Lookups, Simulated,
    assumed::{invented_client, invented_site, invented_user},
    made::of,
    recorded::Kind,
};
use crate::{
    action::StepError,
    config::ConnectionName,
    effect::{Answer, Ask, Asking, Ensured, Readable},
    halo::{Client, ClientId, NewClient, NewUser, Site, SiteId, User, UserId, alike::instead_of_another, unsent},
};

impl Simulated {
    pub(super) async fn ensure_user(
        &self,
        connection: &ConnectionName,
        user: &NewUser,
        asking: &Asking<'_>,
    ) -> Result<Ensured<User>, StepError> {
        let address = user.emailaddress.clone();
        let found = match self.found_user(connection, user) {
            Some(record) => Some(record),
            None => {
                let ask = Ask::UsersWithAddress { address };
                first::<User>(self.read(connection, &ask, asking).await?)
            }
        };
        if let Some(record) = found {
            self.made().existing.push((connection.clone(), record.clone()));
            return Ok(Ensured { record, existed: true });
        }
        asking.calls.note(unsent::create_user(user));
        let mut made = self.made();
        let record = User {
            id: UserId(made.new_id()),
            name: user.name.clone(),
            emailaddress: user.emailaddress.to_string(),
            other_addresses: Vec::new(),
            client_id: Some(user.client_id),
            client_name: String::new(),
            site_id: Some(user.site_id),
            site_name: String::new(),
            inactive: false,
            raw: json!({}).into(),
        };
        made.users.push((connection.clone(), record.clone()));
        Ok(Ensured { record, existed: false })
    }

    pub(super) async fn ensure_client(
        &self,
        connection: &ConnectionName,
        client: &NewClient,
        asking: &Asking<'_>,
    ) -> Result<Ensured<Client>, StepError> {
        let named = Ask::ClientsAlike {
            name: client.name.clone(),
        };
        // That a client is there may be assumed where it is named, not where it is to be made.
        let found = match &self.lookups {
            Lookups::Assumed(_) => {
                let made = self.made().overlay(connection, &named);
                made.map(|made| Answer {
                    value: made.into(),
                    assumed: None,
                })
            }
            Lookups::Online(_) | Lookups::Recorded(_) => match self.found_client(connection, client) {
                Some(record) => return Ok(Ensured { record, existed: true }),
                None => Some(self.read(connection, &named, asking).await?),
            },
        };
        let alike: Vec<Client> = found.and_then(|answer| answer.value.read().ok()).unwrap_or_default();
        if let Some(record) = instead_of_another(&alike, &client.name).into_iter().next() {
            return Ok(Ensured { record, existed: true });
        }
        asking.calls.note(unsent::create_client(client));
        let mut made = self.made();
        let (id, site) = (ClientId(made.new_id()), SiteId(made.new_id()));
        let record = Client {
            website: client.website.clone(),
            ..invented_client(id, &client.name, site)
        };
        let site = Site {
            client_name: client.name.clone(),
            ..invented_site(site, &client.site_name, Some(id))
        };
        made.clients.push((connection.clone(), record.clone()));
        made.sites.push((connection.clone(), site));
        Ok(Ensured { record, existed: false })
    }

    pub(super) fn reactivate(&self, connection: &ConnectionName, id: UserId, asking: &Asking<'_>) -> User {
        asking.calls.note(unsent::reactivate_user(id));
        let made = self.made();
        let known = of(&made.existing, connection, |user| user.id == id);
        let user = known
            .first()
            .map_or_else(|| invented_user(id, ""), |user| (*user).clone());
        User {
            inactive: false,
            ..user
        }
    }

    /// The one that was found when the message ran, where it should have been created with other fields perhaps.
    fn found_user(&self, connection: &ConnectionName, user: &NewUser) -> Option<User> {
        let then = self.then()?;
        let found = then.found_user(connection, &user.emailaddress)?;
        let is_gone = self.made().is_not_there(then, connection, Kind::User, found.id.0);
        (!is_gone).then(|| found.clone())
    }

    /// The same of a client.
    fn found_client(&self, connection: &ConnectionName, client: &NewClient) -> Option<Client> {
        let then = self.then()?;
        let found = then.found_client(connection, &client.name)?;
        let is_gone = self.made().is_not_there(then, connection, Kind::Client, found.id.0);
        (!is_gone).then(|| found.clone())
    }
}

fn first<T: Readable>(answer: Answer) -> Option<T> {
    let records: Vec<T> = answer.value.read().unwrap_or_default();
    records.into_iter().next()
}
