//! `log`: what became of messages, newest first.

use jiff::Timestamp;

use super::{Common, Ended, Failure, Format, Status, print, runtime};
use crate::{
    clock::Clock,
    config::MailboxName,
    journal::{Journal, Row, RowFilter, sqlite::Sqlite},
};

/// Lists what became of messages, newest first
#[derive(Debug, clap::Args)]
pub struct Log {
    /// Only of this mailbox
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// Only from this author; a part of the address is enough
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// completed, stopped, bounced, failed, duplicate, ignored, pending or deferred
    #[arg(long, value_parser = ["completed", "stopped", "bounced", "failed", "duplicate", "ignored", "pending", "deferred"])]
    outcome: Option<String>,
    /// Only since then: a time (2026-11-23T09:00Z) or how long ago (2h, 7d)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only with this text in author, subject, rule, reason or Message-ID
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// So many rows, or all
    #[arg(long, default_value = "100", value_name = "N|all")]
    limit: String,
    /// How the listing looks
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl Log {
    /// Lists.
    pub fn perform(&self, common: &Common) -> Ended {
        let generation = common.generation()?;
        common.begin_logging("warn")?;
        let clock = Clock::system();
        let filter = self.filter(clock.now())?;
        let journal = Sqlite::open(&generation.config.state_dir, clock, false)?;
        let rows = runtime()?.block_on(journal.rows(filter))?;
        match self.format {
            Format::Json => rows.iter().try_for_each(print::json_line)?,
            Format::Table => print_rows(&rows)?,
        }
        Ok(Status::Done)
    }

    fn filter(&self, now: Timestamp) -> Result<RowFilter, Failure> {
        let limit = match self.limit.as_str() {
            "all" => None,
            number => Some(number.parse().map_err(|_| {
                Failure::new(
                    Status::Usage,
                    format!("--limit {number:?} is no number; it needs a number or all"),
                )
            })?),
        };
        Ok(RowFilter {
            mailbox: self.mailbox.clone().map(MailboxName),
            from: self.from.clone(),
            outcome: self.outcome.clone(),
            since: self.since.as_deref().map(|text| since(text, now)).transpose()?,
            grep: self.grep.clone(),
            limit,
        })
    }
}

/// A time, or how long ago.
fn since(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    crate::config::unit::parse_duration(text)
        .ok()
        .and_then(|ago| now.checked_sub(ago).ok())
        .ok_or_else(|| {
            let text = format!("--since {text:?} is neither a time (2026-11-23T09:00Z) nor a duration (2h, 7d)");
            Failure::new(Status::Usage, text)
        })
}

/// The listing for people; `demo` shows the same.
pub fn print_rows(rows: &[Row]) -> Result<(), Failure> {
    let mut table = print::table(&["ID", "TIME", "MAILBOX", "FROM", "SUBJECT", "OUTCOME", "RULE", "REASON"]);
    for row in rows {
        let time = row.time.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let outcome = if row.attempts > 1 {
            format!("{} ({})", row.outcome, row.attempts)
        } else {
            row.outcome.clone()
        };
        let texts = [
            &row.mailbox.0,
            &row.from,
            &row.subject,
            &outcome,
            &row.rule,
            &row.reason,
        ];
        let texts = texts.map(|text| print::plain(text));
        table.add_row([row.id.to_string(), time].into_iter().chain(texts));
    }
    print::print_table(&table)
}
