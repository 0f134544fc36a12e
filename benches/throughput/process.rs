//! What proc(5) says of a child that runs, or has ended and was not waited for.

use std::{fs, process::Child};

/// The kernel tells processor time to user space in hundredths of a second on every Linux.
const TICKS: f64 = 100.0;

/// The fields of `stat` behind the program's name.
pub fn stat(child: &Child) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("our own child");
    let behind = text.rsplit_once(") ").expect("a name in brackets").1;
    behind.split(' ').map(str::to_owned).collect()
}

/// Processor time so far, user and system, of all its threads.
pub fn cpu_seconds(child: &Child) -> f64 {
    let stat = stat(child);
    let ticks = |at: usize| stat[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS
}

/// A size of `status`, in KiB.
pub fn status(child: &Child, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
