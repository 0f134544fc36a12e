//! Which ticket a conversation has become, and who took part in it.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    column::At,
    writer::{Fault, Hand},
};
use crate::journal::{Joined, Receipt};

/// Keeps that these messages belong to that ticket. A message that belongs to another one already is taken from it only by
/// somebody who wrote there: anybody can refer to a message of others.
pub(super) fn keep(hand: &Hand<'_>, joined: &Joined) -> Result<Receipt, Fault> {
    let mut key = hand.db.prepare_cached(
        "INSERT INTO joined (connection, key, ticket, at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET ticket = ?3, at = ?4 WHERE joined.ticket = ?3 OR EXISTS (
            SELECT 1 FROM participant WHERE connection = ?1 AND ticket = joined.ticket AND author = ?5)",
    )?;
    for name in &joined.keys {
        key.execute(params![
            joined.connection.0,
            name,
            joined.ticket,
            At(joined.at),
            joined.author
        ])?;
    }
    if !joined.author.is_empty() {
        hand.db
            .prepare_cached(
                "INSERT OR REPLACE INTO participant (connection, ticket, author, at) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                joined.connection.0,
                joined.ticket,
                joined.author,
                At(joined.at)
            ])?;
    }
    Ok(Receipt::Done)
}

/// The ticket of the first of these keys that is known.
pub(super) fn ticket(db: &Connection, connection: &str, keys: &[String]) -> rusqlite::Result<Option<i64>> {
    let mut find = db.prepare_cached("SELECT ticket FROM joined WHERE connection = ?1 AND key = ?2")?;
    for key in keys {
        if let Some(ticket) = find.query_row(params![connection, key], |row| row.get(0)).optional()? {
            return Ok(Some(ticket));
        }
    }
    Ok(None)
}

/// Whether a message of this author belongs to that ticket.
pub(super) fn took_part(db: &Connection, connection: &str, ticket: i64, author: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM participant WHERE connection = ?1 AND ticket = ?2 AND author = ?3")?
        .exists(params![connection, ticket, author])
}
