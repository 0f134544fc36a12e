//! The program's start, as a process of its own.

use std::{
    os::unix::net::UnixDatagram,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::desk::Desk;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// From the start of the daemon to READY=1, as systemd hears it.
pub fn ready(desk: &Desk) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(READY_WITHIN)).unwrap();
    let mut command = halo_intake(desk);
    command.arg("run").env("NOTIFY_SOCKET", &path);
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
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
    let took = began.elapsed();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    took
}

/// All of `run --once`.
pub fn once(desk: &Desk) -> Duration {
    let mut command = halo_intake(desk);
    let began = Instant::now();
    let status = command.args(["run", "--once"]).status().unwrap();
    assert!(status.success(), "run --once: {status}");
    began.elapsed()
}

fn halo_intake(desk: &Desk) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halo-intake"));
    command
        .env_clear()
        .env("HALO_INTAKE_LOG", "error")
        .arg("--config")
        .arg(&desk.config)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}
