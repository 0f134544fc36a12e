//! `process`: one message for real, from a file or standard input, as the pipe transport of an MTA calls it.

use std::{io::Read, path::PathBuf, sync::Arc};

use bytes::Bytes;

use super::{Common, Ended, Failure, Status, hostname, runtime};
use crate::{
    clock::Clock,
    config::{Config, MailboxName},
    daemon::{
        PATIENCE,
        control::{self, Processed},
    },
    journal::{JournalError, sqlite::Sqlite},
    pipeline::{World, handed, outbox, work::Crew},
};

/// Takes one message for real, from a file or standard input
#[derive(Debug, clap::Args)]
pub struct Process {
    /// The message; - reads standard input
    file: PathBuf,
    /// Whose rules; may be left out when there is one mailbox
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
}

impl Process {
    /// Hands the message to a running daemon, else does its work here.
    pub fn perform(&self, common: &Common) -> Ended {
        let generation = common.generation()?;
        common.begin_logging("warn")?;
        let mailbox = mailbox(self.mailbox.as_deref(), &generation.config)?;
        let octets = self.octets()?;
        let clock = Clock::system();
        let state_dir = generation.config.state_dir.clone();
        let processed = runtime()?.block_on(async {
            if let Some(processed) = control::hand_over(&state_dir, &mailbox, &octets).await? {
                return Ok(processed);
            }
            let journal = match Sqlite::open(&state_dir, clock.clone(), true) {
                Ok(journal) => Arc::new(journal),
                // A daemon that just starts or stops holds it and does not listen: the caller comes again.
                Err(error @ JournalError::InUse { .. }) => {
                    return Err(Failure::new(Status::TryAgain, error.to_string()));
                }
                Err(error) => return Err(error.into()),
            };
            let world = World::new(journal, clock, generation, hostname());
            let world = Arc::new(world.map_err(|text| Failure::new(Status::Configuration, text))?);
            let crew = Crew::new(world.clone());
            let processed = handed::process(&world, &crew, &mailbox, Bytes::from(octets)).await;
            crew.stop(PATIENCE).await;
            outbox::pass(&world, false).await?;
            Ok(processed)
        })?;
        said(&processed)
    }

    fn octets(&self) -> Result<Vec<u8>, Failure> {
        let mut octets = Vec::new();
        let read = if self.file.as_os_str() == "-" {
            std::io::stdin().lock().read_to_end(&mut octets).map(drop)
        } else {
            std::fs::read(&self.file).map(|read| octets = read)
        };
        read.map_err(|error| Failure::new(Status::Unreadable, format!("{}: {error}", self.file.display())))?;
        Ok(octets)
    }
}

/// The mailbox of that name, or the only one.
pub fn mailbox(name: Option<&str>, config: &Config) -> Result<MailboxName, Failure> {
    let names: Vec<&MailboxName> = config.mailboxes.keys().collect();
    let known = || names.iter().map(|name| name.0.as_str()).collect::<Vec<_>>().join(", ");
    match (name, names.as_slice()) {
        (Some(wanted), _) => names
            .iter()
            .find(|known| known.0 == wanted)
            .map(|name| (*name).clone())
            .ok_or_else(|| {
                Failure::new(
                    Status::Usage,
                    format!("there is no [mailbox.{wanted}]; known are {}", known()),
                )
            }),
        (None, [one]) => Ok((*one).clone()),
        (None, _) => Err(Failure::new(
            Status::Usage,
            format!("say --mailbox; known are {}", known()),
        )),
    }
}

fn said(processed: &Processed) -> Ended {
    let Processed { id, outcome, reason } = processed;
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    };
    match outcome.as_str() {
        "refused" => Err(Failure::new(
            Status::TryAgain,
            format!("the message was not taken{reason}"),
        )),
        "deferred" => {
            println!("{id} deferred{reason}");
            Ok(Status::TryAgain)
        }
        outcome => {
            println!("{id} {outcome}{reason}");
            Ok(Status::Done)
        }
    }
}
