//! The time, as an argument: the system's, or in a build with `test-hooks` one that a test holds.

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
        let now = Timestamp::now();
        #[cfg(feature = "test-hooks")]
        if let Some(path) = &self.held
            && let Ok(text) = std::fs::read_to_string(path)
            && let Ok(seconds) = text.trim().parse::<i64>()
        {
            return now + jiff::SignedDuration::from_secs(seconds);
        }
        now
    }
}
