//! `halo probe`: says what it will make, asks whether it may, and removes it again whatever happens.

use std::{
    fmt,
    io::{IsTerminal, Write},
};

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{client, connect, connection};
use crate::{
    cli::{Ended, Failure, Format, Status, print, runtime},
    config::{Config, ConnectionName},
    halo::{
        Client, Site,
        client::{Calls, Halo},
        findings::{
            Finding, Findings,
            file::{Draft, FindingsError},
        },
        probe::{Left, Mark, Probe as Probing, ProbeError, Probed, REQUESTS},
    },
};

/// Finds out what only a real tenant can tell; makes a client and users there and removes them again
#[derive(Debug, Args)]
pub struct Probe {
    /// Which connection; may be left out when there is one
    #[arg(long, value_name = "NAME")]
    halo: Option<String>,
    /// Makes the users at the main site of this client, an id or an exact name, instead of making a client
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// Does not ask whether it may
    #[arg(long)]
    yes: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

impl From<FindingsError> for Failure {
    fn from(error: FindingsError) -> Failure {
        Failure::new(Status::Broken, error.to_string())
    }
}

impl From<ProbeError> for Failure {
    fn from(error: ProbeError) -> Failure {
        let status = match error {
            ProbeError::Interrupted => Status::TryAgain,
            ProbeError::NoPlace { .. } | ProbeError::Halo(_) => Status::Unavailable,
        };
        Failure::new(status, error.to_string())
    }
}

impl Probe {
    /// Probes, keeps what was found, prints it.
    pub fn perform(&self, config: &Config) -> Ended {
        let (name, of_halo) = connection(config, self.halo.as_deref())?;
        self.may_ask()?;
        let halo = connect(name.clone(), of_halo)?;
        let probed = runtime()?.block_on(async {
            let place = self.place(&halo).await?;
            let probing = Probing::new(&halo, place.as_ref().map(|(client, site)| (client.id, site.id)));
            note(announcement(
                &name,
                of_halo.url.as_str(),
                probing.mark(),
                place.as_ref(),
            ));
            if !self.yes && !agrees()? {
                return Ok(None);
            }
            let draft = Draft::begin(&config.state_dir, &name)?;
            let probed = run(&probing).await?;
            Ok::<_, Failure>(Some((draft, probed)))
        })?;
        match probed {
            Some((draft, probed)) => self.end(draft, probed),
            None => Ok(Status::Done),
        }
    }

    /// Nobody can be asked where there is no terminal, and nothing is made unasked.
    fn may_ask(&self) -> Result<(), Failure> {
        if self.yes || (std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return Ok(());
        }
        let text = "halo probe makes a client and users in Halo, which it removes again, and there is no terminal to ask \
                    whether it may; say --yes";
        Err(Failure::new(Status::Usage, text))
    }

    async fn place(&self, halo: &Halo) -> Result<Option<(Client, Site)>, Failure> {
        let Some(text) = &self.client else { return Ok(None) };
        let calls = Calls::default();
        let client = client(halo, text, &calls).await?;
        match halo.main_site(client.id, &calls).await? {
            Some(site) => Ok(Some((client, site))),
            None => {
                let text = format!(
                    "client {} ({:?}) has no active site; name another",
                    client.id, client.name
                );
                Err(Failure::new(Status::Usage, text))
            }
        }
    }

    fn end(&self, draft: Draft, probed: Probed) -> Ended {
        let Probed {
            findings,
            left,
            requests,
        } = probed;
        note_left(&left);
        let findings = findings?;
        let path = draft.keep(&findings)?;
        self.print(&findings)?;
        note(format_args!(
            "{requests} requests; kept in {}; a daemon that runs takes it in when it is reloaded",
            path.display()
        ));
        Ok(if left.iter().all(is_inactive) {
            Status::Done
        } else {
            Status::Broken
        })
    }

    fn print(&self, findings: &Findings) -> Result<(), Failure> {
        let row = |finding: &Finding| {
            [
                finding.name.clone(),
                finding.answer.to_string(),
                finding.evidence.clone(),
            ]
        };
        let header = ["QUESTION", "ANSWER", "EVIDENCE"];
        print::list(self.format, &header, &findings.findings, row, |finding| json!(finding))
    }
}

fn announcement(name: &ConnectionName, url: &str, mark: &Mark, place: Option<&(Client, Site)>) -> String {
    let made = match place {
        Some((client, site)) => format!(
            "up to three users {:?} … at the site {:?} of the client {} ({:?}),\n  with",
            mark.name(),
            print::plain(&site.name),
            client.id,
            print::plain(&client.name)
        ),
        None => format!(
            "a client {:?} with a site, and in it up to three users with\n ",
            mark.name()
        ),
    };
    format!(
        "halo probe makes at {url} ([halo.{name}]):\n  {made} addresses below example.com, example.net and example.org, \
         where nobody receives mail.\nIt removes them again, also when it is interrupted. It takes up to {REQUESTS} requests, \
         within the connection's rate, and reads one ticket and some sites."
    )
}

/// On the terminal.
fn agrees() -> Result<bool, Failure> {
    let mut err = std::io::stderr();
    write!(err, "Go on? [y/N] ")?;
    err.flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(is_yes(&line))
}

fn is_yes(line: &str) -> bool {
    ["y", "yes"].contains(&line.trim().to_ascii_lowercase().as_str())
}

/// To its end. The first signal stops the asking, and what was made is removed; the second one ends that as well.
async fn run(probing: &Probing<'_>) -> Result<Probed, Failure> {
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let mut running = std::pin::pin!(probing.run(&stop));
    tokio::select! {
        probed = &mut running => return Ok(probed),
        () = signals.next() => stop.cancel(),
    }
    note("stops, and removes what it made; interrupt it again to leave that where it is");
    tokio::select! {
        probed = &mut running => Ok(probed),
        () = signals.next() => {
            note_left(&probing.left());
            Err(Failure::new(Status::TryAgain, "interrupted before everything was removed"))
        }
    }
}

/// What ends a command, also when its terminal goes away.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

fn note_left(left: &[Left]) {
    for left in left {
        note(print::plain(&left.to_string()));
    }
}

fn is_inactive(left: &Left) -> bool {
    matches!(left, Left::Record { is_inactive: true, .. })
}

/// Beside the findings, which have standard output. Where the terminal is gone the work still goes on.
fn note(line: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for (line, expected) in [
            ("y\n", true),
            (" Yes \n", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
            ("yesterday\n", false),
        ] {
            assert_eq!(is_yes(line), expected, "{line:?}");
        }
    }
}
