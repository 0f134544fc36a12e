//! HTML as a row of texts and tags, in one pass; comments, scripts and styles are left out.

/// Elements whose text nobody sees, and in which nothing is a tag but their end.
const UNSEEN: &[&str] = &["script", "style", "title", "noframes", "noembed", "iframe", "xmp"];
/// No known element has a longer name.
const MAX_NAME: usize = 16;

/// A piece of a document.
#[derive(Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// Between tags, entities not decoded.
    Text(&'a str),
    /// A tag's name in lower case, and the whole tag.
    Open(String, &'a str),
    Close(String),
}

/// Walks over a document.
pub struct Tokens<'a> {
    rest: &'a str,
    length: usize,
}

impl<'a> Tokens<'a> {
    pub fn of(html: &'a str) -> Tokens<'a> {
        Tokens {
            rest: html,
            length: html.len(),
        }
    }

    /// How far the walk has come, in octets: behind the token that was given last.
    pub fn place(&self) -> usize {
        self.length - self.rest.len()
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// Passes over the text of an element that nobody sees, its closing tag included.
    fn pass(&mut self, name: &str) {
        let octets = self.rest.as_bytes();
        let closing = memchr::memmem::find_iter(octets, b"</").find(|at| {
            octets
                .get(at + 2..at + 2 + name.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
        });
        let at = closing.unwrap_or(octets.len());
        let end = memchr::memchr(b'>', &octets[at..]).map_or(octets.len(), |end| at + end + 1);
        self.take(end);
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let Some(inside) = self.rest.strip_prefix('<') else {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                return Some(Token::Text(self.take(end)));
            };
            if inside.starts_with("!--") {
                let end = self.rest.find("-->").map_or(self.rest.len(), |at| at + 3);
                self.take(end);
                continue;
            }
            let closes = inside.starts_with('/');
            let name = name(&inside[usize::from(closes)..]);
            if name.is_empty() && !inside.starts_with(['/', '!', '?']) {
                return Some(Token::Text(self.take(1)));
            }
            let tag = self.take(tag_length(self.rest));
            match name.as_str() {
                "" => continue,
                _ if closes => return Some(Token::Close(name)),
                name if UNSEEN.contains(&name) && !tag.ends_with("/>") => self.pass(name),
                _ => return Some(Token::Open(name, tag)),
            }
        }
    }
}

fn name(text: &str) -> String {
    let letters = text
        .bytes()
        .take(MAX_NAME)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_'));
    let name: String = letters.map(|b| char::from(b.to_ascii_lowercase())).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name
    } else {
        String::new()
    }
}

/// How long the tag is that `rest` begins with. A quoted value may hold `>`; a quote that never ends is none.
fn tag_length(rest: &str) -> usize {
    let octets = rest.as_bytes();
    let (mut at, mut value_begins) = (1, false);
    while let Some(octet) = octets.get(at) {
        match octet {
            b'>' => return at + 1,
            b'"' | b'\'' if value_begins => {
                at += memchr::memchr(*octet, &octets[at + 1..]).map_or(0, |length| length + 1);
                value_begins = false;
            }
            b'=' => value_begins = true,
            other if other.is_ascii_whitespace() => {}
            _ => value_begins = false,
        }
        at += 1;
    }
    rest.len()
}

/// The value of an attribute of a tag, entities not decoded.
pub fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let mut attributes = Attributes::of(tag);
    attributes
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The attributes of a tag with their values, entities not decoded; one without a value has an empty one.
pub struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Attributes<'a> {
    pub fn of(tag: &'a str) -> Attributes<'a> {
        let inside = tag.strip_prefix('<').unwrap_or(tag);
        let name = inside.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'));
        Attributes {
            rest: &inside[name.unwrap_or(inside.len())..],
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn value(&mut self) -> &'a str {
        self.rest = self.rest.trim_ascii_start();
        let Some(behind) = self.rest.strip_prefix('=') else {
            return "";
        };
        self.rest = behind.trim_ascii_start();
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '"' | '\''))
            && let Some(end) = self.rest[1..].find(quote)
        {
            let quoted = self.take(end + 2);
            return &quoted[1..=end];
        }
        let end = self.rest.find(|c: char| c.is_ascii_whitespace() || c == '>');
        self.take(end.unwrap_or(self.rest.len()))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = self
            .rest
            .trim_start_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '='));
        let end = self
            .rest
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '='));
        let name = self.take(end.unwrap_or(self.rest.len()));
        (!name.is_empty()).then(|| (name, self.value()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &str) {
        let tokens = Tokens::of(html).map(|token| match token {
            Token::Text(text) => format!("{text:?}"),
            Token::Open(name, _) => format!("<{name}>"),
            Token::Close(name) => format!("</{name}>"),
        });
        assert_eq!(tokens.collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn tags_and_texts_are_told_apart() {
        check("<P class=a>one<br/>two</P >", "<p> \"one\" <br> \"two\" </p>");
        check("1 < 2 <b>x", "\"1 \" \"<\" \" 2 \" <b> \"x\"");
    }

    #[test]
    fn a_quoted_value_may_hold_a_bracket() {
        check("<a title=\"x>y\">z</a>", "<a> \"z\" </a>");
        check("<a title=\"x>z</a>", "<a> \"z\" </a>");
        check("<a it's>z", "<a> \"z\"");
    }

    #[test]
    fn what_nobody_sees_is_left_out() {
        check(
            "<!DOCTYPE html><?xml?><!-- <b> --><style>p{a>b}</style><script>'<b>'</SCRIPT >x<![endif]>",
            "\"x\"",
        );
        check("<style>never ends", "");
        check("<title/>x", "<title> \"x\"");
    }

    #[test]
    fn attributes_are_found() {
        assert_eq!(attribute("<img src=a alt = \"A b\">", "alt"), Some("A b"));
        assert_eq!(attribute("<img data-alt=x ALT=y>", "alt"), Some("y"));
        assert_eq!(attribute("<img>", "alt"), None);
        assert_eq!(attribute("<img title=' alt=x' alt/>", "alt"), Some(""));
    }

    #[test]
    fn attributes_come_in_order() {
        let all: Vec<_> = Attributes::of("<a href = x/y hidden title='a>b'class=\"c\" = d='e").collect();
        let expected = [
            ("href", "x/y"),
            ("hidden", ""),
            ("title", "a>b"),
            ("class", "c"),
            ("d", "'e"),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn tags_without_an_end_take_linear_time() {
        for piece in ["<a", "<a =\"", "<a ='\"", "<", "</", "<!--", "<style>"] {
            assert!(Tokens::of(&piece.repeat(300_000)).count() <= 300_000);
        }
    }
}
