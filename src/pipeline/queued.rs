//! Messages that are here already and wait for their turn behind another one of their author or conversation. The journal
//! has them, too: whoever finds one here reads it only once.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use crate::{journal::EntryId, message::Message};

/// So many octets of messages wait here at most; what is made of them takes as much again.
const OCTETS: usize = 1 << 20;
/// A larger one would drive out many.
const OCTETS_OF_ONE: usize = 64 << 10;

/// A message with its octets.
pub type Here = (Bytes, Box<Message>);

/// What waits here. It is of this process alone and never the only place where a message is.
#[derive(Default)]
pub struct Queued(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    messages: BTreeMap<EntryId, Here>,
    octets: usize,
}

impl Queued {
    /// Keeps one; where there is no room, the newest wait longest and go first.
    pub fn put(&self, entry: EntryId, octets: Bytes, message: Box<Message>) {
        if octets.len() > OCTETS_OF_ONE {
            return;
        }
        let mut waiting = self.waiting();
        waiting.octets += octets.len();
        if let Some((before, _)) = waiting.messages.insert(entry, (octets, message)) {
            waiting.octets -= before.len();
        }
        while waiting.octets > OCTETS
            && let Some((_, (octets, _))) = waiting.messages.pop_last()
        {
            waiting.octets -= octets.len();
        }
    }

    /// Its turn has come.
    pub fn take(&self, entry: EntryId) -> Option<Here> {
        let mut waiting = self.waiting();
        let here = waiting.messages.remove(&entry)?;
        waiting.octets -= here.0.len();
        Some(here)
    }

    /// Nothing has its turn soon: what still waits, does so for an answer, or is another node's by now.
    pub fn clear(&self) {
        *self.waiting() = Waiting::default();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(queued: &Queued, entry: i64, octets: usize) {
        queued.put(EntryId(entry), vec![0; octets].into(), Box::default());
    }

    fn octets(queued: &Queued) -> (usize, usize) {
        let waiting = queued.waiting();
        (waiting.messages.len(), waiting.octets)
    }

    #[test]
    fn one_is_taken_once() {
        let queued = Queued::default();
        put(&queued, 1, 10);
        put(&queued, 2, 20);
        assert_eq!(queued.take(EntryId(1)).unwrap().0.len(), 10);
        assert!(queued.take(EntryId(1)).is_none());
        assert_eq!(octets(&queued), (1, 20));
        queued.clear();
        assert_eq!(octets(&queued), (0, 0));
    }

    #[test]
    fn so_many_octets_wait_at_most_those_whose_turn_comes_first() {
        let queued = Queued::default();
        put(&queued, 1, OCTETS_OF_ONE + 1);
        assert_eq!(octets(&queued), (0, 0));
        let most = OCTETS / OCTETS_OF_ONE;
        for entry in 0..2 * most {
            put(&queued, i64::try_from(entry).unwrap(), OCTETS_OF_ONE);
        }
        assert_eq!(octets(&queued), (most, OCTETS));
        assert!(queued.take(EntryId(0)).is_some());
        put(&queued, 0, 1);
        put(&queued, 0, 2);
        assert_eq!(octets(&queued).1, OCTETS - OCTETS_OF_ONE + 2);
    }
}
