//! What lies in a Maildir: its two folders read once.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{MailboxError, rights};

/// The folders that hold messages, in the order in which they are read: a file that moves from new/ to cur/ meanwhile
/// is met in cur/.
pub(super) const PARTS: [&str; 2] = ["new", "cur"];

/// A message's file.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The unique part of the file's name, as the journal keeps it.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

/// Both folders as they were read.
pub(super) struct Scan {
    pub(super) found: HashMap<String, Found>,
    /// Nothing was renamed, made or removed meanwhile. Else a file that was there all the time may be missing: a rename
    /// moves it in the order of the folder, perhaps to where it was read already.
    pub(super) is_quiet: bool,
}

impl Scan {
    pub(super) fn of(root: &Path) -> Result<Scan, MailboxError> {
        let before = changed(root)?;
        let mut found: HashMap<String, Found> = HashMap::new();
        for part in PARTS {
            let folder = root.join(part);
            let entries = fs::read_dir(&folder).map_err(|error| folder_error(root, part, &error))?;
            for entry in entries {
                let entry = entry.map_err(|error| folder_error(root, part, &error))?;
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                // Not followed: a link could point to any file. A file that vanishes here was moved or deleted.
                let Ok(metadata) = entry.metadata() else { continue };
                if !metadata.is_file() {
                    continue;
                }
                let name = written(unique(&entry.file_name()));
                let one = Found {
                    name: name.clone(),
                    path: entry.path(),
                    size: metadata.len(),
                    modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                };
                // Met twice, it counts once.
                found.insert(name, one);
            }
        }
        let is_quiet = changed(root)? == before;
        Ok(Scan { found, is_quiet })
    }

    /// Oldest first.
    pub(super) fn in_order(self) -> Vec<Found> {
        let mut found: Vec<Found> = self.found.into_values().collect();
        found.sort_by(|one, other| (one.modified, &one.name).cmp(&(other.modified, &other.name)));
        found
    }
}

/// Whether it is a Maildir that can be read.
pub(super) fn check(root: &Path) -> Result<(), MailboxError> {
    for part in PARTS {
        let folder = root.join(part);
        fs::read_dir(&folder).map_err(|error| folder_error(root, part, &error))?;
        // Read it may be without the right to enter it, and then not one file in it can be opened.
        fs::symlink_metadata(folder.join(".")).map_err(|error| folder_error(root, part, &error))?;
    }
    Ok(())
}

/// When each of the two folders last changed.
fn changed(root: &Path) -> Result<[SystemTime; 2], MailboxError> {
    let changed = |part: &str| {
        let metadata = fs::metadata(root.join(part)).and_then(|metadata| metadata.modified());
        metadata.map_err(|error| folder_error(root, part, &error))
    };
    Ok([changed(PARTS[0])?, changed(PARTS[1])?])
}

fn folder_error(root: &Path, part: &str, error: &io::Error) -> MailboxError {
    if error.kind() != io::ErrorKind::NotFound {
        return rights::file_error(&root.join(part), rights::LIST, error);
    }
    let reason = if root.exists() {
        format!("the mailbox's path is no Maildir: there is no {part}/ in it")
    } else {
        "there is no such folder; an MTA makes a Maildir with its first delivery, else make it with new, cur and tmp"
            .to_owned()
    };
    MailboxError::File {
        path: root.display().to_string(),
        reason,
    }
}

/// The unique part of a file's name: what stands before `:2,flags`.
pub(super) fn unique(file_name: &OsStr) -> &[u8] {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_text_is_kept_apart_from_every_other() {
        let check = |name: &[u8], expected: &str| assert_eq!(written(name), expected);
        check(b"1700000000.M1P2.host,S=12", "1700000000.M1P2.host,S=12");
        check(b"a\xff", "a%FF");
        check(b"a\xfe", "a%FE");
        check(b"a%FF", "a%25FF");
    }
}
