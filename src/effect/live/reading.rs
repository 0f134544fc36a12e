//! What is asked of Halo and changes nothing.

use serde::Serialize;

use super::{Ask, Said, value};
use crate::halo::client::{Calls, Freshness, Halo, HaloError};

/// What has to be said about an answer, where it isn't the whole truth.
pub(in crate::effect) fn reservation(halo: &Halo, ask: &Ask) -> Option<String> {
    let is_blind = matches!(ask, Ask::AgentWithAddress { .. }) && halo.agents_are_hidden();
    is_blind.then(|| "agents can't be read, so nobody is taken for one".to_owned())
}

/// A question to Halo that changes nothing.
pub(in crate::effect) async fn read(halo: &Halo, ask: &Ask, calls: &Calls) -> Result<Said, HaloError> {
    Ok(match ask {
        Ask::UsersWithAddress { address } => {
            Said::Users(halo.users_with_address(address, Freshness::Cached, calls).await?)
        }
        Ask::Clients { client } => Said::Clients(halo.clients_by(client, calls).await?),
        Ask::Sites { client, site } => Said::Sites(halo.sites_by(*client, site, calls).await?),
        Ask::ClientsAlike { name } => Said::Clients(halo.clients_alike(name, Freshness::Cached, calls).await?),
        Ask::SitesAlike { client, name } => Said::Sites(halo.sites_alike(*client, name, calls).await?),
        Ask::SitesOfDomain { domain } => Said::Sites(halo.sites_of_domain(domain, calls).await?),
        Ask::ClientsOfDomain { domain } => Said::Clients(halo.clients_of_domain(domain, calls).await?),
        Ask::AgentWithAddress { address } => data(&halo.agent_with_address(address, calls).await?),
        Ask::MainSite { client } => data(&halo.main_site(*client, calls).await?),
        Ask::QueryUsers { query } => data(&halo.query_users(query, calls).await?),
        Ask::QueryClients { query } => data(&halo.query_clients(query, calls).await?),
        Ask::QuerySites { query } => data(&halo.query_sites(query, calls).await?),
        Ask::User { user } => data(&halo.user(*user, calls).await?),
        Ask::Choices { list, choice } => data(&halo.choices_by(*list, choice, calls).await?),
        Ask::ChoicesAlike { list, name } => data(&halo.choices_alike(*list, name, calls).await?),
        Ask::HaloMailboxes => data(&halo.mailbox_addresses(calls).await?),
        Ask::Ticket { ticket } => data(&halo.ticket(*ticket, calls).await?),
        Ask::QueryTickets { query } => data(&halo.query_tickets(query, calls).await?),
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

fn data(of: &impl Serialize) -> Said {
    Said::Data(value(of))
}
