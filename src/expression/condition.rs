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
    Direct(Direct, Arc<Patterns>),
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

    /// Evaluates it, parts in their order and only as far as they decide.
    pub fn evaluate(&self, scope: &Scope) -> Result<Evaluated, RenderError> {
        let (truth, parts) = match &self.kind {
            Kind::All(parts) => until(parts, scope, false)?,
            Kind::Any(parts) => until(parts, scope, true)?,
            Kind::Not(part) => {
                let part = part.evaluate(scope)?;
                (!part.truth, vec![part])
            }
            Kind::Leaf { leaf, reads } => {
                // Looked up once, for the answer and for whoever looks at it.
                let values = values(reads, scope);
                let truth = leaf.is_true(&values, scope).map_err(|stop| failed(&self.text, stop))?;
                return Ok(Evaluated {
                    text: self.text.clone(),
                    truth,
                    values,
                    parts: Vec::new(),
                    asked: true,
                });
            }
        };
        Ok(Evaluated {
            text: self.text.clone(),
            truth,
            values: Values::new(),
            parts,
            asked: true,
        })
    }

    fn not_asked(&self) -> Evaluated {
        Evaluated {
            text: self.text.clone(),
            truth: false,
            values: Values::new(),
            parts: Vec::new(),
            asked: false,
        }
    }
}

impl Leaf {
    fn of(source: &str, node: &Node, reads: &[Read], patterns: &Arc<Patterns>) -> Result<Leaf, ExpressionFault> {
        let known = Known { reads, patterns };
        match known.direct(node) {
            Some(direct) => Ok(Leaf::Direct(direct, patterns.clone())),
            None => Program::load(emit::value(source, node), patterns.clone()).map(Leaf::Program),
        }
    }

    fn is_true(&self, values: &Values, scope: &Scope) -> Result<bool, Stop> {
        Ok(match self {
            Leaf::Direct(direct, patterns) => {
                let mut run = Run::new(patterns, &scope.freemail);
                direct.value(values, &mut run)?.is_truthy()
            }
            Leaf::Program(program) => program.value(scope).map_err(|stopped| stopped.stop)?.is_truthy(),
        })
    }
}

/// Evaluates parts until one is as asked for; the others are there and say that they were not asked.
fn until(parts: &[Part], scope: &Scope, decides: bool) -> Result<(bool, Vec<Evaluated>), RenderError> {
    let mut evaluated = Vec::with_capacity(parts.len());
    let mut decided = false;
    for part in parts {
        if decided {
            evaluated.push(part.not_asked());
            continue;
        }
        let part = part.evaluate(scope)?;
        decided = part.truth == decides;
        evaluated.push(part);
    }
    Ok((decided == decides, evaluated))
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

/// Each of these names with its value; null where there is none.
pub fn values(reads: &[Read], scope: &Scope) -> Values {
    let values = reads.iter().map(|(name, path)| {
        let value = path.find(scope).cloned().map(Shared);
        (name.clone(), Shown::from(value))
    });
    values.collect()
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
