//! The time, as an argument: the system's, or in a build with `test-hooks` one that a test holds.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// How far the time that this process goes by is ahead of the machine's, in microseconds.
static AHEAD: AtomicI64 = AtomicI64::new(0);
/// A clock that is nearer than this is right.
const NEAR: SignedDuration = SignedDuration::from_millis(500);

/// Where the program reads the time from. A value, not a trait: it is copied to whoever needs it.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    #[cfg(feature = "test-hooks")]
    held: Option<std::path::PathBuf>,
}

impl Clock {
    /// The system's clock; with `test-hooks`, the file named by `HALO_INTAKE_TEST_CLOCK` shifts it, so that
    /// a test can move the time of a running process.
    pub fn system() -> Clock {
        Clock {
            #[cfg(feature = "test-hooks")]
            held: std::env::var_os("HALO_INTAKE_TEST_CLOCK").map(Into::into),
        }
    }

    /// Now, to the microsecond.
    pub fn now(&self) -> Timestamp {
        #[cfg(feature = "test-hooks")]
        return as_kept(agreed() + self.ahead());
        #[cfg(not(feature = "test-hooks"))]
        as_kept(agreed())
    }

    #[cfg(feature = "test-hooks")]
    fn ahead(&self) -> Duration {
        let text = self.held.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let seconds = text.and_then(|text| text.trim().parse().ok());
        Duration::from_secs(seconds.unwrap_or(0))
    }
}

/// The machine's time, brought to the one that all nodes go by.
fn agreed() -> Timestamp {
    of_machine() + SignedDuration::from_micros(AHEAD.load(Ordering::Relaxed))
}

fn of_machine() -> Timestamp {
    #[cfg(feature = "test-hooks")]
    return Timestamp::now() + skew();
    #[cfg(not(feature = "test-hooks"))]
    Timestamp::now()
}

/// By so many seconds the machine's clock is wrong.
#[cfg(feature = "test-hooks")]
fn skew() -> SignedDuration {
    let seconds = std::env::var("HALO_INTAKE_TEST_SKEW")
        .ok()
        .and_then(|text| text.parse().ok());
    SignedDuration::from_secs(seconds.unwrap_or(0))
}

/// All nodes go by this time from now on, which is now. Says how far the machine's clock is from it, where that is news.
pub fn follow(now: Timestamp) -> Option<SignedDuration> {
    if now.duration_since(agreed()).abs() < NEAR {
        return None;
    }
    let ahead = now.duration_since(of_machine());
    AHEAD.store(i64::try_from(ahead.as_micros()).unwrap_or_default(), Ordering::Relaxed);
    Some(ahead)
}

/// Since the machine was started: it goes on evenly, also while the machine sleeps or the process is stopped.
pub fn since_boot() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

/// A time as the journal keeps it, to the microsecond: what is made of it is the same after a restart.
pub fn as_kept(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// A moment, for whatever lasts a while within this process: it goes on evenly, whatever becomes of the time of day.
pub fn moment() -> Instant {
    #[cfg(feature = "test-hooks")]
    return Instant::now() + Clock::system().ahead();
    #[cfg(not(feature = "test-hooks"))]
    Instant::now()
}

/// So soon a wait sees that a test has moved the time.
#[cfg(feature = "test-hooks")]
const LOOK: Duration = Duration::from_millis(20);

/// Waits until it is so late. What is due at a time waits so: a test may move the time before the wait has begun.
pub async fn sleep_until(clock: &Clock, due: Timestamp) {
    loop {
        let left = Duration::try_from(due.duration_since(clock.now())).unwrap_or_default();
        if left.is_zero() {
            return;
        }
        #[cfg(feature = "test-hooks")]
        let left = if clock.held.is_some() { left.min(LOOK) } else { left };
        tokio::time::sleep(left).await;
    }
}

/// Waits until this time has passed, for a test the time that it holds.
pub async fn sleep(duration: Duration) {
    #[cfg(feature = "test-hooks")]
    if Clock::system().held.is_some() {
        let began = moment();
        while let Some(left) = duration.checked_sub(moment().saturating_duration_since(began)) {
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
        return;
    }
    tokio::time::sleep(duration).await;
}
