//! What the system says of a child: how long it took, its processor time, its largest resident size.

use std::{
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use crate::process;

/// `VmHWM` is a high-water mark that the kernel keeps; only what is touched within the last look is missed.
const LOOK: Duration = Duration::from_millis(2);

/// A child that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    pub status: ExitStatus,
    pub wall: Duration,
    /// User and system, of all its threads.
    pub cpu_seconds: f64,
    pub peak_kib: u64,
}

impl Measured {
    pub fn peak_mebibytes(&self) -> f64 {
        self.peak_kib as f64 / 1024.0
    }
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
    let cpu_seconds = process::cpu_seconds(&child);
    let status = child.wait().expect("our own child");
    Measured {
        status,
        wall,
        cpu_seconds,
        peak_kib,
    }
}

fn has_ended(child: &Child) -> bool {
    process::stat(child)[0] == "Z"
}

/// The largest resident size so far, in KiB.
fn peak(child: &Child) -> Option<u64> {
    process::status(child, "VmHWM:")
}
