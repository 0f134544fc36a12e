//! A journal of a test's own, and short ways to say what happens to messages.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use halo_intake::{
    clock::Clock,
    config::{ConnectionName, Deduplicate, MailboxName, Rate},
    journal::{
        Change, Claim, CreationKey, Ended, Entry, EntryId, Intent, Journal, JournalError, Letter, LetterLimit, Opening,
        Place, Receipt, Received, RowFilter, Settled, Spot, Totals, Way, Work, postgres::Postgres, sqlite::Sqlite,
    },
    outcome::Outcome,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::servers;

/// The journal under test.
pub struct World {
    pub journal: Arc<dyn Journal>,
    pub lies: Lies,
}

/// Where it lies. Another back end is put through the suite by opening it here, and by its line in `main.rs`.
pub enum Lies {
    In(TempDir),
    At(String),
}

impl Lies {
    /// Where there is none yet.
    pub fn nowhere_in_sqlite() -> Lies {
        Lies::In(tempfile::tempdir().unwrap())
    }

    pub fn nowhere_in_postgres() -> Lies {
        Lies::At(servers::postgres::Postgres::shared().schema())
    }

    fn open(&self) -> Arc<dyn Journal> {
        Arc::new(match self {
            Lies::In(folder) => patiently(
                || Sqlite::open(folder.path(), Clock::system(), Opening::Alone),
                |error| matches!(error, JournalError::InUse { .. }),
            )
            .unwrap(),
            Lies::At(address) => Postgres::open(address, Clock::system(), Opening::Alone, None).unwrap(),
        })
    }
}

/// Until it is in use no more. Where another test starts a program just now, that has all locks of this process until it
/// runs.
pub fn patiently<T, E>(mut open: impl FnMut() -> Result<T, E>, is_in_use: impl Fn(&E) -> bool) -> Result<T, E> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match open() {
            Err(error) if is_in_use(&error) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

impl World {
    pub fn in_sqlite() -> World {
        World::opened(Lies::nowhere_in_sqlite())
    }

    pub fn in_postgres() -> World {
        World::opened(Lies::nowhere_in_postgres())
    }

    pub fn opened(lies: Lies) -> World {
        World {
            journal: lies.open(),
            lies,
        }
    }

    /// The folder of one in SQLite.
    pub fn folder(&self) -> &Path {
        match &self.lies {
            Lies::In(folder) => folder.path(),
            Lies::At(address) => panic!("it lies at {address}"),
        }
    }
}

pub fn support() -> MailboxName {
    MailboxName("support".into())
}

pub fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// Long ago, so that what is due then is due.
pub fn past() -> Timestamp {
    at(0)
}

/// So far off that no test lives to see it.
pub fn future() -> Timestamp {
    Timestamp::from_second(32_503_680_000).unwrap()
}

pub fn uid(validity: u32, uid: u32) -> Spot {
    Spot::Uid { validity, uid }
}

/// A message of its own author and conversation, the `n`th of the mailbox.
pub fn mail(n: u32) -> Received {
    Received {
        place: Place {
            mailbox: support(),
            folder: "INBOX".into(),
            spot: uid(7, n),
        },
        internal_date: at(i64::from(n)),
        size: 42,
        octets: Bytes::from(format!("Subject: mail {n}\r\n\r\nHello {n}\r\n")),
        from: format!("ann{n}@customer.example"),
        subject: format!("mail {n}"),
        message_id: format!("{n}@customer.example"),
        fingerprint: digest(&format!("fingerprint {n}")),
        digest: digest(&format!("octets {n}")),
        header_digest: digest(&format!("header {n}")),
        author_key: format!("ann{n}@customer.example"),
        thread_key: String::new(),
        deduplicate: Deduplicate::Mailbox,
        end: None,
        claim: false,
    }
}

/// The `n`th message, of this author and conversation.
pub fn mail_of(n: u32, author: &str, thread: &str) -> Received {
    Received {
        author_key: author.into(),
        thread_key: thread.into(),
        ..mail(n)
    }
}

/// All below this UID of the mailbox is known.
pub fn positioned(next_uid: u32) -> Change {
    Change::Positioned {
        mailbox: support(),
        folder: "INBOX".into(),
        validity: 7,
        next_uid,
    }
}

pub fn ended(outcome: Outcome, reason: &str) -> Ended {
    Ended {
        outcome,
        reason: reason.into(),
        rule: "Everyone".into(),
        matched: vec!["Everyone".into()],
        trace: json!({ "steps": [] }).to_string().into(),
        calls: 3,
        bounce: None,
        notices: Vec::new(),
    }
}

pub fn letter(to: &str) -> Letter {
    Letter {
        return_path: None,
        recipients: vec![to.into()],
        octets: format!("To: {to}\r\n\r\nSorry\r\n").into(),
        not_after: None,
    }
}

/// A bounce to an address that may be told `count` times in a day.
pub fn bounced(to: &str, count: u32) -> Ended {
    let rate = Rate {
        count: count.try_into().unwrap(),
        per: Duration::from_secs(86_400),
    };
    Ended {
        bounce: Some((letter(to), LetterLimit { key: to.into(), rate })),
        ..ended(Outcome::Bounced, "no such client")
    }
}

pub fn user(address: &str) -> CreationKey {
    CreationKey {
        connection: ConnectionName("main".into()),
        kind: "user".into(),
        key: address.into(),
    }
}

pub fn intent(step: &str, begun: Timestamp) -> Intent {
    Intent {
        step: step.into(),
        effect: json!({ "post": "users" }),
        answer: None,
        begun,
    }
}

impl World {
    /// The same journal after the process has ended and begun again.
    pub fn restarted(self) -> World {
        drop(self.journal);
        World::opened(self.lies)
    }

    pub async fn write(&self, change: Change) -> Receipt {
        self.journal.write(change).await.unwrap()
    }

    /// Writes what must find the state that it expects.
    pub async fn done(&self, change: Change) {
        let receipt = self.write(change.clone()).await;
        assert!(matches!(receipt, Receipt::Done), "{change:?} answers {receipt:?}");
    }

    pub async fn receive(&self, received: Received) -> Receipt {
        self.write(Change::Received(Box::new(received))).await
    }

    /// Receives what must be new.
    pub async fn receive_new(&self, received: Received) -> EntryId {
        match self.receive(received).await {
            Receipt::New(entry, ..) => entry,
            other => panic!("not new: {other:?}"),
        }
    }

    /// Receives and takes in hand.
    pub async fn in_hand(&self, received: Received) -> Claim {
        match self
            .receive(Received {
                claim: true,
                ..received
            })
            .await
        {
            Receipt::New(_, _, Some(claim)) => claim,
            other => panic!("not in hand: {other:?}"),
        }
    }

    /// Receives, and ends at once.
    pub async fn with_outcome(&self, received: Received, outcome: Outcome) -> EntryId {
        let claim = self.in_hand(received).await;
        self.end(claim, ended(outcome, "")).await;
        claim.entry
    }

    pub async fn end(&self, claim: Claim, ended: Ended) -> Receipt {
        self.write(Change::Ended {
            claim,
            ended: Box::new(ended),
        })
        .await
    }

    pub async fn defer(&self, claim: Claim, due: Timestamp) -> Receipt {
        self.write(Change::Deferred {
            claim,
            due,
            reason: "Halo answers 503".into(),
            counts: true,
            waits_for: None,
            waited: Duration::from_secs(5),
            run: json!({ "step": 2 }),
            trace: json!({ "tried": true }).to_string().into(),
            calls: 2,
            notices: Vec::new(),
        })
        .await
    }

    pub async fn claim(&self, limit: usize) -> Vec<Work> {
        self.journal.claim(limit, None).await.unwrap()
    }

    /// The ids of what can be claimed now.
    pub async fn claimed(&self, limit: usize) -> Vec<EntryId> {
        self.claim(limit).await.iter().map(|work| work.claim.entry).collect()
    }

    pub async fn entry(&self, entry: EntryId) -> Entry {
        self.journal.entry(entry).await.unwrap().unwrap()
    }

    /// The word and the reason that `log` shows.
    pub async fn shown(&self, entry: EntryId) -> (String, String) {
        let row = self.entry(entry).await.row;
        (row.outcome, row.reason)
    }

    pub async fn topics(&self) -> Vec<String> {
        self.journal
            .notices(Way::Mail)
            .await
            .unwrap()
            .into_iter()
            .map(|(_, notice)| notice.topic)
            .collect()
    }

    /// The mailbox shows its present end.
    pub async fn settled(&self, entry: EntryId, settled: Settled) {
        let attempts = self.entry(entry).await.row.attempts;
        let change = Change::Settled {
            entry,
            attempts,
            settled,
        };
        self.done(change).await;
    }

    pub async fn intended(&self, claim: Claim, step: &str, begun: Timestamp, key: Option<CreationKey>) -> Receipt {
        self.write(Change::Intended {
            claim,
            intent: intent(step, begun),
            creation: key,
        })
        .await
    }

    pub async fn answered(&self, claim: Claim, step: &str, answer: Value, key: Option<CreationKey>) {
        self.done(Change::Answered {
            claim,
            step: step.into(),
            answer,
            creation: key,
        })
        .await;
    }

    pub async fn totals(&self, mailbox: &MailboxName) -> Totals {
        self.journal.totals().await.unwrap().remove(mailbox).unwrap_or_default()
    }

    /// Both sides of the accounting identity, and a fresh count of the rows, are one.
    pub async fn check_totals(&self) {
        let totals = self.journal.totals().await.unwrap();
        for (mailbox, totals) in totals {
            assert_eq!(
                totals.seen,
                totals.by_state.values().sum::<u64>(),
                "the identity of {mailbox}"
            );
            for (word, counted) in totals.by_state {
                let filter = RowFilter {
                    mailbox: Some(mailbox.clone()),
                    outcome: Some(word.clone()),
                    ..RowFilter::default()
                };
                let rows = self.journal.rows(filter).await.unwrap().len();
                assert_eq!(counted, u64::try_from(rows).unwrap(), "{word} in {mailbox}");
            }
        }
    }
}
