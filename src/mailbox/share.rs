//! The memory that fetched messages may take.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// From this size on a message is a large one.
const LARGE: u64 = 1 << 20;
/// Room of this size is given back to the system as soon as it is free. Less than that may be kept for what may come: by
/// jemalloc below its `oversize_threshold`, 8 MiB, by the C library what it has seen as much of (mallopt(3), M_MMAP_THRESHOLD).
const GIVEN_BACK: usize = 33 << 20;

/// A share of the memory, given back when it is dropped.
#[derive(Debug, Default)]
pub struct Share(Option<OwnedSemaphorePermit>);

/// KiB that so many octets take.
pub fn kib(octets: usize) -> u32 {
    u32::try_from(octets / 1024 + 1).unwrap_or(u32::MAX)
}

/// Empty room for a message of about so many octets. What nothing is written to takes no memory.
pub fn room(octets: u64) -> Vec<u8> {
    Vec::with_capacity(if octets > LARGE { GIVEN_BACK } else { 0 })
}

impl Share {
    /// Takes so much out of it as so many octets need, or what there is.
    pub fn split(&mut self, octets: usize) -> Share {
        let part = self.0.as_mut().and_then(|held| {
            let wanted = usize::try_from(kib(octets)).unwrap_or(usize::MAX);
            held.split(wanted.min(held.num_permits()))
        });
        Share(part)
    }

    /// Whether it is of this memory.
    pub fn is_of(&self, memory: &Arc<Semaphore>) -> bool {
        self.0
            .as_ref()
            .is_some_and(|held| Arc::ptr_eq(held.semaphore(), memory))
    }

    #[cfg(test)]
    pub fn kib(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

impl From<OwnedSemaphorePermit> for Share {
    fn from(permit: OwnedSemaphorePermit) -> Share {
        Share(Some(permit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_a_large_message_is_beyond_what_an_allocator_may_keep() {
        // DEFAULT_MMAP_THRESHOLD_MAX of glibc on 64 bits.
        assert!(room(LARGE + 1).capacity() > 32 << 20);
        assert_eq!(
            room(LARGE).capacity(),
            0,
            "many small ones would take too many addresses"
        );
    }
}
