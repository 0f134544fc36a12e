use std::num::NonZeroU32;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn window(count: u32, per: Duration) -> Window {
    let rate = Rate {
        count: NonZeroU32::new(count).unwrap(),
        per,
    };
    Window::new(
        rate,
        Backoff {
            first: 5 * SECOND,
            longest: 60 * SECOND,
        },
    )
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
}

#[test]
fn a_slot_is_free_again_only_a_whole_period_after_its_answer() {
    let (mut window, start) = (window(2, 10 * SECOND), Instant::now());
    assert_eq!(window.grant(start, true), Grant::Now);
    assert_eq!(window.grant(start, true), Grant::Now);
    assert_eq!(window.grant(start, true), Grant::WhenOneEnds);
    window.end(start + 3 * SECOND);
    assert_eq!(window.grant(start + 4 * SECOND, true), Grant::After(9 * SECOND + MS));
    assert_eq!(window.grant(start + 13 * SECOND, true), Grant::After(MS));
    assert_eq!(window.grant(start + 13 * SECOND + MS, true), Grant::Now);
    assert_eq!(window.grant(start + 13 * SECOND + MS, true), Grant::WhenOneEnds);
}

#[test]
fn nothing_leaves_that_the_journal_does_not_hold() {
    let (mut window, start) = (window(2, SECOND), Instant::now());
    assert_eq!(window.grant(start, false), Grant::NoneLeft);
    assert_eq!(window.in_flight, 0);
    window.hold(start, None, 0.0);
    assert_eq!(
        window.grant(start, false),
        Grant::Held(5 * SECOND),
        "nothing is asked of the journal meanwhile"
    );
}

#[test]
fn a_slice_is_a_fiftieth_of_the_window() {
    for (count, slice) in [(1, 1), (30, 1), (100, 2), (300, 6), (700, 14), (1_000_000, 50)] {
        assert_eq!(window(count, SECOND).slice(), slice, "of {count}");
    }
}

#[test]
fn a_hold_doubles_with_each_strike_and_ends_with_an_answer() {
    let (mut window, start) = (window(9, SECOND), Instant::now());
    assert_eq!(window.hold(start, None, 0.0), 5 * SECOND);
    assert_eq!(
        window.hold(start + SECOND, None, 0.0),
        5 * SECOND,
        "under way together: one strike"
    );
    assert_eq!(window.grant(start + 2 * SECOND, true), Grant::Held(4 * SECOND));
    assert_eq!(window.hold(start + 7 * SECOND, None, 0.0), 10 * SECOND);
    assert_eq!(window.hold(start + 20 * SECOND, None, 0.0), 20 * SECOND);
    window.flows(start + 21 * SECOND);
    assert_eq!(window.strikes, 3, "an answer from before the hold proves nothing");
    window.flows(start + 41 * SECOND);
    assert_eq!(window.hold(start + 42 * SECOND, None, 0.0), 5 * SECOND);
}

#[test]
fn a_hold_is_one_whatever_halo_says() {
    let (mut window, start) = (window(9, SECOND), Instant::now());
    assert_eq!(window.hold(start, Some(Duration::ZERO), 0.0), 5 * SECOND);
    let again = window.hold(start + 6 * SECOND, Some(SECOND), 0.0);
    assert_eq!(again, 10 * SECOND, "it was not enough");
    window.flows(start + 17 * SECOND);
    let obeyed = window.hold(start + 18 * SECOND, Some(2 * SECOND), 0.0);
    assert_eq!(obeyed, 2 * SECOND, "what Halo says is enough the first time");
}

#[test]
fn what_halo_says_about_the_time_wins_within_reason() {
    let (mut window, start) = (window(9, SECOND), Instant::now());
    assert_eq!(window.hold(start, Some(90 * SECOND), 0.5), 90 * SECOND);
    assert_eq!(
        window.hold(start, Some(SECOND), 0.5),
        90 * SECOND,
        "a shorter one does not end a longer one"
    );
    assert_eq!(window.hold(start, Some(86_400 * SECOND), 0.5), LONGEST_HOLD);
}

#[test]
fn the_times_that_are_kept_are_few_and_never_too_early() {
    let (mut before, start) = (window(3000, 300 * SECOND), Instant::now() + 1000 * SECOND);
    let here = start + 299 * SECOND;
    for number in 0..3000 {
        before.ended.push_back(start + number * 99 * MS);
    }
    before.in_flight = 7;
    let kept = before.kept(here, at(299_000));
    assert_eq!(kept.open, 7);
    assert_eq!(kept.sent.iter().map(|(_, count)| count).sum::<usize>(), 3000);
    assert!(kept.sent.len() <= 1000, "{} times", kept.sent.len());
    let mut later = window(3000, 300 * SECOND);
    let begun = here + 2 * SECOND;
    later.restore(&kept, begun, begun, at(301_000));
    assert_eq!(later.ended.len(), 3007);
    for (number, (kept, sent)) in later.ended.iter().zip(&before.ended).enumerate() {
        let late = kept.saturating_duration_since(*sent);
        assert!(kept >= sent && late <= 302 * MS, "{number} is {late:?} late");
    }
    assert_eq!(later.ended.back(), Some(&begun), "what nobody knows of");
}

#[test]
fn a_restart_keeps_the_hold_and_bears_nonsense() {
    let (mut window, here) = (window(3, 60 * SECOND), Instant::now() + 1000 * SECOND);
    let kept = Kept {
        sent: vec![
            (at(-90_000).as_millisecond(), 1),
            (at(5000).as_millisecond(), usize::MAX),
        ],
        open: usize::MAX,
        held_until: Some(at(7000).as_millisecond()),
    };
    window.restore(&kept, here, here, at(0));
    assert_eq!(window.grant(here, true), Grant::Held(7 * SECOND));
    let later = here + 8 * SECOND;
    assert_eq!(window.grant(later, true), Grant::After(52 * SECOND + MS));
    assert_eq!(
        window.ended.len(),
        6,
        "as many as the window has, twice; what is older than it is forgotten"
    );
}

/// What the counting of requests under way costs: many wait all the time, the answers take 20 to 50 ms.
#[test]
fn nearly_the_whole_window_is_used_while_work_waits() {
    let (mut window, start) = (window(30, 3 * SECOND), Instant::now());
    let mut random = fastrand::Rng::with_seed(7);
    let (mut now, mut under_way, mut sent) = (start, Vec::new(), Vec::new());
    while now < start + 60 * SECOND {
        let wait = match window.grant(now, true) {
            Grant::Now => {
                sent.push(now);
                under_way.push(now + random.u32(20..=50) * MS);
                continue;
            }
            Grant::After(wait) => now + wait,
            _ => now + 60 * SECOND,
        };
        under_way.sort_unstable();
        // Whichever comes first: the next answer, or the time that was said.
        now = under_way.first().copied().map_or(wait, |answer| answer.min(wait));
        while under_way.first().is_some_and(|answer| *answer <= now) {
            window.end(under_way.remove(0));
        }
    }
    let cycles = sent.iter().zip(&sent[30..]).map(|(first, next)| *next - *first);
    assert!(
        cycles.clone().all(|cycle| cycle > 3 * SECOND),
        "never more than 30 in 3 s"
    );
    let share = 3.0 * f64::from(u32::try_from(cycles.len()).unwrap()) / cycles.sum::<Duration>().as_secs_f64();
    assert!(share >= 0.95, "{share:.3} of the window is used");
}
