//! The pace of one connection: a rolling window that is never exceeded, and a hold after a 429.
//!
//! Slots are taken in small slices. The journal holds a slice as used before the first request of it leaves, so
//! that a process that is killed forgets nothing that it sent.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{
    clock::{self, Clock},
    config::Rate,
    journal::{JournalError, node::LEASE},
    retry::Backoff,
};

use super::{meter::Meter, waits::Waits};

mod ledger;
mod window;

pub(super) use ledger::Ledger;
use ledger::Told;
pub use window::Used;
use window::{Grant, Window};

/// Where other nodes have a part of the rate, it is asked no sooner and no later than after this whether they leave more.
const SOONEST: Duration = Duration::from_millis(20);
const LATEST: Duration = Duration::from_secs(1);

/// Lets requests out, first come, first served.
#[derive(Debug)]
pub(super) struct Pace {
    window: Mutex<Window>,
    /// Whoever stands first in line sleeps; the others wait for this lock, which is fair.
    line: tokio::sync::Mutex<Line>,
    changed: Notify,
    patience: Duration,
    /// `None`: a command that has no journal and soon ends.
    ledger: Option<Ledger>,
    /// Whatever an earlier process used without having told of it, it used before this.
    begun: Instant,
    /// Those who stand in line.
    waiting: AtomicUsize,
    pub meter: Meter,
}

/// What the first in line works with.
#[derive(Debug, Default)]
struct Line {
    /// Whether what an earlier process used has been counted.
    has_recalled: bool,
    /// Slots of the slice that are not granted yet.
    left: usize,
    /// Afterwards other nodes may have them.
    until: Option<Instant>,
    /// Then it can be that other nodes leave more.
    again: Option<Instant>,
}

impl Line {
    fn has_slice(&self, now: Instant) -> bool {
        self.left > 0 && self.until.is_none_or(|until| now < until)
    }
}

/// Why a request may not leave.
#[derive(Debug)]
pub(super) enum NoSlot {
    /// The connection holds still for longer than anybody waits inside a request.
    Held(Duration),
    /// The journal does not hold the slot, so it is none.
    NotKept(JournalError),
}

/// The right to send one request; dropped when its answer is there.
#[derive(Debug)]
pub(super) struct Slot<'a>(&'a Pace);

impl Pace {
    pub(super) fn new(rate: Rate, (hold, patience): (Backoff, Duration), ledger: Option<Ledger>, meter: Meter) -> Pace {
        Pace {
            window: Mutex::new(Window::new(rate, hold)),
            line: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            patience,
            ledger,
            begun: clock::moment(),
            waiting: AtomicUsize::new(0),
            meter,
        }
    }

    /// The configuration has another rate: what was sent still counts.
    pub(super) fn adjust(&self, rate: Rate) {
        self.window().adjust(rate);
        self.changed.notify_one();
    }

    /// Waits until the next request may leave.
    pub(super) async fn slot(&self) -> Result<Slot<'_>, NoSlot> {
        self.refuse_a_long_hold().await?;
        let _waits = Waits::among(&self.waiting);
        let mut line = self.line.lock().await;
        self.recall(&mut line).await?;
        loop {
            let now = clock::moment();
            let granted = self.window().grant(now, line.has_slice(now));
            match granted {
                Grant::Now => {
                    line.left -= 1;
                    let slot = Slot(self);
                    return self.is_held().map(|()| slot);
                }
                Grant::NoneLeft => self.ask(&mut line).await?,
                Grant::Held(wait) => {
                    self.tell_of_a_hold(&mut line).await?;
                    if wait > self.patience {
                        return Err(NoSlot::Held(wait));
                    }
                    self.pause(Some(wait)).await;
                }
                Grant::After(wait) => self.pause_for(Some(wait), &mut line).await,
                Grant::WhenOneEnds => self.pause_for(None, &mut line).await,
            }
        }
    }

    /// A node that others may have taken for dead sends nothing.
    fn is_held(&self) -> Result<(), NoSlot> {
        match &self.ledger {
            Some(ledger) if !ledger.holds() => Err(NoSlot::NotKept(JournalError::NotWritten {
                reason: "the journal has not been heard of in time".to_owned(),
            })),
            _ => Ok(()),
        }
    }

    /// Until this time has passed, or something has changed.
    async fn pause(&self, wait: Option<Duration>) {
        let passed = async {
            match wait {
                Some(wait) => clock::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! { () = passed => {}, () = self.changed.notified() => {} }
    }

    /// The same. Where other nodes have a part of the rate, it is asked then whether they leave more.
    async fn pause_for(&self, wait: Option<Duration>, line: &mut Line) {
        let again = line.again.filter(|_| self.window().is_narrow());
        let Some(again) = again else {
            return self.pause(wait).await;
        };
        let left = again.saturating_duration_since(clock::moment());
        self.pause(Some(wait.map_or(left, |wait| wait.min(left)))).await;
        if again <= clock::moment() {
            line.left = 0;
        }
    }

    /// Those who come while the connection holds still must not stand in line to hear it.
    async fn refuse_a_long_hold(&self) -> Result<(), NoSlot> {
        let held = self.window().held(clock::moment());
        let Some(wait) = held.filter(|wait| *wait > self.patience) else {
            return Ok(());
        };
        if let Ok(mut line) = self.line.try_lock() {
            self.tell_of_a_hold(&mut line).await?;
        }
        Err(NoSlot::Held(wait))
    }

    /// Other nodes hold still as well as soon as they know.
    async fn tell_of_a_hold(&self, line: &mut Line) -> Result<(), JournalError> {
        match &self.ledger {
            Some(ledger) if ledger.is_shared() && self.window().is_hold_news() => {
                line.left = 0;
                self.tell(ledger, 0, line).await
            }
            _ => Ok(()),
        }
    }

    /// Counts what an earlier process used, before the first slot of this one.
    async fn recall(&self, line: &mut Line) -> Result<(), NoSlot> {
        if let (Some(ledger), false) = (&self.ledger, line.has_recalled) {
            let kept = ledger.recall().await?;
            self.window()
                .restore(&kept, self.begun, clock::moment(), Clock::system().now());
        }
        line.has_recalled = true;
        Ok(())
    }

    /// Asks for the next slice. That is done while the window is still full, so that nobody waits for the disk as well.
    async fn ask(&self, line: &mut Line) -> Result<(), NoSlot> {
        let Some(ledger) = &self.ledger else {
            line.left = usize::MAX;
            return Ok(());
        };
        let slice = self.window().slice();
        Ok(self.tell(ledger, slice, line).await?)
    }

    async fn tell(&self, ledger: &Ledger, wanted: usize, line: &mut Line) -> Result<(), JournalError> {
        let (begun, at) = (clock::moment(), Clock::system().now());
        let told = {
            let mut window = self.window();
            Told {
                rate: window.rate(),
                at: at.as_millisecond(),
                known: window.kept(begun, at),
                wanted,
                waiting: self.waiting.load(Ordering::Relaxed),
            }
        };
        let allowed = ledger.tell(told).await?;
        let now = clock::moment();
        self.window().heed(&allowed, now);
        line.left = wanted;
        line.until = ledger.is_shared().then(|| begun + LEASE);
        line.again = Some(now + allowed.again.clamp(SOONEST, LATEST));
        Ok(())
    }

    /// Tells the journal what came of the slots, so that a restart counts each at its time, and none that was not
    /// used. Where somebody stands in line the next slice tells it.
    pub(super) async fn settle(&self) -> Result<(), JournalError> {
        let (Some(ledger), Ok(mut line)) = (&self.ledger, self.line.try_lock()) else {
            return Ok(());
        };
        if !line.has_recalled || !self.window().is_news() {
            return Ok(());
        }
        line.left = 0;
        self.tell(ledger, 0, &mut line).await?;
        self.window().told();
        Ok(())
    }

    /// Halo said 429: nothing leaves for a while. Gives the time that is left.
    pub(super) fn hold(&self, retry_after: Option<Duration>, spread: f64) -> Duration {
        let held = self.window().hold(clock::moment(), retry_after, spread);
        self.changed.notify_one();
        held
    }

    /// How long one slot takes to come back.
    pub(super) fn spacing(&self) -> Duration {
        self.window().spacing()
    }

    /// How much of the window is used now, and how many wait for a slot.
    pub(super) fn used(&self) -> (Used, usize) {
        let used = self.window().used(clock::moment());
        (used, self.waiting.load(Ordering::Relaxed))
    }

    /// Halo answered something else than 429.
    pub(super) fn flows(&self) {
        self.window().flows(clock::moment());
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<JournalError> for NoSlot {
    fn from(error: JournalError) -> NoSlot {
        NoSlot::NotKept(error)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.window().end(clock::moment());
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
