//! `explain`: a dry run. It uses the code of a real one, with a performer that changes nothing.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ValueEnum;
use serde_json::json;

use super::{Common, Ended, Failure, Format, Status, hostname, print, runtime};
use crate::{
    clock::Clock,
    config::{MailboxName, Settle},
    effect::{
        Effects,
        simulated::{Assume, Lookups, Simulated},
    },
    generation::Generation,
    halo::registry::Registry,
    journal::{Change, Claim, EntryId, Place, Spot, Work},
    outcome::{Outcome, Reason},
    pipeline::attempt::Reading,
    run::{self, End, Through, trace::Trace},
};

/// Shows what the rules would do with messages, without doing it
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The messages, each a file as it came
    #[arg(required = true, value_name = "FILE.eml")]
    files: Vec<PathBuf>,
    /// Whose rules; may be left out when there is one mailbox
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// Reads Halo for real; still writes nothing
    #[arg(long, conflicts_with = "assume")]
    online: bool,
    /// Without --online: whether senders are taken for users of Halo
    #[arg(long, value_enum, default_value = "unknown")]
    assume: Assumption,
    /// How it is printed
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Assumption {
    Known,
    Unknown,
}

impl Explain {
    /// Explains each file. The status is that of reading them, whatever the outcome would be.
    pub fn perform(&self, common: &Common) -> Ended {
        let generation = common.generation()?;
        common.begin_logging("error")?;
        let mailbox = super::process::mailbox(self.mailbox.as_deref(), &generation.config)?;
        runtime()?.block_on(async {
            let lookups = self.lookups(&generation)?;
            let mut status = Status::Done;
            for file in &self.files {
                match std::fs::read(file) {
                    Ok(octets) => self.explain(file, &octets, &mailbox, &generation, lookups()).await?,
                    Err(error) => {
                        eprintln!("{}: {error}", file.display());
                        status = Status::Unreadable;
                    }
                }
            }
            Ok(status)
        })
    }

    fn lookups(&self, generation: &Generation) -> Result<impl Fn() -> Lookups + use<>, Failure> {
        let halos = Arc::new(Registry::default());
        if self.online {
            halos
                .update(&generation.config)
                .map_err(|text| Failure::new(Status::Configuration, text))?;
        }
        let (online, assume) = (
            self.online,
            match self.assume {
                Assumption::Known => Assume::Known,
                Assumption::Unknown => Assume::Unknown,
            },
        );
        Ok(move || {
            if online {
                Lookups::Online(halos.clone())
            } else {
                Lookups::Assumed(assume)
            }
        })
    }

    async fn explain(
        &self,
        file: &Path,
        octets: &[u8],
        mailbox: &MailboxName,
        generation: &Generation,
        lookups: Lookups,
    ) -> Result<(), Failure> {
        let (work, hostname) = (imagined(mailbox), hostname());
        let reading = Reading::of(&work, octets, generation, &hostname);
        let explained = match ends_unread(&reading) {
            Some(reason) => Explained {
                verdict: Verdict::of_change(reading.attempted(work.internal_date, 0.0).unread(reason), &reading),
                trace: Trace::default(),
            },
            None => {
                let simulated = Simulated::new(lookups);
                let mut effects = Effects::new(&simulated, &reading, None, Vec::new());
                let Through { end, trace } =
                    run::through(&reading.setting(work.internal_date), None, &mut effects).await;
                Explained {
                    verdict: Verdict::of(end, &reading, &trace),
                    trace,
                }
            }
        };
        match self.format {
            Format::Json => explained.print_json(file, &reading),
            Format::Table => explained.print(file, &reading),
        }
    }
}

/// Why the message would end before its rules see it, where it would.
fn ends_unread(reading: &Reading<'_>) -> Option<Reason> {
    let size = u64::try_from(reading.octets.len()).unwrap_or(u64::MAX);
    let mailbox = reading.generation.config.mailboxes.get(&reading.work.place.mailbox);
    if mailbox.is_some_and(|mailbox| size > mailbox.max_message_size) {
        return Some(Reason::TooLarge);
    }
    reading.ends_unread()
}

/// All that `explain` says of a message.
struct Explained {
    verdict: Verdict,
    trace: Trace,
}

impl Explained {
    fn print_json(&self, file: &Path, reading: &Reading<'_>) -> Result<(), Failure> {
        let Explained { verdict, trace } = self;
        print::json_line(&json!({
            "file": file.display().to_string(), "mailbox": reading.work.place.mailbox, "email": reading.email, "cut": reading.message.cut,
            "rules": trace.rules, "outcome": verdict.outcome, "reason": verdict.reason, "rule": verdict.rule,
            "told": verdict.told, "settle": verdict.settle,
        }))
    }

    fn print(&self, file: &Path, reading: &Reading<'_>) -> Result<(), Failure> {
        let Explained { verdict, trace } = self;
        let mut out = std::io::stdout().lock();
        let author = print::plain(&reading.message.author.address);
        writeln!(out, "{}", file.display())?;
        writeln!(
            out,
            "  from     {author} (by its {} field)",
            reading.message.author_source
        )?;
        writeln!(out, "  subject  {}", print::plain(&reading.message.subject))?;
        writeln!(out, "  mailbox  {}", reading.work.place.mailbox)?;
        if !reading.message.cut.is_empty() {
            writeln!(out, "  cut      {}", reading.message.cut.join(", "))?;
        }
        print::print_trace(&mut out, trace)?;
        writeln!(out, "\noutcome  {}", print::outcome(&verdict.outcome))?;
        if !verdict.reason.is_empty() {
            writeln!(out, "reason   {}", print::plain(&verdict.reason))?;
        }
        let told = if verdict.told.is_empty() {
            "nobody".to_owned()
        } else {
            verdict.told.join(", ")
        };
        writeln!(out, "told     {told}\nsettled  {}\n", verdict.settle)?;
        Ok(())
    }
}

/// What would become of the message.
struct Verdict {
    outcome: String,
    reason: String,
    rule: String,
    told: Vec<String>,
    settle: String,
}

impl Verdict {
    fn of(end: End, reading: &Reading<'_>, trace: &Trace) -> Verdict {
        let nobody = |outcome: &str, reason: String| Verdict {
            outcome: outcome.to_owned(),
            reason,
            rule: String::new(),
            told: Vec::new(),
            settle: "not yet".to_owned(),
        };
        match end {
            End::Untold { what } => nobody("can not be told", format!("it depends on {what}; try --online")),
            End::Deferred { reason, .. } | End::Held { reason, .. } => nobody("deferred", reason),
            end => Verdict::of_change(
                reading.attempted(reading.work.internal_date, 0.0).change(end, trace),
                reading,
            ),
        }
    }

    fn of_change(change: Change, reading: &Reading<'_>) -> Verdict {
        let Change::Ended { ended, .. } = change else {
            unreachable!("a concluded run ends")
        };
        let config = &reading.generation.config;
        let bounce = ended.bounce.iter();
        let mut told: Vec<String> = bounce.flat_map(|(letter, _)| letter.recipients.clone()).collect();
        if ended.outcome == Outcome::Failed {
            told.extend(config.report.to.iter().map(ToString::to_string));
        }
        let mailbox = config.mailboxes.get(&reading.work.place.mailbox);
        let settle = match mailbox.and_then(|mailbox| mailbox.settle.get(&ended.outcome)) {
            Some(Settle::MoveTo(folder)) => format!("moved to {folder:?}"),
            Some(Settle::Seen) => "marked as seen".to_owned(),
            Some(Settle::Delete) => "deleted".to_owned(),
            Some(Settle::Keep) | None => "kept where it is".to_owned(),
        };
        Verdict {
            outcome: ended.outcome.word().to_owned(),
            reason: ended.reason,
            rule: ended.rule,
            told,
            settle,
        }
    }
}

/// A message that just came, in no journal.
fn imagined(mailbox: &MailboxName) -> Work {
    let now = Clock::system().now();
    let claim = Claim {
        entry: EntryId(0),
        token: 0,
    };
    let place = Place {
        mailbox: mailbox.clone(),
        folder: String::new(),
        spot: Spot::Handed { key: String::new() },
    };
    Work::first(claim, place, now, now)
}
