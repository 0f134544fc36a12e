//! The sandbox: an emulated Halo on a socket of its own, with switches for everything that goes wrong with a real one.
//!
//! It speaks the part of Halo's API that the daemon uses, quirks included: floats for ids, rows without details, a
//! substring search, arrays only, empty 404s. What nobody knows about the real one is a switch.

use std::{io, net::SocketAddr, sync::Arc};

use serde_json::Value;
use tokio::task::JoinHandle;
use url::Url;

use crate::halo::{ClientId, SiteId, UserId};

mod agents;
mod clients;
mod listing;
mod log;
mod record;
mod reply;
mod resource;
mod routes;
mod sample;
mod sites;
pub mod smtp_sink;
mod socket;
mod state;
mod switches;
mod token;
mod users;

pub use log::LoggedRequest;
pub use switches::{Agents, Duplicates, Fault, Mishap, Pattern, RateLimit, Switches};

use socket::{Doors, Line};
use state::World;

/// The client id that the sandbox knows.
pub const CLIENT_ID: &str = "sandbox-client";
/// The client secret that goes with it: a sample value, worth nothing anywhere else.
pub const CLIENT_SECRET: &str = "sandbox-secret";

/// A running server; it ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Sandbox {
    world: Arc<World>,
    address: SocketAddr,
    doors: tokio_util::sync::CancellationToken,
    server: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Serves the sample data at `addr`; port 0 takes any free one.
    pub async fn start(addr: SocketAddr) -> io::Result<Sandbox> {
        let listener = tokio::net::TcpListener::bind(addr).await?;
        let address = listener.local_addr()?;
        let world = Arc::new(World::new(address));
        let closing = tokio_util::sync::CancellationToken::new();
        let doors = Doors::new(listener, closing.clone());
        let service = routes::router(Arc::clone(&world)).into_make_service_with_connect_info::<Line>();
        let closed = closing.clone();
        let server = tokio::spawn(async move {
            let served = axum::serve(doors, service)
                .with_graceful_shutdown(closed.cancelled_owned())
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "the sandbox ends");
            }
        });
        Ok(Sandbox {
            world,
            address,
            doors: closing,
            server: Some(server),
        })
    }

    /// The resource server's URL, as `[halo.NAME] url` wants it.
    pub fn url(&self) -> Url {
        self.world.base.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The client id that signs in.
    pub fn client_id(&self) -> &'static str {
        CLIENT_ID
    }

    /// The secret that signs in.
    pub fn client_secret(&self) -> &'static str {
        CLIENT_SECRET
    }

    /// Every user in detail, by id.
    pub fn users(&self) -> Vec<Value> {
        self.world
            .store()
            .users
            .values()
            .map(|user| record::detail(users::FIELDS, user))
            .collect()
    }

    /// Every client in detail, by id.
    pub fn clients(&self) -> Vec<Value> {
        self.world
            .store()
            .clients
            .values()
            .map(|client| record::detail(clients::FIELDS, client))
            .collect()
    }

    /// Every site in detail, by id.
    pub fn sites(&self) -> Vec<Value> {
        self.world
            .store()
            .sites
            .values()
            .map(|site| record::detail(sites::FIELDS, site))
            .collect()
    }

    /// What was asked so far, oldest first, sign-ins included.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.world.log().entries()
    }

    /// Forgets what was asked so far.
    pub fn clear_log(&self) {
        self.world.log().clear();
    }

    /// Changes the switches; the next request finds them so.
    pub fn set(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.world.switches());
    }

    /// Makes every token that was given out worthless.
    pub fn revoke_tokens(&self) {
        self.world.store().tokens.clear();
    }

    /// Adds a client with the given fields (Halo's names), and its first site, called "Main".
    ///
    /// # Panics
    /// Where a field has a type that Halo would refuse; so do the next two.
    pub fn add_client(&self, fields: Value) -> ClientId {
        ClientId(clients::add(
            &mut self.world.store(),
            record::given(clients::FIELDS, &fields),
        ))
    }

    /// Adds a site with the given fields; `client_id` says whose it is.
    pub fn add_site(&self, fields: Value) -> SiteId {
        SiteId(sites::add(
            &mut self.world.store(),
            record::given(sites::FIELDS, &fields),
        ))
    }

    /// Adds a user with the given fields; `site_id` says where, and the client follows from it.
    pub fn add_user(&self, fields: Value) -> UserId {
        UserId(users::add(
            &mut self.world.store(),
            record::given(users::FIELDS, &fields),
        ))
    }

    /// Closes the doors and every connection, and waits until the port is free.
    pub async fn stop(mut self) {
        self.doors.cancel();
        if let Some(server) = self.server.take() {
            // A panic of the server was logged where it happened.
            let _ = server.await;
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.doors.cancel();
    }
}
