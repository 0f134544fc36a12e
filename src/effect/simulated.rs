//! Effects that change nothing: a write is noted as the request that would be sent and shown to later lookups; a
//! read is assumed or, where wanted, asked of Halo.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Answer, Ask, Asking, Effect, Ensured, Performer, live};
use crate::{
    action::StepError,
    config::ConnectionName,
    halo::{
        Agent, Client, ClientId, NewClient, NewUser, Reference, Site, SiteId, User, UserId,
        alike::instead_of_another,
        client::{Call, HaloError},
        fault::Fault,
        registry::Registry,
        unsent,
    },
};

/// Invented records have this id or a greater one: Halo's ids have 32 bits, so none of them is one of its own.
const INVENTED: i64 = 9_000_000_000;

/// What a dry run takes for true where Halo is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assume {
    /// Every sender is a user of some client.
    Known,
    /// No sender is.
    Unknown,
}

/// Where a dry run's lookups are answered.
pub enum Lookups {
    /// By assumption; nothing is asked.
    Assumed(Assume),
    /// By Halo; reads only.
    Online(Arc<Registry>),
}

/// The performer of dry runs.
pub struct Simulated {
    lookups: Lookups,
    made: Mutex<Made>,
}

/// What the dry run would have made or found, for the lookups after it.
#[derive(Default)]
struct Made {
    users: Vec<(ConnectionName, User)>,
    clients: Vec<(ConnectionName, Client)>,
    sites: Vec<(ConnectionName, Site)>,
    /// Users who were there when they should have been created.
    existing: Vec<(ConnectionName, User)>,
    /// So many ids were given out.
    ids: i64,
}

impl Made {
    fn new_id(&mut self) -> i64 {
        self.ids += 1;
        INVENTED + self.ids
    }
}

/// What of `made` belongs to this connection and is meant.
fn of<'a, T>(
    made: &'a [(ConnectionName, T)],
    connection: &'a ConnectionName,
    is_meant: impl Fn(&T) -> bool + 'a,
) -> Vec<&'a T> {
    let here = made.iter().filter(move |(of, _)| of == connection);
    here.map(|(_, record)| record)
        .filter(|record| is_meant(record))
        .collect()
}

impl Performer for Simulated {
    fn perform<'a>(&'a self, effect: &'a Effect, asking: Asking<'a>) -> BoxFuture<'a, Result<Answer, StepError>> {
        Box::pin(async move {
            let of = &effect.connection;
            match &effect.ask {
                Ask::EnsureUser { user } => Ok(simulated(&self.ensure_user(of, user, &asking).await?)),
                Ask::EnsureClient { client } => Ok(simulated(&self.ensure_client(of, client, &asking).await?)),
                Ask::ReactivateUser { user } => Ok(simulated(&self.reactivate(of, *user, &asking))),
                ask => self.read(of, ask, &asking).await,
            }
        })
    }
}

impl Simulated {
    /// A performer whose lookups are answered so.
    pub fn new(lookups: Lookups) -> Simulated {
        Simulated {
            lookups,
            made: Mutex::new(Made::default()),
        }
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, connection: &ConnectionName, ask: &Ask, asking: &Asking<'_>) -> Result<Answer, StepError> {
        if let Some(value) = self.overlay(connection, ask) {
            return Ok(simulated(&value));
        }
        let answer = match &self.lookups {
            Lookups::Assumed(assume) => assumed(connection, ask, *assume, asking)?,
            Lookups::Online(halos) => asked(halos, connection, ask, asking).await?,
        };
        Ok(match ask {
            Ask::ClientsOfDomain { domain } => self.with_made_clients(connection, domain, answer),
            _ => answer,
        })
    }

    /// What an earlier simulated write makes true, where it alone answers the question.
    fn overlay(&self, connection: &ConnectionName, ask: &Ask) -> Option<Value> {
        let made = self.made();
        let records = match ask {
            Ask::UsersWithAddress { address } => {
                let users = of(&made.users, connection, |user| user.emailaddress == address.as_str());
                users.into_iter().map(value).collect()
            }
            Ask::Clients { client } => {
                let clients = of(&made.clients, connection, |known| {
                    is_meant(client, known.id.0, &known.name)
                });
                clients.into_iter().map(value).collect()
            }
            Ask::ClientsAlike { name } => {
                let folded = name.trim().to_lowercase();
                let is_alike = |known: &Client| known.name.trim().to_lowercase() == folded;
                let clients = of(&made.clients, connection, is_alike);
                clients.into_iter().map(value).collect()
            }
            Ask::Sites { client, site } => {
                let sites = of(&made.sites, connection, |known| {
                    is_meant(site, known.id.0, &known.name) && (client.is_none() || known.client_id == *client)
                });
                sites.into_iter().map(value).collect()
            }
            Ask::MainSite { client } => {
                let sites = of(&made.sites, connection, |known| known.client_id == Some(*client));
                return sites.first().map(value);
            }
            _ => Vec::new(),
        };
        (!records.is_empty()).then_some(Value::Array(records))
    }

    /// A client that would have been made is matched by its website from then on.
    fn with_made_clients(&self, connection: &ConnectionName, domain: &str, mut answer: Answer) -> Answer {
        let made = self.made();
        let clients = of(&made.clients, connection, |client| client.is_of_domain(domain));
        if let (false, Value::Array(found)) = (clients.is_empty(), &mut answer.value) {
            found.extend(clients.into_iter().map(value));
            answer.assumed = Some("simulated".to_owned());
        }
        answer
    }

    async fn ensure_user(
        &self,
        connection: &ConnectionName,
        user: &NewUser,
        asking: &Asking<'_>,
    ) -> Result<Ensured<User>, StepError> {
        let address = user.emailaddress.clone();
        let look = self
            .read(connection, &Ask::UsersWithAddress { address }, asking)
            .await?;
        if let Some(record) = first::<User>(look) {
            self.made().existing.push((connection.clone(), record.clone()));
            return Ok(Ensured { record, existed: true });
        }
        asking.calls.note(unsent::create_user(user));
        let mut made = self.made();
        let record = User {
            id: UserId(made.new_id()),
            name: user.name.clone(),
            emailaddress: user.emailaddress.to_string(),
            other_addresses: Vec::new(),
            client_id: Some(user.client_id),
            client_name: String::new(),
            site_id: Some(user.site_id),
            site_name: String::new(),
            inactive: false,
            raw: json!({}),
        };
        made.users.push((connection.clone(), record.clone()));
        Ok(Ensured { record, existed: false })
    }

    async fn ensure_client(
        &self,
        connection: &ConnectionName,
        client: &NewClient,
        asking: &Asking<'_>,
    ) -> Result<Ensured<Client>, StepError> {
        let named = Ask::ClientsAlike {
            name: client.name.clone(),
        };
        // That a client is there may be assumed where it is named, not where it is to be made.
        let found = match &self.lookups {
            Lookups::Assumed(_) => self
                .overlay(connection, &named)
                .map(|value| Answer { value, assumed: None }),
            Lookups::Online(_) => Some(self.read(connection, &named, asking).await?),
        };
        let alike: Vec<Client> = found
            .and_then(|answer| serde_json::from_value(answer.value).ok())
            .unwrap_or_default();
        if let Some(record) = instead_of_another(&alike, &client.name).into_iter().next() {
            return Ok(Ensured { record, existed: true });
        }
        asking.calls.note(unsent::create_client(client));
        let mut made = self.made();
        let (id, site) = (ClientId(made.new_id()), SiteId(made.new_id()));
        let record = Client {
            website: client.website.clone(),
            ..invented_client(id, &client.name, site)
        };
        let site = Site {
            client_name: client.name.clone(),
            ..invented_site(site, &client.site_name, Some(id))
        };
        made.clients.push((connection.clone(), record.clone()));
        made.sites.push((connection.clone(), site));
        Ok(Ensured { record, existed: false })
    }

    fn reactivate(&self, connection: &ConnectionName, id: UserId, asking: &Asking<'_>) -> User {
        asking.calls.note(unsent::reactivate_user(id));
        let made = self.made();
        let known = of(&made.existing, connection, |user| user.id == id);
        let user = known
            .first()
            .map_or_else(|| invented_user(id, ""), |user| (*user).clone());
        User {
            inactive: false,
            ..user
        }
    }
}

fn is_meant(reference: &Reference, id: i64, name: &str) -> bool {
    match reference {
        Reference::Id(wanted) => *wanted == id,
        Reference::Name(wanted) => wanted == name,
    }
}

fn first<T: DeserializeOwned>(answer: Answer) -> Option<T> {
    let records: Vec<T> = serde_json::from_value(answer.value).unwrap_or_default();
    records.into_iter().next()
}

fn simulated(of: &impl Serialize) -> Answer {
    Answer {
        value: value(of),
        assumed: Some("simulated".to_owned()),
    }
}

async fn asked(
    halos: &Registry,
    connection: &ConnectionName,
    ask: &Ask,
    asking: &Asking<'_>,
) -> Result<Answer, StepError> {
    let trouble = |reason: String, fault: Fault| StepError::Connection {
        connection: connection.clone(),
        fault,
        reason,
        until: None,
    };
    let halo = halos
        .find(connection)
        .ok_or_else(|| trouble(format!("there is no connection {connection}"), Fault::Unreachable))?;
    let answered = live::read(&halo, ask, asking.calls).await;
    answered
        .map(|value| Answer {
            value,
            assumed: live::reservation(&halo, ask),
        })
        .map_err(|error| match error {
            HaloError::Refused { .. } => StepError::failed(error.to_string()),
            _ => trouble(error.to_string(), error.fault().unwrap_or(Fault::Unreachable)),
        })
}

/// What an assumption says to a question, with the request that would ask it noted; where it says nothing, the
/// outcome can not be told.
fn assumed(connection: &ConnectionName, ask: &Ask, assume: Assume, asking: &Asking<'_>) -> Result<Answer, StepError> {
    requests(ask).into_iter().for_each(|call| asking.calls.note(call));
    let unknown = || StepError::Unknown {
        what: Effect {
            connection: connection.clone(),
            ask: ask.clone(),
        }
        .describe(),
    };
    assumption(ask, assume)
        .map(|value| Answer {
            value,
            assumed: Some("assumed".to_owned()),
        })
        .ok_or_else(unknown)
}

/// The requests that would ask it; of a list the first page.
fn requests(ask: &Ask) -> Vec<Call> {
    let one = match ask {
        Ask::UsersWithAddress { address } => return unsent::users_with_address(address),
        Ask::AgentWithAddress { .. } => unsent::agents(),
        Ask::Clients { client } => unsent::client(client),
        Ask::Sites { client, site } => unsent::site(*client, site),
        Ask::QueryUsers { query } => unsent::query_users(query),
        Ask::QueryClients { query } => unsent::query_clients(query),
        Ask::QuerySites { query } => unsent::query_sites(query),
        _ => return Vec::new(),
    };
    vec![one]
}

fn assumption(ask: &Ask, assume: Assume) -> Option<Value> {
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
        Ask::MainSite { client } => value(&Some(invented_site(site_id, "(assumed)", Some(*client)))),
        _ => return None,
    })
}

fn invented_user(id: UserId, address: &str) -> User {
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
        raw: json!({}),
    }
}

fn invented_client(id: ClientId, name: &str, site: SiteId) -> Client {
    Client {
        id,
        name: name.to_owned(),
        main_site_id: Some(site),
        website: String::new(),
        domain: String::new(),
        inactive: false,
        raw: json!({}),
    }
}

fn invented_site(id: SiteId, name: &str, client: Option<ClientId>) -> Site {
    Site {
        id,
        name: name.to_owned(),
        client_id: client,
        client_name: "(assumed)".to_owned(),
        email_domains: Vec::new(),
        inactive: false,
        raw: json!({}),
    }
}

fn value<T: Serialize + ?Sized>(of: &T) -> Value {
    serde_json::to_value(of).expect("records are plain data")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::{halo::client::Calls, message::address::AddrSpec};

    fn address() -> AddrSpec {
        AddrSpec::parse("ann@stranger.example").unwrap()
    }

    fn new_client(name: &str) -> Ask {
        Ask::EnsureClient {
            client: NewClient {
                name: name.to_owned(),
                website: "https://www.stranger.example/".to_owned(),
                trading_name: String::new(),
                notes: String::new(),
                site_name: "Head Office".to_owned(),
            },
        }
    }

    fn new_user(client: i64) -> Ask {
        Ask::EnsureUser {
            user: NewUser {
                name: "Ann Lee".to_owned(),
                first_name: String::new(),
                surname: String::new(),
                emailaddress: address(),
                client_id: ClientId(client),
                site_id: SiteId(21),
                send_welcome_email: false,
            },
        }
    }

    /// Asks at a connection; gives the answer and each request as text.
    fn ask(simulated: &Simulated, connection: &str, ask: Ask) -> (Result<Value, StepError>, Vec<String>) {
        let effect = Effect {
            connection: ConnectionName(connection.to_owned()),
            ask,
        };
        let calls = Calls::default();
        let asking = Asking {
            claim: None,
            step: "",
            calls: &calls,
        };
        let answer = simulated.perform(&effect, asking).now_or_never().unwrap();
        let said = |call: &Call| format!("{} {} {} [{}]", call.method, call.path, call.body, call.answer);
        (
            answer.map(|answer| answer.value),
            calls.take().iter().map(said).collect(),
        )
    }

    fn assuming(assume: Assume) -> Simulated {
        Simulated::new(Lookups::Assumed(assume))
    }

    const SEARCH: &str = "GET /Users?search=ann%40stranger.example&includeactive=true&includeinactive=true\
                          &exclude_generaluser=true&order=id&pageinate=true&page_size=100&page_no=1 null [assumed]";

    #[test]
    fn a_write_shows_the_request_that_would_be_sent() {
        let simulated = assuming(Assume::Unknown);
        let (answer, calls) = ask(&simulated, "main", new_user(12));
        assert_eq!(answer.unwrap()["existed"], false);
        let body = r#"[{"name":"Ann Lee","emailaddress":"ann@stranger.example","client_id":12,"site_id":21,"sendwelcomeemail":false}]"#;
        assert_eq!(calls, [SEARCH, &format!("POST /Users {body} [simulated]")]);
        let (_, calls) = ask(&simulated, "main", new_client("Stranger"));
        let body =
            r#"[{"name":"Stranger","newclient_sitename":"Head Office","website":"https://www.stranger.example/"}]"#;
        assert_eq!(calls, [format!("POST /Client {body} [simulated]")]);
    }

    #[test]
    fn a_user_who_is_there_is_not_created_and_keeps_its_name_when_made_active() {
        let simulated = assuming(Assume::Known);
        let (answer, calls) = ask(&simulated, "main", new_user(12));
        let answer = answer.unwrap();
        assert_eq!((&answer["existed"], calls), (&json!(true), vec![SEARCH.to_owned()]));
        let user = UserId(answer["record"]["id"].as_i64().unwrap());
        let (answer, calls) = ask(&simulated, "main", Ask::ReactivateUser { user });
        assert_eq!(answer.unwrap()["emailaddress"], "ann@stranger.example");
        let body = format!(r#"[{{"id":{user},"inactive":false}}]"#);
        assert_eq!(calls, [format!("POST /Users {body} [simulated]")]);
    }

    #[test]
    fn later_lookups_see_what_would_have_been_made_at_that_connection_alone() {
        let simulated = assuming(Assume::Unknown);
        let users = || Ask::UsersWithAddress { address: address() };
        ask(&simulated, "main", new_user(12)).0.unwrap();
        let found = |connection: &str| ask(&simulated, connection, users()).0.unwrap();
        assert_eq!(found("main")[0]["name"], "Ann Lee");
        assert_eq!(found("other"), json!([]));
    }

    #[test]
    fn a_client_that_would_have_been_made_is_found_by_id_name_and_domain_and_so_is_its_site() {
        let simulated = assuming(Assume::Unknown);
        let made = ask(&simulated, "main", new_client("Stranger")).0.unwrap()["record"].clone();
        let (id, site) = (made["id"].as_i64().unwrap(), made["main_site_id"].as_i64().unwrap());
        assert_eq!(
            Reference::parse(&id.to_string()),
            Some(Reference::Id(id)),
            "it renders as an id"
        );
        let client = Some(ClientId(id));
        for (question, pointer) in [
            (
                Ask::Clients {
                    client: Reference::Id(id),
                },
                "/0/id",
            ),
            (
                Ask::Clients {
                    client: Reference::Name("Stranger".into()),
                },
                "/0/id",
            ),
            (
                Ask::ClientsOfDomain {
                    domain: "stranger.example".into(),
                },
                "/0/id",
            ),
            (
                Ask::Sites {
                    client: None,
                    site: Reference::Id(site),
                },
                "/0/client_id",
            ),
            (
                Ask::Sites {
                    client,
                    site: Reference::Name("Head Office".into()),
                },
                "/0/client_id",
            ),
            (Ask::MainSite { client: ClientId(id) }, "/client_id"),
        ] {
            let (answer, calls) = ask(&simulated, "main", question.clone());
            assert_eq!(answer.unwrap().pointer(pointer), Some(&json!(id)), "{question:?}");
            assert!(calls.is_empty(), "{question:?}");
        }
        let again = ask(&simulated, "main", new_client("Stranger"));
        assert_eq!((&again.0.unwrap()["existed"], again.1.len()), (&json!(true), 0));
    }

    #[test]
    fn what_no_assumption_answers_is_unknown_and_its_request_is_shown() {
        let query = crate::halo::ListQuery {
            search: "lena".to_owned(),
            client: Some(ClientId(12)),
            site: None,
            domain: String::new(),
            include_active: true,
            include_inactive: false,
            page_size: 25,
            page_no: 1,
            order_by: String::new(),
            order_descending: false,
        };
        let (answer, calls) = ask(&assuming(Assume::Known), "main", Ask::QueryUsers { query });
        assert!(matches!(answer, Err(StepError::Unknown { what }) if what == "main: a page of users"));
        assert_eq!(
            calls,
            [
                "GET /Users?search=lena&client_id=12&includeactive=true&includeinactive=false&pageinate=true&page_size=25&page_no=1 null [assumed]"
            ]
        );
    }
}
