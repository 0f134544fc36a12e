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
    journal::JournalError,
    retry::Backoff,
};

use super::{meter::Meter, waits::Waits};

mod ledger;
mod window;

pub(super) use ledger::Ledger;
pub use window::Used;
use window::{Grant, Window};

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
        self.refuse_a_long_hold()?;
        let _waits = Waits::among(&self.waiting);
        let mut line = self.line.lock().await;
        self.recall(&mut line).await?;
        loop {
            let granted = self.window().grant(clock::moment(), line.left > 0);
            match granted {
                Grant::Now => {
                    line.left -= 1;
                    let slot = Slot(self);
                    return self.is_held().map(|()| slot);
                }
                Grant::NoneLeft => line.left = self.slice().await?,
                Grant::Held(wait) if wait > self.patience => return Err(NoSlot::Held(wait)),
                Grant::Held(wait) | Grant::After(wait) => {
                    tokio::select! { () = clock::sleep(wait) => {}, () = self.changed.notified() => {} }
                }
                Grant::WhenOneEnds => self.changed.notified().await,
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

    /// Those who come while the connection holds still must not stand in line to hear it.
    fn refuse_a_long_hold(&self) -> Result<(), NoSlot> {
        match self.window().held(clock::moment()) {
            Some(wait) if wait > self.patience => Err(NoSlot::Held(wait)),
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

    /// The next slice. It is asked for while the window is still full, so that nobody waits for the disk as well.
    async fn slice(&self) -> Result<usize, NoSlot> {
        let Some(ledger) = &self.ledger else {
            return Ok(usize::MAX);
        };
        let (kept, size) = {
            let mut window = self.window();
            (window.kept(clock::moment(), Clock::system().now()), window.slice())
        };
        Ok(ledger.grant(kept, size).await?)
    }

    /// Tells the journal what came of the slots, so that a restart counts each at its time, and none that was not
    /// used. Where somebody stands in line the next slice tells it.
    pub(super) async fn settle(&self) -> Result<(), JournalError> {
        let (Some(ledger), Ok(mut line)) = (&self.ledger, self.line.try_lock()) else {
            return Ok(());
        };
        let kept = {
            let mut window = self.window();
            if !line.has_recalled || !window.is_news() {
                return Ok(());
            }
            window.kept(clock::moment(), Clock::system().now())
        };
        line.left = 0;
        ledger.grant(kept, 0).await?;
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
