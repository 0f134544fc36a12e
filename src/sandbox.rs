//! The sandbox: an emulated Halo on a socket of its own, with switches for everything that goes wrong with a real one.
//!
//! It speaks the part of Halo's API that the daemon uses, quirks included: floats for ids, rows without details, a
//! substring search, arrays only, empty 404s. What nobody knows about the real one is a switch.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    halo::{ClientId, SiteId, UserId},
    task,
};

mod actions;
mod agents;
mod api;
mod attachments;
mod clients;
mod control;
mod faults;
mod kept;
mod laid;
mod listing;
mod log;
mod markup;
mod moment;
mod multipart;
mod page;
mod pictures;
mod posted;
mod record;
mod reference;
mod reply;
mod resource;
mod routes;
mod sample;
mod search;
mod sites;
pub mod smtp_sink;
mod socket;
mod state;
pub mod switches;
mod tickets;
mod token;
mod users;
mod whose;

pub use faults::{Fault, Mishap, Pattern};
pub use kept::StateError;
pub use log::LoggedRequest;
pub use switches::{
    Agents, ClientDomain, Clientless, CustomerOpening, Duplicates, RateBody, RateLimit, Separator, SwitchError,
    Switches, WhoType, WrongTenant,
};

use kept::{Claim, Keeper};
use socket::{Doors, Line};
use state::World;

/// The client id that the sandbox knows.
pub const CLIENT_ID: &str = "sandbox-client";
/// The client secret that goes with it: a sample value, worth nothing anywhere else.
pub const CLIENT_SECRET: &str = "sandbox-secret";

/// How a sandbox starts.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// The switches as they are at first.
    pub switches: Switches,
    /// Without the sample data: there is the client "Unknown" and nobody else.
    pub is_empty: bool,
    /// The file that keeps the records; those of a file that is there are taken instead of the sample.
    pub state: Option<PathBuf>,
}

/// Why a sandbox does not start, or does not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can't be listened at.
    #[error(
        "{address} can not be listened at (a sandbox that runs already? stop it, or name other addresses by --listen and --mail)"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The state file is of no use.
    #[error(transparent)]
    State(#[from] StateError),
}

/// A running server; it ends when it is stopped or dropped.
#[derive(Debug)]
pub struct Sandbox {
    world: Arc<World>,
    address: SocketAddr,
    doors: CancellationToken,
    server: Option<JoinHandle<()>>,
    keeper: Option<(Arc<Keeper>, JoinHandle<()>)>,
}

impl Sandbox {
    /// Serves the sample data at `addr`; port 0 takes any free one.
    pub async fn start(addr: SocketAddr) -> io::Result<Sandbox> {
        let listener = tokio::net::TcpListener::bind(addr).await?;
        let world = World::new(listener.local_addr()?, sample::full(), Switches::default());
        Ok(Sandbox::serve(listener, Arc::new(world)))
    }

    /// The same with other switches, other records, or a file that keeps them.
    pub async fn start_with(addr: SocketAddr, start: Start) -> Result<Sandbox, Error> {
        let claim = start.state.map(Claim::of).transpose()?;
        let kept = claim.as_ref().map(Claim::load).transpose()?.flatten();
        let store = kept.unwrap_or_else(|| if start.is_empty { sample::bare() } else { sample::full() });
        let unheard = |source| Error::Listen { address: addr, source };
        let listener = tokio::net::TcpListener::bind(addr).await.map_err(unheard)?;
        let address = listener.local_addr().map_err(unheard)?;
        let world = Arc::new(World::new(address, store, start.switches));
        let keeper = claim.map(|claim| Keeper::new(claim, Arc::clone(&world))).transpose()?;
        let mut sandbox = Sandbox::serve(listener, world);
        sandbox.keeper = keeper.map(|keeper| {
            let keeper = Arc::new(keeper);
            let task = Arc::clone(&keeper).keep(sandbox.doors.clone());
            (keeper, task)
        });
        Ok(sandbox)
    }

    fn serve(listener: tokio::net::TcpListener, world: Arc<World>) -> Sandbox {
        let address = world.address;
        let closing = CancellationToken::new();
        let doors = Doors::new(listener, closing.clone());
        let service = routes::router(Arc::clone(&world)).into_make_service_with_connect_info::<Line>();
        let closed = closing.clone();
        let server = task::spawn(async move {
            let served = axum::serve(doors, service)
                .with_graceful_shutdown(closed.cancelled_owned())
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "the sandbox ends");
            }
        });
        Sandbox {
            world,
            address,
            doors: closing,
            server: Some(server),
            keeper: None,
        }
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
        users::RESOURCE.all(&self.world.store())
    }

    /// Every client in detail, by id.
    pub fn clients(&self) -> Vec<Value> {
        clients::RESOURCE.all(&self.world.store())
    }

    /// Every site in detail, by id.
    pub fn sites(&self) -> Vec<Value> {
        sites::RESOURCE.all(&self.world.store())
    }

    /// Every ticket in detail, by id, deleted ones among them.
    pub fn tickets(&self) -> Vec<Value> {
        tickets::RESOURCE.all(&self.world.store())
    }

    /// The actions of a ticket in detail, by number.
    pub fn actions(&self, ticket: i64) -> Vec<Value> {
        let switches = self.world.switches().clone();
        actions::all(&self.world.store(), ticket, &switches)
    }

    /// Every attachment in detail, by id, without what it holds.
    pub fn attachments(&self) -> Vec<Value> {
        control::all_attachments(&self.world.store())
    }

    /// What an attachment holds.
    pub fn attachment_octets(&self, id: i64) -> Option<bytes::Bytes> {
        self.world.store().contents.get(&id).map(|octets| octets.0.clone())
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

    /// Every token that was given out and is good.
    pub fn tokens(&self) -> Vec<String> {
        self.world.store().tokens.keys().cloned().collect()
    }

    /// Makes every token that was given out worthless.
    pub fn revoke_tokens(&self) {
        self.world.store().tokens.clear();
    }

    /// Adds a client with the given fields (Halo's names), and its first site, called "Main".
    ///
    /// # Panics
    /// Where a field has a type that Halo would refuse; so do the others.
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

    /// Adds a ticket with the given fields and its first action. What it does not say of client, site and user
    /// follows from what it says.
    pub fn add_ticket(&self, fields: Value) -> i64 {
        tickets::add(&mut self.world.store(), record::given(tickets::FIELDS, &fields))
    }

    /// Adds an action with the given fields; `ticket_id` says where. Gives its number.
    pub fn add_action(&self, fields: Value) -> i64 {
        actions::add(&mut self.world.store(), record::given(actions::FIELDS, &fields))
    }

    /// Adds an attachment with the given fields; `ticket_id` says where, `data_base64` what it holds.
    pub fn add_attachment(&self, fields: Value) -> i64 {
        attachments::add(&mut self.world.store(), record::given(attachments::FIELDS, &fields))
    }

    /// Closes the doors and every connection, and waits until the port is free.
    pub async fn stop(self) {
        if let Err(error) = self.end().await {
            tracing::error!("{error}");
        }
    }

    /// The same, and says whether the records were kept.
    pub async fn end(mut self) -> Result<(), StateError> {
        self.doors.cancel();
        if let Some(server) = self.server.take() {
            // A panic of the server was logged where it happened.
            let _ = server.await;
        }
        let Some((keeper, task)) = self.keeper.take() else {
            return Ok(());
        };
        let _ = task.await;
        keeper.write()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.doors.cancel();
    }
}
