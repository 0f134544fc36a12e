//! What the loops and the commands read. Each function is one look at the database.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use super::{
    column::{At, Json, Span, SpotColumns, spot},
    order::FREE,
    outbox::left_in,
    pack,
};
use crate::{
    config::MailboxName,
    journal::{
        Creation, CreationKey, Digest, DueLetter, EntryId, Letter, Notice, Place, Position, Queue, RuleCount, Spot,
        Totals, Unsettled, Way,
    },
    mailbox::room,
    outcome::Outcome,
};

/// Which of `spots` have not been received.
pub(super) fn unknown(
    db: &Connection,
    mailbox: &str,
    folder: &str,
    mut spots: Vec<Spot>,
) -> rusqlite::Result<Vec<Spot>> {
    let mut known = db.prepare_cached(
        "SELECT 1 FROM entry WHERE mailbox = ?1 AND folder = ?2 AND kind = ?3 AND validity = ?4 AND name = ?5",
    )?;
    let mut fault = None;
    spots.retain(|spot| {
        let spot = SpotColumns::of(spot);
        match known.exists(params![mailbox, folder, spot.kind, spot.validity, spot.name]) {
            Ok(known) => !known,
            Err(error) => {
                fault.get_or_insert(error);
                true
            }
        }
    });
    fault.map_or(Ok(spots), Err)
}

/// Where a folder has been read to.
pub(super) fn position(db: &Connection, mailbox: &str, folder: &str) -> rusqlite::Result<Option<Position>> {
    db.prepare_cached("SELECT validity, next_uid FROM position WHERE mailbox = ?1 AND folder = ?2")?
        .query_row([mailbox, folder], |row| {
            Ok(Position {
                validity: row.get(0)?,
                next_uid: row.get(1)?,
            })
        })
        .optional()
}

/// When the next thing of this queue is due.
pub(super) fn next_due(db: &Connection, queue: Queue) -> rusqlite::Result<Option<Timestamp>> {
    let sql = match queue {
        Queue::Work => format!(
            "SELECT e.due FROM entry AS e WHERE e.ready = 1 AND e.state = 'deferred' AND {FREE} ORDER BY e.due, e.id LIMIT 1"
        ),
        Queue::Letters(way) => format!(
            "SELECT due FROM letter WHERE state = 'waiting' AND way = '{}' ORDER BY due LIMIT 1",
            way.word()
        ),
    };
    let due = db.prepare_cached(&sql)?.query_row([], |row| row.get::<_, At>(0));
    due.optional().map(|due| due.map(|at| at.0))
}

/// The message as it came.
pub(super) fn octets(db: &Connection, entry: EntryId) -> rusqlite::Result<Option<Bytes>> {
    let sql = "SELECT data, size FROM octets JOIN entry ON id = entry WHERE entry = ?1 ORDER BY chunk";
    let mut chunks = db.prepare_cached(sql)?;
    let mut rows = chunks.query([entry])?;
    let mut octets = None;
    while let Some(row) = rows.next()? {
        let size = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(u64::MAX);
        pack::unpack_chunk(row.get_ref(0)?.as_blob()?, octets.get_or_insert_with(|| room(size)))?;
    }
    Ok(octets.map(Bytes::from))
}

/// What has ended in a mailbox and is to be settled now.
pub(super) fn unsettled(
    db: &Connection,
    mailbox: &MailboxName,
    limit: usize,
    now: Timestamp,
) -> rusqlite::Result<Vec<Unsettled>> {
    db.prepare_cached(
        "SELECT id, coalesce(lies_folder, folder), kind, coalesce(lies_validity, validity), coalesce(lies_name, name),
             outcome, lies_folder IS NOT NULL, outcome = 'ignored' AND reason = 'canary', attempts
         FROM entry
         WHERE mailbox = ?1 AND settle_due IS NOT NULL AND settle_due <= ?2 ORDER BY settle_due, id LIMIT ?3",
    )?
    .query_map(params![mailbox.0, At(now), count(limit)], |row| {
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
    })?
    .collect()
}

/// The mailboxes that have such messages.
pub(super) fn unsettled_in(db: &Connection, now: Timestamp) -> rusqlite::Result<Vec<MailboxName>> {
    db.prepare_cached("SELECT DISTINCT mailbox FROM entry WHERE settle_due IS NOT NULL AND settle_due <= ?1")?
        .query_map([At(now)], |row| row.get(0).map(MailboxName))?
        .collect()
}

fn outcome(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Outcome> {
    let word: String = row.get(column)?;
    Outcome::of_word(&word).ok_or_else(|| {
        let reason = format!("outcome {word:?} is not known");
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, reason.into())
    })
}

/// The first one of this fingerprint that was handed over and has no outcome.
pub(super) fn handed(db: &Connection, mailbox: &MailboxName, fingerprint: Digest) -> rusqlite::Result<Option<EntryId>> {
    db.prepare_cached(
        "SELECT id FROM entry WHERE fingerprint = ?1 AND outcome IS NULL AND kind = 'handed' AND mailbox = ?2
         ORDER BY id LIMIT 1",
    )?
    .query_row(params![fingerprint, mailbox.0], |row| row.get(0))
    .optional()
}

/// So many octets of letters are in memory at a time, and one letter more.
const LARGEST_BATCH: usize = 8 * 1024 * 1024;

/// Letters that are to leave now. Those whose time is over come first: to end them needs no server.
pub(super) fn letters(
    db: &Connection,
    way: Way,
    limit: usize,
    tried_before: Option<Timestamp>,
    now: Timestamp,
) -> rusqlite::Result<Vec<DueLetter>> {
    let (which, time) = match tried_before {
        Some(time) => ("coalesce(tried, 0) < ?1", time),
        None => ("due <= ?1", now),
    };
    let mut query = db.prepare_cached(&format!(
        "SELECT id, entry, return_path, recipients, octets, attempts, waited, tried, counts, not_after,
            unanswered, mark IS NOT NULL
         FROM letter WHERE state = 'waiting' AND way = ?4 AND {which} ORDER BY coalesce(not_after < ?3, 0) DESC, due, id LIMIT ?2",
    ))?;
    let mut rows = query.query(params![At(time), count(limit), At(now), way.word()])?;
    let (mut due, mut octets) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let letter = letter(row)?;
        octets += letter.letter.octets.len();
        due.push(letter);
        if octets > LARGEST_BATCH {
            break;
        }
    }
    Ok(due)
}

fn letter(row: &rusqlite::Row<'_>) -> rusqlite::Result<DueLetter> {
    let letter = Letter {
        return_path: row.get(2)?,
        recipients: row.get::<_, Json<_>>(3)?.0,
        octets: pack::unpack_letter(row.get_ref(4)?.as_blob()?)?,
        not_after: row.get::<_, Option<At>>(9)?.map(|at| at.0),
    };
    Ok(DueLetter {
        id: row.get(0)?,
        entry: row.get(1)?,
        is_of_step: row.get(11)?,
        letter,
        attempts: row.get(5)?,
        unanswered: row.get(10)?,
        waited: row.get::<_, Span>(6)?.0,
        deferred: row.get::<_, Option<At>>(7)?.map(|at| at.0).zip(row.get(8)?),
    })
}

/// Whether a letter about no message is to leave by this way.
pub(super) fn report_waits(db: &Connection, way: Way) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM letter WHERE state = 'waiting' AND entry IS NULL AND way = ?1)")?
        .query_row([way.word()], |row| row.get(0))
}

/// What operators have not been told yet by this way.
pub(super) fn notices(db: &Connection, way: Way) -> rusqlite::Result<Vec<(i64, Notice)>> {
    let column = left_in(way);
    db.prepare_cached(&format!(
        "SELECT id, entry, topic, text, at FROM notice WHERE {column} IS NULL ORDER BY id"
    ))?
    .query_map([], |row| {
        let notice = Notice {
            entry: row.get(1)?,
            topic: row.get(2)?,
            text: row.get(3)?,
            at: row.get::<_, At>(4)?.0,
        };
        Ok((row.get(0)?, notice))
    })?
    .collect()
}

/// What is known of a thing that is to be created once.
pub(super) fn creation(db: &Connection, key: &CreationKey) -> rusqlite::Result<Creation> {
    let known = db
        .prepare_cached(
            "SELECT coalesce(begun, doubt), answer IS NOT NULL FROM creation
             WHERE connection = ?1 AND kind = ?2 AND key = ?3",
        )?
        .query_row(params![key.connection.0, key.kind, key.key], |row| {
            Ok(Creation {
                open_since: row.get::<_, Option<At>>(0)?.map(|at| at.0),
                was_made: row.get(1)?,
            })
        })
        .optional()?;
    Ok(known.unwrap_or_default())
}

/// A small value that outlives the process.
pub(super) fn kept(db: &Connection, name: &str) -> rusqlite::Result<Option<Value>> {
    db.prepare_cached("SELECT value FROM kept WHERE name = ?1")?
        .query_row([name], |row| row.get::<_, Json<_>>(0))
        .optional()
        .map(|value| value.map(|value| value.0))
}

/// All of them under names that begin so.
pub(super) fn kept_under(db: &Connection, prefix: &str) -> rusqlite::Result<Vec<(String, Value)>> {
    db.prepare_cached("SELECT name, value FROM kept WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name")?
        .query_map([prefix], |row| Ok((row.get(0)?, row.get::<_, Json<_>>(1)?.0)))?
        .collect()
}

/// The accounting identity of each mailbox.
pub(super) fn totals(db: &Connection) -> rusqlite::Result<BTreeMap<MailboxName, Totals>> {
    let mut totals: BTreeMap<MailboxName, Totals> = BTreeMap::new();
    let mut rows = db.prepare_cached("SELECT mailbox, word, count FROM total ORDER BY mailbox, word")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let of_mailbox = totals.entry(MailboxName(row.get(0)?)).or_default();
        let (word, count): (String, i64) = (row.get(1)?, row.get(2)?);
        let count = u64::try_from(count).unwrap_or_default();
        if word == "seen" {
            of_mailbox.seen = count;
        } else {
            of_mailbox.by_state.insert(word, count);
        }
    }
    Ok(totals)
}

/// How often each rule matched.
pub(super) fn rule_counts(db: &Connection) -> rusqlite::Result<BTreeMap<String, RuleCount>> {
    db.prepare_cached("SELECT rule, matched, last FROM rule_count")?
        .query_map([], |row| {
            let count = RuleCount {
                matched: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
                last: Some(row.get::<_, At>(2)?.0),
            };
            Ok((row.get(0)?, count))
        })?
        .collect()
}

/// A limit or a number of things, as SQL takes it.
pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
