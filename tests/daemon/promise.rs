//! The promise of the manual, as an oracle: given what was delivered, what a world shows of it that is not so.
//!
//! A story says what shall become of each message, does to the daemon what it likes, and asks `holds` at the end, or
//! `comes_true` while a daemon is still at work.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use halo_intake::{
    clock::Clock,
    config::MailboxName,
    journal::{Journal, Opening, Row, RowFilter, Totals, postgres::Postgres, sqlite::Sqlite},
};

use crate::{running::Daemon, world::World};

/// Where a world's messages can lie.
const FOLDERS: [&str; 5] = ["INBOX", "Processed", "Stopped", "Bounced", "Failed"];
/// Whom a world's reports go to.
const OPERATORS: &str = "ops@desk.example";

/// A message, and what shall become of it.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub sender: String,
    /// Of this message alone, so that it is known in each place.
    pub subject: String,
    pub outcome: &'static str,
    /// Where it lies in the end: where a world settles such an outcome, unless the story says otherwise.
    pub folder: &'static str,
    /// How often it lies there: once, but for one that is deleted and for the gap of a server without MOVE.
    pub copies: usize,
    /// Whether its sender is told: of a bounce, and of what was perhaps one.
    pub is_told: bool,
}

impl Delivered {
    pub fn new(sender: &str, subject: &str, outcome: &'static str) -> Delivered {
        let folder = match outcome {
            "completed" => "Processed",
            "stopped" => "Stopped",
            "bounced" => "Bounced",
            "failed" => "Failed",
            _ => "INBOX",
        };
        Delivered {
            sender: sender.to_owned(),
            subject: subject.to_owned(),
            outcome,
            folder,
            copies: 1,
            is_told: outcome == "bounced",
        }
    }
}

/// What was delivered to a world, and what may differ from it all the same.
#[derive(Debug, Clone, Default)]
pub struct Promise {
    delivered: Vec<Delivered>,
    users: BTreeSet<String>,
    kills: usize,
}

impl Promise {
    pub fn new(delivered: impl IntoIterator<Item = Delivered>) -> Promise {
        Promise {
            delivered: delivered.into_iter().collect(),
            ..Promise::default()
        }
    }

    /// Each of these addresses is a user in the end.
    pub fn with_users<T: Into<String>>(mut self, addresses: impl IntoIterator<Item = T>) -> Promise {
        self.users.extend(addresses.into_iter().map(Into::into));
        self
    }

    /// The process was killed so often, or a server hung up instead of saying yes: each time one letter may have been
    /// in the gap that no client can close, and that one leaves again as the same mail.
    pub fn with_kills(mut self, kills: usize) -> Promise {
        self.kills += kills;
        self
    }

    /// Everything is as promised now.
    pub fn holds(&self, world: &World) {
        let broken = self.broken(world);
        let mut rows = Books::read(world).rows;
        rows.retain(|row| !row.reason.is_empty());
        assert!(
            broken.is_empty(),
            "the promise is broken: {broken:#?}; reasons: {rows:#?}"
        );
    }

    /// Waits until everything is as promised; the mailbox's account balances all the time until then.
    pub fn comes_true(&self, world: &World, within: Duration) {
        let deadline = Instant::now() + within;
        loop {
            if is_at_rest(world, self.delivered.len()) && self.broken(world).is_empty() {
                return;
            }
            if Instant::now() > deadline {
                return self.holds(world);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What is not as promised, a sentence each.
    pub fn broken(&self, world: &World) -> Vec<String> {
        let parts = [
            self.broken_outcomes(world),
            broken_things(world),
            self.missing_users(world),
            self.broken_letters(world),
            self.broken_folders(world),
            broken_account(world),
        ];
        parts.concat()
    }

    /// One row a message, with its outcome.
    fn broken_outcomes(&self, world: &World) -> Vec<String> {
        let line = |sender: &str, subject: &str, outcome: &str| format!("{subject:?} of {sender} is {outcome}");
        let rows = Books::read(world).rows;
        let rows = rows.iter().map(|row| line(&row.from, &row.subject, &row.outcome));
        let delivered = self.delivered.iter();
        let expected = delivered.map(|message| line(&message.sender, &message.subject, message.outcome));
        differences("the journal", expected, rows)
    }

    fn missing_users(&self, world: &World) -> Vec<String> {
        let users = world.sandbox.users();
        let known: BTreeSet<&str> = users.iter().filter_map(|user| user["emailaddress"].as_str()).collect();
        let missing = self.users.iter().filter(|address| !known.contains(address.as_str()));
        missing.map(|address| format!("Halo: {address} is no user")).collect()
    }

    /// A letter for each message that is bounced, to its sender, and none to anybody else.
    fn broken_letters(&self, world: &World) -> Vec<String> {
        let told_of = self.delivered.iter().filter(|message| message.is_told);
        let (letters, repeats) = (letters(world), repeats(world));
        let told = letters.iter().filter(|(to, _)| *to != OPERATORS);
        // Letters that differ: one that leaves again is the same, octet for octet.
        let told = told.flat_map(|(to, letters)| letters.keys().map(move |_| format!("{to} is told")));
        let expected = told_of.map(|message| format!("{} is told", message.sender));
        let mut broken = differences("the mail sink", expected, told);
        if repeats > self.kills {
            broken.push(format!(
                "the mail sink: {repeats} letters came again after {} kills",
                self.kills
            ));
        }
        broken
    }

    /// Each message lies in its folder, and nowhere else.
    fn broken_folders(&self, world: &World) -> Vec<String> {
        let of_here = || self.delivered.iter().filter(|message| !message.folder.is_empty());
        let known = FOLDERS.into_iter().chain(of_here().map(|message| message.folder));
        let lies = |subject: &str, folder: &str| format!("{subject:?} lies in {folder}");
        let mut found = Vec::new();
        for folder in known.collect::<BTreeSet<_>>() {
            found.extend(world.folder(folder).iter().map(|octets| lies(&subject(octets), folder)));
        }
        let expected = of_here().flat_map(|message| {
            let lies = lies(&message.subject, message.folder);
            std::iter::repeat_n(lies, message.copies)
        });
        differences("the mailbox", expected, found)
    }
}

/// How often each letter came to whom.
fn letters(world: &World) -> BTreeMap<String, BTreeMap<Vec<u8>, usize>> {
    let mut letters: BTreeMap<String, BTreeMap<Vec<u8>, usize>> = BTreeMap::new();
    for mail in world.sink.mails() {
        for to in mail.rcpt_to {
            let times = letters.entry(to).or_default().entry(mail.octets.clone());
            *times.or_default() += 1;
        }
    }
    letters
}

/// How many letters came once more, octet for octet.
pub fn repeats(world: &World) -> usize {
    let letters = letters(world);
    letters.values().flat_map(BTreeMap::values).map(|times| times - 1).sum()
}

/// How many attempts did not come to their message's outcome.
pub fn broken_off(world: &World) -> u32 {
    let rows = Books::read(world).rows;
    rows.iter().map(|row| row.attempts.saturating_sub(1)).sum()
}

/// Whether so many messages were seen and none of them is waiting any more; the account balances in any case.
pub fn is_at_rest(world: &World, seen: usize) -> bool {
    let totals = Books::read(world).totals;
    assert_eq!(unbalanced(&totals), [""; 0], "the account does not balance");
    let of = |totals: &Totals, state| totals.by_state.get(state).copied().unwrap_or(0);
    let waiting = totals
        .values()
        .map(|totals| of(totals, "pending") + of(totals, "deferred"));
    let is_seen = totals.values().map(|totals| totals.seen).sum::<u64>() == u64::try_from(seen).unwrap();
    is_seen && waiting.sum::<u64>() == 0
}

/// How many messages were seen.
pub fn seen(world: &World) -> u64 {
    Books::read(world).totals.values().map(|totals| totals.seen).sum()
}

/// No user and no client is there twice.
fn broken_things(world: &World) -> Vec<String> {
    let users = world
        .sandbox
        .users()
        .into_iter()
        .filter(|user| user["inactive"] != true);
    let addresses = users.map(|user| user["emailaddress"].as_str().unwrap_or_default().to_lowercase());
    let clients = world.sandbox.clients().into_iter();
    let names = clients.map(|client| client["name"].as_str().unwrap_or_default().to_lowercase());
    let twice = |(thing, times): (String, usize)| (times > 1).then(|| format!("Halo: {thing} is there {times} times"));
    let things = addresses.filter(|address| !address.is_empty()).chain(names);
    counted(things).into_iter().filter_map(twice).collect()
}

/// The account of each mailbox balances, and it is that of the rows.
fn broken_account(world: &World) -> Vec<String> {
    let books = Books::read(world);
    let mut broken = unbalanced(&books.totals);
    let mut of_rows: BTreeMap<MailboxName, BTreeMap<String, u64>> = BTreeMap::new();
    for row in books.rows {
        *of_rows.entry(row.mailbox).or_default().entry(row.outcome).or_default() += 1;
    }
    for (name, totals) in books.totals {
        let mut states = totals.by_state;
        states.retain(|_, count| *count > 0);
        let of_rows = of_rows.remove(&name).unwrap_or_default();
        if states != of_rows {
            broken.push(format!(
                "{name}: the account is {states:?}, and its rows are {of_rows:?}"
            ));
        }
    }
    broken
}

/// What the journal says to whoever reads it beside the daemon.
#[derive(Default)]
struct Books {
    rows: Vec<Row>,
    /// Both sides of each mailbox's account.
    totals: BTreeMap<MailboxName, Totals>,
}

impl Books {
    fn read(world: &World) -> Books {
        // Before its first start a world has no journal, and nothing was seen.
        let opened = match &world.journal {
            Some(address) => Postgres::open(address, Clock::system(), Opening::Look, None),
            None => Sqlite::open(&world.state_dir(), Clock::system(), Opening::Look),
        };
        let Ok(journal) = opened else {
            return Books::default();
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            Books {
                rows: journal.rows(RowFilter::default()).await.unwrap(),
                totals: journal.totals().await.unwrap(),
            }
        })
    }
}

/// Mailboxes that have seen more or less than they account for.
fn unbalanced(totals: &BTreeMap<MailboxName, Totals>) -> Vec<String> {
    let told = totals.iter().filter_map(|(name, totals)| {
        let accounted: u64 = totals.by_state.values().sum();
        (accounted != totals.seen).then(|| format!("{name}: {} seen, {accounted} accounted for", totals.seen))
    });
    told.collect()
}

fn subject(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
    line.unwrap_or("a message without a subject").to_owned()
}

fn counted(things: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    things
        .into_iter()
        .for_each(|thing| *counted.entry(thing).or_default() += 1);
    counted
}

/// What is there too seldom or too often.
fn differences(
    place: &str,
    expected: impl IntoIterator<Item = String>,
    found: impl IntoIterator<Item = String>,
) -> Vec<String> {
    let (expected, found) = (counted(expected), counted(found));
    let all: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let times = |counts: &BTreeMap<String, usize>, thing| counts.get(thing).copied().unwrap_or(0);
    all.into_iter()
        .map(|thing| (thing, times(&expected, thing), times(&found, thing)))
        .filter(|(_, expected, found)| expected != found)
        .map(|(thing, expected, found)| format!("{place}: {thing} {found} times, not {expected}"))
        .collect()
}

/// Unknown senders become users, but those of `unwanted.example` are turned away.
pub const RULES: &str = r#"
[[rule]]
name = "turned away"
when = "email.from.domain == 'unwanted.example'"

  [[rule.action]]
  type = "bounce"

[[rule]]
name = "users"

  [[rule.action]]
  type = "create_halo_user"
  client = "Acme Ltd"
  site = "Warehouse"
"#;

#[test]
fn whatever_breaks_the_promise_is_told() {
    let world = World::new(RULES);
    let wanted = Delivered::new("ann@stranger.example", "A question", "completed");
    let unwanted = Delivered::new("eve@unwanted.example", "An offer", "bounced");
    let promise = Promise::new([wanted.clone(), unwanted.clone()]).with_users([&wanted.sender]);
    for message in [&wanted, &unwanted] {
        world.mail(&message.sender, &message.subject);
    }
    let says = |promise: &Promise, part: &str| {
        let broken = promise.broken(&world);
        assert!(
            broken.iter().any(|sentence| sentence == part),
            "{part:?} is not in {broken:#?}"
        );
    };
    says(&promise, "Halo: ann@stranger.example is no user");
    says(&promise, "the mail sink: eve@unwanted.example is told 0 times, not 1");
    says(&promise, "the mailbox: \"A question\" lies in INBOX 1 times, not 0");

    let daemon = Daemon::start(&world, &[]);
    promise.comes_true(&world, Duration::from_secs(20));
    daemon.stop();
    let forgotten = Promise::new([wanted]);
    says(
        &forgotten,
        "the journal: \"An offer\" of eve@unwanted.example is bounced 1 times, not 0",
    );
    says(&forgotten, "the mail sink: eve@unwanted.example is told 1 times, not 0");
    says(&forgotten, "the mailbox: \"An offer\" lies in Bounced 1 times, not 0");

    let again = serde_json::json!({ "name": "Ann", "emailaddress": "ann@stranger.example", "site_id": 22 });
    world.sandbox.add_user(again);
    says(&promise, "Halo: ann@stranger.example is there 2 times");
}

#[test]
fn an_account_that_does_not_balance_is_told() {
    let mut totals = Totals {
        seen: 3,
        by_state: [("completed".to_owned(), 2)].into(),
    };
    let account = |totals: &Totals| unbalanced(&[(MailboxName("support".into()), totals.clone())].into());
    assert_eq!(account(&totals), ["support: 3 seen, 2 accounted for"]);
    totals.by_state.insert("pending".to_owned(), 1);
    assert!(account(&totals).is_empty());
}
