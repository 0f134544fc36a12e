//! What a dry run takes for true where Halo is not asked, and the requests that would ask it.

use serde_json::{Value, json};

use super::{Assume, INVENTED, value};
use crate::{
    effect::Ask,
    halo::{Agent, Client, ClientId, Reference, Site, SiteId, User, UserId, choice::Choice, client::Call, unsent},
};

/// The requests that would ask it; of a list the first page.
pub(super) fn requests(ask: &Ask) -> Vec<Call> {
    let one = match ask {
        Ask::UsersWithAddress { address } => return unsent::users_with_address(address),
        Ask::AgentWithAddress { .. } => unsent::agents(),
        Ask::Clients { client } => unsent::client(client),
        Ask::Sites { client, site } => unsent::site(*client, site),
        Ask::QueryUsers { query } => unsent::query_users(query),
        Ask::QueryClients { query } => unsent::query_clients(query),
        Ask::QuerySites { query } => unsent::query_sites(query),
        Ask::User { user } => unsent::user(*user),
        Ask::Choices { list, .. } => unsent::choices(*list),
        Ask::HaloMailboxes => unsent::mailboxes(),
        Ask::Ticket { ticket } => unsent::ticket(*ticket),
        Ask::QueryTickets { query } => unsent::query_tickets(query),
        _ => return Vec::new(),
    };
    vec![one]
}

/// The answer; none where nothing is assumed.
pub(super) fn assumption(ask: &Ask, assume: Assume) -> Option<Value> {
    let known = assume == Assume::Known;
    let (client_id, site_id) = (ClientId(INVENTED), SiteId(INVENTED));
    Some(match ask {
        Ask::UsersWithAddress { address } if known => value(&[invented_user(UserId(INVENTED), address.as_str())]),
        Ask::UsersWithAddress { .. } => json!([]),
        Ask::AgentWithAddress { .. } => value(&None::<Agent>),
        Ask::SitesOfDomain { .. } | Ask::ClientsOfDomain { .. } => json!([]),
        Ask::ClientsAlike { .. } | Ask::SitesAlike { .. } => json!([]),
        Ask::Clients {
            client: Reference::Id(id),
        } => value(&[invented_client(ClientId(*id), "(assumed)", site_id)]),
        Ask::Clients {
            client: Reference::Name(name),
        } => value(&[invented_client(client_id, name, site_id)]),
        Ask::Sites {
            client,
            site: Reference::Id(id),
        } => value(&[invented_site(SiteId(*id), "(assumed)", *client)]),
        Ask::Sites {
            client,
            site: Reference::Name(name),
        } => value(&[invented_site(site_id, name, *client)]),
        Ask::User { user } => value(&Some(invented_user(*user, "(assumed)"))),
        Ask::Choices { choice, .. } => value(&[invented_choice(choice)]),
        Ask::ChoicesAlike { .. } | Ask::HaloMailboxes => json!([]),
        Ask::MainSite { client } => value(&Some(invented_site(site_id, "(assumed)", Some(*client)))),
        _ => return None,
    })
}

pub(super) fn invented_user(id: UserId, address: &str) -> User {
    User {
        id,
        name: address.to_owned(),
        emailaddress: address.to_owned(),
        other_addresses: Vec::new(),
        client_id: Some(ClientId(INVENTED)),
        client_name: "(assumed)".to_owned(),
        site_id: Some(SiteId(INVENTED)),
        site_name: "(assumed)".to_owned(),
        inactive: false,
        raw: json!({}).into(),
    }
}

pub(super) fn invented_client(id: ClientId, name: &str, site: SiteId) -> Client {
    Client {
        id,
        name: name.to_owned(),
        main_site_id: Some(site),
        website: String::new(),
        domain: String::new(),
        inactive: false,
        raw: json!({}).into(),
    }
}

fn invented_choice(choice: &Reference) -> Choice {
    let (id, name) = match choice {
        Reference::Id(id) => (*id, "(assumed)"),
        Reference::Name(name) => (INVENTED, name.as_str()),
    };
    Choice {
        id,
        name: name.to_owned(),
        inactive: false,
    }
}

pub(super) fn invented_site(id: SiteId, name: &str, client: Option<ClientId>) -> Site {
    Site {
        id,
        name: name.to_owned(),
        client_id: client,
        client_name: "(assumed)".to_owned(),
        email_domains: Vec::new(),
        inactive: false,
        raw: json!({}).into(),
    }
}
