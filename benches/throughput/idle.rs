//! The daemon at rest: how soon it is ready, and what it holds then.

use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use crate::{commands, desk::Desk, process};

const READY_WITHIN: Duration = Duration::from_secs(30);
/// What only the start needed is given back by then.
const REST: Duration = Duration::from_secs(3);

pub struct Idle {
    pub ready_after: Duration,
    pub resident_mib: f64,
    pub peak_mib: f64,
}

/// Starts the daemon as systemd does, waits until it says READY=1, looks at it at rest, and stops it.
pub fn measure(desk: &Desk) -> Idle {
    let place = desk.empty_place(desk.port());
    let folder = tempfile::tempdir().expect("a folder of our own");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket in our own folder");
    socket.set_read_timeout(Some(READY_WITHIN)).expect("a time");
    let mut command = commands::halo_intake(&place, &["run"]);
    let began = Instant::now();
    let mut child = command.env("NOTIFY_SOCKET", &path).spawn().expect("our own program");
    let mut words = [0; 4096];
    loop {
        let length = socket.recv(&mut words).expect("READY=1 in time");
        if words[..length]
            .split(|octet| *octet == b'\n')
            .any(|line| line == b"READY=1")
        {
            break;
        }
    }
    let ready_after = began.elapsed();
    std::thread::sleep(REST);
    let mebibytes = |kib: Option<u64>| kib.expect("it runs") as f64 / 1024.0;
    let idle = Idle {
        ready_after,
        resident_mib: mebibytes(process::status(&child, "VmRSS:")),
        peak_mib: mebibytes(process::status(&child, "VmHWM:")),
    };
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("our own child");
    child.wait().expect("our own child");
    desk.leave(place);
    idle
}

impl Idle {
    pub fn print(&self) {
        println!(
            "  halo-intake run, one empty mailbox: ready after {:.2} s, {:.1} MiB resident then, {:.1} MiB at its peak",
            self.ready_after.as_secs_f64(),
            self.resident_mib,
            self.peak_mib
        );
    }
}
