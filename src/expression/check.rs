//! Resolves every name of an expression against what is known at its place, and finds what could only fail.

use std::sync::Arc;

use super::{
    ExpressionFault, Names,
    budget::Patterns,
    reads::Reads,
    shape::Shape,
    syntax::{Comprehension, Entry, Expr, Literal, MapEntry, Name, Node, Piece},
    token::fault,
};
use crate::config::fault::{closest, suggest};

mod call;
mod operator;

/// What `loop` has.
const LOOP: [(&str, Shape); 5] = [
    ("index", Shape::Number),
    ("index0", Shape::Number),
    ("first", Shape::Truth),
    ("last", Shape::Truth),
    ("length", Shape::Number),
];

/// One pass over one expression or template.
pub struct Check<'a> {
    source: &'a str,
    names: &'a Names,
    /// Variables, the innermost loop last; the first are the template's own.
    locals: Vec<Vec<(String, Shape)>>,
    /// How many `for` stand around: `loop` is known there.
    loops: usize,
    /// Variables that were set inside a loop that is over: Tera forgets them there, or has the older value again.
    forgotten: Vec<String>,
    pub faults: Vec<ExpressionFault>,
    /// Patterns that stand in the source, compiled.
    pub patterns: Patterns,
    reads: Reads,
}

impl<'a> Check<'a> {
    pub fn new(source: &'a str, names: &'a Names) -> Check<'a> {
        Check {
            source,
            names,
            locals: vec![Vec::new()],
            loops: 0,
            forgotten: Vec::new(),
            faults: Vec::new(),
            patterns: Patterns::new(),
            reads: Reads::default(),
        }
    }

    /// The patterns and what is read, or all faults in the order of their places.
    pub fn finish(mut self) -> Result<(Arc<Patterns>, Reads), Vec<ExpressionFault>> {
        if self.faults.is_empty() {
            return Ok((self.patterns.into(), self.reads));
        }
        self.faults.sort_by_key(|fault| fault.offset);
        self.faults.dedup();
        Err(self.faults)
    }

    pub fn pieces(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            self.piece(piece);
        }
    }

    fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Verbatim(..) | Piece::Jump(..) => {}
            Piece::Print(_, node) => drop(self.node(node)),
            Piece::If { arms, otherwise, .. } => {
                for (_, condition, body) in arms {
                    self.node(condition);
                    self.pieces(body);
                }
                self.pieces(otherwise.as_ref().map_or(&[], |(_, body)| body));
            }
            Piece::For {
                key,
                value,
                over,
                body,
                otherwise,
                ..
            } => {
                let variables = self.walk(over, key.as_ref(), value);
                self.loops += 1;
                let own = variables.len();
                self.locals.push(variables);
                self.pieces(body);
                let set = self.locals.pop().into_iter().flatten().skip(own);
                self.forgotten.extend(set.map(|(name, _)| name));
                self.loops -= 1;
                self.pieces(otherwise.as_ref().map_or(&[], |(_, body)| body));
            }
            Piece::Set(_, name, value) => {
                let shape = self.node(value);
                self.assign(name, shape);
            }
            Piece::Capture {
                name, filters, body, ..
            } => {
                self.pieces(body);
                let mut shape = Shape::Text;
                for filter in filters {
                    shape = self.filter("the captured text", filter.name.start, &shape, filter);
                }
                if let Some(name) = name {
                    self.assign(name, shape);
                }
            }
        }
    }

    /// A variable that is set twice, perhaps in two branches, is known to be what both say.
    fn assign(&mut self, name: &Name, shape: Shape) {
        self.forgotten.retain(|known| *known != name.text);
        let frame = self.locals.last_mut().expect("the template's own frame stays");
        match frame.iter_mut().find(|(known, _)| *known == name.text) {
            Some((_, known)) => *known = known.clone().common(shape),
            None => frame.push((name.text.clone(), shape)),
        }
    }

    /// The variables of a loop over a value.
    fn walk(&mut self, over: &Node, key: Option<&Name>, value: &Name) -> Vec<(String, Shape)> {
        let shape = self.node(over);
        let text = self.text(over);
        match (shape.present(), key) {
            (Shape::Text | Shape::Number | Shape::Truth, _) => {
                let remedy = if *shape.present() == Shape::Text {
                    format!("split it: {text} | split(pat=\"…\")")
                } else {
                    String::new()
                };
                self.fault(
                    over.start,
                    format!("{text:?} is {} and can not be walked", shape.kind()),
                    remedy,
                );
            }
            (Shape::List(_), Some(_)) => {
                let remedy = format!("write for {} in {text}", value.text);
                self.fault(over.start, format!("{text:?} is a list and has no keys"), remedy);
            }
            _ => {}
        }
        self.forgotten
            .retain(|known| *known != value.text && key.is_none_or(|key| *known != key.text));
        let key = key.map(|key| (key.text.clone(), Shape::Text));
        key.into_iter().chain([(value.text.clone(), shape.item())]).collect()
    }

    fn text(&self, node: &Node) -> &'a str {
        &self.source[node.start..node.end]
    }

    fn fault(&mut self, offset: usize, problem: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(fault(offset, problem, remedy));
    }

    /// The shape of an expression; `Any` where it has a fault, so that none follows from it.
    pub fn node(&mut self, node: &Node) -> Shape {
        match &node.kind {
            Expr::Literal(literal) => match literal {
                Literal::Text(_) => Shape::Text,
                Literal::Integer(_) | Literal::Float => Shape::Number,
                Literal::Truth(_) => Shape::Truth,
                Literal::Null => Shape::nullable(Shape::Any),
            },
            Expr::Name(name) => {
                self.reads.add(name);
                self.root(name, node.start)
            }
            Expr::Member(of, name) => self.member(of, &name.text, name.start),
            Expr::Index(of, index) => self.index(of, index),
            Expr::Slice(of, bounds) => {
                bounds.iter().flatten().for_each(|bound| drop(self.node(bound)));
                let shape = self.node(of);
                if matches!(
                    shape.present(),
                    Shape::Number | Shape::Truth | Shape::Record(_) | Shape::Map(_)
                ) {
                    self.fault(
                        of.start,
                        format!("{:?} is {} and can not be sliced", self.text(of), shape.kind()),
                        "",
                    );
                }
                shape
            }
            Expr::Filter(of, call) => {
                let shape = self.node(of);
                let key = call.arguments.iter().find(|(name, _)| name.text == "key");
                if let (Shape::Map(_), Some((_, key))) = (shape.present(), key) {
                    self.key_in_small_letters(of, key);
                }
                self.filter(self.text(of), of.start, &shape, call)
            }
            Expr::Test(of, call, _) => {
                let shape = self.node(of);
                self.contained(of, &shape, call);
                self.test(self.text(of), of.start, &shape, call)
            }
            Expr::Function(call) => self.function(call),
            Expr::Not(of) => {
                self.node(of);
                Shape::Truth
            }
            Expr::Negate(of) => {
                let shape = self.node(of);
                self.number(of, &shape, "-");
                Shape::Number
            }
            Expr::Binary(op, left, right) => self.binary(*op, left, right),
            Expr::Ternary(parts) => {
                let [then, condition, otherwise] = &**parts;
                self.node(condition);
                let then = self.node(then);
                let otherwise = self.node(otherwise);
                then.common(otherwise)
            }
            Expr::List(entries) => self.list(entries),
            Expr::Map(entries) => self.map(entries),
            Expr::Comprehension(inner) => self.comprehension(inner),
        }
    }

    fn list(&mut self, entries: &[Entry]) -> Shape {
        let mut common: Option<Shape> = None;
        for entry in entries {
            let shape = self.node(&entry.node);
            let shape = if entry.spread { shape.item() } else { shape };
            common = Some(common.map_or(shape.clone(), |common| common.common(shape)));
        }
        Shape::list(common.unwrap_or(Shape::Any))
    }

    /// A record, as its keys are written out; anything where a spread brings more.
    fn map(&mut self, entries: &[MapEntry]) -> Shape {
        let shapes: Vec<Shape> = entries.iter().map(|entry| self.node(&entry.node)).collect();
        let keys: Option<Vec<&str>> = entries
            .iter()
            .map(|entry| entry.key.map(|(start, end)| &self.source[start..end]))
            .collect();
        let Some(keys) = keys else {
            return Shape::map(Shape::Any);
        };
        Shape::record(
            keys.into_iter()
                .map(|key| key.trim_matches(['"', '\'', '`']))
                .zip(shapes),
        )
    }

    fn comprehension(&mut self, inner: &Comprehension) -> Shape {
        let variables = self.walk(&inner.over, inner.key.as_ref(), &inner.value);
        self.locals.push(variables);
        if let Some(condition) = &inner.condition {
            self.node(condition);
        }
        let item = self.node(&inner.item);
        self.locals.pop();
        Shape::list(item)
    }

    fn root(&mut self, name: &str, start: usize) -> Shape {
        if self.forgotten.iter().any(|known| known == name) {
            let problem = format!("what {name:?} was set to inside the loop is forgotten after it");
            let remedy = "make a list of it: [x.name for x in …], and take | first or | last; or put {% set x %}…{% endset %} around the loop";
            self.fault(start, problem, remedy);
            return Shape::Any;
        }
        let local = self.locals.iter().rev().flatten().find(|(known, _)| known == name);
        if let Some((_, shape)) = local.or_else(|| self.names.roots.iter().find(|(known, _)| known == name)) {
            return shape.clone();
        }
        if name == "loop" {
            let remedy = if self.loops > 0 {
                "write loop.index, loop.first, loop.last or loop.length"
            } else {
                "it is known within {% for %}"
            };
            self.fault(start, "\"loop\" is not known by itself", remedy);
            return Shape::Any;
        }
        let under = self.names.roots.iter().find(|(_, shape)| shape.names().contains(&name));
        let locals = self.locals.iter().flatten().map(|(known, _)| known.as_str());
        let known = self.names.roots.iter().map(|(known, _)| known.as_str()).chain(locals);
        let remedy = match (closest(name, known.clone()), under) {
            (None, Some((root, _))) => format!("did you mean \"{root}.{name}\"?"),
            _ => suggest(name, known),
        };
        self.unknown_name(name.to_owned(), start, format!("name {name:?} is not known"), remedy)
    }

    /// What stands under `of.name` or `of["name"]`.
    fn member(&mut self, of: &Node, name: &str, start: usize) -> Shape {
        if matches!(&of.kind, Expr::Name(root) if root == "loop") && self.loops > 0 {
            return self.loop_field(name, start);
        }
        let shape = self.owner(of, name);
        if let Some(found) = shape.find(name) {
            return found;
        }
        let text = self.text(of);
        let (problem, remedy) = match shape.present() {
            Shape::Record(_) if shape.names().is_empty() => (
                format!("{text:?} has no {name:?}"),
                "nothing is stored there before this place".to_owned(),
            ),
            Shape::Record(_) => (format!("{text:?} has no {name:?}"), suggest(name, shape.names())),
            Shape::List(of) if of.find(name).is_some() => (
                format!("{text:?} is a list and has no {name:?}"),
                format!("write {text}.0.{name}, or walk it: [x.{name} for x in {text}]"),
            ),
            _ => (
                format!("{text:?} is {} and has no {name:?}", shape.kind()),
                String::new(),
            ),
        };
        self.unknown_name(format!("{text}.{name}"), start, problem, remedy)
    }

    /// What a name stands under. Where that is a root, the name alone is read of it.
    fn owner(&mut self, of: &Node, name: &str) -> Shape {
        let Expr::Name(root) = &of.kind else {
            return self.node(of);
        };
        self.reads.add_under(root, name);
        self.root(root, of.start)
    }

    fn unknown_name(&mut self, name: String, start: usize, problem: String, remedy: String) -> Shape {
        self.faults.push(ExpressionFault {
            unknown: Some(name),
            ..fault(start, problem, remedy)
        });
        Shape::Any
    }

    fn loop_field(&mut self, name: &str, start: usize) -> Shape {
        if let Some((_, shape)) = LOOP.iter().find(|(known, _)| *known == name) {
            return shape.clone();
        }
        let remedy = suggest(name, LOOP.iter().map(|(known, _)| *known));
        self.fault(start, format!("\"loop\" has no {name:?}"), remedy);
        Shape::Any
    }

    fn index(&mut self, of: &Node, index: &Node) -> Shape {
        if let Expr::Literal(Literal::Text(name)) = &index.kind {
            let shape = self.member(of, name, index.start);
            let before = self.faults.len();
            let is_map = matches!(self.owner(of, name).present(), Shape::Map(of) if **of == Shape::Text);
            self.faults.truncate(before);
            if is_map {
                self.key_in_small_letters(of, index);
            }
            return shape;
        }
        self.node(index);
        let shape = self.node(of);
        match shape.present() {
            Shape::List(of) => Shape::nullable((**of).clone()),
            Shape::Map(of) => (**of).clone(),
            Shape::Text => Shape::Text,
            Shape::Record(_) if matches!(index.kind, Expr::Literal(Literal::Integer(_))) => {
                let (text, number) = (self.text(of), self.text(index));
                self.fault(
                    index.start,
                    format!("{text:?} is a record and has no {number:?}"),
                    suggest(number, shape.names()),
                );
                Shape::Any
            }
            Shape::Number | Shape::Truth => {
                self.fault(
                    index.start,
                    format!("{:?} is {} and has nothing under it", self.text(of), shape.kind()),
                    "",
                );
                Shape::Any
            }
            _ => Shape::Any,
        }
    }
}
