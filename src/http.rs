//! What `[http]` serves: health, metrics and the page for people.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, middleware};
use jiff::Timestamp;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

use crate::{
    clock,
    config::HttpConfig,
    pipeline::{
        World, report,
        states::{Sort, Thing, Urgency},
    },
};
use access::Access;

mod access;
mod guard;
mod health;
mod metrics;
mod page;
mod server;

pub use server::MOST_CONNECTIONS;

/// An address that could not be listened on is tried again after this time.
const BIND_AGAIN: Duration = Duration::from_secs(30);
/// So many look into the journal for the page and for scrapes at a time: of its readers half are always free for the daemon.
const LOOKS: usize = 2;
/// So many messages as they came leave at a time; each is in memory until it has left.
const DOWNLOADS: usize = 3;

/// What all answers share; a clone is another handle on the same.
#[derive(Clone)]
struct Site(Arc<Shared>);

struct Shared {
    world: Arc<World>,
    access: Access,
    looks: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
}

/// Serves until the stop, at the address of the current configuration.
pub async fn serve(world: Arc<World>) {
    let site = Site(Arc::new(Shared {
        world: world.clone(),
        access: Access::default(),
        looks: Arc::new(Semaphore::new(LOOKS)),
        downloads: Arc::new(Semaphore::new(DOWNLOADS)),
    }));
    let mut reloads = world.bells.mended.subscribe();
    tell_of_token(&world);
    loop {
        let listen = wanted(&world);
        if listen.is_none() && world.state.troubled_before(Timestamp::MAX).contains(&Thing::Http) {
            report::over(&world, &Thing::Http, "there is no [http] any more").await;
        }
        tokio::select! {
            () = serve_at(&site, listen) => {}
            () = becomes_another(&world, listen, &mut reloads) => {}
            () = world.stop.cancelled() => return,
        }
    }
}

fn wanted(world: &World) -> Option<SocketAddr> {
    world.generation.load().config.http.as_ref().map(|http| http.listen)
}

/// Waits for a configuration with another address.
async fn becomes_another(world: &World, listen: Option<SocketAddr>, reloads: &mut watch::Receiver<()>) {
    while wanted(world) == listen {
        if reloads.changed().await.is_err() {
            return;
        }
        tell_of_token(world);
    }
}

/// It is opened when somebody shows one, which may be long after it was mistaken.
fn tell_of_token(world: &World) {
    let page = world.generation.load().config.http.clone();
    if let Some(Err(reason)) = page.as_ref().and_then(token) {
        tracing::error!("{reason}");
    }
}

/// Whether somebody can sign in with the token that there is; else why not.
pub fn token(page: &HttpConfig) -> Option<Result<(), String>> {
    let opened = access::opened(page.token.as_ref()?);
    Some(
        opened
            .map(drop)
            .map_err(|reason| format!("the token of [http] can not be used: {reason}")),
    )
}

async fn serve_at(site: &Site, listen: Option<SocketAddr>) {
    let world = &site.0.world;
    let Some(listen) = listen else {
        return std::future::pending().await;
    };
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => {
                report::well(world, Thing::Http).await;
                // Port 0 takes any free one.
                let listen = listener.local_addr().unwrap_or(listen);
                tracing::info!(%listen, "health, metrics and the page are served on http://{listen}/");
                server::serve(listener, router(site)).await;
            }
            Err(error) => {
                let reason = format!(
                    "{listen} can not be listened on: {error}; change listen in [http], or end whatever has the port"
                );
                report::trouble_again(world, Thing::Http, reason, Sort::Hampered, Urgency::IfItLasts).await;
            }
        }
        clock::sleep(BIND_AGAIN).await;
    }
}

/// Who may ask is looked at before anything is read: the name that is asked for, then the token.
fn router(site: &Site) -> Router {
    let world = &site.0.world;
    let for_readers = Router::new()
        .merge(page::routes())
        .merge(metrics::routes())
        .layer(middleware::from_fn_with_state(site.clone(), page::for_readers));
    Router::new()
        .merge(for_readers)
        .merge(page::open_routes())
        .merge(health::routes(world))
        .fallback(page::not_found)
        .method_not_allowed_fallback(page::not_allowed)
        .layer(middleware::from_fn_with_state(site.clone(), guard::guard))
        .with_state(site.clone())
}

impl Site {
    /// `[http]` as it is now; none where it was taken away a moment ago.
    fn config(&self) -> Option<HttpConfig> {
        self.0.world.generation.load().config.http.clone()
    }
}
