//! What lies in a Maildir: its two folders read once.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{self, DirEntry},
    io,
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

/// What lies there, oldest first. A file that is renamed meanwhile may be missing; the next look has it.
pub(super) fn messages(root: &Path) -> Result<Vec<Found>, MailboxError> {
    let mut found: HashMap<String, Found> = HashMap::new();
    each_file(root, |name, entry| {
        // A file that vanishes here was moved or deleted.
        let Ok(metadata) = entry.metadata() else { return };
        let one = Found {
            name: name.clone(),
            path: entry.path(),
            size: metadata.len(),
            modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        };
        // Met twice, it counts once.
        found.insert(name, one);
    })?;
    let mut found: Vec<Found> = found.into_values().collect();
    found.sort_by(|one, other| (one.modified, &one.name).cmp(&(other.modified, &other.name)));
    Ok(found)
}

/// Where each message lies: names alone, so nothing is asked of a file that may have another name by then.
pub(super) fn paths(root: &Path, known: &mut HashMap<String, PathBuf>) -> Result<(), MailboxError> {
    each_file(root, |name, entry| drop(known.insert(name, entry.path())))
}

fn each_file(root: &Path, mut note: impl FnMut(String, &DirEntry)) -> Result<(), MailboxError> {
    for part in PARTS {
        let folder = root.join(part);
        let entries = fs::read_dir(&folder).map_err(|error| folder_error(root, part, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| folder_error(root, part, &error))?;
            let file_name = entry.file_name();
            // A link is no file: it could point to any.
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && !file_name.as_encoded_bytes().starts_with(b".") {
                note(written(unique(&file_name)), &entry);
            }
        }
    }
    Ok(())
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
