//! A server that is nothing but octets: what it says is there from the start, and what it hears is dropped.

use std::{
    io,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Imap, Patience, wire::Wire};
use crate::{clock::Clock, config::ImapConfig, mailbox::MailboxError, oauth::SignIns};

struct Said(io::Cursor<Vec<u8>>);

impl AsyncRead for Said {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buf)
    }
}

impl AsyncWrite for Said {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Imap {
    /// Signs in to a server that says just this.
    pub(crate) async fn over(octets: &[u8], config: &ImapConfig, patience: Patience) -> Result<Imap, MailboxError> {
        let mut wire = Wire::new(Box::new(Said(io::Cursor::new(octets.to_vec()))), patience.command);
        let signed_in = wire.greeting().await?;
        wire.learn_capabilities().await?;
        // Signed in to with a password: no token is asked for.
        let sign_ins = SignIns::new(Path::new("/nonexistent"), Clock::system());
        Imap::begin(wire, signed_in, config, &sign_ins).await
    }
}
