//! Rules: which steps a message's context calls for, and what it means when one fails.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    action::{Fields, Kind, Rendered},
    config::{ConnectionName, MailboxName},
    expression::{Condition, Reads, RenderError, Scope, Shared, Template, ValueExpression},
    outcome::Outcome,
};

mod catch_alls;
mod compile;
mod entry;
pub mod load;

pub use entry::Entry;

/// All rules that are not resting, in the order of the files.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// In the order in which they run.
    pub rules: Vec<Rule>,
    /// `[bounce].message`; sees `email` and `meta`.
    pub bounce_message: Template,
    /// Every name that a step of any rule stores under `global`, of the rules at rest too.
    pub globals: Vec<String>,
    /// What all of this reads: an attempt builds no more.
    pub reads: Reads,
}

/// One `[[rule]]`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique. Shared with the traces of all messages.
    pub name: Arc<str>,
    /// `None`: all.
    pub mailboxes: Option<Vec<MailboxName>>,
    /// `None`: always.
    pub when: Option<Condition>,
    /// In order.
    pub steps: Vec<Step>,
    /// Changes when anything in the rule changes; a deferred message resumes only in the same rule.
    pub digest: String,
    /// What stands under `custom` when it begins: every name that its steps store there.
    pub unstored: Shared,
}

/// One `[[rule.action]]`.
#[derive(Debug, Clone)]
pub struct Step {
    /// Counted from 1 among its siblings.
    pub number: usize,
    /// What the operator calls it, else its type.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// `None`: always.
    pub when: Option<Condition>,
    /// What a failure for good means.
    pub on_error: OnError,
    /// Where its result is kept.
    pub store_as: Option<Store>,
    /// Which Halo; for the steps that ask it.
    pub connection: Option<ConnectionName>,
    /// In the order of the table.
    pub fields: Vec<FieldTemplate>,
    /// The steps of a `for_each`.
    pub steps: Vec<Step>,
}

/// Where a result is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// Until the rule ends.
    Custom(String),
    /// Until the message ends.
    Global(String),
}

/// What a failure for good means (`product.md`, 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// `failed`; operators are told.
    Exception,
    /// Returned to its sender.
    Bounce,
    /// As if it had worked, with the failure recorded.
    Continue,
    /// This rule ends; later ones run.
    Stop,
    /// All rules end.
    StopAll,
}

impl OnError {
    /// All of them with their words.
    pub const ALL: [(&'static str, OnError); 5] = [
        ("exception", OnError::Exception),
        ("bounce", OnError::Bounce),
        ("continue", OnError::Continue),
        ("stop", OnError::Stop),
        ("stop_all", OnError::StopAll),
    ];

    /// Its word in a configuration.
    pub fn word(self) -> &'static str {
        OnError::ALL
            .iter()
            .find(|(_, known)| *known == self)
            .map_or("", |(word, _)| word)
    }
}

/// A field before rendering.
#[derive(Debug, Clone)]
pub struct FieldTemplate {
    /// From the table.
    pub name: &'static str,
    /// Its text.
    pub source: FieldSource,
    /// Whether the operator wrote it.
    pub written: bool,
    /// `{ name = "…" }`
    pub is_name: bool,
}

/// The text of a field.
#[derive(Debug, Clone)]
pub enum FieldSource {
    /// A text expression, or a literal.
    Text(Template),
    /// A table of them.
    Table(Vec<(String, Template)>),
    /// An expression without braces.
    Expression(ValueExpression),
    /// Tables and lists.
    Entry(Entry),
}

impl Step {
    /// Renders all fields; done once, when the step first begins.
    pub fn render(&self, scope: &Scope) -> Result<Fields, RenderError> {
        self.fields
            .iter()
            .map(|field| field.render(scope))
            .collect::<Result<_, _>>()
            .map(Fields)
    }

    /// The literal text of a field that the table wants literal.
    pub fn word(&self, name: &str) -> &str {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .and_then(|field| match &field.source {
                FieldSource::Text(template) => template.literal(),
                _ => None,
            })
            .unwrap_or_default()
    }
}

impl FieldTemplate {
    fn render(&self, scope: &Scope) -> Result<Rendered, RenderError> {
        let (expression, value, locked) = match &self.source {
            FieldSource::Text(template) => (
                template.source().to_owned(),
                template.render(scope)?.into(),
                template.literal().is_some(),
            ),
            FieldSource::Table(values) => {
                let rendered = values
                    .iter()
                    .map(|(key, template)| Ok((key.clone(), template.render(scope)?.into())));
                (
                    String::new(),
                    serde_json::Value::Object(rendered.collect::<Result<_, RenderError>>()?),
                    false,
                )
            }
            FieldSource::Expression(expression) => (expression.source().to_owned(), expression.evaluate(scope)?, false),
            FieldSource::Entry(entry) => (String::new(), entry.render(scope)?, false),
        };
        let (name, written) = (self.name.to_owned(), self.written);
        Ok(Rendered {
            name,
            expression,
            value,
            locked,
            written,
            is_name: self.is_name,
        })
    }
}

/// How one matching rule ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleEnd {
    /// Its last step had its turn, or a `stop` step ended it.
    Completed,
    /// A `stop_all` step ended it and all later rules.
    CompletedAll,
    /// A step failed under `stop`.
    Stopped { reason: String },
    /// A step failed under `stop_all`.
    StoppedAll { reason: String },
    /// A step failed under `exception`.
    Exception { reason: String },
    /// A step failed under `bounce`, or a `bounce` step: what the sender reads, and why in our words.
    Bounce { text: String, reason: String },
}

impl RuleEnd {
    /// Whether no later rule runs.
    pub fn ends_the_message(&self) -> bool {
        !matches!(self, RuleEnd::Completed | RuleEnd::Stopped { .. })
    }
}

/// These names before anything was stored under them: null, and beside each the empty text of its `…_error`.
pub fn unstored(names: &[String]) -> impl Iterator<Item = (String, Value)> {
    let errors = names
        .iter()
        .map(|name| (format!("{name}_error"), Value::String(String::new())));
    // A step may store under a name that looks like an error's: it comes last and wins.
    errors.chain(names.iter().map(|name| (name.clone(), Value::Null)))
}

/// What all matching rules together mean for the message: outcome, reason, and the rule that decided.
pub fn conclude(ends: &[(String, RuleEnd)]) -> (Outcome, String, String) {
    let Some((last_rule, last)) = ends.last() else {
        return (Outcome::Ignored, String::new(), String::new());
    };
    let decided = |outcome, reason: &String| (outcome, reason.clone(), last_rule.clone());
    match last {
        RuleEnd::Exception { reason } => return decided(Outcome::Failed, reason),
        RuleEnd::Bounce { reason, .. } => return decided(Outcome::Bounced, reason),
        RuleEnd::StoppedAll { reason } => return decided(Outcome::Stopped, reason),
        RuleEnd::Completed | RuleEnd::CompletedAll | RuleEnd::Stopped { .. } => {}
    }
    let ran_to_its_end = |end: &RuleEnd| matches!(end, RuleEnd::Completed | RuleEnd::CompletedAll);
    if let Some((rule, _)) = ends.iter().rev().find(|(_, end)| ran_to_its_end(end)) {
        return (Outcome::Completed, String::new(), rule.clone());
    }
    match last {
        RuleEnd::Stopped { reason } => decided(Outcome::Stopped, reason),
        _ => decided(Outcome::Completed, &String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ends: &[RuleEnd], outcome: Outcome, reason: &str, rule: &str) {
        let named: Vec<_> = ends
            .iter()
            .enumerate()
            .map(|(n, end)| (format!("r{}", n + 1), end.clone()))
            .collect();
        assert_eq!(
            conclude(&named),
            (outcome, reason.to_owned(), rule.to_owned()),
            "{ends:?}"
        );
    }

    #[test]
    fn the_ends_of_the_rules_make_one_outcome() {
        let why = || "why".to_owned();
        let (completed, stopped) = (RuleEnd::Completed, RuleEnd::Stopped { reason: why() });
        check(&[], Outcome::Ignored, "", "");
        check(std::slice::from_ref(&completed), Outcome::Completed, "", "r1");
        check(std::slice::from_ref(&stopped), Outcome::Stopped, "why", "r1");
        check(&[stopped.clone(), completed.clone()], Outcome::Completed, "", "r2");
        check(&[completed.clone(), stopped.clone()], Outcome::Completed, "", "r1");
        check(
            &[completed.clone(), RuleEnd::StoppedAll { reason: why() }],
            Outcome::Stopped,
            "why",
            "r2",
        );
        check(&[stopped.clone(), RuleEnd::CompletedAll], Outcome::Completed, "", "r2");
        check(
            &[completed.clone(), RuleEnd::Exception { reason: why() }],
            Outcome::Failed,
            "why",
            "r2",
        );
        check(
            &[
                completed,
                RuleEnd::Bounce {
                    text: "t".into(),
                    reason: why(),
                },
            ],
            Outcome::Bounced,
            "why",
            "r2",
        );
    }
}
