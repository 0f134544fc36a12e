//! `for_each`: its own steps once for each item, resumed in the turn in which it stopped.

use serde_json::{Value, json};

use super::{Flow, Interpreter, state::Loop, trace::StepTrace};
use crate::{
    expression::Shared,
    rules::{Rule, Step},
};

/// More items than this make a `for_each` fail: it passes its bound.
pub(super) const MOST_ITEMS: usize = 1_000;
/// So many turns may all `for_each` steps of a rule take together: one within another multiplies them.
pub(super) const MOST_TURNS: usize = 10_000;

impl<'s> Interpreter<'s, '_, '_> {
    pub(super) async fn for_each(
        &mut self,
        rule: &'s Rule,
        step: &'s Step,
        mut trace: StepTrace,
        depth: usize,
    ) -> Flow {
        if self.run.frames[depth].turns.is_none() {
            match self.items(step, &mut trace) {
                Ok(items) => self.run.frames[depth].turns = Some(Loop::over(items)),
                Err(reason) => return self.fail(step, trace, reason),
            }
        }
        let around = self.variables.len();
        while let Some((turn, item)) = self.run.turn(depth) {
            if self.run.turns_taken >= MOST_TURNS {
                self.leave_variables(around);
                let reason =
                    format!("the for_each steps of this rule take more than {MOST_TURNS} turns; that is the bound");
                return self.fail(step, trace, reason);
            }
            self.variables.truncate(around);
            self.variables.push((step.word("as").trim().to_owned(), item));
            self.variables.push((step.word("index").trim().to_owned(), json!(turn)));
            self.show_variables(around);
            self.last_result = Shared::default();
            let path = format!("{}[{turn}].", trace.path);
            let flow = self.steps(rule, &step.steps, path, depth + 1).await;
            if !matches!(flow, Flow::Next) {
                self.steps.push(trace);
                return flow;
            }
            let result = std::mem::take(&mut self.last_result);
            self.run.turned(depth, result);
        }
        self.leave_variables(around);
        let turns = self.run.frames[depth].turns.take().unwrap_or_default();
        self.worked(step, trace, turns.results.into())
    }

    fn items(&self, step: &Step, trace: &mut StepTrace) -> Result<Vec<Value>, String> {
        let fields = step.render(&self.scope).map_err(|error| error.to_string())?;
        trace.show_fields(&fields);
        match fields.value("items") {
            Value::Array(items) if items.len() <= MOST_ITEMS => Ok(items),
            Value::Array(items) => Err(format!("items has {} items; the bound is {MOST_ITEMS}", items.len())),
            Value::Null => Ok(Vec::new()),
            _ => Err(fields.wrong("items", "is no list", "it needs one").to_string()),
        }
    }

    /// One within another may use the same names: the outer one's values come back.
    fn leave_variables(&mut self, around: usize) {
        self.variables.truncate(around);
        self.show_variables(0);
    }

    fn show_variables(&mut self, from: usize) {
        for (name, value) in &self.variables[from..] {
            self.scope.set(name, value);
        }
    }
}
