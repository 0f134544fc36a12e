//! How a token is shown to a mail server: XOAUTH2 as Google and Microsoft describe it, OAUTHBEARER (RFC 7628).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::Token;
use crate::{foreign::cut, secret::ExposeSecret};

/// The two SASL mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    XOAuth2,
    OAuthBearer,
}

impl Mechanism {
    /// As AUTHENTICATE and AUTH name it.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::XOAuth2 => "XOAUTH2",
            Mechanism::OAuthBearer => "OAUTHBEARER",
        }
    }

    /// What is shown: a secret.
    pub fn response(self, user: &str, host: &str, port: u16, token: &Token) -> String {
        let bearer = token.bearer.expose_secret();
        match self {
            Mechanism::XOAuth2 => format!("user={user}\x01auth=Bearer {bearer}\x01\x01"),
            Mechanism::OAuthBearer => {
                // RFC 5801, 4: the two characters that mean something in a GS2 header.
                let user = user.replace('=', "=3D").replace(',', "=2C");
                format!("n,a={user},\x01host={host}\x01port={port}\x01auth=Bearer {bearer}\x01\x01")
            }
        }
    }

    /// What ends a refusal: nothing, or a lone separator (RFC 7628, 3.2.3).
    pub fn acknowledgement(self) -> String {
        match self {
            Mechanism::XOAuth2 => String::new(),
            Mechanism::OAuthBearer => STANDARD.encode("\x01"),
        }
    }

    /// What the server says of a refusal, to stand behind its text; empty where it says nothing.
    pub fn challenge(self, said: &str) -> String {
        let said = STANDARD.decode(said.trim()).ok();
        let said: Option<Value> = said.and_then(|octets| serde_json::from_slice(&octets).ok());
        let text = |key: &str| match &said.as_ref()?[key] {
            Value::String(text) => Some(format!("{key} {}", cut(text, 100))),
            Value::Number(number) => Some(format!("{key} {number}")),
            _ => None,
        };
        let parts: Vec<String> = ["status", "scope"].into_iter().filter_map(text).collect();
        if parts.is_empty() {
            String::new()
        } else {
            format!(" ({})", parts.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::secret::SecretString;

    #[test]
    fn a_token_is_shown_as_each_mechanism_wants_it() {
        let token = Token::new(SecretString::from("t"), Duration::from_secs(1));
        let shown = |mechanism: Mechanism| mechanism.response("a,b=c@example.com", "imap.example.com", 993, &token);
        assert_eq!(
            shown(Mechanism::XOAuth2),
            "user=a,b=c@example.com\x01auth=Bearer t\x01\x01"
        );
        assert_eq!(
            shown(Mechanism::OAuthBearer),
            "n,a=a=2Cb=3Dc@example.com,\x01host=imap.example.com\x01port=993\x01auth=Bearer t\x01\x01"
        );
    }

    #[test]
    fn what_a_server_says_of_a_refusal_stands_behind_its_text() {
        let challenge = |text: &str| Mechanism::XOAuth2.challenge(&STANDARD.encode(text));
        assert_eq!(
            challenge(r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#),
            " (status 400, scope https://mail.google.com/)"
        );
        assert_eq!(challenge(r#"{"status":"invalid_token"}"#), " (status invalid_token)");
        assert_eq!(challenge("<html>"), "");
        assert_eq!(Mechanism::XOAuth2.challenge("no base64"), "");
    }
}
