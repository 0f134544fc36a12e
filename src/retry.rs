//! How long to wait after failures in a row. Pure: chance comes in from outside.

use std::time::Duration;

use jiff::Timestamp;

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

    /// How long something has waited by its own fault: `waited` before its last wait, which began at the time in
    /// `last`, where that one counts. A time in which nobody tried does not: no single wait counts for more than the
    /// longest one.
    pub fn waited(&self, waited: Duration, last: Option<(Timestamp, bool)>, now: Timestamp) -> Duration {
        let last = match last {
            Some((since, true)) => Duration::try_from(now.duration_since(since))
                .unwrap_or_default()
                .min(self.longest),
            _ => Duration::ZERO,
        };
        waited + last
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

    #[test]
    fn only_waits_that_count_are_counted_and_none_for_more_than_the_longest() {
        let backoff = Backoff {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(600),
        };
        let since = Timestamp::UNIX_EPOCH;
        for (last, after, expected) in [
            (None, 60, 30),
            (Some((since, false)), 60, 30),
            (Some((since, true)), 60, 90),
            (Some((since, true)), 86_400, 630),
        ] {
            let now = since + Duration::from_secs(after);
            let waited = backoff.waited(Duration::from_secs(30), last, now);
            assert_eq!(waited.as_secs(), expected, "{last:?}");
        }
    }
}
