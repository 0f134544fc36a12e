//! The time, as an argument: the system's, or in a build with `test-hooks` one that a test holds.

use std::time::{Duration, Instant};

use jiff::Timestamp;

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
        return as_kept(Timestamp::now() + self.ahead());
        #[cfg(not(feature = "test-hooks"))]
        as_kept(Timestamp::now())
    }

    #[cfg(feature = "test-hooks")]
    fn ahead(&self) -> Duration {
        let text = self.held.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let seconds = text.and_then(|text| text.trim().parse().ok());
        Duration::from_secs(seconds.unwrap_or(0))
    }
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

/// Waits until this time has passed, for a test the time that it holds.
pub async fn sleep(duration: Duration) {
    #[cfg(feature = "test-hooks")]
    if Clock::system().held.is_some() {
        /// So soon a wait sees that the test has moved the time.
        const LOOK: Duration = Duration::from_millis(20);
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
