//! The tree of an expression and of a template, as `parse` builds it and `check` and `emit` walk it.

/// An expression and the part of the source it was written in (parentheses around it included).
#[derive(Debug, Clone)]
pub struct Node {
    pub kind: Expr,
    pub start: usize,
    pub end: usize,
}

/// What an expression is made of.
#[derive(Debug, Clone)]
pub enum Expr {
    Literal(Literal),
    /// A root name or a variable.
    Name(String),
    /// `of.name`
    Member(Box<Node>, Name),
    /// `of[index]`, also `of.0`
    Index(Box<Node>, Box<Node>),
    /// `of[from:to:step]`
    Slice(Box<Node>, [Option<Box<Node>>; 3]),
    /// `of | name(…)`
    Filter(Box<Node>, Call),
    /// `of is name(…)`, `of is not name(…)`
    Test(Box<Node>, Call, bool),
    Function(Call),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(Op, Box<Node>, Box<Node>),
    /// `then if condition else otherwise`
    Ternary(Box<[Node; 3]>),
    List(Vec<Entry>),
    /// Keys are the source text of a text, a number or a truth value.
    Map(Vec<MapEntry>),
    Comprehension(Box<Comprehension>),
}

/// A value that stands in the source.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Text(String),
    Integer(i64),
    Float,
    Truth(bool),
    Null,
}

/// A name and where it stands.
#[derive(Debug, Clone)]
pub struct Name {
    pub text: String,
    pub start: usize,
}

/// A filter, test or function with its arguments.
#[derive(Debug, Clone)]
pub struct Call {
    pub name: Name,
    pub arguments: Vec<(Name, Node)>,
}

/// What stands between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Or,
    And,
    In,
    NotIn,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Join,
    DivideFloor,
    Power,
}

/// An element of a list, or `...of` that brings its elements.
#[derive(Debug, Clone)]
pub struct Entry {
    pub spread: bool,
    pub node: Node,
}

/// A pair of a map, or `...of` that brings its pairs.
#[derive(Debug, Clone)]
pub struct MapEntry {
    /// The key as it stands in the source; `None` for a spread.
    pub key: Option<(usize, usize)>,
    pub node: Node,
}

/// `[item for key, value in over if condition]`
#[derive(Debug, Clone)]
pub struct Comprehension {
    pub item: Node,
    pub key: Option<Name>,
    pub value: Name,
    pub over: Node,
    pub condition: Option<Node>,
}

/// Where a tag begins, and whether it trims what stands before and after it.
#[derive(Debug, Clone, Copy)]
pub struct Tag {
    pub start: usize,
    pub trims: (bool, bool),
}

/// A piece of a template.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Text, a comment or a raw block, from and to.
    Verbatim(usize, usize),
    Print(Tag, Node),
    If {
        /// `if` and each `elif`.
        arms: Vec<(Tag, Node, Vec<Piece>)>,
        otherwise: Option<(Tag, Vec<Piece>)>,
        end: Tag,
    },
    For {
        tag: Tag,
        key: Option<Name>,
        value: Name,
        over: Node,
        body: Vec<Piece>,
        otherwise: Option<(Tag, Vec<Piece>)>,
        end: Tag,
    },
    Set(Tag, Name, Node),
    /// `set name | filters … endset`, or `filter filters … endfilter` where there is no name.
    Capture {
        tag: Tag,
        name: Option<Name>,
        filters: Vec<Call>,
        body: Vec<Piece>,
        end: Tag,
    },
    /// `break` or `continue`.
    Jump(Tag, &'static str),
}

impl Node {
    /// The parts directly under it.
    pub fn children(&self) -> Vec<&Node> {
        match &self.kind {
            Expr::Literal(_) | Expr::Name(_) => Vec::new(),
            Expr::Member(of, _) | Expr::Not(of) | Expr::Negate(of) => vec![of],
            Expr::Index(of, index) => vec![of, index],
            Expr::Slice(of, bounds) => std::iter::once(&**of)
                .chain(bounds.iter().flatten().map(|bound| &**bound))
                .collect(),
            Expr::Filter(of, call) | Expr::Test(of, call, _) => std::iter::once(&**of)
                .chain(call.arguments.iter().map(|(_, value)| value))
                .collect(),
            Expr::Function(call) => call.arguments.iter().map(|(_, value)| value).collect(),
            Expr::Binary(_, left, right) => vec![left, right],
            Expr::Ternary(parts) => parts.iter().collect(),
            Expr::List(entries) => entries.iter().map(|entry| &entry.node).collect(),
            Expr::Map(entries) => entries.iter().map(|entry| &entry.node).collect(),
            Expr::Comprehension(inner) => [&inner.item, &inner.over]
                .into_iter()
                .chain(inner.condition.as_ref())
                .collect(),
        }
    }

    /// How many parts it has, itself included: what one turn through it costs.
    pub fn size(&self) -> usize {
        1 + self.children().into_iter().map(Node::size).sum::<usize>()
    }

    /// The steps of a path whose every step is written out: `email.headers["x-foo"]`, `email.to.0`.
    pub fn plain_path(&self, source: &str) -> Option<Vec<String>> {
        match &self.kind {
            Expr::Name(root) => Some(vec![root.clone()]),
            Expr::Member(of, name) => {
                let mut path = of.plain_path(source)?;
                path.push(name.text.clone());
                Some(path)
            }
            Expr::Index(of, index) => {
                let step = match &index.kind {
                    Expr::Literal(Literal::Text(text)) => text.clone(),
                    Expr::Literal(Literal::Integer(_)) => {
                        source[index.start..index.end].trim_matches(['(', ')', ' ']).to_owned()
                    }
                    _ => return None,
                };
                let mut path = of.plain_path(source)?;
                path.push(step);
                Some(path)
            }
            _ => None,
        }
    }
}

impl Op {
    /// How it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Op::Or => "or",
            Op::And => "and",
            Op::In => "in",
            Op::NotIn => "not in",
            Op::Equal => "==",
            Op::NotEqual => "!=",
            Op::Less => "<",
            Op::LessOrEqual => "<=",
            Op::Greater => ">",
            Op::GreaterOrEqual => ">=",
            Op::Add => "+",
            Op::Subtract => "-",
            Op::Multiply => "*",
            Op::Divide => "/",
            Op::Remainder => "%",
            Op::Join => "~",
            Op::DivideFloor => "//",
            Op::Power => "**",
        }
    }
}
