//! What needs no renderer: names, values that are written out, and filters, tests and operators on these. They are the
//! functions that the renderer calls, under the same bounds; most conditions are made of nothing else.

use std::{borrow::Cow, sync::Arc};

use tera::Value;

use super::{
    Values,
    budget::{Pattern, Patterns, Run, Stop},
    catalog,
    filter::{self, Function, operator, test},
    path::Path,
    syntax::{Expr, Literal, Node, Op},
};

/// A name that an expression reads: as it is written, and where it stands.
pub type Read = (Arc<str>, Path);

/// An expression that is evaluated without a renderer.
#[derive(Debug)]
pub enum Direct {
    Constant(Value),
    /// A name by its number among those that the expression reads.
    Read(usize),
    Not(Box<Direct>),
    Call(Box<Call>),
}

/// A filter, a test or an operator on a value.
#[derive(Debug)]
pub struct Call {
    of: Direct,
    function: Function,
    arguments: Arguments,
    sought: Sought,
}

/// What a function looks for.
#[derive(Debug)]
enum Sought {
    /// No pattern that stands in the source.
    Nothing,
    /// This pattern: its arguments are written out.
    One(Arc<Pattern>),
    /// One of these, perhaps.
    AnyOf(Arc<Patterns>),
}

/// What stands beside the value.
#[derive(Debug)]
enum Arguments {
    Constant(Vec<(&'static str, Cow<'static, Value>)>),
    Computed(Vec<(&'static str, Direct)>),
}

/// What is known of an expression beside its tree.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The names that it reads.
    pub reads: &'a [Read],
    /// The patterns that stand in it.
    pub patterns: &'a Arc<Patterns>,
}

impl Known<'_> {
    /// The same as a checked expression; `None` where that needs the renderer.
    pub fn direct(self, node: &Node) -> Option<Direct> {
        Some(match &node.kind {
            Expr::Literal(Literal::Text(text)) => Direct::Constant(Value::from(text.as_str())),
            Expr::Literal(Literal::Integer(number)) => Direct::Constant(Value::from(*number)),
            Expr::Literal(Literal::Truth(truth)) => Direct::Constant(Value::from(*truth)),
            Expr::Literal(Literal::Null) => Direct::Constant(Value::none()),
            Expr::Name(_) | Expr::Member(..) | Expr::Index(..) => {
                let steps = steps(node)?;
                Direct::Read(self.reads.iter().position(|(_, path)| path.is(&steps))?)
            }
            Expr::List(entries) => {
                let items = entries.iter().map(|entry| match self.direct(&entry.node)? {
                    Direct::Constant(value) if !entry.spread => Some(value),
                    _ => None,
                });
                Direct::Constant(Value::from(items.collect::<Option<Vec<Value>>>()?))
            }
            Expr::Not(of) => Direct::Not(Box::new(self.direct(of)?)),
            Expr::Filter(of, call) => self.called(of, catalog::FILTERS, call)?,
            Expr::Test(of, call, false) => self.called(of, catalog::TESTS, call)?,
            Expr::Test(of, call, true) => Direct::Not(Box::new(self.called(of, catalog::TESTS, call)?)),
            Expr::Binary(op @ (Op::NotIn | Op::NotEqual), left, right) => {
                let sign = if *op == Op::NotIn {
                    Op::In.sign()
                } else {
                    Op::Equal.sign()
                };
                Direct::Not(Box::new(self.operated(sign, left, right)?))
            }
            Expr::Binary(op, left, right) => self.operated(op.sign(), left, right)?,
            _ => return None,
        })
    }

    fn called(self, of: &Node, table: &'static [catalog::Entry], call: &super::syntax::Call) -> Option<Direct> {
        let entry = catalog::find(table, &call.name.text)?;
        let of = self.direct(of)?;
        let arguments = call.arguments.iter().map(|(name, value)| {
            let known = entry.arguments.iter().find(|argument| argument.name == name.text)?;
            Some((known.name, self.direct(value)?))
        });
        let arguments = Arguments::of(arguments.collect::<Option<_>>()?);
        let pattern = match &arguments {
            Arguments::Constant(arguments) => test::pattern(entry, filter::Arguments::Listed(arguments)),
            Arguments::Computed(_) => None,
        };
        let sought = match pattern.and_then(|pattern| self.patterns.get(&pattern)) {
            Some(pattern) => Sought::One(pattern.clone()),
            None if self.patterns.is_empty() => Sought::Nothing,
            None => Sought::AnyOf(self.patterns.clone()),
        };
        let function = Function::of(entry);
        Some(Direct::Call(Box::new(Call {
            of,
            function,
            arguments,
            sought,
        })))
    }

    fn operated(self, sign: &str, left: &Node, right: &Node) -> Option<Direct> {
        let function = operator::with_sign(sign)?;
        Some(Direct::Call(Box::new(Call {
            of: self.direct(left)?,
            function,
            arguments: Arguments::of(vec![("b", self.direct(right)?)]),
            sought: Sought::Nothing,
        })))
    }
}

impl Direct {
    /// Its value, found or made within the bounds of a run.
    pub fn value<'a>(&'a self, values: &'a Values, run: &mut Run) -> Result<Cow<'a, Value>, Stop> {
        Ok(match self {
            Direct::Constant(value) => Cow::Borrowed(value),
            Direct::Read(number) => Cow::Borrowed(values[*number].1.value()),
            Direct::Not(of) => Cow::Owned(Value::from(!of.is_true(values, run)?)),
            Direct::Call(call) => Cow::Owned(call.value(values, run)?),
        })
    }

    /// Whether its value counts as true.
    pub fn is_true(&self, values: &Values, run: &mut Run) -> Result<bool, Stop> {
        Ok(match self {
            Direct::Constant(value) => value.is_truthy(),
            Direct::Read(number) => values[*number].1.value().is_truthy(),
            Direct::Not(of) => !of.is_true(values, run)?,
            Direct::Call(call) => call.value(values, run)?.is_truthy(),
        })
    }
}

impl Call {
    fn value(&self, values: &Values, run: &mut Run) -> Result<Value, Stop> {
        let of = self.of.value(values, run)?;
        let computed;
        let arguments = match &self.arguments {
            Arguments::Constant(arguments) => arguments,
            Arguments::Computed(arguments) => {
                let arguments = arguments.iter();
                let found = arguments.map(|(name, argument)| Ok((*name, argument.value(values, run)?)));
                computed = found.collect::<Result<Vec<_>, Stop>>()?;
                &computed
            }
        };
        let arguments = filter::Arguments::Listed(arguments);
        let pattern = match &self.sought {
            Sought::One(pattern) => Some(pattern),
            Sought::AnyOf(patterns) => {
                run.know(patterns);
                None
            }
            Sought::Nothing => None,
        };
        self.function.call(&of, arguments, pattern, run)
    }
}

impl Arguments {
    fn of(arguments: Vec<(&'static str, Direct)>) -> Arguments {
        let constant = arguments.iter().map(|(name, argument)| match argument {
            Direct::Constant(value) => Some((*name, Cow::Owned(value.clone()))),
            _ => None,
        });
        let constant = constant.collect::<Option<_>>();
        constant.map_or(Arguments::Computed(arguments), Arguments::Constant)
    }
}

/// A name and what stands under it by its name. A number in brackets may also choose a letter: that is the renderer's.
fn steps(node: &Node) -> Option<Vec<String>> {
    let (of, step) = match &node.kind {
        Expr::Name(root) => return Some(vec![root.clone()]),
        Expr::Member(of, name) => (of, &name.text),
        Expr::Index(of, index) => match &index.kind {
            Expr::Literal(Literal::Text(text)) => (of, text),
            _ => return None,
        },
        _ => return None,
    };
    let mut steps = steps(of)?;
    steps.push(step.clone());
    Some(steps)
}
