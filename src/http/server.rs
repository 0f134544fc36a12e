//! Connections, and what each may take: places, time for its header, time for its answer, octets.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Extension, Router};
use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

/// So many connections at a time; who comes then waits until one of them ends. `daemon::descriptors` has room for them.
pub const MOST_CONNECTIONS: u32 = 64;
/// A header that is not there after this time does not come. The next request of a connection has so long, too.
const HEADER_WITHIN: Duration = Duration::from_secs(10);
/// A longer header is none of a browser's.
const LONGEST_HEADER: usize = 32 << 10;
/// A connection takes no further request after this time.
const LASTS: Duration = Duration::from_secs(60);
/// An answer that is not taken after that and this time is cut off: a large message over a slow line fits.
const TAKES: Duration = Duration::from_secs(240);
/// After a connection that could not be accepted: file descriptors do not come free at once.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Who asks, as far as the connection tells.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Serves without end; when it is dropped, the connections end, too.
pub async fn serve(listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS as usize));
    let mut open = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        while open.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                let router = router.clone();
                let served = async move {
                    connection(stream, peer, router).await;
                    drop(place);
                };
                open.spawn(served.boxed());
            }
            Err(error) => {
                tracing::debug!("a connection was not accepted: {error}");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router) {
    // Without it a short answer waits for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.layer(Extension(Peer(peer))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(LONGEST_HEADER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = sleep(LASTS) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            timeout(TAKES, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, "a connection broke off: {error}");
    }
}
