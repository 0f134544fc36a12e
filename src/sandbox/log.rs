//! The request log: what was asked of the sandbox, for tests and for people who try a rule.
//!
//! What came is held as it came, in as many octets, and read as JSON only when somebody reads the log.

use std::{borrow::Cow, collections::VecDeque, sync::Arc};

use axum::body::{Body, Bytes};
use futures_util::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

mod sent;

/// A day of trying things out fits; the oldest go first.
const MOST: usize = 20_000;
/// So many octets are held: paths, queries, bodies, which may be attachments, and the beginnings of answers.
const MOST_OCTETS: usize = 128 * 1024 * 1024;
/// What a request takes besides.
const OVERHEAD: usize = 512;
/// So many octets of an answer, and of a body that is no JSON.
const EXCERPT: usize = 2048;

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
    /// The header field of that name.
    pub content_type: String,
    /// The HTTP status; 0 where the connection was cut instead.
    pub status: u16,
    /// Why it was refused or went wrong, where the answer does not say so itself.
    pub reason: String,
    /// How the answer begins; nothing of a sign-in that worked.
    pub answer: String,
    /// How a body begins that is no JSON.
    pub raw: String,
    /// The JSON that was sent; of a sign-in the form without its secret; else null.
    pub body: Value,
}

/// A request as it came.
#[derive(Debug)]
pub(super) struct Arrived {
    pub at: Timestamp,
    pub method: String,
    pub path: String,
    pub query: String,
    pub content_type: String,
    pub body: Bytes,
}

/// How it was answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Answered {
    pub status: u16,
    pub reason: &'static str,
    pub answer: Bytes,
}

/// One entry; a copy shares what came.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    arrived: Arc<Arrived>,
    answered: Answered,
}

/// The log, bounded.
#[derive(Debug, Default)]
pub(super) struct Log {
    first: u64,
    entries: VecDeque<Entry>,
    octets: usize,
}

impl Log {
    /// Takes a request in as it comes; the returned number finds it again when it is answered.
    pub(super) fn begin(&mut self, arrived: Arrived) -> u64 {
        let entry = Entry {
            arrived: Arc::new(arrived),
            answered: Answered::default(),
        };
        let octets = entry.octets();
        while self.entries.len() >= MOST || (self.octets + octets > MOST_OCTETS && !self.entries.is_empty()) {
            let forgotten = self.entries.pop_front();
            self.octets -= forgotten.map_or(0, |entry| entry.octets());
            self.first += 1;
        }
        self.octets += octets;
        self.entries.push_back(entry);
        self.first + u64::try_from(self.entries.len()).unwrap_or(0) - 1
    }

    /// Notes how a request was answered.
    pub(super) fn end(&mut self, number: u64, mut answered: Answered) {
        // A copy: a piece of a long answer would keep the whole of it.
        answered.answer = Bytes::copy_from_slice(excerpt(&answered.answer));
        let place = number
            .checked_sub(self.first)
            .and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            self.octets += answered.answer.len();
            entry.answered = answered;
        }
    }

    pub(super) fn entries(&self) -> Vec<LoggedRequest> {
        self.entries.iter().map(Entry::shown).collect()
    }

    /// The last ones, oldest first.
    pub(super) fn last(&self, count: usize) -> Vec<Entry> {
        let skipped = self.entries.len().saturating_sub(count);
        self.entries.iter().skip(skipped).cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        self.first += u64::try_from(self.entries.len()).unwrap_or(0);
        self.entries.clear();
        self.octets = 0;
    }
}

impl Entry {
    fn octets(&self) -> usize {
        let Arrived {
            path,
            query,
            content_type,
            body,
            ..
        } = &*self.arrived;
        OVERHEAD + path.len() + query.len() + content_type.len() + body.len() + self.answered.answer.len()
    }

    pub(super) fn shown(&self) -> LoggedRequest {
        match self.json().map(|body| serde_json::from_slice(body)) {
            Some(Ok(body)) => LoggedRequest { body, ..self.head(&[]) },
            _ => self.head(&self.arrived.body),
        }
    }

    /// How it begins, with the body as text, whatever it is: for the page.
    pub(super) fn begun(&self) -> LoggedRequest {
        self.head(&self.arrived.body)
    }

    /// The body, if it is JSON.
    fn json(&self) -> Option<&Bytes> {
        Some(&self.arrived.body).filter(|body| sent::is_json(body))
    }

    /// Everything but the JSON.
    fn head(&self, raw: &[u8]) -> LoggedRequest {
        LoggedRequest {
            at: self.arrived.at,
            method: self.arrived.method.clone(),
            path: self.arrived.path.clone(),
            query: url::form_urlencoded::parse(self.arrived.query.as_bytes())
                .into_owned()
                .collect(),
            content_type: self.arrived.content_type.clone(),
            status: self.answered.status,
            reason: self.answered.reason.to_owned(),
            answer: lossy(&self.answered.answer).into_owned(),
            raw: lossy(excerpt(raw)).into_owned(),
            body: Value::Null,
        }
    }

    /// The entry as JSON, in which the body stands as it was sent: read as a tree it would take many times its size.
    fn written(&self) -> [Bytes; 3] {
        let (raw, body) = match self.json() {
            Some(body) => (&[][..], body.clone()),
            None => (&self.arrived.body[..], Bytes::from_static(b"null")),
        };
        let mut head = json!(self.head(raw));
        if let Some(head) = head.as_object_mut() {
            head.remove("body");
        }
        let head = head.to_string();
        let head = format!("{},\"body\":", head.strip_suffix('}').unwrap_or(&head));
        [head.into(), body, Bytes::from_static(b"}")]
    }
}

fn excerpt(octets: &[u8]) -> &[u8] {
    octets.get(..EXCERPT).unwrap_or(octets)
}

fn lossy(octets: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(octets)
}

/// Entries as an array of JSON, written one after the other.
pub(super) fn written(entries: Vec<Entry>) -> Body {
    let end = if entries.is_empty() { "[]\n" } else { "]\n" };
    let rows = entries.into_iter().enumerate().flat_map(|(place, entry)| {
        let between = if place == 0 { "[" } else { ",\n" };
        [Bytes::from_static(between.as_bytes())]
            .into_iter()
            .chain(entry.written())
    });
    let chunks = rows.chain([Bytes::from_static(end.as_bytes())]);
    let chunks = chunks.map(Ok::<_, std::convert::Infallible>);
    Body::from_stream(stream::iter(chunks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> Arrived {
        Arrived {
            at: Timestamp::UNIX_EPOCH,
            method: "GET".into(),
            path: path.into(),
            query: String::new(),
            content_type: String::new(),
            body: Bytes::new(),
        }
    }

    fn answered(status: u16) -> Answered {
        Answered {
            status,
            ..Answered::default()
        }
    }

    #[test]
    fn an_answer_finds_its_request_also_after_the_log_was_cleared_or_ran_over() {
        let mut log = Log::default();
        let early = log.begin(request("early"));
        log.clear();
        let late = log.begin(request("late"));
        log.end(early, answered(500));
        log.end(late, answered(200));
        assert_eq!(
            log.entries().iter().map(|entry| entry.status).collect::<Vec<_>>(),
            [200]
        );
        for _ in 0..MOST {
            log.begin(request("more"));
        }
        log.end(late, answered(404));
        let last = log.begin(request("last"));
        log.end(last, answered(201));
        assert_eq!(log.entries().len(), MOST);
        assert_eq!(log.entries().iter().filter(|entry| entry.status != 0).count(), 1);
    }

    #[test]
    fn bodies_queries_paths_and_answers_are_bounded_together() {
        let long = || "x".repeat(60_000);
        type Fill = fn(&mut Arrived, String);
        let fills: [Fill; 4] = [
            |of, long| of.body = long.into(),
            |of, long| of.query = long,
            |of, long| of.path = long,
            |of, long| of.content_type = long,
        ];
        for fill in fills {
            let mut log = Log::default();
            for _ in 0..3000 {
                let mut arrived = request("/");
                fill(&mut arrived, long());
                log.begin(arrived);
            }
            assert!(log.octets <= MOST_OCTETS);
            assert!((2000..2237).contains(&log.entries.len()), "{}", log.entries.len());
        }
        let mut log = Log::default();
        for _ in 0..10 {
            let number = log.begin(request("/"));
            let answer = long().into();
            log.end(
                number,
                Answered {
                    answer,
                    ..answered(200)
                },
            );
        }
        assert_eq!(log.octets, log.entries.iter().map(Entry::octets).sum::<usize>());
        assert!(log.entries().iter().all(|entry| entry.answer.len() == EXCERPT));
    }

    #[tokio::test]
    async fn the_log_as_json_is_the_log() {
        let mut log = Log::default();
        let deep = format!("{}{}", "[".repeat(126), "]".repeat(126));
        let bodies: [&[u8]; 8] = [
            b"",
            b"[{\"a\": 1.50,\n \"a\": null}]",
            b"a=b&c",
            b"\xff\xfe",
            b"[\"\\ud800\"]",
            b"[1e999]",
            deep.as_bytes(),
            b"\"text}\"",
        ];
        for body in bodies {
            let mut arrived = request("/api/\"x\"");
            (arrived.query, arrived.body) = ("a=%22&b".into(), Bytes::copy_from_slice(body));
            let number = log.begin(arrived);
            log.end(number, answered(200));
        }
        for count in [0, 1, usize::MAX] {
            let octets = axum::body::to_bytes(written(log.last(count)), usize::MAX)
                .await
                .unwrap();
            let read: Vec<LoggedRequest> = serde_json::from_slice(&octets).unwrap();
            let entries = log.entries();
            assert_eq!(read, entries[entries.len().saturating_sub(count)..]);
        }
        let entries = log.entries();
        assert_eq!(entries[1].body, json!([{ "a": null }]));
        assert_eq!((&entries[2].raw, &entries[2].body), (&"a=b&c".to_owned(), &Value::Null));
        assert!(
            entries[3..7]
                .iter()
                .all(|entry| entry.body.is_null() && !entry.raw.is_empty())
        );
    }
}
