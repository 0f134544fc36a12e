//! From the tree to the text that Tera is given: paths safe under a null, operators and loops counted.

use super::{
    budget::STEP,
    syntax::{Call, Name, Node, Piece, Tag},
};

mod expression;

use expression::{FILTER, TERNARY};

/// The text for Tera, and which part of it came from where.
#[derive(Debug, Default)]
pub struct Emitted {
    pub text: String,
    /// Offsets in the text and in the source, both ascending in the text.
    pub marks: Vec<(usize, usize)>,
}

impl Emitted {
    /// Where in the source something stands that stands here in the text.
    pub fn origin(marks: &[(usize, usize)], offset: usize) -> usize {
        let after = marks.partition_point(|(at, _)| *at <= offset);
        after.checked_sub(1).map_or(0, |last| marks[last].1)
    }
}

/// The text for a template.
pub fn template(source: &str, pieces: &[Piece]) -> Emitted {
    let mut emitter = Emitter {
        source,
        made: Emitted::default(),
    };
    emitter.pieces(pieces);
    emitter.made
}

/// The text for an expression whose value is kept.
pub fn value(source: &str, node: &Node) -> Emitted {
    let mut emitter = Emitter {
        source,
        made: Emitted::default(),
    };
    emitter.write("{{ ");
    emitter.node(node, FILTER);
    emitter.write(" | op_keep }}");
    emitter.made
}

struct Emitter<'a> {
    source: &'a str,
    made: Emitted,
}

impl Emitter<'_> {
    fn write(&mut self, text: &str) {
        self.made.text.push_str(text);
    }

    fn copy(&mut self, start: usize, end: usize) {
        self.mark(start);
        self.made.text.push_str(&self.source[start..end]);
    }

    fn mark(&mut self, source: usize) {
        self.made.marks.push((self.made.text.len(), source));
    }

    fn pieces(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            self.piece(piece);
        }
    }

    fn open(&mut self, tag: Tag, opening: &str) {
        self.mark(tag.start);
        self.write(opening);
        self.write(if tag.trims.0 { "- " } else { " " });
    }

    fn close(&mut self, tag: Tag, closing: &str) {
        self.write(if tag.trims.1 { " -" } else { " " });
        self.write(closing);
    }

    fn word(&mut self, tag: Tag, word: &str) {
        self.open(tag, "{%");
        self.write(word);
        self.close(tag, "%}");
    }

    fn otherwise(&mut self, otherwise: Option<&(Tag, Vec<Piece>)>) {
        if let Some((tag, body)) = otherwise {
            self.word(*tag, "else");
            self.pieces(body);
        }
    }

    fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Verbatim(start, end) => self.copy(*start, *end),
            Piece::Print(tag, node) => {
                self.open(*tag, "{{");
                self.node(node, FILTER);
                self.write(" | op_print");
                self.close(*tag, "}}");
            }
            Piece::If { arms, otherwise, end } => {
                for (number, (tag, condition, body)) in arms.iter().enumerate() {
                    self.open(*tag, "{%");
                    self.write(if number == 0 { "if " } else { "elif " });
                    self.node(condition, TERNARY);
                    self.close(*tag, "%}");
                    self.pieces(body);
                }
                self.otherwise(otherwise.as_ref());
                self.word(*end, "endif");
            }
            Piece::For {
                tag,
                key,
                value,
                over,
                body,
                otherwise,
                end,
            } => {
                self.walk(*tag, (key.as_ref(), value), over, body);
                self.otherwise(otherwise.as_ref());
                self.word(*end, "endfor");
            }
            Piece::Set(tag, name, node) => {
                self.open(*tag, "{%");
                self.write("set ");
                self.write(&name.text);
                self.write(" = ");
                self.node(node, TERNARY);
                self.close(*tag, "%}");
            }
            Piece::Capture {
                tag,
                name,
                filters,
                body,
                end,
            } => {
                self.capture(*tag, name.as_ref(), filters);
                self.pieces(body);
                self.word(*end, if name.is_some() { "endset" } else { "endfilter" });
            }
            Piece::Jump(tag, word) => self.word(*tag, word),
        }
    }

    fn walk(&mut self, tag: Tag, (key, value): (Option<&Name>, &Name), over: &Node, body: &[Piece]) {
        self.open(tag, "{%");
        self.write("for ");
        if let Some(key) = key {
            self.write(&key.text);
            self.write(", ");
        }
        self.write(&value.text);
        self.write(" in ");
        self.turns(over, key.is_some(), weight(body));
        self.close(tag, "%}");
        self.pieces(body);
    }

    fn capture(&mut self, tag: Tag, name: Option<&Name>, filters: &[Call]) {
        self.open(tag, "{%");
        if let Some(name) = name {
            self.write("set ");
            self.write(&name.text);
            filters.iter().for_each(|filter| self.filter(filter, &filter.name.text));
        } else {
            self.write("filter ");
            for (number, filter) in filters.iter().enumerate() {
                self.write(if number == 0 { "" } else { " | " });
                self.call(filter, &filter.name.text);
            }
        }
        self.close(tag, "%}");
    }

    /// What a loop walks, through the filter that counts its turns.
    fn turns(&mut self, over: &Node, keyed: bool, cost: usize) {
        self.node(over, FILTER);
        self.write(&format!(" | op_turns(cost={cost}, keyed={keyed})"));
    }
}

/// What one turn through a body costs: its steps and its text. Inner loops count for themselves.
fn weight(pieces: &[Piece]) -> usize {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Verbatim(start, end) => STEP + end - start,
            Piece::Print(_, node) | Piece::Set(_, _, node) => STEP * (1 + node.size()),
            Piece::If { arms, otherwise, .. } => {
                let arms: usize = arms
                    .iter()
                    .map(|(_, condition, body)| STEP * (1 + condition.size()) + weight(body))
                    .sum();
                arms + otherwise.as_ref().map_or(0, |(_, body)| weight(body))
            }
            Piece::For { over, otherwise, .. } => {
                STEP * (2 + over.size()) + otherwise.as_ref().map_or(0, |(_, body)| weight(body))
            }
            Piece::Capture { filters, body, .. } => {
                let steps: usize = filters
                    .iter()
                    .flat_map(|filter| &filter.arguments)
                    .map(|(_, value)| value.size())
                    .sum();
                STEP * (1 + filters.len() + steps) + weight(body)
            }
            Piece::Jump(..) => STEP,
        })
        .sum::<usize>()
        + STEP
}
