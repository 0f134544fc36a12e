//! `explain`: a dry run. It uses the code of a real one, with a performer that changes nothing.

use std::{path::PathBuf, sync::Arc};

use clap::ValueEnum;
use serde_json::json;

use super::{Common, Ended, Failure, Format, Status, hostname, print, runtime};
use crate::{
    clock::Clock,
    config::MailboxName,
    effect::{
        Effects,
        simulated::{Assume, Lookups, Simulated},
    },
    generation::Generation,
    halo::registry::Registry,
    journal::{Change, Claim, EntryId, Place, Spot, Work},
    message::Message,
    outcome::{Outcome, Reason},
    pipeline::{ending::Attempted, work::email_of},
    run::{self, End, Setting, Through},
};

/// Shows what the rules would do with messages, without doing it
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The messages
    #[arg(required = true, value_name = "FILE.eml")]
    files: Vec<PathBuf>,
    /// Whose rules; may be left out when there is one mailbox
    #[arg(long, value_name = "NAME")]
    mailbox: Option<String>,
    /// Reads Halo for real; still writes nothing
    #[arg(long, conflicts_with = "assume")]
    online: bool,
    /// Whether senders are taken for users of Halo
    #[arg(long, value_enum, default_value = "unknown")]
    assume: Assumption,
    /// How it looks
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
                    Ok(octets) => self.explain(file, &octets, &mailbox, &generation, &lookups).await?,
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
        file: &std::path::Path,
        octets: &[u8],
        mailbox: &MailboxName,
        generation: &Generation,
        lookups: &impl Fn() -> Lookups,
    ) -> Result<(), Failure> {
        let message = Message::read(octets);
        let work = imagined(mailbox);
        let email = email_of(&message, &work.place, work.internal_date, octets.len(), generation);
        let hostname = hostname();
        let setting = Setting {
            rules: &generation.rules,
            config: &generation.config,
            mailbox,
            email: &email,
            id: 0,
            attempt: 1,
            hostname: &hostname,
            now: work.internal_date,
        };
        let simulated = Simulated::new(lookups());
        let mut effects = Effects::new(&simulated, None, Vec::new(), work.internal_date);
        let Through { end, trace } = run::through(&setting, None, &mut effects).await;
        let dmarc = email["auth"]["dmarc"].as_str().unwrap_or("none");
        let attempted = Attempted {
            work: &work,
            generation,
            message: &message,
            octets,
            dmarc,
            hostname: &hostname,
            now: work.internal_date,
            spread: 0.0,
        };
        let verdict = Verdict::of(
            end,
            &attempted,
            &trace,
            mailbox,
            u64::try_from(octets.len()).unwrap_or(u64::MAX),
        );
        match self.format {
            Format::Json => print::json_line(&json!({
                "file": file.display().to_string(), "mailbox": mailbox, "email": email, "rules": trace.rules,
                "outcome": verdict.outcome, "reason": verdict.reason, "rule": verdict.rule, "told": verdict.told,
                "settle": verdict.settle,
            })),
            Format::Table => {
                println!("{}", file.display());
                println!(
                    "  from     {} (by its {} field)",
                    print::plain(&message.author.address),
                    message.author_source
                );
                println!("  subject  {}", print::plain(&message.subject));
                println!("  mailbox  {mailbox}");
                print::print_trace(&trace)?;
                println!("\noutcome  {}", verdict.outcome);
                if !verdict.reason.is_empty() {
                    println!("reason   {}", print::plain(&verdict.reason));
                }
                println!(
                    "told     {}",
                    if verdict.told.is_empty() {
                        "nobody".to_owned()
                    } else {
                        verdict.told.join(", ")
                    }
                );
                println!("settled  {}\n", verdict.settle);
                Ok(())
            }
        }
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
    fn of(end: End, attempted: &Attempted<'_>, trace: &run::trace::Trace, mailbox: &MailboxName, size: u64) -> Verdict {
        let config = &attempted.generation.config;
        let mailbox_config = config.mailboxes.get(mailbox);
        let nobody = |outcome: &str, reason: String| Verdict {
            outcome: outcome.to_owned(),
            reason,
            rule: String::new(),
            told: Vec::new(),
            settle: "not yet".to_owned(),
        };
        let change = match end {
            End::Untold { what } => return nobody("can not be told", format!("it depends on {what}; try --online")),
            End::Deferred { reason, .. } => return nobody("deferred", reason),
            _ if mailbox_config.is_some_and(|mailbox| size > mailbox.max_message_size) => {
                attempted.failed(Reason::TooLarge, "")
            }
            _ if attempted.message.author.address.is_empty() => attempted.failed(Reason::NoAuthor, ""),
            end => attempted.change(end, trace),
        };
        let Change::Ended { ended, .. } = change else {
            unreachable!("a concluded run ends")
        };
        let mut told: Vec<String> = ended
            .bounce
            .iter()
            .flat_map(|(letter, _)| letter.recipients.clone())
            .collect();
        if ended.outcome == Outcome::Failed {
            told.extend(config.report.to.iter().map(ToString::to_string));
        }
        let settle = mailbox_config
            .and_then(|mailbox| mailbox.settle.get(&ended.outcome))
            .unwrap_or(&crate::config::Settle::Keep);
        let settle = match settle {
            crate::config::Settle::MoveTo(folder) => format!("moved to {folder:?}"),
            crate::config::Settle::Seen => "marked as seen".to_owned(),
            crate::config::Settle::Delete => "deleted".to_owned(),
            crate::config::Settle::Keep => "kept where it is".to_owned(),
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
    Work {
        claim: Claim {
            entry: EntryId(0),
            token: 0,
        },
        place: Place {
            mailbox: mailbox.clone(),
            folder: String::new(),
            spot: Spot::Handed { key: String::new() },
        },
        internal_date: now,
        received: now,
        attempt: 1,
        waited: std::time::Duration::ZERO,
        deferred: None,
        run: None,
        intents: Vec::new(),
    }
}
