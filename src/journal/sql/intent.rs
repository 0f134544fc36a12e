//! Writes to the world, begun and answered; and the things that they create, each once.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    database::{Database, Fault},
    end,
    value::{Json, json, values},
    writer::Hand,
};
use crate::journal::{Claim, CreationKey, Intent, Receipt, node::NodeId};

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
    if let Some(key) = creation
        && is_under_way(hand.db, key, hand.rights.node())?
    {
        return Ok(Receipt::UnderWay);
    }
    // Its place is among the newest.
    hand.db.tell(
        "DELETE FROM intent WHERE entry = ?1 AND step = ?2",
        values![held.entry, intent.step],
    )?;
    let number: i64 = hand.db.one(
        "INSERT INTO intent (entry, step, effect, answer, begun) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
        values![
            held.entry,
            intent.step,
            json(&intent.effect)?,
            intent.answer.as_ref().map(json).transpose()?,
            intent.begun
        ],
    )?;
    match creation {
        None => Ok(Receipt::Intent {
            open_since: None,
            answered: None,
            created: None,
        }),
        Some(key) => Ok(open(hand, key, number, intent.begun)?),
    }
}

/// Whether a message that another node has in hand has begun it and has no answer. Within a node they wait for each other;
/// and what a node has begun that is no more is not in hand, so that it is in doubt.
pub(super) fn is_under_way(db: &dyn Database, key: &CreationKey, node: NodeId) -> Result<bool, Fault> {
    db.exists(
        "SELECT 1 FROM creation AS c JOIN intent AS i ON i.id = c.open JOIN entry AS e ON e.id = i.entry
         WHERE c.connection = ?1 AND c.kind = ?2 AND c.key = ?3
            AND i.answer IS NULL AND e.state = 'claimed' AND e.owner <> ?4",
        values![key.connection.0, key.kind, key.key, node.to_string()],
    )
}

/// Opens the creation's row for the intent `number`, and says what was known of the thing until now.
fn open(hand: &Hand<'_>, key: &CreationKey, number: i64, begun: Timestamp) -> Result<Receipt, Fault> {
    let before = hand.db.find(
        "SELECT coalesce(begun, doubt), answered, answer FROM creation WHERE connection = ?1 AND kind = ?2 AND key = ?3",
        values![key.connection.0, key.kind, key.key],
        |row| {
            let answer = row.get::<Option<Json<Value>>>(2)?;
            Ok((row.get::<Option<Timestamp>>(0)?, row.get::<Option<Timestamp>>(1)?, answer))
        },
    )?;
    hand.db.tell("INSERT INTO creation (connection, kind, key, open, begun) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (connection, kind, key) DO UPDATE SET doubt = coalesce(creation.begun, creation.doubt), open = ?4, begun = ?5", values![key.connection.0, key.kind, key.key, number, begun])?;
    let (open_since, answered, created) = before.unwrap_or_default();
    Ok(Receipt::Intent {
        open_since,
        answered,
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
    let number: Option<i64> = hand.db.find(
        "UPDATE intent SET answer = ?3, answered = ?4 WHERE entry = ?1 AND step = ?2 RETURNING id",
        values![held.entry, step, json(answer)?, hand.now],
        |row| row.get(0),
    )?;
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
fn close(hand: &Hand<'_>, key: &CreationKey, number: i64, answer: &Value) -> Result<(), Fault> {
    if answer.is_null() {
        hand.db.tell(
            "UPDATE creation SET open = NULL, begun = NULL
                 WHERE connection = ?1 AND kind = ?2 AND key = ?3 AND open = ?4",
            values![key.connection.0, key.kind, key.key, number],
        )?;
        return Ok(());
    }
    hand.db.tell("INSERT INTO creation (connection, kind, key, answer, answered) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (connection, kind, key) DO UPDATE SET open = NULL, begun = NULL, doubt = NULL, answer = ?4, answered = ?5", values![key.connection.0, key.kind, key.key, json(answer)?, hand.now])?;
    Ok(())
}
