//! Reload: the new configuration is checked whole, then takes the place of the old one in a single step; a bad one
//! is reported and the old one goes on.

use std::{path::Path, sync::Arc};

use tokio::sync::oneshot;

use crate::{
    config::effective::{Change, changes},
    generation::Generation,
    pipeline::{
        World, health, report,
        states::{Sort, Thing, Urgency},
    },
};

/// A configuration that is to take the place of the current one.
pub struct Reload {
    /// The new one.
    pub generation: Generation,
    /// Answered when it has been done.
    pub taken: oneshot::Sender<()>,
}

/// Loads the file again; a bad one is logged, fault by fault, and operators hear of it.
pub(super) async fn load(world: &World, path: &Path, environment: &[(String, String)]) -> Option<Generation> {
    // A few small files: nothing waits long for them.
    match Generation::load(path, environment) {
        Ok((generation, warnings)) => {
            // Those of the same configuration were said when it was taken.
            if generation.digest != world.generation.load().digest {
                warnings
                    .0
                    .iter()
                    .for_each(|warning| tracing::warn!("{}", warning.in_log()));
            }
            Some(generation)
        }
        Err(faults) => {
            faults.0.iter().for_each(|fault| tracing::error!("{fault}"));
            refuse(world, &faults.in_short()).await;
            None
        }
    }
}

/// Puts `generation` in the place of the current one. Attempts that are under way keep the one they began with.
pub(super) async fn swap(world: &World, generation: Generation) {
    if let Err(error) = world.halos.update(&generation.config) {
        tracing::error!("a connection can not be used: {error}");
        return refuse(world, &error).await;
    }
    let before = world.generation.load_full();
    let is_another = before.digest != generation.digest;
    let found = changes(
        &before.written.effective(&world.salt),
        &generation.written.effective(&world.salt),
    );
    let config = generation.digest.clone();
    world.generation.store(Arc::new(generation));
    world.state.loads(world.clock.now());
    log(&found, &before.digest, &config);
    report::well(world, Thing::Configuration).await;
    world.halos.try_again();
    world.sign_ins.forget();
    world.bells.mended.send_replace(());
    health::reloaded(world, is_another).await;
    world.bells.work.notify_one();
    world.bells.outbox.notify_one();
}

/// One line a difference, and one for all of them.
fn log(found: &[Change], before: &str, config: &str) {
    for change in found {
        let Change {
            mailbox,
            connection,
            rule,
            key,
            ..
        } = change;
        let (mailbox, connection) = (
            mailbox.as_ref().map(|name| &name.0),
            connection.as_ref().map(|name| &name.0),
        );
        tracing::info!(mailbox, connection, rule, key, "changed: {change}");
    }
    match found.len() {
        0 => tracing::info!(config, "the configuration is as it was"),
        1 => tracing::info!(before, config, "the configuration was reloaded; one thing has changed"),
        count => tracing::info!(
            before,
            config,
            "the configuration was reloaded; {count} things have changed"
        ),
    }
}

async fn refuse(world: &World, faults: &str) {
    let reason = format!("the new configuration was not taken, the one before goes on: {faults}");
    // Whoever asked for the reload reads the log, also when operators know already.
    if !report::trouble(
        world,
        Thing::Configuration,
        reason.clone(),
        Sort::Hampered,
        Urgency::Now,
    )
    .await
    {
        tracing::error!("{}: {reason}", Thing::Configuration);
    }
}
