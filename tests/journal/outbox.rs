//! Bounces and reports on their way out.

use std::time::Duration;

use halo_intake::{
    config::Rate,
    journal::{Change, Ended, LetterId, LetterLimit, Notice, Queue, Receipt, Report, Way},
};

use super::world;
use crate::world::{World, at, bounced, future, letter, mail, past, support};

const ANN: &str = "ann@customer.example";

/// A report that leaves by this way, with the notices up to this one.
fn report(way: Way, upto: i64, alone: bool) -> Change {
    Change::Reported(Box::new(Report {
        way,
        letter: letter("ops@example.com"),
        upto,
        alone,
        name: "report last".into(),
        value: serde_json::json!(upto),
    }))
}

/// A message that waits for its bounce, and the letter.
async fn bouncing(world: &World, n: u32) -> (halo_intake::journal::EntryId, LetterId) {
    let claim = world.in_hand(mail(n)).await;
    assert!(matches!(world.end(claim, bounced(ANN, 9)).await, Receipt::Bouncing));
    let letters = world
        .journal
        .letters(Way::Mail, 10, Some(jiff::Timestamp::MAX))
        .await
        .unwrap();
    (
        claim.entry,
        letters
            .iter()
            .find(|letter| letter.entry == Some(claim.entry))
            .unwrap()
            .id,
    )
}

#[tokio::test]
async fn a_message_is_bounced_when_the_server_has_taken_the_letter() {
    let world = world();
    let (entry, id) = bouncing(&world, 1).await;
    assert_eq!(world.shown(entry).await, ("deferred".into(), "no such client".into()));
    assert!(
        world.journal.unsettled(&support(), 10).await.unwrap().is_empty(),
        "it has not ended yet"
    );
    assert!(world.claim(10).await.is_empty());

    let world = world.restarted();
    let due = world.journal.letters(Way::Mail, 10, None).await.unwrap().remove(0);
    assert_eq!((due.id, due.entry, due.attempts), (id, Some(entry), 0));
    assert_eq!(due.letter, letter(ANN));
    world.done(Change::LetterTaken { letter: id }).await;
    let shown = world.entry(entry).await;
    assert_eq!(
        (shown.row.outcome.as_str(), shown.row.reason.as_str()),
        ("bounced", "no such client")
    );
    assert_eq!(shown.row.rule, "Everyone");
    assert_eq!(shown.letters, [(id, vec![ANN.into()], "taken".into(), String::new())]);
    assert_eq!(world.journal.unsettled(&support(), 10).await.unwrap().len(), 1);
    world.check_totals().await;
}

#[tokio::test]
async fn a_letter_leaves_once_whoever_says_so_twice() {
    let world = world();
    let (entry, id) = bouncing(&world, 1).await;
    world.done(Change::LetterTaken { letter: id }).await;
    for change in [
        Change::LetterTaken { letter: id },
        Change::LetterRefused {
            letter: id,
            reason: "550".into(),
        },
        Change::LetterDeferred {
            letter: id,
            due: past(),
            reason: "451".into(),
            unanswered: false,
            counts: true,
            waited: Duration::ZERO,
        },
    ] {
        assert!(matches!(world.write(change).await, Receipt::Stale));
    }
    assert!(
        world
            .journal
            .letters(Way::Mail, 10, Some(jiff::Timestamp::MAX))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(world.shown(entry).await.0, "bounced");
}

#[tokio::test]
async fn a_letter_that_can_not_leave_now_leaves_later() {
    let world = world();
    let (entry, id) = bouncing(&world, 1).await;
    world
        .done(Change::LetterDeferred {
            letter: id,
            due: future(),
            reason: "451 4.3.0".into(),
            unanswered: false,
            counts: true,
            waited: Duration::from_secs(7),
        })
        .await;
    assert!(world.journal.letters(Way::Mail, 10, None).await.unwrap().is_empty());
    assert_eq!(
        world.journal.next_due(Queue::Letters(Way::Mail)).await.unwrap(),
        Some(future())
    );
    assert_eq!(world.journal.next_due(Queue::Work).await.unwrap(), None);
    assert_eq!(world.entry(entry).await.letters[0].3, "451 4.3.0");
    let again = world
        .journal
        .letters(Way::Mail, 10, Some(jiff::Timestamp::MAX))
        .await
        .unwrap()
        .remove(0);
    assert_eq!((again.id, again.attempts), (id, 1));
    assert_eq!(
        (again.waited, again.deferred.unwrap().1),
        (Duration::from_secs(7), true)
    );
    world.done(Change::LetterTaken { letter: id }).await;
    assert_eq!(world.shown(entry).await.0, "bounced");
}

#[tokio::test]
async fn a_refused_bounce_leaves_the_message_failed_and_operators_hear_of_it() {
    let world = world();
    let (entry, id) = bouncing(&world, 1).await;
    world
        .done(Change::LetterRefused {
            letter: id,
            reason: "550 5.1.1 no such user".into(),
        })
        .await;
    assert_eq!(
        world.shown(entry).await,
        ("failed".into(), "550 5.1.1 no such user; no such client".into())
    );
    let notices = world.journal.notices(Way::Mail).await.unwrap();
    let notice = &notices[0].1;
    assert_eq!((notice.topic.as_str(), notice.entry), ("failed", Some(entry)));
    assert_eq!(notice.text, "550 5.1.1 no such user; no such client");
    world.check_totals().await;
}

#[tokio::test]
async fn a_letter_whose_time_is_over_comes_first_and_ends_as_a_suppressed_bounce() {
    let world = world();
    let (_, other) = bouncing(&world, 1).await;
    let claim = world.in_hand(mail(2)).await;
    let mut late = bounced(ANN, 9);
    late.bounce.as_mut().unwrap().0.not_after = Some(past());
    assert!(matches!(world.end(claim, late).await, Receipt::Bouncing));
    let letters = world.journal.letters(Way::Mail, 10, None).await.unwrap();
    assert_eq!(letters[0].letter.not_after, Some(past()));
    assert_eq!((letters[0].entry, letters[1].id), (Some(claim.entry), other));

    world
        .done(Change::LetterOutdated {
            letter: letters[0].id,
            reason: "too_old".into(),
        })
        .await;
    let shown = world.shown(claim.entry).await;
    assert_eq!(shown, ("failed".into(), "too_old; no such client".into()));
    assert_eq!(world.topics().await, [format!("bounce suppressed {ANN}")]);
    assert_eq!(world.journal.letters(Way::Mail, 10, None).await.unwrap().len(), 1);
    world.check_totals().await;
}

#[tokio::test]
async fn a_letter_that_was_perhaps_taken_is_never_followed_by_another() {
    let world = world();
    let (entry, id) = bouncing(&world, 1).await;
    world
        .done(Change::LetterDeferred {
            letter: id,
            due: past(),
            reason: "it hangs up".into(),
            unanswered: true,
            counts: false,
            waited: Duration::ZERO,
        })
        .await;
    assert_eq!(
        world.journal.letters(Way::Mail, 10, None).await.unwrap()[0].unanswered,
        1
    );
    world
        .done(Change::LetterUnanswered {
            letter: id,
            reason: "bounce_unanswered: it hangs up".into(),
        })
        .await;
    let failed = |reason: &str| ("failed".to_owned(), reason.to_owned());
    let reason = "bounce_unanswered: it hangs up; no such client";
    assert_eq!(world.shown(entry).await, failed(reason));
    assert_eq!(world.topics().await, ["failed"]);

    world.done(Change::Reopened { entry }).await;
    let claim = world.claim(1).await.remove(0).claim;
    let receipt = world.end(claim, bounced(ANN, 9)).await;
    assert!(matches!(receipt, Receipt::Suppressed(_)), "{receipt:?}");
    assert_eq!(world.shown(entry).await, failed("bounce_unanswered: no such client"));
    assert!(world.journal.letters(Way::Mail, 10, None).await.unwrap().is_empty());

    let claim = world.in_hand(mail(2)).await;
    let receipt = world.end(claim, bounced(ANN, 1)).await;
    assert!(matches!(receipt, Receipt::Suppressed(_)), "it counts as one that left");
    world.check_totals().await;
}

#[tokio::test]
async fn the_notices_of_a_report_that_was_perhaps_taken_have_left_with_it() {
    let world = world();
    let notice = Notice {
        entry: None,
        topic: "smtp".into(),
        text: "it rests".into(),
        at: at(1),
    };
    world.done(Change::Noticed(notice)).await;
    let upto = world.journal.notices(Way::Mail).await.unwrap()[0].0;
    world.done(report(Way::Mail, upto, true)).await;
    let id = world.journal.letters(Way::Mail, 10, None).await.unwrap()[0].id;
    world
        .done(Change::LetterUnanswered {
            letter: id,
            reason: "it hangs up".into(),
        })
        .await;
    assert!(world.topics().await.is_empty());
}

#[tokio::test]
async fn a_bounce_beyond_the_limit_is_suppressed_and_operators_hear_of_it() {
    let world = world();
    for n in 1..=2 {
        let claim = world.in_hand(mail(n)).await;
        assert!(matches!(world.end(claim, bounced(ANN, 2)).await, Receipt::Bouncing));
    }
    let claim = world.in_hand(mail(3)).await;
    assert!(matches!(
        world.end(claim, bounced(ANN, 2)).await,
        Receipt::Suppressed(_)
    ));
    assert_eq!(
        world.shown(claim.entry).await,
        ("failed".into(), "bounce_limit: no such client".into())
    );
    assert_eq!(world.topics().await, [format!("bounce suppressed {ANN}")]);

    let claim = world.in_hand(mail(4)).await;
    assert!(
        matches!(
            world.end(claim, bounced("bob@customer.example", 2)).await,
            Receipt::Bouncing
        ),
        "another address"
    );
    assert_eq!(
        world
            .journal
            .letters(Way::Mail, 10, Some(jiff::Timestamp::MAX))
            .await
            .unwrap()
            .len(),
        3
    );
    world.check_totals().await;
}

#[tokio::test]
async fn a_letter_that_was_refused_uses_nothing_of_the_limit_up() {
    let world = world();
    let (entry, id) = bouncing(&world, 1).await;
    world
        .done(Change::LetterRefused {
            letter: id,
            reason: "550 5.1.1 no such user".into(),
        })
        .await;
    world.done(Change::Reopened { entry }).await;
    let claim = world.claim(1).await.remove(0).claim;
    assert!(matches!(world.end(claim, bounced(ANN, 1)).await, Receipt::Bouncing));

    let claim = world.in_hand(mail(2)).await;
    assert!(
        matches!(world.end(claim, bounced(ANN, 1)).await, Receipt::Suppressed(_)),
        "one that waits counts"
    );
}

#[tokio::test]
async fn letters_older_than_the_limit_looks_back_do_not_count() {
    let world = world();
    for n in 1..=2 {
        let claim = world.in_hand(mail(n)).await;
        let rate = Rate {
            count: 1.try_into().unwrap(),
            per: Duration::from_nanos(1),
        };
        let bounce = Some((letter(ANN), LetterLimit { key: ANN.into(), rate }));
        let receipt = world
            .end(
                claim,
                Ended {
                    bounce,
                    ..bounced(ANN, 1)
                },
            )
            .await;
        assert!(matches!(receipt, Receipt::Bouncing), "{receipt:?}");
    }
}

#[tokio::test]
async fn notices_leave_in_one_report_and_come_again_when_it_is_refused() {
    let world = world();
    let notice = |n: i64| Notice {
        entry: None,
        topic: format!("connection {n}"),
        text: "it rests".into(),
        at: at(n),
    };
    for n in 1..=3 {
        world.done(Change::Noticed(notice(n))).await;
    }
    let upto = world.journal.notices(Way::Mail).await.unwrap()[1].0;
    world.done(report(Way::Mail, upto, true)).await;
    assert_eq!(world.topics().await, ["connection 3"]);
    assert!(world.journal.report_waits(Way::Mail).await.unwrap());
    let due = world.journal.letters(Way::Mail, 10, None).await.unwrap().remove(0);
    assert_eq!((due.entry, due.letter), (None, letter("ops@example.com")));

    world
        .done(Change::LetterRefused {
            letter: due.id,
            reason: "550".into(),
        })
        .await;
    assert_eq!(world.topics().await, ["connection 1", "connection 2", "connection 3"]);
    world.done(report(Way::Mail, upto + 1, true)).await;
    let due = world.journal.letters(Way::Mail, 10, None).await.unwrap().remove(0);
    world.done(Change::LetterTaken { letter: due.id }).await;
    assert!(world.topics().await.is_empty());
    assert!(!world.journal.report_waits(Way::Mail).await.unwrap());
}

#[tokio::test]
async fn a_kept_value_outlives_the_process() {
    let world = world();
    assert_eq!(world.journal.kept("pace main").await.unwrap(), None);
    for value in [serde_json::json!([1]), serde_json::json!({ "granted": 2 })] {
        world
            .done(Change::Kept {
                name: "pace main".into(),
                value,
            })
            .await;
    }
    let world = world.restarted();
    assert_eq!(
        world.journal.kept("pace main").await.unwrap(),
        Some(serde_json::json!({ "granted": 2 }))
    );
}

#[tokio::test]
async fn each_way_has_its_own_reports_and_what_was_told_by_the_only_one_is_told() {
    let world = world();
    let notice = |n: i64| Notice {
        entry: None,
        topic: format!("connection {n}"),
        text: "it rests".into(),
        at: at(n),
    };
    let waiting = async |way| {
        let notices = world.journal.notices(way).await.unwrap();
        notices.into_iter().map(|(number, _)| number).collect::<Vec<_>>()
    };
    for n in 1..=3 {
        world.done(Change::Noticed(notice(n))).await;
    }
    world.done(report(Way::Mail, 1, true)).await;
    world.done(report(Way::Webhook, 2, false)).await;
    assert_eq!(
        (waiting(Way::Mail).await, waiting(Way::Webhook).await),
        (vec![2, 3], vec![3])
    );

    let due = world.journal.letters(Way::Webhook, 10, None).await.unwrap().remove(0);
    assert!(
        world
            .journal
            .next_due(Queue::Letters(Way::Webhook))
            .await
            .unwrap()
            .is_some()
    );
    let refused = Change::LetterRefused {
        letter: due.id,
        reason: "404".into(),
    };
    world.done(refused).await;
    assert_eq!(
        (waiting(Way::Mail).await, waiting(Way::Webhook).await),
        (vec![2, 3], vec![2, 3])
    );
    assert!(!world.journal.report_waits(Way::Webhook).await.unwrap());
    assert!(world.journal.report_waits(Way::Mail).await.unwrap());
    assert_eq!(
        world.journal.kept("report last").await.unwrap(),
        Some(serde_json::json!(2))
    );
}
