//! The refresh token that was given last, in a file of the state folder: one a login, its owner's alone, replaced
//! whole.

use std::{
    fmt,
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use super::{OAuthError, error::sign_in_again, exchange};
use crate::{
    config::OAuthConfig,
    crash::Step,
    draft::{self, Draft},
    hex::hex,
    secret::{ExposeSecret, SecretString},
    task,
};

/// A refresh token and where it comes from.
pub struct Kept {
    pub(super) refresh_token: SecretString,
    /// Of the configuration's refresh token that it took the place of; `None` where there was none.
    took_over: Option<String>,
    /// Since when this sign-in has held.
    pub signed_in: Timestamp,
    /// When this refresh token was given.
    pub given: Timestamp,
    /// It is in memory alone.
    pub(super) is_unkept: bool,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("signed_in", &self.signed_in)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

impl Kept {
    /// Of somebody who signs in just now.
    pub(super) fn begin(config: &OAuthConfig, refresh_token: SecretString, now: Timestamp) -> Result<Kept, OAuthError> {
        let written = written(config)?;
        Ok(Kept {
            refresh_token,
            took_over: written.map(|written| digest(&written)),
            signed_in: now,
            given: now,
            is_unkept: false,
        })
    }

    /// The refresh token that holds: the configuration's where the operator has replaced it since, else the one
    /// that was given last.
    pub(super) fn current(state_dir: &Path, config: &OAuthConfig, now: Timestamp) -> Result<Kept, OAuthError> {
        let written = written(config)?;
        let took_over = written.as_ref().map(digest);
        match (load(state_dir, config)?, written) {
            (Some(kept), written) if written.is_none() || kept.took_over == took_over => Ok(kept),
            (_, Some(refresh_token)) => Ok(Kept {
                refresh_token,
                took_over,
                signed_in: now,
                given: now,
                is_unkept: false,
            }),
            (_, None) => Err(OAuthError::not_signed_in(config)),
        }
    }

    /// The provider has given this one in its place; without one it stays what it was.
    pub(super) fn rotated(self, refresh_token: Option<SecretString>, now: Timestamp) -> Kept {
        Kept {
            refresh_token: refresh_token.unwrap_or(self.refresh_token),
            took_over: self.took_over,
            signed_in: self.signed_in,
            given: now,
            is_unkept: false,
        }
    }
}

fn written(config: &OAuthConfig) -> Result<Option<SecretString>, OAuthError> {
    let secret = config.refresh_token.as_ref();
    secret
        .map(|secret| exchange::open(config, "refresh_token", secret))
        .transpose()
}

/// Of a secret with more chance in it than anybody can try out.
fn digest(secret: &SecretString) -> String {
    hex(&Sha256::digest(secret.expose_secret())[..16])
}

/// Where it lies. Another application or provider has another file.
fn path(state_dir: &Path, config: &OAuthConfig) -> PathBuf {
    // A name may hold a slash, and nothing else may lead out of the folder.
    let login: String = form_urlencoded::byte_serialize(config.login.as_bytes()).collect();
    let whose = Sha256::digest(format!("{} {}", config.token_url, config.client_id));
    state_dir.join(format!("oauth-{login}-{}.json", hex(&whose[..4])))
}

/// What is kept; nothing where nobody signed in yet.
pub(super) fn load(state_dir: &Path, config: &OAuthConfig) -> Result<Option<Kept>, OAuthError> {
    #[derive(Deserialize)]
    struct Record {
        refresh_token: String,
        took_over: Option<String>,
        signed_in: Timestamp,
        given: Timestamp,
    }
    let path = path(state_dir, config);
    let unusable = |reason: String| OAuthError::State {
        path: path.display().to_string(),
        reason,
        remedy: format!("remove it and {}", sign_in_again(config)),
    };
    let octets = match std::fs::read(&path) {
        Ok(octets) => octets,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error.to_string())),
    };
    // serde's own words repeat what they stumble over, which may be the token.
    let record: Record = serde_json::from_slice(&octets).map_err(|_| unusable("it is broken".to_owned()))?;
    Ok(Some(Kept {
        refresh_token: SecretString::from(record.refresh_token),
        took_over: record.took_over,
        signed_in: record.signed_in,
        given: record.given,
        is_unkept: false,
    }))
}

/// The right to use the refresh token and to replace it, among all processes on this state folder.
pub(super) struct Turn {
    path: PathBuf,
    draft: Draft,
    _lock: File,
}

impl Turn {
    /// Waits for it.
    pub(super) async fn take(state_dir: &Path, config: &OAuthConfig) -> Result<Turn, OAuthError> {
        let path = path(state_dir, config);
        let not_kept = |path: &Path, error: &io::Error| OAuthError::NotKept {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let taking = {
            let (path, folder) = (path.clone(), state_dir.to_owned());
            move || {
                let lock = draft::create(&folder, &path.with_extension("lock"))?;
                lock.lock()?;
                Ok((lock, Draft::begin(&path)?))
            }
        };
        let taken = task::blocking(taking)
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        let (lock, draft) = taken.map_err(|error| not_kept(&path, &error))?;
        Ok(Turn {
            path,
            draft,
            _lock: lock,
        })
    }

    /// Puts it in the place of the earlier one.
    pub(super) fn keep(self, kept: &Kept) -> Result<(), OAuthError> {
        let record = json!({
            "refresh_token": kept.refresh_token.expose_secret(),
            "took_over": kept.took_over,
            "signed_in": kept.signed_in,
            "given": kept.given,
        });
        let written = self.draft.keep(format!("{record}\n").as_bytes(), Step::RefreshToken);
        written.map_err(|error| OAuthError::NotKept {
            path: self.path.display().to_string(),
            reason: error.to_string(),
        })
    }
}
