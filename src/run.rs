//! The interpreter: takes a message through its rules, for real or simulated, resumed where it stopped.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    action::StepError,
    config::{Config, ConnectionName, MailboxName},
    effect::Effects,
    expression::{Scope, Shared},
    halo::fault::Fault,
    outcome::Outcome,
    rules::{Rule, RuleEnd, RuleSet, conclude, unstored},
};

mod for_each;
pub mod state;
mod step;
pub mod trace;

use state::Run;
use trace::{StepTrace, Trace};

/// What a message meets: the rules and what they may know of it.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The rules of the current configuration.
    pub rules: &'a RuleSet,
    /// For the connections' own maps.
    pub config: &'a Config,
    /// Whose rules.
    pub mailbox: &'a MailboxName,
    /// The value of `email`.
    pub email: &'a Shared,
    /// In the journal; 0 in a dry run.
    pub id: i64,
    /// From 1.
    pub attempt: u32,
    /// Of this machine.
    pub hostname: &'a str,
    /// The time of a first attempt; later ones keep theirs.
    pub now: Timestamp,
    /// What tells the message from every other one, whichever journal knows it.
    pub origin: String,
}

/// How it went.
#[derive(Debug)]
pub struct Through {
    /// Where it led.
    pub end: End,
    /// What happened, for `show` and `explain`.
    pub trace: Trace,
}

/// Where a run led.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// To an outcome.
    Concluded {
        /// With `Bounced`, still to be sent.
        outcome: Outcome,
        /// Empty where nothing needs saying.
        reason: String,
        /// The rule that decided; empty where none matched.
        rule: String,
        /// The rules that matched, in earlier attempts too.
        matched: Vec<String>,
        /// What the sender shall read, where it is to be bounced.
        bounce: Option<String>,
    },
    /// It comes back and resumes from `run`.
    Deferred {
        /// What happened.
        reason: String,
        /// The connection at fault, where one is, and what of it.
        fault: Option<(ConnectionName, Fault)>,
        /// Coming back earlier would be of no use; where a connection is at fault, it goes on then.
        not_before: Option<Timestamp>,
        /// Where to resume.
        run: Value,
    },
    /// It waits for its turn under a limit that the operator set, and its clock stands still.
    Held {
        /// Which limit.
        reason: String,
        /// When its turn comes.
        until: Timestamp,
        /// Where to resume.
        run: Value,
    },
    /// Only in a dry run: it depends on what nobody asked.
    Untold {
        /// The question.
        what: String,
    },
}

/// Takes a message through its rules. `resumed` is the `run` of an earlier `End::Deferred`.
pub async fn through(setting: &Setting<'_>, resumed: Option<Value>, effects: &mut Effects<'_>) -> Through {
    let resumed = resumed.and_then(|value| serde_json::from_value(value).ok());
    let mut run: Run = resumed.unwrap_or_else(|| Run::new(setting.now));
    let start = Start::of(&run, setting.rules);
    let now = run.now;
    if !start.in_its_midst {
        run.leave_rule();
    }
    let freemail: Vec<String> = setting
        .config
        .halo
        .values()
        .flat_map(|halo| halo.freemail_domains.clone())
        .collect();
    let mut interpreter = Interpreter {
        setting,
        effects,
        run,
        scope: Scope::new().with_freemail(&freemail),
        reads_meta: setting.rules.reads.has("meta"),
        variables: Vec::new(),
        trace: Trace {
            rules: Vec::with_capacity(setting.rules.rules.len().saturating_sub(start.rule)),
            now: Some(now),
            hostname: setting.hostname.to_owned(),
        },
        steps: Vec::new(),
        last_result: Shared::default(),
    };
    let end = interpreter.rules(start).await;
    Through {
        end,
        trace: interpreter.trace,
    }
}

/// Which rule an attempt begins with, and whether in its midst.
#[derive(Debug, Clone, Copy)]
struct Start {
    rule: usize,
    in_its_midst: bool,
}

impl Start {
    /// The rule it stopped in, where that is as it was; its top, where it has changed; else the rule after the
    /// last of those that have ended.
    fn of(run: &Run, rules: &RuleSet) -> Start {
        let at = |name: &str| rules.rules.iter().position(|rule| *rule.name == *name);
        let ended = run.ended.iter().filter_map(|(name, _)| at(name));
        match at(&run.rule) {
            Some(rule) => Start {
                rule,
                in_its_midst: rules.rules[rule].digest == run.digest,
            },
            None => Start {
                rule: ended.max().map_or(0, |last| last + 1),
                in_its_midst: false,
            },
        }
    }
}

/// What happens after a step.
enum Flow {
    Next,
    End(RuleEnd),
    /// The attempt goes no further, and why; never a failure for good.
    PutOff(StepError),
}

struct Interpreter<'s, 'f, 'e> {
    setting: &'s Setting<'s>,
    effects: &'f mut Effects<'e>,
    run: Run,
    scope: Scope,
    /// Whether any expression reads `meta`.
    reads_meta: bool,
    /// Of the `for_each` steps around, the outermost first.
    variables: Vec<(String, Value)>,
    trace: Trace,
    /// Of the rule it is in.
    steps: Vec<StepTrace>,
    /// What the last step gave, within a `for_each`.
    last_result: Shared,
}

impl<'s> Interpreter<'s, '_, '_> {
    async fn rules(&mut self, start: Start) -> End {
        let rules: &'s RuleSet = self.setting.rules;
        self.scope.put("email", self.setting.email.clone());
        self.prepare_globals();
        if self.reads_meta {
            self.prepare_meta();
        }
        for (index, rule) in rules.rules.iter().enumerate().skip(start.rule) {
            let resuming = start.in_its_midst && index == start.rule;
            // After a reload one that is behind the message may stand before it again.
            if self.run.has_ended(&rule.name) {
                continue;
            }
            if resuming || self.begins(rule) {
                let flow = self.rule(rule, resuming).await;
                if let Some(end) = self.after_rule(rule, flow) {
                    return end;
                }
            }
            if self.is_over() {
                break;
            }
        }
        self.conclude()
    }

    /// Keeps how a rule ended; gives the attempt's end where it comes no further.
    fn after_rule(&mut self, rule: &Rule, flow: Flow) -> Option<End> {
        match flow {
            Flow::Next => self.ended(rule, RuleEnd::Completed),
            Flow::End(end) => self.ended(rule, end),
            Flow::PutOff(error) => {
                let unknown = matches!(error, StepError::Unknown { .. });
                let state = if unknown {
                    error.to_string()
                } else {
                    format!("deferred: {error}")
                };
                self.keep_trace(rule, state);
                return Some(self.put_off(error));
            }
        }
        None
    }

    fn put_off(&mut self, error: StepError) -> End {
        self.run.custom = self.scope.under("custom").json_map();
        self.run.global = self.scope.under("global").json_map();
        let run = serde_json::to_value(&self.run).expect("a run is plain data");
        let (reason, fault, not_before) = match error {
            StepError::Unknown { what } => return End::Untold { what },
            StepError::Held { reason, until } => return End::Held { reason, until, run },
            StepError::Connection {
                connection,
                fault,
                reason,
                until,
            } => (reason, Some((connection, fault)), until),
            StepError::Later { reason, not_before } => (reason, None, not_before),
            StepError::Failed { .. } => unreachable!("on_error decided what this means"),
        };
        End::Deferred {
            reason,
            fault,
            not_before,
            run,
        }
    }

    fn is_over(&self) -> bool {
        self.run.ended.last().is_some_and(|(_, end)| end.ends_the_message())
    }

    fn conclude(&self) -> End {
        let (outcome, reason, rule) = conclude(&self.run.ended);
        let bounce = match self.run.ended.last() {
            Some((_, RuleEnd::Bounce { text, .. })) => Some(text.clone()),
            _ => None,
        };
        End::Concluded {
            outcome,
            reason,
            rule,
            matched: self.run.matched.clone(),
            bounce,
        }
    }

    /// Whether the rule matches; what does not match is traced here.
    fn begins(&mut self, rule: &Rule) -> bool {
        let mailbox_matches = rule
            .mailboxes
            .as_ref()
            .is_none_or(|names| names.contains(self.setting.mailbox));
        let when = rule.when.as_ref().filter(|_| mailbox_matches);
        // A hundred rules are asked for each message.
        if self.reads_meta && when.is_some_and(|when| when.reads().has("meta")) {
            self.set_meta(&rule.name);
        }
        let condition = self.trace.begin(rule, mailbox_matches, when);
        let holds = match (when, &mut *condition) {
            (Some(when), Some(said)) => when.ask(&self.scope, said),
            _ => Ok(mailbox_matches),
        };
        let matches = match holds {
            Ok(holds) => holds,
            Err(error) => {
                *condition = None;
                let reason = format!("when: {error}");
                self.ended(rule, RuleEnd::Exception { reason });
                return false;
            }
        };
        if matches {
            self.run.begin_rule(rule);
        }
        matches
    }

    async fn rule(&mut self, rule: &'s Rule, resuming: bool) -> Flow {
        self.set_meta(&rule.name);
        if resuming {
            self.trace.resume(rule);
        }
        let custom = if resuming {
            std::mem::take(&mut self.run.custom).into()
        } else {
            rule.unstored.clone()
        };
        self.scope.put("custom", custom);
        self.steps(rule, &rule.steps, String::new(), 0).await
    }

    fn ended(&mut self, rule: &Rule, end: RuleEnd) {
        self.keep_trace(rule, trace::end_in_words(&end));
        self.run.ended.push((rule.name.to_string(), end));
        self.run.leave_rule();
    }

    fn keep_trace(&mut self, rule: &Rule, end: String) {
        let steps = std::mem::take(&mut self.steps);
        self.trace.end(&rule.name, steps, end);
    }

    /// Every `global` name exists from the start.
    fn prepare_globals(&mut self) {
        for (name, empty) in unstored(&self.setting.rules.globals) {
            self.run.global.entry(name).or_insert(empty);
        }
        self.scope.put("custom", Shared::record([]));
        self.scope.put("global", std::mem::take(&mut self.run.global).into());
    }

    /// All of `meta` but the rule, which is another one in each.
    fn prepare_meta(&mut self) {
        let Setting {
            id, attempt, hostname, ..
        } = self.setting;
        let (now, version) = (self.run.now.to_string(), env!("CARGO_PKG_VERSION"));
        let meta =
            json!({ "id": id, "attempt": attempt, "now": now, "rule": "", "version": version, "hostname": hostname });
        self.scope.set("meta", &meta);
    }

    fn set_meta(&mut self, rule: &str) {
        if self.reads_meta {
            self.scope.set_under("meta", [("rule".to_owned(), rule.into())]);
        }
    }
}

#[cfg(test)]
mod tests;
