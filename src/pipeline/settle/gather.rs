//! How soon one round follows another: what ends meanwhile is settled together, since each command makes the server look
//! through the whole folder.

use std::time::Duration;

/// A round begins no sooner after the beginning of the one before.
const SHORTEST: Duration = Duration::from_millis(100);
/// But nobody waits longer for what has ended.
const LONGEST: Duration = Duration::from_secs(5);
/// Rounds take up a fifth of the time at most: the server takes the longer for each the more lies there.
const SHARE: u32 = 5;
/// But for what a round takes where little lies and the processor is busy. Whoever waits for that as well has most of it
/// left when all else is done, and a processor idle while the server moves it.
const LIGHT: Duration = Duration::from_millis(50);

/// How long after its beginning a round that took so long is followed by the next.
pub(super) fn after(took: Duration) -> Duration {
    let heavy = took.saturating_sub(LIGHT);
    heavy.saturating_mul(SHARE).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(took: u64, next: u64) {
        assert_eq!(after(Duration::from_millis(took)), Duration::from_millis(next));
    }

    #[test]
    fn long_rounds_take_up_a_fifth_of_the_time_or_end_a_wait_of_five_seconds() {
        check(0, 100);
        check(70, 100);
        check(100, 250);
        check(1_000, 4_750);
        check(60_000, 5_000);
    }
}
