//! UID sets as commands carry them (`3,7:9,12`), cut so that no command line grows too long. Pure.

use std::fmt;

/// RFC 7162, 4: clients keep command lines within 8192 octets. Room is left for the command around the set.
const LONGEST: usize = 7_900;

/// Some UIDs, written for a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UidSet {
    text: String,
    pub(super) uids: Vec<u32>,
}

impl UidSet {
    /// Each UID as a set of its own.
    pub(super) fn singles(&self) -> impl Iterator<Item = UidSet> + '_ {
        self.uids.iter().map(|&uid| UidSet::of(uid))
    }

    pub(super) fn of(uid: u32) -> UidSet {
        UidSet {
            text: uid.to_string(),
            uids: vec![uid],
        }
    }
}

impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The sets that name exactly `uids`: ascending, runs written as ranges, each set short enough for one command.
pub(super) fn sets(uids: &[u32]) -> Vec<UidSet> {
    let mut sorted = uids.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut sets: Vec<UidSet> = Vec::new();
    for run in sorted.chunk_by(|one, next| one.checked_add(1) == Some(*next)) {
        let text = match run {
            [only] => only.to_string(),
            [first, .., last] => format!("{first}:{last}"),
            [] => continue,
        };
        match sets.last_mut().filter(|set| set.text.len() + 1 + text.len() <= LONGEST) {
            Some(set) => {
                set.text.push(',');
                set.text.push_str(&text);
                set.uids.extend(run);
            }
            None => sets.push(UidSet {
                text,
                uids: run.to_vec(),
            }),
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uids: &[u32], expected: &[&str]) {
        let texts: Vec<String> = sets(uids).iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn runs_become_ranges() {
        check(&[], &[]);
        check(&[9], &["9"]);
        check(&[12, 7, 8, 9, 3, 8], &["3,7:9,12"]);
        check(&[u32::MAX - 1, u32::MAX], &["4294967294:4294967295"]);
    }

    #[test]
    fn no_set_is_longer_than_a_command_may_be_and_none_is_lost() {
        let uids: Vec<u32> = (0..5_000).map(|n| 4_000_000_000 + 2 * n).collect();
        let sets = sets(&uids);
        assert!(sets.iter().all(|set| set.text.len() <= LONGEST));
        let written = |set: &UidSet| set.text.split(',').map(|uid| uid.parse().unwrap()).collect();
        let again: Vec<Vec<u32>> = sets.iter().map(written).collect();
        assert_eq!(again.concat(), uids);
        assert!(sets.iter().zip(again).all(|(set, written)| set.uids == written));
    }
}
