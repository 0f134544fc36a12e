//! What needs no renderer: names, values that are written out, and filters, tests and operators on these. They are the
//! functions that the renderer calls, under the same bounds; most conditions are made of nothing else.

use std::{borrow::Cow, sync::Arc};

use tera::{Kwargs, Map, Value};

use super::{
    Scope,
    budget::{Run, Stop},
    catalog,
    filter::{Function, operator},
    syntax::{Call, Expr, Literal, Node, Op},
};

/// An expression that is evaluated without a renderer.
#[derive(Debug)]
pub enum Direct {
    Constant(Value),
    /// A root name and the steps under it.
    Path(Vec<String>),
    Not(Box<Direct>),
    Call(Box<Direct>, Function, Arguments),
}

/// What stands beside the value.
#[derive(Debug)]
pub enum Arguments {
    Constant(Kwargs),
    Computed(Vec<(String, Direct)>),
}

impl Direct {
    /// The same as a checked expression; `None` where that needs the renderer.
    pub fn of(node: &Node) -> Option<Direct> {
        Some(match &node.kind {
            Expr::Literal(Literal::Text(text)) => Direct::Constant(Value::from(text.as_str())),
            Expr::Literal(Literal::Integer(number)) => Direct::Constant(Value::from(*number)),
            Expr::Literal(Literal::Truth(truth)) => Direct::Constant(Value::from(*truth)),
            Expr::Literal(Literal::Null) => Direct::Constant(Value::none()),
            Expr::Name(_) | Expr::Member(..) | Expr::Index(..) => Direct::Path(path(node)?),
            Expr::List(entries) => {
                let items = entries.iter().map(|entry| match Direct::of(&entry.node)? {
                    Direct::Constant(value) if !entry.spread => Some(value),
                    _ => None,
                });
                Direct::Constant(Value::from(items.collect::<Option<Vec<Value>>>()?))
            }
            Expr::Not(of) => Direct::Not(Box::new(Direct::of(of)?)),
            Expr::Filter(of, call) => called(of, catalog::FILTERS, call)?,
            Expr::Test(of, call, false) => called(of, catalog::TESTS, call)?,
            Expr::Test(of, call, true) => Direct::Not(Box::new(called(of, catalog::TESTS, call)?)),
            Expr::Binary(op @ (Op::NotIn | Op::NotEqual), left, right) => {
                let sign = if *op == Op::NotIn {
                    Op::In.sign()
                } else {
                    Op::Equal.sign()
                };
                Direct::Not(Box::new(operated(sign, Direct::of(left)?, Direct::of(right)?)?))
            }
            Expr::Binary(op, left, right) => operated(op.sign(), Direct::of(left)?, Direct::of(right)?)?,
            _ => return None,
        })
    }

    /// Its value, found or made within the bounds of a run.
    pub fn value<'a>(&'a self, scope: &'a Scope, run: &mut Run) -> Result<Cow<'a, Value>, Stop> {
        Ok(match self {
            Direct::Constant(value) => Cow::Borrowed(value),
            Direct::Path(path) => scope
                .find(path)
                .map_or_else(|| Cow::Owned(Value::none()), Cow::Borrowed),
            Direct::Not(of) => Cow::Owned(Value::from(!of.value(scope, run)?.is_truthy())),
            Direct::Call(of, function, arguments) => {
                let of = of.value(scope, run)?;
                let computed;
                let arguments = match arguments {
                    Arguments::Constant(arguments) => arguments,
                    Arguments::Computed(arguments) => {
                        computed = together(arguments, |argument| argument.value(scope, run).map(Cow::into_owned))?;
                        &computed
                    }
                };
                Cow::Owned(function.call(&of, arguments, run)?)
            }
        })
    }
}

impl Arguments {
    fn of(arguments: Vec<(String, Direct)>) -> Arguments {
        let constant = together(&arguments, |argument| match argument {
            Direct::Constant(value) => Ok(value.clone()),
            _ => Err(()),
        });
        constant.map_or(Arguments::Computed(arguments), Arguments::Constant)
    }
}

fn together<E>(
    arguments: &[(String, Direct)],
    mut value: impl FnMut(&Direct) -> Result<Value, E>,
) -> Result<Kwargs, E> {
    let arguments = arguments
        .iter()
        .map(|(name, argument)| Ok((name.clone().into(), value(argument)?)));
    Ok(Kwargs::new(Arc::new(arguments.collect::<Result<Map, E>>()?)))
}

/// A name and what stands under it by its name. A number in brackets may also choose a letter: that is the renderer's.
fn path(node: &Node) -> Option<Vec<String>> {
    let (of, step) = match &node.kind {
        Expr::Name(root) => return Some(vec![root.clone()]),
        Expr::Member(of, name) => (of, &name.text),
        Expr::Index(of, index) => match &index.kind {
            Expr::Literal(Literal::Text(text)) => (of, text),
            _ => return None,
        },
        _ => return None,
    };
    let mut path = path(of)?;
    path.push(step.clone());
    Some(path)
}

fn called(of: &Node, table: &'static [catalog::Entry], call: &Call) -> Option<Direct> {
    let function = Function::of(catalog::find(table, &call.name.text)?);
    let of = Direct::of(of)?;
    let arguments = call
        .arguments
        .iter()
        .map(|(name, value)| Some((name.text.clone(), Direct::of(value)?)));
    let arguments = Arguments::of(arguments.collect::<Option<_>>()?);
    Some(Direct::Call(Box::new(of), function, arguments))
}

fn operated(sign: &str, left: Direct, right: Direct) -> Option<Direct> {
    let function = operator::with_sign(sign)?;
    let arguments = Arguments::of(vec![("b".to_owned(), right)]);
    Some(Direct::Call(Box::new(left), function, arguments))
}
