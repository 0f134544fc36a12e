//! What the Halo connections know and a restart should not forget: the mail domains of sites, which cost a request
//! each, users' further addresses, and what came of the requests that the journal holds as used.

use std::{collections::HashMap, time::Duration};

use serde_json::Value;

use crate::{
    halo::client::Halo,
    journal::{Change, JournalError},
    pipeline::{World, health},
};

/// How often it is kept while the daemon runs.
const EVERY: Duration = Duration::from_secs(30);

/// The loop: keeps what has changed, and forgets what is out of date, now and then.
pub(super) async fn run(world: &World) {
    let mut kept = HashMap::new();
    loop {
        keep_changed(world, &mut kept).await;
        world.halos.all().iter().for_each(|halo| halo.sweep());
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = world.stop.cancelled() => return,
        }
    }
}

/// Gives every connection what an earlier process kept, and recalls what operators were told of.
pub async fn recall(world: &World) -> Result<(), JournalError> {
    for halo in world.halos.all() {
        if let Some(snapshot) = world.journal.kept(&name(&halo)).await? {
            halo.restore(snapshot);
        }
    }
    health::recall(world).await
}

/// Keeps all of it, at the end of a process.
pub async fn keep(world: &World) {
    keep_changed(world, &mut HashMap::new()).await;
}

async fn keep_changed(world: &World, kept: &mut HashMap<String, Value>) {
    for halo in world.halos.all() {
        if let Err(error) = halo.settle_pace().await {
            tracing::warn!(connection = %halo.name(), "what is known of connection {} is kept later: {error}", halo.name());
        }
        let (name, value) = (name(&halo), halo.snapshot());
        if kept.get(&name) == Some(&value) {
            continue;
        }
        kept.insert(name.clone(), value.clone());
        if let Err(error) = world.journal.write(Change::Kept { name, value }).await {
            tracing::warn!(connection = %halo.name(), "what is known of connection {} is kept later: {error}", halo.name());
        }
    }
}

fn name(halo: &Halo) -> String {
    format!("halo {}", halo.name())
}
