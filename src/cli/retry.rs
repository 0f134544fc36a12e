//! `retry`: messages run again from their stored octets, as they came.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

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
    journal::{self, EntryId, Journal, JournalError, Ledger, Opening, Row},
    pipeline::{World, outbox, reopen::reopen, report, work::Crew},
};

mod dry;

/// So long it is waited for what the daemon makes of them.
const WAIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// All that ever came is meant by nobody.
const WHICH: &str = "which messages are to run again? name their IDs, which halo-intake log lists, or an outcome: \
                     --outcome failed, which --mailbox, --from, --since, --until and --grep narrow";

/// Runs messages again from their stored octets
#[derive(Debug, clap::Args)]
pub struct Retry {
    /// The IDs of the messages, as log lists them; or --outcome, and what else narrows it
    #[arg(value_name = "ID", value_parser = log::id)]
    #[arg(conflicts_with_all = ["mailbox", "from", "outcome", "since", "until", "grep"])]
    ids: Vec<EntryId>,
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

/// What became of those that were asked for.
struct Again {
    /// Those that run again, as far as it is known.
    rows: Vec<Row>,
    /// The others, with why.
    not: Vec<String>,
    /// Whether one of those never can.
    is_broken: bool,
}

impl Retry {
    /// Has a running daemon do it, else does it here.
    pub fn perform(&self, common: &Common) -> Ended {
        if self.ids.is_empty() && !self.selection.has_outcome() {
            return Err(Failure::new(Status::Usage, WHICH));
        }
        let generation = common.generation()?;
        common.begin_logging("warn")?;
        runtime()?.block_on(self.retry(generation))
    }

    async fn retry(&self, generation: Generation) -> Ended {
        let journal = journal::open(&generation.config, Clock::system(), Opening::Look)?;
        let chosen = self.chosen(&journal).await?;
        if self.dry_run {
            dry::print(generation, chosen, self.online, self.format).await?;
            return Ok(Status::Done);
        }
        let again = again(generation, &journal, &chosen).await?;
        log::print(&again.rows, self.format)?;
        again.not.iter().for_each(|reason| eprintln!("{reason}"));
        if self.format == Format::Table {
            eprintln!("{}", summary(&again.rows, &chosen));
        }
        Ok(if again.rows.iter().any(|row| row.outcome == "deferred") {
            Status::TryAgain
        } else if again.is_broken {
            Status::Broken
        } else {
            Status::Done
        })
    }

    /// Those that were named, each once, or that match what was said of them.
    async fn chosen(&self, journal: &Ledger) -> Result<Vec<Row>, Failure> {
        if self.ids.is_empty() {
            let filter = self.selection.filter(Clock::system().now(), None)?;
            return Ok(journal.rows(filter).await?);
        }
        let mut ids = Vec::new();
        for id in &self.ids {
            if !ids.contains(id) {
                ids.push(*id);
            }
        }
        log::named(journal, &ids).await
    }
}

/// By the daemon, else here.
async fn again(generation: Generation, journal: &Ledger, chosen: &[Row]) -> Result<Again, Failure> {
    let state_dir = generation.config.state_dir.clone();
    let ids: Vec<EntryId> = chosen.iter().map(|row| row.id).collect();
    let until = Instant::now() + PATIENCE;
    let (reopened, by_daemon) = loop {
        let handed_over = control::retry(&state_dir, ids.clone()).await;
        let handed_over = handed_over.map_err(|error| Failure::new(Status::TryAgain, error.to_string()))?;
        if let Some(reopened) = handed_over {
            break (reopened.ids, true);
        }
        match journal::open(&generation.config, Clock::system(), Opening::Alone) {
            Ok(own) => break (run_here(generation, own, ids).await?, false),
            // Another one does the same just now, or a daemon starts or stops.
            Err(JournalError::InUse { .. }) if Instant::now() < until => tokio::time::sleep(LOOK_AGAIN).await,
            Err(error) => return Err(error.into()),
        }
    };
    // Before those that run are waited for: the others may end meanwhile.
    let (mut not, mut is_broken) = (Vec::new(), false);
    for row in chosen.iter().filter(|row| !reopened.contains(&row.id)) {
        let now = journal.rows_of(vec![row.id]).await?.pop();
        let has_octets = journal.octets(row.id).await?.is_some();
        let (reason, can_never) = why_not(row.id, now, has_octets);
        is_broken |= can_never;
        not.push(reason);
    }
    let rows = match by_daemon {
        true => ended(journal, chosen, &reopened).await?,
        false => journal.rows_of(reopened).await?,
    };
    Ok(Again { rows, not, is_broken })
}

/// What became of them, once all have ended or were put off again; after a while what is known until then.
async fn ended(journal: &Ledger, before: &[Row], ids: &[EntryId]) -> Result<Vec<Row>, Failure> {
    let until = Instant::now() + WAIT;
    let before: BTreeMap<EntryId, &Row> = before.iter().map(|row| (row.id, row)).collect();
    loop {
        let rows = journal.rows_of(ids.to_vec()).await?;
        let mut is_over = true;
        for row in &rows {
            is_over = is_over && has_had_its_turn(journal, before[&row.id], row).await?;
        }
        if is_over || Instant::now() > until {
            return Ok(rows);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Whether a message has run since, and its bounce, where there is one, has been tried.
async fn has_had_its_turn(journal: &Ledger, before: &Row, now: &Row) -> Result<bool, Failure> {
    if now.outcome != "deferred" {
        return Ok(now.outcome != "pending");
    }
    if now.attempts == before.attempts {
        return Ok(false);
    }
    let letters = journal.entry(now.id).await?.map(|entry| entry.letters);
    let untried = |(_, _, state, reason): &(_, _, String, String)| state == "waiting" && reason.is_empty();
    Ok(!letters.iter().flatten().any(untried))
}

/// Runs them in this process, with whatever else is due just now; gives those that ran again.
async fn run_here(generation: Generation, own: Ledger, ids: Vec<EntryId>) -> Result<Vec<EntryId>, Failure> {
    let world = World::new(Arc::new(own), Clock::system(), generation, hostname());
    let world = Arc::new(world.map_err(|text| Failure::new(Status::Configuration, text))?);
    memory::recall(&world).await?;
    let reopened = reopen(&world, ids).await?;
    let crew = Crew::new(world.clone());
    let (_, nothing_else) = mpsc::channel(1);
    crew.drain(nothing_else, None).await?;
    crew.stop(PATIENCE).await;
    memory::keep(&world).await;
    report::pass(&world, false).await?;
    outbox::pass(&world, &world.stop, None).await?;
    Ok(reopened.ids)
}

/// Why a message was not made to run again, and whether it never can be. Another one may have done the same just now.
fn why_not(id: EntryId, now: Option<Row>, has_octets: bool) -> (String, bool) {
    match now {
        None => (
            format!("message {id} is no longer in the journal ([retention] rows)"),
            true,
        ),
        Some(row) if row.outcome == "pending" => (
            format!("message {id} is pending: its turn comes, or it has it now"),
            false,
        ),
        Some(_) if !has_octets => (
            format!("message {id} can not run again: its octets are no longer kept ([retention] octets)"),
            true,
        ),
        Some(row) => (format!("message {id} has run meanwhile: {}", row.outcome), false),
    }
}

/// How many ran, and to which outcomes; how many wait still.
fn summary(rows: &[Row], before: &[Row]) -> String {
    let before: BTreeMap<EntryId, u32> = before.iter().map(|row| (row.id, row.attempts)).collect();
    let waits = |row: &&Row| match row.outcome.as_str() {
        "pending" => true,
        "deferred" => before.get(&row.id) == Some(&row.attempts),
        _ => false,
    };
    let (waiting, ran): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(waits);
    let outcomes: Vec<String> = count(&ran)
        .into_iter()
        .map(|(outcome, count)| format!("{count} {outcome}"))
        .collect();
    let mut text = match ran.len() {
        0 => "no message ran again".to_owned(),
        1 => format!("1 message ran again: {}", outcomes.join(", ")),
        many => format!("{many} messages ran again: {}", outcomes.join(", ")),
    };
    for (outcome, count) in count(&waiting) {
        let (wait, them) = match count {
            1 => ("waits for its turn", "it"),
            _ => ("wait for their turn", "them"),
        };
        text += &format!("\n{count} still {wait}; halo-intake log --outcome {outcome} shows {them}");
    }
    text
}

fn count<'a>(rows: &[&'a Row]) -> BTreeMap<&'a str, usize> {
    let mut outcomes = BTreeMap::new();
    for row in rows {
        *outcomes.entry(row.outcome.as_str()).or_default() += 1;
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, outcome: &str, attempts: u32) -> Row {
        Row {
            id: EntryId(id),
            time: jiff::Timestamp::UNIX_EPOCH,
            mailbox: crate::config::MailboxName("support".to_owned()),
            from: String::new(),
            subject: String::new(),
            outcome: outcome.to_owned(),
            rule: String::new(),
            reason: String::new(),
            attempts,
            calls: 0,
        }
    }

    #[test]
    fn only_what_has_run_is_counted_as_run() {
        let before = [1, 2, 3, 4, 5].map(|id| row(id, "failed", 1));
        let now = [
            row(1, "completed", 2),
            row(2, "pending", 1),
            row(3, "deferred", 2),
            row(4, "deferred", 1),
            row(5, "pending", 1),
        ];
        assert_eq!(
            summary(&now, &before),
            "2 messages ran again: 1 completed, 1 deferred\n\
             1 still waits for its turn; halo-intake log --outcome deferred shows it\n\
             2 still wait for their turn; halo-intake log --outcome pending shows them"
        );
        assert_eq!(summary(&[], &before), "no message ran again");
    }

    #[test]
    fn octets_are_blamed_only_where_there_are_none() {
        let check = |outcome: &str, has_octets, expected: (&str, bool)| {
            let (reason, can_never) = why_not(EntryId(1), Some(row(1, outcome, 2)), has_octets);
            assert_eq!((reason.as_str(), can_never), expected);
        };
        check("completed", true, ("message 1 has run meanwhile: completed", false));
        check(
            "pending",
            true,
            ("message 1 is pending: its turn comes, or it has it now", false),
        );
        check(
            "failed",
            false,
            (
                "message 1 can not run again: its octets are no longer kept ([retention] octets)",
                true,
            ),
        );
        assert!(why_not(EntryId(1), None, false).1);
    }
}
