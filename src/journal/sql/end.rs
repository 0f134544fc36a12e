//! An attempt ends: the message is deferred, ended, or given back; later it is settled, or runs again.

use jiff::Timestamp;

use super::{
    claim,
    database::Fault,
    order,
    outbox::{self, Told},
    read::count,
    sieve,
    value::{Columns, SpotColumns, fold, json, values},
    writer::Hand,
};
use crate::{
    journal::{Claim, Ended, EntryId, LetterLimit, Notice, Receipt, Settled},
    outcome::{Outcome, Reason},
};

/// A message in hand, as far as ending its attempt needs it.
pub(super) struct Held {
    pub entry: EntryId,
    author_key: String,
    thread_key: String,
}

/// The message that a claim holds; `None` where the claim is stale.
pub(super) fn held(hand: &Hand<'_>, claim: Claim) -> Result<Option<Held>, Fault> {
    hand.db.find(
        "SELECT id, author_key, thread_key FROM entry WHERE id = ?1 AND token = ?2 AND state = 'claimed'",
        values![claim.entry, claim.token],
        held_row,
    )
}

/// From its id and its keys, which come first.
pub(super) fn held_row(row: &dyn Columns) -> Result<Held, Fault> {
    Ok(Held {
        entry: row.get(0)?,
        author_key: row.get(1)?,
        thread_key: row.get(2)?,
    })
}

fn reorder(hand: &Hand<'_>, held: &Held) -> Result<(), Fault> {
    order::reorder(hand.db, held.entry, &held.author_key, &held.thread_key)
}

/// The message keeps no order within its conversation any more.
pub(super) fn leave_conversation(hand: &Hand<'_>, held: &Held) -> Result<(), Fault> {
    hand.db
        .tell("UPDATE entry SET thread_key = '' WHERE id = ?1", values![held.entry])?;
    reorder(hand, held)
}

/// What `Change::Deferred` says, without its claim and what is kept of the attempt.
pub(super) struct Deferral<'a> {
    pub due: Timestamp,
    pub reason: &'a str,
    pub counts: bool,
    pub waits_for: Option<&'a str>,
    pub waited: std::time::Duration,
    pub run: &'a serde_json::Value,
    pub notices: &'a [Notice],
}

/// What is kept of an attempt.
pub(super) struct Account<'a> {
    pub trace: &'a [u8],
    /// Requests to Halo.
    pub calls: usize,
}

/// The message comes again later.
pub(super) fn deferred(
    hand: &Hand<'_>,
    claim: Claim,
    deferral: &Deferral<'_>,
    account: &Account<'_>,
) -> Result<Receipt, Fault> {
    let Some(held) = held(hand, claim)? else {
        return Ok(Receipt::Stale);
    };
    // Of many equal ones in a row the first and the last show all that there is to see.
    hand.db.tell(
        "UPDATE attempt AS a SET trace = NULL WHERE a.entry = ?1 AND a.result = 'deferred' AND a.reason = ?2
                AND a.number = (SELECT attempts FROM entry WHERE id = ?1)
                AND EXISTS (SELECT 1 FROM attempt AS b WHERE b.entry = ?1 AND b.number = a.number - 1
                    AND b.result = 'deferred' AND b.reason = ?2)",
        values![held.entry, deferral.reason],
    )?;
    attempt(hand, held.entry, "deferred", deferral.reason, account)?;
    let said = fold([deferral.reason]);
    hand.db.tell("UPDATE OR FAIL entry SET state = 'deferred', due = ?3, waited = ?4, deferred_at = ?2,
                deferrals = CASE WHEN deferred_counts IS NOT DISTINCT FROM ?5 THEN deferrals + 1 ELSE 1 END,
                deferred_counts = ?5, waits_for = ?6, waited_for = ?6, interruptions = 0, run = ?7, reason = ?8, said = ?9,
                attempts = attempts + 1, calls = calls + ?10, stored = 1
             WHERE id = ?1", values![
            held.entry,
            hand.now,
            deferral.due,
            deferral.waited,
            deferral.counts,
            deferral.waits_for,
            json(deferral.run)?,
            deferral.reason,
            said,
            count(account.calls),
        ])?;
    sieve::add(hand.db, held.entry, &said)?;
    reorder(hand, &held)?;
    notices(hand, deferral.notices)?;
    Ok(Receipt::Done)
}

/// So many are woken by one commit.
const SLICE: i64 = 5_000;

/// Makes some of those that wait for this due now; says whether there may be more.
pub(super) fn wake_slice(hand: &Hand<'_>, waits_for: &str) -> Result<bool, Fault> {
    let woken = hand.db.run(
        "UPDATE entry SET due = ?2, waits_for = NULL
             WHERE id IN (SELECT id FROM entry WHERE waits_for = ?1 ORDER BY id LIMIT ?3)",
        values![waits_for, hand.now, SLICE],
    )?;
    Ok(i64::try_from(woken).is_ok_and(|woken| woken == SLICE))
}

/// The message is given back as it was taken.
pub(super) fn released(hand: &Hand<'_>, claim: Claim) -> Result<Receipt, Fault> {
    let Some(held) = held(hand, claim)? else {
        return Ok(Receipt::Stale);
    };
    claim::release(hand, held.entry)?;
    Ok(Receipt::Done)
}

/// The message has its outcome; or, with a bounce, will have it when the SMTP server has taken that.
pub(super) fn ended(
    hand: &Hand<'_>,
    claim: Claim,
    ended: &Ended,
    account: &Account<'_>,
    letter: &[u8],
) -> Result<Receipt, Fault> {
    let Some(held) = held(hand, claim)? else {
        return Ok(Receipt::Stale);
    };
    notices(hand, &ended.notices)?;
    count_matches(hand, &ended.matched)?;
    // No sender is bounced twice for one message, also when it runs again.
    let told = match &ended.bounce {
        Some(_) => outbox::told(hand, held.entry)?,
        None => Told::No,
    };
    match (&ended.bounce, told) {
        (None, _) | (Some(_), Told::Yes) => {
            attempt(hand, held.entry, ended.outcome.word(), &ended.reason, account)?;
            let verdict = Verdict {
                outcome: ended.outcome,
                reason: &ended.reason,
                rule: &ended.rule,
                calls: Some(account.calls),
            };
            conclude(hand, &held, &verdict)?;
            Ok(Receipt::Done)
        }
        (Some((_, limit)), Told::Perhaps) => {
            let word = Reason::BounceUnanswered.word();
            suppressed(hand, &held, ended, word, limit, account)
        }
        (Some((_, limit)), Told::No) if outbox::is_beyond(hand, limit)? => {
            suppressed(hand, &held, ended, Reason::BounceLimit.word(), limit, account)
        }
        (Some((bounce, limit)), Told::No) => {
            attempt(hand, held.entry, ended.outcome.word(), &ended.reason, account)?;
            outbox::put(hand, Some(held.entry), bounce, letter, Some(&limit.key))?;
            bouncing(hand, &held, ended, account)
        }
    }
}

/// These rules matched one message more.
fn count_matches(hand: &Hand<'_>, rules: &[String]) -> Result<(), Fault> {
    for rule in rules {
        hand.db.tell(
            "INSERT INTO rule_count (rule, matched, last) VALUES (?1, 1, ?2)
             ON CONFLICT (rule) DO UPDATE SET matched = rule_count.matched + 1, last = excluded.last",
            values![rule, hand.now],
        )?;
    }
    Ok(())
}

/// The message waits for its bounce.
fn bouncing(hand: &Hand<'_>, held: &Held, ended: &Ended, account: &Account<'_>) -> Result<Receipt, Fault> {
    let (reason, rule) = (ended.reason.as_str(), ended.rule.as_str());
    let said = fold([reason, rule]);
    hand.db.tell(
        "UPDATE OR FAIL entry SET state = 'bouncing', due = NULL, run = NULL, waits_for = NULL, interruptions = 0,
                reason = ?2, rule = ?3, said = ?4, attempts = attempts + 1, calls = calls + ?5, stored = 1
             WHERE id = ?1",
        values![held.entry, reason, rule, said, count(account.calls)],
    )?;
    sieve::add(hand.db, held.entry, &said)?;
    reorder(hand, held)?;
    Ok(Receipt::Bouncing)
}

/// The bounce may not leave, for what `word` says: the message is failed, and operators hear of it.
fn suppressed(
    hand: &Hand<'_>,
    held: &Held,
    ended: &Ended,
    word: &str,
    limit: &LetterLimit,
    account: &Account<'_>,
) -> Result<Receipt, Fault> {
    let reason = format!("{word}: {}", ended.reason);
    let verdict = Verdict {
        outcome: Outcome::Failed,
        reason: &reason,
        rule: &ended.rule,
        calls: Some(account.calls),
    };
    attempt(hand, held.entry, verdict.outcome.word(), verdict.reason, account)?;
    conclude(hand, held, &verdict)?;
    let notice = Notice {
        entry: Some(held.entry),
        topic: format!("bounce suppressed {}", limit.key),
        text: reason.clone(),
        at: hand.now,
    };
    outbox::notice(hand, &notice)?;
    Ok(Receipt::Suppressed(reason))
}

/// An outcome and why.
pub(super) struct Verdict<'a> {
    pub outcome: Outcome,
    pub reason: &'a str,
    pub rule: &'a str,
    /// The requests to Halo of the attempt that comes to it; none where that has ended before.
    pub calls: Option<usize>,
}

/// The message is at its end, and its mailbox is to be settled, where it lies in one.
pub(super) fn conclude(hand: &Hand<'_>, held: &Held, verdict: &Verdict<'_>) -> Result<(), Fault> {
    let said = fold([verdict.reason, verdict.rule]);
    hand.db.tell(
        "UPDATE OR FAIL entry SET state = 'ended', outcome = ?2, reason = ?3, rule = ?4, said = ?5, ended = ?6,
            due = NULL, run = NULL, waits_for = NULL, interruptions = 0,
            settle_due = CASE WHEN kind = 'handed' THEN NULL ELSE CAST(?6 AS BIGINT) END,
            gone = CASE WHEN kind = 'handed' THEN 1 ELSE 0 END,
            attempts = attempts + ?7, calls = calls + ?8, stored = CASE WHEN ?7 = 1 THEN 1 ELSE stored END
         WHERE id = ?1",
        values![
            held.entry,
            verdict.outcome.word(),
            verdict.reason,
            verdict.rule,
            said,
            hand.now,
            i64::from(verdict.calls.is_some()),
            count(verdict.calls.unwrap_or_default()),
        ],
    )?;
    sieve::add(hand.db, held.entry, &said)?;
    reorder(hand, held)
}

/// Keeps what an attempt came to; whoever changes the message's state counts it.
fn attempt(hand: &Hand<'_>, entry: EntryId, result: &str, reason: &str, account: &Account<'_>) -> Result<(), Fault> {
    hand.db.tell(
        // One row by its values: SQLite keeps a copy of each page for what a SELECT puts in.
        "INSERT INTO attempt (entry, number, began, ended, result, reason, trace)
         VALUES (?1, (SELECT attempts + 1 FROM entry WHERE id = ?1), (SELECT began FROM entry WHERE id = ?1),
            ?2, ?3, ?4, ?5)",
        values![entry, hand.now, result, reason, account.trace],
    )?;
    Ok(())
}

fn notices(hand: &Hand<'_>, notices: &[Notice]) -> Result<(), Fault> {
    notices.iter().try_for_each(|notice| outbox::notice(hand, notice))
}

/// The mailbox shows the end that came after so many attempts. If the message runs again meanwhile, it was moved all
/// the same, and its next end is settled from there.
pub(super) fn settled(hand: &Hand<'_>, entry: EntryId, attempts: u32, settled: &Settled) -> Result<Receipt, Fault> {
    let lies = settled.lies.as_ref();
    let lies = lies.map(|(folder, spot)| (folder, SpotColumns::of(spot)));
    let folder = lies.as_ref().map(|(folder, _)| folder);
    let validity = lies.as_ref().map(|(_, spot)| spot.validity);
    let name = lies.as_ref().map(|(_, spot)| &spot.name);
    let changed = hand.db.run(
        "UPDATE entry SET lies_folder = ?2, lies_validity = ?3, lies_name = ?4,
                settled = ?5, how = ?6, gone = ?7, settle_due = NULL, settle_reason = NULL
             WHERE id = ?1 AND state = 'ended' AND attempts = ?8",
        values![
            entry,
            folder,
            validity,
            name,
            hand.now,
            settled.how,
            !settled.stays,
            attempts,
        ],
    )?;
    if changed == 0 {
        hand.db.tell(
            "UPDATE entry SET lies_folder = ?2, lies_validity = ?3, lies_name = ?4 WHERE id = ?1",
            values![entry, folder, validity, name],
        )?;
    }
    Ok(done_or_stale(changed))
}

/// The settling of the end that came after so many attempts comes again later.
pub(super) fn settle_deferred(
    hand: &Hand<'_>,
    (entry, attempts): (EntryId, u32),
    due: Timestamp,
    reason: &str,
) -> Result<Receipt, Fault> {
    let changed = hand.db.run(
        "UPDATE entry SET settle_due = ?2, settle_reason = ?3
             WHERE id = ?1 AND settle_due IS NOT NULL AND attempts = ?4",
        values![entry, due, reason, attempts],
    )?;
    Ok(done_or_stale(changed))
}

/// An ended message runs again, as if it were new; its attempts go on counting. What was answered is forgotten: people
/// may have removed it since, so it is looked for again. A request without an answer stays known. One that waits, or
/// whose bounce does, is due now.
pub(super) fn reopened(hand: &Hand<'_>, entry: EntryId) -> Result<Receipt, Fault> {
    let held = hand.db.find("UPDATE entry SET state = 'pending', outcome = NULL, reason = '', rule = '', said = '', ended = NULL,
                waited = 0, deferred_at = NULL, deferred_counts = NULL, deferrals = 0, interruptions = 0, run = NULL, due = NULL,
                settled = NULL, how = NULL, settle_due = NULL, settle_reason = NULL, gone = 0
             WHERE id = ?1 AND state = 'ended' AND EXISTS (SELECT 1 FROM octets WHERE octets.entry = ?1)
             RETURNING id, author_key, thread_key", values![entry], held_row)?;
    let Some(held) = held else {
        return hasten(hand, entry).map(done_or_stale);
    };
    hand.db.tell(
        "DELETE FROM intent WHERE entry = ?1 AND answer IS NOT NULL",
        values![entry],
    )?;
    reorder(hand, &held)?;
    Ok(Receipt::Done)
}

/// How much of it waited.
fn hasten(hand: &Hand<'_>, entry: EntryId) -> Result<usize, Fault> {
    let message = "UPDATE entry SET due = ?2, waits_for = NULL, deferrals = 0 WHERE id = ?1 AND state = 'deferred'";
    let letter = "UPDATE letter SET due = ?2 WHERE entry = ?1 AND state = 'waiting'";
    let mut hastened = 0;
    for sql in [message, letter] {
        hastened += hand.db.run(sql, values![entry, hand.now])?;
    }
    Ok(hastened)
}

/// What to answer to a change that may have found nothing to change.
pub(super) fn done_or_stale(changed: usize) -> Receipt {
    if changed == 0 { Receipt::Stale } else { Receipt::Done }
}
