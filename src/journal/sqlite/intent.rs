//! Writes to the world, begun and answered; and the things that they create, each once.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde_json::Value;

use super::{
    column::{At, Json},
    end,
    writer::{Fault, Hand},
};
use crate::journal::{Claim, CreationKey, Intent, Receipt};

/// Keeps that a write is about to be begun. The same step begun again takes the place of its earlier intent.
pub(super) fn intended(
    hand: &Hand<'_>,
    claim: Claim,
    intent: &Intent,
    creation: Option<&CreationKey>,
) -> Result<Receipt, Fault> {
    let Some(held) = end::held(hand, claim)? else {
        return Ok(Receipt::Stale);
    };
    let number: i64 = hand
        .db
        .prepare_cached(
            "INSERT OR REPLACE INTO intent (entry, step, effect, answer, begun) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
        )?
        .query_row(
            params![held.entry, intent.step, Json(&intent.effect), intent.answer.as_ref().map(Json), At(intent.begun)],
            |row| row.get(0),
        )?;
    match creation {
        None => Ok(Receipt::Intent {
            open_since: None,
            created: None,
        }),
        Some(key) => Ok(open(hand, key, number, intent.begun)?),
    }
}

/// Opens the creation's row for the intent `number`, and says what was known of the thing until now.
fn open(hand: &Hand<'_>, key: &CreationKey, number: i64, begun: Timestamp) -> rusqlite::Result<Receipt> {
    let before = hand
        .db
        .prepare_cached(
            "SELECT coalesce(begun, doubt), answer FROM creation WHERE connection = ?1 AND kind = ?2 AND key = ?3",
        )?
        .query_row(params![key.connection.0, key.kind, key.key], |row| {
            Ok((row.get::<_, Option<At>>(0)?, row.get::<_, Option<Json<Value>>>(1)?))
        })
        .optional()?;
    hand.db
        .prepare_cached(
            "INSERT INTO creation (connection, kind, key, open, begun) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET doubt = coalesce(begun, doubt), open = ?4, begun = ?5",
        )?
        .execute(params![key.connection.0, key.kind, key.key, number, At(begun)])?;
    let (open_since, created) = before.unwrap_or_default();
    Ok(Receipt::Intent {
        open_since: open_since.map(|at| at.0),
        created: created.map(|answer| answer.0),
    })
}

/// Keeps the answer to a write; JSON's null where it was refused for good or never sent.
pub(super) fn answered(
    hand: &Hand<'_>,
    claim: Claim,
    step: &str,
    answer: &Value,
    creation: Option<&CreationKey>,
) -> Result<Receipt, Fault> {
    let Some(held) = end::held(hand, claim)? else {
        return Ok(Receipt::Stale);
    };
    let number: Option<i64> = hand
        .db
        .prepare_cached("UPDATE intent SET answer = ?3, answered = ?4 WHERE entry = ?1 AND step = ?2 RETURNING id")?
        .query_row(params![held.entry, step, Json(answer), At(hand.now)], |row| row.get(0))
        .optional()?;
    let Some(number) = number else {
        return Err(Fault::Refused(format!(
            "message {} has no intent of step {step:?} to be answered",
            held.entry
        )));
    };
    if let Some(key) = creation {
        close(hand, key, number, answer)?;
    }
    Ok(Receipt::Done)
}

/// An answer closes the creation for all who asked for it. Null tells only that this one request made nothing:
/// an earlier one that had no answer may still arrive, so its doubt stays.
fn close(hand: &Hand<'_>, key: &CreationKey, number: i64, answer: &Value) -> rusqlite::Result<()> {
    if answer.is_null() {
        hand.db
            .prepare_cached(
                "UPDATE creation SET open = NULL, begun = NULL
                 WHERE connection = ?1 AND kind = ?2 AND key = ?3 AND open = ?4",
            )?
            .execute(params![key.connection.0, key.kind, key.key, number])?;
        return Ok(());
    }
    hand.db
        .prepare_cached(
            "INSERT INTO creation (connection, kind, key, answer, answered) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET open = NULL, begun = NULL, doubt = NULL, answer = ?4, answered = ?5",
        )?
        .execute(params![key.connection.0, key.kind, key.key, Json(answer), At(hand.now)])?;
    Ok(())
}
