//! What is built in of a provider, and what is written over it.

use std::cell::RefCell;

use serde_json::{Value as Json, json};

use super::*;
use crate::config::layers::values_of;

const WHO: Who<'_> = Who {
    username: "ann@example.com",
    acts_as: "shared@example.com",
    mailbox: None,
};

fn read(oauth: Json) -> OAuthConfig {
    let tree = values_of("a.toml", json!({ "oauth": oauth })).into_table().unwrap();
    let faults = RefCell::default();
    let table = Table::new("mailbox.a", &tree, Map::new(), &faults);
    let who = Who {
        mailbox: Some(MailboxName("a".into())),
        ..WHO
    };
    let read = SignIn::read(&table, Some(&who));
    assert!(faults.borrow().is_empty(), "{:?}", faults.borrow());
    read.unwrap().oauth().unwrap().clone()
}

#[test]
fn the_grant_follows_from_what_is_written() {
    let secret = json!({ "env": "X" });
    for (oauth, grant, login) in [
        (
            json!({ "provider": "microsoft", "tenant": "t", "client_id": "x", "client_secret": secret }),
            Grant::ClientCredentials,
            "ann@example.com",
        ),
        (
            json!({ "provider": "microsoft", "tenant": "t", "client_id": "x" }),
            Grant::RefreshToken,
            "ann@example.com",
        ),
        (
            json!({ "provider": "microsoft", "tenant": "t", "client_id": "x", "client_secret": secret, "refresh_token": secret }),
            Grant::RefreshToken,
            "ann@example.com",
        ),
        (
            json!({ "provider": "microsoft", "tenant": "t", "client_id": "x", "client_secret": secret, "grant": "refresh_token" }),
            Grant::RefreshToken,
            "ann@example.com",
        ),
        (
            json!({ "provider": "google", "service_account": secret }),
            Grant::ServiceAccount,
            "shared@example.com",
        ),
        (
            json!({ "provider": "google", "client_id": "x", "client_secret": secret, "refresh_token": secret }),
            Grant::RefreshToken,
            "ann@example.com",
        ),
        (
            json!({ "provider": "other", "token_url": "https://a.example/t", "client_id": "x", "client_secret": secret }),
            Grant::ClientCredentials,
            "ann@example.com",
        ),
        (
            json!({ "provider": "other", "token_url": "https://a.example/t", "device_url": "https://a.example/d", "client_id": "x" }),
            Grant::RefreshToken,
            "ann@example.com",
        ),
    ] {
        let config = read(oauth.clone());
        assert_eq!((config.grant, config.login.as_str()), (grant, login), "{oauth}");
    }
}

#[test]
fn addresses_and_scopes_are_built_in_and_can_be_overruled() {
    let built_in = read(json!({ "provider": "microsoft", "tenant": "example.com", "client_id": "x" }));
    assert_eq!(
        built_in.token_url.as_str(),
        "https://login.microsoftonline.com/example.com/oauth2/v2.0/token"
    );
    assert_eq!(
        built_in.device_url.unwrap().as_str(),
        "https://login.microsoftonline.com/example.com/oauth2/v2.0/devicecode"
    );
    assert!(built_in.scope.ends_with(" offline_access"));
    let google = read(json!({ "provider": "google", "service_account": { "file": "/a" } }));
    assert_eq!(
        (google.token_url.as_str(), google.scope.as_str(), google.device_url),
        (GOOGLE, GOOGLE_MAIL, None)
    );
    let own = read(json!({
        "provider": "microsoft", "client_id": "x", "token_url": "http://127.0.0.1:1/t",
        "device_url": "http://[::1]:1/d", "scope": "a b", "client_secret_expires": "2027-05-31",
    }));
    assert_eq!(
        (own.token_url.as_str(), own.scope.as_str()),
        ("http://127.0.0.1:1/t", "a b")
    );
    assert_eq!(own.client_secret_expires, Some(jiff::civil::date(2027, 5, 31)));
}
