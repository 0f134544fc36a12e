//! Messages that are here already and wait for their turn behind another one of their author or conversation, or for a
//! free worker. The journal has them, too: whoever finds one here need neither unpack it there nor read it again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{journal::EntryId, message::Message};

/// So many octets wait here at most: those of messages as they came, and of the texts that were read from them.
const OCTETS: usize = 1 << 20;
/// A message that came with more would drive out many.
const OCTETS_OF_ONE: usize = 64 << 10;
/// A smaller one counts as much.
const LEAST_OF_ONE: usize = 4 << 10;
/// Who waits longer, waits for an answer, or is another node's by now.
const SOON: Duration = Duration::from_secs(30);

/// What waits here. It is of this process alone and never the only place where a message is.
#[derive(Default)]
pub struct Queued(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    messages: BTreeMap<EntryId, Ready>,
    octets: usize,
}

struct Ready {
    octets: Bytes,
    message: Box<Message>,
    weight: usize,
    since: Instant,
}

impl Queued {
    /// Keeps one; where there is no room, the newest wait longest and go first.
    pub fn put(&self, entry: EntryId, octets: Bytes, message: Box<Message>) {
        if octets.len() > OCTETS_OF_ONE {
            return;
        }
        let ready = Ready {
            weight: (octets.len() + message.text_octets()).max(LEAST_OF_ONE),
            since: Instant::now(),
            octets,
            message,
        };
        let mut waiting = self.waiting();
        waiting.take(entry);
        waiting.octets += ready.weight;
        waiting.messages.insert(entry, ready);
        if waiting.octets > OCTETS {
            waiting.make_room(SOON);
        }
    }

    /// Its turn has come.
    pub fn take(&self, entry: EntryId) -> Option<(Bytes, Box<Message>)> {
        let ready = self.waiting().take(entry)?;
        Some((ready.octets, ready.message))
    }

    /// Nothing has its turn soon.
    pub fn clear(&self) {
        *self.waiting() = Waiting::default();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self, entry: EntryId) -> Option<Ready> {
        let ready = self.messages.remove(&entry)?;
        self.octets -= ready.weight;
        Some(ready)
    }

    fn make_room(&mut self, soon: Duration) {
        self.messages.retain(|_, ready| ready.since.elapsed() < soon);
        self.octets = self.messages.values().map(|ready| ready.weight).sum();
        while self.octets > OCTETS
            && let Some((_, ready)) = self.messages.pop_last()
        {
            self.octets -= ready.weight;
        }
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
        put(&queued, 2, 2 * LEAST_OF_ONE);
        assert_eq!(queued.take(EntryId(1)).unwrap().0.len(), 10);
        assert!(queued.take(EntryId(1)).is_none());
        assert_eq!(octets(&queued), (1, 2 * LEAST_OF_ONE));
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
        put(&queued, 0, LEAST_OF_ONE + 1);
        assert_eq!(octets(&queued).1, OCTETS - OCTETS_OF_ONE + LEAST_OF_ONE + 1);
    }

    #[test]
    fn what_was_read_counts_with_what_it_was_read_from() {
        let queued = Queued::default();
        let mail = format!("Subject: x\r\n\r\n{}", "word\r\n".repeat(2000));
        let message = Box::new(Message::read(mail.as_bytes()));
        queued.put(EntryId(1), mail.clone().into(), message.clone());
        assert!(
            (2 * mail.len()..4 * mail.len()).contains(&octets(&queued).1),
            "{:?}",
            octets(&queued)
        );
        assert_eq!(queued.take(EntryId(1)).unwrap().1.body, message.body);
    }

    #[test]
    fn small_ones_are_no_more_than_their_texts_have_room_for() {
        let queued = Queued::default();
        (0..2000).for_each(|entry| put(&queued, entry, 20));
        assert_eq!(octets(&queued), (OCTETS / LEAST_OF_ONE, OCTETS));
    }

    #[test]
    fn who_has_waited_long_goes_before_those_that_have_just_come() {
        let queued = Queued::default();
        put(&queued, 1, 20);
        put(&queued, 2, 20);
        queued.waiting().make_room(Duration::ZERO);
        assert_eq!(octets(&queued), (0, 0));
    }
}
