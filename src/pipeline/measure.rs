//! What is counted of messages and letters as they come to their end.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::World;
use crate::{
    journal::{Change, EntryId, Receipt, Way, Work},
    metrics::Metric,
    outcome::Outcome,
};

/// An attempt is over, and the journal has it.
pub(super) fn attempt(world: &World, work: &Work, began: Instant, change: &Change, receipt: &Receipt) {
    let result = match (change, receipt) {
        (_, Receipt::Stale) => return,
        (Change::Ended { .. }, Receipt::Suppressed(_)) => Outcome::Failed.word(),
        // It has its outcome when the bounce was taken.
        (_, Receipt::Bouncing) => "deferred",
        (Change::Ended { ended, .. }, _) => ended.outcome.word(),
        _ => "deferred",
    };
    let id = work.claim.entry;
    world
        .meters()
        .observe(Metric::Attempts, &[result], began.elapsed(), Some(id));
    if matches!(receipt, Receipt::Suppressed(_)) {
        letter(world, Way::Mail, "suppressed");
    }
    if result != "deferred" {
        outcome(world, id, result, (work.internal_date, work.received));
    }
}

/// A message has its outcome; `since`: when the mailbox took it, and when the journal did.
pub(super) fn outcome(world: &World, id: EntryId, outcome: &str, since: (Timestamp, Timestamp)) {
    let now = world.clock.now();
    let from = |then: Timestamp| Duration::try_from(now.duration_since(then)).unwrap_or_default();
    let meters = world.meters();
    meters.observe(Metric::ArrivalToOutcome, &[outcome], from(since.0), Some(id));
    meters.observe(Metric::ReceptionToOutcome, &[outcome], from(since.1), Some(id));
}

/// What became of a letter by this way.
pub(super) fn letter(world: &World, way: Way, result: &str) {
    world.meters().add(Metric::Letters, &[way.word(), result], 1);
}
