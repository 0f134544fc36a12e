//! The request log: what was asked of the sandbox, for tests and for people who try a rule.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A day of trying things out fits; the oldest go first.
const MOST: usize = 20_000;
/// So many octets of bodies, which may hold attachments.
const MOST_OCTETS: usize = 128 * 1024 * 1024;

/// One request as it came and how it was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// When it came.
    pub at: Timestamp,
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// The path as it was written.
    pub path: String,
    /// What stood after the question mark, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The JSON that was sent; of a sign-in the form without its secret; else null.
    pub body: Value,
    /// The HTTP status; 0 where the connection was cut instead.
    pub status: u16,
}

/// The log, bounded.
#[derive(Debug, Default)]
pub(super) struct Log {
    first: u64,
    /// Each with the size of its body.
    entries: VecDeque<(LoggedRequest, usize)>,
    octets: usize,
}

impl Log {
    /// Takes a request in as it comes; the returned number finds it again when it is answered.
    pub(super) fn begin(&mut self, request: LoggedRequest, octets: usize) -> u64 {
        while self.entries.len() >= MOST || (self.octets + octets > MOST_OCTETS && !self.entries.is_empty()) {
            let forgotten = self.entries.pop_front();
            self.octets -= forgotten.map_or(0, |(_, octets)| octets);
            self.first += 1;
        }
        self.octets += octets;
        self.entries.push_back((request, octets));
        self.first + u64::try_from(self.entries.len()).unwrap_or(0) - 1
    }

    /// Notes how a request was answered.
    pub(super) fn end(&mut self, number: u64, status: u16) {
        let place = number
            .checked_sub(self.first)
            .and_then(|place| usize::try_from(place).ok());
        if let Some((entry, _)) = place.and_then(|place| self.entries.get_mut(place)) {
            entry.status = status;
        }
    }

    pub(super) fn entries(&self) -> Vec<LoggedRequest> {
        self.entries.iter().map(|(entry, _)| entry.clone()).collect()
    }

    /// The last ones, newest first.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = &LoggedRequest> {
        self.entries.iter().rev().take(count).map(|(entry, _)| entry)
    }

    pub(super) fn clear(&mut self) {
        self.first += u64::try_from(self.entries.len()).unwrap_or(0);
        self.entries.clear();
        self.octets = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> LoggedRequest {
        LoggedRequest {
            at: Timestamp::UNIX_EPOCH,
            method: "GET".into(),
            path: path.into(),
            query: vec![],
            body: Value::Null,
            status: 0,
        }
    }

    #[test]
    fn an_answer_finds_its_request_also_after_the_log_was_cleared_or_ran_over() {
        let mut log = Log::default();
        let early = log.begin(request("early"), 1);
        log.clear();
        let late = log.begin(request("late"), 1);
        log.end(early, 500);
        log.end(late, 200);
        assert_eq!(
            log.entries().iter().map(|entry| entry.status).collect::<Vec<_>>(),
            [200]
        );
        for _ in 0..MOST {
            log.begin(request("more"), 1);
        }
        log.end(late, 404);
        let last = log.begin(request("last"), 1);
        log.end(last, 201);
        assert_eq!(log.entries().len(), MOST);
        assert_eq!(log.entries().iter().filter(|entry| entry.status != 0).count(), 1);
        log.begin(request("large"), MOST_OCTETS);
        assert_eq!(log.entries().len(), 1, "large ones push the others out");
    }
}
