//! From a host name to a greeted connection: addresses, TCP, TLS or STARTTLS.

use std::{io, net::SocketAddr, time::Duration};

use rustls_pki_types::ServerName;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    Patience,
    swig::Swig,
    wire::{Stream, Wire},
};
use crate::{
    config::{ImapConfig, Tls},
    mailbox::MailboxError,
    tls::{HandshakeFault, client_config},
};

/// A silent connection is asked for a sign of life after this long, so that routers keep it in mind.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEPALIVE_TRIES: u32 = 3;
/// By then the system ends a connection on which nothing is under way and whose other side is gone.
#[cfg(test)]
pub(super) const KEEPALIVE: Duration = Duration::from_secs(60 + 15 * 3);

/// Connects, encrypts as configured, reads the greeting and what the server can do. The flag tells whether the
/// server takes us for signed in already.
pub(super) async fn connect(config: &ImapConfig, patience: Patience) -> Result<(Wire, bool), MailboxError> {
    let connected = tcp(config, patience.connect).await?;
    let stream: Box<dyn Stream> = match config.tls {
        Tls::Implicit => Box::new(encrypt(config, connected, patience.connect).await?),
        Tls::Starttls | Tls::None => Box::new(connected),
    };
    let mut wire = Wire::new(stream, patience.command);
    let mut signed_in = wire.greeting().await?;
    wire.learn_capabilities().await?;
    if config.tls == Tls::Starttls {
        wire = start_tls(config, wire, signed_in, patience).await?;
        signed_in = false;
    }
    Ok((wire, signed_in))
}

/// There is no way on without encryption: whoever strips STARTTLS from the answer would get the password.
async fn start_tls(
    config: &ImapConfig,
    mut wire: Wire,
    signed_in: bool,
    patience: Patience,
) -> Result<Wire, MailboxError> {
    let refused = |reason: &str| {
        let remedy = "set tls = \"implicit\" with its port (993), or enable STARTTLS at the server";
        tls_error(config, reason, remedy)
    };
    if signed_in {
        // STARTTLS is not allowed any more then (RFC 3501, 6.2.1).
        return Err(refused("the server takes the connection for signed in before STARTTLS"));
    }
    if !wire.can("STARTTLS") {
        return Err(refused("the server does not offer STARTTLS"));
    }
    let answer = wire.ask("STARTTLS", |_| {}).await?;
    if answer.status != "OK" {
        return Err(refused(&format!(
            "the server answers STARTTLS with {}: {}",
            answer.status, answer.text
        )));
    }
    // What was read ahead goes with the old wire: it came in the clear and could be injected.
    let stream = encrypt(config, wire.into_stream(), patience.connect).await?;
    let mut wire = Wire::new(Box::new(stream), patience.command);
    wire.learn_capabilities().await?;
    Ok(wire)
}

async fn tcp(config: &ImapConfig, within: Duration) -> Result<TcpStream, MailboxError> {
    let unreachable = |reason: String| MailboxError::Unreachable {
        host: config.host.clone(),
        port: config.port,
        reason,
    };
    let silent = || unreachable(format!("no answer within {} s", within.as_secs()));
    let deadline = Instant::now() + within;
    let lookup = tokio::net::lookup_host((config.host.as_str(), config.port));
    let found = timeout_at(deadline, lookup).await.map_err(|_| silent())?;
    let addresses: Vec<SocketAddr> = found.map_err(|error| unreachable(error.to_string()))?.collect();
    let mut last = unreachable("the name has no address".to_owned());
    for (tried, address) in addresses.iter().enumerate() {
        // Each gets an equal share of what time is left, so that a dead first one does not use up all of it.
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                set_options(&stream).map_err(|error| unreachable(error.to_string()))?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = unreachable(error.to_string()),
            Err(_) => last = silent(),
        }
    }
    Err(last)
}

fn set_options(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_TRIES)?;
    Ok(())
}

async fn encrypt<S: Stream>(
    config: &ImapConfig,
    stream: S,
    within: Duration,
) -> Result<tokio_rustls::client::TlsStream<Swig<S>>, MailboxError> {
    let trusted = client_config(config.ca_file.as_deref());
    let trusted = trusted.map_err(|error| tls_error(config, &error.to_string(), "then start again"))?;
    let name = ServerName::try_from(config.host.clone());
    let name = name.map_err(|_| tls_error(config, "the host is neither a name nor an address", "correct host"))?;
    let handshake = TlsConnector::from(trusted).connect(name, Swig::new(stream));
    match timeout(within, handshake).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(match HandshakeFault::of(&error) {
            Some(fault) => tls_error(config, &fault.reason, &fault.remedy),
            None => MailboxError::Lost {
                reason: format!("the connection ended within the TLS handshake: {error}"),
            },
        }),
        Err(_) => Err(MailboxError::Silent {
            command: "the TLS handshake".to_owned(),
            seconds: within.as_secs(),
        }),
    }
}

fn tls_error(config: &ImapConfig, reason: &str, remedy: &str) -> MailboxError {
    MailboxError::Tls {
        host: config.host.clone(),
        port: config.port,
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    }
}
