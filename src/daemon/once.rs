//! `run --once`: every pass once, then an honest exit status.

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{HANDED, PATIENCE, expiry, memory, stop_is_over};
use crate::{
    config::{MailboxConfig, MailboxName},
    journal::{JournalError, Totals},
    pipeline::{
        World,
        lane::Lane,
        outbox,
        receive::{Doubts, Watched},
        report,
        settle::Settler,
        states::{Sort, Thing, Trouble},
        work::{Crew, InHand},
    },
    task,
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
    /// A mailbox or a connection was not reached or refused to sign in, or waits for a word about its backlog.
    Unavailable {
        /// Those that the log has not said, since operators know of them; each with its name.
        unsaid: Vec<String>,
    },
}

/// Takes all that is in hand once: new messages, deferred ones whether due or not, the outbox, reports. At a stop
/// it hands back what is in hand.
pub async fn run(world: &Arc<World>) -> Result<Left, JournalError> {
    memory::recall(world).await?;
    let once = Once::of(world);
    let crew = Crew::new(world.clone());
    let passed = tokio::select! {
        passed = once.passes(&crew) => passed,
        () = stop_is_over(world) => Ok(0),
    };
    crew.stop(PATIENCE).await;
    memory::keep(world).await;
    left(world, passed?).await
}

/// The mailboxes of one run.
struct Once {
    world: Arc<World>,
    /// Each with what says that it has been read.
    mailboxes: Vec<(MailboxName, MailboxConfig, CancellationToken)>,
}

impl Once {
    fn of(world: &Arc<World>) -> Once {
        let generation = world.generation.load_full();
        let enabled = generation.config.mailboxes.iter().filter(|(_, config)| config.enabled);
        Once {
            world: world.clone(),
            mailboxes: enabled
                .map(|(name, config)| (name.clone(), config.clone(), CancellationToken::new()))
                .collect(),
        }
    }

    /// Says how many letters are still waiting.
    async fn passes(&self, crew: &Crew) -> Result<usize, JournalError> {
        let world = &self.world;
        expiry::pass(world).await?;
        let begun = world.clock.now();
        let (hand, handed) = mpsc::channel(HANDED);
        let receiving = self.receive(hand);
        let enough = CancellationToken::new();
        let settling = self.settle_meanwhile(&enough);
        crew.drain(handed, Some(begun)).await?;
        for task in receiving {
            if let Err(error) = task.await {
                tracing::error!("the reading of a mailbox broke off by a fault of the program: {error}");
            }
        }

        let earlier = outbox::pass(world, &world.stop, Some(begun)).await?;
        enough.cancel();
        // While the server moves the last messages.
        world.journal.rest().await?;
        for task in settling {
            if let Err(error) = task.await {
                tracing::error!("the settling of a mailbox broke off by a fault of the program: {error}");
            }
        }
        report::pass(world, true).await?;
        // What came up meanwhile, above all a report; nothing is tried twice.
        let letters = outbox::pass(world, &world.stop, Some(begun)).await?;
        let posts = outbox::webhook::pass(world, &world.stop, Some(begun)).await?;
        super::trim_once(world).await?;
        Ok(earlier.waiting.max(letters.waiting) + posts)
    }

    /// Each in a task of its own: what a server sends may break off this one alone.
    fn receive(&self, hand: mpsc::Sender<InHand>) -> Vec<JoinHandle<()>> {
        let receive = |(name, config, read): &(MailboxName, MailboxConfig, CancellationToken)| {
            let watched = Watched {
                world: self.world.clone(),
                name: name.clone(),
                config: config.clone(),
                hand: hand.clone(),
                lane: Lane::default(),
                doubts: Doubts::default(),
                stop: self.world.stop.child_token(),
            };
            let read = read.clone().drop_guard();
            task::spawn(async move {
                watched.once().await;
                drop(read);
            })
        };
        self.mailboxes.iter().map(receive).collect()
    }

    /// Many messages take a while: what has ended is settled while others are worked on, and the rest when there has been
    /// enough.
    fn settle_meanwhile(&self, enough: &CancellationToken) -> Vec<JoinHandle<()>> {
        let settle = |(name, config, read): &(MailboxName, MailboxConfig, CancellationToken)| {
            let settler = Settler {
                world: self.world.clone(),
                name: name.clone(),
                config: config.clone(),
                stop: self.world.stop.clone(),
            };
            let (read, enough) = (read.clone(), enough.clone());
            task::spawn(async move { settler.run_until(&read, &enough).await })
        };
        self.mailboxes.iter().map(settle).collect()
    }
}

async fn left(world: &World, letters: usize) -> Result<Left, JournalError> {
    let troubles = world.state.troubles();
    let is_unavailable = |(_, trouble): &&(Thing, Trouble)| trouble.sort != Sort::Hampered;
    let mut unavailable = troubles.iter().filter(is_unavailable).peekable();
    if unavailable.peek().is_some() {
        let unsaid = unavailable.filter(|(_, trouble)| !trouble.is_logged);
        return Ok(Left::Unavailable {
            unsaid: unsaid
                .map(|(thing, trouble)| format!("{thing}: {}", trouble.reason))
                .collect(),
        });
    }
    let totals = world.journal.totals().await?;
    let unfinished = |totals: &Totals| {
        let states = ["pending", "deferred"];
        states
            .iter()
            .filter_map(|state| totals.by_state.get(*state))
            .sum::<u64>()
    };
    let count = totals.values().map(unfinished).sum::<u64>() + u64::try_from(letters).unwrap_or(u64::MAX);
    Ok(if count == 0 && troubles.is_empty() {
        Left::Nothing
    } else {
        Left::Deferred { count }
    })
}
