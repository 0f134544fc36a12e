//! How long to wait after failures in a row. Pure: chance comes in from outside.

use std::time::Duration;

/// A backoff that doubles from `first` to `longest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// No wait is longer than this.
    pub longest: Duration,
}

impl Backoff {
    /// How long to wait after `failures` in a row (1 is the first); `spread` (0 to 1) keeps many waiters
    /// out of step by taking up to half of the wait away.
    pub fn delay(&self, failures: u32, spread: f64) -> Duration {
        let doubled = self
            .first
            .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        doubled.min(self.longest).mul_f64(1.0 - spread.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_longest_and_never_overflows() {
        let backoff = Backoff {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(600),
        };
        let waits: Vec<u64> = [1, 2, 3, 7, 8, 62, u32::MAX]
            .map(|n| backoff.delay(n, 0.0).as_secs())
            .into();
        assert_eq!(waits, [5, 10, 20, 320, 600, 600, 600]);
        assert_eq!(backoff.delay(1, 1.0), Duration::from_millis(2500));
    }
}
