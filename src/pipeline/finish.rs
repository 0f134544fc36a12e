//! The end of an attempt, or of a message that ends with its reception: kept, logged, and rung for.

use super::{JOURNAL_AGAIN, World};
use crate::{
    config::MailboxName,
    journal::{Change, EntryId, Receipt, Work},
    outcome::Outcome,
};

/// Writes a change until it is on disk: the message stays in hand as long. Trace and letter are shared by the copies.
/// `None` at a stop.
pub(super) async fn keep(world: &World, work: &Work, change: &Change) -> Option<Receipt> {
    loop {
        match world.journal.write(change.clone()).await {
            Ok(receipt) => return Some(receipt),
            Err(error) => {
                tracing::error!(message_id = work.claim.entry.0, "{error}");
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

/// One line a message at info.
pub(super) fn log_end(work: &Work, change: &Change, receipt: &Receipt) {
    let (id, mailbox, attempt) = (work.claim.entry.0, &work.place.mailbox.0, work.attempt);
    match (change, receipt) {
        (_, Receipt::Stale) => tracing::warn!(message_id = id, "the message was taken over"),
        (Change::Ended { ended, .. }, receipt) => {
            let (outcome, reason) = match receipt {
                Receipt::Suppressed(reason) => (Outcome::Failed.word(), reason.as_str()),
                _ => (ended.outcome.word(), ended.reason.as_str()),
            };
            tracing::info!(
                message_id = id,
                mailbox,
                attempt,
                outcome,
                rule = ended.rule,
                reason,
                "{outcome}"
            );
        }
        (Change::Deferred { reason, due, .. }, _) => {
            tracing::info!(message_id = id, mailbox, attempt, outcome = "deferred", reason, due = %due, "deferred");
        }
        _ => {}
    }
}

/// One line a message at info, for those that end with their reception; a worker logs the others.
pub(super) fn log_reception(entry: EntryId, mailbox: &MailboxName, outcome: &str, reason: &str) {
    tracing::info!(message_id = entry.0, mailbox = mailbox.0, outcome, reason, "{outcome}");
}
