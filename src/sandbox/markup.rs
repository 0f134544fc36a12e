//! Text as HTML and HTML as text: Halo keeps both of a body and shows the HTML.

use serde_json::json;

use super::record::{Record, text};
use crate::message::html;

/// A text with nothing in it that HTML would read as its own.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Completes the pair of a plain and an HTML field where one of them was sent; the HTML one wins.
pub(super) fn pair(record: &mut Record, plain: &str, rich: &str) {
    if !text(record, rich).is_empty() {
        if text(record, plain).is_empty() {
            let made = html::to_text(text(record, rich));
            record.insert(plain.to_owned(), json!(made));
        }
    } else if record.contains_key(plain) {
        let made = format!("<p>{}</p>", escaped(text(record, plain)).replace('\n', "<br>"));
        record.insert(rich.to_owned(), json!(made));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_form_makes_the_other() {
        let made = |field: &str, value: &str| {
            let mut record = Record::from_iter([(field.to_owned(), json!(value))]);
            pair(&mut record, "note", "note_html");
            (text(&record, "note").to_owned(), text(&record, "note_html").to_owned())
        };
        assert_eq!(
            made("note", "1 < 2\n\"so\""),
            ("1 < 2\n\"so\"".into(), "<p>1 &lt; 2<br>&quot;so&quot;</p>".into())
        );
        assert_eq!(
            made("note_html", "<p>1 &lt; 2</p>"),
            ("1 < 2".into(), "<p>1 &lt; 2</p>".into())
        );
        assert_eq!(made("summary", "x"), (String::new(), String::new()));
    }
}
