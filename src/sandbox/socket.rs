//! Connections that can be cut: a client then sees a closed connection and not one octet of an answer.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Where connections come in.
#[derive(Debug)]
pub(super) struct Doors {
    listener: TcpListener,
    closing: CancellationToken,
}

/// The other end of a connection, as a handler sees it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    closing: CancellationToken,
    left: Arc<AtomicUsize>,
}

/// A connection that ends when its line is cut or the doors close.
pub(super) struct Wire {
    stream: TcpStream,
    line: Line,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Doors {
    pub(super) fn new(listener: TcpListener, closing: CancellationToken) -> Doors {
        Doors { listener, closing }
    }
}

impl Line {
    /// Closes the connection at once; whatever is answered now goes nowhere.
    pub(super) fn cut(&self) {
        self.closing.cancel();
    }

    /// Closes the connection after so many octets more.
    pub(super) fn cut_after(&self, octets: usize) {
        self.left.store(octets, Ordering::Relaxed);
    }

    /// So many of these octets may go out still.
    fn share(&self, wanted: usize) -> usize {
        self.left.load(Ordering::Relaxed).min(wanted)
    }

    fn went(&self, octets: usize) {
        let less = |left| (left != usize::MAX).then(|| left - octets);
        // Without a bound there is nothing to count.
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

impl axum::serve::Listener for Doors {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // Without it every answer waits for the delayed acknowledgement of the one before.
                    stream.set_nodelay(true).ok();
                    return (Wire::new(stream, self.closing.child_token()), address);
                }
                // Out of file descriptors, or a client that left again: neither is over at once.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Doors>> for Line {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Line {
        stream.io().line.clone()
    }
}

impl Wire {
    fn new(stream: TcpStream, line: CancellationToken) -> Wire {
        let cut = Box::pin(line.clone().cancelled_owned());
        let line = Line {
            closing: line,
            left: Arc::new(AtomicUsize::new(usize::MAX)),
        };
        Wire { stream, line, cut }
    }

    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        self.cut.as_mut().poll(cx).is_ready()
    }
}

fn cut<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_cut(cx) {
            cut()
        } else {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let share = self.line.share(octets.len());
        if self.is_cut(cx) || share == 0 {
            return cut();
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, &octets[..share]);
        if let Poll::Ready(Ok(count)) = written {
            self.line.went(count);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_cut(cx) {
            cut()
        } else {
            Pin::new(&mut self.stream).poll_flush(cx)
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
