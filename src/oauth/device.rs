//! Signing in with a code (RFC 8628): somebody types it into a browser anywhere, and we ask until it was done.

use std::{fmt, time::Duration};

use serde_json::Value;

use super::{
    OAuthError,
    answer::{self, Granted, Said},
    exchange::{self, Form},
};
use crate::{
    class::Class,
    clock::{moment, sleep},
    config::OAuthConfig,
    foreign::cut,
    secret::SecretString,
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8628, 3.2 and 3.5.
const USUAL_INTERVAL: Duration = Duration::from_secs(5);
const SLOWER: Duration = Duration::from_secs(5);
/// Providers give fifteen minutes; one who says nothing is not waited for longer.
const USUAL_LIFE: Duration = Duration::from_secs(900);

/// A code that somebody signs in with.
pub struct Code {
    /// Where it is typed in.
    pub url: String,
    /// What is typed in.
    pub text: String,
    /// How long it is good for.
    pub life: Duration,
    device_code: SecretString,
    interval: Duration,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why nobody has signed in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The provider, or what is kept.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// The login's provider or grant has no such way.
    #[error("{login} does not sign in with a code: {reason}")]
    NoWay {
        /// Who was to sign in.
        login: String,
        /// Why not.
        reason: &'static str,
    },
    /// Somebody said no.
    #[error("the sign-in was declined; run it again and accept")]
    Declined,
    /// Nobody typed it in.
    #[error("the code expired before anybody had signed in with it; run it again")]
    Expired,
    /// The sign-in is good for an hour alone.
    #[error("the provider gave no refresh token, so the sign-in would not last; add offline_access to scope")]
    NoRefreshToken,
}

impl DeviceError {
    /// What the caller does about it.
    pub fn class(&self) -> Class {
        match self {
            DeviceError::OAuth(error) => error.class(),
            DeviceError::Declined | DeviceError::Expired => Class::Permanent,
            DeviceError::NoWay { .. } | DeviceError::NoRefreshToken => Class::Credentials,
        }
    }
}

/// Asks for a code.
pub(super) async fn code(config: &OAuthConfig) -> Result<Code, DeviceError> {
    let Some(url) = &config.device_url else {
        return Err(DeviceError::NoWay {
            login: config.login.clone(),
            reason: "the configuration has another grant for it, or no device_url",
        });
    };
    let form = Form::new().with_client(config)?.with("scope", &config.scope);
    let answered = exchange::post(config, url, &form).await?;
    let body: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
    let text = |key: &str| body[key].as_str().map(str::to_owned);
    // Google's first draft called it so.
    let url = text("verification_uri").or_else(|| text("verification_url"));
    match (text("device_code"), text("user_code"), url) {
        (Some(device_code), Some(code), Some(url)) if answered.http_status == 200 => Ok(Code {
            url: cut(&url, 300),
            text: cut(&code, 100),
            life: answer::seconds(&body["expires_in"]).unwrap_or(USUAL_LIFE),
            device_code: SecretString::from(device_code),
            interval: answer::seconds(&body["interval"]).unwrap_or(USUAL_INTERVAL),
        }),
        _ => {
            let said = answer::read(&answered).err().unwrap_or(Said {
                http_status: answered.http_status,
                error: String::new(),
                description: String::new(),
            });
            Err(answer::refusal(config, &form, said).into())
        }
    }
}

impl Code {
    /// Asks until somebody has signed in, declined, or the code has expired.
    pub(super) async fn granted(&self, config: &OAuthConfig) -> Result<Granted, DeviceError> {
        let form = Form::of(GRANT)
            .with_client(config)?
            .with_secret("device_code", &self.device_code);
        let began = moment();
        let mut interval = self.interval;
        loop {
            sleep(interval).await;
            if moment().saturating_duration_since(began) >= self.life {
                return Err(DeviceError::Expired);
            }
            let answered = match exchange::post(config, &config.token_url, &form).await {
                Ok(answered) => answered,
                // RFC 8628, 3.5: a server that does not answer in time is asked less often.
                Err(error) if error.class() == Class::Transient => {
                    tracing::warn!("whether somebody has signed in is asked again: {error}");
                    interval += SLOWER;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match answer::read(&answered) {
                Ok(granted) => return Ok(granted),
                Err(said) => match said.error.as_str() {
                    "authorization_pending" => {}
                    "slow_down" => interval += SLOWER,
                    "access_denied" | "authorization_declined" => return Err(DeviceError::Declined),
                    "expired_token" | "code_expired" => return Err(DeviceError::Expired),
                    _ => match answer::refusal(config, &form, said) {
                        error if error.class() == Class::Transient => interval += SLOWER,
                        error => return Err(error.into()),
                    },
                },
            }
        }
    }
}
