//! A message runs again.

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{Answer, Site, message, query::Query, refusal::Refusal, sign_in};
use crate::{
    daemon::control,
    http::{access::Caller, guard},
    journal::EntryId,
};

/// Takes it up again: by the form on its page, or by a program with the token.
pub async fn retry(
    State(site): State<Site>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let entry = message::id(&id)?;
    let query = Query::of_form(&headers, body).await?;
    let page = format!("/message/{entry}");
    match &caller {
        Caller::Anybody => {
            let sentence = "Nothing is changed here without a token: add token to [http], then sign in.";
            return Err(Refusal::forbidden(sentence).on(page, "To the message"));
        }
        caller if !caller.proves(query.text("proof")) => {
            return Err(sign_in::from_elsewhere().on(page, "To the message"));
        }
        Caller::Session { .. } if !guard::is_from_here(&headers) => {
            return Err(sign_in::from_elsewhere().on(page, "To the message"));
        }
        _ => {}
    }
    let world = &site.0.world;
    let known = site
        .look(move |journal| async move { journal.rows_of(vec![entry]).await })
        .await?;
    if known.is_empty() {
        return Err(Refusal::no_message(&id));
    }
    let reopened = control::reopen(world, vec![entry]).await;
    let reopened = reopened.map_err(|error| Refusal::journal(&error))?;
    if reopened.ids.is_empty() {
        let sentence = format!("Message {entry} is in hand already, or it is no longer kept as it came.");
        return Err(Refusal::not_now(sentence).on(page, "To the message"));
    }
    tracing::info!(id = entry.0, "the message runs again, asked for on the page");
    Ok(done(&caller, entry, &page))
}

/// A browser sees what becomes of it; a program reads what `retry` of the control socket would say.
fn done(caller: &Caller, entry: EntryId, page: &str) -> Response {
    if *caller == Caller::Program {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        return (kind, json!({ "ids": [entry] }).to_string()).into_response();
    }
    sign_in::to(&format!("{page}?again=1"), None)
}
