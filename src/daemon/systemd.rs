//! What systemd is told: ready, reloading, stopping, a status line, and a watchdog fed by progress.

use std::{sync::Arc, time::Duration};

use sd_notify::NotifyState;
use serde_json::json;

use crate::{
    journal::Change,
    pipeline::{World, states::Thing},
};

/// The status line is brought up to date so often.
const LOOK: Duration = Duration::from_secs(1);
/// A journal that has not taken a change after so long feeds no watchdog.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(10);
/// The loop that takes up work makes a turn four times as often.
const TURN_PATIENCE: Duration = Duration::from_secs(60);
/// A status line names so many troubles, and so much of each.
const TROUBLES: usize = 3;
const LONGEST_TROUBLE: usize = 160;

/// Tells systemd how things are until the daemon stops.
pub(super) async fn beat(world: Arc<World>) {
    let watchdog = sd_notify::watchdog_enabled();
    let mut said = String::new();
    let mut fed = tokio::time::Instant::now();
    loop {
        let (status, is_settled) = status(&world);
        if is_settled && world.state.becomes_ready() {
            tell(&[NotifyState::Ready]);
        }
        if status != said {
            tell(&[NotifyState::Status(&status)]);
            said = status;
        }
        if let Some(every) = watchdog
            && fed.elapsed() >= every / 3
            && is_alive(&world).await
        {
            tell(&[NotifyState::Watchdog]);
            fed = tokio::time::Instant::now();
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = world.stop.cancelled() => {
                tell(&[NotifyState::Stopping]);
                return;
            }
        }
    }
}

/// A reload begins; readiness is told again when it is over. Before the first readiness there is none to tell.
pub(super) fn reloading(world: &World) {
    if world.state.is_ready()
        && let Ok(at) = NotifyState::monotonic_usec_now()
    {
        tell(&[NotifyState::Reloading, at]);
    }
}

/// A reload is over.
pub(super) fn reloaded(world: &World) {
    if world.state.is_ready() {
        tell(&[NotifyState::Ready]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd was not told: {error}");
    }
}

/// A line for people, and whether a mailbox is well or every one of them has said why not.
fn status(world: &World) -> (String, bool) {
    let generation = world.generation.load();
    let watched = generation.config.mailboxes.iter().filter(|(_, config)| config.enabled);
    let known: Vec<Option<bool>> = watched
        .map(|(name, _)| world.state.is_well(&Thing::Mailbox(name.clone())))
        .collect();
    let well = known.iter().filter(|well| **well == Some(true)).count();
    let mut line = format!("{well} of {} mailboxes are well", known.len());
    for (thing, trouble) in world.state.troubles().iter().take(TROUBLES) {
        let text = format!("; {thing}: {}", trouble.reason);
        let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        line.extend(printable.take(LONGEST_TROUBLE));
    }
    (line, well > 0 || known.iter().all(Option::is_some))
}

/// Progress is that the journal takes changes and the loop that takes up work turns. A Halo or a mailbox that is
/// down is no reason to be started again.
async fn is_alive(world: &World) -> bool {
    let change = Change::Kept {
        name: "alive".to_owned(),
        value: json!(world.clock.now()),
    };
    let written = tokio::time::timeout(JOURNAL_PATIENCE, world.journal.write(change)).await;
    matches!(written, Ok(Ok(_))) && world.state.since_turn() < TURN_PATIENCE
}
