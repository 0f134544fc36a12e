//! Where a run stands: enough to go on later, in another process.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    action::Fields,
    expression::Shared,
    rules::{Rule, RuleEnd},
};

/// A run, as a deferred message keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// `meta.now`: the same for all attempts.
    pub now: Timestamp,
    /// The matching rules that are behind it.
    pub ended: Vec<(String, RuleEnd)>,
    /// The rules that matched the message, those that are behind it and the one it is in.
    #[serde(default)]
    pub matched: Vec<String>,
    /// The rule it is in; empty between rules.
    pub rule: String,
    /// That rule's digest.
    pub digest: String,
    /// The step it is at, and for each `for_each` around it the step within.
    pub frames: Vec<Frame>,
    /// As it stood when the attempt was put off; in between, the scope has it. Cleared when a rule ends.
    pub custom: Map<String, Value>,
    /// The same, kept to the message's end.
    pub global: Map<String, Value>,
    /// The fields of the step it is in, once they were rendered.
    pub fields: Option<Arc<Fields>>,
    /// By all `for_each` steps of the rule it is in.
    pub turns_taken: usize,
    /// So many steps of the rule it is in have made something that bears a mark.
    #[serde(default)]
    pub marked: u32,
}

/// A place in a list of steps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Frame {
    /// The index of the step.
    pub step: usize,
    /// Where that step is a `for_each`: how far it is.
    pub turns: Option<Loop>,
}

/// A `for_each` in its midst.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Loop {
    /// Frozen when it began.
    pub items: Vec<Value>,
    /// The turn it is in, from 0.
    pub turn: usize,
    /// What the turns before gave.
    pub results: Vec<Shared>,
}

impl Loop {
    /// The first turn of a loop.
    pub fn over(items: Vec<Value>) -> Loop {
        Loop {
            items,
            ..Loop::default()
        }
    }
}

impl Run {
    /// A run that begins.
    pub fn new(now: Timestamp) -> Run {
        Run {
            now,
            ended: Vec::new(),
            matched: Vec::new(),
            rule: String::new(),
            digest: String::new(),
            frames: Vec::new(),
            custom: Map::new(),
            global: Map::new(),
            fields: None,
            turns_taken: 0,
            marked: 0,
        }
    }

    /// The rules that had matched where a run, as a deferred message keeps it, stopped.
    pub fn matched_in(run: &Value) -> Vec<String> {
        serde_json::from_value(run["matched"].clone()).unwrap_or_default()
    }

    /// Whether that rule is behind it.
    pub fn has_ended(&self, rule: &str) -> bool {
        self.ended.iter().any(|(name, _)| name == rule)
    }

    /// A matching rule begins.
    pub fn begin_rule(&mut self, rule: &Rule) {
        self.leave_rule();
        if !self.matched.iter().any(|name| **name == *rule.name) {
            self.matched.push(rule.name.to_string());
        }
        self.rule = rule.name.to_string();
        self.digest = rule.digest.clone();
    }

    /// Between rules.
    pub fn leave_rule(&mut self) {
        self.rule.clear();
        self.digest.clear();
        self.frames.clear();
        self.custom.clear();
        self.fields = None;
        self.turns_taken = 0;
        self.marked = 0;
    }

    /// Enters a list of steps; gives the step to begin with.
    pub fn enter(&mut self, depth: usize) -> usize {
        if self.frames.len() <= depth {
            self.frames.push(Frame::default());
        }
        self.frames[depth].step
    }

    /// The step at `depth` had its turn.
    pub fn done(&mut self, depth: usize) {
        self.fields = None;
        self.frames.truncate(depth + 1);
        self.frames[depth].turns = None;
    }

    /// Whether the step at `depth` was begun by an earlier attempt: its condition is not asked again.
    pub fn is_in_its_midst(&self, depth: usize) -> bool {
        let innermost = self.frames.len() == depth + 1;
        self.frames[depth].turns.is_some() || (innermost && self.fields.is_some())
    }

    /// The turn that the `for_each` at `depth` is in, with its item; `None` when all were taken.
    pub fn turn(&self, depth: usize) -> Option<(usize, Value)> {
        let turns = self.frames[depth].turns.as_ref()?;
        turns.items.get(turns.turn).map(|item| (turns.turn, item.clone()))
    }

    /// The turn is over.
    pub fn turned(&mut self, depth: usize, result: Shared) {
        self.frames.truncate(depth + 1);
        self.turns_taken += 1;
        if let Some(turns) = &mut self.frames[depth].turns {
            turns.turn += 1;
            turns.results.push(result);
        }
    }
}
