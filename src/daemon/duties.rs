//! What this node does, and what it leaves to others: the watched mailboxes, and the outbox. A reload touches only those
//! whose configuration changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{descriptors, expiry};
use crate::{
    clock,
    config::{MailboxConfig, MailboxName},
    generation::Generation,
    journal::node::{BEAT, Duty, Lease, NodeId, Roster},
    pipeline::{
        self, World, health,
        lane::Lane,
        receive::{Doubts, Watched},
        report,
        settle::Settler,
        work::{Crew, InHand},
    },
    task,
};

/// An answer that took no longer tells the time.
const PROMPT: Duration = Duration::from_millis(250);
/// The journal is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// What this node does.
pub(super) struct Duties {
    world: Arc<World>,
    crew: Crew,
    hand: mpsc::Sender<InHand>,
    tasks: TaskTracker,
    running: BTreeMap<Duty, Running>,
    /// The loops that were stopped last in a duty: the next ones there begin when these have ended, and until then it is
    /// not another node's.
    leaving: BTreeMap<Duty, TaskTracker>,
    node: Option<NodeId>,
    /// The journal has taken the last word.
    is_heard: bool,
}

struct Running {
    token: i64,
    /// Of a mailbox: its configuration.
    started_from: Option<MailboxConfig>,
    stop: CancellationToken,
    /// Its loops alone.
    tasks: TaskTracker,
}

impl Duties {
    pub fn new(world: Arc<World>, crew: Crew, hand: mpsc::Sender<InHand>, tasks: TaskTracker) -> Duties {
        Duties {
            world,
            crew,
            hand,
            tasks,
            running: BTreeMap::new(),
            leaving: BTreeMap::new(),
            node: None,
            is_heard: true,
        }
    }

    /// When the journal is to hear of this node again; where nobody else is there, no more than it must.
    pub async fn due(&self) {
        if self.world.journal.is_shared() || !self.is_heard {
            tokio::time::sleep(BEAT).await;
        } else {
            std::future::pending().await
        }
    }

    /// Tells the journal that this node is alive, and does what it is to do from now on.
    pub async fn turn(&mut self) {
        let generation = self.world.generation.load_full();
        self.end_what_changed(&generation);
        self.leaving.retain(|_, tasks| !tasks.is_empty());
        let doing: BTreeSet<Duty> = self.running.keys().chain(self.leaving.keys()).cloned().collect();
        let asked = Instant::now();
        let beat = self.world.journal.beat(wanted(&generation), doing);
        let beaten = tokio::time::timeout(PATIENCE, beat).await;
        let late = || format!("it has not answered for {} s", PATIENCE.as_secs());
        match beaten
            .map_err(|_| late())
            .and_then(|beaten| beaten.map_err(|error| error.to_string()))
        {
            Ok(roster) => {
                self.is_heard = true;
                // A time that was long under way is none.
                if self.world.journal.is_shared() && asked.elapsed() < PROMPT {
                    agree(roster.now);
                }
                self.follow(&generation, roster).await;
            }
            Err(error) if self.is_heard => {
                self.is_heard = false;
                tracing::warn!("the journal can not be told that this node is alive: {error}");
            }
            Err(error) => tracing::debug!("the journal can not be told that this node is alive: {error}"),
        }
    }

    /// At a stop: gives back what has ended here, so that other nodes need not wait for the rest.
    pub async fn hand_over(self) {
        for running in self.running.values() {
            running.tasks.close();
        }
        for tasks in self
            .running
            .values()
            .map(|running| &running.tasks)
            .chain(self.leaving.values())
        {
            tasks.wait().await;
        }
        if self.world.journal.is_shared()
            && let Err(error) = self.world.journal.beat(BTreeSet::new(), BTreeSet::new()).await
        {
            tracing::warn!("other nodes take over when they miss this one: {error}");
        }
    }

    async fn follow(&mut self, generation: &Generation, roster: Roster) {
        let Roster {
            node,
            leases,
            hand_over,
            others,
            now: _,
        } = roster;
        let tokens: BTreeMap<&Duty, i64> = leases.iter().map(|lease| (&lease.duty, lease.token)).collect();
        let mine = |duty: &Duty, token: i64| !hand_over.contains(duty) && tokens.get(duty) == Some(&token);
        let ended: Vec<Duty> = self
            .running
            .iter()
            .filter(|(duty, running)| !mine(duty, running.token))
            .map(|(duty, _)| duty.clone())
            .collect();
        ended.iter().for_each(|duty| self.end(duty, "is another node's"));
        self.world.leases.replace(&leases);
        if self.world.journal.is_shared() {
            self.goes_on(node, others).await;
        }
        let watched = leases.iter().filter(|lease| lease.duty != Duty::Outbox).count();
        descriptors::make_room(watched, generation.config.http.is_some());
        let is_new = |lease: &&Lease| !hand_over.contains(&lease.duty) && !self.running.contains_key(&lease.duty);
        let new: Vec<&Lease> = leases.iter().filter(is_new).collect();
        let is_news = !new.is_empty();
        new.into_iter().for_each(|lease| self.begin(generation, lease));
        if others > 0 {
            self.look_for_others_work();
        }
        if self.world.journal.is_shared() && is_news {
            let world = self.world.clone();
            // What another node told operators of is over by this one's word.
            task::spawn_in(&self.tasks, async move {
                if let Err(error) = health::recall(&world).await {
                    tracing::warn!("what operators know is not known here: {error}");
                }
            });
        }
    }

    /// Says as which node it goes on. Nothing of what it did as another one does.
    async fn goes_on(&mut self, node: NodeId, others: usize) {
        match self.node.replace(node) {
            Some(before) if before == node => return,
            Some(before) => tracing::warn!(
                node = node.0,
                "node {before} was taken for dead, and what it had is others'; this goes on as node {node}"
            ),
            None => tracing::info!(
                node = node.0,
                others,
                "this is node {node}, and {others} others are alive"
            ),
        }
        // It may have become another one before its first word as well.
        if !self.world.journal.holds() {
            self.crew.begin_anew().await;
            self.world.journal.goes_on(node);
        }
    }

    /// Other nodes ring no bells here.
    fn look_for_others_work(&self) {
        let bells = &self.world.bells;
        bells.work.notify_one();
        if self.running.contains_key(&Duty::Outbox) {
            bells.outbox.notify_one();
            bells.report.notify_one();
        }
        let world = self.world.clone();
        // The next word to the journal waits for no look at it.
        task::spawn_in(&self.tasks, async move {
            if let Ok(mailboxes) = world.journal.unsettled_in().await {
                mailboxes.iter().for_each(|name| world.bells.settle(name).notify_one());
            }
        });
    }

    /// What is not wanted any more as it was.
    fn end_what_changed(&mut self, generation: &Generation) {
        let is_wanted = |duty: &Duty, running: &Running| match duty {
            Duty::Outbox => true,
            Duty::Mailbox(name) => {
                let config = generation.config.mailboxes.get(name);
                config.is_some_and(|config| config.enabled && Some(config) == running.started_from.as_ref())
            }
        };
        let ended: Vec<Duty> = self
            .running
            .iter()
            .filter(|(duty, running)| !is_wanted(duty, running))
            .map(|(duty, _)| duty.clone())
            .collect();
        ended
            .iter()
            .for_each(|duty| self.end(duty, "is no longer watched as it was"));
    }

    fn end(&mut self, duty: &Duty, why: &str) {
        let Some(running) = self.running.remove(duty) else {
            return;
        };
        running.stop.cancel();
        running.tasks.close();
        match duty {
            Duty::Mailbox(name) => {
                tracing::info!(mailbox = name.0, "mailbox {name} {why}");
                self.world.state.forget(name, self.world.clock.now());
            }
            Duty::Outbox => tracing::info!("the outbox {why}"),
        }
        self.leaving.insert(duty.clone(), running.tasks);
    }

    fn begin(&mut self, generation: &Generation, lease: &Lease) {
        let stop = self.world.stop.child_token();
        let (loops, started_from): (BoxFuture<'static, ()>, _) = match &lease.duty {
            Duty::Outbox => (Box::pin(outbox(self.world.clone(), stop.clone())), None),
            Duty::Mailbox(name) => {
                let Some(config) = generation.config.mailboxes.get(name) else {
                    return;
                };
                self.world.state.watches(name);
                (Box::pin(self.mailbox(name, config, &stop)), Some(config.clone()))
            }
        };
        let running = Running {
            token: lease.token,
            started_from,
            stop: stop.clone(),
            tasks: TaskTracker::new(),
        };
        let before = self.leaving.get(&lease.duty).cloned();
        let runs = running.tasks.track_future(async move {
            // Two settlers would each move the same message.
            if let Some(before) = before {
                before.wait().await;
            }
            if !stop.is_cancelled() {
                loops.await;
            }
        });
        task::spawn_in(&self.tasks, runs);
        self.running.insert(lease.duty.clone(), running);
    }

    fn mailbox(
        &self,
        name: &MailboxName,
        config: &MailboxConfig,
        stop: &CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        let watched = Arc::new(Watched {
            world: self.world.clone(),
            name: name.clone(),
            config: config.clone(),
            hand: self.hand.clone(),
            lane: Lane::default(),
            doubts: Doubts::default(),
            stop: stop.clone(),
        });
        let settler = Arc::new(Settler {
            world: self.world.clone(),
            name: name.clone(),
            config: config.clone(),
            stop: stop.clone(),
        });
        let what = format!("mailbox {name}");
        let receiving = survive(what.clone(), stop.clone(), move || {
            let watched = watched.clone();
            async move { pipeline::receive(&watched).await }
        });
        let settling = survive(what, stop.clone(), move || {
            let settler = settler.clone();
            async move { pipeline::settle(&settler).await }
        });
        let name = name.0.clone();
        async move {
            tracing::info!(mailbox = name, "mailbox {name} is watched");
            tokio::join!(receiving, settling);
        }
    }
}

fn agree(now: Timestamp) {
    if let Some(ahead) = clock::follow(now) {
        let ahead = ahead.as_secs_f64();
        tracing::warn!(
            ahead,
            "this machine's clock is not the database's, which is gone by: {ahead:+.3} s"
        );
    }
}

/// What this node could do.
fn wanted(generation: &Generation) -> BTreeSet<Duty> {
    let enabled = generation.config.mailboxes.iter().filter(|(_, config)| config.enabled);
    let mailboxes = enabled.map(|(name, _)| Duty::Mailbox(name.clone()));
    mailboxes.chain([Duty::Outbox]).collect()
}

/// Letters and reports, and what is to be told in time.
async fn outbox(world: Arc<World>, stop: CancellationToken) {
    let shared = || (world.clone(), stop.clone());
    let (of_letters, of_reports, of_expiry) = (shared(), shared(), shared());
    let letters = survive("the outbox".to_owned(), stop.clone(), move || {
        let (world, stop) = of_letters.clone();
        async move { pipeline::outbox(&world, &stop).await }
    });
    let reports = survive("reports".to_owned(), stop.clone(), move || {
        let (world, stop) = of_reports.clone();
        async move { report::run(&world, &stop).await }
    });
    let expiry = survive("client secrets that end".to_owned(), stop.clone(), move || {
        let (world, stop) = of_expiry.clone();
        async move { expiry::run(&world, &stop).await }
    });
    tokio::join!(letters, reports, expiry);
}

/// Runs a loop in a task of its own and starts it again after a panic: what one server sends never stops the daemon.
async fn survive<F, R>(what: String, stop: CancellationToken, run: F)
where
    F: Fn() -> R,
    R: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = task::spawn(run()).await {
        tracing::error!("the work on {what} broke off by a fault of the program and begins again: {error}");
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests;
