//! What a token says of itself, where it is a JWT (RFC 7519): for people and for advice alone. Only the mail server
//! may believe it, so nothing is verified here.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

use super::Token;
use crate::{
    config::{Grant, OAuthConfig, Provider},
    foreign::cut,
    secret::ExposeSecret,
    when,
};

/// What a token is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// To read a mailbox.
    Imap,
    /// To send.
    Smtp,
}

/// The claims that decide whether a mail server takes a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Whom the token is for.
    pub audience: Vec<String>,
    /// What the application may do by itself.
    pub roles: Vec<String>,
    /// What somebody has allowed it to do.
    pub scopes: Vec<String>,
    /// Its end.
    pub expires: Option<Timestamp>,
    /// Who signed in.
    pub who: Option<String>,
}

/// By these names and this id Microsoft's tokens call Exchange Online.
const EXCHANGE: [&str; 3] = [
    "https://outlook.office365.com",
    "https://outlook.office.com",
    "00000002-0000-0ff1-ce00-000000000000",
];

/// A claim is shown on one line, whatever is in it.
const LONGEST: usize = 200;

impl Claims {
    /// Reads them; `None` where the token is none that others than its issuer can read.
    pub fn read(token: &str) -> Option<Claims> {
        let payload = token.split('.').nth(1).filter(|_| token.split('.').count() == 3)?;
        let octets = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let claims: Value = serde_json::from_slice(&octets).ok().filter(Value::is_object)?;
        let who = ["preferred_username", "upn", "unique_name", "email"];
        Some(Claims {
            audience: list(&claims["aud"]),
            roles: list(&claims["roles"]),
            scopes: [list(&claims["scp"]), list(&claims["scope"])].concat(),
            expires: claims["exp"]
                .as_i64()
                .and_then(|second| Timestamp::from_second(second).ok()),
            who: who.iter().find_map(|name| Some(cut(claims[*name].as_str()?, LONGEST))),
        })
    }

    /// What a token of this login has to hold for Microsoft 365 and does not: the fault, and the next step.
    pub fn lacks(&self, config: &OAuthConfig, protocol: Protocol) -> Option<(String, String)> {
        if config.provider != Provider::Microsoft {
            return None;
        }
        let is_exchange = |name: &String| EXCHANGE.contains(&name.trim_end_matches('/'));
        if !self.audience.iter().any(is_exchange) {
            let found = named(&self.audience);
            let remedy = "set scope to one of https://outlook.office365.com/, or leave it out";
            return Some((
                format!("the token is for {found}, not for Exchange Online"),
                remedy.to_owned(),
            ));
        }
        let (kind, held, wanted) = match (config.grant, protocol) {
            (Grant::RefreshToken, Protocol::Imap) => ("scope", &self.scopes, "IMAP.AccessAsUser.All"),
            (Grant::RefreshToken, Protocol::Smtp) => ("scope", &self.scopes, "SMTP.Send"),
            (_, Protocol::Imap) => ("role", &self.roles, "IMAP.AccessAsApp"),
            (_, Protocol::Smtp) => ("role", &self.roles, "SMTP.SendAsApp"),
        };
        if held.iter().any(|held| held == wanted) {
            return None;
        }
        let permissions = match config.grant {
            Grant::RefreshToken => "delegated permissions",
            _ => "application permissions",
        };
        Some((
            format!("the token lacks the {kind} {wanted}"),
            format!(
                "add {wanted} of Office 365 Exchange Online to the app registration's {permissions} and grant admin consent"
            ),
        ))
    }

    fn described(&self) -> String {
        let mut parts = vec![format!("a token for {}", named(&self.audience))];
        for (kind, held) in [("roles", &self.roles), ("scopes", &self.scopes)] {
            if !held.is_empty() {
                parts.push(format!("{kind} {}", held.join(" ")));
            }
        }
        if let Some(who) = &self.who {
            parts.push(format!("of {who}"));
        }
        parts.join(", ")
    }
}

impl Token {
    /// What it says of itself.
    pub fn claims(&self) -> Option<Claims> {
        Claims::read(self.bearer.expose_secret())
    }

    /// For people: whom it is for, what it allows, how long it is good for.
    pub fn described(&self) -> String {
        let claims = self.claims();
        let said = claims.map_or("a token that only its issuer can read".to_owned(), |claims| {
            claims.described()
        });
        format!("{said}, good for {}", when::length(self.left()))
    }
}

/// A list, or a text with spaces between.
fn list(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => text.split_whitespace().map(|word| cut(word, LONGEST)).collect(),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .map(|item| cut(item, LONGEST))
            .collect(),
        _ => Vec::new(),
    }
}

fn named(names: &[String]) -> String {
    if names.is_empty() {
        "nobody named".to_owned()
    } else {
        names.join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oauth::tests::config;

    fn read(claims: &Value) -> Option<Claims> {
        Claims::read(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string())))
    }

    #[test]
    fn a_token_that_is_no_jwt_says_nothing() {
        for token in ["", "ya29.a0Af", "a.b.c", "e30.e30", "e30.W10.c2ln", "e30.e30.e30.e30"] {
            assert_eq!(Claims::read(token), None, "{token}");
        }
        assert_eq!(read(&json!({})), Some(Claims::default()));
    }

    #[test]
    fn a_claim_says_nothing_to_a_terminal() {
        let claims = read(&json!({ "aud": ["a\u{1b}[2J"], "scp": "b\u{7}c d", "upn": "eve\r\nok" })).unwrap();
        assert_eq!(claims.audience, ["a [2J"]);
        assert_eq!(claims.scopes, ["b c", "d"]);
        assert_eq!(claims.who.as_deref(), Some("eve ok"));
    }

    #[test]
    fn what_microsoft_365_needs_and_the_token_lacks_is_named() {
        use Grant::{ClientCredentials, RefreshToken};
        use Protocol::{Imap, Smtp};
        let exchange = "https://outlook.office365.com";
        for (grant, protocol, claims, expected) in [
            (
                ClientCredentials,
                Imap,
                json!({ "aud": exchange, "roles": ["IMAP.AccessAsApp"] }),
                None,
            ),
            (
                ClientCredentials,
                Smtp,
                json!({ "aud": exchange, "roles": ["IMAP.AccessAsApp"] }),
                Some("the role SMTP.SendAsApp"),
            ),
            (
                ClientCredentials,
                Imap,
                json!({ "aud": exchange, "scp": "IMAP.AccessAsApp" }),
                Some("the role IMAP.AccessAsApp"),
            ),
            (
                RefreshToken,
                Imap,
                json!({ "aud": "https://outlook.office.com/", "scp": "SMTP.Send IMAP.AccessAsUser.All" }),
                None,
            ),
            (
                RefreshToken,
                Smtp,
                json!({ "aud": exchange, "scp": "IMAP.AccessAsUser.All" }),
                Some("the scope SMTP.Send"),
            ),
            (
                RefreshToken,
                Imap,
                json!({ "aud": "00000002-0000-0ff1-ce00-000000000000" }),
                Some("the scope IMAP.AccessAsUser.All"),
            ),
            (
                RefreshToken,
                Imap,
                json!({ "aud": "00000003-0000-0000-c000-000000000000" }),
                Some("the token is for 00000003-0000-0000-c000-000000000000"),
            ),
        ] {
            let lacks = read(&claims)
                .unwrap()
                .lacks(&config(Provider::Microsoft, grant), protocol);
            let fault = lacks.map(|(fault, _)| fault);
            match expected {
                None => assert_eq!(fault, None, "{claims}"),
                Some(part) => assert!(fault.as_ref().unwrap().contains(part), "{fault:?}"),
            }
            assert_eq!(
                read(&claims).unwrap().lacks(&config(Provider::Other, grant), protocol),
                None
            );
        }
    }
}
