//! Writes to the world, and the things that are to be created once.

use halo_intake::journal::{Change, Receipt};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::world;
use crate::world::{at, mail, past, user};

/// What `Intended` was told of the creation.
fn check(receipt: &Receipt, open_since: Option<Timestamp>, created: Option<Value>) {
    match receipt {
        Receipt::Intent {
            open_since: open,
            created: answer,
            ..
        } => {
            assert_eq!((open, answer), (&open_since, &created));
        }
        other => panic!("{other:?}"),
    }
}

/// Since when the creation had no answer.
fn open_since(receipt: &Receipt) -> Option<Timestamp> {
    match receipt {
        Receipt::Intent { open_since, .. } => *open_since,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_intent_is_known_to_the_next_attempt_with_its_answer_where_one_came() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    for step in ["a", "b", "c"] {
        check(&world.intended(claim, step, past(), None).await, None, None);
    }
    world.answered(claim, "a", json!({ "id": 5 }), None).await;
    world.answered(claim, "b", Value::Null, None).await;
    world.defer(claim, past()).await;
    let work = world.claim(1).await.remove(0);
    let answers: Vec<_> = work
        .intents
        .iter()
        .map(|intent| (intent.step.as_str(), intent.answer.clone()))
        .collect();
    assert_eq!(
        answers,
        [("a", Some(json!({ "id": 5 }))), ("b", Some(Value::Null)), ("c", None)]
    );
}

#[tokio::test]
async fn a_step_that_is_begun_again_takes_the_place_of_its_earlier_intent() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    world.intended(claim, "a", at(1), None).await;
    world.intended(claim, "a", at(2), None).await;
    let intents = world.entry(claim.entry).await.intents;
    assert_eq!(intents.iter().map(|intent| intent.begun).collect::<Vec<_>>(), [at(2)]);
}

#[tokio::test]
async fn an_answer_without_an_intent_is_refused_and_the_next_change_goes_through() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    let answered = Change::Answered {
        claim,
        step: "z".into(),
        answer: Value::Null,
        creation: None,
    };
    let error = world.journal.write(answered).await.unwrap_err().to_string();
    let entry = claim.entry;
    assert_eq!(
        error,
        format!("the journal can not be written: message {entry} has no intent of step \"z\" to be answered")
    );
    world.intended(claim, "a", past(), None).await;
}

#[tokio::test]
async fn a_creation_without_an_answer_is_open_to_whoever_wants_the_same() {
    let world = world();
    let (ann, bob) = (world.in_hand(mail(1)).await, world.in_hand(mail(2)).await);
    check(
        &world
            .intended(ann, "a", at(1), Some(user("ann@customer.example")))
            .await,
        None,
        None,
    );
    check(
        &world
            .intended(bob, "a", at(2), Some(user("bob@customer.example")))
            .await,
        None,
        None,
    );

    let world = world.restarted();
    let claims = world.claim(2).await;
    let (ann, bob) = (claims[0].claim, claims[1].claim);
    let key = || Some(user("ann@customer.example"));
    assert!(open_since(&world.intended(bob, "b", at(3), key()).await) > Some(at(1)));
    check(&world.intended(ann, "a", at(4), key()).await, Some(at(3)), None);
    world.answered(ann, "a", json!({ "id": 9 }), key()).await;
    check(
        &world.intended(bob, "c", at(5), key()).await,
        None,
        Some(json!({ "id": 9 })),
    );
}

#[tokio::test]
async fn a_request_of_a_message_that_was_given_back_left_at_that_time_at_the_latest() {
    for is_killed in [true, false] {
        let world = world();
        let (ann, key) = (world.in_hand(mail(1)).await, || Some(user("ann@customer.example")));
        world.intended(ann, "a", at(1), key()).await;
        world
            .intended(ann, "b", at(1), Some(user("bob@customer.example")))
            .await;
        world
            .answered(ann, "b", json!({ "id": 3 }), Some(user("bob@customer.example")))
            .await;
        let before = Timestamp::now() - std::time::Duration::from_millis(1);
        let world = if is_killed {
            world.restarted()
        } else {
            world.journal.write(Change::Released { claim: ann }).await.unwrap();
            world
        };
        let ann = world.claim(1).await.remove(0).claim;
        let since = open_since(&world.intended(ann, "a", at(2), key()).await);
        assert!(since >= Some(before), "{since:?}");
        let bob = Some(user("bob@customer.example"));
        check(
            &world.intended(ann, "b", at(2), bob).await,
            None,
            Some(json!({ "id": 3 })),
        );
    }
}

#[tokio::test]
async fn a_creation_that_was_refused_is_not_open_any_more() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    let key = || Some(user("ann@customer.example"));
    world.intended(claim, "a", at(1), key()).await;
    world.answered(claim, "a", Value::Null, key()).await;
    check(&world.intended(claim, "a", at(2), key()).await, None, None);
}

#[tokio::test]
async fn a_refusal_says_nothing_of_an_earlier_request_that_had_no_answer() {
    let world = world();
    let (lost, later) = (world.in_hand(mail(1)).await, world.in_hand(mail(2)).await);
    let key = || Some(user("ann@customer.example"));
    world.intended(lost, "a", at(1), key()).await;
    check(&world.intended(later, "a", at(2), key()).await, Some(at(1)), None);
    world.answered(later, "a", Value::Null, key()).await;
    check(&world.intended(later, "b", at(3), key()).await, Some(at(1)), None);
    world.answered(later, "b", json!({ "id": 3 }), key()).await;
    check(
        &world.intended(later, "c", at(4), key()).await,
        None,
        Some(json!({ "id": 3 })),
    );
}

#[tokio::test]
async fn creations_of_other_kinds_and_connections_are_other_things() {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    let key = user("ann@customer.example");
    world.intended(claim, "a", at(1), Some(key.clone())).await;
    let mut other = key.clone();
    other.kind = "client".into();
    check(&world.intended(claim, "b", at(2), Some(other)).await, None, None);
    let mut other = key;
    other.connection.0 = "second".into();
    check(&world.intended(claim, "c", at(2), Some(other)).await, None, None);
}
