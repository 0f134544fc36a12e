//! A message is taken into the journal: known, moved, a copy of another one, or new.

use super::{
    database::{Dialect, Fault},
    order, outbox, pack, sieve,
    value::{SpotColumns, fold, values},
    writer::Hand,
};
use crate::{
    config::Deduplicate,
    journal::{Claim, EntryId, Notice, Receipt, Received},
    outcome::Outcome,
};

/// How a message stands in the journal from the start.
#[derive(Default)]
struct Start<'a> {
    state: &'static str,
    outcome: Option<Outcome>,
    reason: &'a str,
    thread_key: &'a str,
    ready: bool,
    /// Of its first claim.
    token: i64,
}

/// Keeps a message that was seen.
pub(super) fn received(hand: &Hand<'_>, received: &Received, chunk: &[u8]) -> Result<Receipt, Fault> {
    let found = look(hand, received)?;
    if let Some(entry) = found.known {
        return Ok(Receipt::Known(entry));
    }
    if let Some(entry) = found.moved {
        return moved(hand, received, entry);
    }
    let start = Start {
        thread_key: &found.thread_key,
        ..Start::default()
    };
    // What ends with its reception was perhaps not even read, so its fingerprint says nothing.
    if let Some((outcome, reason)) = &received.end {
        let start = Start {
            state: "ended",
            outcome: Some(*outcome),
            reason,
            ..start
        };
        let entry = insert(hand, received, chunk, &start)?;
        if *outcome == Outcome::Failed {
            outbox::notice(hand, &failed(hand, entry, received, reason))?;
        }
        return Ok(Receipt::New(entry, hand.now, None));
    }
    if let Some(of) = found.original.filter(|_| received.deduplicate != Deduplicate::Off) {
        let reason = format!("copy of {of}");
        let start = Start {
            state: "ended",
            outcome: Some(Outcome::Duplicate),
            reason: &reason,
            ..start
        };
        let entry = insert(hand, received, chunk, &start)?;
        return Ok(Receipt::Duplicate { entry, of });
    }
    let start = Start {
        ready: found.is_alone,
        ..start
    };
    begin(hand, received, chunk, start)
}

/// Keeps a message that is to go through its rules; in hand at once, where that is wanted and nothing holds it back.
fn begin(hand: &Hand<'_>, received: &Received, chunk: &[u8], start: Start<'_>) -> Result<Receipt, Fault> {
    let takes = start.ready && received.claim && hand.rights.is_alive(hand.db)?;
    let start = match takes {
        true => Start {
            state: "claimed",
            ready: false,
            token: 1,
            ..start
        },
        false => Start {
            state: "pending",
            ..start
        },
    };
    let entry = insert(hand, received, chunk, &start)?;
    let claim = (start.token > 0).then_some(Claim {
        entry,
        token: start.token,
    });
    Ok(Receipt::New(entry, hand.now, claim))
}

fn failed(hand: &Hand<'_>, entry: EntryId, received: &Received, reason: &str) -> Notice {
    let from = if received.from.is_empty() {
        "nobody"
    } else {
        &received.from
    };
    Notice {
        entry: Some(entry),
        topic: "failed".into(),
        text: format!(
            "message {entry} in {} from {from} ends with its reception: {reason}",
            received.place.mailbox
        ),
        at: hand.now,
    }
}

/// What the journal holds already that has to do with a message.
struct Found {
    /// Where it lies.
    known: Option<EntryId>,
    /// The same one, from before its folder was numbered anew.
    moved: Option<EntryId>,
    /// The one that it is a copy of.
    original: Option<EntryId>,
    /// Of its conversation: that of the message it answers, where that one is unfinished.
    thread_key: String,
    is_alone: bool,
}

const KNOWN: &str =
    "SELECT id FROM entry WHERE mailbox = ?1 AND folder = ?2 AND kind = ?3 AND validity = ?4 AND name = ?5";

/// After a change of UIDVALIDITY the same octets in the same folder are the same message, once for each row. A
/// message that was moved away or deleted is not that one: it does not lie there any more. The index is named since SQLite
/// would rather walk all messages of the folder. For a list of digests it would make a table each time.
pub(super) fn moved_here(dialect: Dialect) -> String {
    let index = dialect.by("entry_digest");
    let of = |digest: &str| {
        format!(
            "SELECT min(id) AS id FROM entry {index}
             WHERE kind = 'uid' AND ?3 = 'uid' AND digest = {digest} AND size = ?8 AND mailbox = ?1 AND folder = ?2
                AND validity <> ?4 AND gone = 0"
        )
    };
    format!("SELECT min(id) FROM ({} UNION ALL {}) AS moved", of("?6"), of("?7"))
}

/// One that ended well, or is in hand.
const ORIGINAL: &str = "SELECT id FROM entry
     WHERE fingerprint = ?9 AND (outcome IS NULL OR outcome IN ('completed', 'stopped') OR outcome = 'bounced')
        AND (?10 OR mailbox = ?1)
     ORDER BY id LIMIT 1";

/// By In-Reply-To alone a message shows its parent, not the first one.
const PARENT: &str = "SELECT thread_key FROM entry
     WHERE message_id = ?11 AND state NOT IN ('bouncing', 'ended') AND mailbox = ?1 AND thread_key <> '' AND ?11 <> ''
     ORDER BY id LIMIT 1";

/// All of it at once: the database may be far away.
fn look(hand: &Hand<'_>, received: &Received) -> Result<Found, Fault> {
    let spot = SpotColumns::of(&received.place.spot);
    let (size, everywhere) = (size(received), received.deduplicate == Deduplicate::All);
    let sql = format!(
        "SELECT ({KNOWN}), ({}), ({ORIGINAL}), c.thread_key, {}
         FROM (SELECT coalesce(({PARENT}), ?11) AS thread_key) AS c",
        moved_here(hand.db.dialect()),
        order::is_alone("?12", "c.thread_key")
    );
    let values = values![
        received.place.mailbox.0,
        received.place.folder,
        spot.kind,
        spot.validity,
        spot.name,
        received.digest,
        received.header_digest,
        size,
        received.fingerprint,
        everywhere,
        received.thread_key,
        received.author_key,
    ];
    hand.db.row(&sql, values, |row| {
        Ok(Found {
            known: row.get(0)?,
            moved: row.get(1)?,
            original: row.get(2)?,
            thread_key: row.get(3)?,
            is_alone: row.get(4)?,
        })
    })
}

/// What waited to be settled until it was found need not wait longer.
fn moved(hand: &Hand<'_>, received: &Received, entry: EntryId) -> Result<Receipt, Fault> {
    let spot = SpotColumns::of(&received.place.spot);
    hand.db.tell(
        "UPDATE entry SET validity = ?2, name = ?3,
            settle_due = CASE WHEN settle_due > ?4 THEN ?4 ELSE settle_due END
         WHERE id = ?1",
        values![entry, spot.validity, spot.name, hand.now],
    )?;
    Ok(Receipt::Moved(entry))
}

fn insert(hand: &Hand<'_>, received: &Received, chunk: &[u8], start: &Start<'_>) -> Result<EntryId, Fault> {
    let spot = SpotColumns::of(&received.place.spot);
    let ended = start.outcome.is_some();
    let handed = spot.kind == "handed";
    let heard = fold([received.from.as_str(), &received.subject, &received.message_id]);
    let said = fold([start.reason]);
    let entry = hand.db.insert(
        "INSERT OR FAIL INTO entry (mailbox, folder, kind, validity, name, received, internal_date, size, author, subject,
            message_id, heard, said, fingerprint, digest, stored, author_key, thread_key, state, outcome, reason,
            ended, settle_due, gone, ready, token, began, owner)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
            ?23, ?24, ?25, ?26, ?27, ?28)",
        values![
            received.place.mailbox.0,
            received.place.folder,
            spot.kind,
            spot.validity,
            spot.name,
            hand.now,
            received.internal_date,
            size(received),
            received.from,
            received.subject,
            received.message_id,
            heard,
            said,
            received.fingerprint,
            received.digest,
            !(chunk.is_empty() && received.octets.is_empty()),
            received.author_key,
            start.thread_key,
            start.state,
            start.outcome.map(Outcome::word),
            start.reason,
            ended.then_some(hand.now),
            (ended && !handed).then_some(hand.now),
            ended && handed,
            start.ready,
            start.token,
            (start.token > 0).then_some(hand.now),
            (start.token > 0).then(|| hand.rights.node().to_string()),
        ],
    )?;
    let entry = EntryId(entry);
    sieve::add(hand.db, entry, &format!("{heard}\n{said}"))?;
    let place = "INSERT INTO octets (entry, chunk, data) VALUES (?1, ?2, ?3)";
    if !chunk.is_empty() {
        hand.db.tell(place, values![entry, 0, chunk])?;
    }
    for (number, data) in (0_i64..).zip(received.octets.chunks(pack::CHUNK)) {
        hand.db.tell(place, values![entry, number, pack::compress(data)])?;
    }
    Ok(entry)
}

fn size(received: &Received) -> i64 {
    i64::try_from(received.size).unwrap_or(i64::MAX)
}

/// All below `next_uid` has been received. A position never goes back within one UIDVALIDITY.
pub(super) fn positioned(
    hand: &Hand<'_>,
    mailbox: &str,
    folder: &str,
    validity: u32,
    next_uid: u32,
) -> Result<Receipt, Fault> {
    hand.db.tell("INSERT INTO position (mailbox, folder, validity, next_uid) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (mailbox, folder) DO UPDATE SET
                next_uid = CASE WHEN position.validity = ?3 AND position.next_uid > ?4 THEN position.next_uid ELSE ?4 END,
                validity = ?3", values![mailbox, folder, validity, next_uid])?;
    Ok(Receipt::Done)
}
