//! How much may be in hand at once: each mailbox has a lane of its own, and so has what the journal gives out, so
//! that whatever one of them waits for, the others go on.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::mailbox::{Share, kib};

/// So many messages of one lane run at once; they mostly wait for Halo.
const PLACES: usize = 256;
/// So many octets of one lane are in memory at once, in KiB; one message larger than that has it for itself. What is
/// made of them, texts and traces, takes several times as much.
const BUDGET_KIB: u32 = 10 * 1024;
/// So many octets of one lane are asked for ahead, in KiB. Most of them lie at the server or are on their way, so they count
/// apart until they are here. A line of 100 MB a second holds as much in 60 ms, there and back.
const AHEAD_KIB: u32 = 6 * 1024;

/// Places and memory.
#[derive(Debug, Clone)]
pub struct Lane {
    places: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    ahead: Arc<Semaphore>,
}

/// What a message in hand holds of a lane; given back when its attempt ends.
#[derive(Debug, Default)]
pub struct Held {
    /// Its place among those that run.
    pub place: Option<OwnedSemaphorePermit>,
    /// Its share of the memory.
    #[expect(dead_code, reason = "it is held, not read")]
    pub memory: Share,
}

impl Default for Lane {
    fn default() -> Lane {
        let of = |kib| Arc::new(Semaphore::new(usize::try_from(kib).unwrap_or(usize::MAX)));
        Lane {
            places: Arc::new(Semaphore::new(PLACES)),
            memory: of(BUDGET_KIB),
            ahead: of(AHEAD_KIB),
        }
    }
}

impl Lane {
    /// Waits for a place.
    pub async fn place(&self) -> OwnedSemaphorePermit {
        let place = self.places.clone().acquire_owned().await;
        place.expect("the places are never closed")
    }

    /// How many places are free.
    pub fn free(&self) -> usize {
        self.places.available_permits()
    }

    /// Waits for the memory that all these messages take together, each by its octets.
    pub async fn memory(&self, octets: impl Iterator<Item = usize>) -> Share {
        share_of(&self.memory, kib_of(octets).min(BUDGET_KIB)).await
    }

    /// Waits until these messages may be asked for, each by its octets. What is larger than may be asked for ahead has its
    /// memory before: no two of that kind are here at once.
    pub async fn ahead(&self, octets: impl Iterator<Item = usize>) -> Share {
        let wanted = kib_of(octets);
        let from = if wanted > AHEAD_KIB { &self.memory } else { &self.ahead };
        share_of(from, wanted.min(BUDGET_KIB)).await
    }

    /// Waits for the place of a message that is here, and for its memory in exchange for what it was asked for with.
    pub async fn room(&self, octets: usize, asked: &mut Share) -> Held {
        let place = Some(self.place().await);
        let memory = match asked.is_of(&self.memory) {
            true => std::mem::take(asked),
            false => self.memory(std::iter::once(octets)).await,
        };
        Held { place, memory }
    }
}

fn kib_of(octets: impl Iterator<Item = usize>) -> u32 {
    octets.map(kib).fold(0, u32::saturating_add)
}

async fn share_of(memory: &Arc<Semaphore>, kib: u32) -> Share {
    let share = memory.clone().acquire_many_owned(kib).await;
    share.expect("the memory is never closed").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_larger_than_the_lane_has_it_for_itself() {
        let lane = Lane::default();
        let large = lane.memory([1 << 30].into_iter()).await;
        assert_eq!(lane.memory.available_permits(), 0);
        drop(large);
        let two = lane.memory([10, 5000].into_iter()).await;
        assert_eq!(two.kib(), 1 + 5);
    }

    #[tokio::test]
    async fn what_is_asked_for_ahead_takes_no_memory_before_it_is_here() {
        let lane = Lane::default();
        let mut asked = lane.ahead([2 << 20, 3 << 20].into_iter()).await;
        let free = lane.memory.available_permits();
        let _held = lane.room(2 << 20, &mut asked).await;
        assert_eq!(free - lane.memory.available_permits(), (2 << 10) + 1);
        assert_eq!(asked.kib(), (5 << 10) + 2);
    }

    #[tokio::test]
    async fn the_memory_of_a_large_message_is_there_before_it_is_asked_for_and_is_taken_once() {
        let lane = Lane::default();
        let mut asked = lane.ahead([1 << 30].into_iter()).await;
        assert_eq!(lane.memory.available_permits(), 0);
        let held = lane.room(1 << 30, &mut asked).await;
        assert_eq!((lane.memory.available_permits(), asked.kib()), (0, 0));
        drop(held);
        assert_eq!(lane.memory.available_permits(), 10 << 10);
    }

    #[tokio::test]
    async fn a_full_lane_leaves_the_others_alone() {
        let (slow, other) = (Lane::default(), Lane::default());
        let _all = slow.memory([usize::MAX].into_iter()).await;
        let mut places = Vec::new();
        for _ in 0..PLACES {
            places.push(slow.place().await);
        }
        assert_eq!((slow.free(), other.free()), (0, PLACES));
        drop(other.memory([usize::MAX].into_iter()).await);
    }
}
