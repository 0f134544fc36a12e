//! Settling in a Maildir: renaming, which is done whole or not at all. To a destination on another file system a
//! message is copied, and the original goes once the copy is on disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs::{self, File, FileTimes, Permissions},
    io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use super::{
    MailboxError, Places, Settling, rights,
    scan::{PARTS, unique},
};
use crate::{
    config::Settle,
    crash::{self, Step},
    journal::{Settled, Spot},
    mailbox::utf7,
};

/// Does `how` to the messages at these spots. A file that can not be touched holds up no other.
pub(super) fn settle(root: &Path, spots: &[Spot], how: &Settle) -> Result<Vec<Settling>, MailboxError> {
    let came = match how {
        Settle::Keep => {
            let kept = |_: &str| Settled::staying("kept");
            each(root, spots, kept, |path| path.symlink_metadata().map(drop))
        }
        Settle::Seen => {
            let seen = |_: &str| Settled::staying("marked seen");
            each(root, spots, seen, |path| {
                let folder = path.ancestors().nth(2).unwrap_or(root);
                let marked = folder.join("cur").join(with_flags(path, Some('S')));
                crash::across(Step::MaildirMark, || fs::rename(path, &marked))
            })
        }
        Settle::Delete => {
            let deleted = |_: &str| Settled::leaving("deleted");
            each(root, spots, deleted, |path| {
                crash::across(Step::MaildirDelete, || fs::remove_file(path))
            })
        }
        Settle::MoveTo(folder) => move_to(root, spots, folder)?,
    };
    for part in PARTS {
        sync(&root.join(part))?;
    }
    Ok(came)
}

fn move_to(root: &Path, spots: &[Spot], folder: &str) -> Result<Vec<Settling>, MailboxError> {
    let there = destination(root, folder);
    if let Err(error) = provide(root, &there) {
        let refused = rights::file_error(&there, rights::CHANGE, &error).to_string();
        return Ok(vec![Settling::Refused(refused); spots.len()]);
    }
    let moved = |name: &str| {
        let name = format!("{folder}/{name}");
        Settled::leaving(format!("moved to {folder}")).lying(folder, Spot::File { name })
    };
    let mut came = each(root, spots, moved, |path| {
        crash::across(Step::MaildirMove, || carry(root, path, &there))
    });
    // What was moved before a crash and is not known to have been: its name stays the same.
    let mut lying = Places::new(&there);
    for (spot, came) in spots.iter().zip(&mut came) {
        if let (Spot::File { name }, Settling::Gone) = (spot, &*came) {
            let (_, name) = split(name);
            *came = look_for(&mut lying, name, moved, |path| path.symlink_metadata().map(drop));
        }
    }
    sync(&there.join("cur"))?;
    Ok(came)
}

/// Acts on each where it lies.
fn each(
    root: &Path,
    spots: &[Spot],
    done: impl Fn(&str) -> Settled,
    act: impl Fn(&Path) -> io::Result<()>,
) -> Vec<Settling> {
    let mut places: BTreeMap<PathBuf, Places> = BTreeMap::new();
    let settle = |spot: &Spot| {
        let Spot::File { name } = spot else {
            return Settling::Elsewhere;
        };
        let (folder, name) = split(name);
        let there = if folder.is_empty() {
            root.to_owned()
        } else {
            destination(root, folder)
        };
        let is_missing = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
        if !folder.is_empty() && there.join("cur").metadata().is_err_and(is_missing) {
            return Settling::Gone;
        }
        let places = places.entry(there.clone()).or_insert_with(|| Places::new(&there));
        look_for(places, name, &done, &act)
    };
    spots.iter().map(settle).collect()
}

/// Before the name of a message that was moved earlier stands the folder that it was moved to.
fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

fn look_for(
    places: &mut Places,
    name: &str,
    done: impl Fn(&str) -> Settled,
    act: impl Fn(&Path) -> io::Result<()>,
) -> Settling {
    match places.visit(name, rights::CHANGE, act) {
        Ok(Some(())) => Settling::Done(done(name)),
        Ok(None) => Settling::Gone,
        Err(error) => Settling::Refused(error.to_string()),
    }
}

/// Maildir++: `.Name` beside `cur/`, with dots for the hierarchy and modified UTF-7 for the letters. INBOX is the
/// Maildir itself.
pub fn destination(root: &Path, folder: &str) -> PathBuf {
    // Neither a slash nor an empty level is left, so the name can not lead out of the Maildir.
    let levels = folder.split(['/', '.']).filter(|level| !level.is_empty());
    let levels: Vec<&str> = levels
        .enumerate()
        .filter(|(at, level)| *at > 0 || !level.eq_ignore_ascii_case("INBOX"))
        .map(|(_, level)| level)
        .collect();
    if levels.is_empty() {
        root.to_owned()
    } else {
        root.join(format!(".{}", utf7::encode(&levels.join("."))))
    }
}

/// Into the folder `there`, with the flags it has.
fn carry(root: &Path, path: &Path, there: &Path) -> io::Result<()> {
    let to = there.join("cur").join(with_flags(path, None));
    let renamed = fs::rename(path, &to);
    match renamed.map_err(|error| (error.kind(), error)) {
        Ok(()) => Ok(()),
        Err((io::ErrorKind::CrossesDevices, _)) => copy(path, there, &to),
        // It is the destination that is missing: somebody removed it meanwhile.
        Err((io::ErrorKind::NotFound, _)) if path.symlink_metadata().is_ok() => {
            provide(root, there)?;
            fs::rename(path, &to)
        }
        Err((_, error)) => Err(error),
    }
}

/// To another file system. A repeat after a crash writes over what it had copied, as the name is the same.
fn copy(path: &Path, there: &Path, to: &Path) -> io::Result<()> {
    let draft = there.join("tmp").join(to.file_name().unwrap_or_default());
    let copied = fs::copy(path, &draft).and_then(|_| {
        let copy = File::options().write(true).open(&draft)?;
        // Other programs take it for the time of the delivery.
        let modified = path.symlink_metadata()?.modified()?;
        copy.set_times(FileTimes::new().set_modified(modified))?;
        copy.sync_all()?;
        fs::rename(&draft, to)
    });
    if let Err(error) = copied {
        // What is half copied is of use to nobody.
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    File::open(there.join("cur"))?.sync_all()?;
    fs::remove_file(path)
}

/// Makes the folder where it is missing. Whoever may see the mail in the Maildir may see it there, whatever the umask.
fn provide(root: &Path, folder: &Path) -> io::Result<()> {
    if folder.join("cur").is_dir() {
        return Ok(());
    }
    let mode = fs::metadata(root.join("cur"))?.permissions().mode() & 0o777;
    let open_up = |path: &Path| fs::set_permissions(path, Permissions::from_mode(mode));
    let make = |made: &dyn Fn() -> io::Result<()>| crash::across(Step::MaildirFolder, made);
    let draft = folder.join("cur.made");
    for path in [folder.join("tmp"), folder.join("new"), draft.clone()] {
        make(&|| fs::create_dir_all(&path).and_then(|()| open_up(&path)))?;
    }
    // Courier and Dovecot know a subfolder by it.
    make(&|| File::create(folder.join("maildirfolder")).map(drop))?;
    // The group of the Maildir goes over to what is made in it, which a change of the mode ends.
    open_up(folder)?;
    // The last of all: where it is there, the folder is taken for whole.
    make(&|| fs::rename(&draft, folder.join("cur")))?;
    File::open(folder)?.sync_all()?;
    if let Some(parent) = folder.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// The file's name with the flags it bears, and `more`; flags are in ASCII order.
fn with_flags(path: &Path, more: Option<char>) -> OsString {
    let file_name = path.file_name().unwrap_or_default();
    let unique = unique(file_name);
    let rest = String::from_utf8_lossy(&file_name.as_encoded_bytes()[unique.len()..]);
    let present = rest.strip_prefix(":2,").unwrap_or("");
    let flags: BTreeSet<char> = present.chars().chain(more).collect();
    let mut name = OsStr::from_bytes(unique).to_owned();
    name.push(format!(":2,{}", String::from_iter(flags)));
    name
}

/// A rename is on disk when its folder is.
fn sync(folder: &Path) -> Result<(), MailboxError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| rights::file_error(folder, rights::LIST, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_kept_and_sorted() {
        let check = |file: &str, more: Option<char>, expected: &str| {
            assert_eq!(with_flags(Path::new("/m/cur").join(file).as_path(), more), expected);
        };
        check("1.a", None, "1.a:2,");
        check("1.a", Some('S'), "1.a:2,S");
        check("1.a:2,TF", Some('S'), "1.a:2,FST");
        check("1.a:2,S", Some('S'), "1.a:2,S");
    }

    #[test]
    fn destinations_are_maildir_plus_plus_folders_and_never_lead_out() {
        let check = |folder: &str, expected: &str| {
            assert_eq!(destination(Path::new("/m"), folder), Path::new("/m").join(expected));
        };
        check("Processed", ".Processed");
        check("Done/2026", ".Done.2026");
        check("INBOX/Entwürfe", ".Entw&APw-rfe");
        check("inbox", "");
        check("../../etc", ".etc");
        check("..", "");
    }
}
