//! A Maildir: one file a message, in `new/` until somebody has seen it, then in `cur/`.
//!
//! Other readers rename files at any moment to change flags, so a message is known by the unique part of its
//! name alone, and a file that is not where it was is looked for again.

use std::{
    collections::HashMap,
    ffi::OsStr,
    io::{self, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Answer, Fetched, Listed, Mailbox, MailboxError, Range, Selected, Settling, Withheld, Woke};
use crate::{
    config::{MailboxName, Settle},
    journal::Spot,
};

mod settle;
mod watch;

pub use settle::destination;
use watch::Watch;

/// No header that a person's mail has is longer.
const LONGEST_HEADER: u64 = 1 << 20;

/// A folder with `new/`, `cur/` and `tmp/`; the last is never read.
pub struct Maildir {
    root: PathBuf,
    watch: Watch,
}

/// A message's file.
#[derive(Debug, Clone)]
struct Found {
    /// The unique part of the file's name, as the journal keeps it.
    name: String,
    path: PathBuf,
    size: u64,
    modified: SystemTime,
}

impl Maildir {
    /// Checks that the folder is a Maildir, and begins to watch it.
    pub async fn open(name: &MailboxName, path: &Path) -> Result<Maildir, MailboxError> {
        let root = path.to_owned();
        let checked = root.clone();
        blocking(move || {
            for part in ["new", "cur"] {
                let folder = checked.join(part);
                let reason = match std::fs::read_dir(&folder) {
                    Ok(_) => continue,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        format!("the mailbox's path is no Maildir: there is no {part}/ in it")
                    }
                    Err(error) => error.to_string(),
                };
                return Err(MailboxError::File {
                    path: checked.display().to_string(),
                    reason,
                });
            }
            Ok(())
        })
        .await?;
        let watch = Watch::new(name, &root);
        Ok(Maildir { root, watch })
    }

    pub(super) async fn inspect(&self, settle: &[&Settle]) -> Result<Vec<String>, MailboxError> {
        let found = self.scan().await?;
        let mut lines = vec![format!(
            "Maildir {} holds {} messages",
            self.root.display(),
            found.len()
        )];
        for how in settle {
            let Settle::MoveTo(folder) = how else { continue };
            let there = settle::destination(&self.root, folder).join("cur").is_dir();
            let line = if there {
                format!("folder {folder:?} exists")
            } else {
                format!("folder {folder:?} is missing and will be made")
            };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        Ok(lines)
    }

    /// What lies there, oldest first.
    async fn scan(&self) -> Result<Vec<Found>, MailboxError> {
        let root = self.root.clone();
        blocking(move || scan(&root)).await
    }

    async fn fetch_all(
        &self,
        wanted: &[Listed],
        header_only: bool,
        to: mpsc::Sender<Fetched>,
    ) -> Result<Vec<Withheld>, MailboxError> {
        let (mut places, mut withheld) = (Places::default(), Vec::new());
        for listed in wanted {
            let Spot::File { name } = &listed.spot else { continue };
            let (root, name, limit) = (self.root.clone(), name.clone(), longest(listed.size, header_only));
            let read = blocking(move || {
                let octets = places.visit(&root, &name, |path| read(path, limit));
                Ok((octets, places))
            });
            let (message, again) = read.await?;
            places = again;
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
            to.send(fetched).await.map_err(gone)?;
        }
        Ok(withheld)
    }
}

/// Where messages were seen last; looked up afresh when a file is not there any more.
#[derive(Debug, Default)]
struct Places(HashMap<String, PathBuf>);

impl Places {
    /// Does something with the message's file; `None` when the message has gone.
    fn visit<T>(
        &mut self,
        root: &Path,
        name: &str,
        mut act: impl FnMut(&Path) -> io::Result<T>,
    ) -> Result<Option<T>, MailboxError> {
        // Known place, fresh scan, and once more for a rename in between.
        for _ in 0..3 {
            if let Some(path) = self.0.get(name) {
                match act(path) {
                    Ok(value) => return Ok(Some(value)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(file_error(path, &error)),
                }
            }
            self.0 = scan(root)?.into_iter().map(|found| (found.name, found.path)).collect();
            if !self.0.contains_key(name) {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

fn scan(root: &Path) -> Result<Vec<Found>, MailboxError> {
    // A file that moves from new/ to cur/ meanwhile is met in cur/, which is read last; met twice, it counts once.
    let mut found: HashMap<String, Found> = HashMap::new();
    for part in ["new", "cur"] {
        let folder = root.join(part);
        let entries = std::fs::read_dir(&folder).map_err(|error| file_error(&folder, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| file_error(&folder, &error))?;
            let file_name = entry.file_name();
            // Not followed: a link could point to any file. A file that vanishes here was moved or deleted.
            let Ok(metadata) = entry.path().symlink_metadata() else {
                continue;
            };
            if file_name.as_encoded_bytes().starts_with(b".") || !metadata.is_file() {
                continue;
            }
            let name = written(unique(&file_name));
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.insert(
                name.clone(),
                Found {
                    name,
                    path: entry.path(),
                    size: metadata.len(),
                    modified,
                },
            );
        }
    }
    let mut found: Vec<Found> = found.into_values().collect();
    found.sort_by(|one, other| (one.modified, &one.name).cmp(&(other.modified, &other.name)));
    Ok(found)
}

/// The unique part of a file's name: what stands before `:2,flags`.
fn unique(file_name: &OsStr) -> &[u8] {
    let octets = file_name.as_encoded_bytes();
    let end = memchr::memchr(b':', octets).unwrap_or(octets.len());
    &octets[..end]
}

/// It as the journal keeps it: a text, in which octets that are none stand as `%` and two digits, and so does `%`.
fn written(unique: &[u8]) -> String {
    let mut text = String::new();
    for chunk in unique.utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        chunk
            .invalid()
            .iter()
            .for_each(|octet| text.push_str(&format!("%{octet:02X}")));
    }
    text
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
    let modified = file.metadata()?.modified()?;
    let mut octets = Vec::new();
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

fn file_error(path: &Path, error: &io::Error) -> MailboxError {
    MailboxError::File {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

/// Files are read on a thread where waiting for a disk holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MailboxError> + Send + 'static,
) -> Result<T, MailboxError> {
    let lost = |error: tokio::task::JoinError| MailboxError::Lost {
        reason: error.to_string(),
    };
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}

impl Mailbox for Maildir {
    fn select(&mut self) -> Answer<'_, Selected> {
        Box::pin(async {
            let exists = self.scan().await?.len();
            Ok(Selected {
                validity: 0,
                uid_next: 0,
                exists: u32::try_from(exists).unwrap_or(u32::MAX),
            })
        })
    }

    fn list(&mut self, _: Range) -> Answer<'_, Vec<Listed>> {
        Box::pin(async {
            let listed = |found: Found| Listed {
                spot: Spot::File { name: found.name },
                size: found.size,
                arrived: Timestamp::try_from(found.modified).ok(),
            };
            Ok(self.scan().await?.into_iter().map(listed).collect())
        })
    }

    fn fetch<'a>(
        &'a mut self,
        wanted: &'a [Listed],
        header_only: bool,
        to: mpsc::Sender<Fetched>,
    ) -> Answer<'a, Vec<Withheld>> {
        Box::pin(self.fetch_all(wanted, header_only, to))
    }

    fn wait<'a>(&'a mut self, idle: bool, until: Instant, stop: &'a CancellationToken) -> Answer<'a, Woke> {
        Box::pin(async move { Ok(self.watch.wait(idle, until, stop).await) })
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

    #[test]
    fn a_name_that_is_no_text_is_kept_apart_from_every_other() {
        let check = |name: &[u8], expected: &str| assert_eq!(written(name), expected);
        check(b"1700000000.M1P2.host,S=12", "1700000000.M1P2.host,S=12");
        check(b"a\xff", "a%FF");
        check(b"a\xfe", "a%FE");
        check(b"a%FF", "a%25FF");
    }
}
