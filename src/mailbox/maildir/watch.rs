//! News of a Maildir by inotify, with an end in time beside it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use futures_util::{FutureExt, StreamExt};
use inotify::{Event, EventMask, EventStream, Inotify, WatchMask};
use tokio::{
    task::unconstrained,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::scan::PARTS;
use crate::{config::MailboxName, mailbox::Woke};

/// Room for a few dozen events; more wait in the system.
const BUFFER: usize = 4096;
/// The system keeps so many for us unless it is told otherwise (fs.inotify.max_queued_events); what is beyond is lost
/// with a word that something was, which is news as well.
const QUEUE: usize = 16_384;

/// A watch on `new/` and `cur/`, begun at the first wait.
pub(super) struct Watch {
    name: MailboxName,
    root: PathBuf,
    begun: Option<Begun>,
    /// It was said that there is none.
    is_told: bool,
}

struct Begun {
    events: EventStream<[u8; BUFFER]>,
    folders: [Identity; 2],
}

/// Device and inode: a folder that was made anew under its old name is another one, which nobody watches.
type Identity = (u64, u64);

impl Watch {
    pub(super) fn new(name: &MailboxName, root: &Path) -> Watch {
        Watch {
            name: name.clone(),
            root: root.to_owned(),
            begun: None,
            is_told: false,
        }
    }

    pub(super) async fn wait(&mut self, watch: bool, until: Instant, stop: &CancellationToken) -> Woke {
        // What came before the watch began is to be looked for.
        if watch && self.begins_anew() {
            return Woke::News;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => Woke::Stopped,
            () = self.news(), if watch => Woke::News,
            () = sleep_until(until) => Woke::Deadline,
        }
    }

    /// Begins where nothing is watched, or not what lies there now; says whether that was so.
    fn begins_anew(&mut self) -> bool {
        let lies_there = identities(&self.root);
        if let (Some(begun), Ok(folders)) = (&self.begun, &lies_there)
            && begun.folders == *folders
        {
            return false;
        }
        self.begun = None;
        match lies_there.and_then(|folders| begin(&self.root, folders)) {
            Ok(begun) => {
                self.begun = Some(begun);
                if std::mem::take(&mut self.is_told) {
                    tracing::info!(mailbox = %self.name, "mailbox {}: the Maildir is watched again", self.name);
                }
                true
            }
            // The look that follows says it better.
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => {
                if !std::mem::replace(&mut self.is_told, true) {
                    let reason = limit(&error).map_or_else(|| error.to_string(), str::to_owned);
                    tracing::warn!(mailbox = %self.name, "mailbox {}: the Maildir can not be watched, so it is polled: {reason}", self.name);
                }
                false
            }
        }
    }

    /// All that has happened so far is one piece of news.
    async fn news(&mut self) {
        let Some(begun) = &mut self.begun else {
            return std::future::pending().await;
        };
        let mut has_ended = false;
        let mut next = begun.events.next().await;
        for _ in 0..QUEUE {
            has_ended |= ends(next.as_ref());
            // Without the runtime's budget, which would pretend after a hundred that there is nothing more.
            next = match unconstrained(begun.events.next()).now_or_never() {
                Some(event) if !has_ended => event,
                _ => break,
            };
        }
        if has_ended {
            self.begun = None;
        }
    }
}

/// A folder that is removed or renamed is watched no longer, or not as what it was; a failed read is no better.
fn ends<T>(event: Option<&io::Result<Event<T>>>) -> bool {
    let gone = EventMask::IGNORED | EventMask::DELETE_SELF | EventMask::MOVE_SELF | EventMask::UNMOUNT;
    event.is_none_or(|event| event.as_ref().map_or(true, |event| event.mask.intersects(gone)))
}

fn begin(root: &Path, folders: [Identity; 2]) -> io::Result<Begun> {
    let inotify = Inotify::init()?;
    let comes = WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::DELETE_SELF | WatchMask::MOVE_SELF;
    for part in PARTS {
        inotify.watches().add(root.join(part), comes)?;
    }
    // A right to read the Maildir's own folder is not needed otherwise, so it may be missing.
    let _ = inotify.watches().add(root, WatchMask::MOVE_SELF);
    let events = inotify.into_event_stream([0; BUFFER])?;
    Ok(Begun { events, folders })
}

fn identities(root: &Path) -> io::Result<[Identity; 2]> {
    let identity = |part: &str| fs::metadata(root.join(part)).map(|folder| (folder.dev(), folder.ino()));
    Ok([identity(PARTS[0])?, identity(PARTS[1])?])
}

/// The system speaks of open files and of space where it means its own limits (inotify(7)).
fn limit(error: &io::Error) -> Option<&'static str> {
    match rustix::io::Errno::from_io_error(error)? {
        rustix::io::Errno::MFILE => {
            Some("the limit of watching programs is reached; raise fs.inotify.max_user_instances by sysctl")
        }
        rustix::io::Errno::NOSPC => {
            Some("the limit of watched folders is reached; raise fs.inotify.max_user_watches by sysctl")
        }
        _ => None,
    }
}
