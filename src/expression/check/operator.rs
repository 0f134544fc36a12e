//! Operators: that what stands around them can be so combined.

use super::Check;
use crate::expression::{
    shape::Shape,
    syntax::{Expr, Node, Op},
};

impl Check<'_> {
    pub(super) fn binary(&mut self, op: Op, left: &Node, right: &Node) -> Shape {
        if op == Op::Subtract && self.hyphen(left, right) {
            return Shape::Any;
        }
        let (before, after) = (self.node(left), self.node(right));
        match op {
            Op::And | Op::Or => before.common(after),
            Op::Join => Shape::Text,
            Op::In | Op::NotIn => {
                if matches!(after.present(), Shape::Number | Shape::Truth) {
                    self.fault(
                        right.start,
                        format!(
                            "{:?} is {} and can not contain anything",
                            self.text(right),
                            after.kind()
                        ),
                        "",
                    );
                }
                Shape::Truth
            }
            Op::Equal | Op::NotEqual | Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                self.comparison(op, (left, &before), (right, &after));
                Shape::Truth
            }
            _ => {
                self.number(left, &before, op.sign());
                self.number(right, &after, op.sign());
                Shape::Number
            }
        }
    }

    /// A text and a number are never equal, nor is one of them less: such a condition would be false for ever.
    fn comparison(&mut self, op: Op, left: (&Node, &Shape), right: (&Node, &Shape)) {
        let scalar = |shape: &Shape| matches!(shape, Shape::Text | Shape::Number | Shape::Truth);
        let (before, after) = (left.1.present(), right.1.present());
        if scalar(before) && scalar(after) && before != after {
            let problem = format!(
                "{:?} is {}, {:?} is {}",
                self.text(left.0),
                before.kind(),
                self.text(right.0),
                after.kind()
            );
            let remedy = match (before, after) {
                (Shape::Number, Shape::Text) | (Shape::Text, Shape::Number) => {
                    "write the number without quotes, or make the text a number with | int"
                }
                _ => "write the name by itself, or with not before it",
            };
            self.fault(
                left.0.start,
                format!("{} compares what is never alike: {problem}", op.sign()),
                remedy,
            );
        }
    }

    pub(super) fn number(&mut self, node: &Node, shape: &Shape, sign: &str) {
        if matches!(shape.present(), Shape::Number | Shape::Any) {
            return;
        }
        let remedy = match (sign, shape.present()) {
            ("+", Shape::Text) => "join texts with ~",
            (_, Shape::Text) => "make it a number with | int",
            _ => "",
        };
        self.fault(
            node.start,
            format!("{sign} takes numbers, {:?} is {}", self.text(node), shape.kind()),
            remedy,
        );
    }

    /// `email.headers.x-foo` is a difference by the grammar, and never meant as one.
    fn hyphen(&mut self, left: &Node, right: &Node) -> bool {
        let Expr::Member(of, name) = &left.kind else {
            return false;
        };
        if right.start != left.end + 1 || right.plain_path(self.source).is_none() {
            return false;
        }
        let before = self.faults.len();
        let shape = self.node(of);
        if self.faults.len() > before || !matches!(shape.present(), Shape::Map(_)) {
            self.faults.truncate(before);
            return false;
        }
        let key = format!("{}-{}", name.text, self.text(right));
        self.fault(
            name.start,
            format!("the name {key:?} has a hyphen"),
            format!("write {}[{key:?}]", self.text(of)),
        );
        true
    }
}
