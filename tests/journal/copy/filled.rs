//! A journal to which much has happened, and all that it answers.

use halo_intake::{
    journal::{
        Change, EntryId, Fellow, Folding, Joined, Journal, Notice, Post, Queue, Receipt, Received, RowFilter, Settled, Way,
        node::Duty,
    },
    outcome::Outcome,
};
use jiff::Timestamp;
use serde_json::json;

use super::{super::model, connection};
use crate::world::{World, at, ended, future, letter, mail, past, support, user};

/// A message that comes and goes again, by retention too.
pub async fn gone(world: &World) -> EntryId {
    let gone = world.with_outcome(mail(9_999), Outcome::Completed).await;
    world.settled(gone, Settled::leaving("moved to Processed")).await;
    let trimmed = Change::Trimmed {
        octets_before: past(),
        rows_before: future(),
    };
    world.done(trimmed).await;
    assert!(world.journal.entry(gone).await.unwrap().is_none());
    gone
}

/// One to which everything has happened that leaves a row.
pub async fn filled(seed: u64) -> World {
    let world = model::filled(seed).await;
    gone(&world).await;
    let kept = |name: &str, value| Change::Kept {
        name: name.into(),
        value,
    };
    world.done(kept("halo main", json!({ "token": "none" }))).await;
    world.done(kept("halo other", json!([1, "two", null]))).await;
    let position = Change::Positioned {
        mailbox: support(),
        folder: "INBOX".into(),
        validity: 7,
        next_uid: 400,
    };
    world.done(position).await;
    let duties = [Duty::Mailbox(support()), Duty::Outbox];
    world.journal.beat(duties.into(), [].into()).await.unwrap();
    let joined = Joined {
        connection: connection(),
        ticket: 7,
        keys: vec!["a".into(), "b".into()],
        author: "ann@customer.example".into(),
        at: at(1),
    };
    world.done(Change::Joined(joined)).await;
    let notice = |n: i64| Notice {
        entry: None,
        topic: format!("topic {n}"),
        text: "it went wrong\nthere".into(),
        at: at(n),
    };
    for n in 0..3 {
        world.done(Change::Noticed(notice(n))).await;
    }
    steps(&world).await;
    folds(&world).await;
    world
}

async fn steps(world: &World) {
    let octets: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(3 << 20).collect();
    let large = Received {
        octets: octets.into(),
        subject: "Größe ✓".into(),
        ..mail(9_001)
    };
    let claim = world.in_hand(large).await;
    world.intended(claim, "0", past(), Some(user("ann@customer.example"))).await;
    world.answered(claim, "0", json!({ "id": 12 }), Some(user("ann@customer.example"))).await;
    world.intended(claim, "1", past(), Some(user("bob@customer.example"))).await;
    let post = Post {
        mark: "a mark".into(),
        letter: letter("ops@example.com"),
        limit: None,
    };
    world.write(Change::Posted { claim, post: Box::new(post) }).await;
    world.end(claim, ended(Outcome::Failed, "Halo answers 400")).await;
    world.settled(claim.entry, Settled::staying("kept")).await;
}

async fn folds(world: &World) {
    let fellow = |mark: &str| Fellow {
        key: "disk full".into(),
        mark: mark.into(),
    };
    let came = |mark| Folding::Came {
        fellow: fellow(mark),
        line: format!("line of {mark}"),
        within: std::time::Duration::from_secs(3600),
    };
    let made = Folding::Made {
        fellow: fellow("a"),
        ticket: json!({ "id": 77 }),
    };
    for (n, folding) in [(9_002, came("a")), (9_003, came("b")), (9_002, made), (9_004, came("c"))] {
        let claim = match world.receive(Received { claim: true, ..mail(n) }).await {
            Receipt::New(_, _, claim) => claim.unwrap(),
            Receipt::Known(entry) => halo_intake::journal::Claim { entry, token: 1 },
            other => panic!("{other:?}"),
        };
        let connection = connection();
        let receipt = world.write(Change::Folded { claim, connection, folding }).await;
        assert!(!matches!(receipt, Receipt::Stale), "{n}");
    }
}

/// All that it answers.
pub async fn answers(journal: &dyn Journal) -> Vec<String> {
    let mut said = Vec::new();
    let rows = journal.rows(RowFilter { limit: None, ..RowFilter::default() }).await.unwrap();
    for row in &rows {
        let id = row.id;
        let entry = journal.entry(id).await.unwrap().unwrap();
        let octets = journal.octets(id).await.unwrap();
        let digest = octets.map(|octets| crate::world::digest(&format!("{octets:?}")));
        said.push(format!("{row:?} {entry:?} {digest:?} {:?}", journal.intents(id).await.unwrap()));
        said.push(format!("{:?}", journal.last_attempts(id, 9).await.unwrap()));
    }
    let ids = rows.iter().map(|row| row.id).collect();
    said.push(format!("{:?}", journal.as_they_ran(ids).await.unwrap()));
    for way in Way::ALL {
        said.push(format!("{:?}", journal.letters(way, 999, Some(Timestamp::MAX)).await.unwrap()));
        said.push(format!("{:?}", journal.notices(way).await.unwrap()));
        said.push(format!("{:?}", journal.report_waits(way).await.unwrap()));
        said.push(format!("{:?}", journal.next_due(Queue::Letters(way)).await.unwrap()));
    }
    said.push(format!("{:?}", journal.next_due(Queue::Work).await.unwrap()));
    said.push(format!("{:?}", journal.position(&support(), "INBOX").await.unwrap()));
    said.push(format!("{:?}", journal.unsettled(&support(), 999).await.unwrap()));
    said.push(format!("{:?}", journal.unsettled_in().await.unwrap()));
    for key in ["ann@customer.example", "bob@customer.example"] {
        said.push(format!("{:?}", journal.creation(&user(key)).await.unwrap()));
    }
    said.push(format!("{:?}", journal.tickets_of(&connection(), vec!["b".into()]).await.unwrap()));
    said.push(format!("{:?}", journal.took_part(&connection(), 7, "ann@customer.example").await.unwrap()));
    said.push(format!("{:?}", journal.kept_under("").await.unwrap()));
    let mut survey = journal.survey().await.unwrap();
    survey.octets = 0;
    said.push(format!("{survey:?}"));
    said.push(format!("{:?} {:?}", journal.totals().await.unwrap(), journal.rule_counts().await.unwrap()));
    said.push(format!("{:?}", journal.day(Timestamp::MIN, Timestamp::MAX).await.unwrap()));
    said
}

/// What is taken in hand next, one after the other.
pub async fn claims(world: &World) -> Vec<String> {
    let work = world.journal.claim(999, Some(Timestamp::MAX)).await.unwrap();
    work.iter().map(|work| format!("{work:?}")).collect()
}
