//! Tags off, text kept: the plain way to read HTML, in one pass.

use super::token::{Token, Tokens};

/// Elements that begin or end a line.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "blockquote",
    "br",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "table",
    "td",
    "th",
    "tr",
    "ul",
];

/// Named entities that mail uses; others stay as they are.
const ENTITIES: &[(&str, &str)] = &[
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("shy", ""),
    ("zwnj", ""),
    ("zwj", ""),
    ("auml", "ä"),
    ("ouml", "ö"),
    ("uuml", "ü"),
    ("Auml", "Ä"),
    ("Ouml", "Ö"),
    ("Uuml", "Ü"),
    ("szlig", "ß"),
    ("eacute", "é"),
    ("egrave", "è"),
    ("ecirc", "ê"),
    ("euml", "ë"),
    ("agrave", "à"),
    ("aacute", "á"),
    ("acirc", "â"),
    ("aring", "å"),
    ("Aring", "Å"),
    ("aelig", "æ"),
    ("oslash", "ø"),
    ("Oslash", "Ø"),
    ("ccedil", "ç"),
    ("ntilde", "ñ"),
    ("iacute", "í"),
    ("oacute", "ó"),
    ("uacute", "ú"),
    ("ugrave", "ù"),
    ("icirc", "î"),
    ("ocirc", "ô"),
    ("euro", "€"),
    ("pound", "£"),
    ("yen", "¥"),
    ("cent", "¢"),
    ("copy", "©"),
    ("reg", "®"),
    ("trade", "™"),
    ("deg", "°"),
    ("sect", "§"),
    ("para", "¶"),
    ("middot", "·"),
    ("bull", "•"),
    ("hellip", "…"),
    ("ndash", "–"),
    ("mdash", "—"),
    ("lsquo", "‘"),
    ("rsquo", "’"),
    ("sbquo", "‚"),
    ("ldquo", "“"),
    ("rdquo", "”"),
    ("bdquo", "„"),
    ("laquo", "«"),
    ("raquo", "»"),
    ("times", "×"),
    ("divide", "÷"),
    ("frac12", "½"),
    ("larr", "←"),
    ("rarr", "→"),
    ("ensp", " "),
    ("emsp", " "),
    ("thinsp", " "),
    ("iexcl", "¡"),
    ("iquest", "¿"),
];

/// The text between the tags.
pub fn tags(html: &str) -> String {
    let mut text = Text::default();
    for token in Tokens::of(html) {
        match token {
            Token::Text(piece) => text.add(piece),
            Token::Open(name, _) => text.break_line(&name, false),
            Token::Close(name) => text.break_line(&name, true),
        }
    }
    text.written
}

#[derive(Default)]
struct Text {
    written: String,
}

impl Text {
    fn break_line(&mut self, name: &str, closes: bool) {
        if !BLOCKS.contains(&name) {
            return;
        }
        let begun = !self.written.is_empty() && !self.written.ends_with('\n');
        if begun || name == "br" || name == "p" && closes {
            self.written.truncate(self.written.trim_end_matches(' ').len());
            self.written.push('\n');
        }
        if name == "li" && !closes {
            self.written.push_str("* ");
        }
    }

    /// Adds text with its entities decoded and white space collapsed.
    fn add(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find('&') {
            self.add_plain(&rest[..at]);
            rest = &rest[at..];
            let (decoded, length) = entity(rest);
            self.written.push_str(&decoded);
            rest = &rest[length..];
        }
        self.add_plain(rest);
    }

    fn add_plain(&mut self, text: &str) {
        for c in text.chars() {
            if !c.is_ascii_whitespace() {
                self.written.push(c);
            } else if !self.written.is_empty() && !self.written.ends_with([' ', '\n']) {
                self.written.push(' ');
            }
        }
    }
}

/// What the `&…;` at the beginning of `rest` stands for, and its length; the `&` itself where it is no entity.
fn entity(rest: &str) -> (String, usize) {
    let name: String = rest[1..]
        .chars()
        .take(10)
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '#')
        .collect();
    let length = 1 + name.len() + usize::from(rest[1 + name.len()..].starts_with(';'));
    let number = name
        .strip_prefix('#')
        .and_then(|digits| match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        });
    let character = number
        .and_then(char::from_u32)
        .filter(|c| !c.is_control() || *c == '\n')
        .map(String::from);
    let named = ENTITIES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| (*text).to_owned());
    character
        .or(named)
        .map_or_else(|| ("&".to_owned(), 1), |text| (text, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &str) {
        assert_eq!(tags(html), expected);
    }

    #[test]
    fn blocks_break_lines_and_white_space_collapses() {
        check(
            "<div>one\r\n  two</div><div>three<br>four</div>",
            "one two\nthree\nfour\n",
        );
        check("<ul><li>a</li><li>b</li></ul>", "* a\n* b\n");
    }

    #[test]
    fn entities_are_decoded() {
        check("a &amp; b &#228; &#xE4; &euro; &unknown; &", "a & b ä ä € &unknown; &");
    }

    #[test]
    fn a_less_sign_is_text() {
        check("1 < 2 <b>3</b> <", "1 < 2 3 <");
    }

    #[test]
    fn many_tags_without_an_end_take_linear_time() {
        assert_eq!(tags(&"<a".repeat(1_000_000)), "");
    }
}
