//! What the system says of this process.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};

/// Ticks of `/proc/self/stat` in a second: USER_HZ is 100 on every Linux.
const TICKS: u64 = 100;

/// Of this process, now.
#[derive(Debug, Default)]
pub(super) struct Process {
    /// In user and system mode.
    pub cpu: Duration,
    /// In octets.
    pub resident: u64,
    pub open_files: u64,
    /// `None`: any number.
    pub most_files: Option<u64>,
    /// Since the epoch.
    pub started: f64,
}

/// What `/proc` tells; what it does not tell is 0.
pub(super) fn process() -> Process {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let booted = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    // The name of the program may hold spaces, and ends with the last parenthesis.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<u64> = rest
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // Counted from the third field, which is the first after the name (proc_pid_stat(5)).
    let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0);
    let boot = word_after(&booted, "btime");
    Process {
        cpu: Duration::from_millis((field(14) + field(15)) * 1000 / TICKS),
        resident: word_after(&status, "VmRSS:") * 1024,
        open_files: std::fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64),
        most_files: getrlimit(Resource::Nofile).current,
        started: Duration::from_millis(boot * 1000 + field(22) * 1000 / TICKS).as_secs_f64(),
    }
}

fn word_after(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_knows_this_process() {
        let process = process();
        assert!(process.resident > 1 << 20 && process.open_files > 2, "{process:?}");
        let now = jiff::Timestamp::now().as_second() as f64;
        assert!(
            process.started > now - 86_400.0 && process.started <= now + 1.0,
            "{process:?}"
        );
    }
}
