//! From tokens to a tree, by Tera 2.4's grammar and precedence: the expressions.

use super::{
    ExpressionFault,
    syntax::{Expr, Name, Node, Op},
    token::{self, Kind, Token, fault},
};

mod operand;

type Parsed<T> = Result<T, ExpressionFault>;

/// How deep brackets may nest; Tera itself stops at 40 of its own, smaller steps.
const DEEPEST: usize = 24;
/// How many operands, steps and calls one expression may have, elements of lists that are written out left out; Tera
/// stops at 256 of them. Each clause of a condition is an expression of its own, and it may have so many clauses.
const LONGEST: usize = 240;
/// Words that are no variables.
pub const RESERVED: [&str; 16] = [
    "true", "True", "false", "False", "loop", "self", "and", "or", "not", "is", "in", "continue", "break", "none",
    "None", "null",
];
/// Binding powers, as in Tera: a filter binds tighter than every operator but the minus before a value.
const NOT: u8 = 5;
const IN_AND_IS: u8 = 5;
const PIPE: u8 = 17;
const MINUS_BEFORE: u8 = 20;

/// The tree of a condition, an expression without braces that is evaluated clause by clause.
pub fn condition(source: &str) -> Parsed<Node> {
    let mut parser = Parser::new(source, token::of_bare(source)?);
    parser.clauses = Some(0);
    whole(parser)
}

/// The tree of an expression without braces.
pub fn bare(source: &str) -> Parsed<Node> {
    whole(Parser::new(source, token::of_bare(source)?))
}

fn whole(mut parser: Parser<'_>) -> Parsed<Node> {
    let source = parser.source;
    if let Some(after) = source.trim_start().strip_prefix("{{") {
        let inner = after.trim_end().strip_suffix("}}").unwrap_or(after).trim();
        let offset = source.len() - source.trim_start().len();
        return Err(fault(
            offset,
            "this expression is written without braces",
            format!("write {inner}"),
        ));
    }
    if parser.peek() == &Kind::End {
        return Err(fault(
            0,
            "the expression is empty",
            "write a name such as email.subject",
        ));
    }
    let node = parser.expression()?;
    match parser.peek() {
        Kind::End => Ok(node),
        _ => Err(parser.unexpected("the end of the expression")),
    }
}

/// Walks the tokens.
pub struct Parser<'a> {
    pub source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    length: usize,
    /// How many clauses a condition has so far.
    clauses: Option<usize>,
}

impl<'a> Parser<'a> {
    pub fn new(source: &'a str, tokens: Vec<Token>) -> Parser<'a> {
        Parser {
            source,
            tokens,
            at: 0,
            depth: 0,
            length: 0,
            clauses: None,
        }
    }

    pub fn token(&self) -> &Token {
        &self.tokens[self.at]
    }

    pub fn peek(&self) -> &Kind {
        &self.token().kind
    }

    /// The token before the one that is next.
    pub fn last_end(&self) -> usize {
        self.at.checked_sub(1).map_or(0, |last| self.tokens[last].end)
    }

    /// Goes on by one; stays at the end.
    pub fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    pub fn word(&self) -> Option<&'a str> {
        let Token { kind, start, end } = self.token();
        (*kind == Kind::Name).then(|| &self.source[*start..*end])
    }

    pub fn accept_word(&mut self, word: &str) -> bool {
        let found = self.word() == Some(word);
        if found {
            self.advance();
        }
        found
    }

    pub fn accept(&mut self, sign: &'static str) -> bool {
        let found = *self.peek() == Kind::Sign(sign);
        if found {
            self.advance();
        }
        found
    }

    pub fn expect(&mut self, sign: &'static str) -> Parsed<()> {
        if self.accept(sign) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("{sign:?}")))
        }
    }

    pub fn unexpected(&self, wanted: &str) -> ExpressionFault {
        let Token { kind, start, end } = self.token();
        let found = match kind {
            Kind::End => "the text ends".to_owned(),
            Kind::Verbatim => "text follows".to_owned(),
            _ => format!("{:?} stands", &self.source[*start..*end]),
        };
        let remedy = match kind {
            Kind::Sign("=") => "to compare, write ==",
            Kind::Sign("!") => "write not",
            Kind::Sign("|") if self.source[*end..].starts_with('|') => "write or",
            Kind::Sign(".") => "after a bracket write [\"name\"] for .name",
            _ => "",
        };
        fault(*start, format!("{found} where {wanted} is expected"), remedy)
    }

    pub fn name(&mut self, what: &str) -> Parsed<Name> {
        let Some(word) = self.word() else {
            return Err(self.unexpected(what));
        };
        let name = Name {
            text: word.to_owned(),
            start: self.token().start,
        };
        self.advance();
        Ok(name)
    }

    /// A name that may be given a value.
    pub fn variable(&mut self) -> Parsed<Name> {
        let name = self.name("a name")?;
        if RESERVED.contains(&name.text.as_str()) || name.text.starts_with("__") {
            let problem = format!("{:?} is reserved and can not be a variable", name.text);
            return Err(fault(name.start, problem, "take another name"));
        }
        Ok(name)
    }

    /// A whole expression of its own.
    pub fn expression(&mut self) -> Parsed<Node> {
        self.length = 0;
        self.binding(0)
    }

    /// An expression that binds at least so tightly.
    fn binding(&mut self, power: u8) -> Parsed<Node> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(fault(
                self.token().start,
                "the expression is nested too deeply",
                "divide it with {% set %} or several steps",
            ));
        }
        let mut left = self.operand()?;
        while let Some(next) = self.continuation(power)? {
            left = self.continued(left, next)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn count(&mut self) -> Parsed<()> {
        self.length += 1;
        if self.length <= LONGEST {
            return Ok(());
        }
        Err(self.too_long(format!(
            "the expression is too long: more than {LONGEST} names, values, operators and calls"
        )))
    }

    /// After `and` and `or` a clause begins anew.
    fn clause(&mut self) -> Parsed<()> {
        let Some(clauses) = &mut self.clauses else {
            return Ok(());
        };
        *clauses += 1;
        self.length = 0;
        if *clauses < LONGEST {
            return Ok(());
        }
        Err(self.too_long(format!("the condition is too long: more than {LONGEST} clauses")))
    }

    fn too_long(&self, problem: String) -> ExpressionFault {
        let remedy = match self.clauses {
            Some(_) => "write name in [\"…\", \"…\"] for many of one kind, or divide it over several rules",
            None => "divide it with {% set %} or several steps",
        };
        fault(self.token().start, problem, remedy)
    }
}

/// What goes on after an operand.
enum Next {
    Filter,
    Test,
    Subscript,
    Ternary,
    Binary(Op, u8),
}

impl Parser<'_> {
    /// What follows the operand, where it binds tightly enough; its sign is taken.
    fn continuation(&mut self, power: u8) -> Parsed<Option<Next>> {
        let word = self.word();
        let next = match (self.peek().clone(), word) {
            (Kind::Sign("["), _) => return Ok(Some(Next::Subscript)),
            (Kind::Sign("|"), _) if PIPE >= power => Next::Filter,
            (_, Some("is")) if IN_AND_IS >= power => Next::Test,
            (_, Some("if")) if power == 0 => Next::Ternary,
            (_, Some("not")) if IN_AND_IS >= power => {
                self.advance();
                if self.word() != Some("in") {
                    return Err(self.unexpected("\"in\""));
                }
                Next::Binary(Op::NotIn, IN_AND_IS + 1)
            }
            (kind, word) => match operator(&kind, word) {
                Some((op, left, right)) if left >= power => Next::Binary(op, right),
                _ => return Ok(None),
            },
        };
        self.advance();
        Ok(Some(next))
    }

    fn continued(&mut self, left: Node, next: Next) -> Parsed<Node> {
        self.count()?;
        let start = left.start;
        let left = Box::new(left);
        let kind = match next {
            Next::Subscript => return self.subscript(*left),
            Next::Filter => Expr::Filter(left, self.call("the name of a filter")?),
            Next::Test => {
                let negated = self.accept_word("not");
                Expr::Test(left, self.call("the name of a test")?, negated)
            }
            Next::Ternary => {
                let condition = self.binding(0)?;
                if !self.accept_word("else") {
                    return Err(self.unexpected("\"else\""));
                }
                Expr::Ternary(Box::new([*left, condition, self.binding(0)?]))
            }
            Next::Binary(op @ (Op::And | Op::Or), right) => {
                self.clause()?;
                Expr::Binary(op, left, Box::new(self.binding(right)?))
            }
            Next::Binary(op, right) => Expr::Binary(op, left, Box::new(self.binding(right)?)),
        };
        Ok(Node {
            kind,
            start,
            end: self.last_end(),
        })
    }
}

/// An operator with its binding powers to the left and to the right.
fn operator(kind: &Kind, word: Option<&str>) -> Option<(Op, u8, u8)> {
    let sign = match kind {
        Kind::Sign(sign) => sign,
        _ => word?,
    };
    Some(match sign {
        "or" => (Op::Or, 1, 2),
        "and" => (Op::And, 3, 4),
        "in" => (Op::In, 5, 6),
        "==" => (Op::Equal, 7, 8),
        "!=" => (Op::NotEqual, 7, 8),
        "<" => (Op::Less, 7, 8),
        "<=" => (Op::LessOrEqual, 7, 8),
        ">" => (Op::Greater, 7, 8),
        ">=" => (Op::GreaterOrEqual, 7, 8),
        "+" => (Op::Add, 11, 12),
        "-" => (Op::Subtract, 11, 12),
        "*" => (Op::Multiply, 13, 14),
        "/" => (Op::Divide, 13, 14),
        "%" => (Op::Remainder, 13, 14),
        "~" => (Op::Join, 13, 14),
        "//" => (Op::DivideFloor, 13, 14),
        "**" => (Op::Power, 16, 15),
        _ => return None,
    })
}
