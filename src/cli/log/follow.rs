//! `log --follow`: rows as they come and as they change.

use std::{collections::HashMap, io::Write, time::Duration};

use super::{Ended, EntryId, Failure, Format, Journal, Row, RowFilter, Screen, print};

/// A look costs about a millisecond.
const LOOK: Duration = Duration::from_secs(1);

/// Shows the newest rows, then each that comes or changes among them, until it is ended.
pub(super) async fn follow(journal: &dyn Journal, filter: RowFilter, format: Format) -> Ended {
    let mut shown: HashMap<EntryId, Row> = HashMap::new();
    loop {
        let mut rows = journal.rows(filter.clone()).await?;
        rows.reverse();
        for row in &rows {
            if shown.get(&row.id) != Some(row) {
                say(row, format)?;
            }
        }
        // What has left the newest is not looked at any more.
        shown = rows.into_iter().map(|row| (row.id, row)).collect();
        tokio::time::sleep(LOOK).await;
    }
}

fn say(row: &Row, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print::json_line(row);
    }
    let width = Screen::of_stdout().width.map_or(usize::MAX, usize::from);
    let mut out = std::io::stdout().lock();
    let line: String = print::plain(&in_words(row)).chars().take(width).collect();
    // Coloured once it is cut: a colour takes no room.
    let line = line.replacen(&row.outcome, &print::outcome(&row.outcome), 1);
    writeln!(out, "{line}")?;
    Ok(())
}

/// The word first of what can be long.
fn in_words(row: &Row) -> String {
    let said: Vec<&str> = [&*row.subject, &*row.rule, &*row.reason]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    let time = row.time.strftime("%Y-%m-%d %H:%M:%S");
    format!(
        "{:>6}  {time}  {:<9}  {}  {}",
        row.id.0,
        row.outcome,
        row.from,
        said.join(" | ")
    )
}
