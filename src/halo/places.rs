//! Clients and sites by id, by exact name and by mail domain: a filter of Halo's narrows, and is never trusted.

use std::{collections::HashMap, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    Client, ClientId, NewClient, Reference, Site, SiteId,
    alike::{alike, exact},
    api::{Api, Request},
    client::{Calls, Freshness, HaloError},
    directory::{ByDomain, Directory, kept},
    domain,
    listing::{self, CLIENTS, SITES},
    shelf::Brought,
    times::Times,
    verdict::without,
    wire::{self, Query},
};
use crate::crash::Step;

/// Details of sites are read so many at a time; others find the pace's line short.
pub(super) const AT_ONCE: usize = 4;

type Result<T> = std::result::Result<T, HaloError>;

/// Where clients and sites of one connection are looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    pub api: &'a Api,
    pub directory: &'a Directory,
    pub times: &'a Times,
}

impl Places<'_> {
    pub(super) async fn clients_by(&self, client: &Reference, calls: &Calls) -> Result<Vec<Client>> {
        match client {
            Reference::Name(name) => {
                let alike = self.clients_alike(name, Freshness::Cached, calls).await?;
                Ok(exact(&alike, name))
            }
            Reference::Id(id) => {
                let ask = || async {
                    let found = self.client(ClientId(*id), calls).await.map(Vec::from_iter);
                    kept(found, self.times.places, self.times, Vec::is_empty)
                };
                self.directory.clients.find(client, Freshness::Cached, ask).await
            }
        }
    }

    /// The clients whose name differs from this one in upper and lower case at most, active or not.
    pub(super) async fn clients_alike(&self, name: &str, freshness: Freshness, calls: &Calls) -> Result<Vec<Client>> {
        let name = name.trim();
        let ask = || async {
            let rows = listing::every(self.api, CLIENTS, search_query(None, name), calls).await;
            let found = rows.map(|rows| alike(rows.iter().filter_map(wire::client).collect(), name));
            kept(found, self.times.places, self.times, |found| {
                exact(found, name).is_empty()
            })
        };
        let key = Reference::Name(name.to_owned());
        self.directory.clients.find(&key, freshness, ask).await
    }

    async fn client(&self, id: ClientId, calls: &Calls) -> Result<Option<Client>> {
        let request = client_by_id(id);
        let Some(value) = self.api.ask_record(&request, calls).await? else {
            return Ok(None);
        };
        let client = wire::client(&value).filter(|client| client.id == id);
        client
            .map(Some)
            .ok_or_else(|| without(&request, "client with that id", &value))
    }

    pub(super) async fn sites_by(
        &self,
        client: Option<ClientId>,
        site: &Reference,
        calls: &Calls,
    ) -> Result<Vec<Site>> {
        match site {
            Reference::Name(name) => Ok(exact(&self.sites_alike(client, name, calls).await?, name)),
            Reference::Id(id) => {
                let ask = || async {
                    let found = self.site(SiteId(*id), calls).await.map(Vec::from_iter);
                    kept(found, self.times.places, self.times, Vec::is_empty)
                };
                let key = (client, site.clone());
                self.directory.sites.find(&key, Freshness::Cached, ask).await
            }
        }
    }

    /// The sites whose name differs from this one in upper and lower case at most, active or not.
    pub(super) async fn sites_alike(&self, client: Option<ClientId>, name: &str, calls: &Calls) -> Result<Vec<Site>> {
        let name = name.trim();
        let ask = || async {
            let sites = self.sites(client, search_query(client, name), calls).await;
            let found = sites.map(|sites| alike(sites, name));
            kept(found, self.times.places, self.times, |found| {
                exact(found, name).is_empty()
            })
        };
        let key = (client, Reference::Name(name.to_owned()));
        self.directory.sites.find(&key, Freshness::Cached, ask).await
    }

    async fn site(&self, id: SiteId, calls: &Calls) -> Result<Option<Site>> {
        let request = site_by_id(id);
        let Some(value) = self.api.ask_record(&request, calls).await? else {
            return Ok(None);
        };
        let site = wire::site(&value).filter(|site| site.id == id);
        site.map(Some)
            .ok_or_else(|| without(&request, "site with that id", &value))
    }

    /// The rows of a listing of sites that really are of that client.
    async fn sites(&self, client: Option<ClientId>, query: Query, calls: &Calls) -> Result<Vec<Site>> {
        let rows = listing::every(self.api, SITES, query, calls).await?;
        let sites = rows.iter().filter_map(wire::site);
        Ok(sites
            .filter(|site| client.is_none_or(|client| site.client_id == Some(client)))
            .collect())
    }

    pub(super) async fn main_site(&self, client: ClientId, calls: &Calls) -> Result<Option<Site>> {
        let ask = || async {
            kept(
                self.find_main_site(client, calls).await,
                self.times.places,
                self.times,
                Option::is_none,
            )
        };
        self.directory.main_sites.find(&client, Freshness::Cached, ask).await
    }

    async fn find_main_site(&self, client: ClientId, calls: &Calls) -> Result<Option<Site>> {
        let Some(found) = self
            .clients_by(&Reference::Id(client.0), calls)
            .await?
            .into_iter()
            .next()
        else {
            return Ok(None);
        };
        if let Some(id) = found.main_site_id {
            let site = self
                .sites_by(None, &Reference::Id(id.0), calls)
                .await?
                .into_iter()
                .next();
            if let Some(site) = site.filter(|site| !site.inactive && site.client_id == Some(client)) {
                return Ok(Some(site));
            }
        }
        let sites = self.sites(Some(client), of_client(Some(client)), calls).await?;
        Ok(sites
            .into_iter()
            .filter(|site| !site.inactive)
            .min_by_key(|site| site.id))
    }

    pub(super) async fn sites_of_domain(&self, domain: &str, calls: &Calls) -> Result<Vec<Site>> {
        let ask = || async {
            kept(self.index_of_sites(calls).await, self.times.places, self.times, |_| {
                false
            })
        };
        let index = self.directory.sites_by_domain.find(&(), Freshness::Cached, ask).await?;
        Ok(index.get(&domain::folded(domain)).cloned().unwrap_or_default())
    }

    async fn index_of_sites(&self, calls: &Calls) -> Result<ByDomain<Site>> {
        let sites = self.sites(None, Query::new(), calls).await?;
        // What is empty in every row may as well be what rows don't fill.
        let rows_show = sites.iter().any(|site| !site.email_domains.is_empty());
        let active = sites.into_iter().filter(|site| !site.inactive);
        let read = active.map(|site| async {
            if rows_show && wire::has_email_domains(&site) {
                return Ok(site);
            }
            let email_domains = self.domains_of(site.id, calls).await?;
            Ok::<_, HaloError>(Site { email_domains, ..site })
        });
        // What was read stays on its own shelf, so an index that was given up goes on where it stopped.
        let sites: Vec<Site> = stream::iter(read).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(indexed(sites, |site| site.id.0, |site| site.email_domains.clone()))
    }

    async fn domains_of(&self, site: SiteId, calls: &Calls) -> Result<Vec<String>> {
        let ask = || async {
            // By way of its shelf: whoever asks for the site itself later finds it there.
            let found = self.sites_by(None, &Reference::Id(site.0), calls).await;
            let first = found.map(|sites| sites.into_iter().next());
            let domains = first.map(|site| site.map(|site| site.email_domains).unwrap_or_default());
            self.domains_kept(site_by_id(site).path(), domains)
        };
        self.directory.site_domains.find(&site, Freshness::Cached, ask).await
    }

    /// The mail domains of a record, and for how long they are known.
    pub(super) fn domains_kept(&self, path: &str, read: Result<Vec<String>>) -> Brought<Vec<String>> {
        let unreadable = &self.directory.unreadable;
        match &read {
            Ok(_) => unreadable.forget(path),
            Err(error) if unreadable.is_borne(path, error, self.times.absent) => {
                return (Ok(Vec::new()), self.times.places);
            }
            Err(_) => {}
        }
        // Spread, so that they don't all go out of date together.
        let life = self.times.mail_domains.mul_f64(1.0 - fastrand::f64() / 4.0);
        kept(read, life, self.times, |_| false)
    }

    /// One POST of a client with its first site.
    pub(super) async fn create_client(&self, client: &NewClient, calls: &Calls) -> Result<Client> {
        let request = creation(client);
        let result = self.api.ask(&request, calls).await;
        self.directory.forget_places();
        let answer = result?;
        let client = wire::single(&answer).and_then(wire::client);
        client.ok_or_else(|| without(&request, "client with an id", &answer))
    }
}

/// The request that creates a client with its first site.
pub(super) fn creation(client: &NewClient) -> Request {
    Request::post(Step::CreateClient, CLIENTS.path, wire::new_client(client))
}

pub(super) fn client_by_id(id: ClientId) -> Request {
    Request::get(format!("{}/{id}", CLIENTS.path))
}

pub(super) fn site_by_id(id: SiteId) -> Request {
    Request::get(format!("{}/{id}", SITES.path))
}

/// Clients, or the sites of a client, whose name holds this one; inactive ones too, since that is worth saying.
pub(super) fn search_query(client: Option<ClientId>, name: &str) -> Query {
    let mut query = of_client(client);
    query.push(("search", name.trim().to_owned()));
    query.push(("includeactive", "true".to_owned()));
    query.push(("includeinactive", "true".to_owned()));
    query
}

pub(super) fn of_client(client: Option<ClientId>) -> Query {
    client
        .map(|client| ("client_id", client.to_string()))
        .into_iter()
        .collect()
}

/// Rows by domain; those of one domain by id, so that a choice among them is always the same.
pub(super) fn indexed<T: Clone>(
    mut rows: Vec<T>,
    id_of: impl Fn(&T) -> i64,
    domains_of: impl Fn(&T) -> Vec<String>,
) -> ByDomain<T> {
    rows.sort_by_key(id_of);
    let mut index: HashMap<String, Vec<T>> = HashMap::new();
    for row in rows {
        for domain in domains_of(&row) {
            index.entry(domain).or_default().push(row.clone());
        }
    }
    Arc::new(index)
}
