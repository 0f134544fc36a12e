//! A report to a webhook. Its address is a secret, since it carries the key: of it the host alone is ever shown.

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    KEY_FIELD, Web, WebError,
    client::{SAID, lost, without},
};
use crate::{
    config::endpoint::{is_here, receiver},
    crash::{self, Step},
    foreign::cut,
    halo::http::wait_of,
    hex::hex,
    secret::{ExposeSecret, Secret, SecretString},
};

/// So much is read of an answer that is no yes.
const READ: usize = 4096;
/// Where one of these names a proxy, names need not be known here.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// A part of an address that is shorter is no key.
const SHORTEST_KEY: usize = 8;

impl Web {
    /// Posts it once. A repeat of the same body carries the same key.
    pub async fn post(&self, webhook: &Secret, body: Bytes) -> Result<(), WebError> {
        let url = opened(webhook)?;
        let called = called(&url);
        let key = hex(&Sha256::digest(&body));
        let request = self
            .agent(&url)?
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(KEY_FIELD, format!("halo-intake:{key}"))
            .body(body);
        let sent = crash::around(Step::Webhook, request.send()).await;
        let mut response = sent.map_err(|error| lost(called.clone(), &error.without_url()))?;
        let http_status = response.status();
        if http_status.is_success() {
            return Ok(());
        }
        let retry_after = wait_of(response.headers());
        let mut said = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await
            && said.len() < READ
        {
            said.extend_from_slice(&chunk);
        }
        let said = String::from_utf8_lossy(&said[..said.len().min(READ)]).into_owned();
        Err(WebError::Unexpected {
            request: called,
            http_status: http_status.as_u16(),
            answer: cut(&without(&keys(&url), said), SAID),
            retry_after,
        })
    }
}

/// The address, for the moment of its use.
fn opened(webhook: &Secret) -> Result<Url, WebError> {
    let written = webhook.open().map_err(WebError::Hidden)?;
    receiver(written.expose_secret()).ok_or(WebError::NoReceiver)
}

/// `the webhook at chat.example`
fn called(url: &Url) -> String {
    format!("the webhook at {}", url.host_str().unwrap_or_default())
}

/// What of an address may be its key: a receiver may repeat it.
fn keys(url: &Url) -> Vec<SecretString> {
    let segments = url.path_segments().into_iter().flatten().map(str::to_owned);
    let values = url.query_pairs().map(|(_, value)| value.into_owned());
    let whole = [url.to_string(), url.query().unwrap_or_default().to_owned()];
    whole
        .into_iter()
        .chain(segments)
        .chain(values)
        .filter(|part| part.len() >= SHORTEST_KEY)
        .map(SecretString::from)
        .collect()
}

/// What `check --online` can say without posting anything: where it leads, and that the name is known.
pub async fn inspect(webhook: &Secret) -> Result<String, WebError> {
    let url = opened(webhook)?;
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
    if !is_here(&url) && PROXIES.iter().any(|name| std::env::var_os(name).is_some()) {
        return Ok(format!("{host} is asked through a proxy; nothing was posted"));
    }
    let name = host.trim_matches(['[', ']']);
    let found = tokio::net::lookup_host((name, port.unwrap_or(443))).await;
    found.map(drop).map_err(|error| WebError::Unreached {
        request: called(&url),
        reason: error.to_string(),
    })?;
    Ok(format!("{host} is known; nothing was posted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_address_but_its_host_is_shown() {
        let url = receiver("https://hooks.chat.example/services/T0B1/abcdefgh12345?code=zyxwvuts98").unwrap();
        assert_eq!(called(&url), "the webhook at hooks.chat.example");
        let said = "no abcdefgh12345 with zyxwvuts98 at https://hooks.chat.example/services/T0B1/abcdefgh12345?code=zyxwvuts98";
        assert_eq!(
            without(&keys(&url), said.to_owned()),
            "no (secret) with (secret) at (secret)"
        );
    }

    #[test]
    fn a_secret_that_is_no_address_is_told_without_it() {
        for written in [
            "http://chat.example/key-4711",
            "https://ann:key-4711@chat.example/",
            "key-4711",
        ] {
            let error = opened(&Secret::Literal(SecretString::from(written))).unwrap_err();
            assert!(!error.to_string().contains("4711"), "{error}");
        }
    }
}
