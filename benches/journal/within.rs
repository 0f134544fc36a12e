//! What the loops ask of the journal and write to it, by its own door.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use halo_intake::{
    config::MailboxName,
    journal::{Change, Journal, Ledger, Lying, Queue, Spot, Way},
};

use crate::{
    desk::{self, Desk},
    fill,
};

/// So many messages lie in the Maildir that is polled.
const LYING: usize = 200;
const POLLS: usize = 20;
const SINGLE: usize = 15;
const GROUPS: usize = 2;
const TOGETHER: usize = 100;
const FOLDER: &str = "INBOX";

/// A journal that is open as its owner.
pub struct Within {
    journal: Arc<Ledger>,
    mailbox: MailboxName,
    maildir: MailboxName,
    /// Of messages that the journal knows.
    lying: Vec<Spot>,
    /// The number of the next new message.
    next: usize,
}

impl Within {
    pub fn of(desk: &Desk) -> Within {
        Within {
            lying: lying(desk),
            journal: Arc::new(fill::open(&desk.state)),
            mailbox: MailboxName("support".to_owned()),
            maildir: MailboxName(desk::MAILDIR.to_owned()),
            next: desk.messages + 1,
        }
    }

    /// One round of everything, each told to `add` with what it took.
    pub async fn round(&mut self, add: &mut impl FnMut(&'static str, Duration)) {
        for _ in 0..POLLS {
            add(
                "poll, nothing new: IMAP, after signing in",
                self.after_signing_in().await,
            );
            let mut lying = Lying::default();
            for fact in [
                "first look at a Maildir where 200 lie",
                "poll, nothing new: Maildir where 200 lie",
            ] {
                add(fact, self.maildir(&mut lying).await);
            }
            add("poll, one new message", self.one_new().await);
            add("look of all loops, nothing due", self.look().await);
        }
        for _ in 0..SINGLE {
            add("message received, ended, settled: singly", self.message().await);
        }
        for _ in 0..GROUPS {
            add(
                "message received, ended, settled: of 100 together",
                self.together().await,
            );
        }
    }

    /// Later polls of an open connection ask nothing at all.
    async fn after_signing_in(&self) -> Duration {
        let began = Instant::now();
        self.journal.kept("doubts support").await.unwrap();
        self.journal.position(&self.mailbox, FOLDER).await.unwrap();
        began.elapsed()
    }

    /// One look-up a file; later polls ask for new ones alone.
    async fn maildir(&self, lying: &mut Lying) -> Duration {
        let spots = self.lying.clone();
        let began = Instant::now();
        let unknown = lying.unknown(&*self.journal, &self.maildir, "", spots).await.unwrap();
        let took = began.elapsed();
        assert!(unknown.is_empty());
        took
    }

    /// Up to where the message is in hand.
    async fn one_new(&mut self) -> Duration {
        let n = self.new_number();
        let spot = spot(n);
        let began = Instant::now();
        let unknown = self.journal.unknown(&self.mailbox, FOLDER, vec![spot]).await.unwrap();
        let claim = fill::receive(&self.journal, n, true).await;
        let position = Change::Positioned {
            mailbox: self.mailbox.clone(),
            folder: FOLDER.to_owned(),
            validity: 1,
            next_uid: u32::try_from(n + 1).unwrap(),
        };
        self.journal.write(position).await.unwrap();
        let took = began.elapsed();
        assert_eq!(unknown.len(), 1);
        fill::end(&self.journal, n, claim, 1, true).await;
        took
    }

    /// Workers, outbox, reports and settling ask what is due.
    async fn look(&self) -> Duration {
        let journal = &self.journal;
        let began = Instant::now();
        let work = journal.claim(16, None).await.unwrap();
        journal.next_due(Queue::Work).await.unwrap();
        journal.letters(Way::Mail, 16, None).await.unwrap();
        journal.next_due(Queue::Letters(Way::Mail)).await.unwrap();
        journal.notices(Way::Mail).await.unwrap();
        journal.unsettled(&self.mailbox, 100).await.unwrap();
        journal.unsettled_in().await.unwrap();
        let took = began.elapsed();
        assert!(work.is_empty());
        took
    }

    async fn message(&mut self) -> Duration {
        let n = self.new_number();
        let began = Instant::now();
        come_and_go(&self.journal, n).await;
        began.elapsed()
    }

    /// Of each.
    async fn together(&mut self) -> Duration {
        let numbers: Vec<usize> = (0..TOGETHER).map(|_| self.new_number()).collect();
        let began = Instant::now();
        let tasks: Vec<_> = numbers
            .into_iter()
            .map(|n| {
                let journal = self.journal.clone();
                tokio::spawn(async move { come_and_go(&journal, n).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        began.elapsed() / u32::try_from(TOGETHER).unwrap()
    }

    fn new_number(&mut self) -> usize {
        self.next += 1;
        self.next
    }
}

async fn come_and_go(journal: &Ledger, n: usize) {
    let claim = fill::receive(journal, n, true).await;
    fill::end(journal, n, claim, 1, true).await;
}

fn spot(n: usize) -> Spot {
    Spot::Uid {
        validity: 1,
        uid: u32::try_from(n).unwrap(),
    }
}

/// Files from all times.
fn lying(desk: &Desk) -> Vec<Spot> {
    let db = rusqlite::Connection::open(desk.state.join("journal.db")).unwrap();
    let mut names = db
        .prepare(
            "SELECT name FROM (SELECT name, row_number() OVER (ORDER BY id) AS number, count(*) OVER () AS count
                FROM entry WHERE mailbox = ?1)
             WHERE number % (count / ?2) = 0 LIMIT ?2",
        )
        .unwrap();
    let names = names.query_map((desk::MAILDIR, i64::try_from(LYING).unwrap()), |row| row.get(0));
    let spots: Vec<Spot> = names.unwrap().map(|name| Spot::File { name: name.unwrap() }).collect();
    assert_eq!(spots.len(), LYING);
    spots
}
