//! From where a run led to what the journal keeps of it: outcome, bounce and notices. Pure.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::thing::Thing;
use crate::{
    config::{Config, MailboxConfig},
    generation::Generation,
    journal::{Change, Ended, Letter, LetterLimit, Notice, Work},
    message::{
        Message,
        address::{AddrSpec, NameAddr},
    },
    outcome::{Outcome, Reason, bounce::Bounce, guard::Guard, ours},
    run::{End, state::Run, trace::Trace},
};

mod written;

/// What an ending is made from.
pub struct Attempted<'a> {
    /// The message in hand.
    pub work: &'a Work,
    /// The configuration that the attempt began with.
    pub generation: &'a Generation,
    /// As it was read.
    pub message: &'a Message,
    /// As it came.
    pub octets: &'a [u8],
    /// `email.auth.dmarc`
    pub dmarc: &'a str,
    /// Of this machine.
    pub hostname: &'a str,
    /// When the attempt ends.
    pub now: Timestamp,
    /// 0 to 1: keeps the retries of many messages out of step.
    pub spread: f64,
}

/// What is kept of the way that led there.
struct Account {
    /// As JSON.
    trace: Arc<str>,
    calls: usize,
    /// The rules that matched, in earlier attempts too.
    matched: Vec<String>,
}

/// A trace with what it was made by.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    trace: &'a Trace,
    config: &'a str,
    version: &'a str,
}

/// How a message waits for its next attempt.
struct Wait {
    /// Whether it is by its own fault.
    counts: bool,
    /// What of a connection is to be well again first.
    waits_for: Option<Thing>,
    /// Coming back earlier would be of no use; where the wait does not count, its turn comes then.
    not_before: Option<Timestamp>,
}

impl Attempted<'_> {
    /// The change that ends the attempt.
    pub fn change(&self, end: End, trace: &Trace) -> Change {
        match end {
            End::Concluded {
                outcome,
                reason,
                rule,
                matched,
                bounce,
            } => {
                let account = self.account(trace, matched);
                let ended = match bounce {
                    Some(text) => self.bounced(&text, reason, rule, account),
                    None => self.ended(outcome, reason, rule, account),
                };
                Change::Ended {
                    claim: self.work.claim,
                    ended: Box::new(ended),
                }
            }
            End::Deferred {
                reason,
                fault,
                not_before,
                run,
            } => {
                let account = self.account(trace, Run::matched_in(&run));
                let waits_for = fault.map(|(connection, fault)| Thing::at_fault(&connection, &fault));
                self.deferred(reason, waits_for, not_before, run, account)
            }
            End::Held { reason, until, run } => {
                let wait = Wait {
                    counts: false,
                    waits_for: None,
                    not_before: Some(until),
                };
                let account = self.account(trace, Run::matched_in(&run));
                self.put_off(reason, wait, run, account)
            }
            End::Untold { what } => unreachable!("a real run asks: {what}"),
        }
    }

    /// A message that its rules never see.
    pub fn unread(&self, reason: Reason) -> Change {
        let outcome = match reason {
            Reason::OwnReport | Reason::Canary => Outcome::Ignored,
            _ => Outcome::Failed,
        };
        self.without_rules(outcome, reason.word().to_owned())
    }

    /// A message that did not come through its rules, by no fault of theirs.
    pub fn failed(&self, reason: Reason, detail: &str) -> Change {
        self.without_rules(Outcome::Failed, format!("{}: {detail}", reason.word()))
    }

    fn without_rules(&self, outcome: Outcome, reason: String) -> Change {
        let matched = self.work.run.as_ref().map(Run::matched_in).unwrap_or_default();
        let account = self.account(&Trace::default(), matched);
        let ended = self.ended(outcome, reason, String::new(), account);
        Change::Ended {
            claim: self.work.claim,
            ended: Box::new(ended),
        }
    }

    fn account(&self, trace: &Trace, matched: Vec<String>) -> Account {
        let kept = Kept {
            trace,
            config: &self.generation.digest,
            version: env!("CARGO_PKG_VERSION"),
        };
        Account {
            trace: written::json(&kept).into(),
            calls: trace.counted(),
            matched,
        }
    }

    fn ended(&self, outcome: Outcome, reason: String, rule: String, account: Account) -> Ended {
        let notices = match outcome {
            Outcome::Failed => self.notices("failed".to_owned(), &reason),
            _ => Vec::new(),
        };
        Ended {
            outcome,
            reason,
            rule,
            matched: account.matched,
            trace: account.trace,
            calls: account.calls,
            bounce: None,
            notices,
        }
    }

    /// A bounce where one may be sent, else `failed` with the reason why not.
    fn bounced(&self, text: &str, reason: String, rule: String, account: Account) -> Ended {
        let config = &self.generation.config;
        let guard = Guard {
            own: &self.generation.own_addresses,
            without_return_path: config.bounce.without_return_path,
            max_age: config.bounce.max_age,
        };
        let to = match guard.allows(self.message, self.dmarc, self.work.internal_date, self.now) {
            Ok(to) => to,
            Err(unsafe_to_tell) => {
                let word = unsafe_to_tell.word();
                let reason = format!("{word}: {}; {reason}", Reason::NotTold(unsafe_to_tell).sentence());
                let notices = self.notices(format!("bounce suppressed {}", self.message.author.address), &reason);
                return Ended {
                    outcome: Outcome::Failed,
                    reason,
                    rule,
                    matched: account.matched,
                    trace: account.trace,
                    calls: account.calls,
                    bounce: None,
                    notices,
                };
            }
        };
        let from = config
            .bounce
            .from
            .as_ref()
            .expect("RuleSet::compile asks for it where a step can bounce");
        let letter = Bounce {
            original: self.message,
            original_octets: self.octets,
            text,
            from,
            to: &to,
            include: config.bounce.include,
            final_recipient: &self.recipient(config),
            hostname: self.hostname,
            message_id: &format!(
                "bounce.{}.{}@{}",
                self.work.claim.entry,
                self.work.received.as_microsecond(),
                self.hostname
            ),
            arrival: self.work.internal_date,
            now: self.now,
        }
        .compose();
        let letter = Letter {
            return_path: None,
            recipients: vec![to.to_string()],
            octets: letter.into(),
            not_after: Some(guard.until(self.message, self.work.internal_date)),
        };
        let limit = LetterLimit {
            key: to.to_string(),
            rate: config.bounce.limit_per_sender,
        };
        Ended {
            outcome: Outcome::Bounced,
            reason,
            rule,
            matched: account.matched,
            trace: account.trace,
            calls: account.calls,
            bounce: Some((letter, limit)),
            notices: Vec::new(),
        }
    }

    /// The address of this mailbox that the message came to, as it was written; else the mailbox's first one. No
    /// other mailbox's stands there, whoever else it was sent to.
    fn recipient(&self, config: &Config) -> String {
        let mailbox = config.mailboxes.get(&self.work.place.mailbox);
        let own = mailbox.map(MailboxConfig::own_addresses).unwrap_or_default();
        let named = self
            .message
            .to
            .iter()
            .chain(&self.message.cc)
            .filter_map(NameAddr::addr_spec)
            .find(|to| own.contains(to) || own.contains(&to.without_detail()));
        if let Some(address) = named.or_else(|| own.into_iter().next()) {
            return address.to_string();
        }
        // A Maildir without addresses says nothing of its own.
        let of_another = |from: &AddrSpec| config.mailboxes.values().any(|m| m.own_addresses().contains(from));
        let from = config.bounce.from.as_ref().and_then(NameAddr::addr_spec);
        from.filter(|from| !of_another(from))
            .map_or_else(|| ours(self.hostname), |from| from.to_string())
    }

    fn deferred(
        &self,
        reason: String,
        waits_for: Option<Thing>,
        not_before: Option<Timestamp>,
        run: Value,
        account: Account,
    ) -> Change {
        let counts = waits_for.is_none();
        if counts && self.waited() >= self.generation.config.retry.give_up_after {
            let reason = format!("{}: {reason}", Reason::GaveUp.word());
            let ended = self.ended(Outcome::Failed, reason, String::new(), account);
            return Change::Ended {
                claim: self.work.claim,
                ended: Box::new(ended),
            };
        }
        let wait = Wait {
            counts,
            waits_for,
            not_before,
        };
        self.put_off(reason, wait, run, account)
    }

    /// The message comes again. One that waits for its turn comes when that is, however often it came before: the
    /// others of its connection do the same, and the pace lets them out.
    fn put_off(&self, reason: String, wait: Wait, run: Value, account: Account) -> Change {
        let backoff = self.generation.config.retry.backoff;
        let in_a_row = match self.work.deferred {
            Some((_, counted)) if counted == wait.counts => self.work.deferrals,
            _ => 0,
        };
        let due = self.now + backoff.delay(in_a_row.saturating_add(1), self.spread);
        Change::Deferred {
            claim: self.work.claim,
            due: match wait.not_before {
                Some(turn) if !wait.counts => turn,
                Some(earliest) => due.max(earliest),
                None => due,
            },
            reason,
            counts: wait.counts,
            waits_for: wait.waits_for.map(|thing| thing.to_string()),
            waited: self.waited(),
            run,
            trace: account.trace,
            calls: account.calls,
            notices: Vec::new(),
        }
    }

    /// How long its own failures have made it wait; an outage of its connection does not count.
    fn waited(&self) -> Duration {
        let backoff = self.generation.config.retry.backoff;
        backoff.waited(self.work.waited, self.work.deferred, self.now)
    }

    fn notices(&self, topic: String, reason: &str) -> Vec<Notice> {
        vec![Notice {
            entry: Some(self.work.claim.entry),
            topic,
            text: reason.to_owned(),
            at: self.now,
        }]
    }
}

#[cfg(test)]
mod tests;
