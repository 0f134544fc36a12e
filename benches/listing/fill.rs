//! Messages as a year brings them, written through the journal's own door.

use std::{
    fs::{self, File},
    iter,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use halo_intake::{
    clock::Clock,
    config::{Deduplicate, MailboxName},
    journal::{
        Change, Claim, Ended, Journal, Ledger, Notice, Opening, Place, Receipt, Received, Settled, Spot, sqlite::Sqlite,
    },
    outcome::Outcome,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The newest messages wait still, half of them deferred.
pub const OPEN: usize = 200;
/// The journal reaches back so far.
const DAYS: usize = 365;
/// So many are written by the journal itself at either end; the octets and traces of the newest are there, those of the
/// others retention has dropped.
const WRITTEN: usize = 5_000;
/// So many are written at a time.
const TOGETHER: usize = 256;
/// More than are written at a time: no two of one author meet.
const AUTHORS: usize = 2_003;
const SMALL_MAILBOXES: usize = 20;

const SUBJECTS: [&str; 8] = [
    "The printer on the second floor does not print",
    "VPN drops after a minute",
    "New starter on Monday: account and laptop",
    "Re: Invoice for the backup licences",
    "Outlook asks for the password again and again",
    "[ALERT] disk space below ten percent on srv",
    "Can not open the file that Ben sent me",
    "AW: Telefonanlage: keine Durchwahl mehr",
];

/// Their names.
pub fn mailboxes() -> impl Iterator<Item = String> {
    let named = ["support", "sales", "quiet"].map(str::to_owned).into_iter();
    named.chain((0..SMALL_MAILBOXES).map(|n| format!("customer{n}")))
}

pub fn open(state: &Path) -> Ledger {
    Sqlite::open(state, Clock::system(), Opening::Alone).unwrap()
}

/// The folder with a journal of that size: the one that is there, or one that is filled.
pub fn journal(messages: usize) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("listing-{messages}"));
    let (state, whole) = (folder.join("state"), folder.join("whole"));
    fs::create_dir_all(&state).unwrap();
    if !whole.exists() {
        fill(&state, messages);
        fs::write(&whole, "").unwrap();
    }
    // The owner brings it up to date, where the program is newer than the journal; what it lacks comes with retention,
    // which finds nothing that is so old.
    let (octets_before, rows_before) = (Timestamp::MIN, Timestamp::MIN);
    let journal = open(&state);
    runtime()
        .block_on(journal.write(Change::Trimmed {
            octets_before,
            rows_before,
        }))
        .unwrap();
    state
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
}

/// Fills an empty journal: the oldest, copies of them, and the newest.
fn fill(state: &Path, messages: usize) {
    assert!(messages >= 2 * WRITTEN, "at least {}", 2 * WRITTEN);
    write_all(state, 1..=WRITTEN, messages);
    let newest = messages - WRITTEN;
    copy(state, newest);
    write_all(state, newest + 1..=messages, messages);
    spread(state, messages);
}

fn write_all(state: &Path, numbers: RangeInclusive<usize>, messages: usize) {
    let runtime = runtime();
    let journal = Arc::new(open(state));
    for some in numbers.collect::<Vec<_>>().chunks(TOGETHER) {
        let written = some.iter().map(|&n| {
            let journal = journal.clone();
            runtime.spawn(async move { write(&journal, n, messages).await })
        });
        for one in written.collect::<Vec<_>>() {
            runtime.block_on(one).unwrap();
        }
    }
}

/// Copies what is there until there are so many; each is a message of its own.
fn copy(state: &Path, messages: usize) {
    let db = rusqlite::Connection::open(state.join("journal.db")).unwrap();
    let columns = |table: &str| -> Vec<String> {
        let sql = format!("SELECT name FROM pragma_table_xinfo('{table}') WHERE hidden = 0");
        let mut names = db.prepare(&sql).unwrap();
        names
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    let (entry, attempt) = (columns("entry"), columns("attempt"));
    let copied = |column: &String| match column.as_str() {
        "id" => "id + ?1".to_owned(),
        "entry" => "entry + ?1".to_owned(),
        "name" => "CAST(id + ?1 AS TEXT)".to_owned(),
        "mailbox" => "iif(mailbox = 'quiet', 'support', mailbox)".to_owned(),
        "fingerprint" | "digest" => "randomblob(32)".to_owned(),
        "thread_key" | "message_id" => format!("replace({column}, id || '.mail', (id + ?1) || '.mail')"),
        "subject" | "heard" => format!("replace({column}, 'case-' || id || '.', 'case-' || (id + ?1) || '.')"),
        other => other.to_owned(),
    };
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
        .unwrap();
    for shift in (WRITTEN..messages).step_by(WRITTEN) {
        let most = messages - shift;
        for (table, columns, key) in [("entry", &entry, "id"), ("attempt", &attempt, "entry")] {
            let from: Vec<String> = columns.iter().map(copied).collect();
            let sql = format!(
                "INSERT INTO {table} ({}) SELECT {} FROM {table} WHERE {key} <= min(?2, ?3)",
                columns.join(", "),
                from.join(", ")
            );
            let number = |n: usize| i64::try_from(n).unwrap();
            db.execute(&sql, (number(shift), number(WRITTEN), number(most)))
                .unwrap();
        }
    }
    // Nothing is kept of what came so.
    db.execute_batch("DELETE FROM sieve; UPDATE sieved SET since = (SELECT max(id) / 128 + 1 FROM entry)")
        .unwrap();
    // What was copied is on the disk before anything is measured: else the first commit waits for all of it.
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    File::open(state.join("journal.db")).unwrap().sync_all().unwrap();
}

/// The journal takes its own clock's time, which is that of the filling: lays it out over the year.
fn spread(state: &Path, messages: usize) {
    let step = SignedDuration::from_hours(24 * i64::try_from(DAYS).unwrap()) / i32::try_from(messages).unwrap();
    let (now, step) = (
        Timestamp::now().as_microsecond(),
        i64::try_from(step.as_micros()).unwrap(),
    );
    let db = rusqlite::Connection::open(state.join("journal.db")).unwrap();
    db.execute(
        "UPDATE entry SET received = ?1 - (?2 - id) * ?3, internal_date = ?1 - (?2 - id) * ?3 - 2000000,
            ended = iif(ended IS NULL, NULL, ?1 - (?2 - id) * ?3 + 1500000)",
        (now, i64::try_from(messages).unwrap(), step),
    )
    .unwrap();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

async fn write(journal: &Ledger, n: usize, messages: usize) {
    let is_stored = n + WRITTEN > messages;
    let claim = receive(journal, n, is_stored).await;
    if n + OPEN > messages {
        let change = if n.is_multiple_of(2) {
            Change::Released { claim }
        } else {
            deferred(claim)
        };
        journal.write(change).await.unwrap();
    } else {
        end(journal, n, claim, 1, is_stored).await;
    }
}

/// A message comes and is in hand.
pub async fn receive(journal: &Ledger, n: usize, is_stored: bool) -> Claim {
    let received = Change::Received(Box::new(received(n, is_stored)));
    match journal.write(received).await.unwrap() {
        Receipt::New(_, _, Some(claim)) => claim,
        other => panic!("message {n}: {other:?}"),
    }
}

/// A message in hand ends with that attempt and is settled.
pub async fn end(journal: &Ledger, n: usize, claim: Claim, attempts: u32, is_stored: bool) {
    let ended = Box::new(ended(n, claim, is_stored));
    journal.write(Change::Ended { claim, ended }).await.unwrap();
    let (entry, settled) = (claim.entry, Settled::leaving("moved to Processed"));
    let settled = Change::Settled {
        entry,
        attempts,
        settled,
    };
    journal.write(settled).await.unwrap();
}

fn received(n: usize, is_stored: bool) -> Received {
    let mailbox = match n % 100 {
        _ if n <= 5 => "quiet".to_owned(),
        0..70 => "support".to_owned(),
        70..90 => "sales".to_owned(),
        _ => format!("customer{}", n % SMALL_MAILBOXES),
    };
    let author = match n % AUTHORS {
        0 => "jane.doe@example.org".to_owned(),
        author => format!("person{author}@customer{}.example", author % 500),
    };
    let subject = format!("{} (case-{n}.)", SUBJECTS[n % SUBJECTS.len()]);
    let octets = if is_stored {
        octets(n, &author, &subject)
    } else {
        String::new()
    };
    let digest = |kind: u8| {
        let mut digest = [kind; 32];
        // Spread as those of SHA-256 are.
        let mixed = u64::try_from(n).unwrap().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        digest[..8].copy_from_slice(&mixed.to_be_bytes());
        digest
    };
    Received {
        place: Place {
            mailbox: MailboxName(mailbox),
            folder: "INBOX".into(),
            spot: Spot::Uid {
                validity: 1,
                uid: u32::try_from(n).unwrap(),
            },
        },
        internal_date: Timestamp::now(),
        size: u64::try_from(octets.len()).unwrap(),
        octets: octets.into(),
        from: author.clone(),
        subject,
        message_id: format!("{n}.mail@mx.example"),
        fingerprint: digest(1),
        digest: digest(2),
        header_digest: digest(3),
        author_key: author,
        thread_key: format!("{n}.mail@mx.example"),
        deduplicate: Deduplicate::Mailbox,
        end: None,
        claim: true,
    }
}

fn octets(n: usize, author: &str, subject: &str) -> String {
    let text: String = (0..40)
        .map(|line| format!("{line}: what is said about it in message {n}\r\n"))
        .collect();
    format!(
        "Return-Path: <{author}>\r\nFrom: {author}\r\nTo: support@desk.example\r\nSubject: {subject}\r\n\
         Message-ID: <{n}.mail@mx.example>\r\n\r\n{text}"
    )
}

fn ended(n: usize, claim: Claim, is_stored: bool) -> Ended {
    let (outcome, reason) = match n % 200 {
        0 => (
            Outcome::Failed,
            "create_halo_user: Halo refuses the user: \"site_id\" is not a site of client 12",
        ),
        1..4 => (Outcome::Bounced, "no such client"),
        4..14 => (Outcome::Ignored, ""),
        14..18 => (Outcome::Stopped, "find_halo_user_and_client: nothing found"),
        _ => (Outcome::Completed, ""),
    };
    let notice = Notice {
        entry: Some(claim.entry),
        topic: "failed".into(),
        text: reason.into(),
        at: Timestamp::now(),
    };
    let rule = "Unknown senders become users".to_owned();
    Ended {
        outcome,
        reason: reason.into(),
        matched: vec![rule.clone()],
        rule,
        trace: if is_stored { trace() } else { Value::Null }.to_string().into(),
        calls: 2,
        bounce: None,
        notices: iter::once(notice).filter(|_| outcome == Outcome::Failed).collect(),
    }
}

fn deferred(claim: Claim) -> Change {
    Change::Deferred {
        claim,
        due: Timestamp::now(),
        reason: "halo main: it can not be reached".into(),
        counts: false,
        waits_for: Some("connection main".into()),
        waited: Duration::ZERO,
        run: json!({}),
        trace: trace().to_string().into(),
        calls: 1,
        notices: Vec::new(),
    }
}

/// As large as that of two rules and a user that was made.
fn trace() -> Value {
    let step = |number: u32| json!({ "step": number, "fields": { "search": "person", "text": "x".repeat(300) } });
    json!({ "config": "bench", "rules": [], "further": (0..6).map(step).collect::<Vec<_>>() })
}
