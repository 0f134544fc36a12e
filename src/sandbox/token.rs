//! The sandbox's authorisation server: client credentials for a token, and where it is to be found.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{CLIENT_ID, CLIENT_SECRET, listing::Query, reply::Reply, state::World};

/// The tenant that `AuthInfo` names.
const TENANT: &str = "sandbox";

/// What an application may be granted; there is no such thing as `read:actions`.
const SCOPES: &[&str] = &[
    "all",
    "read:tickets",
    "edit:tickets",
    "read:customers",
    "edit:customers",
    "read:calendar",
    "edit:calendar",
];

/// `GET /api/AuthInfo`, without a token.
pub(super) fn auth_info(world: &World) -> Reply {
    if !world.switches().auth_info {
        return Reply::empty(404);
    }
    let auth_url = format!("{}auth", world.base);
    Reply::json(
        200,
        json!({ "auth_url": auth_url, "tenant_id": TENANT, "authority": null }),
    )
}

/// `POST /auth/token`
pub(super) fn token(world: &World, form: &Query, tenant: &str) -> Reply {
    let refused = |http_status, error: &str, text: &str| {
        Reply::json(http_status, json!({ "error": error, "error_description": text }))
    };
    if !tenant.is_empty() && tenant != TENANT {
        return refused(400, "invalid_request", "The tenant is not known.");
    }
    if form.text("grant_type") != "client_credentials" {
        return refused(400, "unsupported_grant_type", "The grant type is not supported.");
    }
    let switches = world.switches().clone();
    let is_known = form.text("client_id") == CLIENT_ID && form.text("client_secret") == CLIENT_SECRET;
    if !is_known || switches.reject_credentials {
        return Reply::json(switches.invalid_client_status, json!({ "error": "invalid_client" }));
    }
    let scope = form.text("scope");
    if scope.split_whitespace().any(|scope| !SCOPES.contains(&scope)) {
        return refused(400, "invalid_scope", "A scope is not known.");
    }
    let token: String = std::iter::repeat_with(|| format!("{:016x}", fastrand::u64(..)))
        .take(3)
        .collect();
    let until = Instant::now() + Duration::from_secs(switches.token_lifetime_s);
    let mut store = world.store();
    store
        .tokens
        .retain(|_, until| !switches.one_token && Instant::now() < *until);
    store.tokens.insert(token.clone(), until);
    let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": switches.token_lifetime_s, "scope": scope });
    Reply::json(200, answer)
}

/// What the log keeps of a sign-in.
pub(super) fn logged(form: &Query) -> Value {
    json!({ "grant_type": form.text("grant_type"), "client_id": form.text("client_id"), "scope": form.text("scope") })
}

/// Whether the token of an `Authorization` field is good.
pub(super) fn is_good(world: &World, authorization: &str) -> bool {
    let Some((scheme, token)) = authorization.split_once(' ') else {
        return false;
    };
    let store = world.store();
    scheme.eq_ignore_ascii_case("bearer")
        && store
            .tokens
            .get(token.trim())
            .is_some_and(|until| Instant::now() < *until)
}
