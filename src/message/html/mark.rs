//! What the elements of known mail programs say about the text in them: quoted, signature.

use super::token::attribute;

/// What a text is, from the line on at which the mark stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// No mark says anything: words decide.
    Plain,
    Quoted,
    Signature,
    /// A `blockquote` that may be the author's own: its `>` is no sign of quoting.
    Indented,
    /// Quoted, with all that follows.
    Rest,
    /// A program leads in what it quotes with such an element, whose words are in any language; of one line alone.
    Perhaps,
}

/// An attribute with a certain word in it, and what that means. A word of `style` is sought in it without white space.
const MARKS: &[(&str, &str, Mark)] = &[
    // Outlook on the web and on telephones; of old, the second.
    ("id", "divrplyfwdmsg", Mark::Rest),
    ("id", "stopspelling", Mark::Rest),
    ("id", "mail-editor-reference-message-container", Mark::Quoted),
    ("class", "ms-outlook-mobile-reference-message", Mark::Quoted),
    ("class", "ms-outlook-mobile-signature", Mark::Signature),
    ("id", "ms-outlook-mobile-signature", Mark::Signature),
    ("id", "signature", Mark::Signature),
    // Outlook for Mac.
    ("id", "olk_src_body_section", Mark::Rest),
    // Outlook, which leads in with a line above and a header in the author's language, or quotes beside a blue line.
    ("style", "border:none;border-top:solid", Mark::Perhaps),
    ("style", "display:inline-block;width:98%", Mark::Perhaps),
    ("style", "border:none;border-left:solidblue1.5pt", Mark::Quoted),
    // Gmail and Proton Mail, whose containers may hold answers as well: so only the words at their beginning count.
    ("class", "gmail_quote", Mark::Perhaps),
    ("class", "gmail_attr", Mark::Perhaps),
    ("class", "protonmail_quote", Mark::Perhaps),
    ("class", "gmail_signature", Mark::Signature),
    // Thunderbird.
    ("class", "moz-cite-prefix", Mark::Quoted),
    ("class", "moz-forward-container", Mark::Quoted),
    ("class", "moz-signature", Mark::Signature),
    // Yahoo, GMX and its sisters.
    ("class", "yahoo_quoted", Mark::Quoted),
    ("class", "protonmail_signature_block", Mark::Signature),
    ("name", "quote", Mark::Quoted),
];

/// What an opening tag says of the text in it.
pub fn of(name: &str, tag: &str) -> Option<Mark> {
    if name == "blockquote" {
        return Some(of_blockquote(tag));
    }
    // The shortest attribute that says something.
    if tag.len() < name.len() + " id=x>".len() {
        return None;
    }
    let values = ["id", "class", "style", "name"].map(|attribute_name| (attribute_name, value(tag, attribute_name)));
    let said = |(attribute, word, _): &&(&str, &str, Mark)| {
        let (_, value) = values.iter().find(|(name, _)| name == attribute).unwrap_or(&values[0]);
        match *attribute {
            "style" => value.split_whitespace().collect::<String>().contains(word),
            _ => value.split_whitespace().any(|one| one == *word),
        }
    };
    MARKS.iter().find(said).map(|(_, _, mark)| *mark)
}

/// Quoting programs give it a type, a class or a line at its left; without one it may be an indented paragraph.
fn of_blockquote(tag: &str) -> Mark {
    let (class, style) = (value(tag, "class"), value(tag, "style"));
    let is_quote = value(tag, "type") == "cite"
        || class.contains("quote")
        || class.contains("cite")
        || style.contains("border-left") && style.contains("solid");
    if is_quote { Mark::Quoted } else { Mark::Indented }
}

fn value(tag: &str, name: &str) -> String {
    attribute(tag, name).unwrap_or("").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tag: &str, expected: Option<Mark>) {
        let name = tag[1..].split([' ', '>']).next().unwrap().to_ascii_lowercase();
        assert_eq!(of(&name, tag), expected, "{tag}");
    }

    #[test]
    fn elements_of_known_programs_say_what_they_hold() {
        check("<div id=\"divRplyFwdMsg\" dir=ltr>", Some(Mark::Rest));
        check("<div class='x Gmail_Signature'>", Some(Mark::Signature));
        check(
            "<div style='border:none; border-top:solid #E1E1E1 1.0pt'>",
            Some(Mark::Perhaps),
        );
        check("<DIV class=\"moz-cite-prefix\">", Some(Mark::Quoted));
        check("<div>", None);
        check("<div class=gmail_quote>", Some(Mark::Perhaps));
        check("<div data-id=signature>", None);
    }

    #[test]
    fn a_blockquote_without_a_sign_is_an_indented_paragraph() {
        check("<blockquote type=cite>", Some(Mark::Quoted));
        check("<blockquote class=gmail_quote style=''>", Some(Mark::Quoted));
        check("<blockquote style=\"border-left: 2px solid #000\">", Some(Mark::Quoted));
        check(
            "<blockquote style=\"margin:0 0 0 40px;border:none\">",
            Some(Mark::Indented),
        );
    }
}
