//! A condition as its parts: `and`, `or` and `not` are walked here, each leaf is a program of its own.

use std::sync::Arc;

use super::{
    Evaluated, ExpressionFault, RenderError, Scope, Shared, Shown, Values,
    budget::{Patterns, Run, Stop},
    direct::{Direct, Known, Read},
    emit,
    engine::Program,
    failed,
    path::Path,
    syntax::{Expr, Node, Op},
};

/// A part of a condition.
#[derive(Debug)]
pub struct Part {
    text: Arc<str>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    All(Vec<Part>),
    Any(Vec<Part>),
    Not(Box<Part>),
    Leaf {
        leaf: Leaf,
        /// Each name it reads: as it is written, and its steps.
        reads: Vec<Read>,
    },
}

/// What decides a leaf. Most need no renderer.
#[derive(Debug)]
enum Leaf {
    Direct(Direct),
    Program(Program),
}

impl Part {
    /// Divides a checked condition.
    pub fn of(source: &str, node: &Node, patterns: &Arc<Patterns>) -> Result<Part, ExpressionFault> {
        let text = source[node.start..node.end].into();
        let kind = match &node.kind {
            Expr::Binary(op @ (Op::And | Op::Or), ..) => {
                let mut operands = Vec::new();
                same(*op, node, &mut operands);
                let parts = operands
                    .into_iter()
                    .map(|part| Part::of(source, part, patterns))
                    .collect::<Result<_, _>>()?;
                if *op == Op::And {
                    Kind::All(parts)
                } else {
                    Kind::Any(parts)
                }
            }
            Expr::Not(of) => Kind::Not(Box::new(Part::of(source, of, patterns)?)),
            _ => {
                let reads = reads(source, node);
                let leaf = Leaf::of(source, node, &reads, patterns)?;
                Kind::Leaf { leaf, reads }
            }
        };
        Ok(Part { text, kind })
    }

    /// What is said of it before it is asked.
    pub fn unasked(&self) -> Evaluated {
        Evaluated {
            text: self.text.clone(),
            truth: false,
            values: Values::new(),
            parts: Vec::new(),
            asked: false,
        }
    }

    /// Whether it holds: asks its parts in their order and only as far as they decide. `said`, where all of it is said, is
    /// that of [`Part::unasked`], and stands where it is to stay: it is long, and a hundred rules are asked for each message.
    pub fn ask(&self, scope: &Scope, said: &mut Evaluated) -> Result<bool, RenderError> {
        said.truth = match &self.kind {
            Kind::All(parts) => until(parts, scope, false, &mut said.parts)?,
            Kind::Any(parts) => until(parts, scope, true, &mut said.parts)?,
            Kind::Not(part) => !until(std::slice::from_ref(part), scope, true, &mut said.parts)?,
            Kind::Leaf { leaf, reads } => {
                // Looked up once, for the answer and for whoever looks at it.
                look_up(reads, scope, &mut said.values);
                leaf.is_true(&said.values, scope)
                    .map_err(|stop| failed(&self.text, stop))?
            }
        };
        said.asked = true;
        Ok(said.truth)
    }
}

impl Leaf {
    fn of(source: &str, node: &Node, reads: &[Read], patterns: &Arc<Patterns>) -> Result<Leaf, ExpressionFault> {
        let known = Known { reads, patterns };
        match known.direct(node) {
            Some(direct) => Ok(Leaf::Direct(direct)),
            None => Program::load(emit::value(source, node), patterns.clone()).map(Leaf::Program),
        }
    }

    fn is_true(&self, values: &Values, scope: &Scope) -> Result<bool, Stop> {
        Ok(match self {
            Leaf::Direct(direct) => direct.is_true(values, &mut Run::new(&scope.freemail))?,
            Leaf::Program(program) => program.value(scope).map_err(|stopped| stopped.stop)?.is_truthy(),
        })
    }
}

/// Asks parts until one decides; the others are there and say that they were not asked.
fn until(parts: &[Part], scope: &Scope, decides: bool, said: &mut Vec<Evaluated>) -> Result<bool, RenderError> {
    *said = parts.iter().map(Part::unasked).collect();
    for (part, said) in parts.iter().zip(said) {
        if part.ask(scope, said)? == decides {
            return Ok(decides);
        }
    }
    Ok(!decides)
}

/// The operands of `a and b and c`, which the grammar nests to the left.
fn same<'n>(op: Op, node: &'n Node, operands: &mut Vec<&'n Node>) {
    match &node.kind {
        Expr::Binary(inner, left, right) if *inner == op => {
            same(op, left, operands);
            same(op, right, operands);
        }
        _ => operands.push(node),
    }
}

/// The names that an expression reads, as far as they are written out, each once.
pub fn reads(source: &str, node: &Node) -> Vec<Read> {
    let mut found = Vec::new();
    names(source, node, &mut Vec::new(), &mut found);
    found
}

/// Puts each of these names there with its value; null where there is none.
pub fn look_up(reads: &[Read], scope: &Scope, values: &mut Values) {
    for (name, path) in reads {
        let value = path
            .find(scope)
            .map_or_else(Shared::default, |value| Shared(value.clone()));
        values.push((name.clone(), Shown::from(value)));
    }
}

fn names(source: &str, node: &Node, bound: &mut Vec<String>, found: &mut Vec<Read>) {
    if let Some(steps) = node.plain_path(source) {
        let known = found.iter().any(|(_, earlier)| earlier.is(&steps));
        if !known && !bound.contains(&steps[0]) {
            found.extend(Path::of(steps).map(|path| (source[node.start..node.end].into(), path)));
        }
        return;
    }
    let before = bound.len();
    if let Expr::Comprehension(inner) = &node.kind {
        names(source, &inner.over, bound, found);
        bound.extend(inner.key.iter().chain([&inner.value]).map(|name| name.text.clone()));
    }
    for child in node.children() {
        names(source, child, bound, found);
    }
    bound.truncate(before);
}
