//! Clients by mail domain. The host of a client's website is in the rows of a list; its `domain` is only in the record
//! itself, and costs a request each.
//!
//! So a domain is asked for by the filter `domain` of the list, whose meaning nobody documents: its hits are looked at
//! in detail, and compared. Where it has none, or more than can be meant, the search has its turn. Once that has cost
//! as many requests as there are clients whose `domain` isn't known, or would for those who wait, all of those clients
//! are read instead, and for hours nothing is asked any more. So no flood of strange domains costs more than twice the
//! clients, and one strange domain costs two requests.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    Client, Reference,
    client::{Calls, Freshness, HaloError},
    directory::{ByDomain, kept},
    domain,
    listing::{self, CLIENTS},
    places::{AT_ONCE, Places, client_by_id, indexed},
    waits::Waits,
    wire::{self, Query},
};

/// A filter that lets more through filters something else, or nothing.
const MOST_HITS: usize = 5;

type Result<T> = std::result::Result<T, HaloError>;

/// The active clients as the list shows them.
#[derive(Debug)]
pub(super) struct Rows {
    clients: Vec<Arc<Client>>,
    /// By website, and by `domain` where rows show it.
    by_domain: ByDomain<Arc<Client>>,
    /// Whether some row shows a `domain`. A field that is empty in every row may as well be one that rows don't fill.
    show_domain: bool,
}

impl Rows {
    fn new(clients: impl Iterator<Item = Client>) -> Rows {
        let clients: Vec<_> = clients.filter(|client| !client.inactive).map(Arc::new).collect();
        Rows {
            by_domain: indexed(clients.clone(), |client| client.id.0, |client| domains_in(client)),
            show_domain: clients.iter().any(|client| !client.domain.is_empty()),
            clients,
        }
    }

    fn shows_domain(&self, client: &Client) -> bool {
        self.show_domain && wire::has_domain(client)
    }
}

impl Places<'_> {
    /// The active clients whose domain, or the host of whose website, is exactly this one, by id.
    pub(super) async fn clients_of_domain(&self, domain: &str, calls: &Calls) -> Result<Vec<Client>> {
        let domain = domain::folded(domain);
        let ask = || async {
            let found = self.find_clients_of_domain(&domain, calls).await;
            kept(found, self.times.places, self.times, Vec::is_empty)
        };
        self.directory
            .clients_of_domain
            .find(&domain, Freshness::Cached, ask)
            .await
    }

    async fn find_clients_of_domain(&self, domain: &str, calls: &Calls) -> Result<Vec<Client>> {
        let rows = self.client_rows(calls).await?;
        let by_row = rows.by_domain.get(domain).cloned().unwrap_or_default();
        let mut found: BTreeMap<_, _> = by_row.into_iter().map(|client| (client.id, client)).collect();
        let waits = Waits::among(&self.directory.waiting_for_domains);
        // One at a time: who comes after may find all that it needs.
        let mut spent = self.directory.spent_on_domains.lock().await;
        for client in self.candidates(&rows, domain, (&waits, &mut spent), calls).await? {
            if !client.inactive
                && self
                    .domains_in_detail(&rows, &client, calls)
                    .await?
                    .iter()
                    .any(|of| of == domain)
            {
                found.insert(client.id, client);
            }
        }
        Ok(found.into_values().map(Arc::unwrap_or_clone).collect())
    }

    async fn client_rows(&self, calls: &Calls) -> Result<Arc<Rows>> {
        let ask = || async {
            let rows = listing::every(self.api, CLIENTS, Query::new(), calls).await;
            let rows = rows.map(|rows| Arc::new(Rows::new(rows.iter().filter_map(wire::client))));
            kept(rows, self.times.places, self.times, |_| false)
        };
        self.directory.client_rows.find(&(), Freshness::Cached, ask).await
    }

    /// Those whose record may bear the domain.
    async fn candidates(
        &self,
        rows: &Rows,
        domain: &str,
        (waits, spent): (&Waits<'_>, &mut usize),
        calls: &Calls,
    ) -> Result<Vec<Arc<Client>>> {
        let is_unknown = |client: &Arc<Client>| {
            !rows.shows_domain(client) && !self.directory.client_domains.holds(&client.id, |_| true)
        };
        let (unknown, known): (Vec<_>, Vec<_>) = rows.clients.iter().cloned().partition(is_unknown);
        if unknown.is_empty() {
            return Ok(rows.clients.clone());
        }
        if is_worth_asking(*spent, waits.count(), unknown.len()) {
            let mut hits = known;
            for filter in ["domain", "search"] {
                *spent += 1;
                let found = self.hits(vec![(filter, domain.to_owned())], calls).await?;
                if (1..=MOST_HITS).contains(&found.len()) {
                    hits.extend(found);
                    break;
                }
            }
            return Ok(hits);
        }
        // What was read stays on its own shelf, so that one that was given up goes on where it stopped.
        let read = unknown
            .into_iter()
            .map(|client| async move { self.domains_in_detail(rows, &client, calls).await.map(drop) });
        let read = stream::iter(read).buffer_unordered(AT_ONCE);
        read.try_collect::<()>().await?;
        *spent = 0;
        Ok(rows.clients.clone())
    }

    async fn hits(&self, query: Query, calls: &Calls) -> Result<Vec<Arc<Client>>> {
        let page = listing::one(self.api, CLIENTS, listing::page(query, 1), calls).await?;
        Ok(page.rows.iter().filter_map(wire::client).map(Arc::new).collect())
    }

    async fn domains_in_detail(&self, rows: &Rows, client: &Client, calls: &Calls) -> Result<Vec<String>> {
        if rows.shows_domain(client) {
            return Ok(domain::of_field(&client.domain));
        }
        let ask = || async {
            // By way of its shelf: whoever asks for the client itself later finds it there.
            let found = self.clients_by(&Reference::Id(client.id.0), calls).await;
            let domains = found.map(|found| found.first().map(|client| domain::of_field(&client.domain)));
            self.domains_kept(client_by_id(client.id).path(), domains.map(Option::unwrap_or_default))
        };
        self.directory
            .client_domains
            .find(&client.id, Freshness::Cached, ask)
            .await
    }
}

/// Whether the filter and the search are cheaper than the records of all unknown clients, for all who wait.
fn is_worth_asking(spent: usize, waiting: usize, unknown: usize) -> bool {
    spent + 2 * (waiting - 1) < unknown
}

impl Client {
    /// Whether this is its mail domain, or the host of its website.
    pub fn is_of_domain(&self, domain: &str) -> bool {
        domains_in(self).contains(&domain::folded(domain))
    }
}

fn domains_in(client: &Client) -> Vec<String> {
    let mut domains = domain::of_field(&client.domain);
    domains.extend(domain::of_website(&client.website).filter(|host| !domains.contains(host)));
    domains
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn domains_are_asked_for_until_that_costs_as_much_as_all_records() {
        for (spent, waiting, expected) in [
            (0, 1, true),
            (39, 1, true),
            (40, 1, false),
            (0, 20, true),
            (0, 21, false),
            (30, 6, false),
        ] {
            assert_eq!(
                is_worth_asking(spent, waiting, 40),
                expected,
                "{spent} spent, {waiting} wait"
            );
        }
    }

    #[test]
    fn a_client_is_known_by_its_domain_and_by_its_website() {
        let client = |value| wire::client(&value).unwrap();
        let both = client(
            json!({"id": 1, "domain": "acme.example, acme.example.net", "website": "https://www.acme.example/x"}),
        );
        assert_eq!(domains_in(&both), ["acme.example", "acme.example.net"]);
        let index = indexed(
            vec![client(json!({"id": 9, "website": "acme.example"})), both],
            |client| client.id.0,
            domains_in,
        );
        let ids: Vec<i64> = index["acme.example"].iter().map(|client| client.id.0).collect();
        assert_eq!(ids, [1, 9]);
    }
}
