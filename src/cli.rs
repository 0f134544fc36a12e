//! The commands: one file each. Here: arguments, what is common to all, exit statuses.

use std::{io::Write, path::PathBuf, process::ExitCode, time::Duration};

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::{
    config::load,
    generation::{Faults, Generation},
    journal::JournalError,
};

pub mod check;
mod deferred;
pub mod demo;
mod dry;
pub mod explain;
pub mod halo;
pub mod init;
pub mod journal;
pub mod log;
pub mod man;
pub mod nodes;
mod print;
pub mod process;
pub mod replay;
pub mod retry;
pub mod sandbox;
pub mod show;
pub mod signin;
pub mod status;

// The compiler lays out a program in the order of its text: what the daemon needs of the commands stands together, at the
// end, so that the others stay out of its memory.
mod logging;
pub mod run;

use deferred::Deferred;
pub use status::Status;

/// Why a command did not do what it was asked, with what its caller reads and the exit status.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// For people.
    pub text: String,
    /// For scripts.
    pub status: Status,
}

impl Failure {
    fn new(status: Status, text: impl Into<String>) -> Failure {
        Failure {
            text: text.into(),
            status,
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Failure {
        let status = match error {
            JournalError::InUse { .. }
            | JournalError::Unreachable { .. }
            | JournalError::Refused { .. }
            | JournalError::Unusable { .. } => Status::Unavailable,
            JournalError::NotWritten { .. } | JournalError::NotRead { .. } => Status::TryAgain,
        };
        Failure::new(status, error.to_string())
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Failure {
        Failure::new(Status::Configuration, faults.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            // Whoever reads the output has seen enough, as `head` has.
            std::io::ErrorKind::BrokenPipe => Failure::new(Status::Done, ""),
            _ => Failure::new(Status::Broken, error.to_string()),
        }
    }
}

/// What a command gives.
pub type Ended = Result<Status, Failure>;

/// Email intake for Halo PSA: from mailboxes by rules to users and tickets
#[derive(Debug, Parser)]
#[command(name = "halo-intake", version, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// The configuration; else $HALO_INTAKE_CONFIG, ./config/halo-intake.toml, /etc/halo-intake/halo-intake.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How much is logged: error, warn, info, debug or trace
    #[arg(long, global = true, value_name = "LEVEL", env = "HALO_INTAKE_LOG")]
    log_level: Option<String>,
    /// How log lines look; under systemd the journal's own form is the default
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
    /// The systemd journal's own, with fields.
    Journald,
}

/// How a listing looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One object a line, with stable names.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watches the mailboxes: the daemon
    Run(Deferred<run::Run>),
    /// Checks the configuration and reports every fault
    Check(Deferred<check::Check>),
    /// Shows what the rules would do with messages, without doing it
    ///
    /// Several files are taken in their order and in one world: what the first would make is there for the second.
    Explain(Deferred<explain::Explain>),
    /// Takes one message for real, from a file or standard input
    Process(Deferred<process::Process>),
    /// Runs messages again from their stored octets
    Retry(Deferred<retry::Retry>),
    /// Runs stored messages through the present and a new configuration, and shows what would become otherwise
    ///
    /// Both are dry: nothing is written anywhere. A question is answered as Halo answered it when the message ran. What
    /// nobody asked then can not be told, unless Halo is asked now (--online).
    Replay(Deferred<replay::Replay>),
    /// Lists what became of messages, newest first
    Log(Deferred<log::Log>),
    /// Shows one message in full, or several
    Show(Deferred<show::Show>),
    /// Lists the nodes that have the journal together: which are alive, what each does, and what waits
    Nodes(Deferred<nodes::List>),
    /// Lists the clients, sites or users of Halo with their ids, to choose from; probes a tenant
    Halo(Deferred<halo::Halo>),
    /// Moves the journal to another place
    Journal(Deferred<journal::Journal>),
    /// Signs a mailbox in with a code that somebody types into a browser: for delegated OAuth 2
    Signin(Deferred<signin::Signin>),
    /// Asks for mailbox, SMTP and Halo, tries each answer, and writes a first configuration
    ///
    /// Answers come from the terminal, or a line each from standard input. Secrets are shown nowhere and written into
    /// files of their own. No configuration is written before the last answer, and nothing is sent but sign-ins.
    Init(Deferred<init::Init>),
    /// Serves an emulated Halo on loopback, for trying rules without a tenant
    Sandbox(Deferred<sandbox::Sandbox>),
    /// Runs the main job on embedded parts alone: nothing to configure, no network
    Demo(Deferred<demo::Demo>),
    /// Prints shell completions
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual page
    Man,
}

/// The program with all that each command takes, for whoever describes it; what every command takes stands at the program
/// alone.
pub fn described() -> clap::Command {
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    program.mut_subcommands(without_common)
}

fn without_common(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| {
        let is_common = argument.is_global_set() || argument.get_id() == "help";
        if is_common { argument.hide(true) } else { argument }
    });
    command.mut_subcommands(without_common)
}

/// Parses, runs, prints what went wrong.
pub fn main() -> ExitCode {
    keep_private();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                Status::Usage.into()
            } else {
                Status::Done.into()
            };
        }
    };
    match dispatch(&arguments) {
        Ok(status) => status.into(),
        Err(failure) => {
            if !failure.text.is_empty() {
                eprintln!("{}", failure.text);
            }
            failure.status.into()
        }
    }
}

/// What this process makes is for its user alone, whatever the umask was: mail, and the socket that takes work. No core
/// dump shows what it holds in memory, and no other process of the same user reads it there.
fn keep_private() {
    use rustix::{
        fs::Mode,
        process::{DumpableBehavior, set_dumpable_behavior, umask},
    };
    umask(Mode::RWXG | Mode::RWXO);
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        eprintln!("a core dump of this process may show secrets: {error}");
    }
}

fn dispatch(arguments: &Arguments) -> Ended {
    let common = &arguments.common;
    match &arguments.command {
        Command::Run(Deferred(run)) => run.perform(common),
        Command::Check(Deferred(check)) => check.perform(common),
        Command::Explain(Deferred(explain)) => explain.perform(common),
        Command::Process(Deferred(process)) => process.perform(common),
        Command::Retry(Deferred(retry)) => retry.perform(common),
        Command::Replay(Deferred(replay)) => replay.perform(common),
        Command::Log(Deferred(log)) => log.perform(common),
        Command::Show(Deferred(show)) => show.perform(common),
        Command::Nodes(Deferred(nodes)) => nodes.perform(common),
        Command::Halo(Deferred(halo)) => halo.perform(common),
        Command::Journal(Deferred(journal)) => journal.perform(common),
        Command::Signin(Deferred(signin)) => signin.perform(common),
        Command::Init(Deferred(init)) => init.perform(common),
        Command::Sandbox(Deferred(sandbox)) => sandbox.perform(common),
        Command::Demo(Deferred(demo)) => demo.perform(common),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            // Into memory first: whoever reads it may close the pipe, which the generator takes for a fault.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut command, "halo-intake", &mut script);
            std::io::stdout().write_all(&script)?;
            Ok(Status::Done)
        }
        Command::Man => {
            man::render(&mut std::io::stdout().lock())?;
            Ok(Status::Done)
        }
    }
}

impl Common {
    /// The environment, as the configuration sees it.
    pub fn environment() -> Vec<(String, String)> {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// Finds, loads and checks the configuration.
    pub fn generation(&self) -> Result<Generation, Failure> {
        self.generation_with_warnings().map(|(generation, _)| generation)
    }

    /// The same with its warnings, for the commands that check it or run it for long.
    pub fn generation_with_warnings(&self) -> Result<(Generation, Faults), Failure> {
        Ok(Generation::load(&self.config_path_told()?, &Self::environment())?)
    }

    /// For the commands that only read the journal: they work beside a service that goes on with an earlier
    /// configuration.
    pub fn generation_to_read(&self) -> Result<Generation, Failure> {
        let (generation, faults) = Generation::to_read(&self.config_path_told()?, &Self::environment())?;
        match faults.errors() {
            0 => {}
            1 => eprintln!(
                "the configuration has a fault, which halo-intake check names; the journal is read all the same"
            ),
            count => eprintln!(
                "the configuration has {count} faults, which halo-intake check names; the journal is read all the same"
            ),
        }
        Ok(generation)
    }

    /// Which file it is; `say` hears of one that nobody named and that may be a sample.
    pub fn config_path(&self, say: impl FnOnce(&str)) -> Result<PathBuf, Failure> {
        let found = load::find(self.config.as_deref(), &Self::environment());
        let found = found.map_err(|text| Failure::new(Status::Configuration, text))?;
        if found.is_of_this_folder {
            let beside = found.beside.map_or(String::new(), |path| {
                format!("; {} is there as well: --config names it", path.display())
            });
            say(&format!(
                "the configuration is {} of this folder, since neither --config nor HALO_INTAKE_CONFIG names one{beside}",
                found.path.display()
            ));
        }
        Ok(found.path)
    }

    fn config_path_told(&self) -> Result<PathBuf, Failure> {
        self.config_path(|text| eprintln!("{text}"))
    }
}

/// So long a thread that has read from the journal waits for more to do. A new one is there in no time, and what one keeps
/// counts at rest.
const KEPT_ALIVE: Duration = Duration::from_secs(1);

/// A runtime for a command that waits for something.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    // Two providers could be meant where a dependency brings another; this program has one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    Ok(runtime.enable_all().thread_keep_alive(KEPT_ALIVE).build()?)
}

/// The name of this machine, for DSNs and `meta.hostname`.
fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
