//! What is asked of Halo and changes nothing.

use serde_json::Value;

use super::{Ask, value};
use crate::halo::client::{Calls, Freshness, Halo, HaloError};

/// What has to be said about an answer, where it isn't the whole truth.
pub(in crate::effect) fn reservation(halo: &Halo, ask: &Ask) -> Option<String> {
    let is_blind = matches!(ask, Ask::AgentWithAddress { .. }) && halo.agents_are_hidden();
    is_blind.then(|| "agents can't be read, so nobody is taken for one".to_owned())
}

/// A question to Halo that changes nothing.
pub(in crate::effect) async fn read(halo: &Halo, ask: &Ask, calls: &Calls) -> Result<Value, HaloError> {
    Ok(match ask {
        Ask::UsersWithAddress { address } => value(&halo.users_with_address(address, Freshness::Cached, calls).await?),
        Ask::AgentWithAddress { address } => value(&halo.agent_with_address(address, calls).await?),
        Ask::Clients { client } => value(&halo.clients_by(client, calls).await?),
        Ask::Sites { client, site } => value(&halo.sites_by(*client, site, calls).await?),
        Ask::ClientsAlike { name } => value(&halo.clients_alike(name, Freshness::Cached, calls).await?),
        Ask::SitesAlike { client, name } => value(&halo.sites_alike(*client, name, calls).await?),
        Ask::MainSite { client } => value(&halo.main_site(*client, calls).await?),
        Ask::SitesOfDomain { domain } => value(&halo.sites_of_domain(domain, calls).await?),
        Ask::ClientsOfDomain { domain } => value(&halo.clients_of_domain(domain, calls).await?),
        Ask::QueryUsers { query } => value(&halo.query_users(query, calls).await?),
        Ask::QueryClients { query } => value(&halo.query_clients(query, calls).await?),
        Ask::QuerySites { query } => value(&halo.query_sites(query, calls).await?),
        Ask::User { user } => value(&halo.user(*user, calls).await?),
        Ask::Choices { list, choice } => value(&halo.choices_by(*list, choice, calls).await?),
        Ask::ChoicesAlike { list, name } => value(&halo.choices_alike(*list, name, calls).await?),
        Ask::HaloMailboxes => value(&halo.mailbox_addresses(calls).await?),
        Ask::Ticket { ticket } => value(&halo.ticket(*ticket, calls).await?),
        Ask::QueryTickets { query } => value(&halo.query_tickets(query, calls).await?),
        Ask::TicketsOfConversation { .. } | Ask::TookPart { .. } | Ask::Join { .. } | Ask::Fold { .. } => {
            unreachable!("our journal is asked")
        }
        Ask::EnsureUser { .. }
        | Ask::ReactivateUser { .. }
        | Ask::EnsureClient { .. }
        | Ask::CreateTicket { .. }
        | Ask::ChangeTicket { .. }
        | Ask::AddAction { .. }
        | Ask::AttachFile { .. }
        | Ask::UploadPicture { .. } => {
            unreachable!("writes have their own way")
        }
    })
}
