//! Commands out, answers in: async-imap as the wire alone.
//!
//! Its typed commands swallow NO and BAD, so commands are written here and only answers are read by it. Every
//! command has an end in time; a parser that panics costs the connection, never the daemon.

use std::{collections::BTreeSet, io, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use imap_proto::{MailboxDatum, Response, ResponseCode, Status};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use super::{
    capability::advertised,
    completion::Completion,
    guard::{Guard, GuardError},
};
use crate::mailbox::MailboxError;

/// A literal where none is asked for: a folder name, a flag.
const SMALL_LITERAL: u64 = 64 * 1024;

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// The connection with its tags, and what the server can do.
pub(super) struct Wire {
    client: async_imap::Client<Guard<Box<dyn Stream>>>,
    tag: u32,
    patience: Duration,
    capabilities: BTreeSet<String>,
    /// EXISTS came since it was asked last.
    news: bool,
    /// The UIDVALIDITY of the selected folder. Should it change under us, UIDs mean other messages.
    numbering: Option<u32>,
}

/// A command that was sent and whose answer is awaited.
#[derive(Clone)]
pub(super) struct Sent {
    tag: String,
    verb: String,
    /// `None`: it may take long, as long as octets keep coming.
    deadline: Option<Instant>,
    /// How long that is from its beginning; in words, for whoever asks why.
    within: Duration,
}

impl Sent {
    /// The same command, whose answers may take so long from now on.
    pub(super) fn within(&self, within: Duration) -> Sent {
        Sent {
            deadline: Some(Instant::now() + within),
            within,
            ..self.clone()
        }
    }
}

/// One answer to a command.
pub(super) enum Reply<T> {
    /// `+`: the server waits for more; with what it says.
    Continue(String),
    /// With what the caller took from it.
    Untagged(T),
    Done(Completion),
}

/// An answer with what concerns the wire itself.
enum Heard<T> {
    Continue(String),
    Untagged {
        taken: T,
        capabilities: Option<BTreeSet<String>>,
        news: bool,
    },
    Done {
        /// Which of the commands.
        of: usize,
        completion: Completion,
        capabilities: Option<BTreeSet<String>>,
    },
    /// Tagged, and to nothing that we asked.
    Stray,
    /// Another UIDVALIDITY than that of the selected folder.
    NumberedAnew,
    Goodbye(String),
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>, patience: Duration) -> Wire {
        let client = async_imap::Client::new(Guard::new(stream, SMALL_LITERAL));
        Wire {
            client,
            tag: 0,
            patience,
            capabilities: BTreeSet::new(),
            news: false,
            numbering: None,
        }
    }

    /// The stream alone, for STARTTLS.
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        self.client.into_inner().into_inner()
    }

    /// Whether the server advertises this, in upper case.
    pub(super) fn can(&self, capability: &str) -> bool {
        self.capabilities.contains(capability)
    }

    /// It is announced, and the server does not know it.
    pub(super) fn forget(&mut self, capability: &str) {
        self.capabilities.remove(capability);
    }

    /// From now on another UIDVALIDITY ends the connection.
    pub(super) fn numbered_by(&mut self, validity: Option<u32>) {
        self.numbering = validity;
    }

    /// How long one command may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// What the server advertises, in upper case.
    pub(super) fn capabilities(&self) -> &BTreeSet<String> {
        &self.capabilities
    }

    /// Forgets what was advertised: it does not hold beyond sign-in or STARTTLS.
    pub(super) fn forget_capabilities(&mut self) {
        self.capabilities.clear();
    }

    /// Asks, where the server has not said it by itself.
    pub(super) async fn learn_capabilities(&mut self) -> Result<(), MailboxError> {
        if self.capabilities.is_empty() {
            self.run("CAPABILITY", |_| {}).await?;
        }
        Ok(())
    }

    /// Whether EXISTS came since this was asked last.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    pub(super) fn take_namespace(&mut self) -> Option<String> {
        self.client.get_mut().take_namespace()
    }

    /// Reads the first line; the flag tells whether the server takes us for signed in already.
    pub(super) async fn greeting(&mut self) -> Result<bool, MailboxError> {
        let deadline = Instant::now() + self.patience;
        let greeted = self.read(
            "the connection",
            Some(deadline),
            self.patience,
            |response| match response {
                Response::Data { status: Status::Ok, .. } => Ok((false, advertised(response))),
                Response::Data {
                    status: Status::PreAuth,
                    ..
                } => Ok((true, advertised(response))),
                Response::Data { status, outcome } => {
                    Err(Completion::of(status, outcome, "the connection".to_owned()).refused())
                }
                _ => Err(MailboxError::Lost {
                    reason: "what answers there does not greet as an IMAP server".to_owned(),
                }),
            },
        );
        let (signed_in, capabilities) = greeted.await??;
        self.capabilities = capabilities.unwrap_or_default();
        Ok(signed_in)
    }

    /// One command with its answers; NO and BAD are errors. `each` sees the untagged answers.
    pub(super) async fn run(
        &mut self,
        command: &str,
        mut each: impl FnMut(&Response<'_>) + Send,
    ) -> Result<Completion, MailboxError> {
        self.ask(command, &mut each).await?.accepted()
    }

    /// One command with its answers; NO and BAD are for the caller to judge.
    pub(super) async fn ask(
        &mut self,
        command: &str,
        mut each: impl FnMut(&Response<'_>) + Send,
    ) -> Result<Completion, MailboxError> {
        let sent = self.send(command, Some(self.patience)).await?;
        loop {
            if let Reply::Done(completion) = self.reply(&sent, &mut each).await? {
                return Ok(completion);
            }
        }
    }

    /// Several commands with how each of them ended: all are sent before the first one is answered.
    pub(super) async fn ask_all(
        &mut self,
        commands: &[String],
        mut each: impl FnMut(&Response<'_>) + Send,
    ) -> Result<Vec<Completion>, MailboxError> {
        let mut sent = Vec::new();
        for command in commands {
            sent.push(self.send(command, Some(self.patience)).await?);
        }
        let mut done = vec![None; commands.len()];
        while done.iter().any(Option::is_none) {
            if let (of, Reply::Done(completion)) = self.reply_to(&sent, &mut each).await? {
                done[of] = Some(completion);
            }
        }
        Ok(done.into_iter().flatten().collect())
    }

    /// Sends a command whose answers the caller reads by `reply`. `within: None` only asks that octets keep coming.
    pub(super) async fn send(&mut self, command: &str, within: Option<Duration>) -> Result<Sent, MailboxError> {
        if within.is_none() {
            self.client.get_mut().awake();
        }
        self.tag = self.tag.wrapping_add(1);
        let tag = format!("H{}", self.tag);
        self.write(format!("{tag} {command}\r\n").as_bytes()).await?;
        Ok(Sent {
            tag,
            verb: verb(command),
            deadline: within.map(|time| Instant::now() + time),
            within: within.unwrap_or(self.patience),
        })
    }

    /// Writes as it is: what follows a `+`, or DONE.
    pub(super) async fn write(&mut self, octets: &[u8]) -> Result<(), MailboxError> {
        let stream = self.client.get_mut();
        let written = async {
            stream.write_all(octets).await?;
            stream.flush().await
        };
        match timeout(self.patience, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(MailboxError::Lost {
                reason: error.to_string(),
            }),
            Err(_) => Err(silent("a command that was being sent", self.patience)),
        }
    }

    /// The next answer; `take` sees it when it is untagged. May be dropped while it waits: what was read so far is kept.
    pub(super) async fn reply<T: Send>(
        &mut self,
        sent: &Sent,
        take: impl FnMut(&Response<'_>) -> T + Send,
    ) -> Result<Reply<T>, MailboxError> {
        let (_, reply) = self.reply_to(std::slice::from_ref(sent), take).await?;
        Ok(reply)
    }

    /// The same for several commands that are under way; where one of them is done, with its number among them.
    pub(super) async fn reply_to<T: Send>(
        &mut self,
        sent: &[Sent],
        mut take: impl FnMut(&Response<'_>) -> T + Send,
    ) -> Result<(usize, Reply<T>), MailboxError> {
        let numbering = self.numbering;
        let Sent {
            verb, deadline, within, ..
        } = &sent[0];
        loop {
            let heard = self
                .read(verb, *deadline, *within, |response| {
                    if is_numbered_anew(response, numbering) {
                        return Heard::NumberedAnew;
                    }
                    hear(response, sent, &mut take)
                })
                .await?;
            let mut number = 0;
            let (reply, capabilities) = match heard {
                Heard::Continue(text) => (Reply::Continue(text), None),
                Heard::Untagged {
                    taken,
                    capabilities,
                    news,
                } => {
                    self.news |= news;
                    (Reply::Untagged(taken), capabilities)
                }
                Heard::Done {
                    of,
                    completion,
                    capabilities,
                } => {
                    number = of;
                    (Reply::Done(completion), capabilities)
                }
                Heard::Stray => continue,
                Heard::NumberedAnew => {
                    return Err(MailboxError::Lost {
                        reason: "the server numbered the folder anew meanwhile".to_owned(),
                    });
                }
                Heard::Goodbye(text) => {
                    return Err(MailboxError::Lost {
                        reason: format!("the server says goodbye: {text}"),
                    });
                }
            };
            if let Some(capabilities) = capabilities {
                self.capabilities = capabilities;
            }
            return Ok((number, reply));
        }
    }

    /// For what is fetched next: no literal larger than this.
    pub(super) fn expect_literals(&mut self, octets: u64) {
        self.client.get_mut().limit_literals(octets.max(SMALL_LITERAL));
    }

    /// Nothing large is expected for a while: gives back the room for it.
    pub(super) fn rest(&mut self) {
        self.client.get_mut().rest();
    }

    /// async-imap's own type for an answer can't be named outside of it, so what is needed is taken on the spot.
    async fn read<T>(
        &mut self,
        verb: &str,
        deadline: Option<Instant>,
        within: Duration,
        take: impl FnOnce(&Response<'_>) -> T,
    ) -> Result<T, MailboxError> {
        let lost = |reason: &str| MailboxError::Lost {
            reason: reason.to_owned(),
        };
        loop {
            let before = self.client.get_ref().received();
            let limit = deadline.unwrap_or_else(|| Instant::now() + self.patience);
            // imap-proto panics at some answers; the buffer behind it is lost then, so the connection is, too.
            let read = AssertUnwindSafe(self.client.read_response()).catch_unwind();
            match timeout_at(limit, read).await {
                Ok(Ok(Ok(Some(response)))) => return Ok(take(response.parsed())),
                Ok(Ok(Ok(None))) => return Err(lost("the server closed the connection")),
                Ok(Ok(Err(error))) => return Err(lost(&reason(&error))),
                Ok(Err(_panic)) => return Err(lost("an answer can not be read: the parser gave up")),
                Err(_) if deadline.is_none() && self.client.get_ref().received() > before => {}
                Err(_) => return Err(silent(verb, within)),
            }
        }
    }
}

fn silent(command: &str, within: Duration) -> MailboxError {
    MailboxError::Silent {
        command: command.to_owned(),
        seconds: within.as_secs(),
    }
}

fn hear<T>(response: &Response<'_>, sent: &[Sent], mut take: impl FnMut(&Response<'_>) -> T) -> Heard<T> {
    let capabilities = advertised(response);
    match response {
        Response::Continue(said) => Heard::Continue(said.information.as_deref().unwrap_or("").to_owned()),
        Response::Done { tag, status, outcome } => match sent.iter().position(|sent| tag.0 == sent.tag) {
            Some(of) => Heard::Done {
                of,
                completion: Completion::of(status, outcome, sent[of].verb.clone()),
                capabilities,
            },
            None => Heard::Stray,
        },
        Response::Data {
            status: Status::Bye,
            outcome,
        } => Heard::Goodbye(Completion::of(&Status::Bye, outcome, String::new()).text),
        _ => {
            let news = matches!(response, Response::MailboxData(MailboxDatum::Exists(_)));
            Heard::Untagged {
                taken: take(response),
                capabilities,
                news,
            }
        }
    }
}

fn is_numbered_anew(response: &Response<'_>, numbering: Option<u32>) -> bool {
    let (Response::Data { outcome, .. } | Response::Done { outcome, .. }) = response else {
        return false;
    };
    match (&outcome.code, numbering) {
        (Some(ResponseCode::UidValidity(told)), Some(known)) => *told != known,
        _ => false,
    }
}

/// The command's name without its arguments, which may be secret.
fn verb(command: &str) -> String {
    let words = if command.starts_with("UID ") { 2 } else { 1 };
    command.split(' ').take(words).collect::<Vec<_>>().join(" ")
}

/// async-imap writes the whole buffer, and so the mail, into the error of an answer it can not parse.
fn reason(error: &io::Error) -> String {
    let inner = error.get_ref();
    if let Some(guard) = inner.and_then(|inner| inner.downcast_ref::<GuardError>()) {
        return guard.to_string();
    }
    if error.kind() == io::ErrorKind::Other {
        return "an answer can not be read".to_owned();
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "the server closed the connection within an answer".to_owned();
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_named_without_its_arguments() {
        assert_eq!(verb("LOGIN \"ann\" \"secret\""), "LOGIN");
        assert_eq!(verb("UID FETCH 1:9 (UID)"), "UID FETCH");
    }
}
