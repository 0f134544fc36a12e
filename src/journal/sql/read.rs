//! What the loops and the commands read. Each function is one look at the database.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    database::{Database, Fault},
    intent,
    order::FREE,
    outbox::left_in,
    pack,
    value::{Columns, Json, SpotColumns, json, spot, values},
};
use crate::{
    config::MailboxName,
    journal::{
        Creation, CreationKey, Digest, DueLetter, EntryId, Letter, Notice, Place, Position, Queue, RuleCount, Spot,
        Totals, Unsettled, Way, node::NodeId,
    },
    mailbox::room,
    outcome::Outcome,
};

/// Which of `spots` have not been received. All of a kind are asked for at once: a server may be far away, and a Maildir
/// holds thousands.
pub(super) fn unknown(
    db: &dyn Database,
    mailbox: &str,
    folder: &str,
    mut spots: Vec<Spot>,
) -> Result<Vec<Spot>, Fault> {
    let mut asked: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for spot in spots.iter().map(SpotColumns::of) {
        asked.entry((spot.kind, spot.validity)).or_default().push(spot.name);
    }
    let those_there = format!(
        "SELECT name FROM entry WHERE mailbox = ?1 AND folder = ?2 AND kind = ?3 AND validity = ?4 AND name IN ({})",
        db.dialect().elements("?5")
    );
    let mut known = HashSet::new();
    for ((kind, validity), names) in &asked {
        let names = json(names)?;
        db.each(
            &those_there,
            values![mailbox, folder, kind, validity, names],
            &mut |row| {
                known.insert((*kind, *validity, row.get::<String>(0)?));
                Ok(true)
            },
        )?;
    }
    spots.retain(|spot| {
        let spot = SpotColumns::of(spot);
        !known.contains(&(spot.kind, spot.validity, spot.name))
    });
    Ok(spots)
}

/// Where a folder has been read to.
pub(super) fn position(db: &dyn Database, mailbox: &str, folder: &str) -> Result<Option<Position>, Fault> {
    db.find(
        "SELECT validity, next_uid FROM position WHERE mailbox = ?1 AND folder = ?2",
        values![mailbox, folder],
        |row| {
            Ok(Position {
                validity: row.get(0)?,
                next_uid: row.get(1)?,
            })
        },
    )
}

/// When the next thing of this queue is due.
pub(super) fn next_due(db: &dyn Database, queue: Queue) -> Result<Option<Timestamp>, Fault> {
    let sql = match queue {
        Queue::Work => format!(
            "SELECT e.due FROM entry AS e WHERE e.ready = 1 AND e.state = 'deferred' AND {FREE} ORDER BY e.due, e.id LIMIT 1"
        ),
        Queue::Letters(way) => format!(
            "SELECT due FROM letter WHERE state = 'waiting' AND way = '{}' ORDER BY due LIMIT 1",
            way.word()
        ),
    };
    db.find(&sql, &[], |row| row.get(0))
}

/// The message as it came.
pub(super) fn octets(db: &dyn Database, entry: EntryId) -> Result<Option<Bytes>, Fault> {
    let chunks = "SELECT data, size FROM octets JOIN entry ON id = entry WHERE octets.entry = ?1 ORDER BY chunk";
    let mut octets = None;
    db.each(chunks, values![entry], &mut |row| {
        let size = row.get(1)?;
        pack::unpack_chunk(row.get(0)?, octets.get_or_insert_with(|| room(size)))?;
        Ok(true)
    })?;
    Ok(octets.map(Bytes::from))
}

/// What has ended in a mailbox and is to be settled now.
pub(super) fn unsettled(
    db: &dyn Database,
    mailbox: &MailboxName,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Unsettled>, Fault> {
    db.list(
        "SELECT id, coalesce(lies_folder, folder), kind, coalesce(lies_validity, validity), coalesce(lies_name, name),
             outcome, lies_folder IS NOT NULL, outcome = 'ignored' AND reason = 'canary', attempts
         FROM entry
         WHERE mailbox = ?1 AND settle_due IS NOT NULL AND settle_due <= ?2 ORDER BY settle_due, id LIMIT ?3",
        values![mailbox.0, now, count(limit)],
        |row| {
            let place = Place {
                mailbox: mailbox.clone(),
                folder: row.get(1)?,
                spot: spot(row, 2)?,
            };
            Ok(Unsettled {
                entry: row.get(0)?,
                place,
                was_moved: row.get(6)?,
                outcome: outcome(row, 5)?,
                is_canary: row.get(7)?,
                attempts: row.get(8)?,
            })
        },
    )
}

/// The mailboxes that have such messages.
pub(super) fn unsettled_in(db: &dyn Database, now: Timestamp) -> Result<Vec<MailboxName>, Fault> {
    db.list(
        "SELECT DISTINCT mailbox FROM entry WHERE settle_due IS NOT NULL AND settle_due <= ?1",
        values![now],
        |row| row.get(0).map(MailboxName),
    )
}

fn outcome(row: &dyn Columns, column: usize) -> Result<Outcome, Fault> {
    let word: &str = row.get(column)?;
    Outcome::of_word(word).ok_or_else(|| Fault::Refused(format!("outcome {word:?} is not known")))
}

/// The first one of this fingerprint that was handed over and has no outcome.
pub(super) fn handed(db: &dyn Database, mailbox: &MailboxName, fingerprint: Digest) -> Result<Option<EntryId>, Fault> {
    db.find(
        "SELECT id FROM entry WHERE fingerprint = ?1 AND outcome IS NULL AND kind = 'handed' AND mailbox = ?2
         ORDER BY id LIMIT 1",
        values![fingerprint, mailbox.0],
        |row| row.get(0),
    )
}

/// So many octets of letters are in memory at a time, and one letter more.
const LARGEST_BATCH: usize = 8 * 1024 * 1024;

/// Letters that are to leave now. Those whose time is over come first: to end them needs no server.
pub(super) fn letters(
    db: &dyn Database,
    way: Way,
    limit: usize,
    tried_before: Option<Timestamp>,
    now: Timestamp,
) -> Result<Vec<DueLetter>, Fault> {
    let (which, time) = match tried_before {
        Some(time) => ("coalesce(tried, 0) < ?1", time),
        None => ("due <= ?1", now),
    };
    let waiting = format!(
        "SELECT id, entry, return_path, recipients, octets, attempts, waited, tried, counts, not_after,
            unanswered, mark IS NOT NULL
         FROM letter WHERE state = 'waiting' AND way = ?4 AND {which} ORDER BY CASE WHEN not_after < ?3 THEN 0 ELSE 1 END, due, id LIMIT ?2",
    );
    let (mut due, mut octets) = (Vec::new(), 0);
    db.each(&waiting, values![time, count(limit), now, way.word()], &mut |row| {
        let letter = letter(row)?;
        octets += letter.letter.octets.len();
        due.push(letter);
        Ok(octets <= LARGEST_BATCH)
    })?;
    Ok(due)
}

fn letter(row: &dyn Columns) -> Result<DueLetter, Fault> {
    let letter = Letter {
        return_path: row.get(2)?,
        recipients: row.get::<Json<_>>(3)?.0,
        octets: pack::unpack_letter(row.get(4)?)?,
        not_after: row.get(9)?,
    };
    Ok(DueLetter {
        id: row.get(0)?,
        entry: row.get(1)?,
        is_of_step: row.get(11)?,
        letter,
        attempts: row.get(5)?,
        unanswered: row.get(10)?,
        waited: row.get(6)?,
        deferred: row.get::<Option<Timestamp>>(7)?.zip(row.get(8)?),
    })
}

/// Whether a letter about no message is to leave by this way.
pub(super) fn report_waits(db: &dyn Database, way: Way) -> Result<bool, Fault> {
    db.exists(
        "SELECT 1 FROM letter WHERE state = 'waiting' AND entry IS NULL AND way = ?1 LIMIT 1",
        values![way.word()],
    )
}

/// What operators have not been told yet by this way.
pub(super) fn notices(db: &dyn Database, way: Way) -> Result<Vec<(i64, Notice)>, Fault> {
    let column = left_in(way);
    db.list(
        &format!("SELECT id, entry, topic, text, at FROM notice WHERE {column} IS NULL ORDER BY id"),
        &[],
        |row| {
            let notice = Notice {
                entry: row.get(1)?,
                topic: row.get(2)?,
                text: row.get(3)?,
                at: row.get(4)?,
            };
            Ok((row.get(0)?, notice))
        },
    )
}

/// What is known of a thing that is to be created once, to this node.
pub(super) fn creation(db: &dyn Database, key: &CreationKey, node: NodeId) -> Result<Creation, Fault> {
    let known = db.find(
        "SELECT coalesce(begun, doubt), answered FROM creation
             WHERE connection = ?1 AND kind = ?2 AND key = ?3",
        values![key.connection.0, key.kind, key.key],
        |row| {
            Ok(Creation {
                open_since: row.get(0)?,
                answered: row.get(1)?,
                is_under_way: false,
            })
        },
    )?;
    Ok(Creation {
        is_under_way: intent::is_under_way(db, key, node)?,
        ..known.unwrap_or_default()
    })
}

/// A small value that outlives the process.
pub(super) fn kept(db: &dyn Database, name: &str) -> Result<Option<Value>, Fault> {
    db.find("SELECT value FROM kept WHERE name = ?1", values![name], |row| {
        row.get::<Json<_>>(0)
    })
    .map(|value| value.map(|value| value.0))
}

/// All of them under names that begin so.
pub(super) fn kept_under(db: &dyn Database, prefix: &str) -> Result<Vec<(String, Value)>, Fault> {
    db.list(
        "SELECT name, value FROM kept WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name",
        values![prefix],
        |row| Ok((row.get(0)?, row.get::<Json<_>>(1)?.0)),
    )
}

/// The accounting identity of each mailbox.
pub(super) fn totals(db: &dyn Database) -> Result<BTreeMap<MailboxName, Totals>, Fault> {
    let mut totals: BTreeMap<MailboxName, Totals> = BTreeMap::new();
    db.each("SELECT mailbox, word, count FROM total", &[], &mut |row| {
        let of_mailbox = totals.entry(MailboxName(row.get(0)?)).or_default();
        let (word, count): (&str, u64) = (row.get(1)?, row.get(2)?);
        if word == "seen" {
            of_mailbox.seen = count;
        } else {
            of_mailbox.by_state.insert(word.to_owned(), count);
        }
        Ok(true)
    })?;
    Ok(totals)
}

/// How often each rule matched.
pub(super) fn rule_counts(db: &dyn Database) -> Result<BTreeMap<String, RuleCount>, Fault> {
    db.list("SELECT rule, matched, last FROM rule_count", &[], |row| {
        let count = RuleCount {
            matched: row.get(1)?,
            last: row.get(2)?,
        };
        Ok((row.get(0)?, count))
    })
}

/// A limit or a number of things, as SQL takes it.
pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
