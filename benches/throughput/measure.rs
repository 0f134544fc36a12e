//! What the system says of a child: how long it took, its processor time, its largest resident size.

use std::{
    fs,
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

/// `VmHWM` is a high-water mark that the kernel keeps; only what is touched within the last look is missed.
const LOOK: Duration = Duration::from_millis(2);
/// The kernel tells processor time to user space in hundredths of a second on every Linux.
const TICKS: f64 = 100.0;

/// A child that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub status: ExitStatus,
    pub wall: Duration,
    /// User and system, of all its threads.
    pub cpu_seconds: f64,
    pub peak_kib: u64,
}

/// Runs it to its end.
pub fn measure(command: &mut Command) -> Measured {
    let began = Instant::now();
    let mut child = command.spawn().expect("a program that is installed");
    let mut peak_kib = 0;
    // A child that has ended stays readable until it is waited for.
    while !has_ended(&child) {
        peak_kib = peak(&child).unwrap_or(0).max(peak_kib);
        std::thread::sleep(LOOK);
    }
    let wall = began.elapsed();
    let cpu_seconds = cpu_seconds(&child);
    let status = child.wait().expect("our own child");
    Measured {
        status,
        wall,
        cpu_seconds,
        peak_kib,
    }
}

/// The fields of proc(5) `stat` behind the program's name.
fn stat(child: &Child) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("our own child");
    let behind = text.rsplit_once(") ").expect("a name in brackets").1;
    behind.split(' ').map(str::to_owned).collect()
}

fn has_ended(child: &Child) -> bool {
    stat(child)[0] == "Z"
}

fn cpu_seconds(child: &Child) -> f64 {
    let stat = stat(child);
    let ticks = |at: usize| stat[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS
}

/// The largest resident size so far, in KiB.
fn peak(child: &Child) -> Option<u64> {
    status(child, "VmHWM:")
}

/// A size of proc(5) `status`, in KiB.
pub fn status(child: &Child, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
