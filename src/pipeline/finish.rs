//! The end of an attempt, or of a message that ends with its reception: kept, logged, and rung for.

use std::time::Duration;

use super::{JOURNAL_AGAIN, World, measure};
use crate::{
    config::MailboxName,
    journal::{Change, DueLetter, Entry, EntryId, JournalError, Receipt, Work},
    outcome::Outcome,
};

/// An attempt that is over.
pub(super) struct Finished {
    /// What the journal shall keep.
    pub change: Change,
    /// The author's address; empty where the message was not read.
    pub from: String,
    /// How long the attempt took.
    pub took: Duration,
}

impl Finished {
    /// Of a message that nobody read.
    pub fn unread(change: Change) -> Finished {
        Finished {
            change,
            from: String::new(),
            took: Duration::ZERO,
        }
    }
}

/// Writes a change until it is on disk: the message stays in hand as long. Trace and letter are shared by the copies.
/// `None` at a stop. A disk that stays full is told of less and less often.
pub(super) async fn keep(world: &World, work: &Work, change: &Change) -> Option<Receipt> {
    let mut failures = 0_u32;
    loop {
        match world.journal.write(change.clone()).await {
            Ok(receipt) => return Some(receipt),
            Err(error) => {
                let (id, mailbox) = (work.claim.entry.0, &work.place.mailbox.0);
                failures += 1;
                if failures.is_power_of_two() {
                    tracing::error!(
                        id,
                        mailbox,
                        "what became of message {id} is written again each second: {error}"
                    );
                }
                tokio::select! {
                    () = tokio::time::sleep(JOURNAL_AGAIN) => {}
                    () = world.stop.cancelled() => return None,
                }
            }
        }
    }
}

/// Rings for whoever has to act on the change.
pub(super) fn ring(world: &World, work: &Work, change: &Change, receipt: &Receipt) {
    world.bells.settle(&work.place.mailbox).notify_one();
    if let Change::Ended { ended, .. } = change {
        if ended.bounce.is_some() {
            world.bells.outbox.notify_one();
        }
        if !ended.notices.is_empty() || matches!(receipt, Receipt::Suppressed(_)) {
            world.bells.report.notify_one();
        }
    }
}

/// One line a message at info, and what happened meanwhile at debug. One that is deferred again and again is told of at
/// its attempts 1, 2, 4, 8, …: the others are detail.
pub(super) fn log_end(work: &Work, finished: &Finished, receipt: &Receipt) {
    let (id, mailbox, attempts) = (work.claim.entry.0, &work.place.mailbox.0, work.attempt);
    let Finished { change, from, took } = finished;
    let whose = whose(id, from);
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match (change, receipt) {
        (_, Receipt::Stale) => {
            tracing::warn!(
                id,
                mailbox,
                "{whose} was taken over by somebody else, and this attempt counts for nothing"
            );
        }
        // It has its outcome, and its line, when the bounce was taken or was not.
        (Change::Ended { ended, .. }, Receipt::Bouncing) => {
            let reason = "waits for its bounce";
            tracing::info!(
                id,
                mailbox,
                from,
                outcome = "deferred",
                rule = ended.rule,
                reason,
                attempts,
                calls = ended.calls,
                took_ms,
                "{whose}: deferred, {reason}"
            );
        }
        (Change::Ended { ended, .. }, receipt) => {
            let (outcome, reason) = match receipt {
                Receipt::Suppressed(reason) => (Outcome::Failed.word(), reason.as_str()),
                _ => (ended.outcome.word(), ended.reason.as_str()),
            };
            let why = why(reason);
            tracing::info!(
                id,
                mailbox,
                from,
                outcome,
                rule = ended.rule,
                reason,
                attempts,
                calls = ended.calls,
                took_ms,
                "{whose}: {outcome}{why}"
            );
        }
        (Change::Deferred { reason, due, calls, .. }, _) => {
            let why = why(reason);
            let text = format!("{whose}: deferred until {due:.0}{why}");
            // The level of a line is fixed where it stands.
            if attempts.is_power_of_two() {
                tracing::info!(id, mailbox, from, outcome = "deferred", reason, due = %format_args!("{due:.0}"), attempts, calls, took_ms, "{text}");
            } else {
                tracing::debug!(id, mailbox, from, outcome = "deferred", reason, due = %format_args!("{due:.0}"), attempts, calls, took_ms, "{text}");
            }
        }
        _ => {}
    }
}

/// The message that waited for this bounce has its outcome now.
pub(super) async fn bounced(world: &World, due: &DueLetter) -> Result<(), JournalError> {
    let Some(id) = due.entry.filter(|_| !due.is_of_step) else {
        return Ok(());
    };
    let Some(Entry { row, internal_date, .. }) = world.journal.entry(id).await? else {
        return Ok(());
    };
    measure::outcome(world, id, &row.outcome, (internal_date, row.time));
    let (whose, why) = (whose(id.0, &row.from), why(&row.reason));
    tracing::info!(
        id = id.0,
        mailbox = row.mailbox.0,
        from = row.from,
        outcome = row.outcome,
        rule = row.rule,
        reason = row.reason,
        attempts = row.attempts,
        "{whose}: {}{why}",
        row.outcome
    );
    Ok(())
}

/// One line a message at info, for those that end with their reception; a worker logs the others.
pub(super) fn log_reception(entry: EntryId, mailbox: &MailboxName, from: &str, (outcome, reason): (&str, &str)) {
    let (id, whose, why) = (entry.0, whose(entry.0, from), why(reason));
    tracing::info!(
        id,
        mailbox = mailbox.0,
        from,
        outcome,
        reason,
        "{whose}: {outcome}{why}"
    );
}

/// The message as a line names it. Its subject is said at debug alone.
fn whose(id: i64, from: &str) -> String {
    if from.is_empty() {
        format!("message {id}")
    } else {
        format!("message {id} from {from}")
    }
}

fn why(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(", {reason}")
    }
}
