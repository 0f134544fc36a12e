//! From tokens to a tree: the tags of a template, and those that are refused.

use super::{
    ExpressionFault,
    parse::Parser,
    syntax::{Call, Name, Piece, Tag},
    token::{self, Kind, fault},
};
use crate::config::fault::suggest;

type Parsed<T> = Result<T, ExpressionFault>;

/// How deep `if`, `for` and captures may nest.
const DEEPEST: usize = 20;
/// What a template may say in `{% … %}`.
const TAGS: [&str; 12] = [
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "endfor",
    "set",
    "endset",
    "filter",
    "endfilter",
    "break",
    "continue",
];
/// Tera's other tags: they reach beyond this text, or grow without a bound.
const REFUSED: [(&str, &str); 8] = [
    (
        "set_global",
        "write set; a value that grows from turn to turn is not bounded",
    ),
    ("include", "write the text itself"),
    ("extends", "write the text itself"),
    ("block", "write the text itself"),
    ("endblock", "write the text itself"),
    ("component", "write the text itself"),
    ("endcomponent", "write the text itself"),
    ("macro", "write the text itself"),
];

/// The pieces of a text with tags in it.
pub fn template(source: &str) -> Parsed<Vec<Piece>> {
    let mut blocks = Blocks {
        parser: Parser::new(source, token::of_template(source)?),
        depth: 0,
        captures: vec![0],
    };
    let (pieces, closing) = blocks.until(&[])?;
    debug_assert!(closing.is_none(), "nothing closes the whole");
    Ok(pieces)
}

struct Blocks<'a> {
    parser: Parser<'a>,
    depth: usize,
    /// How many loops stand open within each capture around: `break` can not leave one.
    captures: Vec<usize>,
}

/// The tag that ended a body: its word, where it opens, and whether it trims there.
type Closing = (&'static str, usize, bool);

impl Blocks<'_> {
    /// The pieces up to a tag with one of these words, which is taken; to the end where none is asked for.
    fn until(&mut self, closers: &[&'static str]) -> Parsed<(Vec<Piece>, Option<Closing>)> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(fault(
                self.parser.token().start,
                "the tags are nested too deeply",
                "divide the text into several steps",
            ));
        }
        let mut pieces = Vec::new();
        loop {
            let place = self.parser.token().clone();
            match place.kind {
                Kind::Verbatim => {
                    self.parser.advance();
                    pieces.push(Piece::Verbatim(place.start, place.end));
                }
                Kind::PrintStart(trims) => {
                    self.parser.advance();
                    let node = self.parser.expression()?;
                    pieces.push(Piece::Print(self.close(place.start, trims)?, node));
                }
                Kind::TagStart(trims) => {
                    self.parser.advance();
                    let word = self.parser.word();
                    if let Some(closer) = closers.iter().find(|closer| word == Some(**closer)) {
                        self.parser.advance();
                        self.depth -= 1;
                        return Ok((pieces, Some((closer, place.start, trims))));
                    }
                    pieces.push(self.tag(place.start, trims)?);
                }
                _ if closers.is_empty() => {
                    self.depth -= 1;
                    return Ok((pieces, None));
                }
                _ => {
                    let closer = closers.last().copied().unwrap_or_default();
                    return Err(fault(
                        place.start,
                        format!("{{% {closer} %}} is missing"),
                        "close what was opened",
                    ));
                }
            }
        }
    }

    /// The closing mark of a tag that began at `start`.
    fn close(&mut self, start: usize, trims: bool) -> Parsed<Tag> {
        match *self.parser.peek() {
            Kind::PrintEnd(after) | Kind::TagEnd(after) => {
                self.parser.advance();
                Ok(Tag {
                    start,
                    trims: (trims, after),
                })
            }
            _ => Err(self.parser.unexpected("the end of the tag")),
        }
    }

    fn tag(&mut self, start: usize, trims: bool) -> Parsed<Piece> {
        let place = self.parser.token().start;
        let Some(word) = self.parser.word() else {
            return Err(match self.parser.peek() {
                Kind::Sign("<" | "</") => fault(place, "components are not admitted", "write the text itself"),
                _ => self.parser.unexpected("the name of a tag"),
            });
        };
        self.parser.advance();
        match word {
            "if" => self.conditional(start, trims),
            "for" => self.walk(start, trims),
            "set" => self.assignment(start, trims),
            "filter" => {
                let mut filters = vec![self.parser.call("the name of a filter")?];
                while self.parser.accept("|") {
                    filters.push(self.parser.call("the name of a filter")?);
                }
                self.capture(start, trims, None, filters, "endfilter")
            }
            "break" => self.jump(start, trims, "break"),
            "continue" => self.jump(start, trims, "continue"),
            _ => Err(refuse(word, place)),
        }
    }

    fn conditional(&mut self, start: usize, trims: bool) -> Parsed<Piece> {
        let mut arms = Vec::new();
        let (mut start, mut trims) = (start, trims);
        loop {
            let condition = self.parser.expression()?;
            let tag = self.close(start, trims)?;
            let (body, closing) = self.until(&["elif", "else", "endif"])?;
            arms.push((tag, condition, body));
            let (word, at, trimming) = closing.expect("a body with a closer ends by it");
            match word {
                "elif" => (start, trims) = (at, trimming),
                "endif" => {
                    return Ok(Piece::If {
                        arms,
                        otherwise: None,
                        end: self.close(at, trimming)?,
                    });
                }
                _ => {
                    let (otherwise, end) = self.otherwise(at, trimming, "endif")?;
                    return Ok(Piece::If {
                        arms,
                        otherwise: Some(otherwise),
                        end,
                    });
                }
            }
        }
    }

    /// The body after `else`, whose opening was taken, and the tag that ends it.
    fn otherwise(&mut self, start: usize, trims: bool, closer: &'static str) -> Parsed<((Tag, Vec<Piece>), Tag)> {
        let tag = self.close(start, trims)?;
        let (body, closing) = self.until(&[closer])?;
        let (_, at, trimming) = closing.expect("a body with a closer ends by it");
        Ok(((tag, body), self.close(at, trimming)?))
    }

    fn walk(&mut self, start: usize, trims: bool) -> Parsed<Piece> {
        let (key, value) = self.parser.loop_variables()?;
        let over = self.parser.expression()?;
        let tag = self.close(start, trims)?;
        *self.captures.last_mut().expect("the whole text is the first") += 1;
        let (body, closing) = self.until(&["else", "endfor"])?;
        *self.captures.last_mut().expect("the whole text is the first") -= 1;
        let (word, at, trimming) = closing.expect("a body with a closer ends by it");
        if word == "endfor" {
            let end = self.close(at, trimming)?;
            return Ok(Piece::For {
                tag,
                key,
                value,
                over,
                body,
                otherwise: None,
                end,
            });
        }
        let (otherwise, end) = self.otherwise(at, trimming, "endfor")?;
        Ok(Piece::For {
            tag,
            key,
            value,
            over,
            body,
            otherwise: Some(otherwise),
            end,
        })
    }

    fn assignment(&mut self, start: usize, trims: bool) -> Parsed<Piece> {
        let name = self.parser.variable()?;
        if self.parser.accept("=") {
            let value = self.parser.expression()?;
            return Ok(Piece::Set(self.close(start, trims)?, name, value));
        }
        let mut filters = Vec::new();
        while self.parser.accept("|") {
            filters.push(self.parser.call("the name of a filter")?);
        }
        self.capture(start, trims, Some(name), filters, "endset")
    }

    fn capture(
        &mut self,
        start: usize,
        trims: bool,
        name: Option<Name>,
        filters: Vec<Call>,
        closer: &'static str,
    ) -> Parsed<Piece> {
        let tag = self.close(start, trims)?;
        self.captures.push(0);
        let (body, closing) = self.until(&[closer])?;
        self.captures.pop();
        let (_, at, trimming) = closing.expect("a body with a closer ends by it");
        Ok(Piece::Capture {
            tag,
            name,
            filters,
            body,
            end: self.close(at, trimming)?,
        })
    }

    fn jump(&mut self, start: usize, trims: bool, word: &'static str) -> Parsed<Piece> {
        if self.captures.last() == Some(&0) {
            return Err(fault(
                start,
                format!("{word:?} stands in no loop"),
                "it belongs between {% for … %} and {% endfor %}",
            ));
        }
        Ok(Piece::Jump(self.close(start, trims)?, word))
    }
}

fn refuse(word: &str, place: usize) -> ExpressionFault {
    if let Some((_, remedy)) = REFUSED.iter().find(|(refused, _)| *refused == word) {
        return fault(place, format!("the tag {word:?} is not admitted"), *remedy);
    }
    if TAGS.contains(&word) {
        return fault(
            place,
            format!("{word:?} closes nothing here"),
            "remove it, or open what it closes",
        );
    }
    fault(place, format!("the tag {word:?} is not known"), suggest(word, TAGS))
}
