//! The summary of a day: what came, what became of it, what was in trouble. That it comes is a part of what it says.

use std::{collections::BTreeMap, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use super::{Content, counted};
use crate::{
    config::MailboxName,
    journal::{Day, Waiting},
    outcome::field,
    when,
};

/// So many mailboxes, rules and troubles are named.
const MAX_NAMED: usize = 50;

/// A day as it is summed up.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'a> {
    pub from: Timestamp,
    pub until: Timestamp,
    /// Whose clock the reader looks at.
    pub timezone: &'a TimeZone,
    pub day: &'a Day,
    /// The mailboxes that are watched, for those where nothing came.
    pub watched: &'a [MailboxName],
    /// How long the last canary took, where one is sent to a mailbox; `None`: none has come.
    pub canaries: &'a BTreeMap<MailboxName, Option<Duration>>,
    pub troubles: &'a [Troubled],
    /// Where troubles are known for a part of the day alone.
    pub troubles_since: Option<Timestamp>,
    /// How many messages each rule matched, from one summary to the next.
    pub rules: &'a BTreeMap<String, u64>,
    /// Since when, where that is not the day.
    pub rules_since: Option<Timestamp>,
    /// This machine.
    pub hostname: &'a str,
}

/// What was in trouble, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Troubled {
    pub thing: String,
    pub since: Timestamp,
    /// `None`: it still is.
    pub until: Option<Timestamp>,
}

impl Content for Summary<'_> {
    fn kind(&self) -> &'static str {
        "summary"
    }

    fn summary(&self) -> String {
        let of = |word: &str| self.day.came.values().filter_map(|words| words.get(word)).sum::<u64>();
        let came = match self.came() {
            0 => "no message came".to_owned(),
            came => format!("{} came", messages(came)),
        };
        let waiting: u64 = self.day.waiting.values().map(|waiting| waiting.count).sum();
        let further = [(of("failed"), "failed"), (waiting, "wait")];
        let further = further.into_iter().filter(|(count, _)| *count > 0);
        let further: String = further.map(|(count, word)| format!(", {count} {word}")).collect();
        let ongoing = self.troubles.iter().filter(|troubled| troubled.until.is_none());
        let ongoing = match ongoing.count() {
            0 => String::new(),
            1 => ", 1 thing is in trouble".to_owned(),
            count => format!(", {count} things are in trouble"),
        };
        format!("a day: {came}{further}{ongoing}")
    }

    fn text(&self) -> String {
        let mut text = format!(
            "halo-intake on {}, from {} to {}:\n",
            field::host(self.hostname),
            self.time(self.from),
            self.time(self.until)
        );
        for mailbox in self.mailboxes().iter().take(MAX_NAMED) {
            text.push_str(&self.mailbox(mailbox));
        }
        if self.mailboxes().len() > MAX_NAMED {
            text.push_str(&format!(
                "\nand {} more mailboxes\n",
                self.mailboxes().len() - MAX_NAMED
            ));
        }
        let day = self.day;
        let created = |kind: &str| day.created.get(kind).copied().unwrap_or_default();
        text.push_str(&format!(
            "\nHalo: {} requests; created: {} users, {} clients, {} tickets\nbounces: {} sent, {} not sent\n",
            day.calls,
            created("user"),
            created("client"),
            created("ticket"),
            day.bounces,
            day.suppressed
        ));
        text.push_str(&self.in_trouble());
        text.push_str(&self.matched());
        field::body(&text)
    }

    fn data(&self) -> Map<String, Value> {
        let mailboxes: Map<String, Value> = self
            .mailboxes()
            .iter()
            .map(|name| (name.0.clone(), self.names(name)))
            .collect();
        let troubles = self.troubles.iter().map(|troubled| {
            json!({
                "thing": field::line(&troubled.thing),
                "since": troubled.since.to_string(),
                "until": troubled.until.map(|until| until.to_string()),
            })
        });
        Map::from_iter([
            ("from".to_owned(), self.from.to_string().into()),
            ("until".to_owned(), self.until.to_string().into()),
            ("mailboxes".to_owned(), mailboxes.into()),
            ("calls".to_owned(), self.day.calls.into()),
            ("created".to_owned(), json!(self.day.created)),
            (
                "bounces".to_owned(),
                json!({ "sent": self.day.bounces, "not_sent": self.day.suppressed }),
            ),
            ("troubles".to_owned(), troubles.collect()),
            ("rules".to_owned(), json!(self.rules)),
            (
                "rules_since".to_owned(),
                json!(self.rules_since.map(|since| since.to_string())),
            ),
        ])
    }
}

impl Summary<'_> {
    fn came(&self) -> u64 {
        self.day.came.values().flat_map(BTreeMap::values).sum()
    }

    fn mailboxes(&self) -> Vec<MailboxName> {
        let known = self
            .watched
            .iter()
            .chain(self.day.came.keys())
            .chain(self.day.waiting.keys());
        let mut names: Vec<MailboxName> = known.cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    fn mailbox(&self, name: &MailboxName) -> String {
        let mut text = format!("\n{}: ", field::line(&name.0));
        match self.day.came.get(name) {
            None => text.push_str("no message came\n"),
            Some(words) => {
                text.push_str(&format!("{} came\n", messages(words.values().sum())));
                for (word, count) in words {
                    text.push_str(&format!("  {word:<10} {count:>7}"));
                    if let (Some(canaries), "ignored") = (self.day.canaries.get(name), word.as_str()) {
                        text.push_str(&format!(", {canaries} of them canaries"));
                    }
                    text.push('\n');
                }
            }
        }
        match self.canaries.get(name) {
            Some(Some(took)) => text.push_str(&format!("  the last canary took {}\n", when::length(*took))),
            Some(None) => text.push_str("  no canary has come\n"),
            None => {}
        }
        if let Some(Waiting { count, oldest, since }) = self.day.waiting.get(name) {
            text.push_str(&format!(
                "  {count} without an outcome now, the oldest is message {oldest} of {}\n",
                self.time(*since)
            ));
        }
        text
    }

    /// A mailbox for programs: the words of outcomes, `came`, which is their sum, and what waits.
    fn names(&self, name: &MailboxName) -> Value {
        let words = self.day.came.get(name);
        let mut names: Map<String, Value> = words
            .into_iter()
            .flatten()
            .map(|(word, count)| (word.clone(), (*count).into()))
            .collect();
        let came: u64 = words.into_iter().flat_map(BTreeMap::values).sum();
        names.insert("came".to_owned(), came.into());
        names.insert(
            "canaries".to_owned(),
            self.day.canaries.get(name).copied().unwrap_or(0).into(),
        );
        let took = self.canaries.get(name).copied().flatten();
        names.insert("canary_seconds".to_owned(), json!(took.map(|took| took.as_secs_f64())));
        let waiting = self.day.waiting.get(name);
        names.insert("waiting".to_owned(), waiting.map_or(0, |waiting| waiting.count).into());
        names.insert("oldest".to_owned(), json!(waiting.map(|waiting| waiting.oldest)));
        names.into()
    }

    fn in_trouble(&self) -> String {
        let mut text = match self.troubles {
            [] => "\nnothing was in trouble".to_owned(),
            _ => "\nin trouble".to_owned(),
        };
        if let Some(since) = self.troubles_since {
            text.push_str(&format!(", as far as is known since the start at {}", self.time(since)));
        }
        text.push_str(if self.troubles.is_empty() { "\n" } else { ":\n" });
        for troubled in self.troubles.iter().take(MAX_NAMED) {
            let end = troubled.until.unwrap_or(self.until).max(troubled.since);
            let goes_on = if troubled.until.is_none() { ", and still is" } else { "" };
            text.push_str(&format!(
                "  {}: {} from {}{goes_on}\n",
                field::line(&troubled.thing),
                when::length(end.duration_since(troubled.since).unsigned_abs()),
                self.time(troubled.since)
            ));
        }
        if self.troubles.len() > MAX_NAMED {
            text.push_str(&format!("  and {} more\n", self.troubles.len() - MAX_NAMED));
        }
        text
    }

    fn matched(&self) -> String {
        let rules = self.rules;
        if rules.is_empty() {
            return String::new();
        }
        let since = self.rules_since.map(|since| format!(" since {}", self.time(since)));
        let mut text = format!("\nmessages that a rule matched{}:\n", since.unwrap_or_default());
        for (rule, count) in rules.iter().take(MAX_NAMED) {
            text.push_str(&format!("  {count:>7} {}\n", field::line(rule)));
        }
        if rules.len() > MAX_NAMED {
            text.push_str(&format!("  and {} more rules\n", rules.len() - MAX_NAMED));
        }
        text
    }

    fn time(&self, at: Timestamp) -> String {
        let at = at.to_zoned_datetime(self.timezone.clone());
        at.strftime("%Y-%m-%d %H:%M %Z").to_string()
    }
}

fn messages(count: u64) -> String {
    counted(count, "message")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn check(
        day: &Day,
        took: Option<u64>,
        troubles: &[Troubled],
        (rules, rules_since): (&BTreeMap<String, u64>, Option<Timestamp>),
        summary: &str,
        text: &str,
    ) {
        let summed = Summary {
            from: at("2026-11-22T06:30:00Z"),
            until: at("2026-11-23T06:30:00Z"),
            timezone: &TimeZone::get("Europe/Berlin").unwrap(),
            day,
            watched: &[MailboxName("support".to_owned())],
            canaries: &took
                .map(|took| (MailboxName("support".to_owned()), Some(Duration::from_millis(took))))
                .into_iter()
                .collect(),
            troubles,
            troubles_since: None,
            rules,
            rules_since,
            hostname: "mx.msp.example",
        };
        assert_eq!((summed.summary().as_str(), summed.text().as_str()), (summary, text));
    }

    #[test]
    fn a_day_without_anything_says_so() {
        check(
            &Day::default(),
            None,
            &[],
            (&BTreeMap::new(), None),
            "a day: no message came",
            "halo-intake on mx.msp.example, from 2026-11-22 07:30 CET to 2026-11-23 07:30 CET:\n\n\
             support: no message came\n\n\
             Halo: 0 requests; created: 0 users, 0 clients, 0 tickets\nbounces: 0 sent, 0 not sent\n\n\
             nothing was in trouble\n",
        );
    }

    #[test]
    fn a_full_day_is_counted_by_mailbox_and_outcome() {
        let support = || MailboxName("support".to_owned());
        let words = |words: &[(&str, u64)]| words.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect();
        let waiting = Waiting {
            count: 4,
            oldest: crate::journal::EntryId(17),
            since: at("2026-11-21T12:00:00Z"),
        };
        let day = Day {
            came: [(support(), words(&[("completed", 205), ("failed", 3), ("ignored", 96)]))].into(),
            canaries: [(support(), 95)].into(),
            calls: 640,
            created: words(&[("ticket", 200), ("user", 12)]),
            bounces: 4,
            suppressed: 1,
            waiting: [(support(), waiting)].into(),
        };
        let troubled = |thing: &str, since, until: Option<&str>| Troubled {
            thing: thing.to_owned(),
            since: at(since),
            until: until.map(at),
        };
        let troubles = [
            troubled("smtp", "2026-11-22T08:00:00Z", Some("2026-11-22T08:04:30Z")),
            troubled("connection main", "2026-11-23T04:00:00Z", None),
        ];
        check(
            &day,
            Some(4200),
            &troubles,
            (
                &words(&[("Unknown senders become users", 205)]),
                Some(at("2026-11-22T10:30:00Z")),
            ),
            "a day: 304 messages came, 3 failed, 4 wait, 1 thing is in trouble",
            "halo-intake on mx.msp.example, from 2026-11-22 07:30 CET to 2026-11-23 07:30 CET:\n\n\
             support: 304 messages came\n  completed      205\n  failed           3\n  ignored         96, 95 of them canaries\n  \
             the last canary took 4.2 s\n  4 without an outcome now, the oldest is message 17 of 2026-11-21 13:00 CET\n\n\
             Halo: 640 requests; created: 12 users, 0 clients, 200 tickets\nbounces: 4 sent, 1 not sent\n\n\
             in trouble:\n  smtp: 4 min from 2026-11-22 09:00 CET\n  connection main: 2 h from 2026-11-23 05:00 CET, and still is\n\n\
             messages that a rule matched since 2026-11-22 11:30 CET:\n      205 Unknown senders become users\n",
        );
    }
}
