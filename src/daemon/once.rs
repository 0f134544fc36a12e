//! `run --once`: every pass once, then an honest exit status.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::HANDED;
use crate::{
    config::{MailboxConfig, MailboxName},
    journal::JournalError,
    mailbox::Mailbox,
    pipeline::{World, outbox, receive::Watched, report, settle::Settler, work::Crew},
};

/// What is left after everything in hand was taken once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Messages or letters that come again.
    Deferred {
        /// How many.
        count: u64,
    },
    /// A mailbox or a connection was not reached or refused to sign in.
    Unavailable {
        /// Each with its name.
        troubles: Vec<String>,
    },
}

/// Takes all that is in hand once: new messages, deferred ones whether due or not, the outbox, reports.
pub async fn run(world: &Arc<World>) -> Result<Left, JournalError> {
    let begun = world.clock.now();
    let generation = world.generation.load_full();
    let mailboxes: Vec<(MailboxName, MailboxConfig)> = generation
        .config
        .mailboxes
        .iter()
        .filter(|(_, config)| config.enabled)
        .map(|(name, config)| (name.clone(), config.clone()))
        .collect();
    let crew = Crew::new(world.clone());
    let (hand, handed) = mpsc::channel(HANDED);

    let receiving: Vec<_> = mailboxes
        .iter()
        .map(|(name, config)| {
            let stop = world.stop.child_token();
            let watched = Watched {
                world: world.clone(),
                name: name.clone(),
                config: config.clone(),
                hand: hand.clone(),
                stop,
            };
            // A task of its own: what a server sends may break off this one alone.
            tokio::spawn(async move {
                let taken = watched.once().await;
                if let Err(error) = &taken {
                    watched
                        .world
                        .state
                        .mailbox_has_trouble(&watched.name, error.to_string());
                }
            })
        })
        .collect();
    let settling = settlers(world, &mailboxes);
    let stop_settling = world.stop.child_token();
    let running: Vec<_> = settling
        .into_iter()
        .map(|settler| {
            let settler = Settler {
                stop: stop_settling.clone(),
                ..settler
            };
            tokio::spawn(async move { settler.run().await })
        })
        .collect();
    drop(hand);
    crew.drain(handed, begun).await?;
    for task in receiving {
        if let Err(error) = task.await {
            tracing::error!("a mailbox's reading broke off: {error}");
        }
    }
    stop_settling.cancel();
    for task in running {
        let _ = task.await;
    }

    outbox::pass(world, true).await?;
    settle_all(world, &mailboxes).await;
    report::pass(world, true).await?;
    let waiting = outbox::pass(world, true).await?;
    super::trim_once(world).await?;
    left(world, waiting).await
}

fn settlers(world: &Arc<World>, mailboxes: &[(MailboxName, MailboxConfig)]) -> Vec<Settler> {
    let settler = |(name, config): &(MailboxName, MailboxConfig)| Settler {
        world: world.clone(),
        name: name.clone(),
        config: config.clone(),
        stop: world.stop.child_token(),
    };
    mailboxes.iter().map(settler).collect()
}

async fn settle_all(world: &Arc<World>, mailboxes: &[(MailboxName, MailboxConfig)]) {
    let passes = settlers(world, mailboxes).into_iter().map(|settler| async move {
        let mut session: Option<Box<dyn Mailbox>> = None;
        if let Err(error) = settler.pass(&mut session).await {
            world
                .state
                .mailbox_has_trouble(&settler.name, format!("settling waits: {error}"));
        }
    });
    futures_util::future::join_all(passes).await;
}

async fn left(world: &World, letters: usize) -> Result<Left, JournalError> {
    let mailboxes = world.state.mailboxes();
    let mailboxes = mailboxes.iter().filter_map(|(name, state)| {
        state
            .trouble
            .as_ref()
            .map(|trouble| format!("mailbox {name}: {trouble}"))
    });
    let outages = world.state.outages();
    let troubles: Vec<String> = mailboxes
        .chain(outages.iter().map(|(name, reason)| format!("{name}: {reason}")))
        .collect();
    if !troubles.is_empty() {
        return Ok(Left::Unavailable { troubles });
    }
    let totals = world.journal.totals().await?;
    let unfinished = |totals: &crate::journal::Totals| {
        ["pending", "deferred"]
            .iter()
            .filter_map(|state| totals.by_state.get(*state))
            .sum::<u64>()
    };
    let count = totals.values().map(unfinished).sum::<u64>() + u64::try_from(letters).unwrap_or(u64::MAX);
    Ok(if count == 0 {
        Left::Nothing
    } else {
        Left::Deferred { count }
    })
}
