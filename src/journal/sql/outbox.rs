//! Letters that are to leave, and what operators shall hear of.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{
    database::Fault,
    end::{self, Held, Verdict, done_or_stale},
    value::{Json, json, values},
    writer::Hand,
};
use crate::{
    journal::{Claim, EntryId, Letter, LetterId, LetterLimit, Notice, Post, Receipt, Report, Way},
    outcome::{Outcome, Reason},
};

/// Puts a letter into the outbox, due at once. `octets` are the letter's, compressed.
pub(super) fn put(
    hand: &Hand<'_>,
    entry: Option<EntryId>,
    letter: &Letter,
    octets: &[u8],
    limit_key: Option<&str>,
) -> Result<LetterId, Fault> {
    hand.db.row(
        "INSERT INTO letter (entry, return_path, recipients, octets, limit_key, created, due, not_after)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7) RETURNING id",
        values![
            entry,
            letter.return_path,
            json(&letter.recipients)?,
            octets,
            limit_key,
            hand.now,
            letter.not_after,
        ],
        |row| row.get(0),
    )
}

/// Puts the mail of a step into the outbox, where it is not there yet.
pub(super) fn posted(hand: &Hand<'_>, claim: Claim, post: &Post, octets: &[u8]) -> Result<Receipt, Fault> {
    let Some(held) = end::held(hand, claim)? else {
        return Ok(Receipt::Stale);
    };
    let is_there: bool = hand.db.row(
        "SELECT EXISTS (SELECT 1 FROM letter WHERE mark = ?1 AND (state <> 'refused' OR unanswered > 0))",
        values![&post.mark],
        |row| row.get(0),
    )?;
    if is_there {
        return Ok(Receipt::Done);
    }
    if let Some(limit) = &post.limit
        && is_beyond(hand, limit)?
    {
        let (word, to) = (Reason::BounceLimit.word(), &limit.key);
        let reason = format!("{word}: {to} was told already, up to [bounce] limit_per_sender");
        return Ok(Receipt::Suppressed(reason));
    }
    let limit_key = post.limit.as_ref().map(|limit| limit.key.as_str());
    let letter = put(hand, Some(held.entry), &post.letter, octets, limit_key)?;
    hand.db
        .tell("UPDATE letter SET mark = ?2 WHERE id = ?1", values![letter, post.mark])?;
    Ok(Receipt::Done)
}

/// Whether somebody was told about a message.
#[derive(PartialEq, Eq)]
pub(super) enum Told {
    No,
    Perhaps,
    Yes,
}

/// Whether a bounce of this message has left already.
pub(super) fn told(hand: &Hand<'_>, entry: EntryId) -> Result<Told, Fault> {
    let (taken, unanswered): (bool, bool) = hand.db.row(
        "SELECT count(CASE WHEN state = 'taken' THEN 1 END), count(CASE WHEN unanswered > 0 THEN 1 END) FROM letter
             WHERE entry = ?1 AND mark IS NULL",
        values![entry],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(match (taken, unanswered) {
        (true, _) => Told::Yes,
        (false, true) => Told::Perhaps,
        (false, false) => Told::No,
    })
}

/// Whether one more letter would be beyond its limit. One that was refused has told nobody anything.
pub(super) fn is_beyond(hand: &Hand<'_>, limit: &LetterLimit) -> Result<bool, Fault> {
    let since = SignedDuration::try_from(limit.rate.per)
        .ok()
        .and_then(|per| hand.now.checked_sub(per).ok())
        .unwrap_or(Timestamp::MIN);
    let written: i64 = hand.db.row(
        "SELECT count(*) FROM letter WHERE limit_key = ?1 AND created > ?2
             AND (state <> 'refused' OR unanswered > 0)",
        values![limit.key, since],
        |row| row.get(0),
    )?;
    Ok(written >= i64::from(limit.rate.count.get()))
}

/// The SMTP server has taken a letter. Its octets are not needed any more, its row counts towards the limit.
pub(super) fn taken(hand: &Hand<'_>, letter: LetterId) -> Result<Receipt, Fault> {
    let Some(left) = leave(hand, letter, "taken", "")? else {
        return Ok(Receipt::Stale);
    };
    hand.db
        .tell("UPDATE letter SET octets = NULL WHERE id = ?1", values![letter])?;
    if let Of::Bounce(entry) = left.of
        && let Some(waited) = bouncing(hand, entry)?
    {
        let verdict = Verdict {
            outcome: Outcome::Bounced,
            reason: &waited.reason,
            rule: &waited.rule,
            calls: None,
        };
        end::conclude(hand, &waited.held, &verdict)?;
    }
    Ok(Receipt::Done)
}

/// A letter was refused for good. A digest's notices come again in the next one, so that none is lost.
pub(super) fn refused(hand: &Hand<'_>, letter: LetterId, reason: &str) -> Result<Receipt, Fault> {
    let Some(left) = leave(hand, letter, "refused", reason)? else {
        return Ok(Receipt::Stale);
    };
    match left.of {
        Of::Bounce(entry) => failed(hand, entry, "failed", reason)?,
        Of::Step(entry) => not_left(hand, entry, &left.recipients, reason)?,
        Of::Report => {
            for column in [Way::Mail, Way::Webhook].map(left_in) {
                hand.db.tell(
                    &format!("UPDATE notice SET {column} = NULL WHERE {column} = ?1"),
                    values![letter],
                )?;
            }
        }
    }
    Ok(Receipt::Done)
}

/// A letter was handed over too often without an answer.
pub(super) fn unanswered(hand: &Hand<'_>, letter: LetterId, reason: &str) -> Result<Receipt, Fault> {
    let Some(left) = leave(hand, letter, "refused", reason)? else {
        return Ok(Receipt::Stale);
    };
    hand.db.tell(
        "UPDATE letter SET unanswered = unanswered + 1 WHERE id = ?1",
        values![letter],
    )?;
    match left.of {
        Of::Bounce(entry) => failed(hand, entry, "failed", reason)?,
        Of::Step(entry) => not_left(hand, entry, &left.recipients, reason)?,
        Of::Report => {}
    }
    Ok(Receipt::Done)
}

/// A letter's time is over.
pub(super) fn outdated(hand: &Hand<'_>, letter: LetterId, reason: &str) -> Result<Receipt, Fault> {
    let Some(left) = leave(hand, letter, "refused", reason)? else {
        return Ok(Receipt::Stale);
    };
    if let Of::Step(entry) = left.of {
        not_left(hand, entry, &left.recipients, reason)?;
    }
    if let Of::Bounce(entry) = left.of {
        let key: Option<String> =
            hand.db
                .row("SELECT limit_key FROM letter WHERE id = ?1", values![letter], |row| {
                    row.get(0)
                })?;
        let topic = format!("bounce suppressed {}", key.unwrap_or_default());
        failed(hand, entry, &topic, reason)?;
    }
    Ok(Receipt::Done)
}

/// The message whose bounce leaves no more ends as failed, and operators hear of it: what became of the bounce, and
/// why there was one.
fn failed(hand: &Hand<'_>, entry: EntryId, topic: &str, reason: &str) -> Result<(), Fault> {
    let Some(waited) = bouncing(hand, entry)? else {
        return Ok(());
    };
    let text = format!("{reason}; {}", waited.reason);
    let verdict = Verdict {
        outcome: Outcome::Failed,
        reason: &text,
        rule: &waited.rule,
        calls: None,
    };
    end::conclude(hand, &waited.held, &verdict)?;
    notice(
        hand,
        &Notice {
            entry: Some(entry),
            topic: topic.into(),
            text,
            at: hand.now,
        },
    )
}

/// Operators hear of a mail of a step that did not leave; its message has its own end.
fn not_left(hand: &Hand<'_>, entry: EntryId, to: &[String], reason: &str) -> Result<(), Fault> {
    notice(
        hand,
        &Notice {
            entry: Some(entry),
            topic: "mail of send_email".into(),
            text: format!("the mail to {} did not leave: {reason}", to.join(", ")),
            at: hand.now,
        },
    )
}

/// A letter that is out of the outbox.
struct Left {
    of: Of,
    recipients: Vec<String>,
}

/// Whose a letter is.
enum Of {
    Report,
    Bounce(EntryId),
    Step(EntryId),
}

/// Takes a waiting letter out of the outbox. `None`: it does not wait.
fn leave(hand: &Hand<'_>, letter: LetterId, state: &str, reason: &str) -> Result<Option<Left>, Fault> {
    hand.db.find(
        "UPDATE letter SET state = ?2, reason = ?3, ended = ?4, attempts = attempts + 1
             WHERE id = ?1 AND state = 'waiting' RETURNING entry, mark IS NOT NULL, recipients",
        values![letter, state, reason, hand.now],
        |row| {
            Ok(Left {
                of: match (row.get(0)?, row.get(1)?) {
                    (None, _) => Of::Report,
                    (Some(entry), false) => Of::Bounce(entry),
                    (Some(entry), true) => Of::Step(entry),
                },
                recipients: row.get::<Json<_>>(2)?.0,
            })
        },
    )
}

/// A message that is bounced, why, and by which rule.
struct Bouncing {
    held: Held,
    reason: String,
    rule: String,
}

/// A message that waits for its letter; `None` where it does not.
fn bouncing(hand: &Hand<'_>, entry: EntryId) -> Result<Option<Bouncing>, Fault> {
    hand.db.find(
        "SELECT id, author_key, thread_key, reason, rule FROM entry WHERE id = ?1 AND state = 'bouncing'",
        values![entry],
        |row| {
            Ok(Bouncing {
                held: end::held_row(row)?,
                reason: row.get(3)?,
                rule: row.get(4)?,
            })
        },
    )
}

/// What `Change::LetterDeferred` says of the wait.
pub(super) struct Wait<'a> {
    pub due: Timestamp,
    pub reason: &'a str,
    pub unanswered: bool,
    pub counts: bool,
    pub waited: Duration,
}

/// The letter leaves later.
pub(super) fn deferred(hand: &Hand<'_>, letter: LetterId, wait: &Wait<'_>) -> Result<Receipt, Fault> {
    let changed = hand.db.run(
        "UPDATE letter SET due = ?2, reason = ?3, attempts = attempts + 1, tried = ?4, counts = ?5,
                unanswered = unanswered + ?6, waited = ?7
             WHERE id = ?1 AND state = 'waiting'",
        values![
            letter,
            wait.due,
            wait.reason,
            hand.now,
            wait.counts,
            wait.unanswered,
            wait.waited,
        ],
    )?;
    Ok(done_or_stale(changed))
}

/// Something operators shall hear of.
pub(super) fn notice(hand: &Hand<'_>, notice: &Notice) -> Result<(), Fault> {
    hand.db.tell(
        "INSERT INTO notice (entry, topic, text, at) VALUES (?1, ?2, ?3, ?4)",
        values![notice.entry, notice.topic, notice.text, notice.at],
    )
}

/// A report leaves by its way, with its notices.
pub(super) fn reported(hand: &Hand<'_>, report: &Report, octets: &[u8]) -> Result<(), Fault> {
    let letter = put(hand, None, &report.letter, octets, None)?;
    hand.db.tell(
        "UPDATE letter SET way = ?2 WHERE id = ?1",
        values![letter, report.way.word()],
    )?;
    for way in [Way::Mail, Way::Webhook] {
        if way == report.way || report.alone {
            let column = left_in(way);
            hand.db.tell(
                &format!("UPDATE notice SET {column} = ?2 WHERE {column} IS NULL AND id <= ?1"),
                values![report.upto, letter],
            )?;
        }
    }
    Ok(())
}

/// The column of a notice that says in which letter it left by that way.
pub(super) fn left_in(way: Way) -> &'static str {
    match way {
        Way::Mail => "report",
        Way::Webhook => "webhook",
    }
}
