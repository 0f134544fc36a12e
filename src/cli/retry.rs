//! `retry`: messages run again from their stored octets, as they came.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    Common, Ended, Failure, Format, Status, hostname,
    log::{self, Selection},
    runtime,
};
use crate::{
    clock::Clock,
    daemon::{PATIENCE, control, memory},
    generation::Generation,
    journal::{EntryId, Journal, Row, sqlite::Sqlite},
    pipeline::{World, outbox, report, work::Crew},
};

mod dry;

/// Runs messages again from their stored octets
#[derive(Debug, clap::Args)]
pub struct Retry {
    /// The IDs of the messages, as log lists them
    #[arg(value_name = "ID", required_unless_present = "outcome")]
    #[arg(conflicts_with_all = ["mailbox", "from", "outcome", "since", "grep"])]
    ids: Vec<i64>,
    #[command(flatten)]
    selection: Selection,
    /// Says what would become of each, and runs none; Halo answers as it did when they ran
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: reads Halo as it is now; still writes nothing
    #[arg(long, requires = "dry_run")]
    online: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Retry {
    /// Has a running daemon do it, else does it here.
    pub fn perform(&self, common: &Common) -> Ended {
        let generation = common.generation()?;
        common.begin_logging("warn")?;
        runtime()?.block_on(self.retry(generation))
    }

    async fn retry(&self, generation: Generation) -> Ended {
        let state_dir = generation.config.state_dir.clone();
        let reader = Sqlite::open(&state_dir, Clock::system(), false)?;
        let chosen = self.chosen(&reader).await?;
        if self.dry_run {
            dry::print(generation, chosen, self.online, self.format).await?;
            return Ok(Status::Done);
        }
        let ids: Vec<EntryId> = chosen.iter().map(|row| row.id).collect();
        let handed_over = control::retry(&state_dir, ids.clone()).await;
        let handed_over = handed_over.map_err(|error| Failure::new(Status::TryAgain, error.to_string()))?;
        if let Some(reopened) = handed_over {
            let again = reader.rows_of(reopened.ids.clone()).await?;
            log::print(&again, self.format)?;
            return said(&chosen, &reopened.ids, Status::Done);
        }
        drop(reader);
        let (again, status) = run_here(generation, ids).await?;
        log::print(&again, self.format)?;
        said(&chosen, &again.iter().map(|row| row.id).collect::<Vec<_>>(), status)
    }

    /// Those that were named, or that match what was said of them.
    async fn chosen(&self, journal: &Sqlite) -> Result<Vec<Row>, Failure> {
        if self.ids.is_empty() {
            return Ok(journal
                .rows(self.selection.filter(Clock::system().now(), None)?)
                .await?);
        }
        log::named(journal, &self.ids).await
    }
}

/// Runs them in this process, with whatever else is due just now.
async fn run_here(generation: Generation, ids: Vec<EntryId>) -> Result<(Vec<Row>, Status), Failure> {
    let clock = Clock::system();
    let journal: Arc<dyn Journal> = Arc::new(Sqlite::open(&generation.config.state_dir, clock.clone(), true)?);
    let world = World::new(journal.clone(), clock, generation, hostname());
    let world = Arc::new(world.map_err(|text| Failure::new(Status::Configuration, text))?);
    memory::recall(&world).await?;
    let reopened = control::reopen(&world, ids).await?;
    let crew = Crew::new(world.clone());
    let (_, nothing_else) = mpsc::channel(1);
    crew.drain(nothing_else, None).await?;
    crew.stop(PATIENCE).await;
    memory::keep(&world).await;
    report::pass(&world, false).await?;
    outbox::pass(&world, None).await?;
    let again = journal.rows_of(reopened.ids).await?;
    let comes_again = again.iter().any(|row| row.outcome == "deferred");
    Ok((again, if comes_again { Status::TryAgain } else { Status::Done }))
}

/// Names those that do not run again.
fn said(chosen: &[Row], reopened: &[EntryId], status: Status) -> Ended {
    let mut status = status;
    for row in chosen.iter().filter(|row| !reopened.contains(&row.id)) {
        if row.outcome == "pending" {
            eprintln!("message {} is pending: its turn comes, or it has it now", row.id);
        } else {
            eprintln!("message {} can not run again: its octets are no longer kept", row.id);
            status = Status::Broken;
        }
    }
    Ok(status)
}
