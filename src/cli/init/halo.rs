//! Halo: the connection, and the client and site for senders whom nobody knows.

use super::{Interview, answers::HALO, dialogue::Picked, list::Item, rule::CatchAll};
use crate::{
    cli::Failure,
    config::ConnectionName,
    halo::{
        Client, Site,
        client::{Calls, Halo},
    },
};

/// What the client for everybody else is mostly called.
const USUAL: &str = "Unknown senders";
/// Has the clients read once more.
const AGAIN: &str = "again";
/// Takes another client.
const BACK: &str = "back";

impl Interview {
    /// Asks until Halo takes the sign-in, then for the catch-all.
    pub async fn halo(&mut self) -> Result<Option<CatchAll>, Failure> {
        self.dialogue.head("Halo")?;
        self.dialogue.tell(
            "In Halo an application of its own is needed, with the method \"Client ID and Secret\" and the permissions \
             read:customers and edit:customers.",
        )?;
        let halo = self.connection().await?;
        let question = "Senders whose domain no client has: make them users of one client, the catch-all";
        if self.dialogue.agrees(question, true).await? {
            self.catch_all(&halo).await.map(Some)
        } else {
            Ok(None)
        }
    }

    async fn connection(&mut self) -> Result<Halo, Failure> {
        let mut has_failed = false;
        loop {
            self.address_of_halo().await?;
            if has_failed {
                self.further_keys().await?;
            }
            match self.signed_in_to_halo().await? {
                Ok(halo) => return Ok(halo),
                Err(reason) => {
                    has_failed = true;
                    self.dialogue.object(&reason)?;
                    self.dialogue
                        .tell("  It begins again from the address; Enter takes the answer of before, in [brackets].")?;
                }
            }
        }
    }

    /// People write the name of the server alone.
    async fn address_of_halo(&mut self) -> Result<(), Failure> {
        let before = self.answers.text(HALO, "url");
        loop {
            let question = "Its address, such as https://example.halopsa.com";
            let mut answer = self.dialogue.ask(question, before.as_deref()).await?;
            if !answer.contains("://") {
                answer = format!("https://{answer}");
            }
            if self.takes(HALO, "url", answer)? {
                return Ok(());
            }
        }
    }

    /// What is found by itself at most tenants.
    async fn further_keys(&mut self) -> Result<(), Failure> {
        let question = "Set what is mostly found by itself, too: auth_url, tenant, scope, ca_file";
        if !self.dialogue.agrees(question, false).await? {
            return Ok(());
        }
        let question = "Authorisation server, as Halo's API details show it (- for the one that is found)";
        self.optional_key(HALO, "auth_url", question, None).await?;
        self.optional_key(HALO, "tenant", "Tenant (- for the one that is found)", None)
            .await?;
        let question = "Scope: all, or \"read:customers edit:customers\" where Halo answers invalid_scope";
        self.key(HALO, "scope", question, Some("all")).await?;
        self.ca_file(HALO, None).await.map(drop)
    }

    /// Looks whether Halo is there before it is told anything secret, then signs in; else why not.
    async fn signed_in_to_halo(&mut self) -> Result<Result<Halo, String>, Failure> {
        self.dialogue.say("  looks where it signs in")?;
        let found = match self.unconnected() {
            Ok(halo) => halo
                .sign_in_address(&Calls::default())
                .await
                .map_err(|error| error.to_string()),
            Err(reason) => Err(reason),
        };
        match found {
            Ok(address) => self.dialogue.praise(&format!("it signs in at {address}"))?,
            Err(reason) => return Ok(Err(reason)),
        }
        self.key(HALO, "client_id", "Client ID", None).await?;
        self.secret(HALO, "client_secret", "halo-secret", "Client secret")
            .await?;
        self.dialogue.say("  signs in")?;
        let halo = match self.unconnected() {
            Ok(halo) => halo,
            Err(reason) => return Ok(Err(reason)),
        };
        match halo.check(&Calls::default()).await {
            Ok(()) => self
                .dialogue
                .praise("signed in, and users can be read")
                .map(|()| Ok(halo)),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// As far as it is known: until somebody was asked, an application that there is not stands in.
    fn unconnected(&self) -> Result<Halo, String> {
        let mut answers = self.answers.clone();
        for key in ["client_id", "client_secret"] {
            if answers.keys(HALO).iter().all(|(name, _)| name != key) {
                answers.set(HALO, key, "none yet");
            }
        }
        let config = answers.halo().map_err(|failure| failure.text)?;
        Halo::connect(ConnectionName("main".to_owned()), &config)
    }

    /// Asks for a client, then for one of its sites, until there is one.
    async fn catch_all(&mut self, halo: &Halo) -> Result<CatchAll, Failure> {
        let mut clients = self.clients(halo).await?;
        loop {
            let client = self.client(halo, &mut clients).await?;
            let sites = match halo.every_site(Some(client.id), &Calls::default()).await {
                Ok(sites) => sites,
                Err(error) => {
                    self.dialogue.object(&error.to_string())?;
                    continue;
                }
            };
            // Some servers list more than they were asked for.
            let of_client = |site: &Site| site.client_id == Some(client.id);
            let mut sites: Vec<Site> = sites.into_iter().filter(of_client).collect();
            if sites.is_empty() {
                let text = format!(
                    "{} has no active site; make one in Halo, or take another client",
                    client.name
                );
                self.dialogue.object(&text)?;
                continue;
            }
            let main = halo.main_site(client.id, &Calls::default()).await.ok().flatten();
            let main = main.and_then(|main| sites.iter().position(|site| site.id == main.id));
            let Some(at) = self.site(&client, &sites, main).await? else {
                continue;
            };
            let site = sites.swap_remove(at);
            self.dialogue
                .praise(&format!("{}, at its site {}", client.name, site.name))?;
            return Ok(CatchAll {
                client: (client.id.0, client.name),
                site: (site.id.0, site.name),
                is_main_site: Some(at) == main,
            });
        }
    }

    async fn client(&mut self, halo: &Halo, clients: &mut Vec<Client>) -> Result<Client, Failure> {
        loop {
            let item = |client: &Client| Item {
                number: client.id.0,
                name: client.name.clone(),
                note: client.website.clone(),
            };
            let items: Vec<Item> = clients.iter().map(item).collect();
            let usual = clients
                .iter()
                .position(|client| client.name.eq_ignore_ascii_case(USUAL));
            let question = "The catch-all client: its number, or a part of its name";
            let missing = |name: &str| {
                format!("no active client has {name:?} in its name; take another, or make it in Halo and say {AGAIN}")
            };
            match self
                .dialogue
                .pick(question, &items, usual, AGAIN, Some(&missing))
                .await?
            {
                Picked::Item(at) => return Ok(clients[at].clone()),
                Picked::Other(_) => *clients = self.clients(halo).await?,
            }
        }
    }

    /// By name. A desk may have thousands, so they are read once.
    async fn clients(&mut self, halo: &Halo) -> Result<Vec<Client>, Failure> {
        loop {
            self.dialogue.say("  reads the clients")?;
            match halo.every_client(&Calls::default()).await {
                Ok(mut clients) => {
                    clients.sort_by_key(|client| client.name.to_lowercase());
                    return Ok(clients);
                }
                Err(error) => {
                    self.dialogue.object(&error.to_string())?;
                    self.dialogue.ask("Enter reads them again", Some(AGAIN)).await?;
                }
            }
        }
    }

    /// `None`: it was the wrong client.
    async fn site(&mut self, client: &Client, sites: &[Site], main: Option<usize>) -> Result<Option<usize>, Failure> {
        let item = |(at, site): (usize, &Site)| Item {
            number: site.id.0,
            name: site.name.clone(),
            note: if Some(at) == main {
                "(main site)".to_owned()
            } else {
                String::new()
            },
        };
        let items: Vec<Item> = sites.iter().enumerate().map(item).collect();
        let default = main.or((sites.len() == 1).then_some(0));
        let name = &client.name;
        let question = format!("The site of {name}: its number, a part of its name, or {BACK}");
        let missing = |word: &str| format!("{name} has no such site: {word:?}");
        let picked = self
            .dialogue
            .pick(&question, &items, default, BACK, Some(&missing))
            .await?;
        Ok(match picked {
            Picked::Item(at) => Some(at),
            Picked::Other(_) => None,
        })
    }
}
