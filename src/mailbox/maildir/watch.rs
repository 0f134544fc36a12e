//! News of a Maildir by inotify, with an end in time beside it.

use std::path::Path;

use futures_util::StreamExt;
use inotify::{EventStream, Inotify, WatchMask};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{config::MailboxName, mailbox::Woke};

/// Room for a few dozen events; more wait in the system.
const BUFFER: usize = 4096;

/// A watch on `new/` and `cur/`; none where the system gives no more (its limit counts per user).
pub(super) struct Watch(Option<EventStream<[u8; BUFFER]>>);

impl Watch {
    /// Begins at once: what comes before the first wait is news for it.
    pub(super) fn new(name: &MailboxName, root: &Path) -> Watch {
        let begin = || {
            let inotify = Inotify::init()?;
            for part in ["new", "cur"] {
                inotify
                    .watches()
                    .add(root.join(part), WatchMask::CREATE | WatchMask::MOVED_TO)?;
            }
            inotify.into_event_stream([0; BUFFER])
        };
        let begun = begin();
        if let Err(error) = &begun {
            tracing::warn!(mailbox = %name, %error, "the Maildir can not be watched; it is polled");
        }
        Watch(begun.ok())
    }

    pub(super) async fn wait(&mut self, watch: bool, until: Instant, stop: &CancellationToken) -> Woke {
        let events = self.0.as_mut().filter(|_| watch);
        let news = async {
            match events {
                // A failed read is news as well: the look that follows shows what is wrong.
                Some(events) => events.next().await.is_some(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Woke::Stopped,
            _ = news => Woke::News,
            () = sleep_until(until) => Woke::Deadline,
        }
    }
}
