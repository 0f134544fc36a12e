//! How much there is of everything: a few seeks for each mailbox, and no look at what has ended.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    database::{Database, Fault},
    read,
    value::values,
};
use crate::{
    config::MailboxName,
    journal::{Queued, Survey, Totals, Way},
};

/// All of it.
pub(super) fn survey(db: &dyn Database) -> Result<Survey, Fault> {
    let totals = read::totals(db)?;
    let seen: u64 = totals.values().map(|totals| totals.seen).sum();
    let dropped: u64 = db.one("SELECT count FROM dropped", &[])?;
    let mut oldest_open = BTreeMap::new();
    let oldest = "SELECT received FROM entry WHERE mailbox = ?1 AND outcome IS NULL ORDER BY id LIMIT 1";
    for (mailbox, _) in totals.iter().filter(|(_, totals)| has_open(totals)) {
        let received: Option<Timestamp> = db.find(oldest, values![mailbox.0], |row| row.get(0))?;
        oldest_open.extend(received.map(|received| (mailbox.clone(), received)));
    }
    Ok(Survey {
        rows: seen.saturating_sub(dropped),
        totals,
        rules: read::rule_counts(db)?,
        oldest_open,
        unsettled: unsettled(db)?,
        letters: letters(db)?,
        octets: db.size()?,
    })
}

fn has_open(totals: &Totals) -> bool {
    let of = |word| totals.by_state.get(word).copied().unwrap_or(0);
    of("pending") + of("deferred") > 0
}

fn unsettled(db: &dyn Database) -> Result<BTreeMap<MailboxName, u64>, Fault> {
    db.list(
        "SELECT mailbox, count(*) FROM entry WHERE settle_due IS NOT NULL GROUP BY mailbox",
        &[],
        |row| Ok((MailboxName(row.get(0)?), row.get(1)?)),
    )
}

fn letters(db: &dyn Database) -> Result<BTreeMap<Way, Queued>, Fault> {
    let waiting = "SELECT count(*), min(created) FROM letter WHERE state = 'waiting' AND way = ?1";
    let mut letters = BTreeMap::new();
    for way in Way::ALL {
        let (count, oldest): (u64, Option<Timestamp>) =
            db.row(waiting, values![way.word()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        letters.extend(oldest.map(|oldest| (way, Queued { count, oldest })));
    }
    Ok(letters)
}
