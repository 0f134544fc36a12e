//! One question to a provider: a form by POST, the answer read within bounds; and the two grants that need no memory.

use std::time::Duration;

use jiff::Timestamp;
use url::{Host, Url};

use super::{OAuthError, Token, answer, assertion};
use crate::{
    config::OAuthConfig,
    foreign::root_of,
    secret::{ExposeSecret, Secret, SecretString},
    tls,
};

/// The whole exchange may take so long, and the connection so long of it.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
/// A token has a few thousand octets; a page that stands in its place is cut anyway.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// RFC 7523, 2.1.
const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An answer of any status, read whole.
pub(super) struct Answer {
    pub http_status: u16,
    pub body: Vec<u8>,
}

/// A form with the secrets in it, which no error may repeat.
pub(super) struct Form {
    fields: Vec<(&'static str, String)>,
    secrets: Vec<SecretString>,
}

impl Form {
    /// With the grant's name in it.
    pub fn of(grant: &str) -> Form {
        Form::new().with("grant_type", grant)
    }

    /// An empty one.
    pub fn new() -> Form {
        Form {
            fields: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// One more field; an empty value is left out.
    pub fn with(mut self, name: &'static str, value: &str) -> Form {
        if !value.is_empty() {
            self.fields.push((name, value.to_owned()));
        }
        self
    }

    /// One more field that no error may repeat.
    pub fn with_secret(mut self, name: &'static str, value: &SecretString) -> Form {
        self.fields.push((name, value.expose_secret().to_owned()));
        self.secrets.push(value.clone());
        self
    }

    /// Who asks: the application's id, and its secret where it has one.
    pub fn with_client(self, config: &OAuthConfig) -> Result<Form, OAuthError> {
        let form = self.with("client_id", &config.client_id);
        match &config.client_secret {
            Some(secret) => Ok(form.with_secret("client_secret", &open(config, "client_secret", secret)?)),
            None => Ok(form),
        }
    }

    /// The text without any of the secrets.
    pub fn redacted(&self, text: &str) -> String {
        let redact = |text: String, secret: &SecretString| match secret.expose_secret() {
            "" => text,
            secret => text.replace(secret, "(secret)"),
        };
        self.secrets.iter().fold(text.to_owned(), redact)
    }
}

/// A secret of the configuration.
pub(super) fn open(config: &OAuthConfig, what: &'static str, secret: &Secret) -> Result<SecretString, OAuthError> {
    secret.open().map_err(|error| OAuthError::secret(config, what, &error))
}

/// As the application itself.
pub(super) async fn client_credentials(config: &OAuthConfig) -> Result<Token, OAuthError> {
    let form = Form::of("client_credentials")
        .with_client(config)?
        .with("scope", &config.scope);
    token(config, &form).await.map(|granted| granted.token)
}

/// As a service account that acts for somebody.
pub(super) async fn service_account(config: &OAuthConfig, now: Timestamp) -> Result<Token, OAuthError> {
    let signed = assertion::sign(config, now)?;
    let form = Form::of(ASSERTION).with_secret("assertion", &signed);
    token(config, &form).await.map(|granted| granted.token)
}

/// Asks the token endpoint.
pub(super) async fn token(config: &OAuthConfig, form: &Form) -> Result<answer::Granted, OAuthError> {
    let answered = post(config, &config.token_url, form).await?;
    answer::granted(config, form, &answered)
}

/// Sends the form and reads the answer.
pub(super) async fn post(config: &OAuthConfig, url: &Url, form: &Form) -> Result<Answer, OAuthError> {
    let lost = |error: reqwest::Error| OAuthError::unreachable(config, url, reason(&error));
    let response = agent(config, url)?.post(url.clone()).form(&form.fields).send().await;
    let mut response = response.map_err(lost)?;
    let http_status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(OAuthError::unreachable(config, url, "the answer is longer than 1 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { http_status, body })
}

/// A token is asked for once an hour: no connection is kept for the next time.
fn agent(config: &OAuthConfig, url: &Url) -> Result<reqwest::Client, OAuthError> {
    let trusted = tls::client_config(config.ca_file.as_deref())?;
    let mut agent = reqwest::Client::builder()
        .user_agent(concat!("halo-intake/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(PATIENCE)
        // A redirect would carry the secret to somewhere nobody configured.
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured((*trusted).clone());
    if is_loopback(url) {
        agent = agent.no_proxy();
    }
    agent
        .build()
        .map_err(|error| OAuthError::unreachable(config, url, reason(&error)))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Why there is no answer.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    root_of(error)
}
