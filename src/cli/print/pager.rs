//! What is longer than the screen is read page by page, as `git` has it read.

use std::{
    ffi::OsString,
    fs::File,
    io::Write,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use rustix::stdio::dup2_stdout;

use super::Screen;

/// The terminal on which a pager shows what goes to standard output now.
static TERMINAL: OnceLock<Screen> = OnceLock::new();

/// Whether it is read page by page
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Paging {
    /// Never page by page; else $HALO_INTAKE_PAGER, $PAGER or less shows it, on a terminal
    #[arg(long)]
    no_pager: bool,
}

/// A pager that reads standard output; dropping it waits until it was left.
pub struct Pager(Option<Child>);

impl Paging {
    /// From here on standard output goes to the pager, where it is a terminal.
    pub fn begin(self) -> Pager {
        Pager(if self.no_pager { None } else { begin() })
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        let Some(pager) = &mut self.0 else { return };
        let _ = std::io::stdout().flush();
        // Its end of the pipe is the last one: the pager sees that there is no more.
        if let Ok(nowhere) = File::options().write(true).open("/dev/null") {
            let _ = dup2_stdout(nowhere);
        }
        let _ = pager.wait();
    }
}

/// The terminal that a pager has taken over.
pub(super) fn terminal() -> Option<Screen> {
    TERMINAL.get().copied()
}

fn begin() -> Option<Child> {
    let screen = Screen::of_stdout();
    screen.width?;
    let named = ["HALO_INTAKE_PAGER", "PAGER"].iter().find_map(std::env::var_os);
    let mut command = command(named)?;
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if std::env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    // Who may only look shall not get a shell out of it.
    let mut pager = command.env("LESSSECURE", "1").stdin(Stdio::piped()).spawn().ok()?;
    let pipe = pager.stdin.take()?;
    outlive_interrupts();
    dup2_stdout(pipe).ok()?;
    TERMINAL.get_or_init(|| screen);
    Some(pager)
}

/// `None`: whoever set it wants none.
fn command(named: Option<OsString>) -> Option<Command> {
    let Some(named) = named else {
        return Some(Command::new("less"));
    };
    if named.is_empty() || named == "cat" {
        return None;
    }
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(named);
    Some(shell)
}

/// An interrupt from the keyboard is for the pager: it must not be left alone with the terminal.
fn outlive_interrupts() {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    if let Ok(runtime) = runtime {
        let _entered = runtime.enter();
        let _ = signal(SignalKind::interrupt());
    }
}
