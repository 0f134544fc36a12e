//! A Maildir: one file a message, in `new/` until somebody has seen it, then in `cur/`.
//!
//! Other readers rename files at any moment to change flags, so a message is known by the unique part of its
//! name alone, and a file that is not where it was is looked for again.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Answer, Batch, Fetched, Inspected, Listed, Mailbox, MailboxError, Range, Selected, Settling, Share, Withheld, Woke,
    room,
};
use crate::{
    config::{MailboxName, Settle},
    journal::Spot,
    task,
};

mod inspect;
mod places;
mod rights;
mod scan;
mod settle;
mod watch;

use places::Places;
use scan::Found;
pub use settle::destination;
use watch::Watch;

/// No header that a person's mail has is longer.
const LONGEST_HEADER: u64 = 1 << 20;

/// A folder with `new/`, `cur/` and `tmp/`; the last is never read.
pub struct Maildir {
    root: PathBuf,
    watch: Watch,
    /// What the last look saw, until it is listed: a large folder is read once a look.
    seen: Option<Vec<Found>>,
    /// Where what was listed lay, until the look is over.
    places: Places,
}

impl Maildir {
    /// Checks that the folder is a Maildir.
    pub async fn open(name: &MailboxName, path: &Path) -> Result<Maildir, MailboxError> {
        let root = path.to_owned();
        let checked = root.clone();
        blocking(move || scan::check(&checked)).await?;
        Ok(Maildir {
            watch: Watch::new(name, &root),
            places: Places::new(&root),
            seen: None,
            root,
        })
    }

    /// What lies there, oldest first.
    async fn scan(&self) -> Result<Vec<Found>, MailboxError> {
        let root = self.root.clone();
        blocking(move || scan::messages(&root)).await
    }

    async fn list_all(&mut self) -> Result<Vec<Listed>, MailboxError> {
        let found = match self.seen.take() {
            Some(found) => found,
            None => self.scan().await?,
        };
        let listed = found.iter().map(|found| Listed {
            spot: Spot::File {
                name: found.name.clone(),
            },
            size: found.size,
            arrived: Timestamp::try_from(found.modified).ok(),
        });
        let listed = listed.collect();
        self.places = Places::seen(&self.root, found);
        Ok(listed)
    }

    async fn fetch_all(
        &mut self,
        mut batches: mpsc::Receiver<Batch>,
        header_only: bool,
        to: mpsc::Sender<(Fetched, Share)>,
    ) -> Result<Vec<Withheld>, MailboxError> {
        let mut withheld = Vec::new();
        while let Some(batch) = batches.recv().await {
            self.fetch_batch(batch, header_only, &to, &mut withheld).await?;
        }
        Ok(withheld)
    }

    async fn fetch_batch(
        &mut self,
        Batch { wanted, mut share }: Batch,
        header_only: bool,
        to: &mpsc::Sender<(Fetched, Share)>,
        withheld: &mut Vec<Withheld>,
    ) -> Result<(), MailboxError> {
        for listed in &wanted {
            let Spot::File { name } = &listed.spot else { continue };
            let (name, limit) = (name.clone(), longest(listed.size, header_only));
            let mut places = std::mem::replace(&mut self.places, Places::new(&self.root));
            let read = blocking(move || {
                let octets = places.visit(&name, rights::READ, |path| read(path, limit));
                Ok((octets, places))
            });
            let (message, places) = read.await?;
            self.places = places;
            let (octets, modified) = match message {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                // A right that is missing, a bad sector: the next file is another one.
                Err(error) => {
                    let (spot, reason) = (listed.spot.clone(), error.to_string());
                    withheld.push(Withheld { spot, reason });
                    continue;
                }
            };
            let octets = if header_only { header_of(octets) } else { octets };
            let internal_date = Timestamp::try_from(modified).unwrap_or(Timestamp::UNIX_EPOCH);
            let fetched = Fetched {
                spot: listed.spot.clone(),
                internal_date,
                size: listed.size,
                octets,
            };
            let gone = |_| MailboxError::Lost {
                reason: "nobody takes the fetched messages any more".to_owned(),
            };
            let share = share.split(fetched.octets.len());
            to.send((fetched, share)).await.map_err(gone)?;
        }
        Ok(())
    }
}

/// A file may have grown since it was listed, as it is not delivered as it should be; never without bound.
fn longest(listed: u64, header_only: bool) -> u64 {
    if header_only {
        LONGEST_HEADER
    } else {
        listed.saturating_add(listed / 2).saturating_add(64 * 1024)
    }
}

fn read(path: &Path, limit: u64) -> io::Result<(Bytes, SystemTime)> {
    if !path.symlink_metadata()?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    let modified = metadata.modified()?;
    let mut octets = room(metadata.len().min(limit));
    file.take(limit).read_to_end(&mut octets)?;
    Ok((octets.into(), modified))
}

/// Up to and with the empty line; lines may end in LF alone, as local deliveries write them.
fn header_of(octets: Bytes) -> Bytes {
    let ends = [(&b"\r\n\r\n"[..], 4), (&b"\n\n"[..], 2)];
    let end = ends
        .iter()
        .filter_map(|(end, length)| memchr::memmem::find(&octets, end).map(|at| at + length))
        .min();
    octets.slice(..end.unwrap_or(octets.len()))
}

/// Files are read on a thread where waiting for a disk holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MailboxError> + Send + 'static,
) -> Result<T, MailboxError> {
    let lost = |error: task::BrokenOff| MailboxError::Lost {
        reason: error.to_string(),
    };
    task::blocking(work).await.map_err(lost)?
}

impl Mailbox for Maildir {
    fn select(&mut self) -> Answer<'_, Selected> {
        Box::pin(async {
            let found = self.scan().await?;
            let exists = u32::try_from(found.len()).unwrap_or(u32::MAX);
            self.seen = Some(found);
            Ok(Selected {
                validity: 0,
                uid_next: 0,
                exists,
            })
        })
    }

    fn list(&mut self, _: Range) -> Answer<'_, Vec<Listed>> {
        Box::pin(self.list_all())
    }

    fn fetch(
        &mut self,
        batches: mpsc::Receiver<Batch>,
        header_only: bool,
        to: mpsc::Sender<(Fetched, Share)>,
    ) -> Answer<'_, Vec<Withheld>> {
        Box::pin(self.fetch_all(batches, header_only, to))
    }

    fn wait<'a>(&'a mut self, idle: bool, until: Instant, stop: &'a CancellationToken) -> Answer<'a, Woke> {
        Box::pin(async move {
            // Nobody fetches what was listed before a wait.
            self.places = Places::new(&self.root);
            Ok(self.watch.wait(idle, until, stop).await)
        })
    }

    fn settle<'a>(&'a mut self, spots: &'a [Spot], how: &'a Settle) -> Answer<'a, Vec<Settling>> {
        Box::pin(async move {
            let (root, spots, how) = (self.root.clone(), spots.to_vec(), how.clone());
            blocking(move || settle::settle(&root, &spots, &how)).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_ends_with_its_empty_line_whatever_the_line_ends() {
        let check = |text: &'static str, header: &str| assert_eq!(header_of(text.into()), header);
        check("A: 1\r\nB: 2\r\n\r\nbody\r\n\r\n", "A: 1\r\nB: 2\r\n\r\n");
        check("A: 1\nB: 2\n\nbody\r\n\r\n", "A: 1\nB: 2\n\n");
        check("A: 1\n", "A: 1\n");
    }
}
