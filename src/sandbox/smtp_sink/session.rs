//! One SMTP session of the sink.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Received, Says, Shared, Switches, held};

/// RFC 5321, section 4.5.3.1.4, with room for the parameters of AUTH.
const MAX_COMMAND: u64 = 12 * 1024;
/// What EHLO announces as SIZE; a line of a mail is bounded by it too.
const MAX_SIZE: usize = 64 * 1024 * 1024;

/// How a session goes on after a command.
enum Next {
    Goes,
    Ends,
    StartsTls,
}

struct Session<'a, S> {
    stream: BufReader<S>,
    shared: &'a Shared,
    offers_starttls: bool,
    authenticated: bool,
    mail: Option<Received>,
}

/// A session that begins in the clear, and goes on under TLS where the client asks for it.
pub(super) async fn play(stream: TcpStream, shared: &Shared, tls: Option<TlsAcceptor>) -> io::Result<()> {
    let mut session = Session::new(stream, shared);
    session.offers_starttls = tls.is_some();
    if !session.welcome().await? || !session.converse().await? {
        return Ok(());
    }
    match tls {
        Some(acceptor) => Session::new(acceptor.accept(session.stream.into_inner()).await?, shared)
            .converse()
            .await
            .map(|_| ()),
        None => Ok(()),
    }
}

/// A session that is under TLS from its beginning.
pub(super) async fn play_protected(stream: TlsStream<TcpStream>, shared: &Shared) -> io::Result<()> {
    let mut session = Session::new(stream, shared);
    if !session.welcome().await? {
        return Ok(());
    }
    session.converse().await.map(|_| ())
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Session<'a, S> {
    fn new(stream: S, shared: &'a Shared) -> Session<'a, S> {
        Session {
            stream: BufReader::new(stream),
            shared,
            offers_starttls: false,
            authenticated: false,
            mail: None,
        }
    }

    /// Says who is there; false where that was the end.
    async fn welcome(&mut self) -> io::Result<bool> {
        let switches = held(&self.shared.switches).clone();
        match said_to("CONNECT", &switches) {
            Some(says) => Ok(matches!(self.say(says).await?, Next::Goes)),
            None => self.answer("220 sink.example ESMTP").await.map(|()| true),
        }
    }

    async fn say(&mut self, says: &Says) -> io::Result<Next> {
        match says {
            Says::Reply(reply) => self.answer(reply).await?,
            Says::Half => {
                self.write("25").await?;
                return Ok(Next::Ends);
            }
            // It ends when the client hangs up.
            Says::Endless => loop {
                self.write(&"250-more\r\n".repeat(100)).await?;
            },
            Says::Long(octets) => self.answer(&format!("250 {}", "x".repeat(*octets))).await?,
        }
        Ok(Next::Goes)
    }

    /// Command by command to the end; true where TLS begins now.
    async fn converse(&mut self) -> io::Result<bool> {
        while let Some(line) = self.line().await? {
            let verb = line.split([' ', ':']).next().unwrap_or("").to_ascii_uppercase();
            let kept = if verb == "AUTH" {
                "AUTH".to_owned()
            } else {
                line.clone()
            };
            held(&self.shared.commands).push(kept);
            let switches = held(&self.shared.switches).clone();
            match self.obey(&verb, &line, &switches).await? {
                Next::Goes => {}
                Next::Ends => return Ok(false),
                Next::StartsTls => return Ok(true),
            }
        }
        Ok(false)
    }

    async fn obey(&mut self, verb: &str, line: &str, switches: &Switches) -> io::Result<Next> {
        if let Some(says) = said_to(verb, switches) {
            return self.say(says).await;
        }
        match verb {
            "EHLO" => self.greet(switches).await?,
            "HELO" | "NOOP" => self.answer("250 sink.example").await?,
            "RSET" => {
                self.mail = None;
                self.answer("250 2.0.0 forgotten").await?;
            }
            "STARTTLS" if self.offers_starttls => {
                self.answer("220 2.0.0 go ahead").await?;
                return Ok(Next::StartsTls);
            }
            "AUTH" => self.authenticate(line, switches).await?,
            "MAIL" => self.begin(line, switches).await?,
            "RCPT" => self.add_recipient(line, switches).await?,
            "DATA" => return self.take(switches).await,
            "QUIT" => {
                self.answer("221 2.0.0 bye").await?;
                return Ok(Next::Ends);
            }
            _ => self.answer("502 5.5.1 not known here").await?,
        }
        Ok(Next::Goes)
    }

    async fn greet(&mut self, switches: &Switches) -> io::Result<()> {
        let size = format!("SIZE {MAX_SIZE}");
        let offers = [
            ("PIPELINING", true),
            ("8BITMIME", !switches.seven_bit),
            ("SMTPUTF8", !switches.seven_bit),
            ("STARTTLS", self.offers_starttls && !switches.hides_starttls),
            ("AUTH PLAIN LOGIN", switches.login.is_some()),
            (
                "AUTH XOAUTH2",
                switches.bearers.is_some() && !switches.oauthbearer_alone,
            ),
            (
                "AUTH OAUTHBEARER",
                switches.bearers.is_some() && switches.oauthbearer_alone,
            ),
            (size.as_str(), true),
        ];
        let mut lines = vec!["sink.example"];
        lines.extend(offers.iter().filter(|(_, offered)| *offered).map(|(word, _)| *word));
        let last = lines.len() - 1;
        let reply: String = lines
            .iter()
            .enumerate()
            .map(|(at, word)| format!("250{}{word}\r\n", if at == last { ' ' } else { '-' }))
            .collect();
        self.write(&reply).await
    }

    /// AUTH PLAIN with an initial response, and AUTH LOGIN (RFC 4954).
    async fn authenticate(&mut self, line: &str, switches: &Switches) -> io::Result<()> {
        let mut words = line.split_whitespace().skip(1);
        let mechanism = words.next().unwrap_or("").to_ascii_uppercase();
        let of_tokens = if switches.oauthbearer_alone {
            "OAUTHBEARER"
        } else {
            "XOAUTH2"
        };
        if mechanism == of_tokens {
            return self.take_bearer(words.next().unwrap_or(""), switches).await;
        }
        let given = match (mechanism.as_str(), words.next()) {
            ("PLAIN", Some(response)) => {
                let plain = decoded(response);
                let mut parts = plain.split('\0').skip(1).map(str::to_owned);
                parts.next().zip(parts.next())
            }
            ("LOGIN", first) => {
                let user = match first {
                    Some(user) => decoded(user),
                    None => self.ask("VXNlcm5hbWU6").await?,
                };
                Some((user, self.ask("UGFzc3dvcmQ6").await?))
            }
            _ => None,
        };
        self.authenticated = given.is_some() && given == switches.login;
        let reply = if self.authenticated {
            "235 2.7.0 welcome"
        } else {
            "535 5.7.8 user name or password is wrong"
        };
        self.answer(reply).await
    }

    /// A token is shown at once; a refusal has a challenge, which the client answers with a line that says nothing.
    async fn take_bearer(&mut self, response: &str, switches: &Switches) -> io::Result<()> {
        let shown = decoded(response);
        let takes = |(user, token): &(String, String)| {
            let whose = match switches.oauthbearer_alone {
                true => format!("n,a={user},\x01"),
                false => format!("user={user}\x01"),
            };
            shown.starts_with(&whose) && shown.ends_with(&format!("\x01auth=Bearer {token}\x01\x01"))
        };
        self.authenticated = switches.bearers.iter().flatten().any(takes);
        if self.authenticated {
            return self.answer("235 2.7.0 welcome").await;
        }
        let challenge = STANDARD.encode(r#"{"status":"401","schemes":"Bearer"}"#);
        self.answer(&format!("334 {challenge}")).await?;
        self.line().await?;
        self.answer("535 5.7.3 Authentication unsuccessful").await
    }

    async fn ask(&mut self, question: &str) -> io::Result<String> {
        self.answer(&format!("334 {question}")).await?;
        Ok(decoded(&self.line().await?.unwrap_or_default()))
    }

    async fn begin(&mut self, line: &str, switches: &Switches) -> io::Result<()> {
        if (switches.login.is_some() || switches.bearers.is_some()) && !self.authenticated {
            return self.answer("530 5.7.0 sign in first").await;
        }
        if let Some(reply) = &switches.mail {
            return self.answer(reply).await;
        }
        let (mail_from, parameters) = path(line);
        self.mail = Some(Received {
            mail_from,
            rcpt_to: Vec::new(),
            octets: Vec::new(),
            parameters,
        });
        self.answer("250 2.1.0 sender taken").await
    }

    async fn add_recipient(&mut self, line: &str, switches: &Switches) -> io::Result<()> {
        let recipient = path(line).0;
        match (&mut self.mail, &switches.rcpt) {
            (None, _) => self.answer("503 5.5.1 MAIL comes first").await,
            (_, Some((marked, reply))) if recipient.contains(marked) => self.answer(reply).await,
            (Some(mail), _) => {
                mail.rcpt_to.push(recipient);
                self.answer("250 2.1.5 recipient taken").await
            }
        }
    }

    async fn take(&mut self, switches: &Switches) -> io::Result<Next> {
        let Some(mut mail) = self.mail.take().filter(|mail| !mail.rcpt_to.is_empty()) else {
            self.answer("503 5.5.1 RCPT comes first").await?;
            return Ok(Next::Goes);
        };
        self.answer("354 end with a dot").await?;
        let Some(octets) = self.content().await? else {
            return Ok(Next::Ends);
        };
        mail.octets = octets;
        if let Some(reply) = &switches.data {
            self.answer(reply).await?;
            return Ok(Next::Goes);
        }
        let says = said_to(".", switches);
        if let Some(Says::Reply(reply)) = says {
            return self.answer(reply).await.map(|()| Next::Goes);
        }
        held(&self.shared.mails).push(mail);
        self.shared.arrived.notify_waiters();
        if let Some(says) = says {
            return self.say(says).await;
        }
        if switches.drops_before_answer {
            return Ok(Next::Ends);
        }
        if let Some(wait) = switches.slow_answer {
            tokio::time::sleep(wait).await;
        }
        self.answer("250 2.0.0 taken").await?;
        Ok(Next::Goes)
    }

    /// The mail up to the lone dot, without the dots that were stuffed (RFC 5321, section 4.5.2).
    async fn content(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut octets = Vec::new();
        loop {
            let start = octets.len();
            let room = u64::try_from(MAX_SIZE.saturating_sub(start)).unwrap_or(0);
            if (&mut self.stream).take(room).read_until(b'\n', &mut octets).await? == 0 {
                return Ok(None);
            }
            if &octets[start..] == b".\r\n" {
                octets.truncate(start);
                return Ok(Some(octets));
            }
            if octets[start] == b'.' {
                octets.remove(start);
            }
        }
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if (&mut self.stream)
            .take(MAX_COMMAND)
            .read_until(b'\n', &mut line)
            .await?
            == 0
        {
            return Ok(None);
        }
        Ok(Some(
            String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned(),
        ))
    }

    async fn answer(&mut self, reply: &str) -> io::Result<()> {
        self.write(&format!("{reply}\r\n")).await
    }

    async fn write(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }
}

fn said_to<'a>(verb: &str, switches: &'a Switches) -> Option<&'a Says> {
    let mut says = switches.says.iter();
    says.find(|(to, _)| *to == verb).map(|(_, says)| says)
}

/// The path between angle brackets, and the parameters behind it.
fn path(line: &str) -> (String, String) {
    let inside = line.split_once('<').map_or("", |(_, rest)| rest);
    let (path, parameters) = inside.rsplit_once('>').unwrap_or((inside, ""));
    (path.to_owned(), parameters.trim().to_owned())
}

fn decoded(text: &str) -> String {
    STANDARD
        .decode(text.trim())
        .map(|octets| String::from_utf8_lossy(&octets).into_owned())
        .unwrap_or_default()
}
