//! Pieces of HTML; what comes from records and requests gets in as text alone.

use std::fmt::Display;

use crate::sandbox::markup::escaped;

/// So many characters of a text are shown.
pub(super) const LONGEST: usize = 2_000;

/// An element around text that is shown as it is, whatever it holds.
pub(super) fn element(tag: &str, class: &str, content: impl Display) -> String {
    around(tag, class, &escaped(&shortened(&content.to_string())))
}

/// An element around HTML.
pub(super) fn around(tag: &str, class: &str, html: &str) -> String {
    match class {
        "" => format!("<{tag}>{html}</{tag}>"),
        class => format!("<{tag} class=\"{class}\">{html}</{tag}>"),
    }
}

/// A link within the sandbox.
pub(super) fn link(path: &str, content: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escaped(path), escaped(&shortened(content)))
}

/// What opens, behind its first line.
pub(super) fn details(summary: &[String], html: &str) -> String {
    around("details", "", &(around("summary", "", &summary.join(" ")) + html))
}

/// How many more there are than are shown.
pub(super) fn others(count: usize) -> String {
    match count {
        0 => String::new(),
        count => element("p", "faint", format!("… and {count} more")),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}
