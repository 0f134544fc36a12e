//! `log`: what became of messages, newest first.

use std::fmt::Write;

use clap::builder::PossibleValuesParser;
use jiff::Timestamp;

use super::{
    Common, Ended, Failure, Format, Status,
    print::{self, Paging, Screen},
    runtime,
};
use crate::{
    clock::Clock,
    config::MailboxName,
    journal::{self, EntryId, Journal, Opening, Row, RowFilter},
    outcome::Outcome,
    when,
};

mod follow;
mod table;

/// Lists what became of messages, newest first
#[derive(Debug, clap::Args)]
pub struct Log {
    #[command(flatten)]
    selection: Selection,
    /// How many rows at most, or all
    #[arg(long, default_value = "100", value_name = "N|all")]
    limit: String,
    /// Goes on, oldest first: shows each message that comes or changes, of the newest thousand
    #[arg(long)]
    follow: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    paging: Paging,
}

/// Which messages are meant
#[derive(Debug, clap::Args)]
pub struct Selection {
    /// Only of this mailbox
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// Only from this author; a part of the address is enough
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Only with this outcome, or still without one (pending, deferred)
    #[arg(long, value_parser = PossibleValuesParser::new(Outcome::words()))]
    outcome: Option<String>,
    /// Only since then: how long ago (2h, 7d), a day (today, 2026-11-23), a time (09:10, 2026-11-23T09:10); in UTC, or with
    /// an offset or a time zone behind it (09:10+01:00, "yesterday 09:10 Europe/Berlin")
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only from before then, said the same way; a time alone is the first one after --since
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Only with this text in author, subject, rule, reason or Message-ID
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
}

impl Log {
    /// Lists.
    pub fn perform(&self, common: &Common) -> Ended {
        let generation = common.generation_to_read()?;
        common.begin_logging("warn")?;
        let clock = Clock::system();
        let limit = limit(&self.limit)?;
        let filter = self.selection.filter(clock.now(), limit)?;
        let journal = journal::open(&generation.config, clock, Opening::Look)?;
        if self.follow {
            return runtime()?.block_on(follow::follow(&journal, filter, self.format));
        }
        // One more than is shown tells whether there are more.
        let more = RowFilter {
            limit: limit.map(|limit| limit.saturating_add(1)),
            ..filter.clone()
        };
        let mut rows = runtime()?.block_on(journal.rows(more))?;
        let all = rows.len();
        rows.truncate(limit.unwrap_or(all));
        let screen = Screen::of_stdout();
        if rows.is_empty() && screen.width.is_some() {
            eprintln!("{}", nothing(&filter));
            return Ok(Status::Done);
        }
        let pager = self.paging.begin();
        let printed = print(&rows, self.format);
        drop(pager);
        if all > rows.len() && screen.width.is_some() {
            let shown = rows.len();
            eprintln!("these are the newest {shown}; --limit shows more, or all");
        }
        printed.map(|()| Status::Done)
    }
}

/// A number of messages; none where all are meant.
pub fn limit(text: &str) -> Result<Option<usize>, Failure> {
    if text == "all" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let text = format!("--limit {text:?} is no number; it needs a number or all");
        Failure::new(Status::Usage, text)
    })
}

/// The messages of these ids, all of which must be there.
pub async fn named(journal: &dyn Journal, ids: &[EntryId]) -> Result<Vec<Row>, Failure> {
    let known = journal.rows_of(ids.to_vec()).await?;
    match ids.iter().find(|id| !known.iter().any(|row| row.id == **id)) {
        Some(id) => Err(Failure::new(Status::Usage, unknown(*id))),
        None => Ok(known),
    }
}

/// An id as it is written in a command.
pub fn id(text: &str) -> Result<EntryId, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.map(EntryId).ok_or_else(|| {
        "an ID is the number of a message, 17 for example; it stands first in a line of halo-intake log".to_owned()
    })
}

/// What is said of an id that no message has.
pub fn unknown(id: EntryId) -> String {
    format!("there is no message {id}; halo-intake log lists them")
}

/// Repeats what was asked: whoever sees nothing wants to know whether it was what was meant.
fn nothing(filter: &RowFilter) -> String {
    let mut text = "no message".to_owned();
    let time = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    for (word, said) in [
        ("in mailbox", filter.mailbox.as_ref().map(|name| name.0.clone())),
        ("from", filter.from.as_ref().map(|from| format!("{from:?}"))),
        ("with outcome", filter.outcome.clone()),
        ("with the text", filter.grep.as_ref().map(|grep| format!("{grep:?}"))),
        ("since", filter.since.map(time)),
        ("before", filter.until.map(time)),
    ] {
        if let Some(said) = said {
            let _ = write!(text, " {word} {}", print::plain(&said));
        }
    }
    text
}

impl Selection {
    /// Whether it says which outcome.
    pub fn has_outcome(&self) -> bool {
        self.outcome.is_some()
    }

    /// What the journal is asked for.
    pub fn filter(&self, now: Timestamp, limit: Option<usize>) -> Result<RowFilter, Failure> {
        let (since, until) = when::between(self.since.as_deref(), self.until.as_deref(), now).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(|fault| format!("--{fault}")).collect();
            Failure::new(Status::Usage, faults.join("\n"))
        })?;
        Ok(RowFilter {
            mailbox: self.mailbox.clone().map(MailboxName),
            from: self.from.clone(),
            outcome: self.outcome.clone(),
            since,
            until,
            before: None,
            after: None,
            grep: self.grep.clone(),
            limit,
        })
    }
}

/// The listing; `retry` and `demo` show the same.
pub fn print(rows: &[Row], format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => rows.iter().try_for_each(print::json_line),
        Format::Table => print::print_table(&table::table(rows, &Screen::of_stdout())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_number_from_one() {
        assert_eq!(id("17"), Ok(EntryId(17)));
        for text in ["", "x", "0", "-1", "1.5", "99999999999999999999"] {
            assert!(
                id(text).unwrap_err().starts_with("an ID is the number of a message"),
                "{text}"
            );
        }
    }

    #[test]
    fn who_finds_nothing_reads_what_was_asked() {
        assert_eq!(nothing(&RowFilter::default()), "no message");
        let filter = RowFilter {
            mailbox: Some(MailboxName("support".into())),
            from: Some("jane".into()),
            outcome: Some("failed".into()),
            since: Some(Timestamp::UNIX_EPOCH),
            ..RowFilter::default()
        };
        assert_eq!(
            nothing(&filter),
            "no message in mailbox support from \"jane\" with outcome failed since 1970-01-01 00:00:00 UTC"
        );
    }
}
