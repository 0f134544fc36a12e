//! A terminal that does not show what is typed.

use std::io;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// As the terminal was; so it becomes again when this is dropped, also when the question is given up.
pub struct Silence(Termios);

/// Shows nothing from now on.
pub fn off() -> io::Result<Silence> {
    let before = tcgetattr(io::stdin())?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Now, &silent)?;
    Ok(Silence(before))
}

impl Drop for Silence {
    fn drop(&mut self) {
        // Where the terminal is gone there is nobody left to be shown anything.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
