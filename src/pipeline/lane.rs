//! How much may be in hand at once: each mailbox has a lane of its own, and so has what the journal gives out, so
//! that whatever one of them waits for, the others go on.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::mailbox::{Share, kib};

/// So many messages of one lane run at once; they mostly wait for Halo.
const PLACES: usize = 256;
/// So many octets of one lane are in memory at once, in KiB; one message larger than that has it for itself. What is
/// made of them, texts and traces, takes several times as much.
const BUDGET_KIB: u32 = 12 * 1024;

/// Places and memory.
#[derive(Debug, Clone)]
pub struct Lane {
    places: Arc<Semaphore>,
    memory: Arc<Semaphore>,
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
        Lane {
            places: Arc::new(Semaphore::new(PLACES)),
            memory: Arc::new(Semaphore::new(usize::try_from(BUDGET_KIB).unwrap_or(usize::MAX))),
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
        let wanted = octets.map(kib).fold(0, u32::saturating_add).min(BUDGET_KIB);
        let memory = self.memory.clone().acquire_many_owned(wanted).await;
        memory.expect("the memory is never closed").into()
    }
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
