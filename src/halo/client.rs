//! One connection to Halo: what may be asked of it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Host;

use super::{
    Agent, Client, ClientId, Created, ListQuery, NewClient, NewUser, Page, Reference, Site, User, UserId, agents,
    api::Api,
    circuit::Circuit,
    directory::{Directory, MailDomains},
    findings::Findings,
    gather::Gather,
    http::Http,
    listing::{self, CLIENTS, Route, SITES, USERS},
    lookups::Lookups,
    meter::Meter,
    pace::Pace,
    places::{Places, of_client},
    token::{self, Tokens},
    users,
    wire::{self, Query},
    writes::Writes,
};
pub use super::{
    call::{Call, Calls},
    error::HaloError,
    pace::Used,
    times::Times,
};
use crate::{
    clock::Clock,
    config::{ConnectionName, HaloConfig, Rate},
    journal::JournalError,
    message::address::AddrSpec,
    tls,
};

mod ticketing;

/// How old an answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// From the directory, while its lifetime lasts (users: at most a minute).
    Cached,
    /// Asked now.
    Fresh,
}

type Result<T> = std::result::Result<T, HaloError>;

/// A connection is opened within this time, or not at all.
const CONNECT: Duration = Duration::from_secs(10);

/// One connection; lives in the registry, outlives a reload, shared by all tasks.
pub struct Halo {
    api: Api,
    directory: Directory,
    lookups: Arc<Lookups>,
    gather: Gather,
    times: Times,
    timeout: Duration,
    agents_are_noted: AtomicBool,
    /// One ticket is created at a time.
    ticket_turn: tokio::sync::Mutex<()>,
}

impl Halo {
    /// Prepares a connection for a command that has no journal and soon ends; nothing is sent before the first
    /// question.
    pub fn connect(name: ConnectionName, config: &HaloConfig) -> std::result::Result<Halo, String> {
        Halo::connect_with(name, config, Times::default())
    }

    /// The same with other lifetimes and waits.
    pub fn connect_with(name: ConnectionName, config: &HaloConfig, times: Times) -> std::result::Result<Halo, String> {
        let meter = Meter::new(name.clone(), Arc::default());
        let pace = Pace::new(config.rate, (times.hold, times.patience), None, meter);
        Halo::sharing(name, config, times, (Arc::new(pace), Arc::new(Lookups::new())))
    }

    /// The same with the pace, and with what is known of users, of the connection before it.
    pub(super) fn sharing(
        name: ConnectionName,
        config: &HaloConfig,
        times: Times,
        (pace, lookups): (Arc<Pace>, Arc<Lookups>),
    ) -> std::result::Result<Halo, String> {
        let http = Http {
            agent: http_agent(config)?,
            pace,
            circuit: Circuit::new(CONNECT.min(config.timeout)),
        };
        let tokens = Tokens::new(&name, config, &times);
        let api = Api {
            connection: name,
            base: config.url.clone(),
            http,
            tokens,
            patience: times.patience,
            findings: ArcSwapOption::empty(),
        };
        Ok(Halo {
            api,
            directory: Directory::new(),
            lookups,
            gather: Gather::default(),
            times,
            timeout: config.timeout,
            agents_are_noted: AtomicBool::new(false),
            ticket_turn: tokio::sync::Mutex::default(),
        })
    }

    /// The connection's name in the configuration.
    pub fn name(&self) -> &ConnectionName {
        &self.api.connection
    }

    /// How long a request may take; after that an answer no longer comes.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// From now on no more requests leave than this.
    pub(super) fn adjust(&self, rate: Rate) {
        self.api.http.pace.adjust(rate);
    }

    /// Goes by what a probe found out at this tenant.
    pub fn learn(&self, findings: Arc<Findings>) {
        if let Some(is_confirmed) = findings.absence_is_confirmed_by_search() {
            self.confirm_absence_by_search(is_confirmed);
        }
        if let Some(works) = findings.returnall_works() {
            self.gather.send_one_by_one(!works);
        }
        self.api.findings.store(Some(findings));
    }

    /// What it goes by; none where nobody probed it: then it assumes what is most likely.
    pub fn findings(&self) -> Option<Arc<Findings>> {
        self.api.findings.load_full()
    }

    /// Does not rest any longer after refused credentials.
    pub fn try_again(&self) {
        self.api.tokens.try_again();
    }

    /// Where this connection signs in, as people may see it: as configured, else as the address answers.
    pub async fn sign_in_address(&self, calls: &Calls) -> Result<String> {
        let url = self.api.tokens.token_url(&self.api.http, calls).await?;
        Ok(token::shown(&url))
    }

    /// Signs in if there is no token, and asks one cheap question.
    pub async fn check(&self, calls: &Calls) -> Result<()> {
        let query = vec![("count", "1".to_owned())];
        listing::one(&self.api, USERS, query, calls).await.map(|_| ())
    }

    /// The users whose address is exactly this one (`email2` and `email3` count too), active ones first, then by id.
    pub async fn users_with_address(
        &self,
        address: &AddrSpec,
        freshness: Freshness,
        calls: &Calls,
    ) -> Result<Vec<User>> {
        let (of, asked) = ((&self.api, &self.times), (address, freshness));
        self.lookups.with_address(of, asked, calls).await
    }

    /// The user of that id, inactive or not.
    pub async fn user(&self, id: UserId, calls: &Calls) -> Result<Option<User>> {
        users::detail(&self.api, id, calls).await
    }

    /// Whether an address that a listing of all users doesn't show is searched for, too, before it counts as nobody's.
    pub fn confirm_absence_by_search(&self, is_confirmed: bool) {
        let flag = &self.lookups.absence_is_confirmed_by_search;
        flag.store(is_confirmed, Ordering::Relaxed);
    }

    /// The agent with that address. Where agents may not be read there is none, which is logged once.
    pub async fn agent_with_address(&self, address: &AddrSpec, calls: &Calls) -> Result<Option<Agent>> {
        agents::with_address(
            &self.api,
            &self.directory,
            &self.times,
            address,
            (calls, &self.agents_are_noted),
        )
        .await
    }

    /// Whether agents may not be read, as far as is known.
    pub fn agents_are_hidden(&self) -> bool {
        self.directory.agents.holds(&(), Option::is_none)
    }

    /// The client of that id, inactive or not, or all active clients of that exact name: two are for the caller to tell apart.
    pub async fn clients_by(&self, client: &Reference, calls: &Calls) -> Result<Vec<Client>> {
        self.places().clients_by(client, calls).await
    }

    /// The clients whose name differs from this one in upper and lower case at most, active or not, by id.
    pub async fn clients_alike(&self, name: &str, freshness: Freshness, calls: &Calls) -> Result<Vec<Client>> {
        self.places().clients_alike(name, freshness, calls).await
    }

    /// The sites whose name differs from this one in upper and lower case at most, active or not, by id.
    pub async fn sites_alike(&self, client: Option<ClientId>, name: &str, calls: &Calls) -> Result<Vec<Site>> {
        self.places().sites_alike(client, name, calls).await
    }

    /// The site of that id, of whichever client, or all active sites of that exact name, within `client` where it is given.
    pub async fn sites_by(&self, client: Option<ClientId>, site: &Reference, calls: &Calls) -> Result<Vec<Site>> {
        self.places().sites_by(client, site, calls).await
    }

    /// The client's main site, else its active site with the lowest id.
    pub async fn main_site(&self, client: ClientId, calls: &Calls) -> Result<Option<Site>> {
        self.places().main_site(client, calls).await
    }

    /// The active sites that have exactly this mail domain, by id. The first question reads every site in detail.
    pub async fn sites_of_domain(&self, domain: &str, calls: &Calls) -> Result<Vec<Site>> {
        self.places().sites_of_domain(domain, calls).await
    }

    /// The active clients whose domain, or the host of whose website, is exactly this one, by id.
    pub async fn clients_of_domain(&self, domain: &str, calls: &Calls) -> Result<Vec<Client>> {
        self.places().clients_of_domain(domain, calls).await
    }

    /// One page of users, as Halo lists them.
    pub async fn query_users(&self, query: &ListQuery, calls: &Calls) -> Result<Page<User>> {
        self.page(USERS, query, wire::user, calls).await
    }

    /// One page of clients, as Halo lists them.
    pub async fn query_clients(&self, query: &ListQuery, calls: &Calls) -> Result<Page<Client>> {
        self.page(CLIENTS, query, wire::client, calls).await
    }

    /// One page of sites, as Halo lists them.
    pub async fn query_sites(&self, query: &ListQuery, calls: &Calls) -> Result<Page<Site>> {
        self.page(SITES, query, wire::site, calls).await
    }

    /// One POST, shared with others who create a user now; no look before it. `effect` looks.
    pub async fn create_user(&self, user: &NewUser, calls: &Calls) -> Result<Created> {
        self.writes().create(user, calls).await
    }

    /// One POST that makes an inactive user active.
    pub async fn reactivate_user(&self, user: UserId, calls: &Calls) -> Result<User> {
        self.writes().reactivate(user, calls).await
    }

    /// One POST of a client with its first site; no look before it.
    pub async fn create_client(&self, client: &NewClient, calls: &Calls) -> Result<Client> {
        self.places().create_client(client, calls).await
    }

    /// Every active client the connection sees, page by page.
    pub async fn every_client(&self, calls: &Calls) -> Result<Vec<Client>> {
        self.every(CLIENTS, Query::new(), wire::client, calls).await
    }

    /// Every active site the connection sees, of one client or of all.
    pub async fn every_site(&self, client: Option<ClientId>, calls: &Calls) -> Result<Vec<Site>> {
        self.every(SITES, of_client(client), wire::site, calls).await
    }

    /// Every active user the connection sees, of one client or of all.
    pub async fn every_user(&self, client: Option<ClientId>, calls: &Calls) -> Result<Vec<User>> {
        self.every(USERS, of_client(client), wire::user, calls).await
    }

    /// Tells the journal what came of the requests so far, so that a restart need not take slots for used that
    /// were not.
    pub async fn settle_pace(&self) -> std::result::Result<(), JournalError> {
        self.api.http.pace.settle().await
    }

    /// How much of its pace is used now, and how many requests wait for a slot.
    pub fn pace_used(&self) -> (Used, usize) {
        self.api.http.pace.used()
    }

    /// How old the newest token is, and how long it lives; nothing before the first sign-in.
    pub fn token_times(&self) -> Option<(Duration, Duration)> {
        self.api.tokens.times()
    }

    /// A request is sent again at once.
    pub fn note_retry(&self) {
        self.meter().note_retry();
    }

    /// Something of this kind was created.
    pub fn note_created(&self, kind: &str) {
        self.meter().note_created(kind);
    }

    fn meter(&self) -> &Meter {
        &self.api.http.pace.meter
    }

    /// Gives the memory back of what is out of date.
    pub fn sweep(&self) {
        self.directory.sweep();
        self.lookups.sweep(&self.times);
    }

    /// What a restart should know: mail domains, and further addresses of users.
    pub fn snapshot(&self) -> Value {
        let now = Clock::system().now();
        let kept = Kept {
            mail_domains: self.directory.snapshot(now),
            further_addresses: self.lookups.further.snapshot(),
        };
        serde_json::to_value(kept).expect("numbers and texts always become JSON")
    }

    /// Takes in a snapshot of an earlier run; one that is no snapshot changes nothing.
    pub fn restore(&self, snapshot: Value) {
        let now = Clock::system().now();
        if let Ok(kept) = serde_json::from_value::<Kept>(snapshot) {
            self.directory.restore(&kept.mail_domains, now, &self.times);
            self.lookups.further.restore(&kept.further_addresses);
        }
    }

    fn writes(&self) -> Writes<'_> {
        Writes {
            api: &self.api,
            lookups: &self.lookups,
            gather: &self.gather,
            times: &self.times,
        }
    }

    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    pub(super) fn lookups(&self) -> Arc<Lookups> {
        self.lookups.clone()
    }

    fn places(&self) -> Places<'_> {
        Places {
            api: &self.api,
            directory: &self.directory,
            times: &self.times,
        }
    }

    async fn page<T>(
        &self,
        route: Route,
        query: &ListQuery,
        read: fn(&Value) -> Option<T>,
        calls: &Calls,
    ) -> Result<Page<T>> {
        let listing = listing::one(&self.api, route, wire::page_query(query), calls).await?;
        let rows: Vec<T> = listing.rows.iter().filter_map(read).collect();
        let counted = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        Ok(Page {
            record_count: listing.record_count.unwrap_or(counted),
            rows,
        })
    }

    async fn every<T>(
        &self,
        route: Route,
        query: Query,
        read: fn(&Value) -> Option<T>,
        calls: &Calls,
    ) -> Result<Vec<T>> {
        let rows = listing::every(&self.api, route, query, calls).await?;
        Ok(rows.iter().filter_map(read).collect())
    }
}

impl fmt::Debug for Halo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Halo")
            .field("name", &self.api.connection.0)
            .finish_non_exhaustive()
    }
}

/// What is kept across a restart.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    mail_domains: MailDomains,
    further_addresses: Vec<AddrSpec>,
}

fn http_agent(config: &HaloConfig) -> std::result::Result<reqwest::Client, String> {
    let trusted = tls::http_config(config.ca_file.as_deref()).map_err(|error| error.to_string())?;
    let mut agent = reqwest::Client::builder()
        .user_agent(concat!("halo-intake/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT.min(config.timeout))
        .timeout(config.timeout)
        // A redirect would carry the token to somewhere nobody configured.
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(trusted);
    if is_loopback(config) {
        agent = agent.no_proxy();
    }
    agent
        .build()
        .map_err(|error| format!("no HTTPS client can be made: {error}"))
}

fn is_loopback(config: &HaloConfig) -> bool {
    match config.url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::{
        config::Rate,
        secret::{Secret, SecretString},
    };

    /// A connection to nowhere.
    pub(in super::super) fn unconnected() -> Halo {
        let config = HaloConfig {
            url: "https://halo.example".parse().unwrap(),
            auth_url: None,
            tenant: None,
            client_id: "example".into(),
            client_secret: Secret::Literal(SecretString::from("s3cr3t".to_owned())),
            scope: "all".into(),
            rate: Rate {
                count: NonZeroU32::new(300).unwrap(),
                per: Duration::from_secs(300),
            },
            new_users: None,
            subject_tags: vec![],
            freemail_domains: vec![],
            domains: Default::default(),
            max_file_size: 20 << 20,
            timeout: Duration::from_secs(30),
            ca_file: None,
        };
        Halo::connect(ConnectionName("main".into()), &config).unwrap()
    }

    impl Halo {
        pub(in super::super) fn into_api(self) -> Api {
            self.api
        }
    }

    #[tokio::test]
    async fn nothing_of_a_connection_prints_its_secret() {
        let halo = unconnected();
        assert_eq!(format!("{halo:?}"), "Halo { name: \"main\", .. }");
        assert!(!format!("{:?}", halo.api).contains("s3cr3t"));
    }

    #[tokio::test]
    async fn what_a_probe_found_out_decides_how_users_are_looked_for_and_made() {
        use crate::halo::findings::{
            Answer, RETURNALL, ROWS_SHOW_FURTHER_ADDRESSES, SEARCH_FINDS_FURTHER_ADDRESSES, tests::found,
        };
        let halo = unconnected();
        let is = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        assert!(!is(&halo.lookups.absence_is_confirmed_by_search) && !is(&halo.gather.is_one_by_one));
        halo.learn(Arc::new(found(&[
            (RETURNALL, Answer::Truth(false)),
            (ROWS_SHOW_FURTHER_ADDRESSES, Answer::Truth(false)),
            (SEARCH_FINDS_FURTHER_ADDRESSES, Answer::Truth(true)),
        ])));
        assert!(is(&halo.lookups.absence_is_confirmed_by_search) && is(&halo.gather.is_one_by_one));
        halo.learn(Arc::new(found(&[(RETURNALL, Answer::Truth(true))])));
        assert!(!is(&halo.gather.is_one_by_one));
    }

    #[tokio::test]
    async fn a_snapshot_survives_its_round_trip_and_nonsense_changes_nothing() {
        let halo = unconnected();
        let now = Clock::system().now().as_millisecond();
        halo.restore(serde_json::json!({
            "mail_domains": { "sites": [{ "id": 7, "domains": ["acme.example"], "until": now + 60_000 }] },
            "further_addresses": ["pia.lind@acme.example"],
        }));
        halo.restore(serde_json::json!(["nonsense"]));
        let snapshot = halo.snapshot();
        assert_eq!(snapshot["mail_domains"]["sites"][0]["domains"][0], "acme.example");
        assert_eq!(snapshot["further_addresses"][0], "pia.lind@acme.example");
    }
}
