//! What a connection's requests are counted and measured by.

use std::{sync::Arc, time::Duration};

use super::http::{Answer, Label, Lost};
use crate::{
    config::ConnectionName,
    metrics::{Meters, Metric},
};

/// The meters, as one connection uses them.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    connection: ConnectionName,
    meters: Arc<Meters>,
}

impl Meter {
    pub(super) fn new(connection: ConnectionName, meters: Arc<Meters>) -> Meter {
        for metric in [
            Metric::HaloCalls,
            Metric::HaloTooMany,
            Metric::HaloRetries,
            Metric::HaloUnanswered,
        ] {
            meters.add(metric, &[&connection.0], 0);
        }
        Meter { connection, meters }
    }

    /// A request was sent, or could not be.
    pub(super) fn note(&self, label: &Label, took: Duration, answer: &Result<Answer, Lost>) {
        let status = status(answer);
        let values = [self.connection.0.as_str(), label.method, resource(label), status];
        self.meters.observe(Metric::HaloRequests, &values, took, None);
        match answer {
            Err(Lost::Unsent(_) | Lost::Held(_) | Lost::Uncounted(_)) => return,
            Err(Lost::Dropped(_) | Lost::Unfinished(_)) => self.add(Metric::HaloUnanswered),
            Ok(answer) if answer.http_status == 429 => self.add(Metric::HaloTooMany),
            Ok(_) => {}
        }
        self.add(Metric::HaloCalls);
    }

    /// A request is sent again at once.
    pub(super) fn note_retry(&self) {
        self.add(Metric::HaloRetries);
    }

    /// Something was created.
    pub(super) fn note_created(&self, kind: &str) {
        self.meters.add(Metric::Created, &[&self.connection.0, kind], 1);
    }

    fn add(&self, metric: Metric) {
        self.meters.add(metric, &[&self.connection.0], 1);
    }
}

fn status(answer: &Result<Answer, Lost>) -> &'static str {
    match answer {
        Ok(Answer { http_status, .. }) => match http_status {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        },
        Err(Lost::Unsent(_) | Lost::Held(_) | Lost::Uncounted(_)) => "unsent",
        Err(Lost::Dropped(_) | Lost::Unfinished(_)) => "none",
    }
}

/// What is asked for, without its id: few words, whatever addresses and names stand in the path.
fn resource(label: &Label) -> &'static str {
    const KNOWN: [&str; 16] = [
        "actions",
        "agent",
        "attachment",
        "authinfo",
        "category",
        "client",
        "lookup",
        "mailbox",
        "outcome",
        "priority",
        "site",
        "status",
        "team",
        "tickets",
        "tickettype",
        "users",
    ];
    if label.is_secret {
        return "token";
    }
    let first = label.path.trim_start_matches('/').split(['/', '?']).next();
    let is_meant = |known: &&str| first.is_some_and(|first| first.eq_ignore_ascii_case(known));
    KNOWN.into_iter().find(is_meant).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_resource_is_named_without_what_is_asked_of_it() {
        let label = |path: &str, is_secret| Label {
            method: "GET",
            path: path.to_owned(),
            body: Value::Null,
            is_secret,
        };
        for (path, expected) in [
            ("/Users?search=ann%40acme.example", "users"),
            ("/Users/17", "users"),
            ("/Tickets/17", "tickets"),
            ("/AuthInfo", "authinfo"),
            ("/ann@acme.example", "other"),
            ("", "other"),
        ] {
            assert_eq!(resource(&label(path, false)), expected, "{path}");
        }
        assert_eq!(resource(&label("/auth/token?tenant=acme", true)), "token");
    }

    #[test]
    fn a_status_is_one_of_a_few_words() {
        let answer = |http_status| {
            Ok(Answer {
                http_status,
                retry_after: None,
                location: None,
                body: Vec::new(),
            })
        };
        assert_eq!(
            [200, 204, 302, 429, 503].map(|code| status(&answer(code))),
            ["2xx", "2xx", "3xx", "4xx", "5xx"]
        );
        assert_eq!(status(&Err(Lost::Unsent(String::new()))), "unsent");
        assert_eq!(status(&Err(Lost::Unfinished(String::new()))), "none");
    }
}
