//! The outline of a document: only what gives text its shape, written anew so that a tree of it is cheap to build.
//!
//! A tree builder's work grows with the elements that are open at each tag: 60,000 open `<div>` took 13 s. What the
//! outline leaves out (formatting, attributes, foreign content) is also what hides such piles.

use super::{
    mark::{self, Mark},
    token::{Token, Tokens, attribute},
};

/// Stands in the outline where a mark begins to hold, before the text; a letter without a meaning, of which mail has
/// none. Where it has, the marks are given up.
pub const SIGN: char = '\u{10ff00}';

/// A longer outline is a newsletter or worse.
const MAX_LENGTH: usize = 512 * 1024;
/// Open elements at one time.
const MAX_OPEN: usize = 100;
/// Open elements, summed over all tags.
const MAX_WORK: usize = 500_000;

/// Elements that hold others and begin a line, with what they become. A tree of tables would be dear and shows
/// nothing that lines do not.
const HOLDING: &[(&str, &str)] = &[
    ("address", "div"),
    ("article", "div"),
    ("aside", "div"),
    ("blockquote", "blockquote"),
    ("caption", "div"),
    ("center", "div"),
    ("div", "div"),
    ("dl", "div"),
    ("footer", "div"),
    ("header", "div"),
    ("main", "div"),
    ("nav", "div"),
    ("ol", "ol"),
    ("pre", "pre"),
    ("section", "div"),
    ("table", "div"),
    ("ul", "ul"),
];

/// Elements that end where the next of their kind begins, or at once, so that they can not pile up.
const FLAT: &[(&str, &str)] = &[
    ("br", "br"),
    ("dd", "p"),
    ("dt", "p"),
    ("h1", "p"),
    ("h2", "p"),
    ("h3", "p"),
    ("h4", "p"),
    ("h5", "p"),
    ("h6", "p"),
    ("hr", "p"),
    ("li", "li"),
    ("p", "p"),
];

/// The outline, or nothing where a tree of it would cost too much; and what each [`SIGN`] in it says, with the place in
/// the document of the element that says so.
pub fn of(html: &str) -> Option<(String, Vec<(Mark, usize)>)> {
    let mut outline = Outline::default();
    let mut tokens = Tokens::of(html);
    while let Some(token) = tokens.next() {
        match token {
            // A lone `<` must not become a tag in its new place.
            Token::Text(text) => outline.text(text),
            Token::Open(name, tag) => {
                outline.mark(&name, tag, tokens.place() - tag.len());
                outline.open(&name, tag);
            }
            Token::Close(name) => outline.close(&name),
        }
        if outline.open.len() > MAX_OPEN || outline.work > MAX_WORK || outline.written.len() > MAX_LENGTH {
            return None;
        }
    }
    Some((outline.written, outline.marks))
}

/// The texts with a line break where an element begins or ends a line: what is left of a document without an outline,
/// for a reader that knows no other lines. Its work grows with the document alone.
pub fn lines(html: &str) -> String {
    let mut lines = String::with_capacity(html.len());
    for token in Tokens::of(html) {
        match token {
            Token::Text(text) => lines.push_str(&text.replace('<', "&lt;")),
            Token::Open(name, _) | Token::Close(name) => match name.as_str() {
                "td" | "th" => lines.push(' '),
                name if !begins_line(name) || lines.ends_with("<br>") => {}
                _ => lines.push_str("<br>"),
            },
        }
    }
    lines
}

#[derive(Default)]
struct Outline {
    written: String,
    open: Vec<&'static str>,
    /// Marked elements among those, by their depth.
    marked: Vec<(usize, Mark)>,
    /// What was said since the last text, and what that came to in the end.
    said: Vec<(Mark, usize)>,
    current: Option<Mark>,
    marks: Vec<(Mark, usize)>,
    /// Whether a line has just begun and nothing but white space stands in it.
    begun: bool,
    work: usize,
}

impl Outline {
    fn text(&mut self, text: &str) {
        // Each line of preformatted text is indented by all that holds it.
        if self.open.contains(&"pre") {
            self.work += self.open.len() * memchr::memchr_iter(b'\n', text.as_bytes()).count();
        }
        if !text.trim().is_empty() {
            self.begun = false;
            self.sign();
        }
        self.written.push_str(&text.replace('<', "&lt;"));
    }

    /// Keeps what an element says until the next text. One that is held by another never ends it.
    fn mark(&mut self, name: &str, tag: &str, place: usize) {
        let holds = known(HOLDING, name).is_some();
        let mark = if holds || name == "hr" {
            mark::of(name, tag)
        } else {
            None
        };
        let Some(mark) = mark else { return };
        match mark {
            Mark::Rest | Mark::Perhaps => self.said.push((mark, place)),
            _ if holds => {
                self.marked.push((self.open.len(), mark));
                self.said.push((mark, place));
            }
            _ => {}
        }
    }

    /// Writes what holds for the text that comes, where it is something else than before.
    fn sign(&mut self) {
        let holds = |mark: Mark| self.marked.iter().any(|(_, other)| *other == mark);
        let now = [Mark::Quoted, Mark::Signature, Mark::Indented]
            .into_iter()
            .find(|mark| holds(*mark));
        let said = std::mem::take(&mut self.said);
        let place = said
            .iter()
            .find(|(mark, _)| Some(*mark) == now)
            .map_or(0, |(_, place)| *place);
        if now != self.current {
            self.marks.push((now.unwrap_or(Mark::Plain), place));
            self.written.push(SIGN);
        }
        for one in said
            .into_iter()
            .filter(|(mark, _)| matches!(mark, Mark::Rest | Mark::Perhaps))
        {
            self.marks.push(one);
            self.written.push(SIGN);
        }
        self.current = now;
    }

    fn open(&mut self, name: &str, tag: &str) {
        match name {
            "td" | "th" => self.written.push(' '),
            "tr" => self.row(),
            "img" => self.picture(tag),
            _ => {}
        }
        if let Some((name, becomes)) = known(HOLDING, name) {
            self.open.push(name);
            self.write("<", becomes);
        } else if let Some((_, becomes)) = known(FLAT, name) {
            self.write("<", becomes);
        }
    }

    fn close(&mut self, name: &str) {
        if let Some((_, becomes)) = known(FLAT, name) {
            return self.write("</", becomes);
        }
        let Some(at) = self.open.iter().rposition(|open| *open == name) else {
            return;
        };
        self.marked.retain(|(depth, _)| *depth < at);
        // What it held ends with it.
        for name in self.open.split_off(at).into_iter().rev() {
            if let Some((_, becomes)) = known(HOLDING, name) {
                self.write("</", becomes);
            }
        }
    }

    /// Each row is a line; the table has begun the first one.
    fn row(&mut self) {
        if !self.begun {
            self.write("<", "br");
        }
    }

    fn picture(&mut self, tag: &str) {
        if let Some(text) = attribute(tag, "alt").filter(|text| !text.trim().is_empty()) {
            self.begun = false;
            self.sign();
            self.written.push_str(&format!(" [{}] ", text.replace('<', "&lt;")));
        }
    }

    fn write(&mut self, begin: &str, name: &str) {
        self.work += self.open.len();
        self.begun = begin == "<" && name == "div";
        self.written.push_str(begin);
        self.written.push_str(name);
        self.written.push('>');
    }
}

fn begins_line(name: &str) -> bool {
    name == "tr" || known(HOLDING, name).or(known(FLAT, name)).is_some()
}

fn known(names: &[(&'static str, &'static str)], name: &str) -> Option<(&'static str, &'static str)> {
    names.iter().copied().find(|(known, _)| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: Option<&str>) {
        let written = of(html).map(|(written, _)| written);
        assert_eq!(written.as_deref(), expected, "{}", &html[..html.len().min(80)]);
    }

    #[test]
    fn only_what_gives_shape_is_kept() {
        check("<p class=x><font><b>Hi</b> <o:p></o:p></font></p>", Some("<p>Hi </p>"));
        check(
            "<table><tr><td colspan=999999>1 < 2</td><td>x<tr><td>y</table>",
            Some("<div> 1 &lt; 2 x<br> y</div>"),
        );
        check("<h1>a</h1>", Some("<p>a</p>"));
        check("a<img src=x alt='the logo'>b<img alt=' '>", Some("a [the logo] b"));
        check("</div>x</nonsense>", Some("x"));
        check("<div><table><ul>x</div>y", Some("<div><div><ul>x</ul></div></div>y"));
    }

    #[test]
    fn marks_stand_before_the_text_they_hold_for() {
        let html = "a<blockquote type=cite> <div>b</blockquote><hr id=stopSpelling><p>c";
        let expected = format!("a<blockquote> <div>{SIGN}b</div></blockquote><p><p>{SIGN}{SIGN}c");
        let marks = vec![(Mark::Quoted, 1), (Mark::Plain, 0), (Mark::Rest, 43)];
        assert_eq!(of(html), Some((expected, marks)));
    }

    #[test]
    fn what_piles_up_has_none() {
        check(&"<div>".repeat(300), None);
        check(&"<ul><li>".repeat(300), None);
        check(&format!("{}{}", "<div>".repeat(90), "<p>x".repeat(6_000)), None);
        check(&"x".repeat(600_000), None);
    }
}
