//! A message, given or stored, through a configuration without doing anything: the code of a real run with another
//! performer. `explain`, `replay` and `retry --dry-run` do it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    config::Settle,
    effect::{
        Effects,
        simulated::{Lookups, Recorded, Simulated},
    },
    generation::Generation,
    journal::{Attempt, Change, Claim, Entry, Journal, Work},
    outcome::{Outcome, Reason},
    pipeline::attempt::Reading,
    run::{self, End, Through, trace::Trace},
};

/// What stands in the place of an outcome where nobody knows it.
pub const UNTOLD: &str = "can not be told";

/// A configuration, and the world that the messages so far would have left.
pub struct Dry {
    generation: Arc<Generation>,
    simulated: Simulated,
    hostname: String,
}

impl Dry {
    /// With a journal, conversations are known. Nothing is ever written.
    pub fn new(generation: Arc<Generation>, lookups: Lookups, journal: Option<Arc<dyn Journal>>) -> Dry {
        Dry {
            generation,
            simulated: Simulated::new(lookups, journal),
            hostname: super::hostname(),
        }
    }

    /// The next message is answered so; it runs at that time on a machine of that name, or on this one.
    pub fn turn(&mut self, lookups: Lookups, now: Timestamp, hostname: Option<&str>) {
        self.simulated.turn(lookups, now);
        if let Some(hostname) = hostname {
            hostname.clone_into(&mut self.hostname);
        }
    }

    /// Takes the message through the rules; with `unread` it is known to end without them.
    pub async fn take<'a>(
        &'a self,
        work: &'a Work,
        octets: &'a [u8],
        now: Timestamp,
        unread: Option<Reason>,
    ) -> Taken<'a> {
        let reading = Reading::of(work, octets, &self.generation, &self.hostname);
        if !self.generation.config.mailboxes.contains_key(&work.place.mailbox) {
            let reason = format!("there is no mailbox {}", work.place.mailbox);
            return Taken::without_rules(reading, Verdict::not_yet("not read", reason));
        }
        if let Some(reason) = unread.or_else(|| ends_unread(&reading)) {
            let verdict = Verdict::of_change(reading.attempted(now, 0.0).unread(reason), &reading);
            return Taken::without_rules(reading, verdict);
        }
        let mut effects = Effects::new(&self.simulated, &reading, None, Vec::new());
        let Through { end, trace } = run::through(&reading.setting(now), None, &mut effects).await;
        let verdict = Verdict::of(end, &reading, now, &trace);
        Taken {
            reading,
            verdict,
            trace,
        }
    }
}

/// A message that was taken through rules.
pub struct Taken<'a> {
    /// As it was read.
    pub reading: Reading<'a>,
    /// What would become of it.
    pub verdict: Verdict,
    /// Empty where no rule saw it.
    pub trace: Trace,
}

impl<'a> Taken<'a> {
    fn without_rules(reading: Reading<'a>, verdict: Verdict) -> Taken<'a> {
        Taken {
            reading,
            verdict,
            trace: Trace::default(),
        }
    }
}

/// Why the message would end before its rules see it, where it would.
fn ends_unread(reading: &Reading<'_>) -> Option<Reason> {
    let size = u64::try_from(reading.octets.len()).unwrap_or(u64::MAX);
    let mailbox = reading.generation.config.mailboxes.get(&reading.work.place.mailbox);
    if mailbox.is_some_and(|mailbox| size > mailbox.max_message_size) {
        return Some(Reason::TooLarge);
    }
    reading.ends_unread()
}

/// What would become of the message.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// An outcome's word, `"deferred"`, `"not read"` or [`UNTOLD`].
    pub outcome: String,
    pub reason: String,
    /// The rule that decides; empty where none matches.
    pub rule: String,
    /// Who would be told.
    pub told: Vec<String>,
    /// What would become of it in its mailbox, for people.
    pub settle: String,
    /// What its sender would read.
    pub bounce: Option<String>,
}

impl Verdict {
    fn not_yet(outcome: &str, reason: String) -> Verdict {
        Verdict {
            outcome: outcome.to_owned(),
            reason,
            rule: String::new(),
            told: Vec::new(),
            settle: "not yet".to_owned(),
            bounce: None,
        }
    }

    /// Nobody can read it any more.
    pub fn without_octets() -> Verdict {
        Verdict::not_yet("not read", "its octets are no longer kept".to_owned())
    }

    fn of(end: End, reading: &Reading<'_>, now: Timestamp, trace: &Trace) -> Verdict {
        match end {
            End::Untold { what } => Verdict::not_yet(UNTOLD, format!("it depends on {what}; try --online")),
            End::Deferred { reason, .. } | End::Held { reason, .. } => Verdict::not_yet("deferred", reason),
            end @ End::Concluded { .. } => {
                let bounce = match &end {
                    End::Concluded { bounce, .. } => bounce.clone(),
                    _ => None,
                };
                let change = reading.attempted(now, 0.0).change(end, trace);
                let verdict = Verdict::of_change(change, reading);
                Verdict {
                    bounce: bounce.filter(|_| verdict.outcome == Outcome::Bounced.word()),
                    ..verdict
                }
            }
        }
    }

    fn of_change(change: Change, reading: &Reading<'_>) -> Verdict {
        let Change::Ended { ended, .. } = change else {
            unreachable!("a concluded run ends")
        };
        let config = &reading.generation.config;
        let bounce = ended.bounce.iter();
        let mut told: Vec<String> = bounce.flat_map(|(letter, _)| letter.recipients.clone()).collect();
        if ended.outcome == Outcome::Failed {
            let report = &config.report;
            told.extend(report.to.iter().map(ToString::to_string));
            told.extend(report.webhook.iter().map(|_| "the webhook of [report]".to_owned()));
        }
        let mailbox = config.mailboxes.get(&reading.work.place.mailbox);
        let settle = match mailbox.and_then(|mailbox| mailbox.settle.get(&ended.outcome)) {
            Some(Settle::MoveTo(folder)) => format!("moved to {folder:?}"),
            Some(Settle::Seen) => "marked as seen".to_owned(),
            Some(Settle::Delete) => "deleted".to_owned(),
            Some(Settle::Keep) | None => "kept where it is".to_owned(),
        };
        Verdict {
            outcome: ended.outcome.word().to_owned(),
            reason: ended.reason,
            rule: ended.rule,
            told,
            settle,
            bounce: None,
        }
    }

    /// Whether nobody knows.
    pub fn is_untold(&self) -> bool {
        self.outcome == UNTOLD
    }
}

/// A message of the journal as it ran last.
pub struct Stored {
    /// All that is known of it.
    pub entry: Entry,
    /// As if it had just come.
    pub work: Work,
    /// What it asked and was told.
    pub recorded: Arc<Recorded>,
    /// `meta.now`
    pub now: Timestamp,
    /// `meta.hostname`, where its trace says it.
    pub hostname: Option<String>,
}

impl Stored {
    /// Reads the traces of its last run.
    pub fn of(entry: Entry) -> Stored {
        let run = last_run(&entry.attempts);
        let traces: Vec<Trace> = run
            .iter()
            .filter_map(|attempt| serde_json::from_value(attempt.trace.clone()).ok())
            .collect();
        let began = run.first().map_or(entry.row.time, |attempt| attempt.began);
        let claim = Claim {
            entry: entry.row.id,
            token: 0,
        };
        Stored {
            work: Work::first(claim, entry.place.clone(), entry.internal_date, entry.row.time),
            recorded: Arc::new(Recorded::of(&traces)),
            now: traces.iter().find_map(|trace| trace.now).unwrap_or(began),
            hostname: traces
                .into_iter()
                .map(|trace| trace.hostname)
                .find(|name| !name.is_empty()),
            entry,
        }
    }

    /// Takes it through the rules of `dry`, answered by `lookups`.
    pub async fn through<'a>(&'a self, dry: &'a mut Dry, lookups: Lookups, octets: &'a [u8]) -> Taken<'a> {
        dry.turn(lookups, self.now, self.hostname.as_deref());
        dry.take(&self.work, octets, self.now, self.is_canary().then_some(Reason::Canary))
            .await
    }

    /// Whether it is mail of our own, which the journal alone knows: no rule ever sees it.
    fn is_canary(&self) -> bool {
        let row = &self.entry.row;
        row.outcome == Outcome::Ignored.word() && row.reason == Reason::Canary.word()
    }
}

/// The attempts since it came, or since it was reopened last.
fn last_run(attempts: &[Attempt]) -> &[Attempt] {
    let ended = |attempt: &Attempt| !["deferred", "interrupted"].contains(&attempt.result.as_str());
    let before = attempts.split_last().map_or(&[][..], |(_, before)| before);
    let start = before.iter().rposition(ended).map_or(0, |last| last + 1);
    &attempts[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_was_tried_again_is_what_it_was_the_last_time() {
        let runs = |results: &[&str]| {
            let attempts: Vec<Attempt> = (1..)
                .zip(results)
                .map(|(number, result)| Attempt {
                    number,
                    began: Timestamp::UNIX_EPOCH,
                    ended: Timestamp::UNIX_EPOCH,
                    result: (*result).to_owned(),
                    reason: String::new(),
                    trace: serde_json::Value::Null,
                })
                .collect();
            last_run(&attempts)
                .iter()
                .map(|attempt| attempt.number)
                .collect::<Vec<_>>()
        };
        assert_eq!(runs(&[]), [] as [u32; 0]);
        assert_eq!(runs(&["completed"]), [1]);
        assert_eq!(runs(&["deferred", "interrupted", "completed"]), [1, 2, 3]);
        assert_eq!(runs(&["deferred", "failed", "deferred", "completed"]), [3, 4]);
        assert_eq!(runs(&["failed", "deferred"]), [2]);
    }
}
