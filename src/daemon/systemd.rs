//! What systemd is told: ready, reloading, stopping, a status line, and a watchdog fed by progress.

use std::{sync::Arc, time::Duration};

use sd_notify::NotifyState;

use crate::pipeline::World;

/// The status line is brought up to date so often.
const LOOK: Duration = Duration::from_secs(1);
/// A journal that has not answered after so long feeds no watchdog.
const JOURNAL_PATIENCE: Duration = Duration::from_secs(10);

/// Tells systemd how things are until the daemon stops.
pub async fn beat(world: Arc<World>) {
    let watchdog = sd_notify::watchdog_enabled();
    let (mut ready, mut said) = (false, String::new());
    let mut fed = tokio::time::Instant::now();
    loop {
        let (status, settled) = status(&world);
        if !ready && settled {
            ready = true;
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

/// A reload begins; readiness is told again when it is over.
pub fn reloading() {
    if let Ok(at) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, at]);
    }
}

/// A reload is over.
pub fn reloaded() {
    tell(&[NotifyState::Ready]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd was not told: {error}");
    }
}

/// A line for people, and whether every mailbox has had its first sign-in or said why not.
fn status(world: &World) -> (String, bool) {
    let generation = world.generation.load();
    let watched: Vec<_> = generation
        .config
        .mailboxes
        .iter()
        .filter(|(_, config)| config.enabled)
        .map(|(name, _)| name)
        .collect();
    let states = world.state.mailboxes();
    let known = watched.iter().filter_map(|name| states.get(name)).collect::<Vec<_>>();
    let well = known
        .iter()
        .filter(|state| state.trouble.is_none() && state.last_good.is_some())
        .count();
    let mut line = format!("{well} of {} mailboxes are well", watched.len());
    let troubles = states
        .iter()
        .filter_map(|(name, state)| state.trouble.as_ref().map(|trouble| format!("{name}: {trouble}")));
    let outages = world.state.outages();
    let outages = outages.iter().map(|(name, reason)| format!("{name}: {reason}"));
    for trouble in troubles.chain(outages).take(3) {
        line.push_str("; ");
        line.extend(trouble.chars().map(|c| if c.is_control() { ' ' } else { c }).take(160));
    }
    (line, well > 0 || known.len() == watched.len())
}

/// Progress is what the journal does: a daemon whose journal answers can take, end and settle messages. A Halo or
/// a mailbox that is down is no reason to be restarted.
async fn is_alive(world: &World) -> bool {
    matches!(
        tokio::time::timeout(JOURNAL_PATIENCE, world.journal.next_due()).await,
        Ok(Ok(_))
    )
}
