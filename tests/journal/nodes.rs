//! Several nodes that have one journal together: who does what, who is taken for dead, and what such a one can not do.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use halo_intake::{
    clock::Clock,
    config::MailboxName,
    journal::{
        Change, Claim, EntryId, JournalError, Ledger, Opening, Position, Receipt, Received, Spot,
        node::{Duty, Lease, NodeId, NodeState, Roster},
        postgres::Postgres,
    },
    outcome::Outcome,
};

use crate::{
    servers::{postgres::Postgres as Server, proxy::Proxy},
    world::{Lies, World, ended, future, intent, mail, mail_of, past, positioned, support, user},
};

fn open(address: &str, opening: Opening) -> Result<Ledger, JournalError> {
    Postgres::open(address, Clock::system(), opening, None)
}

/// A node, with the ways of a world to say what happens.
fn node(address: &str) -> World {
    World {
        journal: std::sync::Arc::new(open(address, Opening::Node).unwrap()),
        lies: Lies::At(address.to_owned()),
    }
}

fn psql(address: &str, sql: &str) -> String {
    let schema = address.rsplit("%3D").next().unwrap().split('&').next().unwrap();
    Server::shared()
        .psql(&format!("SET search_path = {schema}; {sql}"))
        .unwrap()
}

/// As it looks to the others when this one has said nothing for its whole lease.
fn silence(address: &str, node: NodeId) {
    psql(address, &format!("UPDATE node SET until = 0 WHERE id = {node}"));
}

fn duties(names: &str) -> BTreeSet<Duty> {
    let duty = |name: &str| match name {
        "outbox" => Duty::Outbox,
        name => Duty::Mailbox(MailboxName(name.to_owned())),
    };
    names.split_whitespace().map(duty).collect()
}

fn does(roster: &Roster) -> BTreeSet<Duty> {
    roster.leases.iter().map(|lease| lease.duty.clone()).collect()
}

fn lease(roster: &Roster, duty: &str) -> Lease {
    let duty = duties(duty);
    let lease = roster.leases.iter().find(|lease| duty.contains(&lease.duty));
    lease.expect("it has the duty").clone()
}

const ALL: &str = "a b c outbox";
/// Mailboxes alone.
const FOUR: &str = "a b c d";

impl World {
    /// It could do everything, and runs this.
    async fn beats(&self, running: &str) -> Roster {
        self.wants(ALL, running).await
    }

    async fn wants(&self, wanted: &str, running: &str) -> Roster {
        self.journal.beat(duties(wanted), duties(running)).await.unwrap()
    }
}

#[tokio::test]
async fn duties_are_shared_evenly_and_change_hands_only_after_they_were_ended() {
    let address = Server::shared().schema();
    let (one, two, three) = (node(&address), node(&address), node(&address));
    let first = one.wants(FOUR, "").await;
    assert_eq!((does(&first), first.others), (duties(FOUR), 2));
    // Nobody but the first has said what it could do, and it has begun all.
    assert_eq!(does(&two.wants(FOUR, "").await), duties(""));
    let asked = one.wants(FOUR, FOUR).await;
    assert_eq!((does(&asked), asked.hand_over.len()), (duties(FOUR), 2));
    let given: Vec<String> = asked.hand_over.iter().map(Duty::to_string).collect();
    let given = given.join(" ").replace("mailbox ", "");
    assert_eq!(does(&two.wants(FOUR, "").await), duties(""), "it still runs there");

    let kept: BTreeSet<Duty> = duties(FOUR).difference(&asked.hand_over).cloned().collect();
    let handed = one.journal.beat(duties(FOUR), kept.clone()).await.unwrap();
    assert_eq!((does(&handed), handed.hand_over.len()), (kept.clone(), 0));
    let taken = two.wants(FOUR, "").await;
    assert_eq!(does(&taken), duties(&given));
    for lease in &taken.leases {
        let before = first.leases.iter().find(|before| before.duty == lease.duty).unwrap();
        assert!(lease.token > before.token, "{lease:?} after {before:?}");
    }
    let (begun, is_done) = (
        lease(&first, &given),
        one.write(positioned(2).under(&lease(&first, &given))),
    );
    assert!(matches!(is_done.await, Receipt::Stale), "{begun:?} is another one's");

    // Of four duties three nodes have one each, and one of them two.
    assert_eq!(does(&three.wants(FOUR, "").await), duties(""));
    let asked = one.journal.beat(duties(FOUR), kept.clone()).await.unwrap();
    let also_asked = two.wants(FOUR, &given).await;
    assert_eq!(asked.hand_over.len() + also_asked.hand_over.len(), 1);
    let third = three.wants(FOUR, "").await;
    assert_eq!(does(&third), duties(""));
    for (node, roster) in [(&one, &asked), (&two, &also_asked)] {
        let left: BTreeSet<Duty> = does(roster).difference(&roster.hand_over).cloned().collect();
        node.journal.beat(duties(FOUR), left).await.unwrap();
    }
    assert_eq!(does(&three.wants(FOUR, "").await).len(), 1);
}

#[tokio::test]
async fn a_node_does_only_what_it_has_in_its_configuration() {
    let address = Server::shared().schema();
    let (one, two) = (node(&address), node(&address));
    assert_eq!(does(&one.wants("a", "").await), duties("a"));
    assert_eq!(does(&two.wants("a b c", "").await), duties("b c"));
    // What a reload took out of it goes to whoever has it still.
    assert_eq!(does(&two.wants("b", "b").await), duties("b"));
    assert_eq!(does(&one.wants("a c", "a").await), duties("a c"));
}

#[tokio::test]
async fn a_node_that_leaves_frees_what_it_had_at_once() {
    let address = Server::shared().schema();
    let (one, two) = (node(&address), node(&address));
    let had = one.beats("").await;
    let claim = one.in_hand(mail(1)).await;
    one.journal.leave().await.unwrap();
    let has = two.beats("").await;
    assert_eq!((does(&has), has.others), (duties(ALL), 0));
    assert!(lease(&has, "a").token > lease(&had, "a").token);
    assert_eq!(two.claimed(10).await, [claim.entry]);
    assert!(matches!(
        one.end(claim, ended(Outcome::Completed, "")).await,
        Receipt::Stale
    ));
    assert!(one.claimed(10).await.is_empty(), "it works no more");
}

#[tokio::test]
async fn a_silent_node_loses_its_duties_and_its_messages_and_goes_on_as_another_one() {
    let address = Server::shared().schema();
    let (one, two) = (node(&address), node(&address));
    let had = one.beats("").await;
    two.beats("").await;
    let under = lease(&had, "a");
    assert!(matches!(one.write(positioned(5).under(&under)).await, Receipt::Done));
    let claim = one.in_hand(mail(1)).await;
    let create = || Some(user("ann@customer.example"));
    one.intended(claim, "r1/0", past(), create()).await;

    silence(&address, had.node);
    let has = two.beats("").await;
    assert_eq!((does(&has), has.others), (duties(ALL), 0));
    assert!(lease(&has, "a").token > under.token);

    // Nothing that it does now changes anything.
    assert!(matches!(one.write(positioned(9).under(&under)).await, Receipt::Stale));
    let position = two.journal.position(&support(), "INBOX").await.unwrap();
    assert_eq!(
        position,
        Some(Position {
            validity: 7,
            next_uid: 5
        })
    );
    assert!(matches!(
        one.intended(claim, "r1/1", past(), create()).await,
        Receipt::Stale
    ));
    assert!(matches!(
        one.end(claim, ended(Outcome::Completed, "")).await,
        Receipt::Stale
    ));
    assert!(matches!(one.defer(claim, past()).await, Receipt::Stale));
    assert!(matches!(one.write(Change::Released { claim }).await, Receipt::Stale));
    assert!(one.claimed(10).await.is_empty());
    let received = Received { claim: true, ..mail(2) };
    assert!(matches!(one.receive(received).await, Receipt::New(_, _, None)));

    let work = two.claim(1).await.remove(0);
    assert_eq!(
        (work.claim.entry, work.attempt, work.interruptions),
        (claim.entry, 2, 1)
    );
    assert_eq!(work.intents, [intent("r1/0", past())]);
    let known = two.journal.creation(&create().unwrap()).await.unwrap();
    assert!(
        known.open_since.is_some_and(|since| since > past()),
        "its request may just have left"
    );
    let told = two.journal.last_attempts(claim.entry, 1).await.unwrap();
    assert_eq!(told[0].0, "interrupted");

    let again = one.beats("").await;
    assert_ne!(again.node, had.node);
    assert_eq!((does(&again), again.others), (duties(""), 1));
    assert_eq!(one.claim(10).await.len(), 1);
    assert!(matches!(one.write(positioned(9).under(&under)).await, Receipt::Stale));
    assert!(matches!(
        two.end(work.claim, ended(Outcome::Completed, "")).await,
        Receipt::Done
    ));
}

#[tokio::test]
async fn a_node_that_was_silent_while_nobody_took_its_place_goes_on() {
    let address = Server::shared().schema();
    let one = node(&address);
    let had = one.beats("").await;
    let claim = one.in_hand(mail(1)).await;
    silence(&address, had.node);
    assert!(matches!(
        one.write(positioned(5).under(&lease(&had, "a"))).await,
        Receipt::Done
    ));
    let has = one.beats(ALL).await;
    assert_eq!((has.node, &has.leases), (had.node, &had.leases));
    assert!(matches!(
        one.end(claim, ended(Outcome::Completed, "")).await,
        Receipt::Done
    ));
}

#[tokio::test]
async fn a_node_that_comes_back_takes_back_that_its_messages_ended_a_process() {
    let address = Server::shared().schema();
    let (one, two) = (node(&address), node(&address));
    let had = one.beats("").await;
    let (kept, taken) = (one.in_hand(mail(1)).await, one.in_hand(mail(2)).await);
    silence(&address, had.node);
    two.beats("").await;
    let interruptions = || {
        psql(
            &address,
            "SELECT string_agg(interruptions::text, ' ' ORDER BY id) FROM entry",
        )
    };
    assert_eq!(interruptions(), "1 1");
    assert_eq!(two.claimed(1).await, [kept.entry]);
    let has = one.beats("").await;
    assert_ne!(has.node, had.node);
    // The first is another node's by now.
    assert_eq!(interruptions(), "1 0");
    assert_eq!(one.claimed(1).await, [taken.entry]);
}

#[test]
fn one_that_is_alone_and_nodes_do_not_let_each_other_in() {
    let address = Server::shared().schema();
    let nodes = (
        open(&address, Opening::Node).unwrap(),
        open(&address, Opening::Node).unwrap(),
    );
    let is_in_use = |opening| matches!(open(&address, opening), Err(JournalError::InUse { .. }));
    assert!(is_in_use(Opening::Alone));
    drop(nodes.0);
    assert!(is_in_use(Opening::Alone));
    drop(nodes.1);
    let alone = open(&address, Opening::Alone).unwrap();
    assert!(is_in_use(Opening::Node));
    open(&address, Opening::Look).unwrap();
    drop(alone);
    open(&address, Opening::Node).unwrap();
}

#[tokio::test]
async fn what_a_process_of_this_machine_had_that_runs_no_more_is_taken_back_without_a_wait() {
    let address = Server::shared().schema();
    let one = node(&address);
    let had = one.beats("").await;
    let claim = one.in_hand(mail(1)).await;
    // As a kill leaves it: it does not say that it ends, and no process has its number.
    drop(one);
    psql(&address, "UPDATE node SET pid = 2147483646");
    let two = node(&address);
    assert_eq!(two.claimed(10).await, [claim.entry]);
    let has = two.beats("").await;
    assert_eq!((does(&has), has.others), (duties(ALL), 0));
    assert_ne!(has.node, had.node);
}

#[test]
fn of_nodes_that_start_at_once_none_takes_another_one_for_dead() {
    for _ in 0..10 {
        let address = Server::shared().schema();
        let nodes: Vec<Ledger> = std::thread::scope(|scope| {
            let starts = [(); 4].map(|()| scope.spawn(|| open(&address, Opening::Node).unwrap()));
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert_eq!(psql(&address, "SELECT count(*) FROM node WHERE gone IS NULL"), "4");
        drop(nodes);
    }
}

#[tokio::test]
async fn a_lost_session_costs_no_duty_and_no_message() {
    let name = "lost_session";
    let address = format!("{}&application_name={name}", Server::shared().schema());
    let one = node(&address);
    let had = one.beats("").await;
    let claim = one.in_hand(mail(1)).await;
    let end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name";
    assert_ne!(psql(&address, &format!("{end} = '{name}'")), "0");
    let has = one.beats(ALL).await;
    assert_eq!((has.node, &has.leases), (had.node, &had.leases));
    assert!(matches!(
        one.end(claim, ended(Outcome::Completed, "")).await,
        Receipt::Done
    ));
    let alone = open(&address, Opening::Alone);
    assert!(
        matches!(alone, Err(JournalError::InUse { .. })),
        "it has hold of the journal"
    );
}

/// The number of a lock at which a message with the subject `frozen` waits amid its transaction.
const LOCK: u32 = 78;

#[tokio::test]
async fn a_node_that_freezes_amid_a_transaction_holds_the_others_up_for_a_few_seconds() {
    let server = Server::shared();
    let address = server.schema();
    let two = node(&address);
    let proxy = Proxy::to(server.port);
    let one = node(&address.replace(&server.port.to_string(), &proxy.port.to_string()));
    psql(
        &address,
        &format!(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_advisory_xact_lock_shared({LOCK}, 0); RETURN NULL; END $$;
             CREATE TRIGGER wait AFTER INSERT ON entry FOR EACH ROW WHEN (NEW.subject = 'frozen') EXECUTE FUNCTION wait()"
        ),
    );
    let is_held = |granted: bool| {
        let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 0 AND classid";
        psql(&address, &format!("{locks} = {LOCK} AND granted = {granted}")) == "1"
    };
    let mut holder = server.session(&format!("SELECT pg_advisory_lock({LOCK}, 0)"));
    until("the lock is held", || is_held(true)).await;
    let frozen = Received {
        subject: "frozen".into(),
        ..mail(1)
    };
    let (written, ()) = tokio::join!(one.journal.write(Change::Received(Box::new(frozen.clone()))), async {
        until("it is amid its transaction", || is_held(false)).await;
        proxy.forget();
        drop(holder.stdin.take());
        holder.wait().unwrap();
        let began = Instant::now();
        two.receive_new(mail(2)).await;
        let waited = began.elapsed();
        println!("held up for {waited:?}");
        assert!(waited < Duration::from_secs(20), "{waited:?}");
        proxy.cut();
    });
    assert!(matches!(written, Err(JournalError::NotWritten { .. })), "{written:?}");
    one.receive_new(frozen).await;
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn nodes_says_who_is_there_and_what_nobody_does() {
    let address = Server::shared().schema();
    let (one, two, three) = (node(&address), node(&address), node(&address));
    let [first, second, third] = [
        one.wants("a b", "").await,
        two.wants("a b c", "").await,
        three.beats("").await,
    ];
    one.in_hand(mail(1)).await;
    let look = open(&address, Opening::Look).unwrap();
    let shown = || async {
        let shown = halo_intake::journal::Journal::nodes(&look).await.unwrap();
        let line = |node: &halo_intake::journal::node::Node| {
            let duties: Vec<String> = node.duties.iter().map(Duty::to_string).collect();
            (node.node, (node.state, duties.join(", "), node.in_hand))
        };
        (shown.nodes.iter().map(line).collect::<BTreeMap<_, _>>(), shown.open)
    };
    let (nodes, open) = shown().await;
    assert_eq!(nodes[&first.node], (NodeState::Alive, "mailbox a, mailbox b".into(), 1));
    assert_eq!(nodes[&second.node], (NodeState::Alive, "mailbox c".into(), 0));
    assert_eq!(nodes[&third.node], (NodeState::Alive, "outbox".into(), 0));
    assert_eq!(open, duties(""));

    silence(&address, first.node);
    three.journal.leave().await.unwrap();
    let (nodes, open) = shown().await;
    assert_eq!(nodes[&first.node], (NodeState::Lost, String::new(), 1));
    assert_eq!(nodes[&third.node], (NodeState::Stopped, String::new(), 0));
    // The outbox, which nobody wants any more, is not missed.
    assert_eq!(open, duties("a b"));
    two.wants("a b c", "c").await;
    let (nodes, open) = shown().await;
    assert_eq!(nodes[&first.node], (NodeState::Lost, String::new(), 0));
    assert_eq!(nodes[&second.node].1, "mailbox a, mailbox b, mailbox c");
    assert_eq!(open, duties(""));
}

#[tokio::test]
async fn what_a_node_is_about_to_create_no_other_one_begins() {
    let address = Server::shared().schema();
    let (one, two) = (node(&address), node(&address));
    let [first, second, third] = [
        one.in_hand(mail(1)).await,
        two.in_hand(mail(2)).await,
        one.in_hand(mail(3)).await,
    ];
    let ann = || Some(user("ann@customer.example"));
    let key = ann().unwrap();
    let is_under_way = |node: &World| {
        let (journal, key) = (node.journal.clone(), key.clone());
        async move { journal.creation(&key).await.unwrap().is_under_way }
    };
    assert!(matches!(
        one.intended(first, "a", past(), ann()).await,
        Receipt::Intent { .. }
    ));
    assert!(matches!(
        two.intended(second, "a", past(), ann()).await,
        Receipt::UnderWay
    ));
    assert!(two.journal.intents(second.entry).await.unwrap().is_empty());
    assert!(is_under_way(&two).await && !is_under_way(&one).await);
    assert!(matches!(
        two.intended(second, "b", past(), None).await,
        Receipt::Intent { .. }
    ));
    // Within a node they wait for each other by themselves.
    assert!(matches!(
        one.intended(third, "a", past(), ann()).await,
        Receipt::Intent { .. }
    ));
    one.answered(third, "a", serde_json::json!({ "id": 5 }), ann()).await;
    assert!(!is_under_way(&two).await);
    let Receipt::Intent { answered, created, .. } = two.intended(second, "a", past(), ann()).await else {
        panic!()
    };
    assert!(answered.is_some() && created.is_some());

    // What has been given back is under way no more.
    assert!(is_under_way(&one).await);
    two.defer(second, future()).await;
    assert!(!is_under_way(&one).await);
    assert!(matches!(
        one.intended(first, "a", past(), ann()).await,
        Receipt::Intent {
            open_since: Some(_),
            ..
        }
    ));
}

/// What was seen of one message.
#[derive(Default)]
struct Seen {
    author: String,
    thread: String,
    token: i64,
    in_hand: bool,
    /// It was deferred or ended.
    has_left: bool,
    has_ended: bool,
    times: u32,
}

#[derive(Default)]
struct Watch {
    seen: Mutex<BTreeMap<EntryId, Seen>>,
}

const MESSAGES: u32 = 150;

fn author_and_thread(n: u32) -> (String, String) {
    (format!("author {}", n * 7 % 11), format!("thread {}", n * 5 % 13))
}

impl Watch {
    fn seen(&self) -> MutexGuard<'_, BTreeMap<EntryId, Seen>> {
        self.seen.lock().unwrap()
    }

    /// It was taken in hand; everything that it has to wait for was over before that.
    fn taken(&self, claim: Claim, n: u32) {
        let (author, thread) = author_and_thread(n);
        let mut seen = self.seen();
        for (entry, earlier) in seen.range(..claim.entry) {
            let entry = entry.0;
            assert!(
                earlier.thread != thread || earlier.has_ended,
                "{claim:?} before {entry} of its conversation"
            );
            assert!(
                earlier.author != author || earlier.has_left,
                "{claim:?} before {entry} of its author"
            );
        }
        let this = seen.entry(claim.entry).or_default();
        assert!(
            !this.in_hand && !this.has_ended && this.token < claim.token,
            "{claim:?} is in two hands"
        );
        (this.author, this.thread, this.token) = (author, thread, claim.token);
        (this.in_hand, this.times) = (true, this.times + 1);
    }

    fn count(&self) -> usize {
        self.seen().values().filter(|seen| seen.has_ended).count()
    }
}

/// One node: receives its half, and ends, defers and gives back what it has in hand, in any order.
async fn works(node: &World, watch: &Watch, half: u32) -> usize {
    let mut random = fastrand::Rng::with_seed(u64::from(half));
    let mut hand: Vec<Claim> = Vec::new();
    let mut coming = (0..MESSAGES).filter(|n| n % 2 == half);
    let mut ended_here = 0;
    while watch.count() < MESSAGES as usize {
        if let Some(n) = coming.next() {
            let (author, thread) = author_and_thread(n);
            let received = Received {
                claim: random.bool(),
                ..mail_of(n, &author, &thread)
            };
            if let Receipt::New(_, _, Some(claim)) = node.receive(received).await {
                watch.taken(claim, n);
                hand.push(claim);
            }
        }
        for work in node.claim(random.usize(0..5)).await {
            let Spot::Uid { uid, .. } = work.place.spot else {
                panic!("{:?}", work.place)
            };
            watch.taken(work.claim, uid);
            hand.push(work.claim);
        }
        while hand.len() > random.usize(0..3) {
            let claim = hand.swap_remove(random.usize(0..hand.len()));
            let what = random.usize(0..4);
            {
                let mut seen = watch.seen();
                let this = seen.get_mut(&claim.entry).unwrap();
                this.in_hand = false;
                this.has_left |= what > 0;
                this.has_ended = what > 1;
            }
            let told = match what {
                0 => node.write(Change::Released { claim }).await,
                1 => node.defer(claim, past()).await,
                _ => node.end(claim, ended(Outcome::Completed, "")).await,
            };
            assert!(matches!(told, Receipt::Done), "{told:?}");
            ended_here += usize::from(what > 1);
        }
    }
    ended_here
}

#[tokio::test]
async fn nodes_that_claim_at_once_never_get_the_same_message_and_keep_every_order() {
    let address = Server::shared().schema();
    let nodes = [node(&address), node(&address)];
    let watch = Watch::default();
    let ended = join_all((0..).zip(&nodes).map(|(half, node)| works(node, &watch, half))).await;
    assert!(ended.iter().all(|ended| *ended > 10), "both work: {ended:?}");
    assert_eq!(ended.iter().sum::<usize>(), MESSAGES as usize);
    let times: u32 = watch.seen().values().map(|seen| seen.times).sum();
    println!("{ended:?} ended, {times} times in hand");
    nodes[0].check_totals().await;
}
