//! Messages of one kind that make one ticket: who is the first, and when the others are noted, many at once.
//!
//! The first makes the ticket. Each further one is a line, once, and waits until its batch is due; whoever comes then
//! writes the note, and the others find themselves noted. Nobody waits for a message that has ended.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    database::Fault,
    end::{self, Held},
    value::{Columns, Json, json, values},
    writer::Hand,
};
use crate::{
    config::ConnectionName,
    journal::{Batch, Claim, EntryId, Fellow, Folding, MOST_LINES, Receipt, Standing},
};

/// So long a ticket's first batch grows; each further one twice as long, up to 16 minutes: a storm that goes on for a
/// day is some hundred notes.
const GROWS: Duration = Duration::from_secs(60);
const MOST_DOUBLINGS: u32 = 4;
/// The first of a batch writes its note. The others come when it should be done.
const AFTER: Duration = Duration::from_secs(5);
/// So long at most goes by before somebody looks again whether there is a ticket.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// Does what is said of messages of a kind.
pub(super) fn fold(
    hand: &Hand<'_>,
    claim: Claim,
    connection: &ConnectionName,
    folding: &Folding,
) -> Result<Receipt, Fault> {
    let Some(held) = end::held(hand, claim)? else {
        return Ok(Receipt::Stale);
    };
    let (entry, connection) = (held.entry, connection.0.as_str());
    let coming = |fellow| Coming {
        hand,
        held: &held,
        connection,
        fellow,
    };
    match folding {
        Folding::Came { fellow, line, within } => {
            return Ok(Receipt::Stands(coming(fellow).came(line, *within)?));
        }
        Folding::Renewed { fellow, fold } => {
            coming(fellow).renew(*fold)?;
            return Ok(Receipt::Stands(Standing::First));
        }
        Folding::Made { fellow, ticket } => {
            hand.db.tell(
                "UPDATE fold SET ticket = ?4 WHERE connection = ?1 AND key = ?2 AND mark = ?3 AND owner = ?5",
                values![connection, fellow.key, fellow.mark, json(ticket)?, entry],
            )?;
        }
        Folding::Left { fellow } => {
            hand.db.tell(
                "UPDATE fold SET owner = NULL, mark = ''
                     WHERE connection = ?1 AND key = ?2 AND mark = ?3 AND ticket IS NULL",
                values![connection, fellow.key, fellow.mark],
            )?;
        }
        Folding::Noted { fold, batch } => {
            hand.db.tell(
                "UPDATE fold SET noted = ?2, writer = NULL, last = ?3 WHERE id = ?1 AND noted = ?2 - 1",
                values![fold, batch, hand.now],
            )?;
        }
    }
    Ok(Receipt::Done)
}

/// A message that asks where it stands.
struct Coming<'a> {
    hand: &'a Hand<'a>,
    held: &'a Held,
    connection: &'a str,
    fellow: &'a Fellow,
}

/// A ticket that takes up messages of a kind, or will be one.
struct Fold {
    id: i64,
    owner: Option<EntryId>,
    mark: String,
    ticket: Option<Value>,
    noted: u32,
    writer: Option<EntryId>,
}

/// Its columns, in order.
const FOLD: &str = "fold.id, fold.owner, fold.mark, fold.ticket, fold.noted, fold.writer";

fn fold_row(row: &dyn Columns) -> Result<Fold, Fault> {
    Ok(Fold {
        id: row.get(0)?,
        owner: row.get(1)?,
        mark: row.get(2)?,
        ticket: row.get::<Option<Json<_>>>(3)?.map(|ticket| ticket.0),
        noted: row.get(4)?,
        writer: row.get(5)?,
    })
}

impl Coming<'_> {
    fn came(&self, line: &str, within: Duration) -> Result<Standing, Fault> {
        if self.is_first()? {
            return Ok(Standing::First);
        }
        let Some((fold, batch)) = self.counted()?.or(self.newest(within)?.map(|fold| (fold, None))) else {
            self.begin()?;
            return Ok(Standing::First);
        };
        if fold.ticket.is_none() && !self.is_awaited(fold.owner)? {
            self.take_over(&fold)?;
            return Ok(Standing::First);
        }
        self.count(&fold, line)?;
        match (fold.ticket.clone(), batch) {
            (Some(ticket), Some(batch)) if batch <= fold.noted => Ok(Standing::Noted {
                ticket,
                count: 1 + self.number(
                    "SELECT count(*) FROM folded WHERE fold = ?1 AND batch <= ?2",
                    &fold,
                    fold.noted,
                )?,
            }),
            (Some(ticket), _) => self.batch_of(&fold, ticket),
            (None, _) => self.waits(self.when_made(&fold)?),
        }
    }

    /// Whether it is the first of some ticket: its step is repeated.
    fn is_first(&self) -> Result<bool, Fault> {
        self.hand
            .db
            .find(
                "UPDATE fold SET owner = ?4 WHERE connection = ?1 AND key = ?2 AND mark = ?3 RETURNING id",
                values![self.connection, self.fellow.key, self.fellow.mark, self.held.entry],
                |_| Ok(()),
            )
            .map(|found| found.is_some())
    }

    /// Where it was counted before, and in which batch.
    fn counted(&self) -> Result<Option<(Fold, Option<u32>)>, Fault> {
        let sql = format!(
            "SELECT {FOLD}, folded.batch FROM fold JOIN folded ON folded.fold = fold.id AND folded.mark = ?3
             WHERE fold.connection = ?1 AND fold.key = ?2 ORDER BY fold.first DESC, fold.id DESC LIMIT 1"
        );
        self.hand.db.find(
            &sql,
            values![self.connection, self.fellow.key, self.fellow.mark],
            |row| Ok((fold_row(row)?, row.get(6)?)),
        )
    }

    /// The ticket of its kind that takes up further ones now.
    fn newest(&self, within: Duration) -> Result<Option<Fold>, Fault> {
        let sql = format!(
            "SELECT {FOLD} FROM fold WHERE connection = ?1 AND key = ?2 AND first > ?3
             ORDER BY first DESC, id DESC LIMIT 1"
        );
        let since = self.hand.now - within;
        self.hand
            .db
            .find(&sql, values![self.connection, self.fellow.key, since], fold_row)
    }

    fn begin(&self) -> Result<i64, Fault> {
        self.hand.db.row(
            "INSERT INTO fold (connection, key, owner, mark, first, last) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
                 RETURNING id",
            values![
                self.connection,
                self.fellow.key,
                self.held.entry,
                self.fellow.mark,
                self.hand.now
            ],
            |row| row.get(0),
        )
    }

    /// It is the first in the place of one that came to no ticket.
    fn take_over(&self, fold: &Fold) -> Result<(), Fault> {
        self.hand.db.run(
            "UPDATE fold SET owner = ?2, mark = ?3, first = ?4, last = ?4 WHERE id = ?1",
            values![fold.id, self.held.entry, self.fellow.mark, self.hand.now],
        )?;
        self.forget(fold.id)
    }

    /// What is not noted yet goes to a ticket of its own.
    fn renew(&self, fold: i64) -> Result<(), Fault> {
        let new = self.begin()?;
        self.hand.db.run(
            "UPDATE folded SET fold = ?2, batch = NULL WHERE fold = ?1
                    AND (batch IS NULL OR batch > (SELECT noted FROM fold WHERE id = ?1))",
            values![fold, new],
        )?;
        self.forget(new)
    }

    /// The first is no line.
    fn forget(&self, fold: i64) -> Result<(), Fault> {
        self.hand
            .db
            .run(
                "DELETE FROM folded WHERE fold = ?1 AND mark = ?2",
                values![fold, self.fellow.mark],
            )
            .map(|_| ())
    }

    /// Adds its line, once. From then on it holds back no conversation: the order of these messages is that of their
    /// lines, and each would wait for the one before it to be noted.
    fn count(&self, fold: &Fold, line: &str) -> Result<(), Fault> {
        let added = self.hand.db.run(
            "INSERT INTO folded (fold, mark, line, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (fold, mark) DO NOTHING",
            values![fold.id, self.fellow.mark, line, self.hand.now],
        )?;
        if added == 0 {
            return Ok(());
        }
        self.hand.db.run(
            "UPDATE fold SET last = ?2 WHERE id = ?1",
            values![fold.id, self.hand.now],
        )?;
        end::leave_conversation(self.hand, self.held)
    }

    /// Whether somebody still works on that message: it is in hand, or comes again.
    fn is_awaited(&self, entry: Option<EntryId>) -> Result<bool, Fault> {
        self.hand.db.exists(
            "SELECT 1 FROM entry WHERE id = ?1 AND state IN ('pending', 'claimed', 'deferred')",
            values![entry],
        )
    }

    /// When that message comes again; now where it is in hand.
    fn comes_again(&self, entry: Option<EntryId>) -> Result<Timestamp, Fault> {
        let due = self.hand.db.find(
            "SELECT due FROM entry WHERE id = ?1 AND state = 'deferred'",
            values![entry],
            |row| row.get::<Option<Timestamp>>(0),
        )?;
        Ok(due.flatten().map_or(self.hand.now, |due| due.max(self.hand.now)))
    }

    /// When to look whether the first of them has made the ticket.
    fn when_made(&self, fold: &Fold) -> Result<Timestamp, Fault> {
        let made = self.comes_again(fold.owner)? + AFTER;
        Ok(self.when_grown(fold)?.max(made.min(self.hand.now + LOOK_AGAIN)))
    }

    /// When it comes to the batch that still grows.
    fn when_grown(&self, fold: &Fold) -> Result<Timestamp, Fault> {
        let (mark, at) = self.hand.db.row(
            "SELECT mark, at FROM folded WHERE fold = ?1 AND batch IS NULL ORDER BY id LIMIT 1",
            values![fold.id],
            |row| Ok((row.get::<String>(0)?, row.get::<Timestamp>(1)?)),
        )?;
        let due = at + GROWS * 2_u32.pow(fold.noted.min(MOST_DOUBLINGS));
        Ok(if mark == self.fellow.mark { due } else { due + AFTER })
    }

    fn waits(&self, until: Timestamp) -> Result<Standing, Fault> {
        Ok(Standing::Waits { until })
    }

    /// Whether it writes the next note, or waits for it.
    fn batch_of(&self, fold: &Fold, ticket: Value) -> Result<Standing, Fault> {
        let number = fold.noted + 1;
        let count = self.number(
            "SELECT count(*) FROM folded WHERE fold = ?1 AND batch = ?2",
            fold,
            number,
        )?;
        if count == 0 {
            let due = self.when_grown(fold)?;
            if self.hand.now < due {
                return self.waits(due);
            }
            self.hand.db.run(
                "UPDATE folded SET batch = ?2 WHERE fold = ?1 AND batch IS NULL",
                values![fold.id, number],
            )?;
        } else if fold.writer != Some(self.held.entry) && self.is_awaited(fold.writer)? {
            return self.waits(self.comes_again(fold.writer)? + AFTER);
        }
        self.hand.db.run(
            "UPDATE fold SET writer = ?2 WHERE id = ?1",
            values![fold.id, self.held.entry],
        )?;
        Ok(Standing::Writes(Batch {
            fold: fold.id,
            number,
            mark: fold.mark.clone(),
            ticket,
            before: 1 + self.number(
                "SELECT count(*) FROM folded WHERE fold = ?1 AND batch < ?2",
                fold,
                number,
            )?,
            count: self.number(
                "SELECT count(*) FROM folded WHERE fold = ?1 AND batch = ?2",
                fold,
                number,
            )?,
            lines: self.lines(fold, number)?,
        }))
    }

    fn lines(&self, fold: &Fold, batch: u32) -> Result<Vec<String>, Fault> {
        let most = i64::try_from(MOST_LINES).unwrap_or(i64::MAX);
        self.hand.db.list(
            "SELECT line FROM folded WHERE fold = ?1 AND batch = ?2 ORDER BY id LIMIT ?3",
            values![fold.id, batch, most],
            |row| row.get(0),
        )
    }

    fn number(&self, sql: &str, fold: &Fold, batch: u32) -> Result<u64, Fault> {
        let number: i64 = self.hand.db.row(sql, values![fold.id, batch], |row| row.get(0))?;
        Ok(u64::try_from(number).unwrap_or_default())
    }
}
