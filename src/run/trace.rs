//! What happened in an attempt: what `show` and `explain` print, as the journal keeps it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    action::Fields,
    effect::EffectTrace,
    expression::{Condition, Evaluated, Stored},
    halo::client::Call,
    rules::{Rule, RuleEnd, Step},
};

/// An attempt, rule by rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Every rule that was looked at.
    pub rules: Vec<RuleTrace>,
    /// `meta.now`; none where no rule saw the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
    /// `meta.hostname`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hostname: String,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleTrace {
    /// Its name.
    pub rule: Arc<str>,
    /// Whether it is for this mailbox.
    pub mailbox_matches: bool,
    /// Its `when`; `None` where it has none, or it was not asked.
    pub condition: Option<Evaluated>,
    /// Whether the attempt resumed in its midst.
    pub resumed: bool,
    /// In order; those of a `for_each` stand before it.
    pub steps: Vec<StepTrace>,
    /// In words; empty where it did not match.
    pub end: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepTrace {
    /// `2`, or `2[0].1` within a `for_each`.
    pub path: String,
    /// What the operator calls it, else its type.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Its own `when`, where it has one.
    pub when: Option<Evaluated>,
    /// Whether its `when` let it run.
    pub ran: bool,
    /// As rendered.
    pub fields: Vec<(String, Value)>,
    /// What it asked of the world.
    pub effects: Vec<EffectTrace>,
    /// What it stored.
    pub result: Stored,
    /// Why it failed.
    pub error: Option<String>,
    /// What that meant.
    pub on_error: Option<String>,
    /// In milliseconds.
    pub took_ms: u64,
}

impl StepTrace {
    /// A step that begins.
    pub fn new(step: &Step, path: &str) -> StepTrace {
        StepTrace {
            path: path.to_owned(),
            name: step.name.clone(),
            kind: step.kind.row().word.to_owned(),
            when: None,
            ran: true,
            fields: Vec::new(),
            effects: Vec::new(),
            result: Stored::default(),
            error: None,
            on_error: None,
            took_ms: 0,
        }
    }

    /// Keeps the rendered fields, without those that are neither written nor worth a line.
    pub fn show_fields(&mut self, fields: &Fields) {
        let worth_a_line = fields
            .0
            .iter()
            .filter(|field| field.written || field.value != Value::String(String::new()));
        self.fields = worth_a_line
            .map(|field| (field.name.clone(), field.value.clone()))
            .collect();
    }
}

impl Trace {
    /// A rule is looked at, and this condition is asked. Gives the place where what is said of it stands.
    pub fn begin(&mut self, rule: &Rule, mailbox_matches: bool, when: Option<&Condition>) -> &mut Option<Evaluated> {
        let place = self.rules.len();
        self.rules.push(RuleTrace {
            rule: rule.name.clone(),
            mailbox_matches,
            condition: when.map(Condition::unasked),
            resumed: false,
            steps: Vec::new(),
            end: String::new(),
        });
        &mut self.rules[place].condition
    }

    /// An attempt resumes within a rule.
    pub fn resume(&mut self, rule: &Rule) {
        self.begin(rule, true, None);
        if let Some(last) = self.rules.last_mut() {
            last.resumed = true;
        }
    }

    /// The requests to Halo that went out, in order.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        let steps = self.rules.iter().flat_map(|rule| &rule.steps);
        steps
            .flat_map(|step| &step.effects)
            .filter(|effect| effect.connection.is_some())
            .flat_map(|effect| &effect.calls)
            .filter(|call| !call.is_unsent())
    }

    /// How many of them count for this message.
    pub fn counted(&self) -> usize {
        self.calls().filter(|call| !call.counts_elsewhere).count()
    }

    /// The rule ended, or the attempt did within it.
    pub fn end(&mut self, rule: &str, steps: Vec<StepTrace>, end: String) {
        if let Some(trace) = self.rules.iter_mut().rev().find(|trace| *trace.rule == *rule) {
            trace.steps = steps;
            trace.end = end;
        }
    }
}

/// How a rule ended, for people.
pub fn end_in_words(end: &RuleEnd) -> String {
    match end {
        RuleEnd::Completed => "ran to its end".to_owned(),
        RuleEnd::CompletedAll => "ended all rules (stop_all)".to_owned(),
        RuleEnd::Stopped { reason } => format!("stopped: {reason}"),
        RuleEnd::StoppedAll { reason } => format!("stopped all rules: {reason}"),
        RuleEnd::Exception { reason } => format!("exception: {reason}"),
        RuleEnd::Bounce { reason, .. } => format!("bounce: {reason}"),
    }
}
