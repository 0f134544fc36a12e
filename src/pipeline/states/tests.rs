//! What operators hear of troubles, and when these are over.

use super::*;
use crate::config::ConnectionName;

fn mailbox() -> Thing {
    Thing::Mailbox(MailboxName("support".to_owned()))
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

/// Whether operators hear at the last of these troubles, each with its minute.
fn check(troubles: &[(i64, Urgency)], told: &[bool]) {
    let states = States::default();
    let heard: Vec<bool> = troubles
        .iter()
        .map(|(minute, urgency)| states.trouble(&mailbox(), "it".to_owned(), Sort::Unavailable, *urgency, at(*minute)))
        .collect();
    assert_eq!(heard, told, "{troubles:?}");
}

#[test]
fn operators_hear_once_of_what_they_have_to_change() {
    use Urgency::{IfItLasts, Now};
    check(&[(0, Now), (1, Now), (60, Now)], &[true, false, false]);
    check(&[(0, IfItLasts), (1, Now), (2, Now)], &[false, true, false]);
    check(&[(0, Now), (60, IfItLasts)], &[true, false]);
}

#[test]
fn operators_hear_of_a_network_only_when_it_does_not_come_back() {
    use Urgency::IfItLasts;
    check(
        &[(0, IfItLasts), (14, IfItLasts), (15, IfItLasts), (30, IfItLasts)],
        &[false, false, true, false],
    );
}

#[test]
fn a_trouble_that_was_over_begins_anew() {
    let states = States::default();
    assert!(states.trouble(&mailbox(), "it".to_owned(), Sort::Unavailable, Urgency::Now, at(0)));
    assert_eq!(states.well(&mailbox(), at(0)), Over::Told);
    assert_eq!(states.well(&mailbox(), at(0)), Over::Nothing);
    assert!(states.trouble(&mailbox(), "it".to_owned(), Sort::Unavailable, Urgency::Now, at(1)));
}

#[test]
fn what_is_wrong_with_one_thing_says_nothing_of_another() {
    let states = States::default();
    let other = Thing::Connection(ConnectionName("main".to_owned()));
    states.trouble(&mailbox(), "it".to_owned(), Sort::Unavailable, Urgency::Now, at(0));
    assert_eq!(states.well(&other, at(0)), Over::Nothing, "nobody heard of a trouble");
    assert_eq!(states.is_well(&mailbox()), Some(false));
    assert_eq!(states.is_well(&other), Some(true));
    assert_eq!(states.is_well(&Thing::Smtp), None);
    assert_eq!(states.troubles().len(), 1);
    states.forget(&MailboxName("support".to_owned()), at(0));
    assert!(states.troubles().is_empty());
}

#[test]
fn an_attempt_that_was_under_way_when_a_fault_began_or_ended_says_nothing_of_it() {
    let states = States::default();
    let thing = Thing::Connection(ConnectionName("main".to_owned()));
    states.trouble(&thing, "it".to_owned(), Sort::Unavailable, Urgency::Now, at(5));
    assert!(states.troubled_before(at(4)).is_empty());
    assert_eq!(states.troubled_before(at(6)), BTreeSet::from([thing.clone()]));
    states.well(&thing, at(7));
    assert!(states.was_well_after(&thing, at(6)));
    assert!(!states.was_well_after(&thing, at(8)));
}

#[test]
fn a_trouble_does_not_make_forgotten_when_a_mailbox_was_checked_last() {
    let (states, support) = (States::default(), MailboxName("support".to_owned()));
    let last = || states.checked(&support).map(|checked| checked.last);
    states.checks(&support, at(0));
    assert_eq!(last(), None, "nobody watches it");
    states.watches(&support);
    assert_eq!(last(), Some(None));
    states.checks(&support, at(1));
    states.trouble(&mailbox(), "it".to_owned(), Sort::Unavailable, Urgency::Now, at(2));
    assert_eq!(last(), Some(Some(at(1))));
    assert!(states.checked(&support).unwrap().silent_for() < Duration::from_secs(60));
    states.forget(&support, at(3));
    assert_eq!(last(), None);
}

#[test]
fn what_an_earlier_process_told_is_not_told_again_and_its_end_is() {
    let states = States::default();
    states.recall(mailbox());
    assert!(!states.trouble(&mailbox(), "it".to_owned(), Sort::Unavailable, Urgency::Now, at(0)));
    assert_eq!(states.well(&mailbox(), at(1)), Over::Told);
    assert!(states.troubles().is_empty());
}

#[test]
fn what_was_in_trouble_is_known_for_a_while() {
    let states = States::default();
    let spans = |from, until| {
        let spans = states.spans(at(from), at(until)).into_iter();
        spans.map(|span| (span.since, span.until)).collect::<Vec<_>>()
    };
    states.trouble(
        &mailbox(),
        "it".to_owned(),
        Sort::Unavailable,
        Urgency::IfItLasts,
        at(1),
    );
    assert_eq!(states.well(&mailbox(), at(3)), Over::Untold);
    assert_eq!(states.well(&mailbox(), at(4)), Over::Nothing);
    states.trouble(
        &mailbox(),
        "it".to_owned(),
        Sort::Unavailable,
        Urgency::IfItLasts,
        at(9),
    );
    assert_eq!(spans(0, 60), [(at(1), Some(at(3))), (at(9), None)]);
    assert_eq!(spans(3, 60), [(at(9), None)]);
    assert_eq!(spans(0, 9), [(at(1), Some(at(3)))]);
    // A reload ends it as well.
    states.forget(&MailboxName("support".to_owned()), at(60 * 60));
    assert_eq!(spans(0, 9000), [(at(9), Some(at(60 * 60)))]);
}
