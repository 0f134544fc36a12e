//! `halo clients|sites|users`: what the connection sees, with ids, to choose from.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Common, Ended, Failure, Format, Status, print, runtime};
use crate::{
    config::{Config, ConnectionName, fault::suggest},
    halo::{
        Client, ClientId, Reference, Site, User,
        client::{Calls, Halo as Connection, HaloError},
    },
};

/// Lists the clients, sites or users of Halo with their ids, to choose from
#[derive(Debug, Args)]
pub struct Halo {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The clients
    Clients(Listing),
    /// The sites, of one client or all
    Sites(OfClient),
    /// The users, of one client or all
    Users(OfClient),
}

#[derive(Debug, Args)]
struct Listing {
    /// Which connection; may be left out when there is one
    #[arg(long, value_name = "NAME")]
    halo: Option<String>,
    /// How it is printed
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
struct OfClient {
    #[command(flatten)]
    listing: Listing,
    /// Only of this client: an id or an exact name
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
}

impl From<HaloError> for Failure {
    fn from(error: HaloError) -> Failure {
        Failure::new(Status::Unavailable, error.to_string())
    }
}

impl Halo {
    /// Lists.
    pub fn perform(&self, common: &Common) -> Ended {
        let generation = common.generation()?;
        common.begin_logging("warn")?;
        let listing = match &self.what {
            What::Clients(listing) => listing,
            What::Sites(of) | What::Users(of) => &of.listing,
        };
        let (name, config) = connection(&generation.config, listing.halo.as_deref())?;
        runtime()?.block_on(async {
            let halo = Connection::connect(name, config).map_err(|text| Failure::new(Status::Configuration, text))?;
            let calls = Calls::default();
            match &self.what {
                What::Clients(_) => clients(&halo.every_client(&calls).await?, listing.format),
                What::Sites(of) => {
                    let client = of.client(&halo, &calls).await?;
                    sites(&halo.every_site(client, &calls).await?, listing.format)
                }
                What::Users(of) => {
                    let client = of.client(&halo, &calls).await?;
                    users(&halo.every_user(client, &calls).await?, listing.format)
                }
            }
        })?;
        Ok(Status::Done)
    }
}

/// The connection of that name, or the only one.
pub fn connection<'a>(
    config: &'a Config,
    name: Option<&str>,
) -> Result<(ConnectionName, &'a crate::config::HaloConfig), Failure> {
    let known = || config.halo.keys().map(|name| name.0.as_str());
    let found = match name {
        Some(wanted) => config.halo.iter().find(|(name, _)| name.0 == wanted).ok_or_else(|| {
            Failure::new(
                Status::Usage,
                format!("there is no [halo.{wanted}]; {}", suggest(wanted, known())),
            )
        })?,
        None if config.halo.len() == 1 => config.halo.iter().next().expect("there is one"),
        None => {
            return Err(Failure::new(
                Status::Usage,
                format!("say --halo; known are {}", known().collect::<Vec<_>>().join(", ")),
            ));
        }
    };
    Ok((found.0.clone(), found.1))
}

impl OfClient {
    async fn client(&self, halo: &Connection, calls: &Calls) -> Result<Option<ClientId>, Failure> {
        let Some(text) = &self.client else { return Ok(None) };
        let reference = Reference::parse(text).ok_or_else(|| Failure::new(Status::Usage, "--client is empty"))?;
        match halo.clients_by(&reference, calls).await?.as_slice() {
            [client] => Ok(Some(client.id)),
            [] => Err(Failure::new(
                Status::Usage,
                format!("Halo has no client {reference}; halo-intake halo clients lists them"),
            )),
            several => {
                let ids = several
                    .iter()
                    .map(|client| client.id.to_string())
                    .collect::<Vec<_>>()
                    .join(", ");
                Err(Failure::new(
                    Status::Usage,
                    format!("several clients are named {reference}: ids {ids}; say one of them"),
                ))
            }
        }
    }
}

fn clients(clients: &[Client], format: Format) -> Result<(), Failure> {
    let row = |client: &Client| {
        [
            client.id.to_string(),
            client.name.clone(),
            client.website.clone(),
            yes(client.inactive),
        ]
    };
    let object = |client: &Client| {
        json!({
            "id": client.id, "name": client.name, "website": client.website, "main_site_id": client.main_site_id,
            "inactive": client.inactive,
        })
    };
    print::list(format, &["ID", "CLIENT", "WEBSITE", "INACTIVE"], clients, row, object)
}

fn sites(sites: &[Site], format: Format) -> Result<(), Failure> {
    let row = |site: &Site| {
        [
            site.id.to_string(),
            site.name.clone(),
            site.client_name.clone(),
            yes(site.inactive),
        ]
    };
    let object = |site: &Site| {
        json!({
            "id": site.id, "name": site.name, "client_id": site.client_id, "client_name": site.client_name,
            "inactive": site.inactive,
        })
    };
    print::list(format, &["ID", "SITE", "CLIENT", "INACTIVE"], sites, row, object)
}

fn users(users: &[User], format: Format) -> Result<(), Failure> {
    let row = |user: &User| {
        [
            user.id.to_string(),
            user.name.clone(),
            user.emailaddress.clone(),
            user.client_name.clone(),
            user.site_name.clone(),
            yes(user.inactive),
        ]
    };
    let object = |user: &User| {
        json!({
            "id": user.id, "name": user.name, "emailaddress": user.emailaddress, "client_id": user.client_id,
            "client_name": user.client_name, "site_id": user.site_id, "site_name": user.site_name,
            "inactive": user.inactive,
        })
    };
    let header = ["ID", "USER", "ADDRESS", "CLIENT", "SITE", "INACTIVE"];
    print::list(format, &header, users, row, object)
}

fn yes(truth: bool) -> String {
    if truth { "yes".to_owned() } else { String::new() }
}
