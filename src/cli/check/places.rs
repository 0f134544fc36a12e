//! Clients and sites that steps name without an expression.

use super::{Report, counted};
use crate::{
    class::Class,
    halo::{
        Client, Reference, Site,
        alike::no_match,
        client::{Calls, Freshness, Halo},
    },
};

impl Report {
    /// The client that is meant.
    pub(super) async fn client(
        &mut self,
        what: &str,
        reference: &Reference,
        halo: &Halo,
        calls: &Calls,
    ) -> Option<Client> {
        let found = halo.clients_by(reference, calls).await;
        if let (Ok([]), Reference::Name(name)) = (found.as_deref(), reference)
            && let Ok(alike) = halo.clients_alike(name, Freshness::Cached, calls).await
            && !alike.is_empty()
        {
            let (problem, needed) = no_match(&alike, name, "client", "");
            self.bad(
                what,
                &format!("client {reference} {problem}; {needed}"),
                Class::Permanent,
            );
            return None;
        }
        self.one(what, (reference, format!("client {reference}")), found, |client| {
            (client.id.0, &client.name)
        })
    }

    /// The site that is meant, and whether it is one of the client.
    pub(super) async fn site(
        &mut self,
        what: &str,
        reference: &Reference,
        client: Option<&Client>,
        halo: &Halo,
        calls: &Calls,
    ) {
        match (reference, client) {
            (Reference::Name(name), None) => self.site_of_some_client(what, name, halo, calls).await,
            (Reference::Name(name), Some(client)) => self.site_of(what, name, client, halo, calls).await,
            (Reference::Id(_), _) => {
                let found = halo.sites_by(None, reference, calls).await;
                let site = self.one(what, (reference, format!("site {reference}")), found, of_site);
                if let (Some(site), Some(client)) = (site, client)
                    && site.client_id != Some(client.id)
                {
                    let text = format!("site {reference} {}, not to {:?}", belongs(&[site]), client.name);
                    self.bad(what, &text, Class::Permanent);
                }
            }
        }
    }

    async fn site_of(&mut self, what: &str, name: &str, client: &Client, halo: &Halo, calls: &Calls) {
        let reference = Reference::Name(name.to_owned());
        let found = halo.sites_by(Some(client.id), &reference, calls).await;
        if found.as_ref().is_ok_and(Vec::is_empty)
            && let Ok(elsewhere) = halo.sites_by(None, &reference, calls).await
            && !elsewhere.is_empty()
        {
            let text = format!("site {name:?} {}, not to {:?}", belongs(&elsewhere), client.name);
            return self.bad(what, &text, Class::Permanent);
        }
        if found.as_ref().is_ok_and(Vec::is_empty)
            && let Ok(alike) = halo.sites_alike(Some(client.id), name, calls).await
            && !alike.is_empty()
        {
            let within = format!(" at the client {:?}", client.name);
            let (problem, needed) = no_match(&alike, name, "site", &within);
            let text = format!("site {name:?} {problem}; {needed}");
            return self.bad(what, &text, Class::Permanent);
        }
        let wanted = format!("site {name:?} of {:?}", client.name);
        self.one(what, (&reference, wanted), found, of_site);
    }

    /// Which client's site it is differs from message to message.
    async fn site_of_some_client(&mut self, what: &str, name: &str, halo: &Halo, calls: &Calls) {
        match halo.sites_by(None, &Reference::Name(name.to_owned()), calls).await {
            Ok(found) if found.is_empty() => {
                self.bad(
                    what,
                    &format!("no client has a site {name:?}; halo-intake halo sites lists them"),
                    Class::Permanent,
                );
            }
            Ok(found) => {
                let clients = counted(found.len(), "client has", "clients have");
                self.good(
                    what,
                    &format!("site {name:?} is looked for within each message's client; {clients} one"),
                );
            }
            Err(error) => self.bad(what, &error.to_string(), error.class()),
        }
    }
}

/// Its id and name.
fn of_site(site: &Site) -> (i64, &str) {
    (site.id.0, &site.name)
}

/// Whose sites they are.
fn belongs(sites: &[Site]) -> String {
    let whose: Vec<String> = sites
        .iter()
        .map(|site| format!("{:?}", site.client_name))
        .take(5)
        .collect();
    format!("belongs to {}", whose.join(", "))
}
