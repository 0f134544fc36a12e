//! `retry --dry-run`: what would become of each message, and nothing is done.

use std::sync::Arc;

use comfy_table::Cell;
use serde_json::json;

use crate::{
    cli::{
        Failure, Format, Status,
        dry::{Dry, Stored, Verdict},
        print::{self, Screen},
    },
    clock::Clock,
    effect::simulated::{Assume, Lookups, MadeThen, Then},
    generation::Generation,
    halo::registry::Registry,
    journal::{self, Journal, Opening, Row},
};

/// Takes each through the present rules, in the order in which they ran. Halo answers as it did then; with `online` it is
/// asked now, as a retry would.
pub async fn print(generation: Generation, chosen: Vec<Row>, online: bool, format: Format) -> Result<(), Failure> {
    let generation = Arc::new(generation);
    let journal = journal::open(&generation.config, Clock::system(), Opening::Look)?;
    let journal: Arc<dyn Journal> = Arc::new(journal);
    let halos = Arc::new(Registry::default());
    if online {
        halos
            .update(&generation.config)
            .map_err(|text| Failure::new(Status::Configuration, text))?;
    }
    let lookups = |stored: &Stored| match online {
        true => Lookups::Online(halos.clone()),
        false => Lookups::Recorded(Then {
            recorded: stored.recorded.clone(),
            // What it made is there when it runs again.
            made: Arc::new(MadeThen::default()),
            same: Arc::new(generation.config.halo.keys().cloned().collect()),
            now: stored.now,
            online: None,
        }),
    };
    let unknown = Lookups::Assumed(Assume::Unknown);
    let mut dry = Dry::new(generation.clone(), unknown, Some(journal.clone()));
    let ids = chosen.into_iter().map(|row| row.id).collect();
    let as_they_ran = journal.rows_of(journal.as_they_ran(ids).await?).await?;
    let mut lines = Vec::new();
    for row in as_they_ran {
        let Some(entry) = journal.entry(row.id).await? else {
            continue;
        };
        let verdict = match journal.octets(row.id).await? {
            Some(octets) => {
                let stored = Stored::of(entry);
                stored.through(&mut dry, lookups(&stored), &octets).await.verdict
            }
            None => Verdict::without_octets(),
        };
        lines.push((row, verdict));
    }
    match format {
        Format::Json => lines.iter().try_for_each(|(row, verdict)| {
            let mut line = serde_json::to_value(row).expect("a row is plain data");
            line["would_be"] = json!(verdict.outcome);
            line["would_be_reason"] = json!(verdict.reason);
            print::json_line(&line)
        }),
        Format::Table => print::print_table(&table(&lines, &Screen::of_stdout())),
    }
}

fn table(lines: &[(Row, Verdict)], screen: &Screen) -> comfy_table::Table {
    let mut table = screen.table(&["ID", "TIME (UTC)", "FROM", "SUBJECT", "OUTCOME", "REASON"]);
    screen.cut(&mut table, &[false, false, true, true, false, true]);
    for (row, verdict) in lines {
        let text = |text: &str| Cell::new(print::plain(text));
        let cells = vec![
            Cell::new(row.id),
            Cell::new(row.time.strftime("%m-%d %H:%M")),
            text(row.author()),
            text(row.title()),
            text(&format!("{} → {}", row.outcome, verdict.outcome)),
            text(&verdict.reason),
        ];
        screen.add(&mut table, cells);
    }
    table
}
