//! `check`: every fault of the configuration at once; `--online` also tries everything that it names.

use std::{io::Write, path::PathBuf, sync::Arc};

use super::{Common, Ended, Failure, Format, Status, runtime};
use crate::{
    action::Kind,
    class::Class,
    clock::Clock,
    config::{Backlog, Config, ConnectionName, HaloConfig, MailboxSource},
    generation::Generation,
    halo::{
        Reference,
        client::{Calls, Halo, HaloError},
        findings,
        registry::Registry,
    },
    mailbox,
    oauth::SignIns,
    outcome::smtp::Smtp,
    rules::{FieldSource, Step},
    web,
};

mod choices;
mod diff;
mod journal;
mod load;
mod oauth;
mod page;
mod places;

/// Checks the configuration and reports every fault
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Also reads every secret, fetches every token, signs in to the journal's server, every mailbox, SMTP server and
    /// Halo connection, and resolves every locked client, site and choice
    #[arg(long)]
    online: bool,
    /// Shows what a reload would change: these files against what the running service has, or against another file
    #[arg(long, value_name = "OLD.toml", num_args = 0..=1)]
    diff: Option<Option<PathBuf>>,
    /// How the differences are printed
    #[arg(long, value_enum, default_value = "table", requires = "diff")]
    format: Format,
}

impl Check {
    /// Checks; faults go to standard error, one a line.
    pub fn perform(&self, common: &Common) -> Ended {
        let (generation, warnings) = common.generation_with_warnings()?;
        warnings.0.iter().for_each(|warning| eprintln!("{warning}"));
        common.begin_logging("error")?;
        if let Some(old) = &self.diff {
            let status = diff::print(&generation, old.as_deref(), self.format)?;
            if status != Status::Done || !self.online {
                return Ok(status);
            }
        }
        let config = &generation.config;
        if !config.report.to.is_empty() && config.smtp.is_none() {
            eprintln!("warning: report.to: reports can not leave by mail: there is no [smtp]; add it, or remove to");
        }
        say(format_args!(
            "{}: {}, {}, {}; no faults",
            generation.path.display(),
            counted(config.mailboxes.len(), "mailbox", "mailboxes"),
            counted(config.halo.len(), "Halo connection", "Halo connections"),
            counted(generation.rules.rules.len(), "rule", "rules")
        ));
        for (name, halo) in &config.halo {
            let load = generation.rules.load(config, name);
            load::lines(name, load, halo.rate)
                .iter()
                .for_each(|line| say(format_args!("{line}")));
            say_findings(config, name, halo);
        }
        for (name, _) in config
            .mailboxes
            .iter()
            .filter(|(_, mailbox)| mailbox.backlog == Some(Backlog::Report))
        {
            say(format_args!(
                "mailbox {name}: at its first start it tells what would be done, and waits until backlog is \"process\" or \"skip\""
            ));
        }
        let sign_ins = Arc::new(SignIns::new(&config.state_dir, Clock::system()));
        oauth::lines(config, &sign_ins, Clock::system().now());
        if !self.online {
            say(format_args!(
                "servers, secrets and folders are looked at with --online alone"
            ));
            return Ok(Status::Done);
        }
        let (mut report, runtime) = (Report { wrong: Status::Done }, runtime()?);
        report.journal(config);
        runtime.block_on(async {
            report.mailboxes(config, &sign_ins).await;
            report.smtp(config, &sign_ins).await;
            report.webhook(config).await;
            report.page(config);
            report.halo(&generation).await
        })?;
        Ok(report.wrong)
    }
}

/// Whoever reads the output may have seen enough; the status tells the rest.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// What a probe found out at that connection. It is no fault of the configuration where nothing is known.
fn say_findings(config: &Config, name: &ConnectionName, halo: &HaloConfig) {
    match findings::file::load(&config.state_dir, name, &halo.url) {
        Ok(Some(findings)) => say(format_args!("halo {name}: {}", findings.summary())),
        Ok(None) => say(format_args!(
            "halo {name}: not probed (halo-intake halo probe would find out how it behaves, and asks first)"
        )),
        Err(error) => eprintln!("warning: halo {name}: the findings of the probe are not used: {error}"),
    }
}

/// What was tried, a line each.
struct Report {
    wrong: Status,
}

impl Report {
    fn good(&self, what: &str, text: &str) {
        say(format_args!("ok    {what}: {text}"));
    }

    fn bad(&mut self, what: &str, text: &str, class: Class) {
        say(format_args!("FAULT {what}: {text}"));
        let status = if class == Class::Transient {
            Status::Unavailable
        } else {
            Status::Configuration
        };
        if self.wrong != Status::Configuration {
            self.wrong = status;
        }
    }

    async fn mailboxes(&mut self, config: &Config, sign_ins: &SignIns) {
        for (name, mailbox) in config.mailboxes.iter().filter(|(_, mailbox)| mailbox.enabled) {
            let what = format!("mailbox {name}");
            if let MailboxSource::Imap(imap) = &mailbox.source
                && let Some(oauth) = imap.sign_in.oauth()
                && !self.token(&what, oauth, sign_ins).await
            {
                continue;
            }
            match mailbox::inspect(name, mailbox, sign_ins).await {
                Ok(found) => {
                    let lines = found.lines.iter().chain(&found.offers);
                    lines.for_each(|line| self.good(&what, line));
                }
                Err(error) => self.bad(&what, &error.to_string(), error.class()),
            }
        }
    }

    async fn smtp(&mut self, config: &Config, sign_ins: &Arc<SignIns>) {
        let Some(smtp) = &config.smtp else { return };
        if let Some(oauth) = smtp.login.as_ref().and_then(|(_, sign_in)| sign_in.oauth())
            && !self.token("smtp", oauth, sign_ins).await
        {
            return;
        }
        let checked = match Smtp::new(smtp, sign_ins) {
            Ok(smtp) => smtp.check().await,
            Err(error) => Err(error),
        };
        match checked {
            Ok(said) => self.good("smtp", &said),
            Err(error) => self.bad("smtp", &error.to_string(), error.class()),
        }
    }

    /// Nothing is posted: people would read it, and what a receiver says to anything less says nothing.
    async fn webhook(&mut self, config: &Config) {
        let Some(webhook) = &config.report.webhook else { return };
        match web::inspect(&webhook.url).await {
            Ok(said) => self.good("webhook", &said),
            Err(error) => self.bad("webhook", &error.to_string(), error.class()),
        }
    }

    async fn halo(&mut self, generation: &Generation) -> Result<(), Failure> {
        let halos = Registry::default();
        halos
            .update(&generation.config)
            .map_err(|text| Failure::new(Status::Configuration, text))?;
        let calls = Calls::default();
        for name in generation.config.halo.keys() {
            let what = format!("halo {name}");
            let halo = halos
                .find(name)
                .expect("every connection of the configuration is there");
            match halo.check(&calls).await {
                Ok(()) => {
                    self.good(&what, "signed in");
                    self.locked(name, &halo, generation, &calls).await;
                }
                Err(error) => self.bad(&what, &error.to_string(), error.class()),
            }
        }
        Ok(())
    }

    /// Every client, site and choice that is written without an expression exists, once, and sites belong to their client.
    async fn locked(&mut self, name: &ConnectionName, halo: &Arc<Halo>, generation: &Generation, calls: &Calls) {
        for rule in &generation.rules.rules {
            let mut steps = Vec::new();
            flatten(&rule.steps, &mut steps);
            for step in steps.into_iter().filter(|step| step.connection.as_ref() == Some(name)) {
                let what = format!("rule {:?}, {}", rule.name, step.name);
                let client = match locked(step, "client").or_else(|| locked(step, "default_client")) {
                    None => None,
                    Some(reference) => self.client(&what, &reference, halo, calls).await,
                };
                if let Some(reference) = locked(step, "site") {
                    self.site(&what, &reference, client.as_ref(), halo, calls).await;
                }
                self.choices(&what, step, halo, calls).await;
            }
        }
        for (domain, target) in &generation.config.halo[name].domains {
            let what = format!("[halo.{name}.domains] {domain}");
            let client = self.client(&what, &target.client, halo, calls).await;
            if let Some(site) = &target.site {
                self.site(&what, site, client.as_ref(), halo, calls).await;
            }
        }
    }

    /// The only one that was found; any other number of them is a fault.
    fn one<T>(
        &mut self,
        what: &str,
        (reference, wanted): (&Reference, String),
        found: Result<Vec<T>, HaloError>,
        of: impl Fn(&T) -> (i64, &str),
    ) -> Option<T> {
        match found {
            Ok(mut found) if found.len() == 1 => {
                let one = found.remove(0);
                let (id, name) = of(&one);
                let text = match reference {
                    Reference::Id(_) => format!("{wanted} is {name:?}"),
                    Reference::Name(_) => format!("{wanted} has the id {id}"),
                };
                self.good(what, &text);
                Some(one)
            }
            Ok(found) if found.is_empty() => {
                self.bad(
                    what,
                    &format!("Halo has no {wanted}; halo-intake halo clients and halo sites list what there is"),
                    Class::Permanent,
                );
                None
            }
            Ok(found) => {
                let ids: Vec<String> = found.iter().map(|one| of(one).0.to_string()).collect();
                let ids = ids.join(", ");
                let text = format!("several have the name of {wanted}: ids {ids}; write one of them");
                self.bad(what, &text, Class::Permanent);
                None
            }
            Err(error) => {
                self.bad(what, &error.to_string(), error.class());
                None
            }
        }
    }
}

/// `1 rule`, `2 rules`.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn flatten<'a>(steps: &'a [Step], into: &mut Vec<&'a Step>) {
    for step in steps {
        into.push(step);
        flatten(&step.steps, into);
    }
}

/// The client, site or choice of a field that holds no expression.
fn locked(step: &Step, name: &str) -> Option<Reference> {
    if step.kind == Kind::ForEach {
        return None;
    }
    let field = step.fields.iter().find(|field| field.name == name && field.written)?;
    let FieldSource::Text(template) = &field.source else {
        return None;
    };
    let literal = template.literal()?.trim();
    if field.is_name {
        Some(Reference::Name(literal.to_owned()))
    } else {
        Reference::parse(literal)
    }
}
