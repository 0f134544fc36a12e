//! Outcomes, settling, and running again.

use bytes::Bytes;
use halo_intake::{
    journal::{Change, EntryId, Notice, Queue, Receipt, Received, Settled, Spot, Way},
    outcome::Outcome,
};
use serde_json::json;

use super::world;
use crate::world::{World, at, bounced, ended, future, mail, mail_of, past, support};

async fn unsettled(world: &World) -> Vec<EntryId> {
    world
        .journal
        .unsettled(&support(), 10)
        .await
        .unwrap()
        .iter()
        .map(|one| one.entry)
        .collect()
}

#[tokio::test]
async fn an_end_is_kept_whole() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    world.defer(claim, past()).await;
    let claim = world.claim(1).await[0].claim;
    let notice = Notice {
        entry: Some(claim.entry),
        topic: "failed".into(),
        text: "it failed".into(),
        at: at(1),
    };
    let mut end = ended(Outcome::Failed, "Halo refuses the user");
    end.notices.push(notice.clone());
    world.end(claim, end).await;

    let world = world.restarted();
    let entry = world.entry(claim.entry).await;
    assert_eq!(
        (entry.row.outcome.as_str(), entry.row.reason.as_str()),
        ("failed", "Halo refuses the user")
    );
    assert_eq!((entry.row.rule.as_str(), entry.row.attempts), ("Everyone", 2));
    assert_eq!(entry.row.calls, 5, "two of the first attempt, three of the second");
    let attempts: Vec<_> = entry
        .attempts
        .iter()
        .map(|one| (one.number, one.result.as_str(), &one.trace))
        .collect();
    assert_eq!(
        attempts,
        [
            (1, "deferred", &json!({ "tried": true })),
            (2, "failed", &json!({ "steps": [] }))
        ]
    );
    assert_eq!(world.journal.notices(Way::Mail).await.unwrap(), [(1, notice)]);
    assert!(world.claim(10).await.is_empty());
    world.check_totals().await;
}

#[tokio::test]
async fn each_outcome_is_counted_under_its_word() {
    let world = world();
    for (n, outcome) in (1..).zip(Outcome::ALL) {
        world.with_outcome(mail(n), outcome).await;
    }
    world.receive_new(mail(7)).await;
    let claim = world.in_hand(mail(8)).await;
    world.defer(claim, future()).await;
    let totals = world.totals(&support()).await;
    assert_eq!(totals.seen, 8);
    let words = [
        "bounced",
        "completed",
        "deferred",
        "duplicate",
        "failed",
        "ignored",
        "pending",
        "stopped",
    ];
    assert_eq!(totals.by_state, words.map(|word| (word.to_owned(), 1)).into());
    world.check_totals().await;
}

#[tokio::test]
async fn settling_is_repeated_until_it_is_done() {
    let world = world();
    let entry = world.with_outcome(mail(1), Outcome::Completed).await;
    let other = world.with_outcome(mail(2), Outcome::Ignored).await;
    assert_eq!(unsettled(&world).await, [entry, other]);
    world
        .done(Change::SettleDeferred {
            entry,
            attempts: 1,
            due: future(),
            reason: "NO [UNAVAILABLE]".into(),
        })
        .await;
    assert_eq!(unsettled(&world).await, [other]);
    assert_eq!(
        world.entry(entry).await.settle_again,
        Some((future(), "NO [UNAVAILABLE]".into()))
    );
    world
        .done(Change::SettleDeferred {
            entry,
            attempts: 1,
            due: past(),
            reason: "again".into(),
        })
        .await;

    let world = world.restarted();
    assert_eq!(unsettled(&world).await, [entry, other]);
    for queue in [Queue::Work, Queue::Letters(Way::Mail)] {
        let due = world.journal.next_due(queue).await.unwrap();
        assert_eq!(due, None, "what is to be settled wakes nobody but its settler");
    }
    for entry in [entry, other] {
        world.settled(entry, Settled::staying("kept")).await;
        assert_eq!(world.entry(entry).await.settled.unwrap().1, "kept");
    }
    assert!(unsettled(&world).await.is_empty());
}

#[tokio::test]
async fn only_what_has_ended_in_a_mailbox_is_settled() {
    let world = world();
    let pending = world.receive_new(mail(1)).await;
    let handed = mail(2);
    let spot = Spot::Handed { key: "a".into() };
    let handed = Received {
        place: halo_intake::journal::Place {
            spot,
            ..handed.place.clone()
        },
        ..handed
    };
    world.with_outcome(handed, Outcome::Completed).await;
    assert!(unsettled(&world).await.is_empty());
    let settled = Change::Settled {
        entry: pending,
        attempts: 0,
        settled: Settled::staying("kept"),
    };
    assert!(matches!(world.write(settled).await, Receipt::Stale));
}

#[tokio::test]
async fn the_settling_of_an_earlier_end_puts_off_no_later_one() {
    let world = world();
    let entry = world.with_outcome(mail(1), Outcome::Failed).await;
    world.done(Change::Reopened { entry }).await;
    let claim = world.claim(1).await[0].claim;
    world.end(claim, ended(Outcome::Completed, "")).await;
    let of_the_end = |attempts| Change::SettleDeferred {
        entry,
        attempts,
        due: future(),
        reason: "NO [UNAVAILABLE]".into(),
    };
    assert!(matches!(world.write(of_the_end(1)).await, Receipt::Stale));
    assert_eq!(unsettled(&world).await, [entry]);
    world.done(of_the_end(2)).await;
    assert!(unsettled(&world).await.is_empty());
}

#[tokio::test]
async fn a_message_that_runs_again_has_none_of_its_old_answers() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    world.intended(claim, "a", past(), None).await;
    world.answered(claim, "a", json!(7), None).await;
    world.intended(claim, "b", past(), None).await;
    world.end(claim, ended(Outcome::Failed, "for now")).await;
    let entry = claim.entry;
    world.settled(entry, Settled::leaving("moved to Failed")).await;

    world.done(Change::Reopened { entry }).await;
    assert_eq!(world.shown(entry).await, ("pending".into(), String::new()));
    world.check_totals().await;
    let work = world.claim(1).await.remove(0);
    assert_eq!((work.attempt, work.run, work.deferred), (2, None, None));
    let known: Vec<_> = work.intents.iter().map(|intent| intent.step.as_str()).collect();
    assert_eq!(known, ["b"], "only the request whose answer nobody knows");
    world.end(work.claim, ended(Outcome::Completed, "")).await;
    assert_eq!(unsettled(&world).await, [entry], "it is settled again");
    world.check_totals().await;
}

#[tokio::test]
async fn what_has_not_ended_or_has_no_octets_does_not_run_again() {
    let world = world();
    let pending = world.receive_new(mail(1)).await;
    let header_only = Received {
        octets: Bytes::new(),
        end: Some((Outcome::Failed, "too_large".into())),
        ..mail(2)
    };
    let header_only = world.receive_new(header_only).await;
    for entry in [pending, header_only, EntryId(99)] {
        assert!(
            matches!(world.write(Change::Reopened { entry }).await, Receipt::Stale),
            "{entry}"
        );
    }
}

#[tokio::test]
async fn what_is_deferred_or_waits_for_its_bounce_is_due_at_once() {
    let world = world();
    let deferred = world.in_hand(mail(1)).await;
    world.defer(deferred, future()).await;
    world.done(Change::Reopened { entry: deferred.entry }).await;
    let work = world.claim(10).await.remove(0);
    assert_eq!((work.claim.entry, work.attempt, work.deferrals), (deferred.entry, 2, 0));
    assert_eq!(work.run, Some(json!({ "step": 2 })), "it goes on where it was");

    let bouncing = world.in_hand(mail(2)).await;
    world.end(bouncing, bounced("ann@customer.example", 5)).await;
    let letter = world.journal.letters(Way::Mail, 1, None).await.unwrap()[0].id;
    world
        .done(Change::LetterDeferred {
            letter,
            due: future(),
            reason: "451".into(),
            unanswered: false,
            counts: true,
            waited: std::time::Duration::ZERO,
        })
        .await;
    assert!(world.journal.letters(Way::Mail, 1, None).await.unwrap().is_empty());
    world.done(Change::Reopened { entry: bouncing.entry }).await;
    assert_eq!(world.journal.letters(Way::Mail, 1, None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_message_that_runs_again_takes_its_old_turn() {
    let world = world();
    let first = world.with_outcome(mail_of(1, "ann", ""), Outcome::Failed).await;
    let second = world.receive_new(mail_of(2, "ann", "")).await;
    world.done(Change::Reopened { entry: first }).await;
    let claims = world.claim(10).await;
    assert_eq!(claims.iter().map(|work| work.claim.entry).collect::<Vec<_>>(), [first]);
    world.end(claims[0].claim, ended(Outcome::Completed, "")).await;
    assert_eq!(world.claimed(10).await, [second]);
}

#[tokio::test]
async fn a_sender_is_not_bounced_twice_when_the_message_runs_again() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    world.end(claim, bounced("ann@customer.example", 5)).await;
    let letter = world.journal.letters(Way::Mail, 1, None).await.unwrap()[0].id;
    world.done(Change::LetterTaken { letter }).await;
    world.done(Change::Reopened { entry: claim.entry }).await;
    let claim = world.claim(1).await[0].claim;
    assert!(matches!(
        world.end(claim, bounced("ann@customer.example", 5)).await,
        Receipt::Done
    ));
    assert_eq!(world.shown(claim.entry).await.0, "bounced");
    assert!(
        world
            .journal
            .letters(Way::Mail, 10, Some(jiff::Timestamp::MAX))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_message_that_runs_again_is_settled_from_where_it_was_moved_to() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    world.end(claim, ended(Outcome::Failed, "for now")).await;
    let (entry, there) = (claim.entry, Spot::Uid { validity: 9, uid: 4 });
    let moved = Settled::leaving("moved to Failed").lying("Failed", there.clone());
    world.settled(entry, moved).await;
    world.done(Change::Reopened { entry }).await;
    let claim = world.claim(1).await[0].claim;
    world.end(claim, ended(Outcome::Completed, "")).await;

    let one = world.journal.unsettled(&support(), 10).await.unwrap().remove(0);
    assert_eq!(
        (one.place.folder.as_str(), one.place.spot, one.was_moved),
        ("Failed", there, true)
    );
    assert_eq!(
        world.entry(entry).await.place,
        mail(1).place,
        "it is known where it was received"
    );
    assert!(matches!(world.receive(mail(1)).await, Receipt::Known(known) if known == entry));

    world.settled(entry, Settled::leaving("gone")).await;
    world.done(Change::Reopened { entry }).await;
    let claim = world.claim(1).await[0].claim;
    world.end(claim, ended(Outcome::Completed, "")).await;
    let one = world.journal.unsettled(&support(), 10).await.unwrap().remove(0);
    assert_eq!((one.place, one.was_moved), (mail(1).place, false));
}

/// Settling takes a while, and takes nothing in hand: the message may run again meanwhile, and even end.
#[tokio::test]
async fn a_message_that_runs_again_while_it_is_settled_is_settled_anew_from_where_it_was_moved_to() {
    for has_ended in [false, true] {
        let world = world();
        let entry = world.with_outcome(mail(1), Outcome::Failed).await;
        let old = world.journal.unsettled(&support(), 10).await.unwrap().remove(0);
        world.done(Change::Reopened { entry }).await;
        let claim = world.claim(1).await[0].claim;
        let end = async || {
            let ended = world.end(claim, ended(Outcome::Completed, "")).await;
            assert!(matches!(ended, Receipt::Done));
        };
        if has_ended {
            end().await;
        }
        let there = Spot::Uid { validity: 9, uid: 4 };
        let late = Change::Settled {
            entry,
            attempts: old.attempts,
            settled: Settled::leaving("moved to Failed").lying("Failed", there.clone()),
        };
        assert!(matches!(world.write(late).await, Receipt::Stale));
        assert_eq!(world.entry(entry).await.settled, None);
        if !has_ended {
            end().await;
        }

        let one = world.journal.unsettled(&support(), 10).await.unwrap().remove(0);
        assert_eq!(
            (one.outcome, one.place.folder.as_str(), one.place.spot, one.was_moved),
            (Outcome::Completed, "Failed", there, true)
        );
        world.settled(entry, Settled::leaving("moved to Processed")).await;
        assert!(unsettled(&world).await.is_empty());
    }
}
