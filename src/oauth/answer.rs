//! What a provider answers: a token, or why there is none (RFC 6749, 5.1 and 5.2).

use std::time::Duration;

use serde_json::Value;

use super::{
    OAuthError, Token,
    claims::Claims,
    error::shown,
    exchange::{Answer, Form},
    sentence,
};
use crate::{
    config::OAuthConfig,
    foreign::{cut, status_line},
    secret::SecretString,
};

/// What is taken where an answer doesn't say how long the token is good for.
const USUAL_LIFE: Duration = Duration::from_secs(3600);
/// Longer explanations are cut here: they are read in a log line or a report.
const LONGEST: usize = 300;

/// A token, and what came with it.
pub(super) struct Granted {
    pub token: Token,
    pub refresh_token: Option<SecretString>,
    /// Who signed in, where it is told.
    pub who: Option<String>,
}

/// What a provider says in place of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub http_status: u16,
    /// Its word, such as `invalid_grant`; empty where it has none.
    pub error: String,
    /// On one line, without what only its support reads.
    pub description: String,
}

/// The token of an answer, or the error that says what to do.
pub(super) fn granted(config: &OAuthConfig, form: &Form, answer: &Answer) -> Result<Granted, OAuthError> {
    match read(answer) {
        Ok(granted) => Ok(granted),
        Err(said) => Err(refusal(config, form, said)),
    }
}

/// The token of an answer, or what stands in its place.
pub(super) fn read(answer: &Answer) -> Result<Granted, Said> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |key: &str| body[key].as_str();
    let Some((bearer, life)) = bearer(&body).filter(|_| (200..300).contains(&answer.http_status)) else {
        return Err(Said {
            http_status: answer.http_status,
            error: cut(text("error").unwrap_or(""), LONGEST),
            description: cut(without_traces(text("error_description").unwrap_or("")), LONGEST),
        });
    };
    let who = [text("id_token"), text("access_token")].into_iter().flatten();
    Ok(Granted {
        token: Token::new(bearer, life),
        refresh_token: text("refresh_token")
            .filter(|text| !text.is_empty())
            .map(SecretString::from),
        who: who.filter_map(Claims::read).find_map(|claims| claims.who),
    })
}

/// The token and how long it is good for (RFC 6749, 5.1); `None` where it is none that fits into a header.
pub fn bearer(body: &Value) -> Option<(SecretString, Duration)> {
    let token = body["access_token"].as_str().filter(|token| is_header_safe(token))?;
    let life = seconds(&body["expires_in"]).unwrap_or(USUAL_LIFE);
    Some((SecretString::from(token), life))
}

/// As the error of somebody who wanted a token.
pub(super) fn refusal(config: &OAuthConfig, form: &Form, said: Said) -> OAuthError {
    let url = &config.token_url;
    let is_passing = matches!(said.http_status, 407 | 408 | 425 | 429 | 500..)
        || ["temporarily_unavailable", "server_error"].contains(&said.error.as_str());
    // A page is no word of the provider's: something before it refuses.
    let is_page = said.error.is_empty() && matches!(said.http_status, 400 | 401 | 403);
    if is_passing || is_page {
        let reason = form.redacted(&format!("it answers with {}", words(&said)));
        return OAuthError::unreachable(config, url, reason);
    }
    let (reason, remedy) = sentence::of(config, &said);
    OAuthError::Refused {
        url: shown(url),
        login: config.login.clone(),
        reason: form.redacted(&reason),
        remedy,
    }
}

/// The provider's own words.
pub(super) fn words(said: &Said) -> String {
    match (said.error.as_str(), said.description.as_str()) {
        ("", _) => status_line(said.http_status),
        (error, "") => error.to_owned(),
        (error, description) => format!("{error}: {description}"),
    }
}

/// Some write numbers as texts, or with a fraction that is none.
pub(super) fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

fn is_header_safe(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|octet| octet.is_ascii_graphic())
}

/// Microsoft ends its descriptions with ids and a time for its support.
fn without_traces(description: &str) -> &str {
    description
        .split_once("Trace ID:")
        .map_or(description, |(before, _)| before)
}
