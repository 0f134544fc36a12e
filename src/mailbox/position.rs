//! Which messages are new: what the journal has and what the server says become a plan. Pure.

use super::{Range, Selected};
use crate::journal::Position;

/// How many messages one listing brings at most, on average; the journal is asked about as many at a time.
pub const WINDOW: u32 = 5_000;

/// What is to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing has come.
    Nothing,
    /// These may be new.
    Fetch(Range),
    /// Everything has to be compared with the journal: the first look, a changed UIDVALIDITY, a UIDNEXT that
    /// went backwards, and always a Maildir, whose names have no order.
    Rescan,
}

/// Decides from the watermark (all UIDs below it have been received) and a fresh `Selected`.
pub fn plan(position: Option<&Position>, selected: &Selected) -> Plan {
    let Some(position) = position else { return Plan::Rescan };
    if is_maildir(selected) || position.validity != selected.validity {
        return Plan::Rescan;
    }
    if selected.exists == 0 {
        return Plan::Nothing;
    }
    match selected.uid_next {
        // Unknown. Never `n:*`: where nothing is new, `*` is the newest old message (RFC 9051, 6.4.9).
        0 => Plan::Fetch(Range::Uids {
            from: position.next_uid.max(1),
            to: u32::MAX,
        }),
        next if next == position.next_uid => Plan::Nothing,
        next if next > position.next_uid => Plan::Fetch(Range::Uids {
            from: position.next_uid.max(1),
            to: next,
        }),
        // UIDNEXT may only grow (RFC 9051, 2.3.1.1): the server was restored from a backup, or lies.
        _ => Plan::Rescan,
    }
}

/// The plan cut into listings of bounded size. Where UIDs lie far apart the windows are wider, so that there
/// are never many more listings than messages call for.
pub fn windows(plan: &Plan, selected: &Selected) -> Vec<Range> {
    let (from, to) = match plan {
        Plan::Nothing => return Vec::new(),
        Plan::Rescan if is_maildir(selected) => return vec![Range::Everything],
        Plan::Rescan if selected.uid_next == 0 => (1, u32::MAX),
        Plan::Rescan => (1, selected.uid_next),
        Plan::Fetch(Range::Everything) => return vec![Range::Everything],
        Plan::Fetch(Range::Uids { from, to }) => (*from, *to),
    };
    let span = to.saturating_sub(from);
    let listings = (selected.exists / WINDOW).saturating_add(1);
    let width = span.div_ceil(listings).max(WINDOW);
    let mut found = Vec::new();
    let mut at = from;
    while at < to {
        let end = at.saturating_add(width).min(to);
        found.push(Range::Uids { from: at, to: end });
        at = end;
    }
    found
}

fn is_maildir(selected: &Selected) -> bool {
    selected.validity == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: u32 = 7;

    fn check(position: Option<(u32, u32)>, selected: (u32, u32, u32), expected: Plan) {
        let position = position.map(|(validity, next_uid)| Position { validity, next_uid });
        let (validity, uid_next, exists) = selected;
        assert_eq!(
            plan(
                position.as_ref(),
                &Selected {
                    validity,
                    uid_next,
                    exists
                }
            ),
            expected
        );
    }

    fn uids(from: u32, to: u32) -> Range {
        Range::Uids { from, to }
    }

    #[test]
    fn what_came_after_the_watermark_is_fetched() {
        check(Some((SOME, 10)), (SOME, 13, 5), Plan::Fetch(uids(10, 13)));
        check(Some((SOME, 0)), (SOME, 3, 2), Plan::Fetch(uids(1, 3)));
    }

    #[test]
    fn nothing_is_fetched_where_uidnext_stands_still_or_the_folder_is_empty() {
        check(Some((SOME, 10)), (SOME, 10, 5), Plan::Nothing);
        check(Some((SOME, 10)), (SOME, 40, 0), Plan::Nothing);
    }

    #[test]
    fn the_first_look_compares_everything() {
        check(None, (SOME, 10, 5), Plan::Rescan);
        check(None, (SOME, 1, 0), Plan::Rescan);
    }

    #[test]
    fn a_changed_uidvalidity_compares_everything_even_when_the_folder_is_empty() {
        check(Some((SOME, 10)), (SOME + 1, 13, 5), Plan::Rescan);
        check(Some((SOME, 10)), (SOME + 1, 1, 0), Plan::Rescan);
    }

    #[test]
    fn a_uidnext_that_goes_backwards_is_not_believed() {
        check(Some((SOME, 10)), (SOME, 9, 5), Plan::Rescan);
    }

    #[test]
    fn an_unknown_uidnext_asks_for_all_later_uids_without_a_star() {
        check(Some((SOME, 10)), (SOME, 0, 5), Plan::Fetch(uids(10, u32::MAX)));
    }

    #[test]
    fn a_maildir_is_always_compared_whole() {
        check(Some((0, 0)), (0, 0, 5), Plan::Rescan);
        assert_eq!(
            windows(
                &Plan::Rescan,
                &Selected {
                    validity: 0,
                    uid_next: 0,
                    exists: 9
                }
            ),
            [Range::Everything]
        );
    }

    fn check_windows(plan: Plan, uid_next: u32, exists: u32, expected: &[Range]) {
        assert_eq!(
            windows(
                &plan,
                &Selected {
                    validity: SOME,
                    uid_next,
                    exists
                }
            ),
            expected
        );
    }

    #[test]
    fn windows_are_half_open_and_leave_no_gap() {
        check_windows(Plan::Nothing, 9, 8, &[]);
        check_windows(Plan::Fetch(uids(10, 13)), 13, 12, &[uids(10, 13)]);
        check_windows(Plan::Rescan, 1, 0, &[]);
        check_windows(
            Plan::Rescan,
            12_001,
            12_000,
            &[uids(1, 5_001), uids(5_001, 10_001), uids(10_001, 12_001)],
        );
    }

    #[test]
    fn far_apart_uids_do_not_make_many_windows() {
        check_windows(Plan::Rescan, 3_000_000_000, 40, &[uids(1, 3_000_000_000)]);
        check_windows(Plan::Fetch(uids(10, u32::MAX)), 0, 40, &[uids(10, u32::MAX)]);
        let many = windows(
            &Plan::Rescan,
            &Selected {
                validity: SOME,
                uid_next: u32::MAX,
                exists: 12_000,
            },
        );
        assert_eq!(many.len(), 3);
        assert_eq!(many.last(), Some(&uids(2_863_311_531, u32::MAX)));
    }
}
