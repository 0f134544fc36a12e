//! Where a token is asked for, and how long it serves.

use super::*;

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

#[test]
fn the_token_is_asked_for_below_the_authorisation_server() {
    for (auth_url, tenant, expected) in [
        ("https://halo.example/auth", None, "https://halo.example/auth/token"),
        (
            "https://halo.example/auth/",
            Some("acme"),
            "https://halo.example/auth/token?tenant=acme",
        ),
        (
            "https://auth.halo.example",
            Some("a&b"),
            "https://auth.halo.example/token?tenant=a%26b",
        ),
        (
            "https://halo.example/auth?x=1#y",
            None,
            "https://halo.example/auth/token",
        ),
    ] {
        assert_eq!(token_url(&url(auth_url), tenant).as_str(), expected);
    }
}

#[test]
fn discovery_never_leads_from_tls_to_cleartext() {
    let read = |base: &str, body: &str| {
        read_auth_info(body.as_bytes(), &url(base)).map(|(url, tenant)| (url.to_string(), tenant))
    };
    let https = r#"{"auth_url":"https://auth.example/x","tenant_id":"acme"}"#;
    let http = r#"{"auth_url":"http://auth.example/","tenant_id":""}"#;
    assert_eq!(
        read("https://halo.example", https),
        Some(("https://auth.example/x".into(), Some("acme".into())))
    );
    assert_eq!(read("https://halo.example", http), None);
    assert_eq!(
        read("http://127.0.0.1", http),
        Some(("http://auth.example/".into(), None))
    );
    assert_eq!(
        read("https://halo.example", r#"{"auth_url":"/auth"}"#),
        Some(("https://halo.example/auth".into(), None))
    );
    assert_eq!(read("https://halo.example", r#"{"auth_url":"ftp://x"}"#), None);
    assert_eq!(read("https://halo.example", "<html>"), None);
}

#[test]
fn a_token_is_replaced_early_even_when_it_lives_shortly() {
    let seconds = Duration::from_secs;
    assert_eq!(usable_for(seconds(3600), seconds(60)), seconds(3540));
    assert_eq!(usable_for(seconds(60), seconds(60)), seconds(30));
    assert_eq!(usable_for(seconds(0), seconds(60)), seconds(0));
}

#[test]
fn all_but_the_token_itself_is_optional() {
    let life = |body: &str| read_token(body.as_bytes()).map(|(_, life)| life.as_secs());
    assert_eq!(life(r#"{"access_token":"x","expires_in":120}"#), Some(120));
    assert_eq!(life(r#"{"access_token":"x","expires_in":"120"}"#), Some(120));
    assert_eq!(life(r#"{"access_token":"x","expires_in":-1}"#), Some(3600));
    assert_eq!(life(r#"{"access_token":"x"}"#), Some(3600));
    assert_eq!(life(r#"{"access_token":""}"#), None);
    assert_eq!(life(r#"{"access_token":"a\nX: b"}"#), None);
    assert_eq!(life("<html>"), None);
}

#[test]
fn a_token_never_prints() {
    let (token, _) = read_token(br#"{"access_token":"s3cr3t"}"#).unwrap();
    assert!(!format!("{token:?}").contains("s3cr3t"));
}
