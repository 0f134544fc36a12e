//! What a journal of ten thousand rows and one of many cost: everything that is asked of it, by its own door.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use halo_intake::{
    clock::Clock,
    config::MailboxName,
    journal::{Change, EntryId, Journal, Ledger, Opening, Queue, RowFilter, Spot, Way, node::Duty, postgres::Postgres},
};
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::NoTls;

use crate::{facts::Facts, fill, servers};

const SMALL: usize = 10_000;
const ROUNDS: usize = 9;
/// How often each round asks what is asked all the time.
const OFTEN: usize = 5;
/// So many known messages lie in a Maildir.
const LYING: usize = 200;
/// So many mailboxes one node takes at once, at the end.
const MAILBOXES: usize = 10_000;
const FOLDER: &str = "INBOX";
const FILL: &str = include_str!("rows.sql");

/// Compares both, in the server at that address or in one of its own.
pub fn compare(large: usize, address: Option<String>) {
    let settings = ["shared_buffers=512MB", "wal_level=minimal", "max_wal_senders=0"];
    let server = address
        .is_none()
        .then(|| servers::postgres::Postgres::start_with(&settings));
    let port = server.as_ref().map_or(0, |server| server.port);
    let address = address.unwrap_or_else(|| format!("postgres://postgres@127.0.0.1:{port}/postgres"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let sizes = [SMALL, large];
    let mut sides = sizes.map(|rows| runtime.block_on(Side::with(rows, &address)));
    let mut facts = Facts::of(sizes);
    for _ in 0..ROUNDS {
        for (number, side) in sides.iter_mut().enumerate() {
            runtime.block_on(side.round(&mut |fact, took| facts.add(number, fact, took)));
        }
    }
    for (number, side) in sides.iter().enumerate() {
        runtime.block_on(side.many_mailboxes(&mut |fact, took| facts.add(number, fact, took)));
    }
    facts.print();
}

/// One of the journals.
struct Side {
    rows: usize,
    address: String,
    journal: Arc<Ledger>,
    /// The number of the newest message.
    newest: usize,
    /// So many were dropped.
    dropped: i64,
}

fn open(address: &str) -> Ledger {
    Postgres::open(address, Clock::system(), Opening::Node, None).unwrap()
}

/// Runs statements in the server.
async fn say(address: &str, sql: &str) -> Vec<String> {
    let (client, line) = tokio_postgres::connect(address, NoTls).await.unwrap();
    let line = tokio::spawn(line);
    let said = client.simple_query(sql).await.unwrap();
    drop(client);
    line.await.unwrap().unwrap();
    let text = |message: &tokio_postgres::SimpleQueryMessage| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    said.iter().filter_map(text).collect()
}

impl Side {
    async fn with(rows: usize, server: &str) -> Side {
        let schema = format!("rows_{rows}");
        let address = format!("{server}?options=-csearch_path%3D{schema}");
        say(server, &format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await;
        let journal = Arc::new(open(&address));
        let newest = "SELECT coalesce(max(id), 0) FROM entry";
        if say(&address, newest).await == ["0"] {
            say(&address, &FILL.replace("@ROWS@", &rows.to_string())).await;
            say(&address, "VACUUM ANALYZE").await;
        }
        let number = |text: &str| text.parse::<i64>().unwrap();
        let newest = number(&say(&address, newest).await[0]);
        let dropped = number(&say(&address, "SELECT count FROM dropped").await[0]);
        Side {
            rows,
            journal,
            newest: usize::try_from(newest).unwrap(),
            dropped,
            address,
        }
    }

    /// Everything once, told to `add` with what it took.
    async fn round(&mut self, add: &mut impl FnMut(&'static str, Duration)) {
        for _ in 0..OFTEN {
            self.asked_often(add).await;
            self.message(add).await;
        }
        self.listed(add).await;
        self.trimmed(add).await;
        let began = Instant::now();
        let another = open(&self.address);
        add("a node's start, up to where it is one", began.elapsed());
        another.leave().await.unwrap();
    }

    async fn asked_often(&self, add: &mut impl FnMut(&'static str, Duration)) {
        let journal = &self.journal;
        let mailbox = MailboxName("support".to_owned());
        let began = Instant::now();
        journal.position(&mailbox, FOLDER).await.unwrap();
        add("poll: position", began.elapsed());
        let began = Instant::now();
        journal
            .unknown(&mailbox, FOLDER, vec![spot(self.newest + 1)])
            .await
            .unwrap();
        add("poll: unknown, one new message", began.elapsed());
        let lying: Vec<Spot> = (0..LYING)
            .map(|n| spot(self.rows / 2 + n * self.rows / LYING / 3))
            .collect();
        let began = Instant::now();
        journal.unknown(&mailbox, FOLDER, lying).await.unwrap();
        add("first look: unknown, of 200 that lie there", began.elapsed());

        let duties: BTreeSet<Duty> = fill::mailboxes().map(|name| Duty::Mailbox(MailboxName(name))).collect();
        let began = Instant::now();
        journal.beat(duties.clone(), duties).await.unwrap();
        add("beat of 23 mailboxes", began.elapsed());

        let began = Instant::now();
        let work = journal.claim(1, None).await.unwrap();
        add("claim of one", began.elapsed());
        for work in work {
            journal.write(Change::Released { claim: work.claim }).await.unwrap();
        }
        let began = Instant::now();
        journal.next_due(Queue::Work).await.unwrap();
        journal.letters(Way::Mail, 16, None).await.unwrap();
        journal.next_due(Queue::Letters(Way::Mail)).await.unwrap();
        journal.notices(Way::Mail).await.unwrap();
        add("look: next due, letters, notices", began.elapsed());
        let began = Instant::now();
        journal.unsettled(&mailbox, 100).await.unwrap();
        journal.unsettled_in().await.unwrap();
        add("what is to be settled", began.elapsed());
    }

    async fn message(&mut self, add: &mut impl FnMut(&'static str, Duration)) {
        self.newest += 1;
        let began = Instant::now();
        let claim = fill::receive(&self.journal, self.newest, true).await;
        add("reception with its claim", began.elapsed());
        let began = Instant::now();
        fill::end(&self.journal, self.newest, claim, 1, true).await;
        add("end and settlement", began.elapsed());
    }

    async fn listed(&self, add: &mut impl FnMut(&'static str, Duration)) {
        let mailbox = |name: &str| Some(MailboxName(name.to_owned()));
        let some = |text: &str| Some(text.to_owned());
        let ago = |hours: i64| Some(Timestamp::now() - SignedDuration::from_hours(hours));
        let all = RowFilter {
            limit: Some(100),
            ..RowFilter::default()
        };
        let questions = [
            ("log", all.clone()),
            (
                "log --mailbox support",
                RowFilter {
                    mailbox: mailbox("support"),
                    ..all.clone()
                },
            ),
            (
                "log --mailbox quiet",
                RowFilter {
                    mailbox: mailbox("quiet"),
                    ..all.clone()
                },
            ),
            (
                "log --outcome failed",
                RowFilter {
                    outcome: some("failed"),
                    ..all.clone()
                },
            ),
            (
                "log --outcome pending",
                RowFilter {
                    outcome: some("pending"),
                    ..all.clone()
                },
            ),
            (
                "log --outcome failed --mailbox sales",
                RowFilter {
                    outcome: some("failed"),
                    mailbox: mailbox("sales"),
                    ..all.clone()
                },
            ),
            (
                "log --since 2h",
                RowFilter {
                    since: ago(2),
                    ..all.clone()
                },
            ),
            (
                "log --since 200d --until 199d",
                RowFilter {
                    since: ago(4800),
                    until: ago(4776),
                    ..all.clone()
                },
            ),
            (
                "log --from customer",
                RowFilter {
                    from: some("customer"),
                    ..all.clone()
                },
            ),
            (
                "log --from jane.doe",
                RowFilter {
                    from: some("jane.doe"),
                    ..all.clone()
                },
            ),
            (
                "log --from of nobody",
                RowFilter {
                    from: some("nobody@nowhere.example"),
                    ..all.clone()
                },
            ),
            (
                "log --grep printer",
                RowFilter {
                    grep: some("printer"),
                    ..all.clone()
                },
            ),
            (
                "log --grep of the oldest",
                RowFilter {
                    grep: some("case-7."),
                    ..all.clone()
                },
            ),
            (
                "log --grep of nothing",
                RowFilter {
                    grep: some("nothing-of-the-kind"),
                    ..all.clone()
                },
            ),
        ];
        for (question, filter) in questions {
            let began = Instant::now();
            self.journal.rows(filter).await.unwrap();
            add(question, began.elapsed());
        }
        for (question, id) in [("show, the newest", self.newest), ("show, one amid", self.rows / 2)] {
            let began = Instant::now();
            let entry = self.journal.entry(EntryId(i64::try_from(id).unwrap())).await.unwrap();
            add(question, began.elapsed());
            assert!(entry.is_some());
        }
        let began = Instant::now();
        self.journal.survey().await.unwrap();
        add("survey: page and metrics", began.elapsed());
        let began = Instant::now();
        self.journal.nodes().await.unwrap();
        add("nodes", began.elapsed());
    }

    async fn many_mailboxes(&self, add: &mut impl FnMut(&'static str, Duration)) {
        let duty = |n: usize| Duty::Mailbox(MailboxName(format!("mailbox-of-customer-{n}")));
        let duties: BTreeSet<Duty> = (0..MAILBOXES).map(duty).collect();
        let mut fact = "beat that takes 10,000 mailboxes";
        for _ in 0..ROUNDS {
            let began = Instant::now();
            self.journal.beat(duties.clone(), duties.clone()).await.unwrap();
            add(fact, began.elapsed());
            fact = "beat of 10,000 mailboxes";
        }
        say(&self.address, "DELETE FROM lease").await;
    }

    /// The hundred oldest.
    async fn trimmed(&mut self, add: &mut impl FnMut(&'static str, Duration)) {
        self.dropped += 100;
        let first = self.journal.entry(EntryId(self.dropped)).await.unwrap().unwrap();
        let (octets_before, rows_before) = (Timestamp::MIN, first.row.time + SignedDuration::from_secs(2));
        let trimmed = Change::Trimmed {
            octets_before,
            rows_before,
        };
        let began = Instant::now();
        self.journal.write(trimmed).await.unwrap();
        add("retention drops a hundred rows", began.elapsed());
    }
}

fn spot(n: usize) -> Spot {
    Spot::Uid {
        validity: 1,
        uid: u32::try_from(n).unwrap(),
    }
}
