//! A journal moved to another place: all of it, into an empty one.
//!
//! Both are had as their owner meanwhile, so neither changes. From before its first row until both were found to hold the
//! same, the new one is marked as unfinished, where the versions of its tables stand: nobody opens it, an older program
//! neither, and the next copy begins it afresh. One transaction for all would need no mark, but room for everything a second
//! time in SQLite, and what a cut-short copy leaves would be an empty journal: a daemon on it would do all mail again.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use super::{JournalError, lock, opened, postgres, sql::copy, sqlite};
use crate::{
    config::Config,
    secret::{ExposeSecret, Secret},
};

pub use copy::{Copied, CopyError};

/// Where a journal lies.
#[derive(Debug, Clone)]
pub enum Seat {
    /// In SQLite, in this state folder.
    Folder(PathBuf),
    /// In PostgreSQL, at this address.
    Server {
        address: Secret,
        /// Of the daemon that has it, where it is known.
        state_dir: Option<PathBuf>,
    },
}

impl Seat {
    /// The one that a configuration names.
    pub fn of(config: &Config) -> Seat {
        match &config.journal {
            None => Seat::Folder(config.state_dir.clone()),
            Some(address) => Seat::Server {
                address: address.clone(),
                state_dir: Some(config.state_dir.clone()),
            },
        }
    }

    /// The folder whose lock goes with it.
    fn folder(&self) -> Option<&Path> {
        match self {
            Seat::Folder(folder) => Some(folder),
            Seat::Server { state_dir, .. } => state_dir.as_deref(),
        }
    }

    fn source(&self) -> Result<copy::Side, JournalError> {
        match self {
            Seat::Folder(folder) => sqlite::source(folder),
            Seat::Server { address, .. } => postgres::source(opened(address)?.expose_secret()),
        }
    }

    fn target(&self) -> Result<copy::Side, JournalError> {
        match self {
            Seat::Folder(folder) => sqlite::target(folder),
            Seat::Server { address, .. } => postgres::target_of_copy(opened(address)?.expose_secret()),
        }
    }
}

/// Copies all of one journal into another one, which has to be empty; what there was of each table. `tell` hears how many
/// rows of how many are there. Not to be called within a task.
///
/// # Errors
/// [`CopyError::Journal`] where one of them can not be had or the new one is not empty, with what to do;
/// [`CopyError::Differs`] where they do not hold the same afterwards.
pub fn copy(from: &Seat, to: &Seat, tell: &mut dyn FnMut(u64, u64)) -> Result<Vec<Copied>, CopyError> {
    if let Seat::Folder(folder) = from {
        sqlite::is_there(folder)?;
    }
    if are_one(from, to) {
        return Err(CopyError::Same);
    }
    let _locks = locks(from, to)?;
    let source = from.source()?;
    let target = to.target()?;
    copy::copy(&source, &target, tell)
}

fn are_one(from: &Seat, to: &Seat) -> bool {
    match (from, to) {
        (Seat::Folder(one), Seat::Folder(other)) => whole(one) == whole(other),
        (Seat::Server { address: one, .. }, Seat::Server { address: other, .. }) => one == other,
        _ => false,
    }
}

/// The lock of each state folder; one that goes with both has one.
fn locks(from: &Seat, to: &Seat) -> Result<Vec<File>, JournalError> {
    let mut folders: Vec<PathBuf> = [from, to].into_iter().filter_map(Seat::folder).map(whole).collect();
    folders.dedup();
    folders.iter().map(|folder| lock::take(folder)).collect()
}

fn whole(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}
