//! Searches find exactly what stands in the texts, whatever a back end does to be quick: random texts and searches beside
//! a look at every text.

use fastrand::Rng;
use futures_util::future::join_all;
use halo_intake::{
    journal::{Change, Claim, Ended, EntryId, Received, RowFilter},
    outcome::Outcome,
};

use super::world;
use crate::world::{World, ended, future, mail, support};

const MESSAGES: u32 = 600;
const SEARCHES: usize = 400;

/// Some are in nearly every text, some in few; some fold to another letter, one to two.
const LETTERS: [&str; 4] = ["ab", "abcdeABCDE .@", "abxyzäöüÄÖÜßẞŒ%_\"'\\", "aİıſΣς🙂\n\r-("];

fn text(random: &mut Rng, longest: usize) -> String {
    let letters: Vec<char> = LETTERS[..=random.usize(..LETTERS.len())].concat().chars().collect();
    let length = random.usize(..=longest);
    (0..length).map(|_| letters[random.usize(..letters.len())]).collect()
}

fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// As they stand beneath one another.
fn lines(texts: &[&str]) -> String {
    let below = |above: String, text: &&str| match above.as_str() {
        "" => fold(text),
        above => format!("{above}\n{}", fold(text)),
    };
    texts.iter().fold(String::new(), below)
}

/// What is known of a message.
struct Told {
    id: EntryId,
    from: String,
    heard: String,
    said: String,
    outcome: &'static str,
}

impl Told {
    fn matches(&self, filter: &RowFilter) -> bool {
        // As many letters as the author has: one that folds to two takes the place of another.
        let from: String = fold(&self.from).chars().take(self.from.chars().count()).collect();
        let all = format!("{}\n{}", self.heard, self.said);
        let holds = |text: &str, part: &Option<String>| part.as_ref().is_none_or(|part| text.contains(&fold(part)));
        holds(&from, &filter.from)
            && holds(&all, &filter.grep)
            && filter.outcome.as_ref().is_none_or(|word| word == self.outcome)
            && filter.before.is_none_or(|before| self.id < before)
            && filter.after.is_none_or(|after| self.id > after)
    }
}

struct Run {
    world: World,
    random: Rng,
    told: Vec<Told>,
}

impl Run {
    async fn receive(&mut self) -> Vec<Claim> {
        let received: Vec<Received> = (0..MESSAGES)
            .map(|n| Received {
                from: text(&mut self.random, 12),
                subject: text(&mut self.random, 40),
                message_id: format!("{n}{}", text(&mut self.random, 8)),
                ..mail(n)
            })
            .collect();
        let claims = join_all(received.iter().map(|one| self.world.in_hand(one.clone()))).await;
        self.told = received
            .into_iter()
            .zip(&claims)
            .map(|(received, claim)| Told {
                id: claim.entry,
                heard: lines(&[&received.from, &received.subject, &received.message_id]),
                from: received.from,
                said: String::new(),
                outcome: "pending",
            })
            .collect();
        self.told.sort_by_key(|told| told.id);
        claims
    }

    /// Some end, some are put off, some run again and end otherwise, the others stay in hand.
    async fn go_on(&mut self, claims: Vec<Claim>) {
        let mut again = Vec::new();
        for some in claims.chunks(100) {
            let mut writes = Vec::new();
            for claim in some {
                let told = &mut self.told[usize::try_from(claim.entry.0 - 1).unwrap()];
                let (change, is_again) = match self.random.u8(..8) {
                    0 => continue,
                    1 => (deferred(told, *claim, &mut self.random), false),
                    turn => (end(told, *claim, &mut self.random), turn == 2),
                };
                if is_again {
                    again.push(claim.entry);
                }
                writes.push(self.world.done(change));
            }
            join_all(writes).await;
        }
        join_all(
            again
                .into_iter()
                .map(|entry| self.world.done(Change::Reopened { entry })),
        )
        .await;
        for work in self.world.claim(1000).await {
            let told = &mut self.told[usize::try_from(work.claim.entry.0 - 1).unwrap()];
            let change = end(told, work.claim, &mut self.random);
            self.world.done(change).await;
        }
    }

    /// A part of a text, a letter of it in another case, or what is perhaps nowhere.
    fn part(&mut self) -> String {
        let random = &mut self.random;
        if random.bool() {
            return text(random, 4);
        }
        let told = &self.told[random.usize(..self.told.len())];
        let all: Vec<char> = format!("{}\n{}", told.heard, told.said).chars().collect();
        let first = random.usize(..all.len());
        let part: String = all[first..].iter().take(random.usize(1..9)).collect();
        if random.bool() { part.to_uppercase() } else { part }
    }

    fn filter(&mut self) -> RowFilter {
        let mut filter = RowFilter {
            grep: Some(self.part()),
            ..RowFilter::default()
        };
        let mut id = || EntryId(self.random.i64(1..i64::from(MESSAGES)));
        let (before, after) = (id(), id());
        let random = &mut self.random;
        filter.limit = random.bool().then(|| random.usize(1..50));
        filter.mailbox = random.bool().then(support);
        filter.outcome = (random.u8(..4) == 0).then(|| "completed".to_owned());
        filter.before = (random.u8(..4) == 0).then_some(before);
        filter.after = (random.u8(..4) == 0).then_some(after);
        match self.random.u8(..4) {
            0 => filter.from = filter.grep.take(),
            1 => filter.from = Some(self.part()),
            _ => {}
        }
        filter
    }

    /// How many are found in all.
    async fn search(&mut self) -> usize {
        let filter = self.filter();
        let newest = self.told.iter().rev().filter(|told| told.matches(&filter));
        let expected: Vec<EntryId> = newest
            .map(|told| told.id)
            .take(filter.limit.unwrap_or(usize::MAX))
            .collect();
        let rows = self.world.journal.rows(filter.clone()).await.unwrap();
        let found: Vec<EntryId> = rows.iter().map(|row| row.id).collect();
        assert_eq!(found, expected, "{filter:?}");
        found.len()
    }
}

fn end(told: &mut Told, claim: Claim, random: &mut Rng) -> Change {
    let (reason, rule) = (text(random, 20), text(random, 6));
    told.outcome = "completed";
    told.said = lines(&[&reason, &rule]);
    let ended = Box::new(Ended {
        rule,
        ..ended(Outcome::Completed, &reason)
    });
    Change::Ended { claim, ended }
}

fn deferred(told: &mut Told, claim: Claim, random: &mut Rng) -> Change {
    let reason = text(random, 20);
    told.outcome = "deferred";
    told.said = fold(&reason);
    Change::Deferred {
        claim,
        due: future(),
        reason,
        counts: false,
        waits_for: None,
        waited: std::time::Duration::ZERO,
        run: serde_json::Value::Null,
        trace: "{}".into(),
        calls: 0,
        notices: Vec::new(),
    }
}

#[tokio::test]
async fn what_is_found_is_what_stands_there() {
    for seed in 0..3 {
        println!("seed {seed}");
        let mut run = Run {
            world: world(),
            random: Rng::with_seed(seed),
            told: Vec::new(),
        };
        let claims = run.receive().await;
        run.go_on(claims).await;
        let mut empty = 0;
        for _ in 0..SEARCHES {
            empty += usize::from(run.search().await == 0);
        }
        assert!(
            (SEARCHES / 10..SEARCHES * 9 / 10).contains(&empty),
            "{empty} found nothing"
        );
    }
}
