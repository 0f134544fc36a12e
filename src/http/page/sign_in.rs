//! Signing in with the token, and out again.

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::html;

use super::{
    Answer, Site,
    query::Query,
    refusal::Refusal,
    sheet::{Sheet, Tab},
};
use crate::{
    clock,
    http::{
        access::{Caller, Refused, cookie},
        guard,
        server::Peer,
    },
};

/// The form.
pub async fn page(State(site): State<Site>, RawQuery(query): RawQuery) -> Response {
    if site.config().and_then(|http| http.token).is_none() {
        return no_token().into_response();
    }
    let query = Query::of(query.as_deref());
    form(query.text("next"), StatusCode::OK, None)
}

/// The form in the place of a page that only those see who signed in.
pub fn asked_for(path: &str) -> Response {
    let mut response = form(path, StatusCode::UNAUTHORIZED, None);
    // No browser asks by itself for a token of this kind.
    let challenge = header::HeaderValue::from_static("Bearer realm=\"halo-intake\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn no_token() -> Refusal {
    Refusal::not_found("There is nothing to sign in to: [http] has no token, so whoever reaches this page may read it.")
}

fn form(next: &str, status: StatusCode, wrong: Option<&str>) -> Response {
    let sheet = Sheet {
        title: "Sign in",
        tab: Tab::None,
        caller: None,
        again: None,
    };
    let content = html! {
        h1 { "Sign in" }
        @if let Some(wrong) = wrong {
            p .bad role="alert" { (wrong) }
        }
        form .card method="post" action="/sign-in" {
            input type="hidden" name="next" value=(local(next));
            p {
                label for="token" { "Token" } br;
                input #token type="password" name="token" autocomplete="current-password" required autofocus;
            }
            p { button { "Sign in" } }
        }
        p .faint { "It is the token of [http] in the configuration of halo-intake. A session lasts twelve hours." }
        // A link from a mail or another site comes without the session.
        p .faint { "Signed in already, and here by a link from elsewhere? " a href=(local(next)) { "Go on" } }
    };
    sheet.with_status(status, &content)
}

/// Compares the token and opens a session.
pub async fn sign_in(
    State(site): State<Site>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    if !guard::is_from_here(&headers) {
        return Err(from_elsewhere());
    }
    let query = Query::of_form(&headers, body).await?;
    let token = site.config().and_then(|http| http.token).ok_or_else(no_token)?;
    let (shown, next) = (query.text("token"), query.text("next"));
    match site.0.access.sign_in(&token, shown, peer.ip(), clock::moment()) {
        Ok(name) => {
            tracing::info!(%peer, "somebody signed in to the page");
            Ok(to(local(next), Some(cookie(&name, is_secure(&headers)))))
        }
        Err(Refused::Wrong | Refused::SignIn) => Ok(form(next, StatusCode::FORBIDDEN, Some("That is another token."))),
        Err(refused) => Err(Refusal::of_token(&refused)),
    }
}

/// Ends the session.
pub async fn sign_out(
    State(site): State<Site>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let query = Query::of_form(&headers, body).await?;
    let token = site.config().and_then(|http| http.token);
    let caller = site
        .0
        .access
        .caller(token.as_ref(), &headers, peer.ip(), clock::moment());
    if let Ok(caller @ Caller::Session { .. }) = caller {
        if !guard::is_from_here(&headers) || !caller.proves(query.text("proof")) {
            return Err(from_elsewhere());
        }
        site.0.access.sign_out(&headers);
    }
    Ok(to("/sign-in", Some(cookie("", is_secure(&headers)))))
}

/// A form of somebody else's page.
pub fn from_elsewhere() -> Refusal {
    Refusal::forbidden(
        "This form was not sent from this page, or its session is over; open the page again and repeat it.",
    )
}

/// The browser goes there.
pub fn to(path: &str, cookie: Option<String>) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response();
    if let Some(cookie) = cookie.and_then(|cookie| cookie.parse().ok()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Whether a proxy says that the browser came by TLS.
fn is_secure(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https")
}

/// A path of this site, else its first page: whatever a form says, nobody is led elsewhere.
fn local(next: &str) -> &str {
    let is_plain = next.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'\\');
    if next.starts_with('/') && !next.starts_with("//") && is_plain {
        next
    } else {
        "/"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_nobody_is_led_elsewhere() {
        for next in ["/", "/log?from=ann%40acme.example", "/message/17"] {
            assert_eq!(local(next), next);
        }
        for next in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nb",
            "javascript:x",
            "/\t/x",
        ] {
            assert_eq!(local(next), "/", "{next:?}");
        }
    }
}
