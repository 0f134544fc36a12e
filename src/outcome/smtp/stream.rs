//! A connection to an SMTP server up to its greeting: TCP, and TLS from the first octet on or by STARTTLS.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use lettre::transport::smtp::{client::AsyncTokioStream, extension::ClientId};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::error::{SmtpError, Step};
use crate::{
    config::{SmtpConfig, Tls},
    outcome::field,
    tls::HandshakeFault,
};

/// A reply line is at most 512 octets (RFC 5321, section 4.5.3.1.5); servers write more.
const MAX_LINE: u64 = 4096;
const MAX_LINES: usize = 100;
/// And no answer to one command is longer in all; the dialogue would read for as long as somebody writes.
const MAX_ANSWER: usize = 8 * 1024;

/// The transport below the dialogue.
#[derive(Debug)]
pub(super) struct Stream {
    /// What the dialogue reads first. After STARTTLS a server sends no second greeting: its answer to STARTTLS
    /// was held back, and stands for it.
    held_back: Vec<u8>,
    transport: Transport,
    /// So many octets came since the last command.
    answered: usize,
}

#[derive(Debug)]
enum Transport {
    Plain(TcpStream),
    Protected(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects, and protects the connection as configured. `tls` is there unless `config.tls` is none.
    pub(super) async fn open(
        config: &SmtpConfig,
        tls: Option<Arc<ClientConfig>>,
        hello: &ClientId,
    ) -> Result<Stream, SmtpError> {
        let server = format!("{}:{}", config.host, config.port);
        let unreachable = |error: io::Error| SmtpError::Unreachable {
            server: server.clone(),
            reason: error.to_string(),
        };
        let tcp = TcpStream::connect((config.host.as_str(), config.port))
            .await
            .map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let Some(tls) = tls else {
            return Ok(Stream {
                held_back: Vec::new(),
                transport: Transport::Plain(tcp),
                answered: 0,
            });
        };
        let (tcp, held_back) = match config.tls {
            Tls::Starttls => {
                Prelude {
                    server: &server,
                    stream: BufReader::new(tcp),
                }
                .play(hello)
                .await?
            }
            Tls::Implicit | Tls::None => (tcp, Vec::new()),
        };
        let protected = protect(tcp, &config.host, &server, tls).await?;
        Ok(Stream {
            held_back,
            transport: Transport::Protected(Box::new(protected)),
            answered: 0,
        })
    }
}

async fn protect(
    tcp: TcpStream,
    host: &str,
    server: &str,
    tls: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, SmtpError> {
    let server = server.to_owned();
    let Ok(name) = ServerName::try_from(host.to_owned()) else {
        let reason = format!("{host:?} is not a host name");
        return Err(SmtpError::Tls {
            server,
            reason,
            remedy: "set [smtp] host to the name in the server's certificate".to_owned(),
        });
    };
    TlsConnector::from(tls)
        .connect(name, tcp)
        .await
        .map_err(|error| match HandshakeFault::of(&error) {
            Some(HandshakeFault { reason, remedy }) => SmtpError::Tls { server, reason, remedy },
            None => SmtpError::BrokenOff {
                server,
                step: Step::Greeting,
                reason: error.to_string(),
            },
        })
}

/// What is said in the clear before STARTTLS (RFC 3207).
struct Prelude<'a> {
    server: &'a str,
    stream: BufReader<TcpStream>,
}

impl Prelude<'_> {
    /// The bare connection, and the server's answer to STARTTLS.
    async fn play(mut self, hello: &ClientId) -> Result<(TcpStream, Vec<u8>), SmtpError> {
        self.reply().await?;
        let offers = self.ask(&format!("EHLO {hello}\r\n")).await?;
        if !offers
            .iter()
            .any(|line| line.get(4..).is_some_and(|word| word.eq_ignore_ascii_case("STARTTLS")))
        {
            return Err(SmtpError::NoStarttls {
                server: self.server.to_owned(),
            });
        }
        let mut ready = self.ask("STARTTLS\r\n").await?.join("\r\n").into_bytes();
        ready.extend_from_slice(b"\r\n");
        // What came behind the answer came in the clear, and would be believed as if it had come under TLS.
        if !self.stream.buffer().is_empty() {
            return Err(SmtpError::Tls {
                server: self.server.to_owned(),
                reason: "it says more before TLS begins than it was asked".to_owned(),
                remedy: "somebody may be meddling on the way; set [smtp] tls = \"implicit\" with its port".to_owned(),
            });
        }
        Ok((self.stream.into_inner(), ready))
    }

    async fn ask(&mut self, command: &str) -> Result<Vec<String>, SmtpError> {
        self.stream
            .get_mut()
            .write_all(command.as_bytes())
            .await
            .map_err(|error| self.broken(&error.to_string()))?;
        self.reply().await
    }

    /// The lines of a reply of 2xx.
    async fn reply(&mut self) -> Result<Vec<String>, SmtpError> {
        let mut lines = Vec::new();
        while lines.len() < MAX_LINES {
            let mut line = Vec::new();
            let read = (&mut self.stream).take(MAX_LINE).read_until(b'\n', &mut line).await;
            read.map_err(|error| self.broken(&error.to_string()))?;
            if !line.ends_with(b"\n") {
                return Err(self.broken("its answer is cut short"));
            }
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            if line.get(3) != Some(&b'-') {
                return self.positive(lines);
            }
        }
        Err(self.broken("its answer has no end"))
    }

    fn positive(&self, lines: Vec<String>) -> Result<Vec<String>, SmtpError> {
        let last = lines.last().map_or("", String::as_str);
        match last.get(..3).and_then(|code| code.parse().ok()) {
            Some(200..400) => Ok(lines),
            Some(code @ 400..600) => {
                let text = field::line(last.get(4..).unwrap_or(""));
                Err(SmtpError::of_reply(
                    self.server.to_owned(),
                    &Step::Greeting,
                    code,
                    &text,
                ))
            }
            _ => Err(self.broken("what answers there does not speak SMTP")),
        }
    }

    fn broken(&self, reason: &str) -> SmtpError {
        SmtpError::BrokenOff {
            server: self.server.to_owned(),
            step: Step::Greeting,
            reason: reason.to_owned(),
        }
    }
}

impl AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.transport {
            Transport::Plain(stream) => stream.peer_addr(),
            Transport::Protected(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.held_back.is_empty() {
            let now = self.held_back.len().min(buffer.remaining());
            buffer.put_slice(&self.held_back[..now]);
            self.held_back.drain(..now);
            return Poll::Ready(Ok(()));
        }
        if self.answered > MAX_ANSWER {
            let no_end = io::Error::new(io::ErrorKind::InvalidData, "its answer has no end");
            return Poll::Ready(Err(no_end));
        }
        let before = buffer.filled().len();
        let read = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Protected(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        self.answered += buffer.filled().len() - before;
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.answered = 0;
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            Transport::Protected(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Protected(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Protected(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
