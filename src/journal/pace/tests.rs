use super::*;

const LEASE_MS: i64 = 8000;

/// At a rate of `count` in 10 s.
fn told(count: u32, share: Option<&str>, needed: usize, kept: Kept) -> Paced {
    Paced {
        connection: ConnectionName("main".into()),
        share: share.map(str::to_owned),
        rate: Rate {
            count: count.try_into().unwrap(),
            per: Duration::from_secs(10),
        },
        at: 0,
        kept,
        slice: 1,
        needed,
    }
}

fn sent(at: i64, count: usize) -> Kept {
    Kept {
        sent: vec![(at, count)],
        open: 1,
        held_until: None,
    }
}

/// What a node gets that has sent so many and needs so many, beside others.
fn most(count: u32, (used, needed): (usize, usize), others: &[Share], now: i64) -> usize {
    let told = Paced {
        at: now,
        ..told(count, Some("me"), needed, sent(now, used))
    };
    Share::of(&told, others, now).1.most
}

fn other((used, needed, most): (usize, usize, usize)) -> Share {
    Share {
        kept: sent(0, used),
        seen: 0,
        slice: 1,
        needed,
        most,
        is_node: true,
    }
}

#[test]
fn each_gets_what_it_needs_or_the_same_as_the_others() {
    assert_eq!(part(90, 100, vec![]), 90);
    assert_eq!(part(90, 20, vec![200, 100]), 20);
    assert_eq!(part(90, 100, vec![200, 100]), 30);
    assert_eq!(part(90, 100, vec![10, 100]), 40);
    assert_eq!(part(90, 100, vec![10, 20]), 60);
    assert_eq!(part(1, 100, vec![100]), 0);
}

#[test]
fn nobody_gets_what_another_one_has_or_may_have_still() {
    assert_eq!(most(100, (0, 100), &[], 0), 100);
    // It may fill 80 still, whatever it is allowed the next time.
    assert_eq!(most(100, (0, 100), &[other((10, 100, 80))], 1000), 20);
    // It has 80, and gives way as they come back.
    assert_eq!(most(100, (0, 100), &[other((80, 100, 50))], 1000), 20);
    assert_eq!(most(100, (0, 100), &[other((80, 100, 50))], LEASE_MS), 20);
    assert_eq!(most(100, (30, 100), &[other((60, 100, 50))], 1000), 40);
    assert_eq!(most(100, (30, 30), &[other((60, 100, 50))], 1000), 30);
}

#[test]
fn of_one_that_is_heard_of_no_more_nothing_is_free_at_once() {
    let gone = || [other((10, 100, 80))];
    assert_eq!(most(100, (0, 100), &gone(), LEASE_MS), 20);
    let after = |at| most(100, (0, 100), &gone(), at);
    assert_eq!(after(LEASE_MS + 1), 100 - 11, "what it had sent, and its slice");
    assert_eq!(
        after(10_001),
        100 - 1,
        "its slice left at the end of its lease at the latest"
    );
    assert_eq!(after(LEASE_MS + 10_000), 99);
    assert_eq!(after(LEASE_MS + 10_001), 100);
    let told = told(100, Some("me"), 1, Kept::default());
    assert!(!gone()[0].is_over(&told, LEASE_MS + 10_000));
    assert!(gone()[0].is_over(&told, LEASE_MS + 10_001));
}

#[test]
fn where_there_are_more_nodes_than_slots_each_has_its_turn() {
    assert_eq!(most(1, (0, 9), &[other((0, 9, 0))], 0), 1);
    assert_eq!(most(1, (1, 9), &[other((0, 9, 0))], 0), 0, "it had the slot");
    assert_eq!(most(1, (0, 9), &[other((1, 9, 0))], 0), 0);
}

#[test]
fn times_are_kept_by_the_clock_of_the_journal() {
    let kept = Kept {
        held_until: Some(300),
        ..sent(-20, 3)
    };
    let (share, allowed) = Share::of(&told(100, Some("me"), 5, kept), &[], 5000);
    assert_eq!((share.kept.sent, share.kept.held_until), (vec![(4980, 3)], Some(5300)));
    assert_eq!((share.seen, share.most, allowed.most), (5000, 5, 5));
    let (share, allowed) = Share::of(&told(100, None, 100, sent(-20, 3)), &[], 0);
    assert_eq!((share.is_node, allowed.most), (false, 100));
}

#[test]
fn a_hold_of_one_is_a_hold_of_all() {
    let held = |until| Share {
        kept: Kept {
            held_until: Some(until),
            ..Kept::default()
        },
        ..Share::default()
    };
    let (_, allowed) = Share::of(&told(100, Some("me"), 5, Kept::default()), &[held(700), held(-5)], 0);
    assert_eq!(allowed.held, Duration::from_millis(700));
}
