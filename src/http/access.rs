//! Who may read and write: the token, the sessions that it opens in a browser, and how often it may be tried.
//!
//! Without a token whoever reaches the page reads, which only this machine does, and nobody writes. With one everybody
//! signs in, by a form or by `Authorization: Bearer`.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    config::http::SHORTEST_TOKEN,
    hex::hex,
    secret::{ExposeSecret, Secret, SecretString},
};

/// The cookie's name.
const COOKIE: &str = "halo-intake";
/// So long a session lasts: a working day.
pub const SESSION: Duration = Duration::from_secs(12 * 3600);
/// So many at a time; the next one ends the oldest.
const MOST_SESSIONS: usize = 200;
/// So many wrong tokens from one address within `WITHIN`.
const TRIES: u32 = 8;
/// And from all addresses together.
const TRIES_OF_ALL: u32 = 80;
const WITHIN: Duration = Duration::from_secs(60);

/// A random value: a session's name, or the proof that a form is its own.
type Random = [u8; 32];

/// Sessions and tries. All of it is forgotten when the process ends.
#[derive(Default)]
pub struct Access(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// By the digest of its name, so that looking it up tells nothing of the name.
    sessions: HashMap<Random, Session>,
    /// Wrong tokens by address.
    tries: HashMap<IpAddr, u32>,
    of_all: u32,
    /// When the counting of tries began.
    since: Option<Instant>,
}

struct Session {
    began: Instant,
    /// What each of its forms bears.
    proof: Random,
    /// Of the token that opened it: with another token it is over.
    token: Random,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// There is no token: reading is free, writing is not to be had.
    Anybody,
    /// Signed in by the form; forms of the page bear this proof.
    Session { proof: String },
    /// A program that showed the token with its request.
    Program,
}

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Nobody showed a token, or the session is over.
    SignIn,
    /// It is another token.
    Wrong,
    /// There were too many wrong ones.
    TooOften,
    /// The token can not be compared, for this reason.
    Unusable(String),
}

impl Access {
    /// Who asks, by cookie or by `Authorization`.
    pub fn caller(
        &self,
        token: Option<&Secret>,
        headers: &HeaderMap,
        peer: IpAddr,
        now: Instant,
    ) -> Result<Caller, Refused> {
        let Some(token) = token else {
            return Ok(Caller::Anybody);
        };
        if let Some(shown) = bearer(headers) {
            self.compare(token, shown, peer, now)?;
            return Ok(Caller::Program);
        }
        let expected = digest_of(token)?;
        let known = self.known();
        let session = cookies(headers).find_map(|name| known.sessions.get(&digest(name.as_bytes())));
        let is_alive =
            |session: &&Session| now.saturating_duration_since(session.began) < SESSION && session.token == expected;
        match session.filter(is_alive) {
            Some(session) => Ok(Caller::Session {
                proof: hex(&session.proof),
            }),
            None => Err(Refused::SignIn),
        }
    }

    /// Opens a session for whoever shows the token; gives the cookie's value.
    pub fn sign_in(&self, token: &Secret, shown: &str, peer: IpAddr, now: Instant) -> Result<String, Refused> {
        let token = self.compare(token, shown, peer, now)?;
        let (name, proof) = (random()?, random()?);
        let name = hex(&name);
        let mut known = self.known();
        known
            .sessions
            .retain(|_, session| now.saturating_duration_since(session.began) < SESSION);
        if known.sessions.len() >= MOST_SESSIONS {
            let oldest = known.sessions.iter().min_by_key(|(_, session)| session.began);
            if let Some(oldest) = oldest.map(|(name, _)| *name) {
                known.sessions.remove(&oldest);
            }
        }
        let began = now;
        known
            .sessions
            .insert(digest(name.as_bytes()), Session { began, proof, token });
        Ok(name)
    }

    /// Ends the sessions that the request is of.
    pub fn sign_out(&self, headers: &HeaderMap) {
        let mut known = self.known();
        for name in cookies(headers) {
            known.sessions.remove(&digest(name.as_bytes()));
        }
    }

    /// Whether it is the token; its digest. The right one is always let through: others' tries lock nobody out, and
    /// nobody who tries comes upon one of so many characters.
    fn compare(&self, token: &Secret, shown: &str, peer: IpAddr, now: Instant) -> Result<Random, Refused> {
        let expected = digest_of(token)?;
        let mut known = self.known();
        if known
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= WITHIN)
        {
            known.since = Some(now);
            known.of_all = 0;
            known.tries.clear();
        }
        if bool::from(digest(shown.as_bytes()).ct_eq(&expected)) {
            return Ok(expected);
        }
        Err(known.wrong(network(peer)))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Counts a wrong token. The log has each, and once for an address that there are too many; those beyond are not
    /// worth a line.
    fn wrong(&mut self, peer: IpAddr) -> Refused {
        let of_peer = self.tries.get(&peer).copied().unwrap_or(0);
        let is_beyond = |of_peer, of_all| of_peer >= TRIES || of_all >= TRIES_OF_ALL;
        if is_beyond(of_peer, self.of_all) {
            return Refused::TooOften;
        }
        self.of_all += 1;
        self.tries.insert(peer, of_peer + 1);
        tracing::warn!(%peer, "a wrong token was shown by {peer}");
        if is_beyond(of_peer + 1, self.of_all) {
            tracing::warn!(%peer, "too many wrong tokens came, the last by {peer}: within this minute more are answered by 429");
        }
        Refused::Wrong
    }
}

impl Caller {
    /// Whether the form that a caller sends is one of his own session. A program sends none: no page can make a browser
    /// show a token.
    pub fn proves(&self, shown: &str) -> bool {
        match self {
            Caller::Anybody => false,
            Caller::Program => true,
            Caller::Session { proof } => proof.as_bytes().ct_eq(shown.as_bytes()).into(),
        }
    }
}

/// The header that gives a browser its session, or takes it away again.
pub fn cookie(name: &str, is_secure: bool) -> String {
    let lasts = if name.is_empty() { 0 } else { SESSION.as_secs() };
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{COOKIE}={name}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Strict{secure}")
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let fields = headers.get_all(header::COOKIE).into_iter();
    let pairs = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'));
    pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Digests are compared, which are of one length and tell nothing of the token.
fn digest_of(token: &Secret) -> Result<Random, Refused> {
    let token = opened(token).map_err(Refused::Unusable)?;
    Ok(digest(token.expose_secret().as_bytes()))
}

/// The token as it is now, else why it lets nobody in.
pub fn opened(token: &Secret) -> Result<SecretString, String> {
    let token = token.open().map_err(|error| error.to_string())?;
    if token.expose_secret().chars().count() < SHORTEST_TOKEN {
        return Err(format!("it is shorter than {SHORTEST_TOKEN} characters"));
    }
    Ok(token)
}

fn digest(octets: &[u8]) -> Random {
    Sha256::digest(octets).into()
}

fn random() -> Result<Random, Refused> {
    let mut random = Random::default();
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| Refused::Unusable("the system gives no random octets".to_owned()))?;
    Ok(random)
}

/// Whoever has one IPv6 address has the 64 bits behind it.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "correct horse battery staple";

    fn secret(text: &str) -> Secret {
        Secret::Literal(SecretString::from(text))
    }

    fn peer(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    fn in_session(name: &str) -> HeaderMap {
        with(header::COOKIE, &format!("other=1; {COOKIE}={name}"))
    }

    #[test]
    fn without_a_token_everybody_reads_and_nobody_writes() {
        let access = Access::default();
        let caller = access.caller(None, &HeaderMap::new(), peer(1), Instant::now()).unwrap();
        assert_eq!(caller, Caller::Anybody);
        assert!(!caller.proves(""));
    }

    #[test]
    fn a_session_is_opened_by_the_token_lasts_a_day_and_ends_with_the_token() {
        let (access, token, now) = (Access::default(), secret(TOKEN), Instant::now());
        let look = |headers: &HeaderMap, token: &Secret, now| access.caller(Some(token), headers, peer(1), now);
        assert_eq!(look(&HeaderMap::new(), &token, now), Err(Refused::SignIn));
        assert_eq!(access.sign_in(&token, "wrong", peer(1), now), Err(Refused::Wrong));
        let name = access.sign_in(&token, TOKEN, peer(1), now).unwrap();
        let headers = in_session(&name);
        let caller = look(&headers, &token, now).unwrap();
        let Caller::Session { proof } = &caller else {
            panic!("{caller:?}")
        };
        assert!(caller.proves(proof) && !caller.proves("") && !caller.proves(&name));
        assert_eq!(look(&in_session("0123"), &token, now), Err(Refused::SignIn));
        assert_eq!(look(&headers, &token, now + SESSION), Err(Refused::SignIn));
        let another = secret("another token that is long");
        assert_eq!(look(&headers, &another, now), Err(Refused::SignIn));
        access.sign_out(&headers);
        assert_eq!(look(&headers, &token, now), Err(Refused::SignIn));
    }

    #[test]
    fn a_program_shows_the_token_with_each_request() {
        let (access, token, now) = (Access::default(), secret(TOKEN), Instant::now());
        let look = |value: &str| {
            let headers = with(header::AUTHORIZATION, value);
            access.caller(Some(&token), &headers, peer(1), now)
        };
        assert_eq!(look(&format!("Bearer {TOKEN}")), Ok(Caller::Program));
        assert_eq!(look(&format!("bearer {TOKEN}")), Ok(Caller::Program));
        assert_eq!(look("Bearer other"), Err(Refused::Wrong));
        assert_eq!(look("Basic YTpi"), Err(Refused::SignIn));
    }

    #[test]
    fn after_too_many_wrong_tokens_more_are_too_often_and_the_right_one_is_let_through() {
        let (access, token, now) = (Access::default(), secret(TOKEN), Instant::now());
        let attempt = |shown: &str, last: u8, now| access.sign_in(&token, shown, peer(last), now);
        for _ in 0..TRIES {
            assert_eq!(attempt("wrong", 1, now), Err(Refused::Wrong));
        }
        assert_eq!(attempt("wrong", 1, now), Err(Refused::TooOften));
        assert!(attempt(TOKEN, 1, now).is_ok(), "the right one");
        assert_eq!(
            attempt("wrong", 1, now),
            Err(Refused::TooOften),
            "which begins nothing anew"
        );
        assert_eq!(attempt("wrong", 2, now), Err(Refused::Wrong), "another address");
        assert_eq!(attempt("wrong", 1, now + WITHIN), Err(Refused::Wrong), "later");
    }

    #[test]
    fn those_who_have_many_addresses_are_bounded_together() {
        let (access, token, now) = (Access::default(), secret(TOKEN), Instant::now());
        let refused = (0..=255).map(|last| access.sign_in(&token, "wrong", peer(last), now).unwrap_err());
        let compared = refused.filter(|refused| *refused == Refused::Wrong).count();
        assert_eq!(compared, TRIES_OF_ALL as usize);
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9"));
        assert_eq!(of("::ffff:192.0.2.1"), peer(1));
    }

    #[test]
    fn there_are_so_many_sessions_and_the_oldest_goes() {
        let (access, token, now) = (Access::default(), secret(TOKEN), Instant::now());
        let name = |second| {
            access
                .sign_in(&token, TOKEN, peer(1), now + Duration::from_secs(second))
                .unwrap()
        };
        let first = name(0);
        let names: Vec<String> = (1..=MOST_SESSIONS as u64).map(name).collect();
        let is_in = |name: &str| access.caller(Some(&token), &in_session(name), peer(1), now).is_ok();
        assert!(!is_in(&first) && names.iter().all(|name| is_in(name)));
        assert_eq!(access.known().sessions.len(), MOST_SESSIONS);
    }

    #[test]
    fn a_token_that_can_not_be_read_or_is_short_lets_nobody_in() {
        let access = Access::default();
        for token in [secret("short"), Secret::Env("HALO_INTAKE_NO_SUCH".to_owned())] {
            let refused = access.sign_in(&token, "short", peer(1), Instant::now());
            assert!(matches!(refused, Err(Refused::Unusable(_))), "{refused:?}");
        }
    }

    #[test]
    fn a_cookie_is_of_this_site_alone_and_no_script_reads_it() {
        let attributes = "; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict";
        assert_eq!(cookie("abc", false), format!("halo-intake=abc{attributes}"));
        assert_eq!(cookie("abc", true), format!("halo-intake=abc{attributes}; Secure"));
        assert!(cookie("", false).contains("Max-Age=0;"));
    }
}
