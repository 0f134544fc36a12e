//! `find_halo_user_and_client`: whose address it is: by address, else by domain, else the default client.

use super::{
    Fields, StepError,
    fields::{client_shape, client_value, site_shape, site_value, user_shape, user_value},
    resolve,
};
use crate::{
    config::{ConnectionName, DomainTarget, HaloConfig},
    effect::{Ask, Effect, Effects, Readable},
    expression::{Shared, is_freemail_domain, shape::Shape},
    halo::{
        Agent, Client, ClientId, Reference, Site, User,
        fault::{Fault, Named},
    },
    message::address::AddrSpec,
};

/// What was found, and how.
#[derive(Default)]
pub(super) struct Found {
    pub user: Option<User>,
    pub client: Option<Client>,
    pub site: Option<Site>,
    pub agent: Option<Agent>,
    /// `"email"`, `"domain"`, `"default"` or `"none"`.
    pub matched_by: &'static str,
    pub ambiguous: bool,
}

/// Finds.
pub async fn perform(
    fields: &Fields,
    connection: &ConnectionName,
    halo: &HaloConfig,
    dmarc_failed: bool,
    effects: &mut Effects<'_>,
) -> Result<Shared, StepError> {
    let found = find(fields, (connection, halo), dmarc_failed, effects).await?;
    Ok(Shared::record([
        ("user", found.user.as_ref().map(user_value).into()),
        ("client", found.client.as_ref().map(client_value).into()),
        ("site", found.site.as_ref().map(site_value).into()),
        ("agent", found.agent.as_ref().map(agent_value).into()),
        ("matched_by", found.matched_by.into()),
        ("ambiguous", found.ambiguous.into()),
    ]))
}

fn agent_value(agent: &Agent) -> Shared {
    Shared::record([
        ("id", agent.id.into()),
        ("name", agent.name.as_str().into()),
        ("email", agent.email.as_str().into()),
    ])
}

/// Whose address `email_address` is. Nothing found is a result, not an error; an address that is none is matched by
/// `default_client` alone, and so is a sender whose DMARC failed.
pub(super) async fn find(
    fields: &Fields,
    (connection, halo): (&ConnectionName, &HaloConfig),
    dmarc_failed: bool,
    effects: &mut Effects<'_>,
) -> Result<Found, StepError> {
    let mut finder = Finder {
        connection,
        halo,
        effects,
    };
    let address = AddrSpec::parse(&fields.text("email_address"))
        .ok()
        .filter(|_| !dmarc_failed);
    let mut found = match &address {
        Some(address) => finder.by_address_or_domain(address).await?,
        None => Found {
            matched_by: "none",
            ..Found::default()
        },
    };
    if found.matched_by == "none"
        && let Some(client) = resolve::client(fields, "default_client", connection, finder.effects).await?
    {
        found.site = finder.main_site(client.id).await?;
        found.client = Some(client);
        found.matched_by = "default";
    }
    Ok(found)
}

/// Whose exact address it is.
pub(super) async fn by_address(
    address: &AddrSpec,
    (connection, halo): (&ConnectionName, &HaloConfig),
    effects: &mut Effects<'_>,
) -> Result<Found, StepError> {
    let mut finder = Finder {
        connection,
        halo,
        effects,
    };
    finder.by_address(address).await
}

struct Finder<'f, 'e> {
    connection: &'f ConnectionName,
    halo: &'f HaloConfig,
    effects: &'f mut Effects<'e>,
}

impl Finder<'_, '_> {
    async fn by_address_or_domain(&mut self, address: &AddrSpec) -> Result<Found, StepError> {
        let found = self.by_address(address).await?;
        if found.matched_by == "email" {
            return Ok(found);
        }
        let domain = address.domain();
        let freemail = is_freemail_domain(domain) || self.halo.freemail_domains.iter().any(|free| free == domain);
        if !freemail && let Some(by_domain) = self.by_domain(domain).await? {
            let agent = found.agent;
            return Ok(Found { agent, ..by_domain });
        }
        Ok(found)
    }

    async fn by_address(&mut self, address: &AddrSpec) -> Result<Found, StepError> {
        let mut agent: Option<Agent> = self
            .ask(Ask::AgentWithAddress {
                address: address.clone(),
            })
            .await?;
        let mut users: Vec<User> = self
            .ask(Ask::UsersWithAddress {
                address: address.clone(),
            })
            .await?;
        // Agents may not be readable, and then their users still say who they are.
        agent = agent.or_else(|| users.iter().find_map(agent_of));
        users.retain(|user| !user.inactive && user.is_person());
        let ambiguous = users.len() > 1;
        if !users.is_empty() {
            let user = users.remove(0);
            let (client, site) = self.home_of(&user).await?;
            return Ok(Found {
                user: Some(user),
                client,
                site,
                agent,
                matched_by: "email",
                ambiguous,
            });
        }
        Ok(Found {
            agent,
            matched_by: "none",
            ..Found::default()
        })
    }

    async fn home_of(&mut self, user: &User) -> Result<(Option<Client>, Option<Site>), StepError> {
        let site = match user.site_id {
            Some(site) => self.site(site.0).await?,
            None => None,
        };
        let client = match user.client_id.or_else(|| site.as_ref().and_then(|site| site.client_id)) {
            Some(client) => self.client(client).await?,
            None => None,
        };
        Ok((client, site))
    }

    async fn by_domain(&mut self, domain: &str) -> Result<Option<Found>, StepError> {
        if let Some(target) = self.halo.domains.get(domain) {
            return self.mapped(domain, target).await.map(Some);
        }
        let mut sites: Vec<Site> = self
            .ask(Ask::SitesOfDomain {
                domain: domain.to_owned(),
            })
            .await?;
        sites.retain(|site| !site.inactive);
        sites.sort_by_key(|site| site.id);
        if let Some(site) = sites.first().cloned() {
            let ambiguous = sites.iter().any(|other| other.client_id != site.client_id);
            let client = match site.client_id {
                Some(client) => self.client(client).await?,
                None => None,
            };
            return Ok(Some(Found {
                client,
                site: Some(site),
                matched_by: "domain",
                ambiguous,
                ..Found::default()
            }));
        }
        let mut clients: Vec<Client> = self
            .ask(Ask::ClientsOfDomain {
                domain: domain.to_owned(),
            })
            .await?;
        clients.retain(|client| !client.inactive);
        clients.sort_by_key(|client| client.id);
        let Some(client) = clients.first().cloned() else {
            return Ok(None);
        };
        let site = self.main_site(client.id).await?;
        let ambiguous = clients.len() > 1;
        Ok(Some(Found {
            client: Some(client),
            site,
            matched_by: "domain",
            ambiguous,
            ..Found::default()
        }))
    }

    /// The operator's own map. A client or site that it names and Halo has not is the configuration's fault,
    /// so it is one of the connection.
    async fn mapped(&mut self, domain: &str, target: &DomainTarget) -> Result<Found, StepError> {
        let connection = self.connection;
        let gone = |what: Named| StepError::Connection {
            connection: connection.clone(),
            reason: format!(
                "[halo.{connection}.domains] {domain:?} names the {what}, which Halo has not exactly once; correct it"
            ),
            fault: Fault::Missing(what),
            until: None,
        };
        let clients: Vec<Client> = self
            .ask(Ask::Clients {
                client: target.client.clone(),
            })
            .await?;
        let [client] = <[Client; 1]>::try_from(clients).map_err(|_| gone(Named::Client(target.client.clone())))?;
        let site = match &target.site {
            None => self.main_site(client.id).await?,
            Some(reference) => {
                let ask = Ask::Sites {
                    client: Some(client.id),
                    site: reference.clone(),
                };
                let sites: Vec<Site> = self.ask(ask).await?;
                let [site] =
                    <[Site; 1]>::try_from(sites).map_err(|_| gone(Named::Site(Some(client.id), reference.clone())))?;
                Some(site)
            }
        };
        Ok(Found {
            client: Some(client),
            site,
            matched_by: "domain",
            ..Found::default()
        })
    }

    async fn main_site(&mut self, client: ClientId) -> Result<Option<Site>, StepError> {
        self.ask(Ask::MainSite { client }).await
    }

    async fn client(&mut self, id: ClientId) -> Result<Option<Client>, StepError> {
        let found: Vec<Client> = self
            .ask(Ask::Clients {
                client: Reference::Id(id.0),
            })
            .await?;
        Ok(found.into_iter().next())
    }

    async fn site(&mut self, id: i64) -> Result<Option<Site>, StepError> {
        let found: Vec<Site> = self
            .ask(Ask::Sites {
                client: None,
                site: Reference::Id(id),
            })
            .await?;
        Ok(found.into_iter().next())
    }

    async fn ask<T: Readable>(&mut self, ask: Ask) -> Result<T, StepError> {
        self.effects
            .ask(Effect::Halo {
                connection: self.connection.clone(),
                ask,
            })
            .await
    }
}

fn agent_of(user: &User) -> Option<Agent> {
    Some(Agent {
        id: user.agent()?,
        name: user.name.clone(),
        email: user.emailaddress.clone(),
    })
}

/// What the step stores.
pub fn result_shape() -> Shape {
    let agent = Shape::record([("id", Shape::Number), ("name", Shape::Text), ("email", Shape::Text)]);
    Shape::record([
        ("user", Shape::nullable(user_shape())),
        ("client", Shape::nullable(client_shape())),
        ("site", Shape::nullable(site_shape())),
        ("agent", Shape::nullable(agent)),
        ("matched_by", Shape::Text),
        ("ambiguous", Shape::Truth),
    ])
}
