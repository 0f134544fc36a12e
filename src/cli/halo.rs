//! `halo clients|sites|users|probe`: what the connection sees, with ids, to choose from; what a tenant does.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Common, Ended, Failure, Format, Status, print, runtime};
use crate::{
    config::{Config, ConnectionName, HaloConfig, fault::suggest},
    halo::{
        Client, ClientId, Reference, Site, User,
        client::{Calls, Halo as Connection, HaloError},
    },
};

mod probe;

/// Lists the clients, sites or users of Halo with their ids, to choose from; probes a tenant
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
    /// Finds out what only a real tenant can tell; makes a client and users there and removes them again
    Probe(probe::Probe),
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
    /// Lists, or probes.
    pub fn perform(&self, common: &Common) -> Ended {
        let config = common.generation()?.config;
        common.begin_logging("warn")?;
        match &self.what {
            What::Clients(listing) => listing.print(&config, async |halo, calls| {
                clients(&halo.every_client(calls).await?, listing.format)
            }),
            What::Sites(of) => of.listing.print(&config, async |halo, calls| {
                let client = of.client(halo, calls).await?;
                sites(&halo.every_site(client, calls).await?, of.listing.format)
            }),
            What::Users(of) => of.listing.print(&config, async |halo, calls| {
                let client = of.client(halo, calls).await?;
                users(&halo.every_user(client, calls).await?, of.listing.format)
            }),
            What::Probe(probe) => probe.perform(&config),
        }
    }
}

impl Listing {
    fn print(&self, config: &Config, list: impl AsyncFnOnce(&Connection, &Calls) -> Result<(), Failure>) -> Ended {
        let (name, config) = connection(config, self.halo.as_deref())?;
        runtime()?.block_on(async {
            let halo = connect(name, config)?;
            list(&halo, &Calls::default()).await
        })?;
        Ok(Status::Done)
    }
}

fn connect(name: ConnectionName, config: &HaloConfig) -> Result<Connection, Failure> {
    Connection::connect(name, config).map_err(|text| Failure::new(Status::Configuration, text))
}

/// The connection of that name, or the only one.
pub fn connection<'a>(config: &'a Config, name: Option<&str>) -> Result<(ConnectionName, &'a HaloConfig), Failure> {
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
        match &self.client {
            Some(text) => Ok(Some(client(halo, text, calls).await?.id)),
            None => Ok(None),
        }
    }
}

/// The one client of that id or exact name.
async fn client(halo: &Connection, text: &str, calls: &Calls) -> Result<Client, Failure> {
    let usage = |text: String| Failure::new(Status::Usage, text);
    let reference = Reference::parse(text).ok_or_else(|| usage("--client is empty".to_owned()))?;
    let mut found = halo.clients_by(&reference, calls).await?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(usage(format!(
            "Halo has no client {reference}; halo-intake halo clients lists them"
        ))),
        _ => {
            let ids: Vec<String> = found.iter().map(|client| client.id.to_string()).collect();
            let ids = ids.join(", ");
            Err(usage(format!(
                "several clients are named {reference}: ids {ids}; say one of them"
            )))
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
