//! Answers kept for a while; each is asked for once, however many wait for it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::client::{Freshness, HaloError};
use crate::clock::moment;

/// What a question brought, and for how long it holds. A failure is kept too where its time is not zero.
pub(super) type Brought<V> = (Result<V, HaloError>, Duration);

/// Answers by key, bounded in number.
#[derive(Debug)]
pub(super) struct Shelf<K, V> {
    places: Mutex<HashMap<K, Place<V>>>,
    most: usize,
}

#[derive(Debug)]
struct Place<V> {
    /// Locked while it is asked for, so that others wait for that answer.
    answer: Arc<tokio::sync::Mutex<Option<Answer<V>>>>,
    used: Instant,
}

#[derive(Debug, Clone)]
struct Answer<V> {
    began: Instant,
    ended: Instant,
    until: Instant,
    result: Result<V, HaloError>,
}

impl<V> Answer<V> {
    /// Whether it serves somebody who came at `arrived`. Who waited while it was asked for shares a failure too;
    /// else twenty waiters would each wait out the same dead server, one after the other.
    fn serves(&self, freshness: Freshness, arrived: Instant, now: Instant) -> bool {
        match freshness {
            Freshness::Cached => now < self.until || (self.result.is_err() && self.ended >= arrived),
            Freshness::Fresh => self.began >= arrived,
        }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Shelf<K, V> {
    pub(super) fn new(most: usize) -> Shelf<K, V> {
        Shelf {
            places: Mutex::default(),
            most,
        }
    }

    /// The answer to `key`, from the shelf or by asking.
    pub(super) async fn find<F>(&self, key: &K, freshness: Freshness, ask: impl FnOnce() -> F) -> Result<V, HaloError>
    where
        F: Future<Output = Brought<V>>,
    {
        let arrived = moment();
        let place = self.place(key, arrived);
        let mut answer = place.lock().await;
        if let Some(kept) = answer.as_ref().filter(|kept| kept.serves(freshness, arrived, moment())) {
            return kept.result.clone();
        }
        let began = moment();
        let (result, life) = ask().await;
        let ended = moment();
        *answer = Some(Answer {
            began,
            ended,
            until: ended + life,
            result: result.clone(),
        });
        result
    }

    /// Puts an answer there that came another way.
    pub(super) fn put(&self, key: K, value: V, life: Duration) {
        let now = moment();
        let answer = Answer {
            began: now,
            ended: now,
            until: now + life,
            result: Ok(value),
        };
        let place = Place {
            answer: Arc::new(tokio::sync::Mutex::new(Some(answer))),
            used: now,
        };
        let mut places = self.places();
        make_room(&mut places, self.most, now);
        places.insert(key, place);
    }

    /// Whether an answer is there that holds and is meant.
    pub(super) fn holds(&self, key: &K, is_meant: impl Fn(&V) -> bool) -> bool {
        let places = self.places();
        let answer = places.get(key).and_then(|place| place.answer.try_lock().ok());
        answer.is_some_and(|answer| {
            let kept = answer.as_ref().filter(|kept| moment() < kept.until);
            kept.is_some_and(|kept| kept.result.as_ref().is_ok_and(is_meant))
        })
    }

    /// Forgets one answer. One that is under way still serves those who wait for it, and nobody after them.
    pub(super) fn forget(&self, key: &K) {
        self.places().remove(key);
    }

    /// Forgets failures that are kept for a while.
    pub(super) fn forget_failures(&self) {
        for place in self.places().values() {
            // One that is being asked for is asked afresh.
            if let Ok(mut answer) = place.answer.try_lock()
                && answer.as_ref().is_some_and(|answer| answer.result.is_err())
            {
                *answer = None;
            }
        }
    }

    /// Forgets what is out of date.
    pub(super) fn sweep(&self) {
        sweep(&mut self.places(), moment());
    }

    /// Forgets every answer.
    pub(super) fn clear(&self) {
        self.places().clear();
    }

    /// Forgets the answer that `is_meant` knows.
    pub(super) async fn forget_if(&self, key: &K, is_meant: impl Fn(&V) -> bool) {
        let place = self.places().get(key).map(|place| Arc::clone(&place.answer));
        let Some(place) = place else { return };
        let mut answer = place.lock().await;
        if matches!(answer.as_ref(), Some(Answer { result: Ok(value), .. }) if is_meant(value)) {
            *answer = None;
        }
    }

    /// What is there now and how long it will be; what is being asked for is left out.
    pub(super) fn kept(&self) -> Vec<(K, V, Duration)> {
        let (now, places) = (moment(), self.places());
        let kept = places.iter().filter_map(|(key, place)| {
            let answer = place.answer.try_lock().ok()?;
            let Answer {
                until,
                result: Ok(value),
                ..
            } = answer.as_ref()?
            else {
                return None;
            };
            let left = until.saturating_duration_since(now);
            (!left.is_zero()).then(|| (key.clone(), value.clone(), left))
        });
        kept.collect()
    }

    fn place(&self, key: &K, now: Instant) -> Arc<tokio::sync::Mutex<Option<Answer<V>>>> {
        let mut places = self.places();
        if let Some(place) = places.get_mut(key) {
            place.used = now;
            return Arc::clone(&place.answer);
        }
        make_room(&mut places, self.most, now);
        let answer = Arc::default();
        places.insert(
            key.clone(),
            Place {
                answer: Arc::clone(&answer),
                used: now,
            },
        );
        answer
    }

    fn places(&self) -> MutexGuard<'_, HashMap<K, Place<V>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops what is out of date, then, if the shelf is full still, the quarter that was used longest ago.
fn make_room<K: Eq + Hash + Clone, V>(places: &mut HashMap<K, Place<V>>, most: usize, now: Instant) {
    if places.len() < most {
        return;
    }
    sweep(places, now);
    if places.len() < most {
        return;
    }
    let mut used: Vec<Instant> = places.values().map(|place| place.used).collect();
    used.sort_unstable();
    let oldest_to_stay = used[used.len() / 4];
    places.retain(|_, place| place.used > oldest_to_stay);
}

fn sweep<K: Eq + Hash, V>(places: &mut HashMap<K, Place<V>>, now: Instant) {
    places.retain(|_, place| match place.answer.try_lock() {
        Ok(answer) => answer.as_ref().is_some_and(|answer| now < answer.until),
        Err(_) => true,
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn lost() -> HaloError {
        HaloError::Unreachable {
            url: "https://halo.example".into(),
            reason: "no route".into(),
        }
    }

    /// Asks `times` times at once, each waiting for the others to stand in line; gives answers and questions.
    async fn ask_at_once(freshness: Freshness, result: Result<u32, HaloError>, life: Duration) -> (u32, u32) {
        let (shelf, asked) = (Shelf::<u8, u32>::new(8), AtomicU32::new(0));
        let one = || {
            shelf.find(&1, freshness, || async {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                (result.clone(), life)
            })
        };
        let answers = futures_util::future::join_all((0..20).map(|_| one())).await;
        let good = answers.iter().filter(|answer| answer.is_ok()).count();
        (u32::try_from(good).unwrap(), asked.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn many_who_wait_share_one_question() {
        assert_eq!(ask_at_once(Freshness::Cached, Ok(7), LONG).await, (20, 1));
        assert_eq!(
            ask_at_once(Freshness::Cached, Err(lost()), Duration::ZERO).await,
            (0, 1)
        );
    }

    #[tokio::test]
    async fn a_fresh_answer_is_one_that_was_asked_for_after_one_came() {
        let (answers, asked) = ask_at_once(Freshness::Fresh, Ok(7), LONG).await;
        assert_eq!(answers, 20);
        assert!((1..=20).contains(&asked));
        let shelf = Shelf::<u8, u32>::new(8);
        let first = shelf.find(&1, Freshness::Cached, || async { (Ok(1), LONG) }).await;
        let cached = shelf.find(&1, Freshness::Cached, || async { (Ok(2), LONG) }).await;
        let fresh = shelf.find(&1, Freshness::Fresh, || async { (Ok(3), LONG) }).await;
        let after = shelf.find(&1, Freshness::Cached, || async { (Ok(4), LONG) }).await;
        assert_eq!([first, cached, fresh, after].map(Result::unwrap), [1, 1, 3, 3]);
    }

    #[tokio::test]
    async fn a_failure_is_asked_again_unless_it_is_kept() {
        let shelf = Shelf::<u8, u32>::new(8);
        assert!(
            shelf
                .find(&1, Freshness::Cached, || async { (Err(lost()), Duration::ZERO) })
                .await
                .is_err()
        );
        assert!(
            shelf
                .find(&1, Freshness::Cached, || async { (Err(lost()), LONG) })
                .await
                .is_err()
        );
        assert!(
            shelf
                .find(&1, Freshness::Cached, || async { (Ok(1), LONG) })
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn what_a_write_makes_stale_is_forgotten_even_while_it_is_asked_for() {
        let shelf = Shelf::<u8, u32>::new(8);
        let stale = shelf.find(&1, Freshness::Cached, || async {
            shelf.forget(&1);
            (Ok(1), LONG)
        });
        assert_eq!(stale.await.unwrap(), 1);
        assert_eq!(
            shelf
                .find(&1, Freshness::Cached, || async { (Ok(2), LONG) })
                .await
                .unwrap(),
            2
        );
        shelf.forget_if(&1, |&value| value == 9).await;
        assert_eq!(shelf.kept().len(), 1);
        shelf.forget_if(&1, |&value| value == 2).await;
        assert_eq!(shelf.kept().len(), 0);
        assert!(!shelf.holds(&1, |_| true));
        shelf.put(1, 3, LONG);
        assert!(shelf.holds(&1, |&value| value == 3) && !shelf.holds(&1, |&value| value == 2));
    }

    #[test]
    fn what_is_out_of_date_takes_no_room() {
        let shelf = Shelf::<u32, u32>::new(8);
        (0..5).for_each(|key| shelf.put(key, key, Duration::ZERO));
        shelf.put(5, 5, LONG);
        shelf.sweep();
        assert_eq!(shelf.places().keys().collect::<Vec<_>>(), [&5]);
    }

    #[tokio::test]
    async fn the_shelf_never_holds_more_than_its_bound() {
        let shelf = Shelf::<u32, u32>::new(8);
        for key in 0..100 {
            shelf.put(key, key, LONG);
            assert!(shelf.kept().len() <= 8);
        }
        assert!(shelf.kept().iter().any(|(key, ..)| *key == 99), "the newest stays");
    }
}
