//! Which ticket a conversation has become, and who took part in it.

use rusqlite::{Connection, params};

use super::{
    column::At,
    writer::{Fault, Hand},
};
use crate::journal::{Joined, Receipt};

/// So many tickets of a conversation are given.
const MOST_TICKETS: usize = 5;

/// Keeps that these messages belong to that ticket; they may belong to others as well. None is taken from another ticket:
/// anybody can refer to a message of others.
pub(super) fn keep(hand: &Hand<'_>, joined: &Joined) -> Result<Receipt, Fault> {
    let mut key = hand
        .db
        .prepare_cached("INSERT OR REPLACE INTO joined (connection, key, ticket, at) VALUES (?1, ?2, ?3, ?4)")?;
    for name in &joined.keys {
        key.execute(params![joined.connection.0, name, joined.ticket, At(joined.at)])?;
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

/// The tickets of these keys, each once: those of the first key first, of one key the oldest first, whose numbers are lower.
pub(super) fn tickets(db: &Connection, connection: &str, keys: &[String]) -> rusqlite::Result<Vec<i64>> {
    let mut find =
        db.prepare_cached("SELECT ticket FROM joined WHERE connection = ?1 AND key = ?2 ORDER BY ticket LIMIT 5")?;
    let mut tickets: Vec<i64> = Vec::new();
    for key in keys {
        for ticket in find.query_map(params![connection, key], |row| row.get(0))? {
            let ticket = ticket?;
            if !tickets.contains(&ticket) {
                tickets.push(ticket);
            }
        }
        if tickets.len() >= MOST_TICKETS {
            tickets.truncate(MOST_TICKETS);
            break;
        }
    }
    Ok(tickets)
}

/// Whether a message of this author belongs to that ticket.
pub(super) fn took_part(db: &Connection, connection: &str, ticket: i64, author: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM participant WHERE connection = ?1 AND ticket = ?2 AND author = ?3")?
        .exists(params![connection, ticket, author])
}
