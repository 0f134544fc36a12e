//! `sandbox`: an emulated Halo on loopback, for trying rules and for testing clients without a tenant; beside it a mail
//! sink, where somebody wants to see what the program sends.

use std::{error::Error as _, io::Write, net::SocketAddr, path::PathBuf};

use super::{Common, Ended, Failure, Status, runtime};
use crate::{
    daemon::signals,
    sandbox::{
        self, Error, Start, StateError, Switches,
        smtp_sink::{Protection, SmtpSink},
    },
};

mod letter;

/// Serves an emulated Halo on loopback, for trying rules without a tenant
#[derive(Debug, clap::Args)]
pub struct Sandbox {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:9746", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Sets a switch to a JSON value or a word; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Keeps the records in a file, and begins with what it holds
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Begins without the sample data
    #[arg(long)]
    empty: bool,
    /// Takes mail at this port of 127.0.0.1 as well, delivers none, and prints each letter
    #[arg(long, value_name = "PORT")]
    mail: Option<u16>,
}

impl Sandbox {
    /// Serves until it is interrupted.
    pub fn perform(&self, common: &Common) -> Ended {
        common.begin_logging("info")?;
        if !self.listen.ip().is_loopback() {
            let text = format!("{} is not loopback; the sandbox has no real protection", self.listen);
            return Err(Failure::new(Status::Usage, text));
        }
        let start = Start {
            switches: self.switches()?,
            is_empty: self.empty,
            state: self.state.clone(),
        };
        runtime()?.block_on(async {
            let sandbox = sandbox::Sandbox::start_with(self.listen, start).await?;
            let sink = self.sink().await?;
            say(&self.greeting(&sandbox, sink.as_ref()));
            tokio::select! {
                stopped = signals::stopped() => stopped?,
                () = show_letters(sink.as_ref()) => {}
            }
            sandbox.end().await.map_err(Error::from)?;
            Ok(Status::Done)
        })
    }

    async fn sink(&self) -> Result<Option<SmtpSink>, Error> {
        let Some(port) = self.mail else { return Ok(None) };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let sink = SmtpSink::start_at(address, Protection::None).await;
        sink.map(Some).map_err(|source| Error::Listen { address, source })
    }

    fn switches(&self) -> Result<Switches, Failure> {
        let mut switches = Switches::default();
        for set in &self.set {
            let Some((name, value)) = set.split_once('=') else {
                let text = format!("--set {set}: KEY=VALUE is expected");
                return Err(Failure::new(Status::Usage, text));
            };
            let put = switches.put_text(name.trim(), value.trim());
            put.map_err(|error| Failure::new(Status::Usage, format!("--set: {error}")))?;
        }
        Ok(switches)
    }

    fn greeting(&self, sandbox: &sandbox::Sandbox, sink: Option<&SmtpSink>) -> String {
        let url = sandbox.url();
        let kept = match &self.state {
            Some(path) => format!("It keeps its records in {}.", path.display()),
            None => "It forgets everything when it ends (Ctrl-C).".to_owned(),
        };
        let smtp = sink.map_or(String::new(), |sink| {
            let port = sink.address().port();
            format!(
                "[smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n\n\
                 Each letter that it takes is printed here, and goes nowhere.\n"
            )
        });
        format!(
            "The sandbox listens. In the configuration:\n\n[halo.main]\nurl = \"{}\"\nclient_id = \"{}\"\nclient_secret = \"{}\"\n\n{smtp}\
             What it holds and what was asked is at {url}, its switches are at {url}sandbox/switches.\n{kept}\n",
            url.as_str().trim_end_matches('/'),
            sandbox.client_id(),
            sandbox.client_secret()
        )
    }
}

/// Whoever started it may have read the address and gone; it serves all the same.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints each letter as it comes, without an end.
async fn show_letters(sink: Option<&SmtpSink>) {
    let Some(sink) = sink else {
        return std::future::pending().await;
    };
    loop {
        for received in sink.take().await {
            say(&format!("\n{}\n", letter::lines(&received).join("\n")));
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let status = match &error {
            Error::Listen { .. } | Error::State(StateError::InUse { .. }) => Status::Unavailable,
            Error::State(StateError::Broken { .. } | StateError::Read { .. }) => Status::Unreadable,
            Error::State(StateError::Write { .. }) => Status::Broken,
        };
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Failure::new(status, format!("{error}{cause}"))
    }
}
