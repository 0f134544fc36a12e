//! Which ticket a conversation has become, and who took part in it.

use super::{
    database::{Database, Fault},
    value::values,
    writer::Hand,
};
use crate::journal::{Joined, Receipt};

/// So many tickets of a conversation are given.
const MOST_TICKETS: usize = 5;

/// Keeps that these messages belong to that ticket; they may belong to others as well. None is taken from another ticket:
/// anybody can refer to a message of others.
pub(super) fn keep(hand: &Hand<'_>, joined: &Joined) -> Result<Receipt, Fault> {
    for key in &joined.keys {
        hand.db.tell(
            "INSERT INTO joined (connection, key, ticket, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (connection, key, ticket) DO UPDATE SET at = excluded.at",
            values![joined.connection.0, key, joined.ticket, joined.at],
        )?;
    }
    if !joined.author.is_empty() {
        hand.db.tell(
            "INSERT INTO participant (connection, ticket, author, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (connection, ticket, author) DO UPDATE SET at = excluded.at",
            values![joined.connection.0, joined.ticket, joined.author, joined.at],
        )?;
    }
    Ok(Receipt::Done)
}

/// The tickets of these keys, each once: those of the first key first, of one key the oldest first, whose numbers are lower.
pub(super) fn tickets(db: &dyn Database, connection: &str, keys: &[String]) -> Result<Vec<i64>, Fault> {
    let mut tickets: Vec<i64> = Vec::new();
    for key in keys {
        let of_key: Vec<i64> = db.list(
            "SELECT ticket FROM joined WHERE connection = ?1 AND key = ?2 ORDER BY ticket LIMIT 5",
            values![connection, key],
            |row| row.get(0),
        )?;
        for ticket in of_key {
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
pub(super) fn took_part(db: &dyn Database, connection: &str, ticket: i64, author: &str) -> Result<bool, Fault> {
    db.exists(
        "SELECT 1 FROM participant WHERE connection = ?1 AND ticket = ?2 AND author = ?3",
        values![connection, ticket, author],
    )
}
