//! Signing in, here with a password: AUTHENTICATE PLAIN where it is offered, else LOGIN.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    completion::Completion,
    names::quote,
    wire::{Reply, Sent, Wire},
};
use crate::{
    config::{ImapConfig, SignIn},
    mailbox::MailboxError,
    oauth::SignIns,
    secret::{ExposeSecret, Secret, SecretString},
};

mod token;

pub(super) use token::not_connected;

/// Response codes (RFC 5530, 3) by which a server says that it can't just now.
const PASSING: [&str; 4] = ["UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"];

/// Signs in; afterwards the wire knows what the server can do for this login.
pub(super) async fn sign_in(wire: &mut Wire, config: &ImapConfig, sign_ins: &SignIns) -> Result<(), MailboxError> {
    let answer = match &config.sign_in {
        SignIn::Password(secret) => by_password(wire, config, secret).await?,
        SignIn::OAuth(oauth) => token::by_token(wire, config, oauth, sign_ins).await?,
    };
    // What was advertised before may differ; servers that say it with the sign-in need not be asked.
    if answer.code != "CAPABILITY" {
        wire.forget_capabilities();
    }
    wire.learn_capabilities().await
}

async fn by_password(wire: &mut Wire, config: &ImapConfig, secret: &Secret) -> Result<Completion, MailboxError> {
    let login = &config.username;
    let password = secret.open().map_err(|error| MailboxError::Secret {
        login: login.clone(),
        reason: error.to_string(),
    })?;
    if password.expose_secret().contains('\0') || login.contains('\0') {
        return Err(refused(
            config,
            "username and password can not hold the character NUL".to_owned(),
        ));
    }
    let answer = if wire.can("AUTH=PLAIN") {
        let answer = authenticate_plain(wire, config, &password).await?;
        // BAD: it was offered and is not understood after all.
        if answer.status == "BAD" && may_log_in(wire, config) {
            log_in(wire, config, &password).await?
        } else {
            answer
        }
    } else if may_log_in(wire, config) {
        log_in(wire, config, &password).await?
    } else {
        let reason = match config.mailbox {
            Some(_) => "the server does not offer AUTH=PLAIN, which a mailbox of another name needs",
            None => "the server takes no password on this connection (LOGINDISABLED)",
        };
        return Err(refused(config, reason.to_owned()));
    };
    match answer.status {
        "OK" => Ok(answer),
        _ if is_passing(&answer) => Err(answer.refused()),
        _ => Err(refused(config, answer.text)),
    }
}

/// The server can't just now; the password or the token may be right.
fn is_passing(answer: &Completion) -> bool {
    answer.status == "NO" && PASSING.contains(&answer.code.as_str())
}

fn may_log_in(wire: &Wire, config: &ImapConfig) -> bool {
    !wire.can("LOGINDISABLED") && config.mailbox.is_none()
}

fn refused(config: &ImapConfig, reason: String) -> MailboxError {
    MailboxError::SignIn {
        host: config.host.clone(),
        login: config.username.clone(),
        reason,
    }
}

/// RFC 4616: the mailbox to act as, who signs in, and the password.
async fn authenticate_plain(
    wire: &mut Wire,
    config: &ImapConfig,
    password: &SecretString,
) -> Result<Completion, MailboxError> {
    let acting_as = config.mailbox.as_deref().unwrap_or("");
    let plain = format!("{acting_as}\0{}\0{}", config.username, password.expose_secret());
    let plain = STANDARD.encode(plain);
    if wire.can("SASL-IR") {
        // RFC 4959: a round trip less.
        let sent = wire
            .send(&format!("AUTHENTICATE PLAIN {plain}"), Some(wire.patience()))
            .await?;
        return finish(wire, &sent, |_| None).await;
    }
    let sent = wire.send("AUTHENTICATE PLAIN", Some(wire.patience())).await?;
    let mut answer = Some(format!("{plain}\r\n").into_bytes());
    finish(wire, &sent, |_| answer.take()).await
}

/// Arguments that can not be quoted go as literals, each after the server's `+` (RFC 9051, 4.3).
async fn log_in(wire: &mut Wire, config: &ImapConfig, password: &SecretString) -> Result<Completion, MailboxError> {
    let mut command = "LOGIN".to_owned();
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for argument in [config.username.as_str(), password.expose_secret()] {
        if argument.chars().all(|c| matches!(c, ' '..='~')) {
            let end = parts.last_mut();
            let quoted = format!(" {}", quote(argument));
            match end {
                Some(part) => part.extend_from_slice(quoted.as_bytes()),
                None => command.push_str(&quoted),
            }
            continue;
        }
        let announced = format!(" {{{}}}", argument.len());
        match parts.last_mut() {
            Some(part) => part.extend_from_slice(announced.as_bytes()),
            None => command.push_str(&announced),
        }
        parts.push(argument.as_bytes().to_vec());
    }
    // A part that announces the next literal, or that is the last, ends its line.
    let mut parts = parts.into_iter().map(|mut part| {
        part.extend_from_slice(b"\r\n");
        part
    });
    let sent = wire.send(&command, Some(wire.patience())).await?;
    finish(wire, &sent, |_| parts.next()).await
}

/// Gives the server what it asks for with each `+`, until the command ends.
async fn finish(
    wire: &mut Wire,
    sent: &Sent,
    mut next: impl FnMut(&str) -> Option<Vec<u8>> + Send,
) -> Result<Completion, MailboxError> {
    loop {
        match wire.reply(sent, |_| ()).await? {
            // A further `+` carries the server's words about a refusal; an empty answer lets it finish.
            Reply::Continue(said) => {
                let answer = next(&said).unwrap_or_else(|| b"\r\n".to_vec());
                wire.write(&answer).await?;
            }
            Reply::Untagged(()) => {}
            Reply::Done(completion) => return Ok(completion),
        }
    }
}
