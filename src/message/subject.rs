//! What a subject says beside its words: reply prefixes and ticket numbers.

/// Words that mail programs put before the subject of an answer, in the languages people use. What people write there
/// themselves is not among them: `Ref: order 12`.
const ANSWERS: &[&str] = &[
    "re", "aw", "antw", "antwort", "sv", "vs", "r", "rif", "res", "odp", "ynt", "bls", "atb", "vá", "απ", "回复",
    "答复", "回覆",
];

/// The same before the subject of a forwarded message.
const FORWARDS: &[&str] = &[
    "fwd",
    "fw",
    "wg",
    "tr",
    "rv",
    "i",
    "enc",
    "vb",
    "vl",
    "doorst",
    "pd",
    "ilt",
    "trs",
    "továbbítás",
    "πρθ",
    "转发",
    "轉寄",
];

/// The same by gateways, before mail from outside.
const OUTSIDE: &[&str] = &["ext", "extern", "external"];

/// What gateways put in brackets before mail from outside.
const TAGS: &[&str] = &[
    "ext",
    "extern",
    "externe",
    "external",
    "external email",
    "external mail",
    "external sender",
    "externe mail",
    "externe e-mail",
    "esterno",
    "externo",
    "extérieur",
    "ekstern",
];

/// How many ticket numbers one subject may name.
const MAX_TICKETS: usize = 100;

/// The subject without `Re:`, `AW:`, `Fwd[2]:`, `[EXT]` and their like, as often as they stand there.
pub fn topic(subject: &str) -> &str {
    let mut topic = subject.trim();
    while let Some(rest) = without_prefix(topic)
        .map(|(_, rest)| rest)
        .or_else(|| without_tag(topic))
    {
        topic = rest.trim_start();
    }
    topic
}

/// What the foremost prefix of a subject says of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// `Re:`, `AW:`
    Answer,
    /// `Fwd:`, `WG:`
    Forward,
    /// `EXT:`
    Outside,
}

/// The foremost prefix that says more than that the message comes from outside.
pub fn prefix(subject: &str) -> Option<Prefix> {
    let mut rest = subject.trim();
    loop {
        rest = match without_prefix(rest) {
            Some((Prefix::Outside, rest)) => rest,
            Some((prefix, _)) => return Some(prefix),
            None => without_tag(rest)?,
        }
        .trim_start();
    }
}

fn without_prefix(text: &str) -> Option<(Prefix, &str)> {
    let word_end = text.find(|c: char| !c.is_alphabetic())?;
    let (word, rest) = text.split_at(word_end);
    // Outlook's Italian `R:` and `I:`; a small letter is the first of a list.
    let is_item = word.len() == 1 && word.chars().all(char::is_lowercase);
    let word = word.to_lowercase();
    let tables = [
        (Prefix::Answer, ANSWERS),
        (Prefix::Forward, FORWARDS),
        (Prefix::Outside, OUTSIDE),
    ];
    let known = tables.into_iter().find(|(_, words)| words.contains(&word.as_str()));
    let (prefix, _) = known.filter(|_| !is_item)?;
    let rest = rest.trim_start();
    let rest = counted(rest).unwrap_or(rest).trim_start();
    rest.strip_prefix([':', '：']).map(|rest| (prefix, rest))
}

/// `[2]`, `(2)`, `^2` or `*2` behind a prefix.
fn counted(text: &str) -> Option<&str> {
    let closing = match text.chars().next()? {
        '[' => Some(']'),
        '(' => Some(')'),
        '^' | '*' => None,
        _ => return None,
    };
    let rest = text[1..].trim_start_matches(|c: char| c.is_ascii_digit());
    closing.map_or(Some(rest), |closing| rest.strip_prefix(closing))
}

fn without_tag(text: &str) -> Option<&str> {
    let (inside, rest) = [("[", ']'), ("(", ')'), ("*", '*'), ("{", '}')]
        .into_iter()
        .find_map(|(opening, closing)| text.strip_prefix(opening)?.split_once(closing))?;
    let inside = inside.trim_matches([' ', '*', '!', ':']).to_lowercase();
    TAGS.contains(&inside.as_str())
        .then(|| rest.trim_start().strip_prefix(':').unwrap_or(rest))
}

/// The ticket numbers between any of the pairs of tags, in the order of the pairs, none twice.
pub fn ticket_ids(subject: &str, tags: &[(String, String)]) -> Vec<u64> {
    let mut ids = Vec::new();
    for (start, end) in tags.iter().filter(|(start, _)| !start.trim().is_empty()) {
        let (start, end) = (start.trim(), end.trim());
        for (at, _) in subject.char_indices() {
            if ids.len() == MAX_TICKETS {
                return ids;
            }
            if let Some(id) = after(&subject[at..], start)
                .and_then(|rest| number(rest, end))
                .filter(|id| !ids.contains(id))
            {
                ids.push(id);
            }
        }
    }
    ids
}

/// What follows the tag, ignoring the case of its letters.
fn after<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    text.get(..tag.len())
        .filter(|begin| begin.eq_ignore_ascii_case(tag))
        .map(|_| &text[tag.len()..])
}

fn number(text: &str, end: &str) -> Option<u64> {
    let text = text.trim_start();
    let digits = &text[..text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len()];
    after(text[digits.len()..].trim_start(), end)?;
    digits.parse().ok().filter(|id| *id > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(subject: &str, expected: &str) {
        assert_eq!(topic(subject), expected);
    }

    #[test]
    fn prefixes_of_many_programs_are_dropped() {
        for subject in [
            "Re: Printer",
            "AW: RE: Printer",
            "Fwd: [EXT] Re: Printer",
            "RE[2]: Printer",
            "Antw : Printer",
            "SV:Printer",
            "WG: AW: Printer",
            "[EXTERNAL] Printer",
            "*EXT* Printer",
            "(External Email): Printer",
            "回复：Printer",
            "Re(3): Printer",
            "  Printer ",
            "TR: Printer",
            "R: I: Printer",
            "EXT: Printer",
        ] {
            check(subject, "Printer");
        }
    }

    #[test]
    fn what_is_no_prefix_stays() {
        for subject in [
            "Retour: x",
            "Ref: PO 4711",
            "i: first, ii: second",
            "Printer: Re: x",
            "[ID:12] x",
            "Re Printer",
            "",
            "Re",
            "Offer [EXT] x",
        ] {
            check(subject, subject);
        }
        check("Re:", "");
    }

    #[test]
    fn the_foremost_prefix_tells_an_answer_from_what_is_forwarded() {
        for (subject, expected) in [
            ("Re: Fwd: x", Some(Prefix::Answer)),
            ("[EXT] WG: AW: x", Some(Prefix::Forward)),
            ("EXT: Fwd: x", Some(Prefix::Forward)),
            ("I: x", Some(Prefix::Forward)),
            ("[EXT] x", None),
            ("x: Fwd: y", None),
            ("", None),
        ] {
            assert_eq!(prefix(subject), expected, "{subject}");
        }
    }

    #[track_caller]
    fn check_ids(subject: &str, expected: &[u64]) {
        let tags = [("[ID:".to_owned(), "]".to_owned()), ("##".to_owned(), "##".to_owned())];
        assert_eq!(ticket_ids(subject, &tags), expected, "{subject}");
    }

    #[test]
    fn ticket_numbers_are_found_between_the_tags() {
        check_ids("Re: [ID:0001234] Printer", &[1234]);
        check_ids("[id: 12 ] [ID:0012] ##7##", &[12, 7]);
        check_ids("[ID:] [ID:x1] [ID:12 ID:99999999999999999999999] [ID:0]", &[]);
        check_ids("ü[ID:5]ü", &[5]);
    }
}
