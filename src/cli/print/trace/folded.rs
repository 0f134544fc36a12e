//! Requests that differ by an id alone, as one line: a domain that is looked for asks for many sites.

use std::time::Duration;

use crate::{halo::client::Call, when};

/// From so many of one form on they are one line.
const WORTH_FOLDING: usize = 3;

/// The calls in their order: those of one form together where they are many, each other one alone.
pub(super) fn runs(calls: &[Call]) -> Vec<&[Call]> {
    let is_alike = |one: &Call, other: &Call| form(one).is_some() && form(one) == form(other);
    let runs = calls.chunk_by(is_alike);
    runs.flat_map(|run| run.chunks(if run.len() < WORTH_FOLDING { 1 } else { run.len() }))
        .collect()
}

/// The requests, and what came of them.
pub(super) fn line(alike: &[Call]) -> (String, String) {
    let took = Duration::from_millis(alike.iter().map(|call| call.took_ms).sum());
    let (path, status) = alike.first().and_then(form).unwrap_or_default();
    (
        format!("{} × GET {path}", alike.len()),
        format!(" → {status} in {} together", when::length(took)),
    )
}

/// What a read that went well asks for, whatever the ids in its path, and its status.
fn form(call: &Call) -> Option<(String, u16)> {
    let went_well = call.method == "GET" && (200..300).contains(&call.http_status) && call.shared == 0;
    if !went_well {
        return None;
    }
    let (path, query) = call.path.split_at(call.path.find('?').unwrap_or(call.path.len()));
    let is_id = |segment: &str| !segment.is_empty() && segment.bytes().all(|octet| octet.is_ascii_digit());
    let segments = path
        .split('/')
        .map(|segment| if is_id(segment) { "{id}" } else { segment });
    let path = segments.collect::<Vec<_>>().join("/");
    Some((path + query, call.http_status))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn call(path: &str) -> Call {
        Call {
            at: jiff::Timestamp::UNIX_EPOCH,
            method: "GET".to_owned(),
            path: path.to_owned(),
            body: Value::Null,
            http_status: 200,
            answer: String::new(),
            took_ms: 5,
            shared: 0,
            counts_elsewhere: false,
        }
    }

    #[test]
    fn many_requests_that_differ_by_an_id_alone_are_one_line() {
        let paths = [
            "/Site",
            "/Site/21?x=1",
            "/Site/22?x=1",
            "/Site/23?x=1",
            "/Client/12",
            "/Client/13",
        ];
        let mut calls = paths.map(call).to_vec();
        let lengths = |calls: &[Call]| runs(calls).into_iter().map(<[Call]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(&calls), [1, 3, 1, 1]);
        let expected = ("3 × GET /Site/{id}?x=1", " → 200 in 15 ms together");
        let said = line(&calls[1..4]);
        assert_eq!((said.0.as_str(), said.1.as_str()), expected);
        // One that failed is seen.
        calls[2].http_status = 404;
        assert_eq!(lengths(&calls), [1; 6]);
    }
}
