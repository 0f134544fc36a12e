//! What stands first in an expression: a value, a name with its steps, brackets of every kind.

use super::{Kind, MINUS_BEFORE, NOT, Parsed, Parser, RESERVED};
use crate::expression::{
    syntax::{Call, Comprehension, Entry, Expr, Literal, MapEntry, Name, Node},
    token::{Token, fault},
};

impl Parser<'_> {
    /// What stands first: a value, a name with its steps, brackets, `not`, a minus.
    pub(super) fn operand(&mut self) -> Parsed<Node> {
        self.count()?;
        let Token { kind, start, end } = self.token().clone();
        let node = |kind, end| Ok(Node { kind, start, end });
        match kind {
            Kind::Text(text) => {
                self.advance();
                node(Expr::Literal(Literal::Text(text)), end)
            }
            Kind::Integer(number) => {
                self.advance();
                node(Expr::Literal(Literal::Integer(number)), end)
            }
            Kind::Float => {
                self.advance();
                node(Expr::Literal(Literal::Float), end)
            }
            Kind::Name => self.named(),
            Kind::Sign("-") => {
                self.advance();
                let of = self.binding(MINUS_BEFORE)?;
                let end = of.end;
                node(Expr::Negate(Box::new(of)), end)
            }
            Kind::Sign("(") => {
                self.advance();
                let inner = self.binding(0)?;
                self.expect(")")?;
                Ok(Node {
                    kind: inner.kind,
                    start,
                    end: self.last_end(),
                })
            }
            Kind::Sign("[") => self.list(start),
            Kind::Sign("{") => self.map(start),
            Kind::Sign("<") => Err(fault(start, "components are not admitted", "write the text itself")),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn named(&mut self) -> Parsed<Node> {
        let Token { start, end, .. } = *self.token();
        let word = self.word().unwrap_or_default();
        let literal = match word {
            "true" | "True" => Some(Literal::Truth(true)),
            "false" | "False" => Some(Literal::Truth(false)),
            "none" | "None" | "null" => Some(Literal::Null),
            _ => None,
        };
        if let Some(literal) = literal {
            self.advance();
            return Ok(Node {
                kind: Expr::Literal(literal),
                start,
                end,
            });
        }
        if word == "not" {
            self.advance();
            let of = self.binding(NOT)?;
            let end = of.end;
            return Ok(Node {
                kind: Expr::Not(Box::new(of)),
                start,
                end,
            });
        }
        if RESERVED.contains(&word) && word != "loop" {
            return Err(self.unexpected("a value"));
        }
        let name = self.name("a name")?;
        if *self.peek() == Kind::Sign("(") {
            let arguments = self.arguments()?;
            return Ok(Node {
                kind: Expr::Function(Call { name, arguments }),
                start,
                end: self.last_end(),
            });
        }
        self.steps(Node {
            kind: Expr::Name(name.text),
            start,
            end,
        })
    }

    /// `.name`, `.0`, `[…]` after a name; with `?` the same, as every path is safe under a null.
    fn steps(&mut self, root: Node) -> Parsed<Node> {
        let mut node = root;
        loop {
            let start = node.start;
            if self.accept(".") || self.accept("?.") {
                self.count()?;
                let place = self.token().clone();
                let kind = match place.kind {
                    Kind::Integer(number) => {
                        self.advance();
                        let index = Node {
                            kind: Expr::Literal(Literal::Integer(number)),
                            start: place.start,
                            end: place.end,
                        };
                        Expr::Index(Box::new(node), Box::new(index))
                    }
                    _ => Expr::Member(Box::new(node), self.name("a name")?),
                };
                node = Node {
                    kind,
                    start,
                    end: self.last_end(),
                };
            } else if matches!(self.peek(), Kind::Sign("[" | "?[")) {
                node = self.subscript(node)?;
            } else if *self.peek() == Kind::Sign("(") {
                let problem = "only a function can be called, and it has no dots in its name";
                return Err(fault(
                    self.token().start,
                    problem,
                    "a filter is written value | filter(name=…)",
                ));
            } else {
                return Ok(node);
            }
        }
    }

    pub(super) fn subscript(&mut self, of: Node) -> Parsed<Node> {
        self.count()?;
        self.advance();
        let start = of.start;
        let mut bounds = [None, None, None];
        let mut colons = 0;
        while !self.accept("]") {
            if self.accept(":") {
                colons += 1;
                if colons > 2 {
                    return Err(fault(
                        self.last_end() - 1,
                        "a slice has at most two colons",
                        "write [from:to:step]",
                    ));
                }
            } else if bounds[colons].is_none() {
                bounds[colons] = Some(Box::new(self.binding(0)?));
            } else {
                return Err(self.unexpected("\"]\""));
            }
        }
        let end = self.last_end();
        let kind = match (colons, bounds) {
            (0, [Some(index), ..]) => Expr::Index(Box::new(of), index),
            (0, _) => {
                return Err(fault(
                    end - 1,
                    "nothing stands in the brackets",
                    "write [0] or [\"name\"]",
                ));
            }
            (_, bounds) => Expr::Slice(Box::new(of), bounds),
        };
        Ok(Node { kind, start, end })
    }

    fn arguments(&mut self) -> Parsed<Vec<(Name, Node)>> {
        self.expect("(")?;
        let mut arguments: Vec<(Name, Node)> = Vec::new();
        while !self.accept(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
                if self.accept(")") {
                    break;
                }
            }
            let start = self.token().start;
            let named = self.word().is_some()
                && self
                    .tokens
                    .get(self.at + 1)
                    .is_some_and(|next| next.kind == Kind::Sign("="));
            if !named {
                // Which names there are is said by the checker, which knows what is called.
                let value = self.binding(0)?;
                arguments.push((
                    Name {
                        text: String::new(),
                        start,
                    },
                    value,
                ));
                continue;
            }
            let name = self.name("the name of an argument")?;
            if arguments.iter().any(|(earlier, _)| earlier.text == name.text) {
                return Err(fault(
                    start,
                    format!("the argument {:?} is given twice", name.text),
                    "leave one out",
                ));
            }
            self.expect("=")?;
            arguments.push((name, self.binding(0)?));
        }
        Ok(arguments)
    }

    fn list(&mut self, start: usize) -> Parsed<Node> {
        self.expect("[")?;
        let mut entries = Vec::new();
        while !self.accept("]") {
            if !entries.is_empty() {
                self.expect(",")?;
                if self.accept("]") {
                    break;
                }
            }
            let spread = self.accept("...");
            let before = self.length;
            let node = self.binding(0)?;
            // A list of values that are written out costs nothing.
            if matches!(node.kind, Expr::Literal(_)) {
                self.length = before;
            }
            if entries.is_empty() && !spread && self.accept_word("for") {
                return self.comprehension(start, node);
            }
            entries.push(Entry { spread, node });
        }
        Ok(Node {
            kind: Expr::List(entries),
            start,
            end: self.last_end(),
        })
    }

    fn comprehension(&mut self, start: usize, item: Node) -> Parsed<Node> {
        let (key, value) = self.loop_variables()?;
        let over = self.binding(1)?;
        let condition = if self.accept_word("if") {
            Some(self.binding(1)?)
        } else {
            None
        };
        self.expect("]")?;
        let inner = Comprehension {
            item,
            key,
            value,
            over,
            condition,
        };
        Ok(Node {
            kind: Expr::Comprehension(Box::new(inner)),
            start,
            end: self.last_end(),
        })
    }

    /// `value in` or `key, value in`.
    pub fn loop_variables(&mut self) -> Parsed<(Option<Name>, Name)> {
        let first = self.variable()?;
        let names = if self.accept(",") {
            (Some(first), self.variable()?)
        } else {
            (None, first)
        };
        if self.accept_word("in") {
            Ok(names)
        } else {
            Err(self.unexpected("\"in\""))
        }
    }

    fn map(&mut self, start: usize) -> Parsed<Node> {
        self.expect("{")?;
        let mut entries = Vec::new();
        while !self.accept("}") {
            if !entries.is_empty() {
                self.expect(",")?;
                if self.accept("}") {
                    break;
                }
            }
            if self.accept("...") {
                entries.push(MapEntry {
                    key: None,
                    node: self.binding(0)?,
                });
                continue;
            }
            let Token { kind, start, end } = self.token().clone();
            let truth = matches!(self.word(), Some("true" | "True" | "false" | "False"));
            if !truth && !matches!(kind, Kind::Text(_) | Kind::Integer(_)) {
                return Err(self.unexpected("a key in quotes"));
            }
            self.advance();
            self.expect(":")?;
            entries.push(MapEntry {
                key: Some((start, end)),
                node: self.binding(0)?,
            });
        }
        Ok(Node {
            kind: Expr::Map(entries),
            start,
            end: self.last_end(),
        })
    }

    /// A filter or test: its name, and its arguments where it has some.
    pub fn call(&mut self, what: &str) -> Parsed<Call> {
        self.count()?;
        let name = self.name(what)?;
        let arguments = if *self.peek() == Kind::Sign("(") {
            self.arguments()?
        } else {
            Vec::new()
        };
        Ok(Call { name, arguments })
    }
}
