//! Who works on which message, and when it comes again.

use std::time::Duration;

use halo_intake::{
    config::MailboxName,
    journal::{Change, Claim, EntryId, Place, Queue, Receipt, Received, Way},
    outcome::Outcome,
};
use serde_json::{Value, json};

use super::world;
use crate::world::{World, bounced, ended, future, intent, mail, mail_of, past};

#[tokio::test]
async fn a_message_is_in_one_hand_at_a_time() {
    let world = world();
    let entry = world.receive_new(mail(1)).await;
    let work = world.claim(10).await;
    assert_eq!(work[0].claim.entry, entry);
    assert_eq!(
        (work[0].attempt, &work[0].place, work[0].deferred),
        (1, &mail(1).place, None)
    );
    assert!(world.claim(10).await.is_empty());
}

#[tokio::test]
async fn no_more_than_the_limit_is_claimed() {
    let world = world();
    for n in 1..=5 {
        world.receive_new(mail(n)).await;
    }
    assert_eq!(world.claim(3).await.len(), 3);
    assert!(world.claim(0).await.is_empty());
    assert_eq!(world.claim(3).await.len(), 2);
}

#[tokio::test]
async fn a_deferred_message_resumes_where_it_stopped_once_it_is_due() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    world.intended(claim, "r1/0", past(), None).await;
    world.defer(claim, future()).await;
    assert_eq!(
        world.shown(claim.entry).await,
        ("deferred".into(), "Halo answers 503".into())
    );
    assert!(world.claim(10).await.is_empty());
    assert_eq!(world.journal.next_due(Queue::Work).await.unwrap(), Some(future()));
    assert_eq!(world.journal.next_due(Queue::Letters(Way::Mail)).await.unwrap(), None);

    let world = world.restarted();
    let work = world
        .journal
        .claim(10, Some(jiff::Timestamp::MAX))
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        (work.attempt, work.waited, work.run),
        (2, Duration::from_secs(5), Some(json!({ "step": 2 })))
    );
    assert_eq!(work.intents, [intent("r1/0", past())]);
    assert!(work.deferred.is_some_and(|(_, counts)| counts));
    assert_eq!(work.deferrals, 1);

    world.defer(work.claim, past()).await;
    assert_eq!(world.claimed(10).await, [claim.entry]);
}

#[tokio::test]
async fn what_was_deferred_in_this_round_comes_last_in_the_next() {
    let world = world();
    let mut claims = Vec::new();
    for n in 1..=3 {
        claims.push(world.in_hand(mail(n)).await);
    }
    for claim in &claims {
        world.defer(*claim, future()).await;
    }
    let first = world
        .journal
        .claim(1, Some(jiff::Timestamp::MAX))
        .await
        .unwrap()
        .remove(0);
    assert_eq!(first.claim.entry, claims[0].entry);
    world.defer(first.claim, past()).await;
    let again = world.journal.claim(10, Some(jiff::Timestamp::MAX)).await.unwrap();
    let ids: Vec<_> = again.iter().map(|work| work.claim.entry).collect();
    assert_eq!(ids, [claims[1].entry, claims[2].entry, claims[0].entry]);
}

#[tokio::test]
async fn what_is_released_comes_back_as_it_was() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    world.done(Change::Released { claim }).await;
    let work = world.claim(1).await.remove(0);
    assert_eq!((work.attempt, work.deferred), (1, None));

    world.defer(work.claim, past()).await;
    let deferred = world.claim(1).await.remove(0);
    world.done(Change::Released { claim: deferred.claim }).await;
    assert_eq!(world.shown(claim.entry).await.0, "deferred");
    let again = world.claim(1).await.remove(0);
    assert_eq!(
        (again.attempt, again.deferred, again.run),
        (2, deferred.deferred, deferred.run)
    );
    world.check_totals().await;
}

#[tokio::test]
async fn a_stale_claim_changes_nothing() {
    let world = world();
    let stale = world.in_hand(mail(1)).await;
    world.done(Change::Released { claim: stale }).await;
    let claim = world.claim(1).await[0].claim;
    assert!(claim.token > stale.token);

    let step = || "r1/0".to_owned();
    for change in [
        Change::Intended {
            claim: stale,
            intent: intent("r1/0", past()),
            creation: None,
        },
        Change::Answered {
            claim: stale,
            step: step(),
            answer: Value::Null,
            creation: None,
        },
        Change::Released { claim: stale },
        Change::Ended {
            claim: stale,
            ended: Box::new(bounced("ann@customer.example", 1)),
        },
    ] {
        assert!(
            matches!(world.write(change.clone()).await, Receipt::Stale),
            "{change:?}"
        );
    }
    assert!(matches!(world.defer(stale, past()).await, Receipt::Stale));

    let entry = world.entry(claim.entry).await;
    assert_eq!(entry.row.outcome, "pending");
    assert!(entry.attempts.is_empty() && entry.intents.is_empty() && entry.letters.is_empty());
    assert!(matches!(
        world.end(claim, ended(Outcome::Completed, "")).await,
        Receipt::Done
    ));
    assert!(matches!(
        world.end(claim, ended(Outcome::Completed, "")).await,
        Receipt::Stale
    ));
}

#[tokio::test]
async fn after_the_process_ended_its_messages_are_free_and_its_attempts_count() {
    let world = world();
    let new = world.in_hand(mail(1)).await;
    let deferred = world.in_hand(mail(2)).await;
    world.defer(deferred, past()).await;
    let deferred = world.claim(1).await[0].claim;

    let world = world.restarted();
    assert!(matches!(
        world.end(new, ended(Outcome::Completed, "")).await,
        Receipt::Stale
    ));
    assert_eq!(world.shown(new.entry).await.0, "pending");
    assert_eq!(world.shown(deferred.entry).await.0, "deferred");
    world.check_totals().await;

    let mut work = world.claim(10).await;
    work.sort_by_key(|work| work.claim.entry);
    assert_eq!(work.iter().map(|work| work.attempt).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(work[1].run, Some(json!({ "step": 2 })));
    assert_eq!(world.entry(new.entry).await.attempts[0].result, "interrupted");
}

/// The next message, once its author and conversation are free of what was before.
async fn check_next(world: &World, ids: &[Claim]) {
    let claimed = world.claimed(10).await;
    assert_eq!(claimed, ids.iter().map(|claim| claim.entry).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_deferred_message_holds_back_its_conversation_and_not_its_author() {
    let world = world();
    let first = world.in_hand(mail_of(1, "ann", "printer")).await;
    let same_author = world.receive_new(mail_of(2, "ann", "")).await;
    let same_thread = world.receive_new(mail_of(3, "bob", "printer")).await;
    check_next(&world, &[]).await;

    world.defer(first, future()).await;
    assert_eq!(world.claimed(10).await, [same_author]);
    let first = world.journal.claim(1, Some(jiff::Timestamp::MAX)).await.unwrap()[0].claim;
    world.end(first, ended(Outcome::Completed, "")).await;
    assert_eq!(world.claimed(10).await, [same_thread]);
}

#[tokio::test]
async fn a_reply_that_names_its_parent_alone_joins_the_conversation_of_that_one() {
    let world = world();
    let first = world.in_hand(mail_of(1, "ann", "1@customer.example")).await;
    // Each names the message before it, as In-Reply-To does.
    let answer = world.receive_new(mail_of(2, "bob", "1@customer.example")).await;
    let further = world.receive_new(mail_of(3, "cy", "2@customer.example")).await;
    let elsewhere = Received {
        place: Place {
            mailbox: MailboxName("sales".into()),
            ..mail(4).place
        },
        ..mail_of(4, "dan", "2@customer.example")
    };
    let elsewhere = world.receive_new(elsewhere).await;
    world.defer(first, future()).await;
    assert_eq!(world.claimed(10).await, [elsewhere]);
    let first = world.journal.claim(1, Some(jiff::Timestamp::MAX)).await.unwrap()[0].claim;
    world.end(first, ended(Outcome::Completed, "")).await;
    let claimed = world.claim(10).await;
    assert_eq!(
        claimed.iter().map(|work| work.claim.entry).collect::<Vec<_>>(),
        [answer]
    );
    world.end(claimed[0].claim, ended(Outcome::Completed, "")).await;
    assert_eq!(world.claimed(10).await, [further]);
}

#[tokio::test]
async fn a_message_that_waits_for_its_bounce_holds_back_nobody() {
    let world = world();
    let first = world.in_hand(mail_of(1, "ann", "printer")).await;
    let same_author = world.receive_new(mail_of(2, "ann", "")).await;
    let same_thread = world.receive_new(mail_of(3, "bob", "printer")).await;
    world.end(first, bounced("ann@customer.example", 1)).await;
    assert_eq!(world.claimed(10).await, [same_author, same_thread]);
    let letter = world.journal.letters(Way::Mail, 1, None).await.unwrap()[0].id;
    world.done(Change::LetterTaken { letter }).await;
    assert!(world.claimed(10).await.is_empty());
}

#[tokio::test]
async fn a_message_that_is_held_back_says_by_which() {
    let world = world();
    let first = world.in_hand(mail_of(1, "ann", "printer")).await;
    let same_author = world.receive_new(mail_of(2, "ann", "")).await;
    let same_thread = world.receive_new(mail_of(3, "bob", "printer")).await;
    let (id, reason) = (first.entry, "it waits for message");
    let of = |whose: &str| ("pending".to_owned(), format!("{reason} {id} of its {whose}"));
    assert_eq!(world.shown(same_author).await, of("author"));
    assert_eq!(world.shown(same_thread).await, of("conversation"));
    world.defer(first, future()).await;
    assert_eq!(world.shown(same_author).await, ("pending".to_owned(), String::new()));
    assert_eq!(world.shown(same_thread).await, of("conversation"));
}

#[tokio::test]
async fn of_thousands_of_one_author_the_next_is_runnable_alone() {
    let world = world();
    let mut writes = tokio::task::JoinSet::new();
    for n in 1..=2000 {
        let journal = world.journal.clone();
        writes.spawn(async move { journal.write(Change::Received(Box::new(mail_of(n, "alarm", "")))).await });
    }
    while let Some(written) = writes.join_next().await {
        written.unwrap().unwrap();
    }
    let other = world.receive_new(mail(3000)).await;
    let first = world.claim(10).await;
    assert_eq!(first.len(), 2);
    assert_eq!(first[1].claim.entry, other);
    let mut claim = first[0].claim;
    for _ in 0..100 {
        world.end(claim, ended(Outcome::Completed, "")).await;
        let next = world.claim(10).await;
        assert_eq!(next.len(), 1);
        assert_eq!(next[0].claim.entry.0, claim.entry.0 + 1);
        claim = next[0].claim;
    }
}

#[tokio::test]
async fn after_two_ends_of_the_process_suspects_are_taken_one_at_a_time_and_only_that_one_counts() {
    let mut world = world();
    for n in 1..=3 {
        world.receive_new(mail(n)).await;
    }
    for _ in 0..2 {
        assert_eq!(world.claim(10).await.len(), 3);
        world = world.restarted();
    }
    let new = world.receive_new(mail(4)).await;
    let work = world.claim(10).await;
    let taken: Vec<_> = work.iter().map(|work| (work.claim.entry, work.interruptions)).collect();
    assert_eq!(taken, [(EntryId(1), 2), (new, 0)]);
    world = world.restarted();

    let first = world.claim(10).await.remove(0);
    assert_eq!((first.claim.entry, first.interruptions), (EntryId(1), 3));
    world.end(first.claim, ended(Outcome::Failed, "bound")).await;
    let second = world.claim(10).await.remove(0);
    assert_eq!(
        (second.claim.entry, second.interruptions),
        (EntryId(2), 2),
        "it stands where it stood"
    );
    world.defer(second.claim, past()).await;
    let next: Vec<_> = world
        .claim(10)
        .await
        .iter()
        .map(|work| (work.claim.entry, work.interruptions))
        .collect();
    assert_eq!(
        next,
        [(EntryId(3), 2), (EntryId(2), 0)],
        "what came to an end of its attempt is no suspect"
    );
}

#[tokio::test]
async fn of_equal_deferrals_in_a_row_the_first_and_the_last_keep_their_traces() {
    let world = world();
    let mut claim = world.in_hand(mail(1)).await;
    for _ in 0..4 {
        world.defer(claim, past()).await;
        claim = world.claim(1).await.remove(0).claim;
    }
    world.end(claim, ended(Outcome::Completed, "")).await;
    let attempts = world.entry(claim.entry).await.attempts;
    let kept: Vec<bool> = attempts.iter().map(|attempt| !attempt.trace.is_null()).collect();
    assert_eq!(kept, [true, false, false, true, true]);
}

#[tokio::test]
async fn those_that_waited_for_one_connection_leave_places_to_the_others() {
    let world = world();
    let slow = || "connection slow".to_owned();
    for n in 1..=20 {
        let claim = world.in_hand(mail(n)).await;
        let deferred = Change::Deferred {
            claim,
            due: future(),
            reason: "Halo can not be reached".into(),
            counts: false,
            waits_for: Some(slow()),
            waited: Duration::ZERO,
            run: Value::Null,
            trace: "null".into(),
            calls: 0,
            notices: Vec::new(),
        };
        world.write(deferred).await;
    }
    world.write(Change::Woken { waits_for: slow() }).await;
    let other = world.in_hand(mail(21)).await;
    world.defer(other, jiff::Timestamp::now()).await;

    let first = world.claim(20).await;
    assert_eq!(first.len(), 16);
    assert_eq!(world.claimed(4).await, [other.entry]);
    assert!(world.claimed(3).await.is_empty());
    world.defer(first[0].claim, future()).await;
    assert_eq!(world.claimed(3).await.len(), 1, "whose place is free");
}
