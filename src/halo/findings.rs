//! What a probe found out about one tenant: an answer with its evidence for each question that the facts leave open.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

pub mod file;

/// What becomes of a second user with an address that is taken.
pub const DUPLICATE_USERS: &str = "duplicate_users";
/// The status of a POST that creates.
pub const CREATE_STATUS: &str = "create_status";
/// Whether `returnall=true` shows every record of a POST.
pub const RETURNALL: &str = "returnall";
/// Whether a search for users looks at `email2` and `email3`.
pub const SEARCH_FINDS_FURTHER_ADDRESSES: &str = "search_finds_further_addresses";
/// Whether the rows of a list show `email2` and `email3`.
pub const ROWS_SHOW_FURTHER_ADDRESSES: &str = "rows_show_further_addresses";
/// The most rows of a page.
pub const PAGE_CAP: &str = "page_cap";
/// Whether the API application may list the agents.
pub const AGENTS_ARE_READABLE: &str = "agents_are_readable";

/// Whether tickets can be listed by `third_party_id_string`.
pub const THIRD_PARTY_ID_FILTER: &str = "third_party_id_filter";

/// What is said of a connection in one line: what decides something.
const TOLD: &[&str] = &[
    DUPLICATE_USERS,
    SEARCH_FINDS_FURTHER_ADDRESSES,
    ROWS_SHOW_FURTHER_ADDRESSES,
    RETURNALL,
    PAGE_CAP,
    AGENTS_ARE_READABLE,
];

/// The findings of one connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// The connection's `url`: what was found there holds nowhere else.
    pub url: Url,
    /// When the probe ended.
    pub probed: Timestamp,
    /// One for each question, in the order of the probe's table.
    pub findings: Vec<Finding>,
}

/// One question and what was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The question's name, which stays the same.
    pub name: String,
    /// The question for people.
    pub question: String,
    /// The answer; none where it stayed open.
    pub answer: Answer,
    /// What it was read from, or why there is none, in one line.
    pub evidence: String,
}

/// An answer, as JSON a plain value; null where the question stayed open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    Truth(bool),
    Count(u64),
    Word(String),
    Open,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Truth(true) => f.write_str("yes"),
            Answer::Truth(false) => f.write_str("no"),
            Answer::Count(count) => count.fmt(f),
            Answer::Word(word) => word.fmt(f),
            Answer::Open => f.write_str("open"),
        }
    }
}

impl Findings {
    /// Whether a search for an address finds the user whose `email2` or `email3` it is.
    pub fn search_finds_further_addresses(&self) -> Option<bool> {
        self.truth(SEARCH_FINDS_FURTHER_ADDRESSES)
    }

    /// Whether rows of users show `email2` and `email3` with their values.
    pub fn rows_show_further_addresses(&self) -> Option<bool> {
        self.truth(ROWS_SHOW_FURTHER_ADDRESSES)
    }

    /// Whether a search may still find the user of an address that a reading of all rows does not hold: where the rows
    /// hide further addresses and the search looks at them. None where that is not known.
    pub fn absence_is_confirmed_by_search(&self) -> Option<bool> {
        match self.rows_show_further_addresses() {
            Some(true) => Some(false),
            _ => self.search_finds_further_addresses(),
        }
    }

    /// Whether the answer to a POST of several shows them all; where it does not, creates are sent one by one.
    pub fn returnall_works(&self) -> Option<bool> {
        self.truth(RETURNALL)
    }

    /// The most rows of a page, as far as the probe asked for them.
    pub fn page_cap(&self) -> Option<usize> {
        match self.answer(PAGE_CAP) {
            Some(Answer::Count(cap)) => usize::try_from(*cap).ok().filter(|&cap| cap > 0),
            _ => None,
        }
    }

    /// Whether a list of tickets can be narrowed to those with a `third_party_id_string`.
    pub fn third_party_id_filter(&self) -> Option<bool> {
        self.truth(THIRD_PARTY_ID_FILTER)
    }

    /// When it was and what decides something, in one line.
    pub fn summary(&self) -> String {
        let told = TOLD
            .iter()
            .map(|&name| format!("{name} {}", self.answer(name).unwrap_or(&Answer::Open)))
            .collect::<Vec<_>>();
        format!(
            "probed {}: {}",
            self.probed.strftime("%Y-%m-%d %H:%M UTC"),
            told.join(", ")
        )
    }

    fn answer(&self, name: &str) -> Option<&Answer> {
        let found = self.findings.iter().find(|finding| finding.name == name);
        found.map(|finding| &finding.answer)
    }

    fn truth(&self, name: &str) -> Option<bool> {
        match self.answer(name) {
            Some(Answer::Truth(truth)) => Some(*truth),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// The findings of a tenant at `halo.example` with these answers.
    pub(in super::super) fn found(answers: &[(&str, Answer)]) -> Findings {
        let finding = |(name, answer): &(&str, Answer)| Finding {
            name: (*name).to_owned(),
            question: "Is it so?".into(),
            answer: answer.clone(),
            evidence: "it was seen".into(),
        };
        Findings {
            url: "https://halo.example".parse().unwrap(),
            probed: "2026-11-23T09:00:07Z".parse().unwrap(),
            findings: answers.iter().map(finding).collect(),
        }
    }

    #[test]
    fn an_answer_is_a_plain_value_in_the_file() {
        for (answer, expected) in [
            (Answer::Truth(true), json!(true)),
            (Answer::Count(100), json!(100)),
            (Answer::Word("allow".into()), json!("allow")),
            (Answer::Open, json!(null)),
        ] {
            assert_eq!(json!(answer), expected);
            assert_eq!(serde_json::from_value::<Answer>(expected).unwrap(), answer);
        }
    }

    #[test]
    fn an_absence_needs_a_search_where_only_a_search_sees_further_addresses() {
        let (rows, search) = (ROWS_SHOW_FURTHER_ADDRESSES, SEARCH_FINDS_FURTHER_ADDRESSES);
        let truth = Answer::Truth;
        for (answers, expected) in [
            (vec![(search, truth(true)), (rows, truth(false))], Some(true)),
            (vec![(search, truth(true))], Some(true)),
            (vec![(search, truth(false)), (rows, truth(false))], Some(false)),
            (vec![(search, truth(true)), (rows, truth(true))], Some(false)),
            (vec![(search, Answer::Open), (rows, truth(false))], None),
            (vec![], None),
        ] {
            assert_eq!(
                found(&answers).absence_is_confirmed_by_search(),
                expected,
                "{answers:?}"
            );
        }
    }

    #[test]
    fn an_answer_of_another_kind_is_none() {
        let odd = found(&[(PAGE_CAP, Answer::Count(0)), (RETURNALL, Answer::Word("yes".into()))]);
        assert_eq!((odd.page_cap(), odd.returnall_works()), (None, None));
    }

    #[test]
    fn a_line_says_what_decides_something() {
        let some = found(&[
            (DUPLICATE_USERS, Answer::Word("allow".into())),
            (PAGE_CAP, Answer::Count(100)),
        ]);
        assert_eq!(
            some.summary(),
            "probed 2026-11-23 09:00 UTC: duplicate_users allow, search_finds_further_addresses open, \
             rows_show_further_addresses open, returnall open, page_cap 100, agents_are_readable open"
        );
    }
}
