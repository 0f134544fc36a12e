//! `init`: asks for mailbox, Halo and SMTP, tries each answer at once, and writes a first configuration.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use toml_edit::Value;

use super::{Common, Ended, Failure, Status, runtime};
use crate::{clock::Clock, daemon::signals, oauth::SignIns};

mod answers;
mod dialogue;
mod echo;
mod halo;
mod list;
mod mailbox;
mod next;
mod oauth;
mod place;
mod rule;
mod sample;
mod settling;
mod smtp;
mod wrap;

use answers::Answers;
use dialogue::Dialogue;
use place::Place;
use rule::Rule;

/// Asks for mailbox, SMTP and Halo, tries each answer, and writes a first configuration
#[derive(Debug, Args)]
pub struct Init {
    /// Where it is written; else --config, $HALO_INTAKE_CONFIG, for root /etc/halo-intake/halo-intake.toml, for others
    /// ./config/halo-intake.toml
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Replaces files that are there without asking
    #[arg(long)]
    force: bool,
}

/// Who is asked, and what was answered so far.
struct Interview {
    dialogue: Dialogue,
    answers: Answers,
    sign_ins: Arc<SignIns>,
    /// What the mailbox is called.
    mailbox: String,
    /// An address of it, from which others are proposed.
    address: String,
}

impl Init {
    /// Asks, tries, writes; a signal ends it at any question with nothing written.
    pub fn perform(&self, common: &Common) -> Ended {
        common.begin_logging("warn")?;
        let place = Place::of(self.output.as_deref(), common, self.force)?;
        let runtime = runtime()?;
        let ended = runtime.block_on(async {
            tokio::select! {
                ended = interview(place) => ended,
                stopped = signals::stopped() => {
                    stopped?;
                    Err(Failure::new(Status::TryAgain, "\ninterrupted; no configuration was written"))
                }
            }
        });
        // The thread that reads the next answer can not be called back, and need not be waited for.
        runtime.shutdown_background();
        ended
    }
}

async fn interview(mut place: Place) -> Ended {
    let mut dialogue = Dialogue::of_standard();
    dialogue.tell(
        "Each answer is tried at once; Enter takes what stands in [brackets]; Ctrl-C ends it. No configuration is written \
         before the last answer, and nothing is sent but sign-ins.",
    )?;
    place.agree(&mut dialogue).await?;
    let mut answers = Answers::default();
    let state_dir = place.state_dir(&mut dialogue).await?;
    answers.set("", "state_dir", state_dir.display().to_string());
    let mut interview = Interview {
        dialogue,
        answers,
        sign_ins: Arc::new(SignIns::new(&state_dir, Clock::system())),
        mailbox: String::new(),
        address: String::new(),
    };
    interview.mailbox().await?;
    let catch_all = interview.halo().await?;
    let on_error = interview.smtp().await?;
    let Interview {
        mut dialogue,
        mut answers,
        mailbox,
        ..
    } = interview;
    let source = place.keep_secrets(&mut dialogue, &mut answers).await?;
    let rule = Rule {
        mailbox: &mailbox,
        catch_all,
        on_error,
    };
    let text = place::read(&place.path, &answers, &mailbox, &rule.toml())?;
    let written = place.write(&answers, &text, source)?;
    next::tell(&mut dialogue, &place, source, &written, &answers)?;
    Ok(Status::Done)
}

impl Interview {
    /// Asks for a key until the program's own reading has nothing against the answer. An earlier answer is the default.
    async fn key(&mut self, table: &str, key: &str, question: &str, default: Option<&str>) -> Result<String, Failure> {
        let before = self.answers.text(table, key);
        loop {
            let answer = self.dialogue.ask(question, before.as_deref().or(default)).await?;
            if self.takes(table, key, value_of(key, &answer))? {
                return Ok(answer);
            }
        }
    }

    /// The same for a key that may be left out.
    async fn optional_key(
        &mut self,
        table: &str,
        key: &str,
        question: &str,
        default: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let before = self.answers.text(table, key);
        loop {
            let default = before.as_deref().or(default);
            let Some(answer) = self.dialogue.ask_optional(question, default).await? else {
                self.answers.unset(table, key);
                return Ok(None);
            };
            if self.takes(table, key, value_of(key, &answer))? {
                return Ok(Some(answer));
            }
        }
    }

    /// The same for a list, its items separated by commas.
    async fn list_key(&mut self, table: &str, key: &str, question: &str) -> Result<(), Failure> {
        loop {
            let Some(answer) = self.dialogue.ask_optional(question, None).await? else {
                self.answers.unset(table, key);
                return Ok(());
            };
            let items = answer.split(',').map(str::trim).filter(|item| !item.is_empty());
            if self.takes(table, key, toml_edit::Array::from_iter(items))? {
                return Ok(());
            }
        }
    }

    /// Sets the key, and says what is wrong with it where something is.
    fn takes(&mut self, table: &str, key: &str, value: impl Into<Value>) -> Result<bool, Failure> {
        let fault = self.fault(table, key, value);
        if let Some(fault) = &fault {
            self.dialogue.object(fault)?;
        }
        Ok(fault.is_none())
    }

    /// Sets the key, unless something is wrong with it.
    fn fault(&mut self, table: &str, key: &str, value: impl Into<Value>) -> Option<String> {
        self.answers.set(table, key, value);
        let fault = self.answers.fault(table, key);
        if fault.is_some() {
            self.answers.unset(table, key);
        }
        fault
    }

    /// Asks for a secret; one that was typed before may be kept.
    async fn secret(&mut self, table: &str, key: &str, name: &str, question: &str) -> Result<(), Failure> {
        let before = self.answers.secret(table, key).map(|_| "as before");
        if let Some(secret) = self.dialogue.secret(question, before).await? {
            self.answers.set_secret(table, key, name, secret);
        }
        Ok(())
    }

    /// Asks for a server's name, its protection and its port.
    async fn server(&mut self, table: &str, question: &str, of: &ServerKind) -> Result<(), Failure> {
        const WORDS: [&str; 3] = ["implicit", "starttls", "none"];
        self.key(table, "host", question, of.host.as_deref()).await?;
        let at = loop {
            let before = self.answers.text(table, "tls").unwrap_or_else(|| of.tls.to_owned());
            let default = WORDS.iter().position(|word| *word == before);
            let question = "Encryption: TLS from the start (implicit), by STARTTLS, or none";
            let at = self.dialogue.choose(question, &WORDS, default).await?;
            if before != WORDS[at] {
                self.answers.unset(table, "port");
            }
            self.answers.unset(table, "allow_cleartext");
            let Some(fault) = self.fault(table, "tls", WORDS[at]) else {
                break at;
            };
            self.dialogue.tell(&format!("  {fault}"))?;
            if self.dialogue.agrees("Allow clear text all the same", false).await? {
                self.answers.set(table, "allow_cleartext", true);
                self.answers.set(table, "tls", WORDS[at]);
                break at;
            }
        };
        self.key(table, "port", "Port", Some(of.ports[at])).await?;
        Ok(())
    }

    /// Asks for a file of certificates, which a server of one's own may need; whether it is another than before.
    async fn ca_file(&mut self, table: &str, default: Option<&str>) -> Result<bool, Failure> {
        let before = self.answers.text(table, "ca_file");
        let question = "File with the certificate of an authority to trust beside the system's (- for none)";
        if let Some(path) = self.optional_key(table, "ca_file", question, default).await? {
            self.answers.set(table, "ca_file", place::absolute(&path)?);
        }
        Ok(self.answers.text(table, "ca_file") != before)
    }
}

/// What differs between servers for mail that comes in and that goes out.
struct ServerKind {
    /// The default.
    host: Option<String>,
    /// The default.
    tls: &'static str,
    /// For implicit, starttls and none.
    ports: [&'static str; 3],
}

/// A port is a number; whatever is no number is refused as such.
fn value_of(key: &str, answer: &str) -> Value {
    match answer.parse::<i64>() {
        Ok(number) if key == "port" => number.into(),
        _ => answer.into(),
    }
}
