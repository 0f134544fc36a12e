//! UID sets as commands carry them (`3,7:9,12`), cut so that no command line grows too long. Pure.

/// RFC 7162, 4: clients keep command lines within 8192 octets. Room is left for the command around the set.
const LONGEST: usize = 7_900;

/// The sets that name exactly `uids`: ascending, runs written as ranges, each set short enough for one command.
pub(super) fn sets(uids: &[u32]) -> Vec<String> {
    let mut sorted = uids.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut sets: Vec<String> = Vec::new();
    for run in sorted.chunk_by(|one, next| one.checked_add(1) == Some(*next)) {
        let text = match run {
            [only] => only.to_string(),
            [first, .., last] => format!("{first}:{last}"),
            [] => continue,
        };
        match sets.last_mut().filter(|set| set.len() + 1 + text.len() <= LONGEST) {
            Some(set) => {
                set.push(',');
                set.push_str(&text);
            }
            None => sets.push(text),
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uids: &[u32], expected: &[&str]) {
        assert_eq!(sets(uids), expected);
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
        assert!(sets.iter().all(|set| set.len() <= LONGEST));
        let again: Vec<u32> = sets
            .iter()
            .flat_map(|set| set.split(','))
            .map(|uid| uid.parse().unwrap())
            .collect();
        assert_eq!(again, uids);
    }
}
