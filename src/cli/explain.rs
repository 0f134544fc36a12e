//! `explain`: a dry run. It uses the code of a real one, with a performer that changes nothing.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ValueEnum;
use serde_json::json;

use super::{
    Common, Ended, Failure, Format, Status,
    dry::{Dry, Taken},
    log,
    print::{self, Paging},
    runtime,
};
use crate::{
    clock::Clock,
    config::MailboxName,
    effect::simulated::{Assume, Lookups},
    generation::Generation,
    halo::registry::Registry,
    journal::{self, Claim, EntryId, Journal, Opening, Place, Spot, Work, or_no_author, or_no_subject},
    message::Message,
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
    #[command(flatten)]
    paging: Paging,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Assumption {
    Known,
    Unknown,
}

impl Explain {
    /// Explains each file. The status is that of reading them, whatever the outcome would be.
    pub fn perform(&self, common: &Common) -> Ended {
        let generation = Arc::new(common.generation()?);
        common.begin_logging("error")?;
        let mailbox = super::process::mailbox(self.mailbox.as_deref(), &generation.config)?;
        let _pager = self.paging.begin();
        runtime()?.block_on(async {
            let lookups = self.lookups(&generation)?;
            // One world for all of them: the second message of a sender finds the user that the first would make.
            let mut dry = Dry::new(generation.clone(), lookups(), self.journal(&generation));
            let mut status = Status::Done;
            for file in &self.files {
                match std::fs::read(file) {
                    Ok(octets) => {
                        let work = imagined(&mailbox);
                        dry.turn(lookups(), work.received, None);
                        self.say(file, &dry.take(&work, &octets, work.received, None).await)?;
                    }
                    Err(error) => {
                        eprintln!("{} can not be read: {error}; {}", file.display(), what_it_takes(file));
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

    /// Where there is one, and it can be read; it knows the tickets of conversations.
    fn journal(&self, generation: &Generation) -> Option<Arc<dyn Journal>> {
        let opened = self
            .online
            .then(|| journal::open(&generation.config, Clock::system(), Opening::Look));
        opened?.ok().map(|journal| Arc::new(journal) as Arc<dyn Journal>)
    }

    fn say(&self, file: &Path, taken: &Taken<'_>) -> Result<(), Failure> {
        match self.format {
            Format::Json => print_json(file, taken),
            Format::Table => print(file, taken),
        }
    }
}

/// Who names a message of the journal instead of a file reads how it is asked for.
fn what_it_takes(file: &Path) -> String {
    match file.to_str().and_then(|name| log::id(name).ok()) {
        Some(id) => {
            format!("explain takes files: halo-intake retry --dry-run {id} is for message {id} of the journal")
        }
        None => "explain takes messages as files: save one from a mail program, or one of the journal with \
                 halo-intake show ID --raw > FILE.eml"
            .to_owned(),
    }
}

fn print_json(file: &Path, taken: &Taken<'_>) -> Result<(), Failure> {
    let Taken {
        reading,
        verdict,
        trace,
    } = taken;
    print::json_line(&json!({
        "file": file.display().to_string(), "mailbox": reading.work.place.mailbox, "email": reading.email, "cut": reading.message.cut,
        "rules": trace.rules, "outcome": verdict.outcome, "reason": verdict.reason, "rule": verdict.rule,
        "told": verdict.told, "settle": verdict.settle,
    }))
}

/// What becomes of it stands first: it is what was asked.
fn print(file: &Path, taken: &Taken<'_>) -> Result<(), Failure> {
    let Taken {
        reading,
        verdict,
        trace,
    } = taken;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}: what would become of it; nothing was done", file.display())?;
    let mut line = |name: &str, text: &str| match text.is_empty() {
        true => Ok(()),
        false => writeln!(out, "  {name:<8} {text}"),
    };
    line("outcome", &print::outcome(&verdict.outcome))?;
    line("reason", &print::plain(&verdict.reason))?;
    line("rule", &print::plain(&verdict.rule))?;
    line("told", &nobody_or(&verdict.told))?;
    line("settled", &verdict.settle)?;
    line("from", &print::plain(&from(&reading.message)))?;
    line("subject", &print::plain(or_no_subject(&reading.message.subject)))?;
    line("mailbox", &reading.work.place.mailbox.to_string())?;
    line("cut", &reading.message.cut.join(", "))?;
    print::print_trace(&mut out, trace)?;
    writeln!(out)?;
    Ok(())
}

/// `ann@stranger.example (by its reply-to field)`
fn from(message: &Message) -> String {
    let author = or_no_author(&message.author.address);
    match message.author_source {
        "" => author.to_owned(),
        field => format!("{author} (by its {field} field)"),
    }
}

fn nobody_or(told: &[String]) -> String {
    if told.is_empty() {
        "nobody".to_owned()
    } else {
        told.join(", ")
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
