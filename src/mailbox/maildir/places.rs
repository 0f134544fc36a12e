//! Where messages lie, during one command: other readers rename files at any moment.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use super::{
    MailboxError,
    rights::{self, Needs},
    scan::{self, Found},
};

/// What was seen in none of so many looks is not there. One look may miss a file that is renamed meanwhile: to the end of a
/// large folder, which is read piece by piece, or to where it was read already.
const LOOKS: u32 = 5;
/// So often a message is followed that is renamed each time before it is reached.
const TRIES: u32 = 20;

/// Where messages were seen last; looked up afresh when a file is not there any more.
#[derive(Debug)]
pub(super) struct Places {
    root: PathBuf,
    known: HashMap<String, PathBuf>,
    /// How many of ours `known` comes from.
    looks: u32,
}

impl Places {
    /// Nothing is known yet.
    pub(super) fn new(root: &Path) -> Places {
        Places::seen(root, Vec::new())
    }

    /// This was seen just now.
    pub(super) fn seen(root: &Path, found: Vec<Found>) -> Places {
        Places {
            root: root.to_owned(),
            known: found.into_iter().map(|found| (found.name, found.path)).collect(),
            looks: 0,
        }
    }

    /// Does something with the message's file; `None` when the message has gone.
    pub(super) fn visit<T>(
        &mut self,
        name: &str,
        needs: Needs,
        mut act: impl FnMut(&Path) -> io::Result<T>,
    ) -> Result<Option<T>, MailboxError> {
        let mut place = self.known.get(name).cloned().or_else(|| self.as_delivered(name));
        for _ in 0..TRIES {
            match place {
                Some(path) => match act(&path) {
                    Ok(value) => return Ok(Some(value)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => self.forget(),
                    Err(error) => return Err(rights::file_error(&path, needs, &error)),
                },
                None if self.looks >= LOOKS => return Ok(None),
                None => {}
            }
            self.look()?;
            place = self.known.get(name).cloned();
        }
        Err(MailboxError::File {
            path: self.root.display().to_string(),
            reason: format!("{name} is renamed again and again, faster than it can be reached"),
        })
    }

    /// What is known is outdated.
    fn forget(&mut self) {
        self.known.clear();
        self.looks = 0;
    }

    fn look(&mut self) -> Result<(), MailboxError> {
        self.looks += 1;
        // What an earlier look saw stays: this one may have missed it.
        scan::paths(&self.root, &mut self.known)
    }

    /// Where a message lies that nobody has touched: known without reading the folder, which may be large.
    fn as_delivered(&self, name: &str) -> Option<PathBuf> {
        // With a `%` it is not the file's own name.
        if name.is_empty() || name.contains('%') {
            return None;
        }
        let path = self.root.join("new").join(name);
        let is_there = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
        is_there.then_some(path)
    }
}
