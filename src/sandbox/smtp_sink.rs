//! An SMTP server that takes every mail and delivers none: for `demo`, `sandbox --mail` and the tests. It speaks real SMTP
//! (RFC 5321) on loopback, and can be told to refuse, to hang up and to ask for a password.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use crate::task;

mod session;

/// A mail that was taken, with its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Empty for the null reverse path (`MAIL FROM:<>`).
    pub mail_from: String,
    /// As RCPT named them.
    pub rcpt_to: Vec<String>,
    /// Without the dots that were stuffed.
    pub octets: Vec<u8>,
    /// The parameters of MAIL, for example `BODY=8BITMIME`.
    pub parameters: String,
}

/// What the sink does with the next mail; a test changes it while the sink runs.
#[derive(Debug, Clone, Default)]
pub struct Switches {
    /// The answer to MAIL, where it is not 250.
    pub mail: Option<String>,
    /// The answer to RCPT for addresses that contain the first text, where it is not 250.
    pub rcpt: Option<(String, String)>,
    /// The answer to the mail itself, where it is not 250.
    pub data: Option<String>,
    /// Takes the mail and hangs up before it says so: the gap of SMTP.
    pub drops_before_answer: bool,
    /// Takes the mail and says so only after this time.
    pub slow_answer: Option<Duration>,
    /// Hangs up before the greeting.
    pub down: bool,
    /// Takes connections and says nothing.
    pub stalls: bool,
    /// Does not offer 8BITMIME.
    pub seven_bit: bool,
    /// Does not offer STARTTLS although it could, as it looks to a client behind a meddler.
    pub hides_starttls: bool,
    /// What is said instead of the right answer, and to which command: `CONNECT` is the connection, `.` the mail itself.
    pub says: Vec<(&'static str, Says)>,
    /// Asks for this login, by AUTH PLAIN and LOGIN.
    pub login: Option<(String, String)>,
    /// Asks for one of these tokens, each of a user, by AUTH XOAUTH2; the next one may be added at any time.
    pub bearers: Option<Vec<(String, String)>>,
    /// By AUTH OAUTHBEARER in its place.
    pub oauthbearer_alone: bool,
}

/// What a server says that is no right answer.
#[derive(Debug, Clone)]
pub enum Says {
    /// This reply.
    Reply(&'static str),
    /// A part of a reply, and hangs up.
    Half,
    /// A reply whose lines never come to an end.
    Endless,
    /// A reply in one line of so many octets.
    Long(usize),
}

/// How connections to the sink are protected.
#[derive(Clone, Default)]
pub enum Protection {
    /// Not at all.
    #[default]
    None,
    /// From the first octet on.
    Implicit(Arc<ServerConfig>),
    /// By the STARTTLS command (RFC 3207).
    Starttls(Arc<ServerConfig>),
}

#[derive(Default)]
struct Shared {
    mails: Mutex<Vec<Received>>,
    /// Every command line, in the order it came; what AUTH sends is left out.
    commands: Mutex<Vec<String>>,
    connections: Mutex<usize>,
    switches: Mutex<Switches>,
    arrived: Notify,
}

/// The sink. It stops when it is dropped.
pub struct SmtpSink {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl SmtpSink {
    /// A sink on a free port of 127.0.0.1.
    pub async fn start() -> io::Result<SmtpSink> {
        SmtpSink::start_with(Protection::None).await
    }

    /// The same, protected.
    pub async fn start_with(protection: Protection) -> io::Result<SmtpSink> {
        SmtpSink::start_at(([127, 0, 0, 1], 0).into(), protection).await
    }

    /// The same at this address.
    pub async fn start_at(address: SocketAddr, protection: Protection) -> io::Result<SmtpSink> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let task = task::spawn(serve(listener, shared.clone(), protection));
        Ok(SmtpSink { address, shared, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every mail that was taken, in order; also the one whose answer was never sent.
    pub fn mails(&self) -> Vec<Received> {
        held(&self.shared.mails).clone()
    }

    /// Every command line as it came. What follows AUTH is not kept.
    pub fn commands(&self) -> Vec<String> {
        held(&self.shared.commands).clone()
    }

    /// How many connections were taken.
    pub fn connections(&self) -> usize {
        *held(&self.shared.connections)
    }

    /// Changes what it does from the next command on.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut held(&self.shared.switches));
    }

    /// The mails, as soon as there are `count`; `None` when `deadline` comes first.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Option<Vec<Received>> {
        tokio::time::timeout(deadline, self.until(count)).await.ok()?;
        Some(self.mails())
    }

    /// Takes out what is there, as soon as something is.
    pub async fn take(&self) -> Vec<Received> {
        self.until(1).await;
        std::mem::take(&mut held(&self.shared.mails))
    }

    async fn until(&self, count: usize) {
        loop {
            let arrived = self.shared.arrived.notified();
            if held(&self.shared.mails).len() >= count {
                return;
            }
            arrived.await;
        }
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A lock whose holder has panicked still holds whole values: each is written by one assignment.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, protection: Protection) {
    let mut sessions = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        *held(&shared.connections) += 1;
        let (shared, protection) = (shared.clone(), protection.clone());
        // A client that hangs up or speaks no TLS ends its own session alone.
        sessions.spawn(async move {
            stream.set_nodelay(true)?;
            let switches = held(&shared.switches).clone();
            if switches.down {
                return Ok(());
            }
            if switches.stalls {
                return std::future::pending().await;
            }
            match protection {
                Protection::None => session::play(stream, &shared, None).await,
                Protection::Starttls(config) => session::play(stream, &shared, Some(TlsAcceptor::from(config))).await,
                Protection::Implicit(config) => {
                    session::play_protected(TlsAcceptor::from(config).accept(stream).await?, &shared).await
                }
            }
        });
        while sessions.try_join_next().is_some() {}
    }
}
