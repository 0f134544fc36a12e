//! A small authorization server on loopback: the four grants, tokens that a Dovecot of ours verifies, and switches for
//! everything that a provider may answer.
//!
//! Shared by several test binaries with `#[path]`; each uses a part of it.
#![allow(dead_code, clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

pub const CLIENT_ID: &str = "intake";
pub const CLIENT_SECRET: &str = "application-secret";
/// The refresh token that somebody got elsewhere.
pub const FIRST: &str = "refresh-0";
/// What the tokens are signed with (HS256), as Dovecot's key file has it.
pub const KEY: &str = "bm8gc2VjcmV0IGF0IGFsbCwgYnV0IGxvbmcgZW5vdWdo";
/// Dovecot believes this issuer alone.
pub const ISSUER: &str = "https://issuer.example";

type Fields = BTreeMap<String, String>;

/// What comes of the next question about a code; the last one stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    Pending,
    SlowDown,
    Denied,
    Expired,
    Granted,
}

/// How it behaves; a test changes it at any time.
pub struct Switches {
    /// Whose tokens it hands out.
    pub user: String,
    /// Further claims, over those that there are; null takes one away.
    pub claims: Value,
    /// Tokens that only this server can read.
    pub opaque: bool,
    /// What `expires_in` says.
    pub life: i64,
    /// So much later than it is issued a token ends, by its own claim.
    pub exp: i64,
    /// Each refresh token is good for one use, and another one comes with the answer.
    pub rotates: bool,
    /// A refresh token that was used stays good until the one in its place is used.
    pub grace: bool,
    /// The answer to everything: status, media type, body.
    pub answer: Option<(u16, &'static str, String)>,
    /// Each answer takes so long.
    pub slow: Option<Duration>,
    /// What becomes of a code.
    pub device: VecDeque<Device>,
    /// No refresh token comes with a sign-in.
    pub forgets_refresh_token: bool,
}

impl Switches {
    /// An error as RFC 6749, 5.2, has it.
    pub fn refuse(&mut self, http_status: u16, error: &str, description: &str) {
        let body = json!({ "error": error, "error_description": description });
        self.answer = Some((http_status, "application/json", body.to_string()));
    }
}

struct Shared {
    switches: Mutex<Switches>,
    requests: Mutex<Vec<Fields>>,
    refresh_tokens: Mutex<BTreeSet<String>>,
    /// By the token that took its place, the one that is still good in grace.
    in_grace: Mutex<BTreeMap<String, String>>,
    issued: Mutex<Vec<String>>,
    count: AtomicU32,
}

/// A running server; it ends when this is dropped.
pub struct Authorization {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Authorization {
    /// On a free port, on a runtime of its own, for tests of either kind.
    pub fn start(user: &str) -> Authorization {
        let switches = Switches {
            user: user.to_owned(),
            claims: json!({}),
            opaque: false,
            life: 3600,
            exp: 3600,
            rotates: false,
            grace: false,
            answer: None,
            slow: None,
            device: VecDeque::from([Device::Granted]),
            forgets_refresh_token: false,
        };
        let shared = Arc::new(Shared {
            switches: Mutex::new(switches),
            requests: Mutex::default(),
            refresh_tokens: Mutex::new(BTreeSet::from([FIRST.to_owned()])),
            in_grace: Mutex::default(),
            issued: Mutex::default(),
            count: AtomicU32::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/{what}", post(answer)).with_state(shared.clone());
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        Authorization {
            address,
            shared,
            runtime: Some(runtime),
        }
    }

    pub fn url(&self, what: &str) -> String {
        format!("http://{}/{what}", self.address)
    }

    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut held(&self.shared.switches));
    }

    /// The forms that came, oldest first.
    pub fn requests(&self) -> Vec<Fields> {
        held(&self.shared.requests).clone()
    }

    /// How many tokens were asked for.
    pub fn asked(&self) -> usize {
        self.requests()
            .iter()
            .filter(|form| form.contains_key("grant_type"))
            .count()
    }

    /// The refresh tokens that came, in their order.
    pub fn refreshed_with(&self) -> Vec<String> {
        let requests = self.requests();
        requests
            .iter()
            .filter_map(|form| form.get("refresh_token").cloned())
            .collect()
    }

    /// The access tokens that were handed out.
    pub fn issued(&self) -> Vec<String> {
        held(&self.shared.issued).clone()
    }

    /// No refresh token is good any more.
    pub fn revoke(&self) {
        held(&self.shared.refresh_tokens).clear();
        held(&self.shared.in_grace).clear();
    }

    /// One more that is good.
    pub fn allow(&self, refresh_token: &str) {
        held(&self.shared.refresh_tokens).insert(refresh_token.to_owned());
    }
}

impl Drop for Authorization {
    fn drop(&mut self) {
        // An asynchronous test may not wait for it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(shared): State<Arc<Shared>>, Path(what): Path<String>, body: String) -> Response {
    let form: Fields = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    held(&shared.requests).push(form.clone());
    let slow = held(&shared.switches).slow;
    if let Some(slow) = slow {
        tokio::time::sleep(slow).await;
    }
    if let Some((http_status, media_type, body)) = held(&shared.switches).answer.clone() {
        let status = StatusCode::from_u16(http_status).unwrap();
        return (status, [(CONTENT_TYPE, media_type)], body).into_response();
    }
    match (what.as_str(), form.get("grant_type").map(String::as_str)) {
        ("device", _) => json_answer(200, &code()),
        ("token", Some("client_credentials")) => with_secret(&form, || shared.token(None)),
        ("token", Some("refresh_token")) => shared.refresh(&form),
        ("token", Some("urn:ietf:params:oauth:grant-type:device_code")) => shared.device(),
        ("token", Some("urn:ietf:params:oauth:grant-type:jwt-bearer")) => shared.assertion(&form),
        _ => refusal("unsupported_grant_type", "no such grant"),
    }
}

fn code() -> Value {
    json!({
        "device_code": "device-code",
        "user_code": "ABCD-EFGH",
        "verification_uri": "https://login.example.com/device",
        "expires_in": 900,
        "interval": 0,
    })
}

fn with_secret(form: &Fields, then: impl FnOnce() -> Response) -> Response {
    match (form.get("client_id"), form.get("client_secret")) {
        (Some(id), Some(secret)) if id == CLIENT_ID && secret == CLIENT_SECRET => then(),
        _ => refusal("invalid_client", "the secret application-secret is wrong, or another"),
    }
}

fn refusal(error: &str, description: &str) -> Response {
    json_answer(400, &json!({ "error": error, "error_description": description }))
}

fn json_answer(http_status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(http_status).unwrap();
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

impl Shared {
    fn refresh(&self, form: &Fields) -> Response {
        let given = form.get("refresh_token").cloned().unwrap_or_default();
        if !held(&self.refresh_tokens).contains(&given) {
            return refusal("invalid_grant", &format!("{given} is expired or revoked"));
        }
        if let Some(before) = held(&self.in_grace).remove(&given) {
            held(&self.refresh_tokens).remove(&before);
        }
        let (rotates, grace) = {
            let switches = held(&self.switches);
            (switches.rotates, switches.grace)
        };
        if !rotates {
            return self.token(None);
        }
        let another = self.another();
        if grace {
            held(&self.in_grace).insert(another.clone(), given);
        } else {
            held(&self.refresh_tokens).remove(&given);
        }
        self.token(Some(another))
    }

    fn another(&self) -> String {
        let another = format!("refresh-{}", self.count());
        held(&self.refresh_tokens).insert(another.clone());
        another
    }

    fn count(&self) -> u32 {
        self.count.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn device(&self) -> Response {
        let (next, forgets) = {
            let mut switches = held(&self.switches);
            let next = match switches.device.len() {
                1 => switches.device[0],
                _ => switches.device.pop_front().unwrap(),
            };
            (next, switches.forgets_refresh_token)
        };
        match next {
            Device::Pending => refusal("authorization_pending", "nobody yet"),
            Device::SlowDown => refusal("slow_down", "not so often"),
            Device::Denied => refusal("access_denied", "somebody said no"),
            Device::Expired => refusal("expired_token", "too late"),
            Device::Granted => self.token((!forgets).then(|| self.another())),
        }
    }

    /// Verifies the signature with the public half of the test's key, which `kid` names as a file.
    fn assertion(&self, form: &Fields) -> Response {
        let text = form.get("assertion").cloned().unwrap_or_default();
        let parts: Vec<&str> = text.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return refusal("invalid_grant", "Invalid JWT");
        };
        let open = |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        let public = std::fs::read(open(header)["kid"].as_str().unwrap()).unwrap();
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, public);
        let signed = format!("{header}.{claims}");
        if key
            .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .is_err()
        {
            return refusal("invalid_grant", "Invalid JWT Signature.");
        }
        let claims = open(claims);
        let user = held(&self.switches).user.clone();
        if claims["sub"] != user.as_str() {
            return refusal(
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens",
            );
        }
        self.token(None)
    }

    fn token(&self, refresh_token: Option<String>) -> Response {
        let number = self.count();
        let switches = held(&self.switches);
        let token = if switches.opaque {
            format!("opaque-{number}")
        } else {
            minted(&switches, number)
        };
        held(&self.issued).push(token.clone());
        let mut body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": switches.life });
        if let Some(refresh_token) = refresh_token {
            body["refresh_token"] = refresh_token.into();
        }
        json_answer(200, &body)
    }
}

/// A JWT that Dovecot takes, unless a switch spoils it.
fn minted(switches: &Switches, number: u32) -> String {
    let now = jiff::Timestamp::now().as_second();
    let mut claims = json!({
        "iss": ISSUER,
        "sub": switches.user,
        "email": switches.user,
        "aud": "https://outlook.office365.com",
        "iat": now,
        "exp": now + switches.exp,
        "jti": number,
    });
    for (name, value) in switches.claims.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT" })), part(&claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &STANDARD.decode(KEY).unwrap());
    let signature = ring::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}
