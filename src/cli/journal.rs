//! `journal copy`: the journal moves to another place.

use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Common, Ended, Failure, Format, Status, print};
use crate::{
    journal::{
        copy::{self, Copied, CopyError, Seat},
        postgres,
    },
    secret::{Secret, SecretString},
};

/// Moves the journal to another place
#[derive(Debug, Args)]
pub struct Journal {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Copies all of a journal into an empty one, while nobody has either: from SQLite to PostgreSQL, or back
    ///
    /// Each is a state folder (SQLite), or the address of a PostgreSQL database: where that has a password, env:NAME,
    /// file:PATH or credential:NAME says where it is read, as the key journal does. The word configured is the journal of
    /// the configuration.
    Copy(Copy),
}

#[derive(Debug, Args)]
struct Copy {
    /// What is copied: a state folder, an address, env:NAME, file:PATH, credential:NAME, or configured
    from: String,
    /// Where to, in the same words; it is made where it is not there, and has to be empty
    to: String,
    /// How the figures are printed
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Failure {
        match error {
            CopyError::Journal(error) => error.into(),
            CopyError::Same => Failure::new(Status::Usage, error.to_string()),
            CopyError::Differs { .. } => Failure::new(Status::Broken, error.to_string()),
        }
    }
}

impl Journal {
    /// Copies it.
    pub fn perform(&self, common: &Common) -> Ended {
        let What::Copy(copy) = &self.what;
        let (from, to) = (seat("FROM", &copy.from, common)?, seat("TO", &copy.to, common)?);
        common.begin_logging("warn")?;
        copy.perform(&from, &to)
    }
}

impl Copy {
    fn perform(&self, from: &Seat, to: &Seat) -> Ended {
        let began = Instant::now();
        let bar = print::counter(0, "rows");
        let copied = copy::copy(from, to, &mut |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        let copied = copied?;
        let row = |of: &Copied| [of.table.to_owned(), of.rows.to_string(), of.octets.to_string()];
        let object = |of: &Copied| json!({ "table": of.table, "rows": of.rows, "octets": of.octets });
        print::list(self.format, &["TABLE", "ROWS", "OCTETS"], &copied, row, object)?;
        if self.format == Format::Table {
            let rows: u64 = copied.iter().map(|of| of.rows).sum();
            let octets: u64 = copied.iter().map(|of| of.octets).sum();
            let seconds = began.elapsed().as_secs_f64();
            eprintln!("{rows} rows with {octets} octets in {seconds:.1} s, and both journals hold the same");
        }
        Ok(Status::Done)
    }
}

/// What an argument names. None that may hold a password is shown.
fn seat(argument: &str, text: &str, common: &Common) -> Result<Seat, Failure> {
    if text == "configured" {
        return Ok(Seat::of(&common.generation_to_read()?.config));
    }
    let address = match text.split_once(':') {
        Some(("env", name)) => Secret::Env(name.to_owned()),
        Some(("file", path)) => Secret::File(path.into()),
        Some(("credential", name)) => Secret::Credential(name.to_owned()),
        Some((_, rest)) if rest.starts_with("//") => plain(argument, text)?,
        _ => return Ok(Seat::Folder(text.into())),
    };
    let state_dir = None;
    Ok(Seat::Server { address, state_dir })
}

/// An address as it stands on the command line, which other users of the machine can see.
fn plain(argument: &str, address: &str) -> Result<Secret, Failure> {
    let refused = |problem: &str| Failure::new(Status::Usage, format!("{argument} {problem}"));
    postgres::check(address).map_err(|problem| refused(&format!("is no address of a journal: {problem}")))?;
    if postgres::has_password(address) {
        return Err(refused(
            "shows its password in the list of processes; write the address into a file and name that as file:PATH",
        ));
    }
    Ok(Secret::Literal(SecretString::from(address.to_owned())))
}
