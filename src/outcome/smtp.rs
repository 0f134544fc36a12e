//! The SMTP client by which letters leave: one transaction a letter (RFC 5321), over TLS where configured,
//! never over less.
//!
//! A connection is used again only after a transaction that ended well. One that was cut short, by a timeout or
//! by a caller who went away, is dropped: its late answers would be taken for those to the next letter.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use lettre::{
    Address,
    transport::smtp::{
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Noop, Rcpt, Rset},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
        response::Response,
    },
};
use rustls::ClientConfig;

use crate::{
    config::{SmtpConfig, Tls},
    crash,
    journal::Letter,
    message::address::AddrSpec,
    oauth::SignIns,
    tls,
};

mod content;
mod error;
mod sign_in;
mod stream;

use content::Content;
pub use error::{SmtpError, Step};
use stream::Stream;

/// How long a server may take to say that it has the letter (RFC 5321, section 4.5.3.2.6). Giving up earlier
/// sends letters twice.
const ANSWER_TO_CONTENT: Duration = Duration::from_secs(10 * 60);
/// How long a connection is kept for the next letter. Servers give up after five minutes.
const KEPT: Duration = Duration::from_secs(30);
/// How many connections are kept.
const KEPT_CONNECTIONS: usize = 2;
/// How long a farewell may take; nothing depends on it.
const FAREWELL: Duration = Duration::from_secs(2);

/// An SMTP server and how to sign in to it.
pub struct Smtp {
    config: SmtpConfig,
    sign_ins: Arc<SignIns>,
    tls: Option<Arc<ClientConfig>>,
    hello: ClientId,
    kept: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Smtp {
    /// Reads the `ca_file` and connects to nothing.
    pub fn new(config: &SmtpConfig, sign_ins: &Arc<SignIns>) -> Result<Smtp, SmtpError> {
        let tls = match config.tls {
            Tls::None => None,
            Tls::Implicit | Tls::Starttls => Some(tls::client_config(config.ca_file.as_deref())?),
        };
        Ok(Smtp {
            config: config.clone(),
            sign_ins: sign_ins.clone(),
            tls,
            hello: ClientId::default(),
            kept: Mutex::default(),
        })
    }

    /// Says this name in EHLO; without it, an address literal.
    pub fn named(mut self, hostname: &str) -> Smtp {
        if super::field::host(hostname) == hostname {
            self.hello = ClientId::Domain(hostname.to_owned());
        }
        self
    }

    /// Hands `letter` over, and returns the server's words. Where some of several recipients are refused for
    /// good, the others get it, and the words say so.
    pub async fn send(&self, letter: &Letter) -> Result<String, SmtpError> {
        let sender = letter.return_path.as_deref().map(address).transpose()?;
        let recipients = letter
            .recipients
            .iter()
            .map(|recipient| address(recipient))
            .collect::<Result<Vec<_>, _>>()?;
        let mut connection = match self.take_kept().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match self.transact(&mut connection, sender, recipients, &letter.octets).await {
            Ok(words) => {
                self.keep(connection);
                Ok(words)
            }
            Err(error) => {
                let _ = tokio::time::timeout(FAREWELL, connection.abort()).await;
                Err(error)
            }
        }
    }

    /// Connects and signs in, sends nothing, and says what was found.
    pub async fn check(&self) -> Result<String, SmtpError> {
        let mut connection = self.connect().await?;
        self.command(&mut connection, &Step::Greeting, Noop).await?;
        let protected = if self.tls.is_some() { "with TLS" } else { "without TLS" };
        let login = self
            .config
            .login
            .as_ref()
            .map_or("without a sign-in".to_owned(), |(name, _)| {
                format!("signed in as {name}")
            });
        let _ = tokio::time::timeout(FAREWELL, connection.quit()).await;
        Ok(format!("{} takes mail {protected}, {login}", self.server()))
    }

    /// Says farewell on the connections that are kept.
    pub async fn close(&self) {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        for (mut connection, _) in kept {
            let _ = tokio::time::timeout(FAREWELL, connection.quit()).await;
        }
    }

    fn server(&self) -> String {
        format!("{}:{}", self.config.host, self.config.port)
    }

    async fn transact(
        &self,
        connection: &mut AsyncSmtpConnection,
        sender: Option<Address>,
        recipients: Vec<Address>,
        octets: &[u8],
    ) -> Result<String, SmtpError> {
        let info = connection.server_info();
        let takes_eight_bit = info.supports_feature(Extension::EightBitMime);
        let takes_utf8 = info.supports_feature(Extension::SmtpUtfEight);
        let content =
            Content::of(octets, takes_eight_bit).ok_or_else(|| SmtpError::NoEightBit { server: self.server() })?;

        let mut parameters = Vec::new();
        if content.is_eight_bit() {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        if let Some(foreign) = sender
            .iter()
            .chain(&recipients)
            .find(|address| !AsRef::<str>::as_ref(address).is_ascii())
        {
            if !takes_utf8 {
                return Err(SmtpError::NoUtf8 {
                    server: self.server(),
                    address: foreign.to_string(),
                });
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }

        self.command(connection, &Step::Sender, Mail::new(sender, parameters))
            .await?;
        let refused = self.name_recipients(connection, recipients).await?;
        self.command(connection, &Step::Data, Data).await?;
        let answer = self
            .within(&Step::Content, ANSWER_TO_CONTENT, connection.message(content.octets()))
            .await?;
        Ok(std::iter::once(words(&answer))
            .chain(refused)
            .collect::<Vec<_>>()
            .join("; "))
    }

    /// Refusals for good are returned as long as one recipient is taken. One for now ends the transaction: the
    /// letter goes to all of them later.
    async fn name_recipients(
        &self,
        connection: &mut AsyncSmtpConnection,
        recipients: Vec<Address>,
    ) -> Result<Vec<String>, SmtpError> {
        let mut refusals = Vec::new();
        let mut taken = 0;
        for recipient in recipients {
            let step = Step::Recipient(recipient.to_string());
            match self.command(connection, &step, Rcpt::new(recipient, Vec::new())).await {
                Ok(_) => taken += 1,
                Err(error @ SmtpError::Refused { .. }) => refusals.push(error),
                Err(error) => return Err(error),
            }
        }
        match refusals.pop() {
            Some(refusal) if taken == 0 => Err(refusal),
            last => Ok(refusals
                .into_iter()
                .chain(last)
                .map(|refusal| refusal.to_string())
                .collect()),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let opening = Stream::open(&self.config, self.tls.clone(), &self.hello);
        let stream = self.timed(&Step::Greeting, self.config.timeout, opening).await??;
        let greeting = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello);
        let mut connection = self.within(&Step::Greeting, self.config.timeout, greeting).await?;
        if let Some((name, sign_in)) = &self.config.login {
            self.sign_in(&mut connection, name, sign_in).await?;
        }
        Ok(connection)
    }

    /// A connection that was kept and still answers.
    async fn take_kept(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() < KEPT && self.command(&mut connection, &Step::Greeting, Rset).await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, since)| since.elapsed() < KEPT);
        if kept.len() < KEPT_CONNECTIONS && !connection.has_broken() {
            kept.push((connection, Instant::now()));
        }
    }

    async fn command(
        &self,
        connection: &mut AsyncSmtpConnection,
        step: &Step,
        command: impl std::fmt::Display,
    ) -> Result<Response, SmtpError> {
        self.within(step, self.config.timeout, connection.command(command))
            .await
    }

    async fn within<T>(
        &self,
        step: &Step,
        limit: Duration,
        doing: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, SmtpError> {
        self.timed(step, limit, crash::around(step.crash(), doing))
            .await?
            .map_err(|error| SmtpError::of(self.server(), step, &error))
    }

    async fn timed<T>(&self, step: &Step, limit: Duration, doing: impl Future<Output = T>) -> Result<T, SmtpError> {
        let silent = |_| SmtpError::Silent {
            server: self.server(),
            step: step.clone(),
            seconds: limit.as_secs(),
        };
        tokio::time::timeout(limit, doing).await.map_err(silent)
    }
}

/// The address of a letter, its domain in ASCII. Stricter than RFC 5321: what could end a path or begin a
/// parameter is refused even where quotes would allow it.
fn address(text: &str) -> Result<Address, SmtpError> {
    let wrong = || SmtpError::NotAnAddress {
        address: text.chars().take(320).collect(),
    };
    let local_part = AddrSpec::parse(text).map_err(|_| wrong())?.local_part().to_owned();
    let inside = local_part
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(&local_part);
    if inside.chars().any(|c| c.is_whitespace() || "<>\"\\".contains(c)) {
        return Err(wrong());
    }
    super::field::ascii_domain(text).parse().map_err(|_| wrong())
}

/// The server's answer on one line: `250 2.0.0 queued as 4F1`.
fn words(answer: &Response) -> String {
    let text: Vec<&str> = answer.message().collect();
    super::field::line(&format!("{} {}", answer.code(), text.join(" ")))
}

#[cfg(test)]
mod tests;
