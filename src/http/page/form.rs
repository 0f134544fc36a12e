//! A message runs again.

use std::sync::Arc;

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
    http::{access::Caller, guard},
    journal::{EntryId, JournalError, Row},
    pipeline::{World, reopen::reopen},
    task,
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
    let Some(row) = known.first() else {
        return Err(Refusal::no_message(&id));
    };
    if !reopened(world.clone(), entry).await? {
        let sentence = format!("Message {entry} is in hand already, or it is no longer kept as it came.");
        return Err(Refusal::not_now(sentence).on(page, "To the message"));
    }
    Ok(done(&caller, row, &page))
}

/// It is done to its end and told by the log, also where nobody waits for the answer any more.
async fn reopened(world: Arc<World>, entry: EntryId) -> Result<bool, Refusal> {
    let reopening = task::apart(async move {
        let reopened = reopen(&world, vec![entry]).await?;
        let is_reopened = !reopened.ids.is_empty();
        if is_reopened {
            tracing::info!(id = entry.0, "the message runs again, asked for on the page");
        }
        Ok(is_reopened)
    });
    let reopened = reopening.await.map_err(|_| Refusal::broken())?;
    reopened.map_err(|error: JournalError| Refusal::journal(&error))
}

/// A browser sees what becomes of it; a program reads what `retry` of the control socket would say.
fn done(caller: &Caller, before: &Row, page: &str) -> Response {
    if *caller == Caller::Program {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        return (kind, json!({ "ids": [before.id] }).to_string()).into_response();
    }
    sign_in::to(&format!("{page}?again={}", before.attempts), None)
}
