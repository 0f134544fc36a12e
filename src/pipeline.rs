//! The way of a message, on one page: four loops that are joined by the journal alone.
//!
//! ```text
//!  mailbox ──receive──▶ journal ──work──▶ journal ──settle──▶ mailbox
//!                                   │         └────outbox──▶ SMTP server
//!                                   └─▶ Halo
//! ```
//!
//! Each loop has a *pass* that does all there is to do now, and a *loop* that makes a pass whenever a bell rings
//! or something falls due. `run` runs the loops, `run --once` the passes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    journal::{Queue, Way, Work},
};

// The loops.
pub mod outbox;
pub mod receive;
pub mod settle;
pub mod work;

// What they are made of.
pub mod attempt;
pub mod canary;
pub mod duties;
pub mod ending;
mod finish;
pub mod handed;
pub mod health;
pub mod lane;
mod measure;
mod queued;
pub mod reopen;
pub mod report;
pub mod states;
mod story;
pub mod thing;
mod trouble;
mod world;

use finish::{Finished, log_reception};
use receive::Watched;
use settle::Settler;
use work::{Crew, InHand};
pub use world::World;

/// Without any bell a loop looks so often; it only matters where a bell was lost.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// A journal that can not be used is asked again after this time.
const JOURNAL_AGAIN: Duration = Duration::from_secs(1);

/// The first loop, one for each mailbox. What the journal does not know is new: it is fetched without a trace in the
/// mailbox and kept with its octets; from then on it can not be lost, and is handed to the workers.
pub async fn receive(mailbox: &Watched) {
    mailbox.run().await;
}

/// The second loop. Messages come from two sides and neither waits for the other: handed over by whoever received
/// them, and claimed from the journal.
pub async fn work(crew: &Crew, handed: mpsc::Receiver<InHand>) {
    tokio::join!(crew.take_handed(handed), take_runnable(crew));
}

async fn take_runnable(crew: &Crew) {
    let world = &crew.world;
    loop {
        let longest = match crew.pass(None).await {
            Ok(_) => world.until_due(Queue::Work, LOOK_AGAIN).await,
            Err(error) => {
                tracing::error!("no message can be taken up: {error}");
                JOURNAL_AGAIN
            }
        };
        if !world.pause(&world.stop, &world.bells.work, longest).await {
            return;
        }
    }
}

/// What a worker does with one message.
async fn through(world: &Arc<World>, in_hand: InHand) {
    let InHand {
        work,
        octets,
        message,
        held,
    } = in_hand;

    // Read, put into its context, taken through its rules: the only stage that writes to Halo, each time with its
    // intent on disk before and the answer after it.
    let began = Instant::now();
    let finished = attempt::guarded(world, &work, octets, message).await;

    end(world, &work, began, finished).await;
    drop(held);
}

/// An attempt is over: the message has its outcome, or comes again.
async fn end(world: &World, work: &Work, began: Instant, finished: Finished) {
    // Outcome, bounce, trace and notices in one commit.
    let Some(receipt) = finish::keep(world, work, &finished.change).await else {
        return;
    };
    finish::log_end(work, &finished, &receipt);
    measure::attempt(world, work, began, &finished.change, &receipt);

    // Last: who settles, tells and reports finds all of it in the journal, after a restart as well.
    finish::ring(world, work, &finished.change, &receipt);
}

/// The third loop, one for each mailbox. What has ended is moved, marked or deleted there, and the journal keeps that it
/// was; until then it is repeated.
pub async fn settle(settler: &Settler) {
    settler.run().await;
}

/// The fourth loop. Letters leave, and the journal keeps what the SMTP server said to each.
pub async fn outbox(world: &World, stop: &CancellationToken) {
    let mut failures = 0;
    loop {
        let left = outbox::pass(world, stop, None).await.unwrap_or_else(|error| {
            tracing::error!("no letter can be taken up: {error}");
            outbox::Left::default()
        });
        if left.no_way_out {
            failures += 1;
            let backoff = world.generation.load().config.retry.backoff;
            // New letters would find no way out either, so no bell is heard.
            tokio::select! {
                () = clock::sleep(backoff.delay(failures, fastrand::f64())) => continue,
                () = stop.cancelled() => return,
            }
        }
        failures = 0;
        let wait = world.until_due(Queue::Letters(Way::Mail), LOOK_AGAIN).await;
        if !world.pause(stop, &world.bells.outbox, wait).await {
            return;
        }
    }
}
