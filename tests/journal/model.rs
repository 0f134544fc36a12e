//! Random sequences of changes against an oracle that knows the rule of order word for word and nothing of how
//! the journal keeps it.

use std::collections::BTreeMap;

use halo_intake::{
    journal::{Change, Claim, EntryId, LetterId, Receipt, Received, Way},
    outcome::Outcome,
};

use super::world;
use crate::world::{World, bounced, ended, future, mail_of, past};

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Pending,
    InHand { was_deferred: bool },
    Deferred { due: bool },
    Bouncing,
    Ended,
}

struct Message {
    author: String,
    thread: String,
    state: State,
    claim: Option<Claim>,
    /// Whether its last deferral is due.
    due: bool,
    /// How often in a row the process ended with it in hand.
    interruptions: u32,
}

impl Message {
    fn is_suspect(&self) -> bool {
        self.interruptions >= 2
    }
}

/// What should be so.
#[derive(Default)]
struct Oracle {
    messages: BTreeMap<EntryId, Message>,
}

impl Oracle {
    /// Where the process ended twice with it in hand, no other such one is. No earlier one of its conversation has its
    /// rules before it, and no earlier one of its author is new or in hand.
    fn is_runnable(&self, id: EntryId, all: bool) -> bool {
        let message = &self.messages[&id];
        let waits = match message.state {
            State::Pending => true,
            State::Deferred { due } => all || due,
            _ => false,
        };
        let in_hand = |other: &Message| matches!(other.state, State::InHand { .. });
        let another = |other: &Message| other.is_suspect() && in_hand(other);
        waits
            && !(message.is_suspect() && self.messages.values().any(another))
            && !self
                .messages
                .range(..id)
                .any(|(_, earlier)| Oracle::holds_back(earlier, message))
    }

    fn holds_back(earlier: &Message, message: &Message) -> bool {
        let of_thread = !message.thread.is_empty() && earlier.thread == message.thread;
        let of_author = !message.author.is_empty() && earlier.author == message.author;
        of_thread && !matches!(earlier.state, State::Ended | State::Bouncing)
            || of_author && matches!(earlier.state, State::Pending | State::InHand { .. })
    }

    fn runnable(&self, all: bool) -> Vec<EntryId> {
        self.messages
            .keys()
            .copied()
            .filter(|id| self.is_runnable(*id, all))
            .collect()
    }

    fn take(&mut self, claim: Claim) {
        let message = self.messages.get_mut(&claim.entry).unwrap();
        let was_deferred = matches!(message.state, State::Deferred { .. });
        message.state = State::InHand { was_deferred };
        message.claim = Some(claim);
    }

    fn pick(&self, random: &mut fastrand::Rng, fits: impl Fn(&Message) -> bool) -> Option<EntryId> {
        let ids: Vec<EntryId> = self
            .messages
            .iter()
            .filter(|(_, message)| fits(message))
            .map(|(id, _)| *id)
            .collect();
        random.choice(ids)
    }

    fn set(&mut self, id: EntryId, state: State) {
        let message = self.messages.get_mut(&id).unwrap();
        (message.state, message.interruptions) = (state, 0);
    }
}

struct Run {
    world: World,
    oracle: Oracle,
    random: fastrand::Rng,
    received: u32,
}

impl Run {
    async fn step(&mut self) {
        match self.random.u8(..100) {
            0..30 => self.receive().await,
            30..55 => self.claim().await,
            55..65 => self.defer().await,
            65..82 => self.end().await,
            82..88 => self.release().await,
            88..92 => self.letter_leaves().await,
            92..98 => self.reopen().await,
            _ => self.restart().await,
        }
    }

    async fn receive(&mut self) {
        self.received += 1;
        let author = self.random.choice(["ann", "bob", "eve", ""]).unwrap();
        let thread = self.random.choice(["printer", "vpn", "", ""]).unwrap();
        let claim = self.random.u8(..3) == 0;
        let receipt = self
            .world
            .receive(Received {
                claim,
                ..mail_of(self.received, author, thread)
            })
            .await;
        let Receipt::New(id, _, claimed) = receipt else {
            panic!("{receipt:?}")
        };
        let message = Message {
            author: author.into(),
            thread: thread.into(),
            state: State::Pending,
            claim: None,
            due: false,
            interruptions: 0,
        };
        self.oracle.messages.insert(id, message);
        assert_eq!(
            claimed.is_some(),
            claim && self.oracle.is_runnable(id, false),
            "{id} at reception"
        );
        if let Some(claim) = claimed {
            self.oracle.take(claim);
        }
    }

    async fn claim(&mut self) {
        let all = self.random.u8(..3) == 0;
        let limit = self.random.choice([1, 2, 3, 100]).unwrap();
        let work = self
            .world
            .journal
            .claim(limit, all.then_some(jiff::Timestamp::MAX))
            .await
            .unwrap();
        assert!(work.len() <= limit);
        assert_eq!(work.is_empty(), self.oracle.runnable(all).is_empty());
        for one in &work {
            assert!(
                self.oracle.is_runnable(one.claim.entry, all),
                "{} is held back",
                one.claim.entry
            );
            self.oracle.take(one.claim);
        }
        if limit == 100 {
            assert_eq!(self.oracle.runnable(all), [], "all that was runnable was claimed");
        }
    }

    fn in_hand(&mut self) -> Option<Claim> {
        let id = self.oracle.pick(&mut self.random, |message| {
            matches!(message.state, State::InHand { .. })
        })?;
        self.oracle.messages[&id].claim
    }

    async fn defer(&mut self) {
        let Some(claim) = self.in_hand() else { return };
        let due = self.random.bool();
        let receipt = self.world.defer(claim, if due { past() } else { future() }).await;
        assert!(matches!(receipt, Receipt::Done));
        self.oracle.set(claim.entry, State::Deferred { due });
        self.oracle.messages.get_mut(&claim.entry).unwrap().due = due;
    }

    async fn end(&mut self) {
        let Some(claim) = self.in_hand() else { return };
        let bounce = self.random.u8(..4) == 0;
        // An address of its own, so that no limit and no earlier bounce comes in between.
        let end = if bounce {
            bounced(&format!("{}@customer.example", claim.token), 99)
        } else {
            ended(Outcome::Ignored, "")
        };
        let receipt = self.world.end(claim, end).await;
        assert!(matches!(receipt, Receipt::Done | Receipt::Bouncing));
        let waits = self.letter_of(claim.entry).await.is_some();
        assert!(bounce || !waits);
        self.oracle
            .set(claim.entry, if waits { State::Bouncing } else { State::Ended });
    }

    async fn letter_of(&self, id: EntryId) -> Option<LetterId> {
        let letters = self
            .world
            .journal
            .letters(Way::Mail, 1000, Some(jiff::Timestamp::MAX))
            .await
            .unwrap();
        letters
            .iter()
            .find(|letter| letter.entry == Some(id))
            .map(|letter| letter.id)
    }

    async fn release(&mut self) {
        let Some(claim) = self.in_hand() else { return };
        self.world.done(Change::Released { claim }).await;
        self.give_back(claim.entry);
    }

    fn give_back(&mut self, id: EntryId) {
        let message = self.oracle.messages.get_mut(&id).unwrap();
        message.state = match message.state {
            State::InHand { was_deferred: true } => State::Deferred { due: message.due },
            _ => State::Pending,
        };
    }

    async fn letter_leaves(&mut self) {
        let Some(id) = self
            .oracle
            .pick(&mut self.random, |message| message.state == State::Bouncing)
        else {
            return;
        };
        let letter = self.letter_of(id).await.unwrap();
        let refused = Change::LetterRefused {
            letter,
            reason: "550".into(),
        };
        let change = if self.random.bool() {
            Change::LetterTaken { letter }
        } else {
            refused
        };
        self.world.done(change).await;
        self.oracle.set(id, State::Ended);
    }

    async fn reopen(&mut self) {
        let Some(id) = self
            .oracle
            .pick(&mut self.random, |message| message.state == State::Ended)
        else {
            return;
        };
        self.world.done(Change::Reopened { entry: id }).await;
        self.oracle.set(id, State::Pending);
    }

    async fn restart(&mut self) {
        let here = std::mem::replace(&mut self.world, world());
        self.world = here.restarted();
        let ids: Vec<EntryId> = self.oracle.messages.keys().copied().collect();
        for id in ids {
            if matches!(self.oracle.messages[&id].state, State::InHand { .. }) {
                self.give_back(id);
                self.oracle.messages.get_mut(&id).unwrap().interruptions += 1;
            }
        }
    }

    async fn check(&self) {
        for (id, message) in &self.oracle.messages {
            let word = match message.state {
                State::Pending | State::InHand { .. } => "pending",
                State::Deferred { .. } | State::Bouncing => "deferred",
                State::Ended => continue,
            };
            assert_eq!(self.world.shown(*id).await.0, word, "{id}");
        }
        self.world.check_totals().await;
    }
}

impl Run {
    async fn of(seed: u64) -> Run {
        let random = fastrand::Rng::with_seed(seed);
        let mut run = Run {
            world: world(),
            oracle: Oracle::default(),
            random,
            received: 0,
        };
        for _ in 0..300 {
            run.step().await;
        }
        run
    }
}

/// A journal that much has happened to.
pub async fn filled(seed: u64) -> World {
    Run::of(seed).await.world
}

#[tokio::test]
async fn what_can_be_claimed_is_what_the_rule_of_order_says() {
    for seed in 0..20 {
        println!("seed {seed}");
        Run::of(seed).await.check().await;
    }
}
