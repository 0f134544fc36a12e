//! The program as a child, and how it ended.

use std::process::{Command, Output};

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The program, with an empty environment but for what a terminal needs.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halo-intake"));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HALO_INTAKE_LOG", "info");
    command
}

pub fn finish(output: Output) -> Ran {
    Ran {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
