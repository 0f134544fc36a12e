//! `log --follow`: rows as they come and as they change.

use std::{collections::BTreeMap, io::Write, time::Duration};

use super::{Ended, EntryId, Failure, Format, Journal, Row, RowFilter, Screen, print};

const LOOK: Duration = Duration::from_secs(1);
/// So many messages are looked at for a change, the newest: those without an end before those that have one.
const WATCHED: usize = 1000;

/// Shows the newest rows, then each that comes or changes, until it is ended.
pub(super) async fn follow(journal: &dyn Journal, filter: RowFilter, format: Format) -> Ended {
    let mut follower = Follower {
        journal,
        filter,
        seen: EntryId(0),
        watched: BTreeMap::new(),
    };
    follower.first().await?.iter().try_for_each(|row| say(row, format))?;
    loop {
        tokio::time::sleep(LOOK).await;
        follower.look().await?.iter().try_for_each(|row| say(row, format))?;
    }
}

struct Follower<'a> {
    journal: &'a dyn Journal,
    filter: RowFilter,
    /// Everything up to this one has come.
    seen: EntryId,
    watched: BTreeMap<EntryId, Watched>,
}

struct Watched {
    row: Row,
    /// What is shown is followed to its end, whatever that is.
    is_shown: bool,
}

impl Follower<'_> {
    /// The newest rows, oldest first.
    async fn first(&mut self) -> Result<Vec<Row>, Failure> {
        self.seen = self.newest().await?;
        let until_now = |filter: RowFilter| RowFilter {
            before: Some(EntryId(self.seen.0 + 1)),
            ..filter
        };
        let mut rows = self.journal.rows(until_now(self.filter.clone())).await?;
        let mut open = Vec::new();
        for word in ["pending", "deferred"] {
            let filter = RowFilter {
                outcome: Some(word.to_owned()),
                limit: Some(WATCHED),
                ..self.candidates()
            };
            open.extend(self.journal.rows(until_now(filter)).await?);
        }
        rows.reverse();
        open.into_iter().for_each(|row| self.watch(row, false));
        rows.iter().for_each(|row| self.watch(row.clone(), true));
        self.forget();
        Ok(rows)
    }

    /// What has changed and what has come since the last look.
    async fn look(&mut self) -> Result<Vec<Row>, Failure> {
        let newest = self.newest().await?;
        let known = self.journal.rows_of(self.watched.keys().copied().collect()).await?;
        let is_news = |row: &Row| self.watched.get(&row.id).is_none_or(|watched| watched.row != *row);
        let mut rows: Vec<Row> = known.into_iter().filter(is_news).collect();
        if newest > self.seen {
            let came = RowFilter {
                after: Some(self.seen),
                before: Some(EntryId(newest.0 + 1)),
                ..self.candidates()
            };
            rows.extend(self.journal.rows(came).await?.into_iter().rev());
            self.seen = newest;
        }
        let mut said = Vec::new();
        for row in rows {
            let is_shown = self.watched.get(&row.id).is_some_and(|watched| watched.is_shown);
            let is_shown = is_shown || self.is_meant(&row).await?;
            if is_shown {
                said.push(row.clone());
            }
            self.watch(row, is_shown);
        }
        self.forget();
        Ok(said)
    }

    async fn newest(&self) -> Result<EntryId, Failure> {
        let newest = RowFilter {
            limit: Some(1),
            ..RowFilter::default()
        };
        let rows = self.journal.rows(newest).await?;
        Ok(rows.first().map_or(EntryId(0), |row| row.id))
    }

    /// What may be meant now or later: author, outcome, rule and reason are not known from the beginning.
    fn candidates(&self) -> RowFilter {
        RowFilter {
            from: None,
            outcome: None,
            grep: None,
            limit: None,
            ..self.filter.clone()
        }
    }

    /// Whether the filter takes it as it is now.
    async fn is_meant(&self, row: &Row) -> Result<bool, Failure> {
        let this = RowFilter {
            after: Some(EntryId(row.id.0 - 1)),
            before: Some(EntryId(row.id.0 + 1)),
            limit: Some(1),
            ..self.filter.clone()
        };
        Ok(!self.journal.rows(this).await?.is_empty())
    }

    fn watch(&mut self, row: Row, is_shown: bool) {
        self.watched.insert(row.id, Watched { row, is_shown });
    }

    fn forget(&mut self) {
        let mut further = self.watched.len().saturating_sub(WATCHED);
        for is_open in [false, true] {
            self.watched.retain(|_, watched| {
                let is_forgotten = further > 0 && is_open == has_no_end(&watched.row);
                further -= usize::from(is_forgotten);
                !is_forgotten
            });
        }
    }
}

fn has_no_end(row: &Row) -> bool {
    ["pending", "deferred"].contains(&row.outcome.as_str())
}

fn say(row: &Row, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return print::json_line(row);
    }
    let width = Screen::of_stdout().width.map_or(usize::MAX, usize::from);
    let mut out = std::io::stdout().lock();
    let line = print::fitting(&print::plain(&in_words(row)), width);
    // Coloured once it is cut: a colour takes no room.
    let line = line.replacen(&row.outcome, &print::outcome(&row.outcome), 1);
    writeln!(out, "{line}")?;
    Ok(())
}

/// The word first of what can be long.
fn in_words(row: &Row) -> String {
    let said: Vec<&str> = [row.title(), &*row.rule, &*row.reason]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    let time = row.time.strftime("%Y-%m-%d %H:%M:%S");
    format!(
        "{:>6}  {time}  {:<9}  {}  {}",
        row.id.0,
        row.outcome,
        row.author(),
        said.join(" | ")
    )
}
