//! OAuth 2 for mail servers: tokens are fetched by one at a time, replaced before they expire, and kept until a
//! server refuses one.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::OwnedMutexGuard;

use crate::{
    class::Class,
    clock::{Clock, moment},
    config::{Grant, MailboxName, OAuthConfig},
    secret::SecretString,
    task,
};

mod advice;
mod answer;
mod assertion;
mod claims;
mod device;
mod error;
mod exchange;
pub mod expiry;
mod kept;
mod mechanism;
mod refresh;
mod sentence;

pub use advice::{Advice, advice};
pub(crate) use answer::bearer;
pub use claims::{Claims, Protocol};
pub use device::{Code, DeviceError};
pub use error::OAuthError;
pub use kept::Kept;
pub use mechanism::Mechanism;

/// A token is replaced so long before it expires, or at half its life where that is shorter: no sign-in is refused
/// because the token ran out on the way.
const EARLY: Duration = Duration::from_secs(300);
/// Refused credentials are not sent again within this time: the loops of a mailbox ask one after the other, and
/// some providers lock a login that asks too often.
const REFUSED_FOR: Duration = Duration::from_secs(30);

/// A bearer token of one login.
#[derive(Debug, Clone)]
pub struct Token {
    /// What is shown to the mail server.
    pub bearer: SecretString,
    fetched: Instant,
    life: Duration,
}

impl Token {
    fn new(bearer: SecretString, life: Duration) -> Token {
        Token {
            bearer,
            fetched: moment(),
            life,
        }
    }

    /// How long it is good for.
    pub fn left(&self) -> Duration {
        self.life
            .saturating_sub(moment().saturating_duration_since(self.fetched))
    }

    /// Whether it was fetched after that: another one would say the same.
    pub fn is_newer_than(&self, time: Instant) -> bool {
        self.fetched >= time
    }

    fn is_due(&self) -> bool {
        self.left() <= EARLY.min(self.life / 2)
    }
}

/// The sign-ins of the process; they live through every reload.
#[derive(Debug)]
pub struct SignIns {
    state_dir: PathBuf,
    clock: Clock,
    places: Mutex<Vec<(OAuthConfig, Place)>>,
}

/// Whoever holds it asks; the others wait and find the answer.
type Place = Arc<tokio::sync::Mutex<Held>>;

#[derive(Default)]
struct Held {
    token: Option<Token>,
    refused: Option<(OAuthError, Instant)>,
    /// A refresh token that the disk did not take: the one there may be worth nothing any more.
    unkept: Option<Kept>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

impl SignIns {
    /// No tokens yet. Refresh tokens are kept in `state_dir`.
    pub fn new(state_dir: &Path, clock: Clock) -> SignIns {
        SignIns {
            state_dir: state_dir.to_owned(),
            clock,
            places: Mutex::default(),
        }
    }

    /// The login's token, fetched when there is none or when it is about to expire.
    pub async fn token(&self, config: &OAuthConfig) -> Result<Token, OAuthError> {
        let held = self.place(config).lock_owned().await;
        if let Some(token) = held.token.as_ref().filter(|token| !token.is_due()) {
            return Ok(token.clone());
        }
        if let Some((error, since)) = &held.refused
            && moment().saturating_duration_since(*since) < REFUSED_FOR
        {
            return Err(error.clone());
        }
        // In a task of its own: whoever asked may go away, and what the provider gives in place of a refresh token
        // is given once.
        let asking = task::apart(renew(self.state_dir.clone(), self.clock.clone(), config.clone(), held));
        asking.await.unwrap_or_else(|_| Err(OAuthError::interrupted(config)))
    }

    /// A mail server does not take this token: the next one who needs one fetches another.
    pub async fn discard(&self, config: &OAuthConfig, token: &Token) {
        let mut held = self.place(config).lock_owned().await;
        held.token.take_if(|held| held.fetched == token.fetched);
    }

    /// A configuration was loaded: what was refused may have been mended.
    pub fn forget(&self) {
        self.places().clear();
    }

    /// Of each login the token that is used: whose it is, how old it is and how long it lives. One that is being fetched
    /// is left out.
    pub fn token_times(&self) -> Vec<(Option<MailboxName>, Duration, Duration)> {
        let places = self.places();
        let times = places.iter().filter_map(|(config, place)| {
            let held = place.try_lock().ok()?;
            let token = held.token.as_ref()?;
            let age = moment().saturating_duration_since(token.fetched);
            Some((config.mailbox.clone(), age, token.life))
        });
        times.collect()
    }

    /// What is kept of a sign-in, for people; nothing where nobody signed in yet.
    pub fn kept(&self, config: &OAuthConfig) -> Result<Option<Kept>, OAuthError> {
        kept::load(&self.state_dir, config)
    }

    /// Asks the provider for a code by which somebody signs in (RFC 8628).
    pub async fn code(&self, config: &OAuthConfig) -> Result<Code, DeviceError> {
        device::code(config).await
    }

    /// Waits until somebody has signed in with the code, and keeps what came of it; says who it was, where that is told.
    pub async fn signed_in(&self, config: &OAuthConfig, code: &Code) -> Result<Option<String>, DeviceError> {
        // A folder that can not be written to shall not cost a sign-in.
        drop(kept::Turn::take(&self.state_dir, config).await?);
        let granted = code.granted(config).await?;
        let turn = kept::Turn::take(&self.state_dir, config).await?;
        let refresh_token = granted.refresh_token.ok_or(DeviceError::NoRefreshToken)?;
        turn.keep(&Kept::begin(config, refresh_token, self.clock.now())?)?;
        self.forget();
        Ok(granted.who)
    }

    fn place(&self, config: &OAuthConfig) -> Place {
        let mut places = self.places();
        if let Some((_, place)) = places.iter().find(|(known, _)| known == config) {
            return place.clone();
        }
        let place = Place::default();
        places.push((config.clone(), place.clone()));
        place
    }

    fn places(&self) -> MutexGuard<'_, Vec<(OAuthConfig, Place)>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fetches another token. One that still holds is used on while the provider can not be reached.
async fn renew(
    state_dir: PathBuf,
    clock: Clock,
    config: OAuthConfig,
    mut held: OwnedMutexGuard<Held>,
) -> Result<Token, OAuthError> {
    let fetched = match config.grant {
        Grant::ClientCredentials => exchange::client_credentials(&config).await,
        Grant::ServiceAccount => exchange::service_account(&config, clock.now()).await,
        Grant::RefreshToken => refresh::refresh(&state_dir, &clock, &config, &mut held.unkept).await,
    };
    held.refused = None;
    match fetched {
        Ok(token) => {
            let seconds = token.life.as_secs();
            tracing::debug!(
                login = config.login,
                seconds,
                "{} has another token, for {seconds} s",
                config.login
            );
            held.token = Some(token.clone());
            Ok(token)
        }
        Err(error) if error.class() == Class::Transient => {
            let usable = held.token.as_ref().filter(|token| !token.left().is_zero());
            let Some(token) = usable.cloned() else {
                return Err(error);
            };
            tracing::warn!(login = config.login, "{}: the token is used on: {error}", config.login);
            Ok(token)
        }
        Err(error) => {
            held.token = None;
            held.refused = Some((error.clone(), moment()));
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Provider;

    pub(super) fn config(provider: Provider, grant: Grant) -> OAuthConfig {
        OAuthConfig {
            provider,
            grant,
            token_url: "https://login.example.com/token".parse().unwrap(),
            device_url: "https://login.example.com/device".parse().ok(),
            client_id: "intake".to_owned(),
            client_secret: None,
            client_secret_expires: None,
            scope: String::new(),
            refresh_token: None,
            service_account: None,
            ca_file: None,
            login: "support@example.com".to_owned(),
            mailbox: Some(MailboxName("support".to_owned())),
        }
    }

    #[test]
    fn a_token_is_replaced_before_it_expires() {
        let of = |seconds| Token::new(SecretString::from("x"), Duration::from_secs(seconds));
        assert!(!of(3600).is_due() && !of(400).is_due() && of(0).is_due());
        let mut older = of(3600);
        older.life = Duration::from_secs(299);
        assert!(!older.is_due(), "one that lives shortly is used for half its life");
    }
}
