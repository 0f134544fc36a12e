//! How many wait for one thing at a time: where they are many, another way to it is cheaper.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use crate::clock::moment;

/// One of those who wait, until it is dropped.
pub(super) struct Waits<'a> {
    among: &'a AtomicUsize,
    pub since: Instant,
}

impl Waits<'_> {
    pub(super) fn among(among: &AtomicUsize) -> Waits<'_> {
        among.fetch_add(1, Ordering::Relaxed);
        Waits { among, since: moment() }
    }

    /// How many there are, this one among them.
    pub(super) fn count(&self) -> usize {
        self.among.load(Ordering::Relaxed)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.among.fetch_sub(1, Ordering::Relaxed);
    }
}
