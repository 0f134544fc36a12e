//! The rolling window of one connection: what was sent lately, and when the next request may leave. Pure.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{
    config::Rate,
    journal::pace::{Allowed, Kept},
    retry::Backoff,
};

/// Longer holds than this are no answer to a rate but a mistake of something in between.
const LONGEST_HOLD: Duration = Duration::from_secs(60 * 60);

/// A slice is this part of the window, so that a kill wastes no more than that, within these bounds.
const SLICES: usize = 50;
const LARGEST_SLICE: usize = 50;

/// The times that are kept are rounded up to this part of the period: a large window takes no more room than that.
const TIMES: u32 = 1000;

/// What was sent lately. Halo counts a request at some instant between its start and its answer, so one that is
/// under way counts, and one that ended counts for the whole period after its end.
#[derive(Debug)]
pub(super) struct Window {
    rate: Rate,
    /// So much of it may be used, since other nodes have the rest.
    allowed: usize,
    backoff: Backoff,
    in_flight: usize,
    /// Oldest first.
    ended: VecDeque<Instant>,
    held_until: Option<Instant>,
    /// The same for what Halo told another node.
    others_held_until: Option<Instant>,
    /// 429s in a row, each after the hold of the one before.
    strikes: u32,
    /// Whether there is more to tell than the journal knows.
    is_news: bool,
    /// Whether it holds still for longer than was told.
    is_hold_news: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Grant {
    Now,
    After(Duration),
    /// All slots are under way.
    WhenOneEnds,
    /// The slice is used up.
    NoneLeft,
    Held(Duration),
}

/// How much of the window is used.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// What may leave within `per`.
    pub slots: usize,
    pub per: Duration,
    /// What counts towards it now.
    pub used: usize,
    /// Nothing leaves for so long; zero: it flows.
    pub held: Duration,
}

impl Window {
    pub(super) fn new(rate: Rate, backoff: Backoff) -> Window {
        Window {
            rate,
            allowed: usize::MAX,
            backoff,
            in_flight: 0,
            ended: VecDeque::new(),
            held_until: None,
            others_held_until: None,
            strikes: 0,
            is_news: false,
            is_hold_news: false,
        }
    }

    pub(super) fn adjust(&mut self, rate: Rate) {
        self.rate = rate;
    }

    pub(super) fn rate(&self) -> Rate {
        self.rate
    }

    /// What other nodes leave.
    pub(super) fn heed(&mut self, allowed: &Allowed, now: Instant) {
        self.allowed = allowed.most;
        self.others_held_until = (!allowed.held.is_zero()).then(|| now + allowed.held.min(LONGEST_HOLD));
    }

    /// Whether more could be allowed than is.
    pub(super) fn is_narrow(&self) -> bool {
        self.allowed < self.most()
    }

    /// How long one slot takes to come back.
    pub(super) fn spacing(&self) -> Duration {
        self.rate.per / self.rate.count.get()
    }

    /// Whether a request may leave; `has_slice`: there is a slot that the journal holds.
    pub(super) fn grant(&mut self, now: Instant, has_slice: bool) -> Grant {
        if let Some(left) = self.held(now) {
            return Grant::Held(left);
        }
        if !has_slice {
            return Grant::NoneLeft;
        }
        self.forget_the_old(now);
        if self.in_flight + self.ended.len() < self.most().min(self.allowed) {
            self.in_flight += 1;
            self.is_news = true;
            return Grant::Now;
        }
        match self.ended.front() {
            Some(&oldest) => Grant::After((oldest + self.period()).saturating_duration_since(now)),
            None => Grant::WhenOneEnds,
        }
    }

    pub(super) fn end(&mut self, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.ended.push_back(now);
    }

    pub(super) fn held(&self, now: Instant) -> Option<Duration> {
        let until = self.held_until.max(self.others_held_until)?;
        let left = until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Requests that were under way together are one strike, however many of them are refused.
    pub(super) fn hold(&mut self, now: Instant, retry_after: Option<Duration>, spread: f64) -> Duration {
        if self.held(now).is_none() {
            self.strikes = self.strikes.saturating_add(1);
        }
        let backoff = self.backoff.delay(self.strikes, spread);
        let wait = match retry_after.filter(|said| !said.is_zero()) {
            Some(said) if self.strikes == 1 => said,
            // It was not enough.
            Some(said) => said.max(backoff),
            // A time that is none, or over, is no time: the whole rate would be used up by refusals.
            None => backoff,
        };
        let wait = wait.min(LONGEST_HOLD);
        let until = self.held_until.map_or(now + wait, |held| held.max(now + wait));
        self.is_hold_news |= self.held_until != Some(until);
        self.held_until = Some(until);
        self.is_news = true;
        until.saturating_duration_since(now)
    }

    pub(super) fn flows(&mut self, now: Instant) {
        if self.held(now).is_none() {
            self.strikes = 0;
        }
    }

    /// How many slots are asked of the journal at a time.
    pub(super) fn slice(&self) -> usize {
        (self.most() / SLICES).clamp(1, LARGEST_SLICE)
    }

    pub(super) fn is_news(&self) -> bool {
        self.is_news
    }

    pub(super) fn is_hold_news(&self) -> bool {
        self.is_hold_news
    }

    /// The journal knows all, but for what is under way.
    pub(super) fn told(&mut self) {
        self.is_news = self.in_flight > 0;
    }

    /// What a restart must know.
    pub(super) fn kept(&mut self, here: Instant, now: Timestamp) -> Kept {
        self.forget_the_old(here);
        self.is_hold_news = false;
        let now = now.as_millisecond();
        let step = millis(self.rate.per / TIMES).max(1);
        let mut sent: Vec<(i64, usize)> = Vec::new();
        for &then in &self.ended {
            // Both clocks are read to the millisecond below.
            let at = now + 1 - millis(here.saturating_duration_since(then));
            let at = (at + step - 1).div_euclid(step) * step;
            match sent.last_mut() {
                Some((last, count)) if *last >= at => *count += 1,
                _ => sent.push((at, 1)),
            }
        }
        Kept {
            sent,
            open: self.in_flight,
            held_until: self.held_until.and_then(|until| {
                let left = until.saturating_duration_since(here);
                (!left.is_zero()).then(|| now + millis(left))
            }),
        }
    }

    /// Counts what an earlier process kept. What nobody knows of was used before `begun`, and so it counts as if
    /// it had been used then.
    pub(super) fn restore(&mut self, kept: &Kept, begun: Instant, here: Instant, now: Timestamp) {
        let since = |at: i64| Duration::from_millis(u64::try_from(now.as_millisecond() - at).unwrap_or(0));
        // More of them at one time make no difference.
        let most = self.most();
        for &(at, count) in &kept.sent {
            let then = here.checked_sub(since(at)).unwrap_or(begun).min(begun);
            self.ended.extend(std::iter::repeat_n(then, count.min(most)));
        }
        self.ended.extend(std::iter::repeat_n(begun, kept.open.min(most)));
        self.ended.make_contiguous().sort_unstable();
        if let Some(until) = kept.held_until {
            let left = Duration::from_millis(u64::try_from(until - now.as_millisecond()).unwrap_or(0));
            self.held_until = Some(here + left.min(LONGEST_HOLD));
        }
    }

    pub(super) fn used(&mut self, now: Instant) -> Used {
        self.forget_the_old(now);
        Used {
            slots: self.most(),
            per: self.rate.per,
            used: self.in_flight + self.ended.len(),
            held: self.held(now).unwrap_or_default(),
        }
    }

    fn forget_the_old(&mut self, now: Instant) {
        let period = self.period();
        let is_old = |&then: &Instant| now.saturating_duration_since(then) >= period;
        while self.ended.front().is_some_and(is_old) {
            self.ended.pop_front();
        }
    }

    /// One more millisecond, for servers that count the edge of the window as inside.
    fn period(&self) -> Duration {
        self.rate.per + Duration::from_millis(1)
    }

    fn most(&self) -> usize {
        usize::try_from(self.rate.count.get()).unwrap_or(usize::MAX)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
