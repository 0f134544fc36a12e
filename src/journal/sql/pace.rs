//! What nodes tell of their requests to a connection, and what they may have.

use super::{
    database::Fault,
    value::{Json, json, values},
    writer::Hand,
};
use crate::journal::{
    Receipt,
    pace::{Paced, Share},
};

/// Keeps what a process has sent, and says how much it may have until it tells again.
pub(super) fn paced(hand: &Hand<'_>, paced: &Paced) -> Result<Receipt, Fault> {
    let (db, name) = (hand.db, paced.name());
    // One that is alone reads its times again by its own clock.
    let now = match paced.share {
        Some(_) => db.now(hand.now)?.as_millisecond(),
        None => paced.at,
    };
    let (alone, from, until) = paced.others();
    let others: Vec<(String, Json<Share>)> = db.list(
        "SELECT name, value FROM kept WHERE (name = ?1 OR (name > ?2 AND name < ?3)) AND name <> ?4",
        values![alone, from, until, name],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (over, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, share)| share.0.is_over(paced, now));
    for (name, _) in over {
        db.tell("DELETE FROM kept WHERE name = ?1", values![name])?;
    }
    let others: Vec<Share> = others.into_iter().map(|(_, share)| share.0).collect();
    let (share, allowed) = Share::of(paced, &others, now);
    db.tell(
        "INSERT INTO kept (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        values![name, json(&share)?],
    )?;
    Ok(Receipt::Allowed(allowed))
}
