//! The sandbox's authorisation server: client credentials for a token, and where it is to be found.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    CLIENT_ID, CLIENT_SECRET, listing::Query, reply::Reply, routes::Asked, state::World, switches::WrongTenant,
};

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

/// A token that was given out.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// None: there is no such moment, it is good for ever.
    until: Option<Instant>,
    scopes: String,
}

impl Token {
    /// Whether it was still good so long ago.
    fn is_good(&self, ago: Duration) -> bool {
        let then = Instant::now().checked_sub(ago);
        self.until.is_none_or(|until| then.is_none_or(|then| then < until))
    }
}

/// So long a token that has expired is told from one that never was.
const REMEMBERED: Duration = Duration::from_secs(3600);

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
pub(super) fn token(world: &World, asked: &Asked) -> Reply {
    let (form, tenant) = (asked.form(), asked.query.text("tenant"));
    let switches = world.switches().clone();
    let refused = |http_status, error: &str, text: &str| {
        Reply::json(http_status, json!({ "error": error, "error_description": text }))
    };
    if !tenant.is_empty() && tenant != TENANT {
        return match switches.wrong_tenant {
            WrongTenant::Json => refused(400, "invalid_request", "The tenant is not known."),
            WrongTenant::Page => Reply::page(404),
            WrongTenant::Empty => Reply::empty(404).because("the tenant is not known"),
        };
    }
    if switches.content_types && !asked.is_form() {
        return refused(400, "invalid_request", "The content type is not that of a form.");
    }
    if form.text("grant_type") != "client_credentials" {
        return refused(400, "unsupported_grant_type", "The grant type is not supported.");
    }
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
    let made = Token {
        until: Instant::now().checked_add(Duration::from_secs(switches.token_lifetime_s)),
        scopes: scope.to_owned(),
    };
    let mut store = world.store();
    store.tokens.retain(|_, older| older.is_good(REMEMBERED));
    if switches.one_token {
        store
            .tokens
            .values_mut()
            .for_each(|older| older.until = Some(Instant::now()));
    }
    store.tokens.insert(token.clone(), made);
    let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": switches.token_lifetime_s, "scope": scope });
    Reply::json(200, answer)
}

/// What the log keeps of a sign-in.
pub(super) fn logged(form: &Query) -> Value {
    json!({ "grant_type": form.text("grant_type"), "client_id": form.text("client_id"), "scope": form.text("scope") })
}

/// The scopes of the token in an `Authorization` field, or what is wrong with it.
pub(super) fn scopes(world: &World, authorization: &str) -> Result<String, &'static str> {
    let token = authorization
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or("there is no bearer token")?;
    match world.store().tokens.get(token) {
        None => Err("the token is not known"),
        Some(known) if known.is_good(Duration::ZERO) => Ok(known.scopes.clone()),
        Some(_) => Err("the token has expired"),
    }
}

/// Whether scopes are enough for a request to an area, `tickets` or `customers`. Who may edit may read.
pub(super) fn is_enough(scopes: &str, method: &str, area: &str) -> bool {
    scopes.split_whitespace().any(|scope| match scope.split_once(':') {
        None => scope == "all",
        Some(("edit", of)) => of == area,
        Some(("read", of)) => of == area && method == "GET",
        Some(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_for_an_area_and_reading_is_not_writing() {
        for (scopes, method, area, expected) in [
            ("all", "POST", "tickets", true),
            ("read:customers", "GET", "customers", true),
            ("read:customers", "POST", "customers", false),
            ("read:customers", "GET", "tickets", false),
            ("read:customers edit:tickets", "DELETE", "tickets", true),
            ("edit:tickets", "GET", "tickets", true),
            ("", "GET", "tickets", false),
        ] {
            assert_eq!(is_enough(scopes, method, area), expected, "{scopes:?} {method} {area}");
        }
    }
}
