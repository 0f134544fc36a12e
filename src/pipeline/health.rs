//! What attempts show of the connections. Operators hear once of a fault and once of its end, and at its end exactly
//! the messages that waited for it are taken up.

use jiff::Timestamp;

use super::{
    World, report,
    states::{Sort, Thing, Urgency},
};
use crate::{
    journal::{Change, JournalError},
    run::{End, Through},
};

/// Notes what an attempt that began at `began` met. An attempt that was under way when a fault began, or ended,
/// says nothing of the time since.
pub(super) async fn note(world: &World, began: Timestamp, through: &Through) {
    let mut at_fault = None;
    if let End::Deferred {
        fault: Some((connection, fault)),
        reason,
        ..
    } = &through.end
    {
        let thing = Thing::at_fault(connection, fault);
        if !world.state.was_well_after(&thing, began) {
            let sort = Sort::of(fault.is_unavailable());
            report::trouble(world, thing.clone(), reason.clone(), sort, Urgency::Now).await;
        }
        at_fault = Some(thing);
    }
    let is_well = |thing: &Thing| {
        let steps = through.trace.rules.iter().flat_map(|rule| &rule.steps);
        at_fault.as_ref() != Some(thing)
            && steps
                .flat_map(|step| &step.effects)
                .any(|effect| thing.is_well_by(effect))
    };
    for thing in world.state.troubled_before(began).into_iter().filter(is_well) {
        let text = thing.well_again();
        over(world, thing, text).await;
    }
}

/// What an earlier process knew. What it met under another configuration is perhaps no longer asked for.
pub async fn recall(world: &World) -> Result<(), JournalError> {
    let config = world.generation.load().digest.clone();
    for told in report::told(world).await? {
        world.state.recall(told.thing.clone());
        if told.config != config {
            superseded(world, told.thing).await;
        }
    }
    Ok(())
}

/// A configuration was loaded, another one or the same again, perhaps since something was mended: whoever waits for
/// a connection is taken up.
pub async fn reloaded(world: &World, is_another: bool) {
    for thing in world.state.troubled_before(Timestamp::MAX) {
        if thing.connection().is_none() {
            continue;
        }
        if is_another {
            superseded(world, thing.clone()).await;
        }
        wake(world, &thing).await;
    }
}

async fn superseded(world: &World, thing: Thing) {
    let config = &world.generation.load().config;
    let is_gone = thing
        .connection()
        .is_some_and(|connection| !config.halo.contains_key(connection));
    if thing.is_of_rules() || is_gone {
        let text = "the configuration is another one; the messages that waited are taken up";
        over(world, thing, text).await;
    }
}

/// The trouble is over, and nobody waits for its end any longer.
async fn over(world: &World, thing: Thing, text: &str) {
    report::over(world, &thing, text).await;
    wake(world, &thing).await;
}

async fn wake(world: &World, thing: &Thing) {
    let waits_for = thing.to_string();
    let woken = Change::Woken {
        waits_for: waits_for.clone(),
    };
    if let Err(error) = world.journal.write(woken).await {
        let connection = thing.connection().map(|connection| connection.0.as_str());
        tracing::warn!(
            connection,
            "what waits for {waits_for} comes again by itself, later: {error}"
        );
    }
    world.bells.work.notify_one();
}
