//! Reads much at once below TLS, which asks for 4 KiB at a time: each of them would be a call to the system.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Of one read, while much comes.
const MUCH: usize = 64 * 1024;

/// A stream that is read in large swigs.
pub(super) struct Swig<S> {
    inner: S,
    /// What was read, from `at` to `end` not yet asked for. It takes no room while little comes: thousands of connections
    /// wait.
    read: Vec<u8>,
    at: usize,
    end: usize,
    /// The last read filled what it was given, so there is more.
    is_much: bool,
}

impl<S> Swig<S> {
    pub(super) fn new(inner: S) -> Self {
        Swig {
            inner,
            read: Vec::new(),
            at: 0,
            end: 0,
            is_much: false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Swig<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self;
        if me.at == me.end && !me.is_much {
            ready!(Pin::new(&mut me.inner).poll_read(cx, buf))?;
            me.is_much = buf.remaining() == 0;
            return Poll::Ready(Ok(()));
        }
        if me.at == me.end {
            me.read.resize(MUCH, 0);
            let mut fresh = ReadBuf::new(&mut me.read);
            match Pin::new(&mut me.inner).poll_read(cx, &mut fresh) {
                Poll::Ready(read) => read?,
                Poll::Pending => {
                    (me.read, me.is_much) = (Vec::new(), false);
                    return Poll::Pending;
                }
            }
            (me.at, me.end) = (0, fresh.filled().len());
        }
        let rest = &me.read[me.at..me.end];
        let taken = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..taken]);
        me.at += taken;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Swig<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// Octets that are there at once, and then nothing for a while; it counts how often it is asked.
    struct Source {
        octets: Vec<u8>,
        asked: usize,
    }

    impl AsyncRead for Source {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            self.asked += 1;
            if self.octets.is_empty() {
                return Poll::Pending;
            }
            let taken = self.octets.len().min(buf.remaining());
            buf.put_slice(&self.octets[..taken]);
            self.octets.drain(..taken);
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn much_is_read_by_few_calls_in_its_order_and_no_room_is_kept_afterwards() {
        let octets: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
        let asked = 0;
        let mut swig = Swig::new(Source {
            octets: octets.clone(),
            asked,
        });
        let mut came = Vec::new();
        while came.len() < octets.len() {
            let mut small = [0; 4096];
            let length = swig.read(&mut small).await.unwrap();
            came.extend_from_slice(&small[..length]);
        }
        assert!(came == octets, "as they were sent");
        assert!(swig.inner.asked < 20, "{} calls", swig.inner.asked);
        let mut small = [0; 4096];
        let waits = tokio::time::timeout(std::time::Duration::ZERO, swig.read(&mut small)).await;
        assert!(waits.is_err() && swig.read.capacity() == 0);
    }
}
