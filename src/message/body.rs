//! What a person would read, and what is attached to it.

use std::{cell::LazyCell, collections::HashSet};

use super::{
    attachment::{self, Attached, Attachment},
    html::{self, Mark, Marked, Placed},
    part::Part,
};

mod text;

/// How much text, and how much HTML, is kept.
const MAX_TEXT: usize = 4 * 1024 * 1024;

/// The text of a message in its forms.
#[derive(Debug, Default)]
pub struct Body {
    /// The text a person would read, part by part.
    pub body: String,
    /// What elements of HTML say about its lines.
    pub marks: Vec<Placed>,
    pub text: String,
    pub html: String,
    pub attachments: Vec<Attachment>,
    pub cut: Vec<&'static str>,
}

/// The text of one part, or of one kind in an alternative.
struct Piece {
    alternative: Option<usize>,
    is_html: bool,
    text: String,
}

impl Body {
    /// Reads the bodies and lists the attachments.
    pub fn read(message: &[u8], parts: &[Part]) -> Body {
        let mut body = Body::default();
        let (mut attached, mut pieces) = (Vec::new(), Vec::new());
        let only = only_text(parts);
        for part in parts {
            let role = part.role(only.is_some_and(|only| std::ptr::eq(only, part)));
            let (to, what) = match role {
                Role::Text => (&mut body.text, "text"),
                Role::Html => (&mut body.html, "html"),
                Role::Attached => {
                    attached.push(Attached::of(part, message));
                    continue;
                }
                Role::Unneeded => continue,
            };
            let (text, was_cut) = part.text(message);
            body.cut.extend(append(to, (text.clone(), was_cut), what));
            pieces.push(Piece {
                alternative: part.alternative,
                is_html: what == "html",
                text,
            });
        }
        body.unpack(&mut attached, &mut pieces);
        // Most attachments have no Content-ID, and nobody need look through the HTML for it.
        let shown = LazyCell::new(|| html::content_ids(&body.html));
        let (attachments, were_cut) = attachment::list(message, &attached, &|id| shown.contains(id));
        body.attachments = attachments;
        body.cut.extend(were_cut.then_some("attachments"));
        (body.body, body.marks) = joined(pieces);
        body
    }

    /// What was wrapped up as a whole has its texts there alone, or its HTML.
    fn unpack(&mut self, attached: &mut [Attached<'_>], pieces: &mut Vec<Piece>) {
        for tnef in attached.iter_mut().filter_map(|one| one.unpacked.as_mut()) {
            let has_text = pieces.iter().any(|piece| !piece.text.trim().is_empty());
            for (is_html, text) in [
                (false, std::mem::take(&mut tnef.text)),
                (true, std::mem::take(&mut tnef.html)),
            ] {
                let (to, what) = if is_html {
                    (&mut self.html, "html")
                } else {
                    (&mut self.text, "text")
                };
                if !to.trim().is_empty() || text.trim().is_empty() {
                    continue;
                }
                self.cut.extend(append(to, (text.clone(), false), what));
                if !has_text {
                    // No part is so far behind.
                    pieces.push(Piece {
                        alternative: Some(usize::MAX),
                        is_html,
                        text,
                    });
                }
            }
        }
    }
}

/// The part that is the text though it bears a name: the only part there is, or the only text that does not call
/// itself an attachment where none is without a name.
fn only_text(parts: &[Part]) -> Option<&Part> {
    if let [only] = parts {
        return Some(only);
    }
    let is_text = |part: &&Part| matches!(part.content_type.value.as_str(), "text/plain" | "text/html");
    let mut texts = parts
        .iter()
        .filter(is_text)
        .filter(|part| part.disposition.value != "attachment");
    texts.next().filter(|_| texts.next().is_none())
}

/// What a person would read, in order: of an alternative its text, else its HTML; outside of one everything, as a list's
/// footer stands beside the message and words stand around a picture.
fn joined(pieces: Vec<Piece>) -> (String, Vec<Placed>) {
    let has_text: HashSet<usize> = pieces
        .iter()
        .filter(|piece| !piece.is_html && !piece.text.trim().is_empty())
        .filter_map(|piece| piece.alternative)
        .collect();
    let (mut body, mut marks) = (String::new(), Vec::new());
    // Lines of the body that were counted, and up to where.
    let (mut lines, mut counted) = (0, 0);
    for piece in pieces {
        let is_shown_as_text = piece.alternative.is_some_and(|one| has_text.contains(&one));
        let read = match piece.is_html {
            true if is_shown_as_text => continue,
            true => html::marked(&piece.text),
            false => Marked {
                text: piece.text,
                marks: Vec::new(),
            },
        };
        let is_blank = read.text.trim().is_empty() && (piece.is_html || piece.alternative.is_some());
        if is_blank {
            continue;
        }
        if !body.is_empty() && !read.text.is_empty() && !body.ends_with('\n') {
            body.push('\n');
        }
        lines += memchr::memchr_iter(b'\n', &body.as_bytes()[counted..]).count();
        counted = body.len();
        // What the part above said last does not hold here.
        let begin = Placed {
            line: 0,
            mark: Mark::Plain,
            place: 0,
        };
        let of_piece = std::iter::once(begin).chain(read.marks);
        marks.extend(of_piece.map(|placed| Placed {
            line: placed.line + lines,
            ..placed
        }));
        append(&mut body, (read.text, false), "text");
    }
    (body, marks)
}

/// Adds the text of a further part, which may have been cut; says what was cut.
fn append(to: &mut String, (text, was_cut): (String, bool), what: &'static str) -> Option<&'static str> {
    if to.is_empty() {
        *to = text;
    } else {
        if !text.is_empty() && !to.ends_with('\n') {
            to.push('\n');
        }
        to.push_str(&text);
    }
    let too_long = to.len() > MAX_TEXT;
    to.truncate(to.floor_char_boundary(MAX_TEXT));
    (was_cut || too_long).then_some(what)
}

/// What a part is for.
enum Role {
    Text,
    Html,
    Attached,
    /// A further rendering of the same text that nobody here can show.
    Unneeded,
}

impl Part {
    fn role(&self, only: bool) -> Role {
        let is_attachment = self.disposition.value == "attachment" || !self.file_name().is_empty();
        match self.content_type.value.as_str() {
            "text/x-amp-html" | "text/watch-html" if self.alternative.is_some() => Role::Unneeded,
            _ if is_attachment && !(only && self.disposition.value != "attachment") => Role::Attached,
            "text/plain" => Role::Text,
            "text/html" | "application/xhtml+xml" => Role::Html,
            // Nothing that a person would read: what it says is told in words.
            "text/calendar" => Role::Attached,
            // A multipart in which no part was found is read as it lies there.
            other if other.starts_with("multipart/") => Role::Text,
            other if only && other.starts_with("text/") => Role::Text,
            _ => Role::Attached,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{
        header::{self, Header},
        part::Parts,
    };

    #[track_caller]
    fn check(message: &str, text: &str, body: &str, attached: &[(&str, &str, bool)]) {
        let section = header::octets(message.as_bytes());
        let parts = Parts::find(message.as_bytes(), &Header::read(section), section.len()..message.len());
        let read = Body::read(message.as_bytes(), &parts.parts);
        let found: Vec<_> = read
            .attachments
            .iter()
            .map(|one| (one.name.as_str(), one.content_type.as_str(), one.inline))
            .collect();
        assert_eq!(
            (read.text.as_str(), read.body.as_str(), found.as_slice()),
            (text, body, attached)
        );
    }

    #[test]
    fn the_text_part_is_the_body_and_else_the_html() {
        let of = |text: &str| {
            format!(
                "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n{text}\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n--b--\r\n"
            )
        };
        check(&of("plain"), "plain", "plain", &[]);
        check(&of("  "), "  ", "rich", &[]);
        check("Content-Type: text/html\r\n\r\n<p>only</p>", "", "only", &[]);
    }

    #[test]
    fn texts_around_a_picture_are_both_read() {
        check(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: image/png; name=a.png\r\n\r\nx\r\n--b\r\n\r\ntwo\r\n--b--",
            "one\ntwo",
            "one\ntwo",
            &[("a.png", "image/png", false)],
        );
    }

    #[test]
    fn html_and_text_that_are_no_alternatives_are_both_read_in_order() {
        let mixed = |parts: &[(&str, &str)]| {
            let part = |(kind, text): &(&str, &str)| format!("--b\r\nContent-Type: {kind}\r\n\r\n{text}\r\n");
            let parts: String = parts.iter().map(part).collect();
            format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--")
        };
        // A list's footer beside the message.
        check(
            &mixed(&[("text/html", "<p>Hello</p>"), ("text/plain", "-- \r\nThe list")]),
            "-- \nThe list",
            "Hello\n-- \nThe list",
            &[],
        );
        // Apple Mail around a picture.
        check(
            &mixed(&[
                ("text/plain", "one"),
                ("image/png; name=a.png", "x"),
                ("text/html", "<p>two</p>"),
            ]),
            "one",
            "one\ntwo",
            &[("a.png", "image/png", false)],
        );
        let alternative = "--c\r\n\r\nplain\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n--c--";
        check(
            &mixed(&[
                ("multipart/alternative; boundary=c", alternative),
                ("text/html", "<p>footer</p>"),
                ("multipart/alternative; boundary=c", &alternative.replace("plain", " ")),
            ]),
            "plain\n ",
            "plain\nfooter\nrich",
            &[],
        );
    }

    #[test]
    fn a_text_with_a_name_is_the_body_where_no_other_text_is() {
        let of = |header: &str, more: &str| {
            format!(
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; name=\"body.txt\"\r\n{header}\r\n\
                 Hello\r\n{more}--b\r\nContent-Type: image/png; name=a.png\r\n\r\nx\r\n--b--"
            )
        };
        let (text, picture) = (("body.txt", "text/plain", false), ("a.png", "image/png", false));
        check(&of("Content-Disposition: inline\r\n", ""), "Hello", "Hello", &[picture]);
        check(&of("", ""), "Hello", "Hello", &[picture]);
        check(&of("Content-Disposition: attachment\r\n", ""), "", "", &[text, picture]);
        check(&of("", "--b\r\n\r\nHi\r\n"), "Hi", "Hi", &[text, picture]);
    }

    #[test]
    fn pictures_that_the_html_shows_are_inline() {
        check(
            "Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<img src=cid:a@b>\r\n\
             --b\r\nContent-Type: image/png\r\nContent-ID: <a@b>\r\n\r\nx\r\n\
             --b\r\nContent-Type: image/gif\r\nContent-ID: <c@d>\r\nContent-Disposition: inline\r\n\r\nx\r\n--b--",
            "",
            "",
            &[("", "image/png", true), ("", "image/gif", false)],
        );
    }

    #[test]
    fn an_attached_message_is_named_after_its_subject() {
        check(
            "Content-Type: message/rfc822\r\n\r\nSubject: a/b\r\n\r\ntext",
            "",
            "",
            &[("a_b.eml", "message/rfc822", false)],
        );
        check(
            "Content-Type: message/rfc822\r\n\r\n",
            "",
            "",
            &[("message.eml", "message/rfc822", false)],
        );
    }

    #[test]
    fn a_name_never_leads_to_another_folder() {
        check(
            "Content-Type: image/png; name=\"../../etc\\\\x.png\"\r\nContent-Disposition: attachment\r\n\r\n",
            "",
            "",
            &[("x.png", "image/png", false)],
        );
    }

    #[test]
    fn flowed_lines_are_joined() {
        check(
            "Content-Type: text/plain; format=flowed\r\n\r\none \r\ntwo\r\n> q \r\n> r\r\n>> s\r\n-- \r\nAnn\r\n",
            "one two\n> q r\n>> s\n-- \nAnn\n",
            "one two\n> q r\n>> s\n-- \nAnn\n",
            &[],
        );
    }
}
