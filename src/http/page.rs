//! The page for people: mailboxes with their state, the journal with search, one message with all that happened, the
//! rules, and a message run again. Whatever a mail says is text here; its HTML is written anew, and shown in a frame
//! that may do nothing.

use std::future::Future;

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{Site, access::Refused, server::Peer};
use crate::{
    clock,
    journal::{Journal, JournalError},
    task,
};
use refusal::Refusal;

mod form;
mod frame;
mod log;
mod message;
mod nodes;
mod overview;
mod query;
pub mod refusal;
mod rules;
mod sheet;
mod sign_in;
mod trace;
mod words;

/// A page waits so long for its turn to look into the journal.
const TURN_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

type Answer = Result<Response, Refusal>;

/// What shows mail, or touches it.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/", get(overview::page))
        .route("/log", get(log::page))
        .route("/rules", get(rules::page))
        .route("/message/{id}", get(message::page))
        .route("/message/{id}/html", get(frame::page))
        .route("/message/{id}/raw", get(frame::raw))
        .route("/message/{id}/retry", post(form::retry))
}

/// What anybody may ask for.
pub fn open_routes() -> Router<Site> {
    Router::new()
        .route("/page.css", get(sheet::style))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
}

/// Lets those pass who may read, and says to the others how they may.
pub async fn for_readers(
    State(site): State<Site>,
    Extension(Peer(peer)): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let token = site.config().and_then(|http| http.token);
    let caller = site
        .0
        .access
        .caller(token.as_ref(), request.headers(), peer.ip(), clock::moment());
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refused) => refuse(&refused, &request),
    }
}

fn refuse(refused: &Refused, request: &Request) -> Response {
    // Whoever sent a form comes back to no form.
    let path = request
        .uri()
        .path_and_query()
        .filter(|_| request.method() != Method::POST);
    match refused {
        Refused::SignIn | Refused::Wrong => sign_in::asked_for(path.map_or("/", |path| path.as_str())),
        other => Refusal::of_token(other).into_response(),
    }
}

/// What there is not.
pub async fn not_found() -> Refusal {
    Refusal::not_found("There is no such page.")
}

/// What can not be done there.
pub async fn not_allowed() -> Refusal {
    Refusal::method()
}

impl Site {
    /// Looks into the journal when it is this page's or scrape's turn. Whoever asked may be gone before the look ends: its turn
    /// lasts until then, so that there are never more looks than turns.
    pub(super) async fn look<T, F>(&self, look: impl FnOnce(std::sync::Arc<dyn Journal>) -> F) -> Result<T, Refusal>
    where
        F: Future<Output = Result<T, JournalError>> + Send + 'static,
        T: Send + 'static,
    {
        let turn = tokio::time::timeout(TURN_WITHIN, self.0.looks.clone().acquire_owned());
        let turn = turn.await.ok().and_then(Result::ok).ok_or_else(Refusal::busy)?;
        let found = look(self.0.world.journal.clone());
        let looking = task::apart(async move {
            let found = found.await;
            drop(turn);
            found
        });
        let found = looking.await.map_err(|_| Refusal::broken())?;
        found.map_err(|error| Refusal::journal(&error))
    }
}
