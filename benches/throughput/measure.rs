//! What the system says of a child: how long it took, its processor time, its largest resident size.

use std::{
    process::{Child, Command, ExitStatus},
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, WaitId, WaitIdOptions};

use crate::process;

/// `VmHWM` is a high-water mark that the kernel keeps; only what is touched within the last look is missed. A look takes
/// some 0.1 ms of processor, which whoever has both of a machine's in use would miss.
const LOOK: Duration = Duration::from_millis(20);

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
    let (ended, has_ended) = mpsc::channel::<()>();
    let (wall, peak_kib) = std::thread::scope(|scope| {
        let child = &child;
        let looking = scope.spawn(move || {
            let mut peak_kib = 0;
            while has_ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                peak_kib = peak(child).unwrap_or(0).max(peak_kib);
            }
            peak_kib
        });
        // It stays readable until it is waited for without NOWAIT.
        let exited = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::Pid(Pid::from_child(child)), exited).expect("our own child");
        let wall = began.elapsed();
        drop(ended);
        (wall, looking.join().expect("it looks only"))
    });
    let cpu_seconds = process::cpu_seconds(&child);
    let status = child.wait().expect("our own child");
    Measured {
        status,
        wall,
        cpu_seconds,
        peak_kib,
    }
}

/// The largest resident size so far, in KiB.
fn peak(child: &Child) -> Option<u64> {
    process::status(child, "VmHWM:")
}
