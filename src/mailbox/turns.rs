//! Whose turn it is to sign in. When a server comes back, thousands of mailboxes want to at once; a few at a time are
//! sooner done, and it is no storm.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::sleep};

use crate::config::{MailboxConfig, MailboxSource};

/// So many connections to one server are opened at a time. A sign-in takes about ten round trips: with 50 ms for each
/// of them two thousand are done in half a minute.
const AT_ONCE: usize = 32;
/// Who has not come in by then, because the server says nothing for one, goes on, and is no longer in the others' way.
const LONGEST: Duration = Duration::from_secs(3);

/// The turns at all servers.
#[derive(Debug)]
pub struct Turns {
    servers: Mutex<HashMap<(String, u16), Arc<Semaphore>>>,
    longest: Duration,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns {
            servers: Mutex::default(),
            longest: LONGEST,
        }
    }
}

impl Turns {
    /// Opens a mailbox when it is its turn at its server.
    pub(super) async fn open<F: Future>(&self, config: &MailboxConfig, open: impl FnOnce() -> F) -> F::Output {
        match &config.source {
            MailboxSource::Imap(imap) => self.within((imap.host.to_ascii_lowercase(), imap.port), open).await,
            MailboxSource::Maildir { .. } => open().await,
        }
    }

    async fn within<F: Future>(&self, server: (String, u16), open: impl FnOnce() -> F) -> F::Output {
        let places = self.places(server);
        let place = places.acquire().await.expect("the places are never closed");
        // Not before: thousands may wait for their turn, and none of them needs the room for more than that.
        let mut open = Box::pin(open());
        tokio::select! {
            opened = &mut open => return opened,
            () = sleep(self.longest) => drop(place),
        }
        open.await
    }

    fn places(&self, server: (String, u16)) -> Arc<Semaphore> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let places = servers.entry(server);
        places.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use tokio::time::timeout;

    fn server(name: &str) -> (String, u16) {
        (name.to_owned(), 993)
    }

    #[tokio::test]
    async fn a_server_that_comes_back_sees_a_few_at_a_time() {
        let (turns, now, most) = (Turns::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        let sign_in = async || {
            let open = now.fetch_add(1, Ordering::Relaxed) + 1;
            most.fetch_max(open, Ordering::Relaxed);
            sleep(Duration::from_millis(2)).await;
            now.fetch_sub(1, Ordering::Relaxed);
        };
        let all = (0..1_000).map(|_| turns.within(server("mail.example"), &sign_in));
        futures_util::future::join_all(all).await;
        assert_eq!(most.into_inner(), AT_ONCE);
    }

    #[tokio::test]
    async fn those_whose_server_says_nothing_are_soon_out_of_the_way() {
        let turns = Turns {
            longest: Duration::from_millis(50),
            ..Turns::default()
        };
        let silent = (0..AT_ONCE).map(|_| turns.within(server("mail.example"), pending::<()>));
        let silent = futures_util::future::join_all(silent);
        let others = async {
            // At another server it is nobody's turn but its own.
            turns.within(server("other.example"), async || {}).await;
            turns.within(server("mail.example"), async || {}).await;
        };
        tokio::select! {
            biased;
            _ = silent => unreachable!("they say nothing"),
            others = timeout(Duration::from_secs(10), others) => others.expect("a place in time"),
        }
    }
}
