//! How many files the process may have open: each watched mailbox takes some of them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http;

/// The journal, Halo, SMTP, the control socket, what the runtime has, files that are being read.
const BESIDES: u64 = 128;
/// A mailbox waits on one connection, and settles on another for a while.
const OF_A_MAILBOX: u64 = 2;

/// Sees to it that there are enough for so many mailboxes: the system starts programs with few (1,024 mostly), and lets
/// each of them take more, up to a bound of its own.
pub(super) fn make_room(mailboxes: usize, is_served: bool) {
    let wanted = wanted(mailboxes, is_served);
    let limit = getrlimit(Resource::Nofile);
    let is_enough = |bound: Option<u64>| bound.is_none_or(|bound| bound >= wanted);
    if is_enough(limit.current) {
        return;
    }
    if !is_enough(limit.maximum) {
        let most = limit.maximum.unwrap_or(u64::MAX);
        tracing::warn!(
            "{mailboxes} mailboxes need up to {wanted} open files, and the system allows {most}: some will not be reached; \
             raise LimitNOFILE= of the unit, or ulimit -Hn"
        );
    }
    let all = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::warn!("the limit of open files can not be raised: {error}");
    }
}

/// `is_served`: whether somebody may look at the page.
fn wanted(mailboxes: usize, is_served: bool) -> u64 {
    let mailboxes = u64::try_from(mailboxes).unwrap_or(u64::MAX);
    let lookers = if is_served {
        u64::from(http::MOST_CONNECTIONS)
    } else {
        0
    };
    mailboxes
        .saturating_mul(OF_A_MAILBOX)
        .saturating_add(BESIDES)
        .saturating_add(lookers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_mailboxes_need_no_more_than_every_process_has_and_thousands_do() {
        assert!(wanted(400, true) < 1024);
        assert_eq!(wanted(2_000, false), 4_128);
    }
}
