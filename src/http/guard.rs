//! Around every answer: by which name it may be asked for, how long it may take, and what a browser may do with it.

use std::{net::IpAddr, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use tokio::time::timeout;

use super::{Site, page::refusal};
use crate::config::http::folded;

/// An answer that is not begun after this time is none.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Nothing but our own style, forms and frames; nobody frames us.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
    frame-src 'self'; frame-ancestors 'none'; base-uri 'none'";
/// What every answer says unless it says something stricter itself.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The outermost layer.
pub async fn guard(State(site): State<Site>, request: Request, next: Next) -> Response {
    let mut response = match stranger(&site, &request) {
        Some(name) => refusal::unknown_host(&name),
        None if !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) => refusal::method(),
        None => {
            let is_form = *request.method() == Method::POST;
            let answer = timeout(ANSWER_WITHIN, next.run(request)).await;
            answer.unwrap_or_else(|_| refusal::too_slow(is_form))
        }
    };
    for (name, value) in HEADERS {
        let said = response.headers_mut().entry(name);
        said.or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The name by which it is asked for, where it is none of ours. A page of somebody else, whose name was made to lead
/// here (DNS rebinding), would otherwise read what a browser on this machine may.
fn stranger(site: &Site, request: &Request) -> Option<String> {
    let hosts = site.config().map(|http| http.hosts).unwrap_or_default();
    let mut asked: Vec<String> = request.uri().authority().map(ToString::to_string).into_iter().collect();
    let said = request.headers().get_all(header::HOST);
    asked.extend(
        said.iter()
            .map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned()),
    );
    if asked.is_empty() {
        return Some(String::new());
    }
    asked.into_iter().find(|host| !is_ours(host, &hosts))
}

/// Whether a Host header names us: by an address, as this machine's own, or by a configured name.
fn is_ours(host: &str, hosts: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = folded(name);
    name == "localhost" || name.parse::<IpAddr>().is_ok() || hosts.contains(&name)
}

/// Whether a browser sends it from one of our own pages. What is no browser says nothing of it.
pub fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    let Some(origin) = text(header::ORIGIN) else {
        return true;
    };
    // A proxy ends TLS, so the scheme is not compared.
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some_and(|authority| text(header::HOST) == Some(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_for_by_address_as_localhost_or_by_a_name_of_the_configuration() {
        let hosts = ["intake.example.com".to_owned()];
        for host in [
            "127.0.0.1:9745",
            "127.0.0.1",
            "[::1]:9745",
            "[::1]",
            "localhost",
            "LOCALHOST:9745",
            "localhost.:9745",
            "192.0.2.7:9745",
            "intake.example.com",
            "Intake.Example.com.:443",
        ] {
            assert!(is_ours(host, &hosts), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:9745",
            "intake.example.com.evil.example",
            "user@intake.example.com",
            "[evil.example]",
            "::1",
        ] {
            assert!(!is_ours(host, &hosts), "{host}");
        }
    }

    #[test]
    fn a_form_comes_from_a_page_of_ours() {
        let of = |fields: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, value.parse().unwrap());
            }
            is_from_here(&headers)
        };
        let host = ("host", "127.0.0.1:9745");
        assert!(of(&[host]), "no browser");
        assert!(of(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(of(&[host, ("origin", "http://127.0.0.1:9745")]));
        assert!(of(&[
            ("host", "intake.example.com"),
            ("origin", "https://intake.example.com")
        ]));
        for site in ["cross-site", "same-site", "none"] {
            assert!(
                !of(&[host, ("sec-fetch-site", site), ("origin", "http://127.0.0.1:9745")]),
                "{site}"
            );
        }
        for origin in ["null", "http://127.0.0.1:9746", "http://evil.example"] {
            assert!(!of(&[host, ("origin", origin)]), "{origin}");
        }
    }
}
