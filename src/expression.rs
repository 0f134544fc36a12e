//! Text expressions: Tera templates, compiled and checked at load, rendered per message within bounds.
//!
//! Tera renders, this module checks: its own pass over the source finds every name, refuses what is not admitted, and
//! rewrites the text so that paths are safe under a null and operators, filters and loops are counted.

use std::sync::Arc;

use serde_json::Value;

mod blocks;
mod budget;
pub mod catalog;
mod check;
mod condition;
mod direct;
mod emit;
mod engine;
mod filter;
mod freemail;
mod parse;
mod path;
mod reads;
mod roots;
pub mod shape;
mod shared;
mod shown;
mod syntax;
mod token;

pub use freemail::is_freemail_domain;
pub use reads::Reads;
pub use shared::Shared;
pub use shown::{Shown, Stored, Values};

use budget::{Patterns, Stop};
use check::Check;
use condition::Part;
use engine::Program;
use roots::Roots;
use shape::Shape;

/// The names that an expression may see at its place: root name and shape.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// In the order of the manual: `email`, `custom`, `global`, `meta`, loop variables.
    pub roots: Vec<(String, Shape)>,
}

/// What is wrong with an expression; `offset` is in bytes from its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionFault {
    /// Where, in bytes from the start of the source.
    pub offset: usize,
    /// What is wrong: lower case, naming the thing.
    pub problem: String,
    /// What to do; may be empty.
    pub remedy: String,
    /// The name that is not known, with what it stands under (`custom.sender`), where that is the fault.
    pub unknown: Option<String>,
}

/// Why a text that was checked at load could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Output, loop turns or a filter's input passed its bound.
    #[error("the expression {expression:?} passes a bound: {bound}")]
    Bound {
        /// The part of the source that was being rendered.
        expression: String,
        /// The bound, as a sentence.
        bound: String,
    },
    /// A computed pattern that is bad, a filter given what it can not take.
    #[error("the expression {expression:?} can not be rendered: {reason}")]
    Failed {
        /// The part of the source that was being rendered.
        expression: String,
        /// What could not be done.
        reason: String,
    },
}

/// Characters of an expression that an error shows.
const SHOWN: usize = 200;

fn failed(expression: &str, stop: Stop) -> RenderError {
    let expression = match expression.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &expression[..end]),
        None => expression.to_owned(),
    };
    match stop {
        Stop::Bound(bound) => RenderError::Bound { expression, bound },
        Stop::Failed(reason) => RenderError::Failed { expression, reason },
    }
}

/// The values an expression sees while a message runs. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    roots: Arc<Roots>,
    freemail: Arc<[String]>,
}

impl Scope {
    /// A scope without names.
    pub fn new() -> Scope {
        Scope::default()
    }

    /// The same scope, where `is_freemail` also knows these domains.
    pub fn with_freemail(mut self, domains: &[String]) -> Scope {
        self.freemail = domains.into();
        self
    }

    /// Sets a root name (`email`, `custom`, `global`, `meta`, a loop variable). The value is converted once, here.
    pub fn set(&mut self, root: &str, value: &Value) {
        let value = tera::Value::from_serializable(value);
        Arc::make_mut(&mut self.roots).put(root, value);
    }

    /// The same with a value that others keep, too.
    pub fn put(&mut self, root: &str, value: Shared) {
        Arc::make_mut(&mut self.roots).put(root, value.0);
    }

    /// Sets names under a root, and leaves the others there as they are.
    pub fn set_under<const N: usize>(&mut self, root: &str, values: [(String, Shared); N]) {
        let roots = Arc::make_mut(&mut self.roots);
        let mut map = roots.take(root).and_then(tera::Value::into_map).unwrap_or_default();
        map.extend(values.into_iter().map(|(name, value)| (name.into(), value.0)));
        roots.put(root, tera::Value::from(map));
    }

    /// What stands under a root.
    pub fn under(&self, root: &str) -> Shared {
        self.roots.find(root).cloned().map(Shared).unwrap_or_default()
    }
}

/// A text with `{{ … }}` in it.
#[derive(Debug, Clone)]
pub struct Template {
    source: Arc<str>,
    /// `None` where the text holds no expression.
    program: Option<Program>,
    reads: Reads,
}

impl Template {
    /// Checks and compiles a text; all faults are reported at once, in the order of their places.
    pub fn compile(source: &str, names: &Names) -> Result<Template, Vec<ExpressionFault>> {
        if !["{{", "{%", "{#"].into_iter().any(|opening| source.contains(opening)) {
            return Ok(Template {
                source: source.into(),
                program: None,
                reads: Reads::default(),
            });
        }
        let pieces = blocks::template(source).map_err(|fault| vec![fault])?;
        let mut check = Check::new(source, names);
        check.pieces(&pieces);
        let (patterns, reads) = check.finish()?;
        let program = Program::load(emit::template(source, &pieces), patterns).map_err(|fault| vec![fault])?;
        Ok(Template {
            source: source.into(),
            program: Some(program),
            reads,
        })
    }

    /// The text itself where it holds no expression: the field is locked.
    pub fn literal(&self) -> Option<&str> {
        self.program.is_none().then_some(&self.source)
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names that it reads.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The text with its expressions' values in their places.
    pub fn render(&self, scope: &Scope) -> Result<String, RenderError> {
        let Some(program) = &self.program else {
            return Ok((*self.source).to_owned());
        };
        program
            .text(scope)
            .map_err(|stopped| failed(around(&self.source, stopped.offset), stopped.stop))
    }
}

/// What stands in the tag around an offset.
fn around(source: &str, offset: usize) -> &str {
    let opening = source.get(..offset + 2).unwrap_or(&source[..offset]);
    let start = opening.rfind("{{").max(opening.rfind("{%")).map_or(0, |at| at + 2);
    let rest = &source[start..];
    let end = [rest.find("}}"), rest.find("%}")]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(rest.len());
    rest[..end].trim_matches('-').trim()
}

/// Words that are no variables.
pub fn is_reserved(word: &str) -> bool {
    parse::RESERVED.contains(&word) || word.starts_with("__")
}

/// An expression without braces, checked.
struct Checked {
    node: syntax::Node,
    shape: Shape,
    patterns: Arc<Patterns>,
    reads: Reads,
}

fn checked(
    source: &str,
    parsed: Result<syntax::Node, ExpressionFault>,
    names: &Names,
) -> Result<Checked, Vec<ExpressionFault>> {
    let node = parsed.map_err(|fault| vec![fault])?;
    let mut check = Check::new(source, names);
    let shape = check.node(&node);
    let (patterns, reads) = check.finish()?;
    Ok(Checked {
        node,
        shape,
        patterns,
        reads,
    })
}

/// A `when`: the same language without braces.
#[derive(Debug, Clone)]
pub struct Condition {
    source: Arc<str>,
    whole: Arc<Part>,
    reads: Reads,
}

/// A condition's evaluation, as the run decides by it and `explain` prints it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Evaluated {
    /// This part's text as it was written. Shared with the condition: a hundred rules are asked for each message.
    pub text: Arc<str>,
    /// Whether it holds. An empty text, 0, an empty list and what is nothing are false.
    pub truth: bool,
    /// For a leaf that reads names: each with its value, shown cut short (`email.subject` = `"Printer"`).
    #[serde(serialize_with = "shown::write", deserialize_with = "shown::read")]
    pub values: Values,
    /// Empty for a leaf; `and`, `or`, `not` have their parts here.
    pub parts: Vec<Evaluated>,
    /// False for a part that was not reached: those before it had decided.
    #[serde(default = "was_asked", skip_serializing_if = "Clone::clone")]
    pub asked: bool,
}

/// Traces of earlier versions have no part that was not asked.
fn was_asked() -> bool {
    true
}

impl Condition {
    /// Checks and compiles a condition; all faults are reported at once, in the order of their places.
    pub fn compile(source: &str, names: &Names) -> Result<Condition, Vec<ExpressionFault>> {
        let Checked {
            node, patterns, reads, ..
        } = checked(source, parse::condition(source), names)?;
        let whole = Part::of(source, &node, &patterns).map_err(|fault| vec![fault])?;
        Ok(Condition {
            source: source.into(),
            whole: whole.into(),
            reads,
        })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it holds, and by which values.
    pub fn evaluate(&self, scope: &Scope) -> Result<Evaluated, RenderError> {
        let mut said = self.unasked();
        self.ask(scope, &mut said)?;
        Ok(said)
    }

    /// What is said of it before it is asked.
    pub(crate) fn unasked(&self) -> Evaluated {
        self.whole.unasked()
    }

    /// Whether it holds; by which values, is said in what was said of it before.
    pub(crate) fn ask(&self, scope: &Scope, said: &mut Evaluated) -> Result<bool, RenderError> {
        self.whole.ask(scope, said)
    }

    /// The names that it reads.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }
}

/// An expression without braces whose value is used as it is (`for_each.items`).
#[derive(Debug, Clone)]
pub struct ValueExpression {
    source: Arc<str>,
    shape: Shape,
    program: Program,
    reads: Reads,
}

impl ValueExpression {
    /// Checks and compiles an expression; all faults are reported at once, in the order of their places.
    pub fn compile(source: &str, names: &Names) -> Result<ValueExpression, Vec<ExpressionFault>> {
        let checked = checked(source, parse::bare(source), names)?;
        let emitted = emit::value(source, &checked.node);
        let program = Program::load(emitted, checked.patterns).map_err(|fault| vec![fault])?;
        Ok(ValueExpression {
            source: source.into(),
            shape: checked.shape,
            program,
            reads: checked.reads,
        })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names that it reads.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The shape of its value, `Any` where that is not known.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Its value; null where it comes to nothing.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, RenderError> {
        let source: &str = &self.source;
        let value = self
            .program
            .value(scope)
            .map_err(|stopped| failed(source, stopped.stop))?;
        // Elements are shared until they are written out, so the size is known only then.
        filter::json(&value).map_err(|stop| failed(source, stop))?;
        serde_json::to_value(&value)
            .map_err(|error| failed(source, Stop::Failed(format!("its value is not JSON: {error}"))))
    }
}

#[cfg(test)]
mod tests;
