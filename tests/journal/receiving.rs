//! What a message is when it is seen: new, known, moved, or a copy.

use bytes::Bytes;
use halo_intake::{
    config::{Deduplicate, MailboxName},
    journal::{Change, Lying, Place, Position, Receipt, Received, Settled, Spot},
    outcome::Outcome,
};

use super::world;
use crate::world::{World, bounced, digest, ended, future, mail, mail_of, support, uid};

/// The same octets under another UIDVALIDITY.
fn renumbered(n: u32, validity: u32, new_uid: u32) -> Received {
    Received {
        place: Place {
            spot: uid(validity, new_uid),
            ..mail(n).place
        },
        ..mail(n)
    }
}

/// The same message once more, under another UID; trace fields differ, so the octets do.
fn copy(n: u32, of: u32) -> Received {
    Received {
        fingerprint: mail(of).fingerprint,
        ..mail(n)
    }
}

#[tokio::test]
async fn a_message_is_new_once_and_known_from_then_on() {
    let world = world();
    let entry = world.receive_new(mail(1)).await;
    assert!(matches!(world.receive(mail(1)).await, Receipt::Known(known) if known == entry));

    let world = world.restarted();
    assert!(matches!(world.receive(mail(1)).await, Receipt::Known(known) if known == entry));
    assert_eq!(world.totals(&support()).await.seen, 1);
}

#[tokio::test]
async fn spots_of_other_folders_validities_and_kinds_are_other_messages() {
    let world = world();
    let place = mail(1).place;
    let places = [
        place.clone(),
        Place {
            folder: "Other".into(),
            ..place.clone()
        },
        Place {
            mailbox: MailboxName("sales".into()),
            ..place.clone()
        },
        Place {
            spot: Spot::File { name: "1".into() },
            ..place.clone()
        },
        Place {
            spot: Spot::Handed { key: "1".into() },
            ..place
        },
    ];
    for (n, place) in (1..).zip(places) {
        let received = Received {
            place: place.clone(),
            ..mail(n)
        };
        let entry = world.receive_new(received).await;
        assert_eq!(world.entry(entry).await.place, place);
    }
}

#[tokio::test]
async fn a_message_comes_back_octet_for_octet() {
    let world = world();
    let long: Vec<u8> = (0..10_485_777_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    for (n, octets) in [(1, Bytes::from_static(b"\r\n")), (2, Bytes::from(long))] {
        let entry = world
            .receive_new(Received {
                octets: octets.clone(),
                ..mail(n)
            })
            .await;
        let kept = world.journal.octets(entry).await.unwrap().unwrap();
        assert!(kept == octets, "{} octets", octets.len());
    }
    let header_only = world
        .receive_new(Received {
            octets: Bytes::new(),
            ..mail(3)
        })
        .await;
    assert_eq!(world.journal.octets(header_only).await.unwrap(), None);
}

#[tokio::test]
async fn after_a_change_of_uidvalidity_the_message_is_found_again_and_stays_what_it_was() {
    let world = world();
    let entry = world.with_outcome(mail(1), Outcome::Completed).await;
    assert!(matches!(world.receive(renumbered(1, 8, 5)).await, Receipt::Moved(moved) if moved == entry));
    assert_eq!(world.entry(entry).await.place.spot, uid(8, 5));
    assert_eq!(world.shown(entry).await.0, "completed");
    let unsettled = world.journal.unsettled(&support(), 10).await.unwrap();
    assert_eq!(unsettled[0].place.spot, uid(8, 5), "it is settled where it lies now");

    assert!(matches!(world.receive(renumbered(1, 8, 5)).await, Receipt::Known(known) if known == entry));
    assert_eq!(world.totals(&support()).await.seen, 1);
}

#[tokio::test]
async fn each_row_is_found_again_once() {
    let world = world();
    let twice = |n| Received {
        digest: digest("the same"),
        deduplicate: Deduplicate::Off,
        ..mail(n)
    };
    let (first, second) = (world.receive_new(twice(1)).await, world.receive_new(twice(2)).await);
    let again = |n| Received {
        place: Place {
            spot: uid(8, n),
            ..mail(n).place
        },
        ..twice(n)
    };
    assert!(matches!(world.receive(again(1)).await, Receipt::Moved(moved) if moved == first));
    assert!(matches!(world.receive(again(2)).await, Receipt::Moved(moved) if moved == second));
    assert!(matches!(world.receive(again(3)).await, Receipt::New(..)));
}

#[tokio::test]
async fn a_message_that_was_kept_is_found_again_and_one_that_was_moved_away_is_not() {
    let world = world();
    for (n, settled) in [
        (1, Settled::staying("kept")),
        (2, Settled::staying("marked seen")),
        (3, Settled::leaving("moved to Processed")),
        (4, Settled::leaving("deleted")),
    ] {
        let entry = world.with_outcome(mail(n), Outcome::Failed).await;
        let (found, how) = (settled.stays, settled.how.clone());
        world.settled(entry, settled).await;
        let receipt = world.receive(renumbered(n, 8, n)).await;
        assert_eq!(
            matches!(receipt, Receipt::Moved(moved) if moved == entry),
            found,
            "{how}: {receipt:?}"
        );
    }
}

#[tokio::test]
async fn a_message_of_which_only_the_header_was_read_is_found_again_by_it() {
    let world = world();
    let skipped = Received {
        digest: mail(1).header_digest,
        end: Some((Outcome::Ignored, "backlog".into())),
        ..mail(1)
    };
    let entry = world.receive_new(skipped).await;
    let receipt = world.receive(renumbered(1, 8, 1)).await;
    assert!(
        matches!(receipt, Receipt::Moved(moved) if moved == entry),
        "{receipt:?}"
    );
}

#[tokio::test]
async fn the_same_octets_in_another_folder_or_of_another_size_are_not_that_message() {
    let world = world();
    world.receive_new(mail(1)).await;
    let moved = renumbered(1, 8, 1);
    let elsewhere = Received {
        place: Place {
            folder: "Other".into(),
            ..moved.place.clone()
        },
        ..moved.clone()
    };
    assert!(!matches!(world.receive(elsewhere).await, Receipt::Moved(_)));
    assert!(!matches!(
        world.receive(Received { size: 43, ..moved }).await,
        Receipt::Moved(_)
    ));
}

/// Gives the first message a fate, then receives a copy of it.
async fn check_copy(fate: Fate, is_duplicate: bool) {
    let world = world();
    let claim = world.in_hand(mail(1)).await;
    let entry = claim.entry;
    match fate {
        Fate::InHand => {}
        Fate::Pending => world.done(Change::Released { claim }).await,
        Fate::Deferred => drop(world.defer(claim, future()).await),
        Fate::Bouncing => drop(world.end(claim, bounced("ann@customer.example", 1)).await),
        Fate::Ended(outcome) => drop(world.end(claim, ended(outcome, "")).await),
    }
    let receipt = world
        .receive(Received {
            claim: true,
            ..copy(2, 1)
        })
        .await;
    match receipt {
        Receipt::Duplicate { entry: copied, of } => {
            assert!(is_duplicate, "{fate:?}");
            assert_eq!(of, entry, "{fate:?}");
            assert_eq!(
                world.shown(copied).await,
                ("duplicate".into(), format!("copy of {entry}"))
            );
            let unsettled = world.journal.unsettled(&support(), 10).await.unwrap();
            assert!(
                unsettled.iter().any(|one| one.entry == copied),
                "a duplicate is settled as well"
            );
        }
        Receipt::New(_, _, Some(_)) => assert!(!is_duplicate, "{fate:?}"),
        other => panic!("{fate:?}: {other:?}"),
    }
    world.check_totals().await;
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    InHand,
    Pending,
    Deferred,
    Bouncing,
    Ended(Outcome),
}

#[tokio::test]
async fn a_copy_of_what_ended_well_or_is_in_hand_is_a_duplicate() {
    check_copy(Fate::InHand, true).await;
    check_copy(Fate::Pending, true).await;
    check_copy(Fate::Deferred, true).await;
    check_copy(Fate::Bouncing, true).await;
    check_copy(Fate::Ended(Outcome::Completed), true).await;
    check_copy(Fate::Ended(Outcome::Stopped), true).await;
    check_copy(Fate::Ended(Outcome::Bounced), true).await;
}

#[tokio::test]
async fn a_copy_of_what_failed_or_matched_no_rule_has_its_own_chance() {
    check_copy(Fate::Ended(Outcome::Failed), false).await;
    check_copy(Fate::Ended(Outcome::Ignored), false).await;
}

/// Receives a copy of message 1 of `support` into `mailbox`.
async fn check_scope(world: &World, n: u32, mailbox: &str, deduplicate: Deduplicate, is_duplicate: bool) {
    let place = Place {
        mailbox: MailboxName(mailbox.into()),
        ..mail(n).place
    };
    let receipt = world
        .receive(Received {
            place,
            deduplicate,
            ..copy(n, 1)
        })
        .await;
    assert_eq!(
        matches!(receipt, Receipt::Duplicate { .. }),
        is_duplicate,
        "{mailbox} {deduplicate:?}: {receipt:?}"
    );
}

#[tokio::test]
async fn copies_are_looked_for_in_the_mailbox_in_all_or_nowhere() {
    let world = world();
    world.with_outcome(mail(1), Outcome::Completed).await;
    check_scope(&world, 2, "support", Deduplicate::Off, false).await;
    check_scope(&world, 3, "sales", Deduplicate::Mailbox, false).await;
    check_scope(&world, 4, "sales", Deduplicate::All, true).await;
    check_scope(&world, 5, "support", Deduplicate::Mailbox, true).await;
}

#[tokio::test]
async fn what_ends_with_its_reception_has_its_outcome_and_operators_hear_when_it_failed() {
    let world = world();
    let end = |n, outcome, reason: &str| Received {
        end: Some((outcome, reason.into())),
        claim: true,
        ..mail(n)
    };
    let skipped = world.receive_new(end(1, Outcome::Ignored, "backlog")).await;
    assert_eq!(world.shown(skipped).await, ("ignored".into(), "backlog".into()));
    assert!(world.topics().await.is_empty());

    let large = world.receive_new(end(2, Outcome::Failed, "too_large")).await;
    assert_eq!(world.shown(large).await, ("failed".into(), "too_large".into()));
    assert_eq!(world.topics().await, ["failed"]);
    assert!(world.claim(10).await.is_empty());
    assert_eq!(world.journal.unsettled(&support(), 10).await.unwrap().len(), 2);
    world.check_totals().await;
}

#[tokio::test]
async fn unknown_spots_are_those_that_were_not_received() {
    let world = world();
    for n in [1, 3] {
        world.receive_new(mail(n)).await;
    }
    let asked = [uid(7, 1), uid(7, 2), uid(7, 3), uid(8, 3)];
    let unknown = world
        .journal
        .unknown(&support(), "INBOX", asked.to_vec())
        .await
        .unwrap();
    assert_eq!(unknown, [uid(7, 2), uid(8, 3)]);
    let elsewhere = world
        .journal
        .unknown(&support(), "Other", vec![uid(7, 1)])
        .await
        .unwrap();
    assert_eq!(elsewhere, [uid(7, 1)]);
    let many: Vec<Spot> = (0..5000).map(|n| uid(7, n)).collect();
    assert_eq!(
        world.journal.unknown(&support(), "INBOX", many).await.unwrap().len(),
        4998
    );
}

/// The `n`th file of a Maildir.
fn file(n: u32) -> Spot {
    Spot::File {
        name: format!("{n}.M1P7.mx"),
    }
}

/// Each look asks a journal of its own: what only the first one has is known from the look before.
#[tokio::test]
async fn a_file_that_goes_on_lying_there_is_asked_for_once() {
    let (full, empty) = (world(), world());
    let [one, two, numbered, new] = [file(1), file(2), uid(7, 3), file(4)];
    for (n, spot) in (1..).zip([&one, &two, &numbered]) {
        let spot = spot.clone();
        let place = Place { spot, ..mail(n).place };
        full.receive_new(Received { place, ..mail(n) }).await;
    }
    let mut lying = Lying::default();
    let mut check = async |world: &World, listed: &[&Spot], unknown: &[&Spot]| {
        let listed = listed.iter().copied().cloned().collect();
        let mailbox = support();
        let said = lying.unknown(&*world.journal, &mailbox, "INBOX", listed).await.unwrap();
        assert_eq!(said.iter().collect::<Vec<_>>(), unknown);
    };
    check(&full, &[&one, &two, &numbered, &new], &[&new]).await;
    // What was not known is asked for again, and what a server numbers.
    check(&empty, &[&one, &two, &numbered, &new], &[&numbered, &new]).await;
    check(&empty, &[&one, &two], &[]).await;
    // What did not lie there is forgotten.
    check(&empty, &[&two], &[]).await;
    check(&empty, &[&one, &two], &[&one]).await;
    check(&full, &[&new, &one], &[&new]).await;
    check(&empty, &[&one], &[]).await;
}

#[tokio::test]
async fn a_position_never_goes_back_within_one_uidvalidity() {
    let world = world();
    assert_eq!(world.journal.position(&support(), "INBOX").await.unwrap(), None);
    for (validity, next_uid, kept) in [(7, 10, 10), (7, 12, 12), (7, 11, 12), (8, 3, 3)] {
        let (mailbox, folder) = (support(), "INBOX".to_owned());
        world
            .done(Change::Positioned {
                mailbox,
                folder,
                validity,
                next_uid,
            })
            .await;
        let position = world.journal.position(&support(), "INBOX").await.unwrap();
        assert_eq!(
            position,
            Some(Position {
                validity,
                next_uid: kept
            })
        );
    }
}

#[tokio::test]
async fn a_message_that_something_earlier_holds_back_is_not_taken_in_hand() {
    let world = world();
    let first = world.in_hand(mail_of(1, "ann", "")).await;
    let second = Received {
        claim: true,
        ..mail_of(2, "ann", "")
    };
    let Receipt::New(second, _, None) = world.receive(second).await else {
        panic!("it is held back")
    };
    world.end(first, ended(Outcome::Completed, "")).await;
    assert_eq!(world.claimed(10).await, [second]);
}
