//! The assertion of a service account: a JWT that its key signs (RFC 7523, RS256), on behalf of one user.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde::Deserialize;
use serde_json::json;

use super::{OAuthError, exchange};
use crate::{
    config::OAuthConfig,
    secret::{ExposeSecret, SecretString},
};

/// Google takes no longer one.
const LIFE: i64 = 3600;

/// What we need of the JSON key.
#[derive(Deserialize)]
struct Key {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: String,
}

/// The signed assertion.
pub(super) fn sign(config: &OAuthConfig, now: Timestamp) -> Result<SecretString, OAuthError> {
    let no_key = |reason: &str| OAuthError::NoKey {
        login: config.login.clone(),
        reason: reason.to_owned(),
        remedy: "download a JSON key of the service account, and set service_account to that file",
    };
    let secret = config.service_account.as_ref().ok_or_else(|| no_key("there is none"))?;
    let text = exchange::open(config, "service_account", secret)?;
    // The parsers' own words may hold a piece of the key.
    let key: Key = serde_json::from_str(text.expose_secret())
        .map_err(|_| no_key("it is no JSON with client_email and private_key"))?;
    let der = PrivatePkcs8KeyDer::from_pem_slice(key.private_key.as_bytes())
        .map_err(|_| no_key("its private_key is no PEM that begins with BEGIN PRIVATE KEY"))?;
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
        .map_err(|_| no_key("its private_key is no RSA key of 2048 bits or more"))?;
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": key.private_key_id });
    let claims = json!({
        "iss": key.client_email,
        "sub": config.login,
        "scope": config.scope,
        "aud": config.token_url,
        "iat": now.as_second(),
        "exp": now.as_second() + LIFE,
    });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .map_err(|_| no_key("it does not sign"))?;
    Ok(SecretString::from(format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(signature)
    )))
}
