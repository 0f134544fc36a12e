//! The signals: SIGTERM and SIGINT stop, a second one at once; SIGHUP loads the configuration again.

use std::sync::Arc;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
};

use super::{
    reload::{self, Reload},
    systemd,
};
use crate::{pipeline::World, task};

/// Listens for SIGTERM and SIGINT from now on.
pub fn stop_on_signals(world: Arc<World>) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    task::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("halo-intake stops: what is in hand is finished or handed back");
        world.stop.cancel();
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("halo-intake stops at once");
        world.hurry.cancel();
    });
    Ok(())
}

/// Waits for SIGTERM or SIGINT.
pub async fn stopped() -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    either(&mut terminate, &mut interrupt).await;
    Ok(())
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Gives a new configuration whenever SIGHUP asks for one and the files hold a good one. systemd hears when it
/// begins and when it is over.
pub fn reload_on_signal(
    world: Arc<World>,
    environment: Vec<(String, String)>,
) -> std::io::Result<mpsc::Receiver<Reload>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (send, reloads) = mpsc::channel(1);
    task::spawn(async move {
        while hangup.recv().await.is_some() {
            systemd::reloading(&world);
            let path = world.generation.load().path.clone();
            if let Some(generation) = reload::load(&world, &path, &environment).await {
                let (taken, is_taken) = oneshot::channel();
                if send.send(Reload { generation, taken }).await.is_ok() {
                    // Where the daemon ends meanwhile, nobody answers.
                    let _ = is_taken.await;
                }
            }
            systemd::reloaded(&world);
        }
    });
    Ok(reloads)
}
