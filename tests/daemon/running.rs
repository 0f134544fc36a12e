//! A program that runs for a while: what it says, and how it ends.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

pub use rustix::process::Signal;

use crate::world::World;

/// Everybody becomes a user.
pub const USERS: &str = r#"
[[rule]]
name = "users"

  [[rule.action]]
  type = "create_halo_user"
  client = "Acme Ltd"
  site = "Warehouse"
"#;

/// A running daemon; stopped when the story ends.
pub struct Daemon {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Daemon {
    pub fn start(world: &World, environment: &[(&str, &str)]) -> Daemon {
        Daemon::spawn(world.command(&["run"]), environment)
    }

    /// The same for another command line that runs for a while.
    pub fn spawn(mut command: Command, environment: &[(&str, &str)]) -> Daemon {
        command
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .for_each(|line| drop(send.send(line)))
        });
        Daemon { child, lines }
    }

    /// Waits for a line with this text.
    pub fn says(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut said = Vec::new();
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => said.push(line),
                Err(error) => panic!("{text:?} was not said ({error}): {said:#?}"),
            }
        }
    }

    /// What it said since then.
    pub fn said(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// The most memory that it had at once, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGTERM; gives the exit status and how long it took.
    pub fn stop(self) -> (i32, Duration) {
        self.signal(Signal::TERM);
        self.ends()
    }

    /// Waits for its end; gives the exit status and how long it took.
    pub fn ends(self) -> (i32, Duration) {
        let began = Instant::now();
        let status = self.died();
        (status.code().unwrap_or(-1), began.elapsed())
    }

    /// Whether it runs no more.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, however it comes.
    pub fn died(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It is our own child; after `stop` it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
