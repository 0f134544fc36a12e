//! What to do where a mail server does not take a token, or takes it and opens no mailbox.

use super::{Claims, Protocol, Token};
use crate::config::{Grant, OAuthConfig, Provider};

/// What was found, and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What the token itself shows to be wrong.
    pub fault: Option<String>,
    /// The next step.
    pub remedy: String,
}

impl Advice {
    /// The server's words, with what the token shows behind them.
    pub fn with_fault(&self, said: &str) -> String {
        match &self.fault {
            Some(fault) => format!("{said}; {fault}"),
            None => said.to_owned(),
        }
    }
}

/// For this login and the mailbox that it wanted.
pub fn advice(config: &OAuthConfig, token: Option<&Token>, mailbox: &str, protocol: Protocol) -> Advice {
    let claims = token.and_then(Token::claims);
    if let Some((fault, remedy)) = claims.as_ref().and_then(|claims| claims.lacks(config, protocol)) {
        return Advice {
            fault: Some(fault),
            remedy,
        };
    }
    let login = &config.login;
    let remedy = match (config.provider, config.grant, protocol) {
        (Provider::Microsoft, Grant::RefreshToken, Protocol::Imap) => {
            format!("give {login} full access to {mailbox}, and let {mailbox} use IMAP")
        }
        (Provider::Microsoft, _, Protocol::Imap) => format!(
            "give the application's service principal full access to {mailbox} (New-ServicePrincipal, Add-MailboxPermission), and let {mailbox} use IMAP"
        ),
        (Provider::Microsoft, _, Protocol::Smtp) => format!(
            "enable SMTP AUTH for {mailbox} (Set-CASMailbox -SmtpClientAuthenticationDisabled $false), and let {} send as it",
            if config.grant == Grant::RefreshToken {
                login
            } else {
                "the application"
            }
        ),
        (Provider::Google, ..) => {
            format!("compare {mailbox} with the user whose token it is, {login}, and let that user use IMAP")
        }
        (Provider::Other, ..) => format!("compare {mailbox} with whom the token is of{}", of(claims.as_ref())),
    };
    Advice { fault: None, remedy }
}

fn of(claims: Option<&Claims>) -> String {
    let who = claims.and_then(|claims| claims.who.as_ref());
    who.map_or_else(String::new, |who| format!(", {who}"))
}
