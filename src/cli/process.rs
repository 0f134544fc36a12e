//! `process`: one message for real, from a file or standard input, as the pipe transport of an MTA calls it.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Common, Ended, Failure, Status, hostname, runtime};
use crate::{
    clock::Clock,
    config::{Config, MailboxName},
    daemon::{PATIENCE, control, memory},
    generation::Generation,
    journal::{self, JournalError, Opening},
    pipeline::{
        World,
        handed::{self, Processed},
        lane::Held,
        outbox, report,
        work::Crew,
    },
};

/// While another process has the journal it is asked for so often.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Takes one message for real, from a file or standard input
#[derive(Debug, clap::Args)]
pub struct Process {
    /// The message; - reads standard input
    file: PathBuf,
    /// Whose rules; may be left out when there is one mailbox
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// Called by an MTA: whatever keeps the message from being taken, a wrong configuration too, ends with 75, so that
    /// it stays in the MTA's queue
    #[arg(long)]
    transport: bool,
}

impl Process {
    /// Hands the message to a running daemon, else does its work here.
    pub fn perform(&self, common: &Common) -> Ended {
        let ended = self.take(common);
        match ended {
            // An MTA takes every other status for a refusal of the message, and bounces it.
            Err(failure) if self.transport && failure.status != Status::Unreadable => {
                Err(Failure::new(Status::TryAgain, failure.text))
            }
            ended => ended,
        }
    }

    fn take(&self, common: &Common) -> Ended {
        let generation = common.generation()?;
        common.begin_logging("warn")?;
        let mailbox = mailbox(self.mailbox.as_deref(), &generation.config)?;
        let octets = self.octets(handed::largest(&generation.config, &mailbox))?;
        let processed = runtime()?.block_on(process(generation, &mailbox, octets))?;
        said(&processed)
    }

    /// No more than `largest` of them, where that is given.
    fn octets(&self, largest: Option<u64>) -> Result<Vec<u8>, Failure> {
        let largest = largest.unwrap_or(u64::MAX);
        let unreadable =
            |reason: String| Failure::new(Status::Unreadable, format!("{}: {reason}", self.file.display()));
        let octets = self.read(largest.saturating_add(1));
        let octets = octets.map_err(|error| unreadable(error.to_string()))?;
        if octets.is_empty() {
            return Err(unreadable("there is no message in it".to_owned()));
        }
        if u64::try_from(octets.len()).is_ok_and(|size| size > largest) {
            let reason = format!(
                "it is larger than {largest} octets, twice max_message_size, and was not taken; it stays where it was"
            );
            return Err(unreadable(reason));
        }
        Ok(octets)
    }

    fn read(&self, most: u64) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        if self.file.as_os_str() == "-" {
            io::stdin().lock().take(most).read_to_end(&mut octets)?;
        } else {
            File::open(&self.file)?.take(most).read_to_end(&mut octets)?;
        }
        Ok(octets)
    }
}

/// By the daemon, else here. Whoever calls keeps the message until it has been taken, so whatever is wrong on the
/// way there is worth another try.
async fn process(generation: Generation, mailbox: &MailboxName, octets: Vec<u8>) -> Result<Processed, Failure> {
    let state_dir = generation.config.state_dir.clone();
    let again = |error: &dyn std::fmt::Display| Failure::new(Status::TryAgain, error.to_string());
    let until = Instant::now() + PATIENCE;
    let journal = loop {
        let handed_over = control::hand_over(&state_dir, mailbox, &octets).await;
        if let Some(processed) = handed_over.map_err(|error| again(&error))? {
            return Ok(processed);
        }
        match journal::open(&generation.config, Clock::system(), Opening::Alone) {
            Ok(journal) => break Arc::new(journal),
            // Another one does the same just now, or a daemon starts or stops.
            Err(JournalError::InUse { .. }) if Instant::now() < until => tokio::time::sleep(LOOK_AGAIN).await,
            Err(error) => return Err(again(&error)),
        }
    };
    let world = World::new(journal, Clock::system(), generation, hostname());
    let world = Arc::new(world.map_err(|text| Failure::new(Status::Configuration, text))?);
    memory::recall(&world).await?;
    let crew = Crew::new(world.clone());
    let processed = match handed::again(&world, &crew, mailbox, &octets).await? {
        Some(processed) => processed,
        None => handed::process(&world, &crew, mailbox, (Bytes::from(octets), Held::default())).await,
    };
    crew.stop(PATIENCE).await;
    memory::keep(&world).await;
    report::pass(&world, false).await?;
    outbox::pass(&world, &world.stop, None).await?;
    Ok(processed)
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
            writeln!(io::stdout(), "{id} deferred{reason}")?;
            Ok(Status::TryAgain)
        }
        outcome => {
            writeln!(io::stdout(), "{id} {outcome}{reason}")?;
            Ok(Status::Done)
        }
    }
}
