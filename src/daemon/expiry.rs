//! Client secrets that end: operators hear of each 30, 7 and 1 days ahead, and when it is over.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    config::Grant,
    journal::{Change, JournalError, Notice, node::Duty},
    oauth::expiry::Expiry,
    pipeline::World,
};

/// How often the dates are looked at.
const EVERY: Duration = Duration::from_secs(3600);

/// The loop.
pub(super) async fn run(world: &World, stop: &CancellationToken) {
    say(world);
    loop {
        if let Err(error) = pass(world).await {
            tracing::warn!("whether a client secret expires is looked at in an hour: {error}");
        }
        tokio::select! {
            () = clock::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// How old the sign-ins are and when the secrets end, once in the log of each process.
fn say(world: &World) {
    for (what, oauth) in world.generation.load().config.sign_ins() {
        if oauth.grant == Grant::RefreshToken
            && let Ok(Some(kept)) = world.sign_ins.kept(oauth)
        {
            let (since, renewed) = (format!("{:.0}", kept.signed_in), format!("{:.0}", kept.given));
            tracing::info!(login = oauth.login, since, renewed, "{what}: is signed in");
        }
        if let Some(expiry) = Expiry::of(oauth, world.clock.now()) {
            tracing::info!("{what}: {}", expiry.sentence());
        }
    }
}

/// Tells what is due; each warning once, also across restarts.
pub(super) async fn pass(world: &World) -> Result<(), JournalError> {
    let generation = world.generation.load_full();
    let mut seen = BTreeSet::new();
    for (_, oauth) in generation.config.sign_ins() {
        let Some(expiry) = Expiry::of(oauth, world.clock.now()) else {
            continue;
        };
        if !seen.insert(expiry.client_id.clone()) {
            continue;
        }
        if let Some(warning) = expiry.warning() {
            warn(world, &expiry, warning).await?;
        }
    }
    Ok(())
}

async fn warn(world: &World, expiry: &Expiry, warning: i64) -> Result<(), JournalError> {
    let name = format!("expiry {}", expiry.client_id);
    let value = json!({ "on": expiry.on, "warning": warning });
    let told = world.journal.kept(&name).await?;
    let is_told = told
        .is_some_and(|told| told["on"] == value["on"] && told["warning"].as_i64().is_some_and(|told| told <= warning));
    if is_told {
        return Ok(());
    }
    let text = expiry.sentence();
    tracing::warn!("{text}");
    let notice = Notice {
        entry: None,
        topic: format!("client secret of {}", expiry.client_id),
        text,
        at: world.clock.now(),
    };
    let told = world.under(Duty::Outbox, Change::Told { notice, name, value });
    world.journal.write(told).await?;
    world.bells.report.notify_one();
    Ok(())
}
