//! `replay`: stored messages through the present and a new configuration, both dry, and what differs.

use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Common, Ended, Failure, Format, Status,
    dry::{Dry, Stored, Taken},
    log::{self, Selection},
    print::{self, Paging},
    runtime,
};
use crate::{
    clock::Clock,
    config::{ConnectionName, document::beside},
    count::counted,
    effect::simulated::{Assume, Lookups, MadeThen, Then},
    generation::Generation,
    halo::registry::Registry,
    journal::{self, EntryId, Journal, Opening, Row},
};

mod difference;
mod origins;
mod requests;

use difference::{Difference, since_it_ran};
use origins::{Origins, Worlds};

/// Runs stored messages through the present and a new configuration, and shows what would become otherwise
#[derive(Debug, clap::Args)]
#[command(override_usage = "halo-intake replay [OPTIONS] --against <NEW.toml> [ID]...")]
pub struct Replay {
    /// The IDs of the messages, as log lists them; without them all that match
    #[arg(value_name = "ID", value_parser = log::id)]
    #[arg(conflicts_with_all = ["mailbox", "from", "outcome", "since", "until", "grep", "limit"])]
    ids: Vec<EntryId>,
    /// The new configuration, with what lies in conf.d beside it
    #[arg(long, value_name = "NEW.toml")]
    against: PathBuf,
    #[command(flatten)]
    selection: Selection,
    /// How many messages at most, the newest of them, or all
    #[arg(long, default_value = "all", value_name = "N|all")]
    limit: String,
    /// Asks Halo what nobody asked when the message ran; still writes nothing
    #[arg(long)]
    online: bool,
    /// Prints the unchanged ones as well
    #[arg(long)]
    all: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    #[command(flatten)]
    paging: Paging,
}

impl Replay {
    /// Replays. What differs is no failure.
    pub fn perform(&self, common: &Common) -> Ended {
        let present = Arc::new(common.generation()?);
        let (new, _) = Generation::load(&self.against, &Common::environment())?;
        let new = Arc::new(new);
        if has_more_beside(&present.path) && !has_more_beside(&self.against) {
            let (here, there) = (present.path.display(), self.against.display());
            eprintln!(
                "{here} has files in conf.d beside it and {there} has none: what they say is not in the new configuration"
            );
        }
        common.begin_logging("error")?;
        let clock = Clock::system();
        let journal = journal::open(&present.config, clock.clone(), Opening::Look)?;
        let journal: Arc<dyn Journal> = Arc::new(journal);
        runtime()?.block_on(async {
            let ids = self.in_order(journal.as_ref(), clock.now()).await?;
            let mut sides = Sides::new((present, new), &journal, self.online)?;
            for id in &ids {
                sides.note(journal.as_ref(), *id).await?;
            }
            let bar = print::counter(ids.len(), "messages");
            let mut report = Report::new(self.format, self.all);
            for id in ids {
                // One message at a time is in memory.
                if let Some(line) = sides.replay(journal.as_ref(), id).await? {
                    report.add(line)?;
                }
                bar.inc(1);
            }
            bar.finish_and_clear();
            let _pager = self.paging.begin();
            report.end()?;
            Ok(Status::Done)
        })
    }

    /// The messages in the order in which they ran.
    async fn in_order(&self, journal: &dyn Journal, now: Timestamp) -> Result<Vec<EntryId>, Failure> {
        let chosen = if self.ids.is_empty() {
            let limit = log::limit(&self.limit)?;
            journal.rows(self.selection.filter(now, limit)?).await?
        } else {
            log::named(journal, &self.ids).await?
        };
        let chosen = chosen.into_iter().map(|row: Row| row.id).collect();
        Ok(journal.as_they_ran(chosen).await?)
    }
}

/// Whether a configuration goes on in `conf.d`.
fn has_more_beside(path: &Path) -> bool {
    beside(path).is_ok_and(|files| !files.is_empty())
}

/// The two configurations, each with a world of its own.
struct Sides {
    present: Side,
    new: Side,
    made: Arc<MadeThen>,
    /// Of the present world and of the new one.
    origins: [Origins; 2],
}

struct Side {
    dry: Dry,
    same: Arc<BTreeSet<ConnectionName>>,
    online: Option<Arc<Registry>>,
}

impl Side {
    fn new(
        (generation, present): (Arc<Generation>, &Generation),
        journal: &Arc<dyn Journal>,
        online: bool,
    ) -> Result<Side, Failure> {
        let is_same = |name: &ConnectionName| {
            let before = present.config.halo.get(name);
            before.is_some_and(|before| before.url == generation.config.halo[name].url)
        };
        let same = generation.config.halo.keys().filter(|name| is_same(name)).cloned();
        let same = Arc::new(same.collect());
        let halos = Arc::new(Registry::default());
        if online {
            halos
                .update(&generation.config)
                .map_err(|text| Failure::new(Status::Configuration, text))?;
        }
        // Replaced before each message.
        let lookups = Lookups::Assumed(Assume::Unknown);
        Ok(Side {
            dry: Dry::new(generation, lookups, Some(journal.clone())),
            same,
            online: online.then_some(halos),
        })
    }

    async fn take<'a>(&'a mut self, stored: &'a Stored, made: &Arc<MadeThen>, octets: &'a [u8]) -> Taken<'a> {
        let then = Then {
            recorded: stored.recorded.clone(),
            made: made.clone(),
            same: self.same.clone(),
            now: stored.now,
            online: self.online.clone(),
        };
        stored.through(&mut self.dry, Lookups::Recorded(then), octets).await
    }
}

impl Sides {
    fn new(
        (present, new): (Arc<Generation>, Arc<Generation>),
        journal: &Arc<dyn Journal>,
        online: bool,
    ) -> Result<Sides, Failure> {
        Ok(Sides {
            present: Side::new((present.clone(), &present), journal, online)?,
            new: Side::new((new, &present), journal, online)?,
            made: Arc::default(),
            origins: Default::default(),
        })
    }

    /// What the message made when it ran is not there before it makes it again.
    async fn note(&mut self, journal: &dyn Journal, id: EntryId) -> Result<(), Failure> {
        let made = Arc::get_mut(&mut self.made).expect("no message has its turn yet");
        let intents = journal.intents(id).await?;
        intents.iter().for_each(|intent| made.note(intent));
        Ok(())
    }

    /// None where the message is gone meanwhile.
    async fn replay(&mut self, journal: &dyn Journal, id: EntryId) -> Result<Option<Line>, Failure> {
        let Some(entry) = journal.entry(id).await? else {
            return Ok(None);
        };
        // A copy never came to its rules, whatever they say.
        if entry.row.outcome == "duplicate" {
            return Ok(Some(Line::same(entry.row)));
        }
        let Some(octets) = journal.octets(id).await? else {
            return Ok(Some(Line::without_octets(entry.row)));
        };
        let stored = Stored::of(entry);
        let present = self.present.take(&stored, &self.made, &octets).await;
        let new = self.new.take(&stored, &self.made, &octets).await;
        for (origins, taken) in self.origins.iter_mut().zip([&present, &new]) {
            origins.note(id, &taken.trace);
        }
        let [here, there] = &self.origins;
        let worlds = Worlds {
            present: here,
            new: there,
        };
        let difference = Difference::between(&present, &new, worlds);
        let row = stored.entry.row.clone();
        Ok(Some(Line {
            present: present.verdict.outcome.clone(),
            new: new.verdict.outcome.clone(),
            since: since_it_ran(&row.outcome, &row.reason, &present.verdict),
            difference,
            row,
        }))
    }
}

/// What is said of a message.
struct Line {
    row: Row,
    /// Outcomes; empty where there is none.
    present: String,
    new: String,
    difference: Difference,
    /// Where it was another one when it ran.
    since: Option<String>,
}

impl Line {
    fn same(row: Row) -> Line {
        let outcome = row.outcome.clone();
        Line {
            present: outcome.clone(),
            new: outcome,
            difference: Difference {
                result: "same",
                changes: Vec::new(),
                why: String::new(),
            },
            since: None,
            row,
        }
    }

    fn without_octets(row: Row) -> Line {
        Line {
            present: String::new(),
            new: String::new(),
            difference: Difference {
                result: "without_octets",
                changes: Vec::new(),
                why: "its octets are no longer kept".to_owned(),
            },
            since: None,
            row,
        }
    }

    /// Whether it says something that whoever asked does not expect.
    fn is_news(&self) -> bool {
        self.difference.result != "same" || self.since.is_some()
    }

    fn outcome(&self) -> String {
        match self.difference.result {
            "without_octets" => "no octets".to_owned(),
            "differs" if self.present == self.new => format!("{}, differently", self.new),
            _ if self.present == self.new => self.new.clone(),
            _ => format!("{} → {}", self.present, self.new),
        }
    }

    fn why(&self) -> String {
        let since = self.since.clone();
        let parts = [Some(self.difference.in_words()), since];
        let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        parts.join("; ")
    }

    /// Which message, and below it what would become of it and why, which is what was asked: nothing of that is cut.
    fn print(&self) -> Result<(), Failure> {
        let row = &self.row;
        let time = row.time.strftime("%Y-%m-%d %H:%M");
        let whose = print::plain(&format!("{}  {}", row.author(), row.title()));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}  {time}  {whose}", row.id)?;
        let why = print::plain(&self.why());
        let colon = if why.is_empty() { "" } else { ": " };
        writeln!(out, "    {}{colon}{why}", self.outcome())?;
        Ok(())
    }

    fn as_json(&self) -> Value {
        let row = &self.row;
        let outcome = |word: &str| Some(word.to_owned()).filter(|word| !word.is_empty());
        json!({
            "id": row.id, "time": row.time, "mailbox": row.mailbox, "from": row.from, "subject": row.subject,
            "result": self.difference.result, "recorded": row.outcome, "present": outcome(&self.present),
            "new": outcome(&self.new), "changes": self.difference.changes, "why": self.why(),
        })
    }
}

/// Lines and counts, as they come.
struct Report {
    format: Format,
    all: bool,
    lines: Vec<Line>,
    counts: [usize; difference::RESULTS.len()],
    otherwise: usize,
}

impl Report {
    fn new(format: Format, all: bool) -> Report {
        Report {
            format,
            all,
            lines: Vec::new(),
            counts: [0; difference::RESULTS.len()],
            otherwise: 0,
        }
    }

    fn add(&mut self, line: Line) -> Result<(), Failure> {
        let results = difference::RESULTS.iter().zip(&mut self.counts);
        for (_, count) in results.filter(|(result, _)| **result == line.difference.result) {
            *count += 1;
        }
        self.otherwise += usize::from(line.since.is_some());
        if !self.all && !line.is_news() {
            return Ok(());
        }
        match self.format {
            Format::Json => print::json_line(&line.as_json()),
            Format::Table => {
                self.lines.push(line);
                Ok(())
            }
        }
    }

    fn end(&self) -> Result<(), Failure> {
        let [same, differ, untold, without_octets] = self.counts;
        let messages: usize = self.counts.iter().sum();
        if self.format == Format::Json {
            return print::json_line(&json!({ "summary": {
                "messages": messages, "same": same, "differ": differ, "untold": untold, "without_octets": without_octets,
                "otherwise_than_recorded": self.otherwise,
            } }));
        }
        self.lines.iter().try_for_each(Line::print)?;
        let mut out = std::io::stdout().lock();
        let messages = counted(messages, "message");
        writeln!(
            out,
            "{messages}: {same} the same, {differ} differ, {untold} can not be told, {without_octets} without octets"
        )?;
        if self.otherwise > 0 {
            let rules = "the rules have changed since, or what was known then is not recorded";
            writeln!(out, "{} ended otherwise when they ran: {rules}", self.otherwise)?;
        }
        Ok(())
    }
}
