//! Where the programs and Dovecot keep what they keep: on a disk, or in memory.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustix::fs::{FsWord, statfs};

/// What statfs(2) says of a file system that is in memory.
const TMPFS: FsWord = 0x0102_1994;
const SHARED_MEMORY: &str = "/dev/shm";
/// A message takes so much, on the average: the mailbox, and what one program makes of it at a time.
const OCTETS_EACH: u64 = 3 * 48 * 1024;
/// Beside the messages.
const OCTETS_BESIDE: u64 = 256 << 20;

/// A folder on a disk with room for so many messages.
pub fn on_disk(messages: usize) -> Result<PathBuf, String> {
    let root = std::env::temp_dir();
    if is_tmpfs(&root)? {
        let root = root.display();
        return Err(format!("{root} is in memory; name a folder on a disk by TMPDIR"));
    }
    with_room(root, messages)
}

/// A folder in memory with room for so many messages.
pub fn in_memory(messages: usize) -> Result<PathBuf, String> {
    let root = PathBuf::from(SHARED_MEMORY);
    if !is_tmpfs(&root)? {
        return Err(format!(
            "{SHARED_MEMORY} is no tmpfs; without one nothing can be kept in memory"
        ));
    }
    with_room(root, messages)
}

fn is_tmpfs(path: &Path) -> Result<bool, String> {
    match statfs(path) {
        Ok(system) => Ok(system.f_type == TMPFS),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn with_room(root: PathBuf, messages: usize) -> Result<PathBuf, String> {
    let system = rustix::fs::statvfs(&root).map_err(|error| format!("{}: {error}", root.display()))?;
    let mut free = system.f_bavail * system.f_frsize;
    if is_tmpfs(&root)? {
        // The size of a tmpfs is a bound, not a promise.
        free = free.min(available_memory().ok_or("/proc/meminfo does not say how much memory is free")?);
    }
    let wanted = u64::try_from(messages).unwrap() * OCTETS_EACH + OCTETS_BESIDE;
    if free < wanted {
        let [free, wanted] = [free, wanted].map(|octets| octets >> 20);
        let root = root.display();
        return Err(format!(
            "{root} has {free} MiB free, {messages} messages take {wanted} MiB"
        ));
    }
    Ok(root)
}

fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}
