//! Reload: the new configuration is checked whole, then takes the place of the old one in a single step; a bad one
//! is reported and the old one goes on.

use std::{path::Path, sync::Arc};

use crate::{generation::Generation, pipeline::World};

/// Loads the file again; a bad one is logged, fault by fault.
pub fn load(path: &Path, environment: &[(String, String)]) -> Option<Generation> {
    match Generation::load(path, environment) {
        Ok((generation, warnings)) => {
            warnings.0.iter().for_each(|warning| tracing::warn!("{warning}"));
            Some(generation)
        }
        Err(faults) => {
            faults.0.iter().for_each(|fault| tracing::error!("{fault}"));
            tracing::error!("the configuration was not reloaded; the one before goes on");
            None
        }
    }
}

/// Puts `generation` in the place of the current one. Attempts that are under way keep the one they began with.
pub fn swap(world: &World, generation: Generation) {
    if let Err(error) = world.halos.update(&generation.config) {
        tracing::error!("the configuration was not reloaded; the one before goes on: {error}");
        return;
    }
    let before = world.generation.load();
    if before.digest == generation.digest {
        tracing::info!("the configuration is as it was");
    } else {
        tracing::info!(
            before = before.digest,
            now = generation.digest,
            rules = generation.rules.rules.len(),
            "the configuration was reloaded"
        );
    }
    drop(before);
    world.generation.store(Arc::new(generation));
    world.bells.work.notify_one();
    world.bells.outbox.notify_one();
}
