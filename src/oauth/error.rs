//! Why there is no token: each text is one sentence, with the next step behind it.

use url::Url;

use crate::{
    class::Class,
    config::{OAuthConfig, Provider},
    secret::SecretError,
    tls::TlsError,
};

/// Why there is no token. No field holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// A secret of the configuration.
    #[error("{login} has no {what} to sign in with: {reason}")]
    Secret {
        /// Who signs in.
        login: String,
        /// Which secret.
        what: &'static str,
        /// The source and the next step.
        reason: String,
    },
    /// No TLS connection to the provider can even be tried.
    #[error(transparent)]
    Trust(#[from] TlsError),
    /// No answer, or one of a server that can't just now.
    #[error("no token for {login}: {url} can not be reached: {reason}")]
    Unreachable {
        /// Who signs in.
        login: String,
        /// The provider's address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The provider says no.
    #[error("{url} gives {login} no token: {reason}; {remedy}")]
    Refused {
        /// The provider's address.
        url: String,
        /// Who signs in.
        login: String,
        /// In our words where the provider's are known, with its own behind.
        reason: String,
        /// The next step.
        remedy: String,
    },
    /// Nobody has signed in yet.
    #[error("nobody has signed in as {login} yet; {remedy}")]
    NotSignedIn {
        /// Who is to sign in.
        login: String,
        /// How.
        remedy: String,
    },
    /// The service account's key is none.
    #[error("the service_account of {login} is no key of a service account: {reason}; {remedy}")]
    NoKey {
        /// For whom it acts.
        login: String,
        /// What is wrong with it.
        reason: String,
        /// The next step.
        remedy: &'static str,
    },
    /// The kept refresh token.
    #[error("{path} can not be used: {reason}; {remedy}")]
    State {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
        /// The next step.
        remedy: String,
    },
    /// Nothing is asked where what comes can not be kept.
    #[error("no token is asked for while {path} can not be written: {reason}")]
    NotKept {
        /// The file.
        path: String,
        /// The system's words.
        reason: String,
    },
}

impl OAuthError {
    /// What the daemon does about it.
    pub fn class(&self) -> Class {
        match self {
            OAuthError::Unreachable { .. } | OAuthError::NotKept { .. } => Class::Transient,
            _ => Class::Credentials,
        }
    }

    pub(super) fn secret(config: &OAuthConfig, what: &'static str, error: &SecretError) -> OAuthError {
        OAuthError::Secret {
            login: config.login.clone(),
            what,
            reason: error.to_string(),
        }
    }

    pub(super) fn unreachable(config: &OAuthConfig, url: &Url, reason: impl Into<String>) -> OAuthError {
        OAuthError::Unreachable {
            login: config.login.clone(),
            url: shown(url),
            reason: reason.into(),
        }
    }

    /// The task that asked has gone: the process ends, or a fault of the program.
    pub(super) fn interrupted(config: &OAuthConfig) -> OAuthError {
        OAuthError::unreachable(config, &config.token_url, "the asking broke off")
    }

    /// Why there is no token for a login that nobody signed in yet.
    pub fn not_signed_in(config: &OAuthConfig) -> OAuthError {
        OAuthError::NotSignedIn {
            login: config.login.clone(),
            remedy: sign_in_again(config),
        }
    }
}

/// How a delegated login gets a refresh token.
pub(super) fn sign_in_again(config: &OAuthConfig) -> String {
    match (&config.mailbox, &config.device_url) {
        (Some(mailbox), Some(_)) => format!("run halo-intake signin {mailbox}"),
        _ if config.provider == Provider::Google => {
            "sign in anew with your OAuth client and set the refresh_token that comes of it".to_owned()
        }
        _ => "set a new refresh_token".to_owned(),
    }
}

/// An address as people may see it: no query.
pub(super) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
