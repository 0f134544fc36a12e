//! Signing in: where the authorisation server is, and the token of the client credentials grant (RFC 6749, 4.4).

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;
use tracing::warn;
use url::Url;

use super::{
    answer,
    client::{Calls, Freshness, HaloError},
    http::{Answer, Http, Label, Lost},
    shelf::{Brought, Shelf},
    times::Times,
    verdict::is_halos,
};
use crate::{
    config::{ConnectionName, HaloConfig},
    oauth,
    secret::{ExposeSecret, Secret, SecretString},
};

/// The token of one connection, fetched by whoever needs it first.
#[derive(Debug)]
pub(super) struct Tokens {
    connection: ConnectionName,
    base: Url,
    auth_url: Option<Url>,
    tenant: Option<String>,
    client_id: String,
    client_secret: Secret,
    scope: String,
    rejected_for: Duration,
    refresh_early: Duration,
    found: Mutex<Option<Url>>,
    kept: Shelf<(), Token>,
    /// When the newest was fetched, and how long it lives.
    newest: Mutex<Option<(Instant, Duration)>>,
}

/// A bearer token; `fetched` tells it from the ones before and after it.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub bearer: SecretString,
    fetched: Instant,
}

impl Tokens {
    pub(super) fn new(connection: &ConnectionName, config: &HaloConfig, times: &Times) -> Tokens {
        Tokens {
            connection: connection.clone(),
            base: config.url.clone(),
            auth_url: config.auth_url.clone(),
            tenant: config.tenant.clone().filter(|tenant| !tenant.is_empty()),
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            scope: config.scope.clone(),
            rejected_for: times.rejected,
            refresh_early: times.refresh_early,
            found: Mutex::new(None),
            kept: Shelf::new(1),
            newest: Mutex::new(None),
        }
    }

    /// The token, fetched when there is none or when it is about to expire. Refused credentials are not sent again
    /// for a while: some servers lock an account that asks too often.
    pub(super) async fn token(&self, http: &Http, calls: &Calls) -> Result<Token, HaloError> {
        self.kept.find(&(), Freshness::Cached, || self.fetch(http, calls)).await
    }

    /// How old the newest token is, and how long it lives.
    pub(super) fn times(&self) -> Option<(Duration, Duration)> {
        let newest = *self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.map(|(fetched, life)| (fetched.elapsed(), life))
    }

    /// Refused credentials are sent again by the next who needs a token.
    pub(super) fn try_again(&self) {
        self.kept.forget_failures();
    }

    /// The API does not take this token: the next one who needs one fetches another.
    pub(super) async fn discard(&self, token: &Token) {
        self.kept.forget_if(&(), |kept| kept.fetched == token.fetched).await;
    }

    /// Another token beside the one that is kept, for whoever wants to know whether both are good.
    pub(super) async fn another(&self, http: &Http, calls: &Calls) -> Result<Token, HaloError> {
        let signed_in = self.sign_in(http, calls).await;
        signed_in.map(|(token, _)| token).map_err(|(error, _)| error)
    }

    async fn fetch(&self, http: &Http, calls: &Calls) -> Brought<Token> {
        match self.sign_in(http, calls).await {
            Ok((token, life)) => {
                *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.fetched, life));
                (Ok(token), usable_for(life, self.refresh_early))
            }
            // It stands where it stood.
            Err((error @ (HaloError::TooMany { .. } | HaloError::Uncounted { .. }), keep)) => (Err(error), keep),
            Err((error, keep)) => {
                // It may stand elsewhere by now: look again the next time.
                *self.found.lock().unwrap_or_else(PoisonError::into_inner) = None;
                (Err(error), keep)
            }
        }
    }

    async fn sign_in(&self, http: &Http, calls: &Calls) -> Result<(Token, Duration), (HaloError, Duration)> {
        let at_once = |error| (error, Duration::ZERO);
        let url = self.token_url(http, calls).await.map_err(at_once)?;
        let secret = self
            .client_secret
            .open()
            .map_err(|error| at_once(self.no_secret(&error.to_string())))?;
        let credentials = (self.client_id.as_str(), secret.expose_secret());
        let answer = self.exchange(&url, credentials, http, calls).await.map_err(at_once)?;
        self.read(&url, http, answer, &secret)
    }

    /// The answer to an application that nobody has. It says nothing of the connection's own.
    pub(super) async fn answer_to_stranger(
        &self,
        client_id: &str,
        http: &Http,
        calls: &Calls,
    ) -> Result<Answer, HaloError> {
        let url = self.token_url(http, calls).await?;
        self.exchange(&url, (client_id, client_id), http, calls).await
    }

    async fn exchange(
        &self,
        url: &Url,
        (client_id, client_secret): (&str, &str),
        http: &Http,
        calls: &Calls,
    ) -> Result<Answer, HaloError> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", client_secret),
            ("scope", self.scope.as_str()),
        ];
        let label = Label {
            method: "POST",
            path: below_host(url),
            body: Value::Null,
            is_secret: true,
        };
        let sent = http.exchange(http.agent.post(url.clone()).form(&form), label, calls);
        sent.await.map_err(|lost| unreachable(url, lost))
    }

    pub(super) fn read(
        &self,
        url: &Url,
        http: &Http,
        answer: Answer,
        secret: &SecretString,
    ) -> Result<(Token, Duration), (HaloError, Duration)> {
        let said = || answer::sentence(answer.http_status, &answer.body).replace(secret.expose_secret(), "(secret)");
        let at_once = |error| Err((error, Duration::ZERO));
        match answer.http_status {
            200..=299 => match read_token(&answer.body) {
                Some(token) => Ok(token),
                None => at_once(self.not_a_token_server(url, "its answer holds no access_token")),
            },
            429 => at_once(HaloError::TooMany {
                reason: said(),
                retry_after: Some(http.pace.hold(answer.retry_after, fastrand::f64())),
            }),
            407 | 408 | 409 | 423 | 425 => at_once(unreachable(url, Lost::Unfinished(said()))),
            // A page is no word of Halo's: something before it refuses.
            400 | 401 | 403 if !is_halos(&answer.body) => at_once(unreachable(url, Lost::Unfinished(said()))),
            400 | 401 | 403 => Err((self.rejected(&answer, said()), self.rejected_for)),
            300..=499 => at_once(self.not_a_token_server(url, &said())),
            _ => at_once(unreachable(url, Lost::Unfinished(said()))),
        }
    }

    fn rejected(&self, answer: &Answer, said: String) -> HaloError {
        let error = serde_json::from_slice::<Value>(&answer.body).ok();
        let error = error
            .as_ref()
            .and_then(|body| body.get("error"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let remedy = match error {
            "invalid_scope" => format!(
                "the API application does not grant the scope {:?}; correct scope, or allow it in Halo",
                self.scope
            ),
            "unauthorized_client" | "unsupported_grant_type" => {
                "set the API application to the authentication method Client ID and Secret".to_owned()
            }
            _ => "compare client_id, client_secret and tenant with the API application in Halo".to_owned(),
        };
        HaloError::Credentials {
            connection: self.connection.clone(),
            reason: format!(
                "Halo refuses the connection {}: sign-in is refused: {said}",
                self.connection
            ),
            remedy,
        }
    }

    fn no_secret(&self, reason: &str) -> HaloError {
        HaloError::Credentials {
            connection: self.connection.clone(),
            reason: format!(
                "the connection {} has no client_secret to sign in with: {reason}",
                self.connection
            ),
            remedy: "no sign-in was tried".to_owned(),
        }
    }

    fn not_a_token_server(&self, url: &Url, reason: &str) -> HaloError {
        HaloError::Credentials {
            connection: self.connection.clone(),
            reason: format!(
                "the connection {} can not sign in: {} gives no token: {reason}",
                self.connection,
                shown(url)
            ),
            remedy: "set auth_url and tenant as Halo's API details show them".to_owned(),
        }
    }

    pub(super) async fn token_url(&self, http: &Http, calls: &Calls) -> Result<Url, HaloError> {
        if let Some(auth_url) = &self.auth_url {
            return Ok(token_url(auth_url, self.tenant.as_deref()));
        }
        if let Some(url) = &*self.found.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(url.clone());
        }
        let url = self.discover(http, calls).await?;
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.clone());
        Ok(url)
    }

    /// Asks the resource server where to sign in; one that doesn't know is a single host, with `/auth` beside `/api`.
    async fn discover(&self, http: &Http, calls: &Calls) -> Result<Url, HaloError> {
        let url = below(&self.base, "api/AuthInfo");
        let label = Label {
            method: "GET",
            path: "/AuthInfo".into(),
            body: Value::Null,
            is_secret: false,
        };
        let answer = http.exchange(http.agent.get(url.clone()), label, calls).await;
        let answer = answer.map_err(|lost| unreachable(&url, lost))?;
        let info = match answer.http_status {
            200..=299 => read_auth_info(&answer.body, &self.base),
            429 => {
                let reason = answer::sentence(429, &answer.body);
                let retry_after = Some(http.pace.hold(answer.retry_after, fastrand::f64()));
                return Err(HaloError::TooMany { reason, retry_after });
            }
            407 | 408 | 500.. => {
                return Err(unreachable(
                    &url,
                    Lost::Unfinished(answer::sentence(answer.http_status, &answer.body)),
                ));
            }
            _ => None,
        };
        let Some((auth_url, tenant)) = info else {
            return Ok(token_url(&below(&self.base, "auth"), self.tenant.as_deref()));
        };
        Ok(token_url(&auth_url, self.tenant.as_deref().or(tenant.as_deref())))
    }
}

fn read_token(body: &[u8]) -> Option<(Token, Duration)> {
    let (bearer, life) = oauth::bearer(&serde_json::from_slice(body).ok()?)?;
    let token = Token {
        bearer,
        fetched: Instant::now(),
    };
    Some((token, life))
}

/// A token that lives no longer than the time by which it is replaced early is used for half its life.
fn usable_for(life: Duration, early: Duration) -> Duration {
    if life > early { life - early } else { life / 2 }
}

/// `auth_url` and `tenant_id`. A secret is not sent in the clear because an answer says so.
fn read_auth_info(body: &[u8], base: &Url) -> Option<(Url, Option<String>)> {
    let info: Value = serde_json::from_slice(body).ok()?;
    let text = |key: &str| {
        info.get(key)
            .and_then(Value::as_str)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    let auth_url = base.join(text("auth_url")?).ok()?;
    if !matches!(auth_url.scheme(), "https" | "http") || (base.scheme() == "https" && auth_url.scheme() != "https") {
        warn!(%base, %auth_url, "Halo at {base} names an authorisation server without TLS, which is not used: {auth_url}");
        return None;
    }
    Some((auth_url, text("tenant_id").map(str::to_owned)))
}

fn token_url(auth_url: &Url, tenant: Option<&str>) -> Url {
    let mut url = below(auth_url, "token");
    if let Some(tenant) = tenant {
        url.query_pairs_mut().append_pair("tenant", tenant);
    }
    url
}

/// `rest` below a base that may have a path of its own, with or without a slash at its end.
pub(super) fn below(base: &Url, rest: &str) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.set_path(&format!(
        "{}/{}",
        base.path().trim_end_matches('/'),
        rest.trim_start_matches('/')
    ));
    url
}

fn below_host(url: &Url) -> String {
    url.query()
        .map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

/// A URL as people may see it: no login, no query.
pub(super) fn shown(url: &Url) -> String {
    format!(
        "{}{}",
        url.origin().ascii_serialization(),
        url.path().trim_end_matches('/')
    )
}

/// Whatever goes wrong on the way to a token, the request that needs one was not sent.
fn unreachable(url: &Url, lost: Lost) -> HaloError {
    match lost {
        Lost::Held(left) => HaloError::TooMany {
            reason: lost.reason(),
            retry_after: Some(left),
        },
        Lost::Uncounted(reason) => HaloError::Uncounted { reason },
        lost => HaloError::Unreachable {
            url: shown(url),
            reason: lost.reason(),
        },
    }
}

#[cfg(test)]
mod tests;
