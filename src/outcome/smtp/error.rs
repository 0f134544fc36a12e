//! Why a letter did not leave, cut by what is done next.

use std::{error::Error, fmt};

use crate::{class::Class, crash, oauth::OAuthError, outcome::field, secret::SecretError, tls::TlsError};

/// Where in the dialogue it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// From the connection to the answer to EHLO.
    Greeting,
    /// AUTH, with the name that signs in.
    SignIn(String),
    /// The same with a token.
    Token(String),
    /// MAIL FROM.
    Sender,
    /// RCPT TO, with the address.
    Recipient(String),
    /// DATA, before the letter itself.
    Data,
    /// The letter itself.
    Content,
}

impl Step {
    /// Which step of ours it is: until DATA the server has nothing of a letter.
    pub(super) fn crash(&self) -> Option<crash::Step> {
        match self {
            Step::Greeting | Step::SignIn(_) | Step::Token(_) | Step::Sender | Step::Recipient(_) => None,
            Step::Data => Some(crash::Step::Data),
            Step::Content => Some(crash::Step::Content),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Greeting => f.write_str("the connection"),
            Step::SignIn(name) | Step::Token(name) => write!(f, "the sign-in of {name}"),
            Step::Sender => f.write_str("the sender"),
            Step::Recipient(address) => write!(f, "the recipient {address}"),
            Step::Data | Step::Content => f.write_str("the letter"),
        }
    }
}

/// Why a letter did not leave. Every text names the server, and where a person must act, the next step.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// The connection broke; at the letter itself nobody knows whether it was taken.
    #[error("{server} hangs up at {step}: {reason}")]
    BrokenOff { server: String, step: Step, reason: String },
    /// The name is not found, nothing listens there, the network is down.
    #[error("{server} is not reachable: {reason}")]
    Unreachable { server: String, reason: String },
    /// The time is over.
    #[error("{server} says nothing about {step} within {seconds} s")]
    Silent { server: String, step: Step, seconds: u64 },
    /// 4xx: come again.
    #[error("{server} does not take {step} now: {reply}")]
    Deferred { server: String, step: Step, reply: String },
    /// 5xx to this letter.
    #[error("{server} refuses {step}: {reply}")]
    Refused { server: String, step: Step, reply: String },
    /// 5xx to us, whatever the letter.
    #[error("{server} refuses {step}: {reply}; {remedy}")]
    NotWelcome {
        server: String,
        step: Step,
        reply: String,
        remedy: String,
    },
    /// A login is configured, and none of AUTH PLAIN and LOGIN is offered.
    #[error(
        "{server} offers neither AUTH PLAIN nor AUTH LOGIN; check [smtp] port and tls, or enable one at the server"
    )]
    NoMechanism { server: String },
    /// There is no token to sign in with.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// `tls = "starttls"` and no STARTTLS: a meddler looks the same, so nothing is said in the clear.
    #[error(
        "{server} does not offer STARTTLS; set [smtp] tls = \"implicit\" with its port (often 465), or enable STARTTLS at the server"
    )]
    NoStarttls { server: String },
    /// The handshake failed.
    #[error("no TLS with {server}: {reason}; {remedy}")]
    Tls {
        server: String,
        reason: String,
        remedy: String,
    },
    /// No TLS connection can even be tried.
    #[error(transparent)]
    Trust(#[from] TlsError),
    /// The password can not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// An address of the letter that can not stand in a command.
    #[error("{address:?} is not an address that mail can be sent to")]
    NotAnAddress { address: String },
    /// The letter has 8-bit octets that can not be left out.
    #[error("{server} takes no 8-bit mail (8BITMIME), and the letter is such")]
    NoEightBit { server: String },
    /// The address needs SMTPUTF8 (RFC 6531).
    #[error("{server} takes no internationalized addresses (SMTPUTF8) such as {address}")]
    NoUtf8 { server: String, address: String },
}

/// Every letter is sent as the same one, so this is no fault of a single letter.
const NOT_OUR_SENDER: &str = "let [smtp] username send as [bounce] from and with the null return path (MAIL FROM:<>), or set another [smtp] host";
/// What Microsoft 365 says to the sender or, with the letter in hand, to its From field: "SendAsDenied" and "does
/// not have permissions to send as this sender".
const SEND_AS: [&str; 2] = ["5.2.252 ", "5.7.60 "];

impl SmtpError {
    /// What is done next. `Permanent` is about this letter, `Credentials` about the server as a whole.
    pub fn class(&self) -> Class {
        match self {
            SmtpError::OAuth(error) => error.class(),
            SmtpError::BrokenOff { .. }
            | SmtpError::Unreachable { .. }
            | SmtpError::Silent { .. }
            | SmtpError::Deferred { .. } => Class::Transient,
            SmtpError::Refused { .. }
            | SmtpError::NotAnAddress { .. }
            | SmtpError::NoEightBit { .. }
            | SmtpError::NoUtf8 { .. } => Class::Permanent,
            SmtpError::NotWelcome { .. }
            | SmtpError::NoMechanism { .. }
            | SmtpError::NoStarttls { .. }
            | SmtpError::Tls { .. }
            | SmtpError::Trust(_)
            | SmtpError::Secret(_) => Class::Credentials,
        }
    }

    /// Whether another letter may leave all the same: the server said this to the letter or to its recipient, or fell
    /// silent at it. Every letter has the same sender, and at 421 the server closes the connection whatever the letter.
    pub fn is_of_this_letter(&self) -> bool {
        match self {
            SmtpError::Deferred { step, reply, .. } => {
                matches!(step, Step::Recipient(_) | Step::Data | Step::Content) && !reply.starts_with("421")
            }
            error => error.class() == Class::Permanent || error.is_unanswered(),
        }
    }

    /// Whether the letter was handed over, or a part of it, and nobody knows whether it was taken.
    pub fn is_unanswered(&self) -> bool {
        matches!(
            self,
            SmtpError::BrokenOff {
                step: Step::Content,
                ..
            } | SmtpError::Silent {
                step: Step::Content,
                ..
            }
        )
    }

    /// Whether waiting for this is waiting for a change of the server's mind about the letter. It is not where the
    /// server speaks of itself (4.3.x: "mail system status", RFC 3463, section 3.4): a full disk, a broken lookup.
    pub fn counts(&self) -> bool {
        match self {
            SmtpError::Deferred { reply, .. } => {
                self.is_of_this_letter() && !reply.get(4..).is_some_and(|text| text.starts_with("4.3."))
            }
            _ => false,
        }
    }

    /// An answer that is no yes, or a dialogue that broke.
    pub(super) fn of(server: String, step: &Step, error: &lettre::transport::smtp::Error) -> SmtpError {
        let reason = field::line(
            &error
                .source()
                .map_or_else(|| error.to_string(), |source| source.to_string()),
        );
        match error.status() {
            Some(code) => SmtpError::of_reply(server, step, u16::from(code), &reason),
            None => SmtpError::BrokenOff {
                server,
                step: step.clone(),
                reason,
            },
        }
    }

    /// A reply of 4xx or 5xx.
    pub(super) fn of_reply(server: String, step: &Step, code: u16, text: &str) -> SmtpError {
        let (step, reply) = (step.clone(), format!("{code} {text}"));
        let remedy = match (code, &step) {
            (..500, _) => return SmtpError::Deferred { server, step, reply },
            (_, Step::Greeting) => "ask its admin whether this machine may send there, or set another [smtp] host",
            (_, Step::Token(_)) => "halo-intake check --online says what the token allows",
            (_, Step::SignIn(_)) => {
                "check [smtp] username and password, and that SMTP AUTH is enabled for that account"
            }
            // RFC 4954, section 6: authentication required, too weak, encryption required.
            (530 | 534 | 535 | 538, _) => "it wants a sign-in: set [smtp] username and password, and tls",
            _ if SEND_AS.iter().any(|status| text.starts_with(status)) => NOT_OUR_SENDER,
            // 552 and 555 are about the parameters of MAIL, which a letter of another kind does not have.
            (552 | 555, _) => return SmtpError::Refused { server, step, reply },
            (_, Step::Sender) => NOT_OUR_SENDER,
            _ => return SmtpError::Refused { server, step, reply },
        };
        SmtpError::NotWelcome {
            server,
            step,
            reply,
            remedy: remedy.to_owned(),
        }
    }
}
