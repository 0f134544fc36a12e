//! A text of a report: a paragraph, wrapped, that says what was wrong however much stands before it.

use crate::outcome::field;

/// So much of a text is shown, its beginning and its end.
const MAX_TEXT: usize = 1000;
const MAX_END: usize = 400;
/// And so much of each thing that it quotes: an expression or a value may be longer than all that is said of it.
const MAX_QUOTED: usize = 200;
/// Longer lines make a mail that is encoded (RFC 2045, section 6.7), which nobody reads in its source.
const WIDTH: usize = 76;

/// The text behind a label. Its further lines begin with a mark, so that none can look like one of the report's own.
pub(super) fn paragraph(label: &str, text: &str) -> String {
    let indent = label.len() - label.trim_start().len();
    let mark = format!("{:indent$}| ", "");
    let mark = format!("{mark:<width$}", width = label.len());
    let mut lines = vec![label.to_owned()];
    let mut is_empty = true;
    for word in bounded(text).split(' ') {
        let line = lines.last_mut().expect("there is a first line");
        if is_empty || line.chars().count() + 1 + word.chars().count() <= WIDTH {
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
        } else {
            lines.push(format!("{mark}{word}"));
        }
        is_empty = false;
    }
    lines.join("\n") + "\n"
}

/// The text on one line, with what it quotes shortened first.
pub(super) fn bounded(text: &str) -> String {
    let text = shorten_quoted(&field::plain(text));
    let length = text.chars().count();
    if length <= MAX_TEXT {
        return text;
    }
    let beginning: String = text.chars().take(MAX_TEXT - MAX_END).collect();
    let end: String = text.chars().skip(length - MAX_END).collect();
    format!("{} … {}", beginning.trim_end(), end.trim_start())
}

fn shorten_quoted(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, quoted, after)) = quotation(rest) {
        kept.push_str(before);
        match quoted.char_indices().nth(MAX_QUOTED) {
            Some((end, _)) => kept.push_str(&format!("\"{}…\"", &quoted[..end])),
            None => kept.push_str(&format!("\"{quoted}\"")),
        }
        rest = after;
    }
    kept + rest
}

/// What stands before, within and behind the first pair of quotes; one behind a backslash is within.
fn quotation(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('"')?;
    let mut is_escaped = false;
    let end = rest.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    })?;
    Some((before, &rest[..end], &rest[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_expression_does_not_hide_what_is_wrong_with_it() {
        let expression = "{{ email.body | after(delimiter=\\\"x\\\") }}".repeat(50);
        let text =
            format!("client \"Nowhere\", rendered from \"{expression}\" does not exist; halo clients lists them");
        let said = bounded(&text);
        assert!(
            said.starts_with("client \"Nowhere\", rendered from \"{{ email.body"),
            "{said}"
        );
        assert!(said.ends_with("…\" does not exist; halo clients lists them"), "{said}");
        assert!(said.chars().count() < 300, "{said}");
    }

    #[test]
    fn a_text_that_is_too_long_keeps_its_beginning_and_its_end() {
        let said = bounded(&format!("begin {} end", "ä ".repeat(5000)));
        assert!(said.starts_with("begin ä") && said.ends_with("ä end"), "{said}");
        assert!(said.chars().count() <= MAX_TEXT + 3, "{}", said.chars().count());
        assert_eq!(bounded("it said \"no and stopped"), "it said \"no and stopped");
    }

    #[test]
    fn further_lines_are_marked_as_such() {
        let text = "create_halo_user: Halo refuses the user, and then says at some length why it does not want it";
        assert_eq!(
            paragraph("    reason   ", text),
            "    reason   create_halo_user: Halo refuses the user, and then says at some\n    |        length why it does not want it\n"
        );
        assert_eq!(paragraph("  ", "short"), "  short\n");
        assert_eq!(
            paragraph("  ", &format!("a {}", "b".repeat(80))),
            format!("  a\n  | {}\n", "b".repeat(80))
        );
        assert_eq!(paragraph("  ", ""), "  \n");
    }
}
