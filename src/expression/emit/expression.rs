//! Expressions as Tera is given them: names and their members, `and`, `or`, `not` as they stand, all else as filters.

use super::Emitter;
use crate::expression::{
    budget::STEP,
    syntax::{Call, Comprehension, Entry, Expr, MapEntry, Node, Op},
};

/// Tera's binding powers of what is written as Tera has it; all else becomes a filter.
pub(super) const TERNARY: u8 = 0;
const OR: u8 = 1;
const AND: u8 = 3;
const NOT: u8 = 5;
pub(super) const FILTER: u8 = 17;
const VALUE: u8 = 18;

impl Emitter<'_> {
    pub(super) fn filter(&mut self, call: &Call, name: &str) {
        self.write(" | ");
        self.call(call, name);
    }

    pub(super) fn call(&mut self, call: &Call, name: &str) {
        self.mark(call.name.start);
        self.write(name);
        if call.arguments.is_empty() {
            return;
        }
        self.write("(");
        for (number, (name, value)) in call.arguments.iter().enumerate() {
            self.write(if number == 0 { "" } else { ", " });
            self.write(&name.text);
            self.write("=");
            self.node(value, TERNARY);
        }
        self.write(")");
    }

    /// An expression where only what binds so tightly can stand without brackets.
    pub(super) fn node(&mut self, node: &Node, power: u8) {
        self.mark(node.start);
        let brackets = binding(node) < power;
        if brackets {
            self.write("(");
        }
        self.bare(node);
        if brackets {
            self.write(")");
        }
    }

    fn bare(&mut self, node: &Node) {
        match &node.kind {
            Expr::Literal(_) => self.copy(node.start, node.end),
            Expr::Name(name) => self.write(name),
            Expr::Member(of, name) => self.member(of, &name.text),
            Expr::Index(of, index) => self.operator("op_at", of, &[("b", Some(index))]),
            Expr::Slice(of, [from, to, step]) => {
                self.operator(
                    "op_slice",
                    of,
                    &[("b", from.as_deref()), ("c", to.as_deref()), ("d", step.as_deref())],
                );
            }
            Expr::Filter(of, call) => {
                self.node(of, FILTER);
                self.filter(call, &call.name.text);
            }
            Expr::Test(of, call, negated) => {
                self.write(if *negated { "not " } else { "" });
                self.node(of, FILTER);
                self.filter(call, &format!("is_{}", call.name.text));
            }
            Expr::Function(call) => {
                self.call(call, &call.name.text);
                if call.arguments.is_empty() {
                    self.write("()");
                }
            }
            Expr::Not(of) => {
                self.write("not ");
                self.node(of, NOT + 1);
            }
            Expr::Negate(of) => self.operator("op_negate", of, &[]),
            Expr::Binary(op, left, right) => self.binary(*op, left, right),
            Expr::Ternary(parts) => {
                let [then, condition, otherwise] = &**parts;
                self.node(then, OR);
                self.write(" if ");
                self.node(condition, OR);
                self.write(" else ");
                self.node(otherwise, OR);
            }
            Expr::List(entries) => self.list(entries),
            Expr::Map(entries) => self.map(entries),
            Expr::Comprehension(inner) => self.comprehension(inner),
        }
    }

    /// `a?.b?.c`, or the filter where something else stands before the dot.
    fn member(&mut self, of: &Node, name: &str) {
        if matches!(&of.kind, Expr::Name(root) if root == "loop") {
            self.write("loop.");
            self.write(name);
        } else if binding(of) == VALUE && matches!(of.kind, Expr::Name(_) | Expr::Member(..)) {
            self.node(of, VALUE);
            self.write("?.");
            self.write(name);
        } else {
            self.node(of, FILTER);
            self.write(&format!(" | op_at(b=\"{name}\")"));
        }
    }

    fn binary(&mut self, op: Op, left: &Node, right: &Node) {
        let name = match op {
            Op::And | Op::Or => {
                let power = if op == Op::And { AND } else { OR };
                self.node(left, power);
                self.write(if op == Op::And { " and " } else { " or " });
                self.node(right, power + 1);
                return;
            }
            Op::In | Op::NotIn => "op_in",
            Op::Equal | Op::NotEqual => "op_equal",
            Op::Less => "op_less",
            Op::LessOrEqual => "op_less_or_equal",
            Op::Greater => "op_greater",
            Op::GreaterOrEqual => "op_greater_or_equal",
            Op::Add => "op_add",
            Op::Subtract => "op_subtract",
            Op::Multiply => "op_multiply",
            Op::Divide => "op_divide",
            Op::DivideFloor => "op_divide_floor",
            Op::Remainder => "op_remainder",
            Op::Power => "op_power",
            Op::Join => "op_join",
        };
        if matches!(op, Op::NotIn | Op::NotEqual) {
            self.write("not ");
        }
        self.operator(name, left, &[("b", Some(right))]);
    }

    /// An operator as a filter on its first operand.
    fn operator(&mut self, name: &str, of: &Node, arguments: &[(&str, Option<&Node>)]) {
        self.node(of, FILTER);
        self.write(" | ");
        self.write(name);
        let given = arguments
            .iter()
            .filter_map(|(argument, node)| node.map(|node| (argument, node)));
        for (number, (argument, node)) in given.enumerate() {
            self.write(if number == 0 { "(" } else { ", " });
            self.write(argument);
            self.write("=");
            self.node(node, TERNARY);
        }
        if arguments.iter().any(|(_, node)| node.is_some()) {
            self.write(")");
        }
    }

    fn list(&mut self, entries: &[Entry]) {
        self.write("[");
        for entry in entries {
            if entry.spread {
                self.write("...");
                self.node(&entry.node, FILTER);
                self.write(" | op_items");
            } else {
                self.node(&entry.node, TERNARY);
            }
            self.write(", ");
        }
        self.write("]");
    }

    fn map(&mut self, entries: &[MapEntry]) {
        self.write("{");
        for entry in entries {
            if let Some((start, end)) = entry.key {
                self.copy(start, end);
                self.write(": ");
                self.node(&entry.node, TERNARY);
            } else {
                self.write("...");
                self.node(&entry.node, FILTER);
                self.write(" | op_entries");
            }
            self.write(", ");
        }
        // The blank keeps `}}` from ending what stands around.
        self.write(" } ");
    }

    fn comprehension(&mut self, inner: &Comprehension) {
        self.write("[");
        self.node(&inner.item, OR);
        self.write(" for ");
        if let Some(key) = &inner.key {
            self.write(&key.text);
            self.write(", ");
        }
        self.write(&inner.value.text);
        self.write(" in ");
        let cost = STEP * (inner.item.size() + inner.condition.as_ref().map_or(0, Node::size));
        self.turns(&inner.over, inner.key.is_some(), cost);
        if let Some(condition) = &inner.condition {
            self.write(" if ");
            self.node(condition, OR);
        }
        self.write("]");
    }
}

/// How tightly the text of an expression binds.
fn binding(node: &Node) -> u8 {
    match &node.kind {
        Expr::Ternary(_) => TERNARY,
        Expr::Binary(Op::Or, ..) => OR,
        Expr::Binary(Op::And, ..) => AND,
        Expr::Not(_) | Expr::Test(_, _, true) | Expr::Binary(Op::NotIn | Op::NotEqual, ..) => NOT,
        Expr::Member(of, _)
            if !matches!(of.kind, Expr::Name(_)) && (binding(of) < VALUE || !matches!(of.kind, Expr::Member(..))) =>
        {
            FILTER
        }
        Expr::Index(..) | Expr::Slice(..) | Expr::Filter(..) | Expr::Test(..) | Expr::Negate(_) | Expr::Binary(..) => {
            FILTER
        }
        _ => VALUE,
    }
}
