//! HTML as the text a person would read, in bounded time whatever the HTML is.

mod mark;
mod outline;
mod safe;
mod token;

use std::{borrow::Cow, collections::HashSet, panic::catch_unwind};

use mail_parser::decoders::html::html_to_text;

use super::{charset, transfer};
use token::{Token, Tokens};

pub use mark::Mark;
pub use safe::{RemotePictures, safe_html, text_to_html};

/// Lines are never broken for width: what reads the text breaks them itself.
const WIDTH: usize = 10_000;
/// How many different pictures of one message are looked for.
const MAX_CONTENT_IDS: usize = 1_000;
/// A longer one is none (a line of RFC 5322 holds 998).
const MAX_CONTENT_ID: usize = 998;

/// A document's text, and what its elements say about the lines.
#[derive(Debug, Default)]
pub struct Marked {
    pub text: String,
    /// In the order of the lines; none where the document was too large or too deep to be looked at closely.
    pub marks: Vec<Placed>,
}

/// A mark at its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// From 0.
    pub line: usize,
    pub mark: Mark,
    /// Where in the document the element begins that says so.
    pub place: usize,
}

/// The text of an HTML document. Tables and lists keep their shape where the document is of sound size and
/// nesting; of others the tags are taken off.
pub fn to_text(html: &str) -> String {
    marked(html).text
}

/// The same text, with its marks.
pub fn marked(html: &str) -> Marked {
    let outlined = outline::of(html).and_then(|(outline, marks)| Some((rendered(&outline)?, marks)));
    // mail-parser gives poorer text, but in one pass; it knows no lines but those of `<br>`.
    let plain = || {
        (
            catch_unwind(|| html_to_text(&outline::lines(html))).unwrap_or_default(),
            Vec::new(),
        )
    };
    let (text, marks) = outlined.unwrap_or_else(plain);
    let is_sound = text.matches(outline::SIGN).count() == marks.len();
    tidy(&text, if is_sound { &marks } else { &[] })
}

/// By html2text, which may panic over what nobody thought of; then the tags are taken off instead.
fn rendered(outline: &str) -> Option<String> {
    let config = html2text::config::plain_no_decorate()
        .no_link_wrapping()
        .link_footnotes(false)
        .allow_width_overflow();
    let text = catch_unwind(std::panic::AssertUnwindSafe(|| {
        config.string_from_read(outline.as_bytes(), WIDTH)
    }));
    text.ok()?.ok()
}

/// Lines without trailing space, and at most one empty line between paragraphs. Signs become marks of the next line
/// that has a text.
fn tidy(text: &str, marks: &[(Mark, usize)]) -> Marked {
    let mut tidied = Marked {
        text: String::with_capacity(text.len()),
        marks: Vec::with_capacity(marks.len()),
    };
    let (mut lines, mut empty, mut waiting) = (0, 0, 0);
    let mut marks = marks.iter();
    for line in text.lines() {
        let signs = if marks.len() == 0 {
            0
        } else {
            line.matches(outline::SIGN).count()
        };
        let line = match signs {
            0 => Cow::Borrowed(line),
            _ => Cow::Owned(line.replace(outline::SIGN, "")),
        };
        waiting += signs;
        let line = line.trim_end_matches([
            ' ', '\t', '\u{a0}', '\u{200b}', '\u{200c}', '\u{feff}', '\u{ad}', '\u{34f}',
        ]);
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 && !(line.is_empty() && tidied.text.is_empty()) {
            tidied
                .text
                .extend(line.chars().map(|c| if c == '\u{a0}' { ' ' } else { c }));
            tidied.text.push('\n');
            if !line.is_empty() {
                let placed = |(mark, place): &(Mark, usize)| Placed {
                    line: lines,
                    mark: *mark,
                    place: *place,
                };
                tidied.marks.extend(marks.by_ref().take(waiting).map(placed));
                waiting = 0;
            }
            lines += 1;
        }
    }
    tidied.text.truncate(tidied.text.trim_end().len());
    tidied
}

/// The Content-IDs that the document shows pictures by (`src="cid:…"`, RFC 2392).
pub fn content_ids(html: &str) -> HashSet<String> {
    let tags = Tokens::of(html).filter_map(|token| match token {
        Token::Open(_, tag) => Some(tag),
        Token::Text(_) | Token::Close(_) => None,
    });
    let pieces = tags.flat_map(|tag| tag.split(|c: char| c.is_ascii_whitespace() || "\"'<>()".contains(c)));
    let mut found = HashSet::new();
    for piece in pieces {
        // Without quotes: `src=cid:…`. The id may hold an equals sign, too.
        if let Some((scheme, id)) = piece.split_once(':')
            && scheme
                .rsplit('=')
                .next()
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("cid"))
            && id.len() <= MAX_CONTENT_ID
        {
            found.insert(content_id(id));
        }
        if found.len() == MAX_CONTENT_IDS {
            break;
        }
    }
    found
}

/// The Content-ID that stands in a `cid:` address.
fn content_id(text: &str) -> String {
    charset::guessed(&transfer::percent(text.as_bytes())).into_owned()
}

/// The charset that the document itself names near its beginning, if it can be read (`<meta charset=…>`).
pub fn meta_charset(octets: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&octets[..octets.len().min(2_048)]).to_ascii_lowercase();
    let (_, rest) = head.split_once("<meta")?;
    let (_, rest) = rest.split_once("charset=")?;
    let label: String = rest
        .trim_start_matches(['"', '\''])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    // A document that could say so in one octet a letter is not UTF-16.
    (!label.starts_with("utf-16") && charset::is_known(&label)).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, expected: &str) {
        assert_eq!(to_text(html), expected);
    }

    #[test]
    fn paragraphs_breaks_and_entities_become_text() {
        check(
            "<p>Hello&nbsp;<b>Ann</b>,</p><p>one<br>two &lt;3 &euro;</p>",
            "Hello Ann,\n\none\ntwo <3 €",
        );
    }

    #[test]
    fn what_nobody_sees_is_left_out() {
        check(
            "<html><head><title>t</title><style>p{}</style></head><body><script>x()</script><!-- c --><p>Hi</p></body></html>",
            "Hi",
        );
    }

    #[test]
    fn lists_and_cells_are_kept_apart() {
        check("<ul><li>one</li><li>two</li></ul>", "* one\n* two");
        check(
            "x<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>y",
            "x\na b\nc\ny",
        );
    }

    #[test]
    fn a_long_line_is_not_broken() {
        let line = "word ".repeat(300);
        check(&format!("<p>{line}</p>"), line.trim_end());
    }

    #[test]
    fn html_beyond_the_bounds_is_stripped_of_its_tags() {
        check(&format!("{}<p>Hi</p>", "<div>".repeat(60_000)), "Hi");
        check(&format!("{}Hi", "<o:p>".repeat(60_000)), "Hi");
    }

    #[test]
    fn html_beyond_the_bounds_keeps_its_lines_and_entities() {
        let deep = "<div>".repeat(300);
        check(
            &format!("{deep}<div>one\r\n  two</div><div>three<br>four</div><tr><td>a</td><td>b</td></tr>"),
            "one two\nthree\nfour\na b",
        );
        check(
            &format!("{deep}a &amp; b &#228; &#xE4; &euro; &unknown; & 1 < 2 <b>3</b> <"),
            "a & b ä ä € &unknown; & 1 < 2 3 <",
        );
        check(
            &format!("{deep}<style>p{{}}</style><title>t</title><ul><li>a</li><li>b</li></ul>"),
            "a\nb",
        );
    }

    #[test]
    fn content_ids_are_found_in_any_case_and_unescaped() {
        let found =
            content_ids("<img src=\"cid:a%40b\"> <img src=CID:two><p style=\"background:url('cid:three')\"> x:y");
        assert_eq!(found, ["a@b", "two", "three"].map(str::to_owned).into());
    }

    #[test]
    fn a_content_id_in_the_text_shows_nothing() {
        assert_eq!(
            content_ids("<p title='acid:x'>see cid:a@b</p><!-- <img src=cid:c> -->"),
            HashSet::new()
        );
    }

    #[test]
    fn the_documents_own_charset_is_found() {
        assert_eq!(
            meta_charset(b"<META http-equiv=x content=\"text/html; charset=koi8-r\">").as_deref(),
            Some("koi8-r")
        );
        assert_eq!(meta_charset(b"<meta charset='nonsense'>"), None);
        assert_eq!(meta_charset(b"<p>"), None);
    }
}
