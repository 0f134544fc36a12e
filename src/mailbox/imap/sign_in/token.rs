//! Signing in with a token: XOAUTH2 where it is offered, else OAUTHBEARER (RFC 7628).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{finish, is_passing};
use crate::{
    clock::moment,
    config::{ImapConfig, OAuthConfig},
    mailbox::{
        MailboxError,
        imap::{completion::Completion, wire::Wire},
    },
    oauth::{Mechanism, Protocol, SignIns, Token, advice},
};

/// Gives the OK of the sign-in. A token that was good for earlier sign-ins and is refused now is replaced once.
pub(super) async fn by_token(
    wire: &mut Wire,
    config: &ImapConfig,
    oauth: &OAuthConfig,
    sign_ins: &SignIns,
) -> Result<Completion, MailboxError> {
    let mechanism = match (wire.can("AUTH=XOAUTH2"), wire.can("AUTH=OAUTHBEARER")) {
        (true, _) => Mechanism::XOAuth2,
        (false, true) => Mechanism::OAuthBearer,
        (false, false) => return Err(takes_no_token(config)),
    };
    let began = moment();
    let mut token = sign_ins.token(oauth).await?;
    let mut refusal = match authenticate(wire, config, mechanism, &token).await? {
        Answered::Taken(answer) => return Ok(answer),
        Answered::Refused(refusal) => refusal,
    };
    if !token.is_newer_than(began) {
        sign_ins.discard(oauth, &token).await;
        token = sign_ins.token(oauth).await?;
        match authenticate(wire, config, mechanism, &token).await {
            Ok(Answered::Taken(answer)) => return Ok(answer),
            Ok(Answered::Refused(second)) => refusal = second,
            // It hangs up after a refusal: that one stands.
            Err(MailboxError::Lost { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let advice = advice(oauth, Some(&token), config.acts_as(), Protocol::Imap);
    Err(MailboxError::Token {
        host: config.host.clone(),
        login: config.username.clone(),
        reason: advice.with_fault(&refusal),
        remedy: advice.remedy,
    })
}

enum Answered {
    Taken(Completion),
    /// In the server's words.
    Refused(String),
}

async fn authenticate(
    wire: &mut Wire,
    config: &ImapConfig,
    mechanism: Mechanism,
    token: &Token,
) -> Result<Answered, MailboxError> {
    let command = format!("AUTHENTICATE {}", mechanism.name());
    let sent = wire.send(&command, Some(wire.patience())).await?;
    let response = mechanism.response(config.acts_as(), &config.host, config.port, token);
    let mut response = Some(format!("{}\r\n", STANDARD.encode(response)).into_bytes());
    let mut challenge = String::new();
    let answer = finish(wire, &sent, |said| match response.take() {
        Some(response) => Some(response),
        // The server's words about a refusal, which it ends after an answer to them.
        None => {
            challenge = mechanism.challenge(said);
            Some(format!("{}\r\n", mechanism.acknowledgement()).into_bytes())
        }
    })
    .await?;
    match answer.status {
        "OK" => Ok(Answered::Taken(answer)),
        _ if is_passing(&answer) => Err(answer.refused()),
        _ => Ok(Answered::Refused(format!("{}{challenge}", answer.text))),
    }
}

fn takes_no_token(config: &ImapConfig) -> MailboxError {
    MailboxError::Token {
        host: config.host.clone(),
        login: config.username.clone(),
        reason: "the server offers neither XOAUTH2 nor OAUTHBEARER".to_owned(),
        remedy: "sign in with a password, or compare host and tls with the provider's".to_owned(),
    }
}

/// What Exchange Online says to the first command after a sign-in that is good for another mailbox alone.
const NOT_CONNECTED: &str = "authenticated but not connected";

/// The same error, but with its next step where it is this one.
pub(in crate::mailbox::imap) fn not_connected(config: &ImapConfig, error: MailboxError) -> MailboxError {
    let text = error.to_string();
    let Some(oauth) = config.sign_in.oauth().filter(|_| text.contains(NOT_CONNECTED)) else {
        return error;
    };
    MailboxError::NotConnected {
        host: config.host.clone(),
        login: config.username.clone(),
        mailbox: config.acts_as().to_owned(),
        reason: text,
        remedy: advice(oauth, None, config.acts_as(), Protocol::Imap).remedy,
    }
}
