//! The pace of one connection: a rolling window that is never exceeded, and a hold after a 429.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::{config::Rate, retry::Backoff};

/// Longer holds than this are no answer to a rate but a mistake of something in between.
const LONGEST_HOLD: Duration = Duration::from_secs(60 * 60);

/// Lets requests out, first come, first served.
#[derive(Debug)]
pub(super) struct Pace {
    window: Mutex<Window>,
    /// Whoever stands first in line sleeps; the others wait for this lock, which is fair.
    line: tokio::sync::Mutex<()>,
    changed: Notify,
    patience: Duration,
}

/// The connection holds still for longer than anybody waits inside a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held(pub Duration);

/// The right to send one request; dropped when its answer is there.
#[derive(Debug)]
pub(super) struct Slot<'a>(&'a Pace);

impl Pace {
    pub(super) fn new(rate: Rate, hold: Backoff, patience: Duration) -> Pace {
        Pace {
            window: Mutex::new(Window::new(rate, hold)),
            line: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            patience,
        }
    }

    /// Waits until the next request may leave.
    pub(super) async fn slot(&self) -> Result<Slot<'_>, Held> {
        self.refuse_a_long_hold()?;
        let _first_in_line = self.line.lock().await;
        loop {
            let granted = self.window().grant(Instant::now());
            match granted {
                Grant::Now => return Ok(Slot(self)),
                Grant::Held(wait) if wait > self.patience => return Err(Held(wait)),
                Grant::Held(wait) | Grant::After(wait) => {
                    tokio::select! { () = tokio::time::sleep(wait) => {}, () = self.changed.notified() => {} }
                }
                Grant::WhenOneEnds => self.changed.notified().await,
            }
        }
    }

    /// Those who come while the connection holds still must not stand in line to hear it.
    fn refuse_a_long_hold(&self) -> Result<(), Held> {
        match self.window().held(Instant::now()) {
            Some(wait) if wait > self.patience => Err(Held(wait)),
            _ => Ok(()),
        }
    }

    /// Halo said 429: nothing leaves for a while. Gives the time that is left.
    pub(super) fn hold(&self, retry_after: Option<Duration>, spread: f64) -> Duration {
        let held = self.window().hold(Instant::now(), retry_after, spread);
        self.changed.notify_one();
        held
    }

    /// Whether the connection holds still.
    pub(super) fn is_held(&self) -> bool {
        self.window().held(Instant::now()).is_some()
    }

    /// Halo answered something else than 429.
    pub(super) fn flows(&self) {
        self.window().flows(Instant::now());
    }

    /// What a restart must know to keep within the window.
    pub(super) fn snapshot(&self, now: Timestamp) -> PaceSnapshot {
        let (here, window) = (Instant::now(), self.window());
        let at = |then: Instant| now.as_millisecond() - millis(here.saturating_duration_since(then));
        let in_flight = std::iter::repeat_n(now.as_millisecond(), window.in_flight);
        PaceSnapshot {
            sent: window.ended.iter().map(|&then| at(then)).chain(in_flight).collect(),
            held_until: window.held(here).map(|left| now.as_millisecond() + millis(left)),
        }
    }

    /// Counts what was sent before a restart, beside what was sent since.
    pub(super) fn restore(&self, snapshot: &PaceSnapshot, now: Timestamp) {
        let here = Instant::now();
        let age = |at: i64| Duration::from_millis(u64::try_from(now.as_millisecond() - at).unwrap_or(0));
        let mut window = self.window();
        let earlier = snapshot
            .sent
            .iter()
            .map(|&at| here.checked_sub(age(at)).unwrap_or(here));
        window.ended.extend(earlier);
        window.ended.make_contiguous().sort_unstable();
        if let Some(until) = snapshot.held_until {
            let left = Duration::from_millis(u64::try_from(until - now.as_millisecond()).unwrap_or(0));
            window.held_until = Some(here + left.min(LONGEST_HOLD));
        }
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.window().end(Instant::now());
        self.0.changed.notify_one();
    }
}

/// The pace as it is kept across a restart; times are milliseconds since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct PaceSnapshot {
    sent: Vec<i64>,
    held_until: Option<i64>,
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What was sent lately. Halo counts a request at some instant between its start and its answer, so one that is
/// under way counts, and one that ended counts for the whole period after its end.
#[derive(Debug)]
struct Window {
    rate: Rate,
    backoff: Backoff,
    in_flight: usize,
    /// Oldest first.
    ended: VecDeque<Instant>,
    held_until: Option<Instant>,
    /// 429s in a row, each after the hold of the one before.
    strikes: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Grant {
    Now,
    After(Duration),
    /// All slots are under way.
    WhenOneEnds,
    Held(Duration),
}

impl Window {
    fn new(rate: Rate, backoff: Backoff) -> Window {
        Window {
            rate,
            backoff,
            in_flight: 0,
            ended: VecDeque::new(),
            held_until: None,
            strikes: 0,
        }
    }

    fn grant(&mut self, now: Instant) -> Grant {
        if let Some(left) = self.held(now) {
            return Grant::Held(left);
        }
        // One more millisecond, for servers that count the edge of the window as inside.
        let period = self.rate.per + Duration::from_millis(1);
        while self
            .ended
            .front()
            .is_some_and(|&oldest| now.saturating_duration_since(oldest) >= period)
        {
            self.ended.pop_front();
        }
        let most = usize::try_from(self.rate.count.get()).unwrap_or(usize::MAX);
        if self.in_flight + self.ended.len() < most {
            self.in_flight += 1;
            return Grant::Now;
        }
        match self.ended.front() {
            Some(&oldest) => Grant::After((oldest + period).saturating_duration_since(now)),
            None => Grant::WhenOneEnds,
        }
    }

    fn end(&mut self, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.ended.push_back(now);
    }

    fn held(&self, now: Instant) -> Option<Duration> {
        let left = self.held_until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Requests that were under way together are one strike, however many of them are refused.
    fn hold(&mut self, now: Instant, retry_after: Option<Duration>, spread: f64) -> Duration {
        if self.held(now).is_none() {
            self.strikes = self.strikes.saturating_add(1);
        }
        let wait = retry_after
            .unwrap_or_else(|| self.backoff.delay(self.strikes, spread))
            .min(LONGEST_HOLD);
        let until = self.held_until.map_or(now + wait, |held| held.max(now + wait));
        self.held_until = Some(until);
        until.saturating_duration_since(now)
    }

    fn flows(&mut self, now: Instant) {
        if self.held(now).is_none() {
            self.strikes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn window(count: u32, per: Duration) -> Window {
        let rate = Rate {
            count: NonZeroU32::new(count).unwrap(),
            per,
        };
        Window::new(
            rate,
            Backoff {
                first: 5 * SECOND,
                longest: 60 * SECOND,
            },
        )
    }

    #[test]
    fn a_slot_is_free_again_only_a_whole_period_after_its_answer() {
        let (mut window, start) = (window(2, 10 * SECOND), Instant::now());
        assert_eq!(window.grant(start), Grant::Now);
        assert_eq!(window.grant(start), Grant::Now);
        assert_eq!(window.grant(start), Grant::WhenOneEnds);
        window.end(start + 3 * SECOND);
        assert_eq!(window.grant(start + 4 * SECOND), Grant::After(9 * SECOND + MS));
        assert_eq!(window.grant(start + 13 * SECOND), Grant::After(MS));
        assert_eq!(window.grant(start + 13 * SECOND + MS), Grant::Now);
        assert_eq!(window.grant(start + 13 * SECOND + MS), Grant::WhenOneEnds);
    }

    #[test]
    fn a_hold_doubles_with_each_strike_and_ends_with_an_answer() {
        let (mut window, start) = (window(9, SECOND), Instant::now());
        assert_eq!(window.hold(start, None, 0.0), 5 * SECOND);
        assert_eq!(
            window.hold(start + SECOND, None, 0.0),
            5 * SECOND,
            "under way together: one strike"
        );
        assert_eq!(window.grant(start + 2 * SECOND), Grant::Held(4 * SECOND));
        assert_eq!(window.hold(start + 7 * SECOND, None, 0.0), 10 * SECOND);
        assert_eq!(window.hold(start + 20 * SECOND, None, 0.0), 20 * SECOND);
        window.flows(start + 21 * SECOND);
        assert_eq!(window.strikes, 3, "an answer from before the hold proves nothing");
        window.flows(start + 41 * SECOND);
        assert_eq!(window.hold(start + 42 * SECOND, None, 0.0), 5 * SECOND);
    }

    #[test]
    fn what_halo_says_about_the_time_wins_within_reason() {
        let (mut window, start) = (window(9, SECOND), Instant::now());
        assert_eq!(window.hold(start, Some(90 * SECOND), 0.5), 90 * SECOND);
        assert_eq!(
            window.hold(start, Some(SECOND), 0.5),
            90 * SECOND,
            "a shorter one does not end a longer one"
        );
        assert_eq!(window.hold(start, Some(86_400 * SECOND), 0.5), LONGEST_HOLD);
    }

    #[test]
    fn a_restart_keeps_the_window_and_the_hold() {
        let rate = Rate {
            count: NonZeroU32::new(3).unwrap(),
            per: 60 * SECOND,
        };
        let hold = Backoff {
            first: 5 * SECOND,
            longest: 60 * SECOND,
        };
        let pace = Pace::new(rate, hold, SECOND);
        let now = Timestamp::from_millisecond(1_800_000_000_000).unwrap();
        let before = PaceSnapshot {
            sent: vec![
                now.as_millisecond() - 2000,
                now.as_millisecond() + 5000,
                now.as_millisecond() - 90_000,
            ],
            held_until: Some(now.as_millisecond() + 7000),
        };
        pace.restore(&before, now);
        let snapshot = pace.snapshot(now);
        assert_eq!(snapshot.sent.len(), 3);
        assert!(
            (6900..=7000).contains(&(snapshot.held_until.unwrap() - now.as_millisecond())),
            "{snapshot:?}"
        );
        pace.window().held_until = None;
        assert_eq!(
            pace.window().grant(Instant::now()),
            Grant::Now,
            "what is older than the period is over"
        );
        assert!(
            matches!(pace.window().grant(Instant::now()), Grant::After(_)),
            "two were sent lately, one is under way"
        );
    }
}
