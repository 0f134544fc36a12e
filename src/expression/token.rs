//! The tokens of an expression, cut where Tera 2.4 cuts them, each with its place in bytes.

use super::ExpressionFault;

/// What a token is; its text is the source between its ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Text outside of any tag, a comment or a raw block: handed on as it stands.
    Verbatim,
    /// `{{`, with `-` where it trims.
    PrintStart(bool),
    PrintEnd(bool),
    /// `{%`
    TagStart(bool),
    TagEnd(bool),
    Name,
    /// A string, its escapes resolved.
    Text(String),
    Integer(i64),
    Float,
    Sign(&'static str),
    /// After the last token; makes looking ahead total.
    End,
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// Longer ones first, as the first that fits is taken.
const SIGNS: [&str; 31] = [
    "...", "//", "**", "==", "!=", ">=", "<=", "</", "?.", "?[", "+", "-", "*", "/", "%", "!", ".", ",", ":", "~", "|",
    "=", ">", "<", "(", ")", "[", "]", "{", "}", "@",
];

/// The tokens of a text with tags in it.
pub fn of_template(source: &str) -> Result<Vec<Token>, ExpressionFault> {
    let mut lexer = Lexer {
        source,
        at: 0,
        tokens: Vec::new(),
    };
    while lexer.at < source.len() {
        lexer.outside()?;
    }
    Ok(lexer.finish())
}

/// The tokens of an expression without braces.
pub fn of_bare(source: &str) -> Result<Vec<Token>, ExpressionFault> {
    let mut lexer = Lexer {
        source,
        at: 0,
        tokens: Vec::new(),
    };
    lexer.inside(None)?;
    Ok(lexer.finish())
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn finish(mut self) -> Vec<Token> {
        let end = self.source.len();
        self.tokens.push(Token {
            kind: Kind::End,
            start: end,
            end,
        });
        self.tokens
    }

    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn push(&mut self, kind: Kind, length: usize) {
        self.tokens.push(Token {
            kind,
            start: self.at,
            end: self.at + length,
        });
        self.at += length;
    }

    fn outside(&mut self) -> Result<(), ExpressionFault> {
        let rest = self.rest();
        let trims = rest.as_bytes().get(2) == Some(&b'-');
        let opening = if trims { 3 } else { 2 };
        if rest.starts_with("{{") {
            let start = self.at;
            self.push(Kind::PrintStart(trims), opening);
            self.inside(Some(("}}", start)))
        } else if rest.starts_with("{%") {
            if let Some(length) = self.raw_block(opening)? {
                self.push(Kind::Verbatim, length);
                return Ok(());
            }
            let start = self.at;
            self.push(Kind::TagStart(trims), opening);
            self.inside(Some(("%}", start)))
        } else if rest.starts_with("{#") {
            let Some(end) = rest[opening..].find("#}") else {
                return Err(fault(self.at, "the comment is not closed", "end it with #}"));
            };
            self.push(Kind::Verbatim, opening + end + 2);
            Ok(())
        } else {
            let length = next_opening(rest).unwrap_or(rest.len());
            self.push(Kind::Verbatim, length);
            Ok(())
        }
    }

    /// The length of a `{% raw %} … {% endraw %}` that begins here.
    fn raw_block(&self, opening: usize) -> Result<Option<usize>, ExpressionFault> {
        let rest = self.rest();
        let Some(body) = tag_end(&rest[opening..], "raw") else {
            return Ok(None);
        };
        let mut at = opening + body;
        while let Some(found) = rest[at..].find("{%") {
            at += found + 2;
            if let Some(end) = tag_end(&rest[at..], "endraw") {
                return Ok(Some(at + end));
            }
        }
        Err(fault(
            self.at,
            "the raw block is not closed",
            "end it with {% endraw %}",
        ))
    }

    /// Tokens up to the closing mark, or to the end of the source where there is none to find.
    fn inside(&mut self, closing: Option<(&str, usize)>) -> Result<(), ExpressionFault> {
        // Within a map `}}` is the end of two maps; Tera wants a blank between them, and is given one.
        let mut maps = 0usize;
        loop {
            self.at += self.rest().len() - self.rest().trim_start_matches(|c: char| c.is_ascii_whitespace()).len();
            let rest = self.rest();
            let Some((mark, start)) = closing else {
                if rest.is_empty() {
                    return Ok(());
                }
                self.token()?;
                continue;
            };
            if rest.is_empty() {
                let problem = format!("{:?} is not closed", &self.source[start..start + 2]);
                return Err(fault(start, problem, format!("end it with {mark}")));
            }
            let trims = rest.strip_prefix('-').is_some_and(|after| after.starts_with(mark));
            if maps == 0 && (trims || rest.starts_with(mark)) {
                let kind = if mark == "}}" {
                    Kind::PrintEnd(trims)
                } else {
                    Kind::TagEnd(trims)
                };
                self.push(kind, if trims { 3 } else { 2 });
                return Ok(());
            }
            self.token()?;
            match self.tokens.last().map(|last| &last.kind) {
                Some(Kind::Sign("{")) => maps += 1,
                Some(Kind::Sign("}")) => maps = maps.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn token(&mut self) -> Result<(), ExpressionFault> {
        let rest = self.rest();
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            self.push(Kind::Sign(sign), sign.len());
            return Ok(());
        }
        match rest.as_bytes().first() {
            Some(quote @ (b'"' | b'\'' | b'`')) => self.text(*quote),
            Some(byte) if byte.is_ascii_digit() => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => {
                let length = rest
                    .bytes()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
                    .count();
                self.push(Kind::Name, length);
                Ok(())
            }
            _ => {
                let character = rest.chars().next().unwrap_or_default();
                let remedy = if character == '&' {
                    "write and"
                } else {
                    "texts stand in quotes, names are letters, digits and _"
                };
                Err(fault(
                    self.at,
                    format!("the character {character:?} can not stand here"),
                    remedy,
                ))
            }
        }
    }

    /// `email.to.0.address` has indexes, not the float `0.`, so after a dot only digits are taken.
    fn number(&mut self) -> Result<(), ExpressionFault> {
        let rest = self.rest();
        let after_dot = self
            .tokens
            .last()
            .is_some_and(|last| matches!(last.kind, Kind::Sign("." | "?.")) && last.end == self.at);
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let fraction = match rest.as_bytes().get(digits) {
            Some(b'.') if !after_dot => 1 + rest[digits + 1..].bytes().take_while(u8::is_ascii_digit).count(),
            _ => 0,
        };
        let text = &rest[..digits + fraction];
        let kind = if fraction == 0 {
            let too_large = |_| {
                fault(
                    self.at,
                    format!("the number {text} is too large"),
                    "at most 9223372036854775807",
                )
            };
            Kind::Integer(text.parse().map_err(too_large)?)
        } else {
            Kind::Float
        };
        self.push(kind, digits + fraction);
        Ok(())
    }

    fn text(&mut self, quote: u8) -> Result<(), ExpressionFault> {
        let rest = self.rest();
        let mut value = String::new();
        let mut characters = rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, escaped @ ('"' | '\'' | '/' | '\\'))) => value.push(escaped),
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, 'r')) => value.push('\r'),
                    Some((_, other)) => {
                        let problem = format!("the escape \\{other} is not known");
                        return Err(fault(
                            self.at + at,
                            problem,
                            format!("for a backslash write \\\\{other}"),
                        ));
                    }
                    None => break,
                },
                _ if u32::from(character) == u32::from(quote) => {
                    self.push(Kind::Text(value), at + 1);
                    return Ok(());
                }
                _ => value.push(character),
            }
        }
        Err(fault(
            self.at,
            "the text in quotes is not closed",
            format!("end it with {}", char::from(quote)),
        ))
    }
}

/// Where the next tag, print or comment begins.
fn next_opening(text: &str) -> Option<usize> {
    text.as_bytes()
        .windows(2)
        .position(|pair| matches!(pair, b"{{" | b"{%" | b"{#"))
}

/// How far `- name -%}` reaches, where that is what stands here.
fn tag_end(text: &str, name: &str) -> Option<usize> {
    let blank = |c: char| c.is_ascii_whitespace();
    let rest = text.strip_prefix('-').unwrap_or(text).trim_start_matches(blank);
    let rest = rest.strip_prefix(name)?.trim_start_matches(blank);
    let rest = rest.strip_prefix('-').unwrap_or(rest).strip_prefix("%}")?;
    Some(text.len() - rest.len())
}

/// A fault at a place.
pub fn fault(offset: usize, problem: impl Into<String>, remedy: impl Into<String>) -> ExpressionFault {
    ExpressionFault {
        offset,
        problem: problem.into(),
        remedy: remedy.into(),
        unknown: None,
    }
}
