//! The sandbox as a program of its own, as other people's tests start it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
};

use url::Url;

/// A child that serves on a free port.
pub struct Program {
    child: Child,
    pub url: Url,
}

impl Program {
    /// Starts it, and waits until it says where it listens.
    pub fn start(arguments: &[&str]) -> Program {
        let mut child = command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("url = \"")?.strip_suffix('"')?.parse().ok())
            .expect("the sandbox says where it listens");
        Program { child, url }
    }

    pub fn at(&self, path: &str) -> Url {
        self.url.join(path).unwrap()
    }

    /// The most memory that it has had so far, in octets.
    pub fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let most = most.unwrap().trim().trim_end_matches(" kB");
        most.parse::<u64>().unwrap() * 1024
    }

    /// Ends it as a service manager does, and waits; gives its exit status.
    pub fn terminate(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A start that is to end by itself: its exit status and what it says.
pub fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command(arguments).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halo-intake"));
    command.args(["sandbox", "--listen", "127.0.0.1:0"]).args(arguments);
    command
}
