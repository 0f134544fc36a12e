//! `sandbox`: an emulated Halo on loopback, for trying rules without a tenant.

use std::net::SocketAddr;

use super::{Common, Ended, Failure, Status, runtime};

/// Serves an emulated Halo on loopback, for trying rules without a tenant
#[derive(Debug, clap::Args)]
pub struct Sandbox {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:9746", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

impl Sandbox {
    /// Serves until it is interrupted.
    pub fn perform(&self, common: &Common) -> Ended {
        common.begin_logging("info")?;
        if !self.listen.ip().is_loopback() {
            let text = format!("{} is not loopback; the sandbox has no real protection", self.listen);
            return Err(Failure::new(Status::Usage, text));
        }
        runtime()?.block_on(async {
            let sandbox = crate::sandbox::Sandbox::start(self.listen)
                .await
                .map_err(|error| Failure::new(Status::Unavailable, format!("{}: {error}", self.listen)))?;
            println!("The sandbox listens. In the configuration:\n");
            println!(
                "[halo.main]\nurl = \"{}\"",
                sandbox.url().as_str().trim_end_matches('/')
            );
            println!(
                "client_id = \"{}\"\nclient_secret = \"{}\"\n",
                sandbox.client_id(),
                sandbox.client_secret()
            );
            println!(
                "Its switches are at {0}sandbox/switches, its requests at {0}sandbox/requests.",
                sandbox.url()
            );
            println!("It forgets everything when it ends (Ctrl-C).");
            tokio::signal::ctrl_c().await?;
            sandbox.stop().await;
            Ok(Status::Done)
        })
    }
}
