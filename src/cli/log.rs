//! `log`: what became of messages, newest first.

use std::fmt::Write;

use clap::builder::PossibleValuesParser;
use comfy_table::{Cell, Table};
use jiff::Timestamp;

use super::{
    Common, Ended, Failure, Format, Status,
    print::{self, Paging, Screen},
    runtime,
};
use crate::{
    clock::Clock,
    config::MailboxName,
    journal::{EntryId, Journal, Row, RowFilter, sqlite::Sqlite},
    outcome::Outcome,
    when,
};

mod follow;

/// On a screen with fewer columns mailbox, calls and rule are left out.
const NARROW: u16 = 100;

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
        let journal = Sqlite::open(&generation.config.state_dir, clock, false)?;
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
pub async fn named(journal: &dyn Journal, ids: &[i64]) -> Result<Vec<Row>, Failure> {
    let ids: Vec<EntryId> = ids.iter().copied().map(EntryId).collect();
    let known = journal.rows_of(ids.clone()).await?;
    match ids.iter().find(|id| !known.iter().any(|row| row.id == **id)) {
        Some(id) => Err(Failure::new(Status::Usage, unknown(*id))),
        None => Ok(known),
    }
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
        Format::Table => print::print_table(&table(rows, &Screen::of_stdout())),
    }
}

/// One line a message. Where the screen is narrow, what can be looked up by `show` is left out.
fn table(rows: &[Row], screen: &Screen) -> Table {
    let is_narrow = screen.width.is_some_and(|width| width < NARROW);
    let time = if is_narrow { "%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" };
    let (mut header, mut cuts) = (vec!["ID", "TIME (UTC)"], vec![false, false]);
    if !is_narrow {
        header.push("MAILBOX");
        cuts.push(false);
    }
    header.extend(["FROM", "SUBJECT", "OUTCOME"]);
    cuts.extend([true, true, false]);
    if !is_narrow {
        header.extend(["CALLS", "RULE"]);
        cuts.extend([false, true]);
    }
    header.push("REASON");
    cuts.push(true);
    let mut table = screen.table(&header);
    screen.cut(&mut table, &cuts);
    for row in rows {
        let text = |text: &str| Cell::new(print::plain(text));
        let mut cells = vec![Cell::new(row.id), Cell::new(row.time.strftime(time))];
        cells.extend((!is_narrow).then(|| text(&row.mailbox.0)));
        cells.extend([
            text(&row.from),
            text(&row.subject),
            screen.outcome(&row.outcome, row.attempts),
        ]);
        if !is_narrow {
            cells.extend([Cell::new(row.calls), text(&row.rule)]);
        }
        cells.push(text(&row.reason));
        screen.add(&mut table, cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |id: i64, subject: &str, outcome: &str, reason: &str| Row {
            id: EntryId(id),
            time: "2026-11-23T09:00:07Z".parse().unwrap(),
            mailbox: MailboxName("support".into()),
            from: "ann.lee@stranger.example".into(),
            subject: subject.into(),
            outcome: outcome.into(),
            rule: "Unknown senders become users".into(),
            reason: reason.into(),
            attempts: 1,
            calls: 4,
        };
        vec![
            row(17, "A question", "completed", ""),
            row(
                18,
                "The printer on the second floor does not print anything any more since this morning",
                "failed",
                "create_halo_user: site is a site of client 13 (\"Globex\"), not of client 12 (\"Acme Ltd\"); it needs a site of that client",
            ),
        ]
    }

    fn lines(width: Option<u16>) -> Vec<String> {
        let screen = Screen { width, colours: false };
        table(&rows(), &screen)
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
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

    #[test]
    fn a_message_is_one_line_on_every_screen() {
        for width in [40, 80, 120, 200] {
            let lines = lines(Some(width));
            assert_eq!(lines.len(), 3, "{lines:#?}");
            for line in &lines {
                assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
            }
            assert!(lines[1].contains("17") && lines[1].contains("completed"), "{lines:#?}");
            assert!(lines[2].contains('…'), "{lines:#?}");
        }
        for column in ["CALLS", "RULE"] {
            assert!(lines(Some(200))[0].contains(column) && !lines(Some(80))[0].contains(column));
        }
    }

    #[test]
    fn a_program_that_reads_it_gets_everything() {
        let lines = lines(None);
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert!(lines[2].contains("since this morning") && lines[2].ends_with("it needs a site of that client"));
        assert!(lines[0].contains("TIME (UTC)") && lines[1].contains("2026-11-23 09:00:07"));
    }
}
