//! Records that Halo does not show. One of them stops nobody: after a while it counts as one without a mail domain.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::warn;

use super::client::HaloError;
use crate::clock::moment;

/// Where there are more, it is not because of these records.
const MOST: usize = 10;

/// The records of one connection that could not be read, by path.
#[derive(Debug, Default)]
pub(super) struct Unreadable(Mutex<HashMap<String, Broken>>);

/// A record that could not be read.
#[derive(Debug, Default)]
struct Broken {
    since: Option<Instant>,
    is_told: bool,
}

impl Unreadable {
    /// Whether to go on without this record: Halo says no to it, or has for so long been unable to show it.
    pub(super) fn is_borne(&self, path: &str, error: &HaloError, patience: Duration) -> bool {
        let is_no = matches!(error, HaloError::Refused { .. } | HaloError::Forbidden { .. });
        if !is_no && !matches!(error, HaloError::NoAnswer { .. }) {
            return false;
        }
        let mut records = self.records();
        if records.len() >= MOST && !records.contains_key(path) {
            return false;
        }
        let now = moment();
        let broken = records.entry(path.to_owned()).or_default();
        let is_broken_again = broken.since.is_some_and(|since| now - since >= patience);
        broken.since.get_or_insert(now);
        let is_borne = is_no || is_broken_again;
        if is_borne && !std::mem::replace(&mut broken.is_told, true) {
            warn!("{path} can not be read, so it has no mail domain until it can: {error}");
        }
        is_borne
    }

    /// It could be read.
    pub(super) fn forget(&self, path: &str) {
        self.records().remove(path);
    }

    fn records(&self) -> MutexGuard<'_, HashMap<String, Broken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> HaloError {
        HaloError::Refused {
            method: "GET".into(),
            path: "/Site/1".into(),
            status: 400,
            reason: "no".into(),
        }
    }

    fn broken() -> HaloError {
        HaloError::NoAnswer {
            method: "GET".into(),
            path: "/Site/1".into(),
            reason: "500".into(),
            uncertain: false,
        }
    }

    fn held() -> HaloError {
        HaloError::TooMany {
            reason: "429".into(),
            retry_after: None,
        }
    }

    #[test]
    fn a_refusal_is_borne_at_once_and_a_broken_answer_when_it_stays_so() {
        let (records, long) = (Unreadable::default(), Duration::from_secs(3600));
        assert!(records.is_borne("/Site/1", &refused(), long));
        for (error, patience, expected) in [
            (broken(), Duration::ZERO, false),
            (broken(), long, false),
            (broken(), Duration::ZERO, true),
            (held(), Duration::ZERO, false),
        ] {
            assert_eq!(
                records.is_borne("/Site/2", &error, patience),
                expected,
                "{error} {patience:?}"
            );
        }
        records.forget("/Site/2");
        assert!(!records.is_borne("/Site/2", &broken(), Duration::ZERO));
    }

    #[test]
    fn many_are_not_borne() {
        let records = Unreadable::default();
        let borne = (0..20).filter(|number| records.is_borne(&format!("/Site/{number}"), &refused(), Duration::ZERO));
        assert_eq!(borne.count(), MOST);
    }
}
