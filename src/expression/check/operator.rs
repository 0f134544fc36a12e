//! Operators: that what stands around them can be so combined.

use super::Check;
use crate::expression::{
    shape::Shape,
    syntax::{Expr, Literal, Node, Op},
};

/// Whether no value of the one shape ever equals one of the other.
fn never_alike(one: &Shape, other: &Shape) -> bool {
    match (one.present(), other.present()) {
        (Shape::Any | Shape::Nullable(_), _) | (_, Shape::Any | Shape::Nullable(_)) => false,
        (Shape::Record(_) | Shape::Map(_), Shape::Record(_) | Shape::Map(_)) => false,
        (one, other) => std::mem::discriminant(one) != std::mem::discriminant(other),
    }
}

fn part_of(text: &str, record: &Shape) -> String {
    let name = record
        .names()
        .first()
        .map_or_else(String::new, |name| format!(": {text}.{name}"));
    format!("name the part of it that is meant{name}")
}

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
                self.membership(op.sign(), (left, &before), (right, &after));
                Shape::Truth
            }
            Op::Equal | Op::NotEqual => {
                self.equality(op, (left, &before), (right, &after));
                Shape::Truth
            }
            Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => {
                self.order(op, (left, &before), (right, &after));
                Shape::Truth
            }
            _ => {
                self.number(left, &before, op.sign());
                self.number(right, &after, op.sign());
                Shape::Number
            }
        }
    }

    /// A text and a number are never equal: such a condition would be false for ever.
    fn equality(&mut self, op: Op, left: (&Node, &Shape), right: (&Node, &Shape)) {
        if !never_alike(left.1, right.1) {
            return;
        }
        let problem = format!("{} compares what is never alike: {}", op.sign(), self.both(left, right));
        let remedy = match (left.1.present(), right.1.present()) {
            (Shape::List(of), other) if !never_alike(of, other) => {
                format!("write {} in {}", self.text(right.0), self.text(left.0))
            }
            _ => self.remedy(op, left, right),
        };
        self.fault(left.0.start, problem, remedy);
    }

    /// Only two texts or two numbers have an order.
    fn order(&mut self, op: Op, left: (&Node, &Shape), right: (&Node, &Shape)) {
        let (before, after) = (left.1.present(), right.1.present());
        let has_order = |shape: &Shape| matches!(shape, Shape::Text | Shape::Number | Shape::Any);
        if has_order(before) && has_order(after) && !never_alike(before, after) {
            return;
        }
        let problem = format!(
            "{} takes two numbers or two texts: {}",
            op.sign(),
            self.both(left, right)
        );
        self.fault(left.0.start, problem, self.remedy(op, left, right));
    }

    fn both(&self, left: (&Node, &Shape), right: (&Node, &Shape)) -> String {
        let (left, right) = ((self.text(left.0), left.1.kind()), (self.text(right.0), right.1.kind()));
        format!("{:?} is {}, {:?} is {}", left.0, left.1, right.0, right.1)
    }

    fn remedy(&self, op: Op, left: (&Node, &Shape), right: (&Node, &Shape)) -> String {
        let texts = (self.text(left.0), self.text(right.0));
        match (left.1.present(), right.1.present()) {
            (Shape::Number, Shape::Text) | (Shape::Text, Shape::Number) => {
                "write the number without quotes, or make the text a number with | int".to_owned()
            }
            (Shape::List(_) | Shape::Map(_), Shape::Number) => {
                format!("write {} | length {} {}", texts.0, op.sign(), texts.1)
            }
            (Shape::Number, Shape::List(_) | Shape::Map(_)) => {
                format!("write {} {} {} | length", texts.0, op.sign(), texts.1)
            }
            (record @ Shape::Record(_), _) => part_of(texts.0, record),
            (_, record @ Shape::Record(_)) => part_of(texts.1, record),
            (Shape::Truth, _) | (_, Shape::Truth) => "write the name by itself, or with not before it".to_owned(),
            _ => String::new(),
        }
    }

    /// `in` and `containing`: what can not be in there makes a condition false for ever.
    pub(super) fn membership(&mut self, sign: &str, item: (&Node, &Shape), container: (&Node, &Shape)) {
        let (wanted, text) = (self.text(item.0), self.text(container.0));
        let problem = match container.1.present() {
            Shape::Number | Shape::Truth => {
                let problem = format!("{text:?} is {} and can not contain anything", container.1.kind());
                return self.fault(container.0.start, problem, "");
            }
            Shape::List(of) if never_alike(item.1, of) => {
                format!(
                    "{sign} finds nothing: {wanted:?} is {}, an element of {text:?} is {}",
                    item.1.kind(),
                    of.kind()
                )
            }
            Shape::Text | Shape::Map(_) | Shape::Record(_)
                if matches!(item.1.present(), Shape::List(_) | Shape::Map(_) | Shape::Record(_)) =>
            {
                format!("{sign} finds nothing: {}", self.both(item, container))
            }
            Shape::Map(of) if **of == Shape::Text => return self.key_in_small_letters(container.0, item.0),
            _ => return,
        };
        let remedy = match container.1.present() {
            Shape::List(of) => match of.present().names().first() {
                Some(name) => format!("write {wanted} in {text} | map(attribute=\"{name}\")"),
                None => String::new(),
            },
            _ => String::new(),
        };
        self.fault(item.0.start, problem, remedy);
    }

    /// Header fields stand under their names in lower case; another key is never there.
    pub(super) fn key_in_small_letters(&mut self, of: &Node, key: &Node) {
        let Expr::Literal(Literal::Text(text)) = &key.kind else {
            return;
        };
        let small = text.to_lowercase();
        if small != *text {
            let problem = format!("{:?} has its names in lower case, not {text:?}", self.text(of));
            self.fault(key.start, problem, format!("write {small:?}"));
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
