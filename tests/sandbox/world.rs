//! What the stories need: a sandbox, a connection to it, and short words for what is asked of both.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use halo_intake::{
    config::{ConnectionName, HaloConfig, Rate},
    halo::{
        Client, ClientId, NewUser, Reference, Site, SiteId, User,
        client::{Calls, Freshness, Halo, HaloError, Times},
    },
    message::address::AddrSpec,
    retry::Backoff,
    sandbox::{Fault, LoggedRequest, Mishap, Sandbox},
    secret::{Secret, SecretString},
};
use serde_json::Value;
use url::Url;

/// A sandbox and a connection to it.
pub struct World {
    pub sandbox: Sandbox,
    pub halo: Arc<Halo>,
    pub calls: Calls,
}

pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub fn config(url: Url) -> HaloConfig {
    HaloConfig {
        url,
        auth_url: None,
        tenant: None,
        client_id: "sandbox-client".into(),
        client_secret: secret("sandbox-secret"),
        scope: "all".into(),
        rate: rate(100_000, Duration::from_secs(1)),
        new_users: None,
        subject_tags: vec![],
        freemail_domains: vec![],
        domains: BTreeMap::new(),
        max_file_size: 20 << 20,
        timeout: Duration::from_secs(5),
        ca_file: None,
    }
}

pub fn secret(text: &str) -> Secret {
    Secret::Literal(SecretString::from(text.to_owned()))
}

pub fn rate(count: u32, per: Duration) -> Rate {
    Rate {
        count: NonZeroU32::new(count).unwrap(),
        per,
    }
}

/// The real lifetimes with waits that a test can afford.
pub fn times() -> Times {
    let hold = Backoff {
        first: Duration::from_millis(40),
        longest: Duration::from_millis(200),
    };
    Times {
        hold,
        patience: Duration::from_secs(2),
        ..Times::default()
    }
}

pub fn connected(config: &HaloConfig, times: Times) -> Arc<Halo> {
    Arc::new(Halo::connect_with(ConnectionName("main".into()), config, times).unwrap())
}

pub async fn world() -> World {
    world_with(|_| {}, times()).await
}

pub async fn world_with(change: impl FnOnce(&mut HaloConfig), times: Times) -> World {
    let sandbox = Sandbox::start(loopback()).await.unwrap();
    let mut config = config(sandbox.url());
    change(&mut config);
    World {
        sandbox,
        halo: connected(&config, times),
        calls: Calls::default(),
    }
}

impl World {
    /// What was asked, as `METHOD path`, without the signing in.
    pub fn asked(&self) -> Vec<String> {
        let requests = self.sandbox.requests().into_iter();
        let of_api = requests.filter(|request| !is_sign_in(request));
        of_api
            .map(|request| format!("{} {}", request.method, request.path))
            .collect()
    }

    pub fn asked_of(&self, start: &str) -> usize {
        self.asked().iter().filter(|path| path.starts_with(start)).count()
    }

    pub fn sign_ins(&self) -> usize {
        self.sandbox
            .requests()
            .iter()
            .filter(|request| request.path == "/auth/token")
            .count()
    }

    pub fn fault(&self, fault: Fault) {
        self.sandbox.set(|switches| switches.faults.push(fault));
    }

    pub async fn check(&self) -> Result<(), HaloError> {
        self.halo.check(&self.calls).await
    }

    pub async fn refusal(&self) -> HaloError {
        self.check().await.unwrap_err()
    }

    pub async fn found(&self, address: &str, freshness: Freshness) -> Vec<User> {
        self.halo
            .users_with_address(&addr(address), freshness, &self.calls)
            .await
            .unwrap()
    }

    pub async fn users(&self, address: &str, freshness: Freshness) -> Vec<i64> {
        self.found(address, freshness)
            .await
            .iter()
            .map(|user| user.id.0)
            .collect()
    }

    pub async fn create(&self, address: &str) -> Result<User, HaloError> {
        let created = self.halo.create_user(&new_user(address), &self.calls).await;
        created.map(|created| created.user)
    }

    pub async fn clients(&self, reference: &Reference) -> Vec<i64> {
        client_ids(&self.halo.clients_by(reference, &self.calls).await.unwrap())
    }

    pub async fn clients_of(&self, domain: &str) -> Vec<i64> {
        client_ids(&self.halo.clients_of_domain(domain, &self.calls).await.unwrap())
    }

    pub async fn sites(&self, client: Option<ClientId>, reference: &Reference) -> Vec<i64> {
        site_ids(&self.halo.sites_by(client, reference, &self.calls).await.unwrap())
    }

    pub async fn sites_of(&self, domain: &str) -> Vec<i64> {
        site_ids(&self.halo.sites_of_domain(domain, &self.calls).await.unwrap())
    }

    pub async fn main_site(&self, client: i64) -> Option<i64> {
        self.halo
            .main_site(ClientId(client), &self.calls)
            .await
            .unwrap()
            .map(|site| site.id.0)
    }

    pub async fn agent(&self, address: &str) -> Option<i64> {
        self.halo
            .agent_with_address(&addr(address), &self.calls)
            .await
            .unwrap()
            .map(|agent| agent.id.0)
    }

    pub fn users_named(&self, address: &str) -> usize {
        self.sandbox
            .users()
            .iter()
            .filter(|user| user["emailaddress"] == address)
            .count()
    }
}

pub fn is_sign_in(request: &LoggedRequest) -> bool {
    request.path == "/auth/token" || request.path == "/api/AuthInfo"
}

pub fn addr(text: &str) -> AddrSpec {
    AddrSpec::parse(text).unwrap()
}

pub fn new_user(address: &str) -> NewUser {
    NewUser {
        name: "New Person".into(),
        first_name: "New".into(),
        surname: "Person".into(),
        emailaddress: addr(address),
        client_id: ClientId(12),
        site_id: SiteId(21),
        send_welcome_email: false,
    }
}

pub fn name(text: &str) -> Reference {
    Reference::Name(text.into())
}

pub fn status(status: u16) -> Mishap {
    Mishap::Status {
        status,
        message: String::new(),
    }
}

pub fn client_ids(clients: &[Client]) -> Vec<i64> {
    clients.iter().map(|client| client.id.0).collect()
}

pub fn site_ids(sites: &[Site]) -> Vec<i64> {
    sites.iter().map(|site| site.id.0).collect()
}

pub const NOBODY: [i64; 0] = [];

pub fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub async fn sign_in(world: &World) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", world.sandbox.client_id()),
        ("client_secret", world.sandbox.client_secret()),
        ("scope", "all"),
    ];
    let url = world.sandbox.url().join("auth/token").unwrap();
    let answer: Value = http().post(url).form(&form).send().await.unwrap().json().await.unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

pub async fn post(world: &World, token: &str, path: &str, body: Value) -> (u16, String) {
    let url = world.sandbox.url().join(path).unwrap();
    let answer = http().post(url).bearer_auth(token).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A GET without a token.
pub async fn fetch_of(sandbox: &Sandbox, path: &str) -> u16 {
    let url = sandbox.url().join(path).unwrap();
    http().get(url).send().await.unwrap().status().as_u16()
}

pub async fn fetch(world: &World, token: &str, path: &str) -> (u16, String) {
    let url = world.sandbox.url().join(path).unwrap();
    let answer = http().get(url).bearer_auth(token).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}
