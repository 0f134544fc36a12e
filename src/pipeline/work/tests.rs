//! Messages that break the program, and the way back of what is in hand.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::*;
use crate::{
    clock::Clock,
    config::{Deduplicate, MailboxName},
    generation::Generation,
    journal::{Entry, EntryId, Opening, Place, Receipt, Received, Spot, sqlite::Sqlite},
    message::Message,
    pipeline::attempt::tests::PANICS,
};

/// A world on the journal in this folder, without any Halo.
pub(crate) fn world(folder: &Path) -> Arc<World> {
    let path = folder.join("halo-intake.toml");
    let text = format!(
        "state_dir = {folder:?}\n[mailbox.support]\ntype = \"maildir\"\npath = {folder:?}\n[retry]\nfirst = \"1ms\"\n\
         longest = \"1ms\"\n[[rule]]\nname = \"r\"\n[[rule.action]]\ntype = \"set\"\nvalue = \"x\"\nstore_as = \"x\"\n"
    );
    std::fs::write(&path, text).unwrap();
    let (generation, _) = Generation::load(&path, &[]).unwrap();
    let journal = Arc::new(Sqlite::open(folder, Clock::system(), Opening::Alone).unwrap());
    let world = World::new(journal, Clock::system(), generation, "desk.example".to_owned());
    Arc::new(world.unwrap())
}

/// A message with this subject, received but not in hand.
pub(in crate::pipeline) async fn receive(world: &World, subject: &str) -> EntryId {
    receive_within(world, subject, "").await
}

/// The same within a conversation.
async fn receive_within(world: &World, subject: &str, thread_key: &str) -> EntryId {
    let octets = Bytes::from(format!("From: ann@stranger.example\r\nSubject: {subject}\r\n\r\nx\r\n"));
    let message = Message::read(&octets);
    let received = Received {
        place: Place {
            mailbox: MailboxName("support".to_owned()),
            folder: String::new(),
            spot: Spot::File {
                name: subject.to_owned(),
            },
        },
        internal_date: world.clock.now(),
        size: 1,
        digest: Sha256::digest(&octets).into(),
        header_digest: Sha256::digest(&octets).into(),
        octets,
        from: message.author.address.clone(),
        subject: subject.to_owned(),
        message_id: String::new(),
        fingerprint: message.fingerprint(),
        author_key: String::new(),
        thread_key: thread_key.to_owned(),
        deduplicate: Deduplicate::Off,
        end: None,
        claim: false,
    };
    match world.journal.write(Change::Received(Box::new(received))).await.unwrap() {
        Receipt::New(entry, _, None) => entry,
        other => panic!("{other:?}"),
    }
}

async fn entry(world: &World, id: EntryId) -> Entry {
    world.journal.entry(id).await.unwrap().unwrap()
}

/// Takes up all that is runnable, due or not, once.
pub(in crate::pipeline) async fn drain(world: &Arc<World>) {
    let (_, handed) = mpsc::channel(1);
    let now = world.clock.now();
    Crew::new(world.clone()).drain(handed, Some(now)).await.unwrap();
}

#[tokio::test]
async fn a_message_that_makes_the_program_panic_is_set_aside_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path());
    let (broken, sound) = (receive(&world, PANICS).await, receive(&world, "sound").await);
    for attempts in 1..=3 {
        drain(&world).await;
        let expected = if attempts < 3 { "deferred" } else { "failed" };
        let row = entry(&world, broken).await.row;
        assert_eq!((row.outcome.as_str(), row.attempts), (expected, attempts), "{row:?}");
    }
    assert!(entry(&world, broken).await.row.reason.starts_with("bound: "));
    assert_eq!(entry(&world, sound).await.row.outcome, "completed");
    assert_eq!(
        world.journal.notices(crate::journal::Way::Mail).await.unwrap().len(),
        1,
        "operators hear of it"
    );
}

#[tokio::test]
async fn a_message_that_is_here_already_is_not_unpacked_from_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path());
    let id = receive(&world, "as it is in the journal").await;
    let octets = Bytes::from(format!("From: ann@stranger.example\r\nSubject: {PANICS}\r\n\r\nx\r\n"));
    let message = Box::new(Message::read(&octets));
    world.queued.put(id, octets, message);
    drain(&world).await;
    assert_eq!(entry(&world, id).await.row.outcome, "deferred");
    drain(&world).await;
    assert_eq!(entry(&world, id).await.row.outcome, "completed");
}

#[tokio::test]
async fn what_nobody_has_a_turn_for_is_kept_by_the_journal_alone() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path());
    world.queued.put(EntryId(1), Bytes::from_static(b"x"), Box::default());
    drain(&world).await;
    assert!(world.queued.take(EntryId(1)).is_none());
}

#[tokio::test]
async fn earlier_deferrals_for_other_reasons_do_not_count_as_panics() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path());
    let id = receive(&world, PANICS).await;
    for _ in 0..4 {
        let work = world.journal.claim(1, Some(world.clock.now())).await.unwrap();
        let deferred = Change::Deferred {
            claim: work[0].claim,
            due: world.clock.now(),
            reason: "Halo answers 503".to_owned(),
            counts: true,
            waits_for: None,
            waited: Duration::ZERO,
            run: serde_json::Value::Null,
            trace: "null".into(),
            calls: 0,
            notices: Vec::new(),
        };
        world.journal.write(deferred).await.unwrap();
    }
    drain(&world).await;
    assert_eq!(entry(&world, id).await.row.outcome, "deferred");
}

#[tokio::test]
async fn a_message_that_ends_the_process_each_time_is_set_aside_after_five() {
    let folder = tempfile::tempdir().unwrap();
    let mut id = EntryId(0);
    for number in 0..5 {
        let world = world(folder.path());
        if number == 0 {
            id = receive(&world, "deadly").await;
        }
        assert_eq!(world.journal.claim(1, None).await.unwrap().len(), 1);
        // The process ends here, with the message in hand.
    }
    let world = world(folder.path());
    drain(&world).await;
    let row = entry(&world, id).await.row;
    assert_eq!(row.outcome, "failed", "{row:?}");
    assert!(
        row.reason.starts_with("bound: the process ended 5 times"),
        "{}",
        row.reason
    );
}

#[tokio::test]
async fn four_starts_in_its_midst_are_no_fault_of_the_message() {
    let folder = tempfile::tempdir().unwrap();
    let mut id = EntryId(0);
    for number in 0..4 {
        let world = world(folder.path());
        if number == 0 {
            id = receive(&world, "unlucky").await;
        }
        assert_eq!(world.journal.claim(1, None).await.unwrap().len(), 1);
    }
    let world = world(folder.path());
    drain(&world).await;
    assert_eq!(entry(&world, id).await.row.outcome, "completed");
}

#[tokio::test]
async fn at_a_stop_what_was_handed_over_and_not_begun_goes_back_without_an_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path());
    let id = receive(&world, "handed").await;
    let work = world.journal.claim(1, None).await.unwrap().remove(0);
    let (hand, handed) = mpsc::channel(1);
    let in_hand = InHand {
        work,
        octets: Bytes::new(),
        message: None,
        held: Held::default(),
    };
    hand.send(in_hand).await.ok().unwrap();
    world.stop.cancel();
    let crew = Crew::new(world.clone());
    crate::pipeline::work(&crew, handed).await;
    crew.stop(Duration::from_secs(5)).await;
    let row = entry(&world, id).await.row;
    assert_eq!((row.outcome.as_str(), row.attempts), ("pending", 0), "{row:?}");
    assert_eq!(
        world.journal.claim(1, None).await.unwrap().len(),
        1,
        "nobody has it in hand"
    );
}

#[tokio::test]
async fn a_connection_that_answers_again_wakes_what_waits_for_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path());
    let id = receive(&world, "waits").await;
    let work = world.journal.claim(1, None).await.unwrap();
    let deferred = Change::Deferred {
        claim: work[0].claim,
        due: world.clock.now() + Duration::from_secs(3600),
        reason: "Halo can not be reached".to_owned(),
        counts: false,
        waits_for: Some("connection main".to_owned()),
        waited: Duration::ZERO,
        run: serde_json::Value::Null,
        trace: "null".into(),
        calls: 0,
        notices: Vec::new(),
    };
    world.journal.write(deferred).await.unwrap();
    let crew = Crew::new(world.clone());
    assert_eq!(crew.pass(None).await.unwrap(), 0);
    for (waits_for, woken) in [("connection other", 0), ("connection main", 1)] {
        let waits_for = waits_for.to_owned();
        world.journal.write(Change::Woken { waits_for }).await.unwrap();
        assert_eq!(crew.pass(None).await.unwrap(), woken);
    }
    crew.stop(Duration::from_secs(5)).await;
    assert_eq!(entry(&world, id).await.row.outcome, "completed");
}

/// Keeps the journal's writer busy, so that what is asked of it meanwhile shares a commit and is answered at once.
async fn keep_writing(world: Arc<World>) {
    loop {
        let (name, value) = ("busy".to_owned(), serde_json::Value::Null);
        world.journal.write(Change::Kept { name, value }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_over_all_comes_to_its_end_whenever_a_message_lets_the_next_one_go() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path());
    let busy = tokio::spawn(keep_writing(world.clone()));
    for round in 0..100 {
        let ids = [
            receive_within(&world, &format!("{round}, first"), &round.to_string()).await,
            receive_within(&world, &format!("{round}, second"), &round.to_string()).await,
        ];
        let drained = tokio::time::timeout(Duration::from_secs(10), drain(&world)).await;
        assert!(drained.is_ok(), "round {round} waits for a bell that nobody rings");
        for id in ids {
            assert_eq!(entry(&world, id).await.row.outcome, "completed");
        }
    }
    busy.abort();
}

#[tokio::test]
async fn a_panic_beside_the_attempt_leaves_nothing_in_hand() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path());
    receive(&world, "broken").await;
    let work = world.journal.claim(1, None).await.unwrap().remove(0);
    let crew = Crew::new(world.clone());
    crew.spawn(work.claim, async { panic!("the test wants it so") });
    let (_, handed) = mpsc::channel(1);
    let drained = tokio::time::timeout(Duration::from_secs(10), crew.drain(handed, None)).await;
    assert!(drained.is_ok(), "it waits for a message that nobody works on");
}
