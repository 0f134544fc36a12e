//! Prose as wide as the terminal. Pure.

/// The text in lines of at most `width` characters, cut between words; further lines are indented as the first.
pub fn wrapped(text: &str, width: usize) -> String {
    let words = text.trim_start();
    let indent = &text[..text.len() - words.len()];
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words.split(' ') {
        let taken = indent.len() + line.chars().count();
        if !line.is_empty() && taken + 1 + word.chars().count() > width {
            lines.push(format!("{indent}{line}"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(format!("{indent}{line}"));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_terminal_unless_a_word_is() {
        for (text, expected) in [
            ("", ""),
            ("short", "short"),
            ("just ten c", "just ten c"),
            ("just eleven", "just\neleven"),
            ("  ok: indented ä as well", "  ok:\n  indented\n  ä as\n  well"),
            ("see /a/path/that/is/long now", "see\n/a/path/that/is/long\nnow"),
        ] {
            assert_eq!(wrapped(text, 10), expected);
        }
    }
}
