//! Address lists (RFC 5322, 3.4) as they really come, read by mail-parser.
//!
//! Before it reads a list, what mail-parser 0.11.9 would misread is hidden in letters of the private use area: quoted
//! strings (`"a b"@example.org` becomes a name and `@example.org`, and `Ann "the boss" Miller` loses its spaces), encoded
//! words (it decodes each alone, and takes quadratic time over those without an end) and IPv6 literals; and what stands
//! behind an address is left out (`<ann@example.org> <bob@example.org>` becomes one address). Each can go when the tests
//! below pass without it.

use std::borrow::Cow;

use mail_parser::{Addr, parsers::MessageStream};

use super::{NameAddr, folded};
use crate::message::{header::one_line, word};

/// A longer address is none (RFC 5321, 4.5.3.1 allows 64 + 1 + 255).
const MAX_ADDRESS: usize = 320;
/// Where in the private use area masked ASCII characters lie.
const MASK: u32 = 0xe000;

/// The mailboxes of an address list, groups flattened, at most `most`; and whether there were more.
pub fn parse(raw: &str, most: usize) -> (Vec<NameAddr>, bool) {
    let (mailboxes, had_more) = read(raw, most);
    // Some programs write the address into the encoded word as well.
    if mailboxes.is_empty() && raw.contains("=?") && !raw.contains('@') {
        return read(&one_line(&word::decode(raw)), most);
    }
    (mailboxes, had_more)
}

fn read(raw: &str, most: usize) -> (Vec<NameAddr>, bool) {
    let mut mailboxes = Vec::new();
    // `Miller, Ann <ann@example.org>`: what stood before the comma is a name without an address.
    let mut nameless = String::new();
    for (mut mailbox, has_address) in all(raw) {
        let before = std::mem::take(&mut nameless);
        if !has_address {
            nameless = mailbox.name;
            continue;
        }
        if mailbox.address.is_empty() {
            continue;
        }
        if mailboxes.len() == most {
            return (mailboxes, true);
        }
        if !before.is_empty() && !mailbox.name.is_empty() {
            mailbox.name = format!("{before}, {}", mailbox.name);
        }
        mailboxes.push(mailbox);
    }
    (mailboxes, false)
}

/// The display name of the first mailbox, even where it has no address.
pub fn first_name(raw: &str) -> String {
    all(raw)
        .into_iter()
        .next()
        .map(|(mailbox, _)| mailbox.name)
        .unwrap_or_default()
}

/// All mailboxes, and whether they had an address at all, be it the empty `<>`.
fn all(raw: &str) -> Vec<(NameAddr, bool)> {
    if raw.is_empty() {
        return Vec::new();
    }
    let field = [" ", &masked(raw), "\n\n"].concat();
    let read = MessageStream::new(field.as_bytes()).parse_address();
    let addresses = read.as_address();
    addresses.map_or_else(Vec::new, |addresses| addresses.iter().map(mailbox).collect())
}

fn mailbox(read: &Addr<'_>) -> (NameAddr, bool) {
    let name = clean(&unmasked(read.name().unwrap_or("")));
    let mut text = Cow::Borrowed(read.address().unwrap_or(""));
    if text.contains(' ') {
        text = text.replace(" @", "@").replace("@ ", "@").into();
    }
    // Without angle brackets: `Ann ann@example.org`.
    let (before, text) = text.trim().rsplit_once([' ', '\t']).unwrap_or(("", text.trim()));
    let name = if name.is_empty() {
        clean(&unmasked(before))
    } else {
        name
    };
    // With a source route: `@relay.example:ann@example.org`.
    let text = text
        .strip_prefix('@')
        .and_then(|route| route.split_once(':'))
        .map_or(text, |(_, rest)| rest);
    let text = ["mailto:", "smtp:"]
        .into_iter()
        .find_map(|scheme| {
            text.get(..scheme.len())?
                .eq_ignore_ascii_case(scheme)
                .then(|| &text[scheme.len()..])
        })
        .unwrap_or(text);
    let address = unmasked(text);
    let address = address.trim_end_matches(['.', '>']);
    let is_address = address.len() <= MAX_ADDRESS && !matches!(address, "@" | "<");
    let address = if is_address { folded(address) } else { String::new() };
    (NameAddr { name, address }, read.address().is_some())
}

fn masked(raw: &str) -> String {
    let mut masked = String::with_capacity(raw.len());
    let mut around = Around::default();
    // Where one quote is never closed, no later one is: looking again and again would take quadratic time.
    let mut closes = true;
    // A letter that was there already must not turn into another one afterwards, such as a line end.
    let raw = match raw.is_ascii() {
        true => Cow::Borrowed(raw),
        false => raw.replace(is_masked, "").into(),
    };
    let mut words = word::Words::of(&raw);
    let mut rest = &*raw;
    while let Some(c) = rest.chars().next() {
        let quoted = (c == '"' && closes && around.comments == 0).then(|| quoted_string(rest));
        closes &= !matches!(quoted, Some(None));
        let (length, text): (_, Cow<'_, str>) = if rest.starts_with("=?") {
            let length = words.at(raw.len() - rest.len()).map_or(1, |word| word.length);
            (length, hidden(&rest[..length]).into())
        } else if let Some(Some((length, text))) = quoted {
            (length, text.into())
        } else if rest.starts_with("<>") {
            (2, format!("<{}>", hidden("<>")).into())
        } else if masked.ends_with('@') && c == '[' {
            let length = rest.find(']').map_or(1, |at| at + 1);
            (length, hidden(&rest[..length]).into())
        } else {
            let length = match rest.find(means_something) {
                Some(0) => c.len_utf8(),
                next => next.unwrap_or(rest.len()),
            };
            (length, rest[..length].into())
        };
        if around.keeps(c) {
            masked.push_str(&text);
        }
        rest = &rest[length..];
    }
    masked
}

/// Whether something may begin or end there.
fn means_something(c: char) -> bool {
    matches!(c, '"' | '=' | '<' | '>' | '[' | '(' | ')' | ',' | ';')
}

/// What a place of a list stands in.
#[derive(Default)]
struct Around {
    comments: u32,
    in_angle: bool,
    /// Until the next comma.
    behind_angle: bool,
}

impl Around {
    /// Whether the next character says anything: behind `<…>` only a comment does, and a second `<` never.
    fn keeps(&mut self, c: char) -> bool {
        let was_in_comment = self.comments > 0;
        match c {
            '(' => self.comments += 1,
            ')' => self.comments = self.comments.saturating_sub(1),
            _ if was_in_comment => {}
            ',' | ';' if !self.in_angle => self.behind_angle = false,
            '<' if self.in_angle => return false,
            '<' if !self.behind_angle => self.in_angle = true,
            '>' if self.in_angle => {
                (self.in_angle, self.behind_angle) = (false, true);
                return true;
            }
            _ => {}
        }
        !self.behind_angle || was_in_comment || self.comments > 0
    }
}

/// The length of a quoted string at the beginning of `text`, and its text hidden; with its quotes where it is a local
/// part.
fn quoted_string(text: &str) -> Option<(usize, String)> {
    let mut inside = text.strip_prefix('"')?.char_indices();
    let mut plain = String::new();
    let end = loop {
        match inside.next()? {
            (at, '"') => break at + 2,
            (_, '\\') => plain.extend(inside.next().map(|(_, escaped)| escaped)),
            (_, other) => plain.push(other),
        }
    };
    let is_local_part = text[end..].starts_with('@');
    Some((end, hidden(if is_local_part { &text[..end] } else { &plain })))
}

fn hidden(text: &str) -> String {
    text.chars().map(mask).collect()
}

fn mask(c: char) -> char {
    let masked = c.is_ascii().then(|| char::from_u32(MASK + u32::from(c))).flatten();
    masked.unwrap_or(c)
}

fn is_masked(c: char) -> bool {
    (MASK..MASK + 128).contains(&u32::from(c))
}

fn unmasked(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    let unmask = |c: char| {
        let ascii = u32::from(c).checked_sub(MASK).filter(|_| is_masked(c));
        ascii.and_then(char::from_u32).unwrap_or(c)
    };
    text.chars().map(unmask).collect()
}

/// A display name with its encoded words decoded, in quotes as well, since people send them so.
fn clean(text: &str) -> String {
    let line = one_line(&word::decode(text));
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let unquoted = line.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    unquoted.map(str::to_owned).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: &[(&str, &str)]) {
        let (mailboxes, _) = parse(raw, 1_000);
        let found: Vec<_> = mailboxes
            .iter()
            .map(|one| (one.name.as_str(), one.address.as_str()))
            .collect();
        assert_eq!(found, expected, "{raw}");
    }

    #[test]
    fn the_usual_forms_are_read() {
        check("Ann <Ann@Example.org>", &[("Ann", "ann@example.org")]);
        check("ann@example.org", &[("", "ann@example.org")]);
        check("ann@example.org (Ann Miller)", &[("Ann Miller", "ann@example.org")]);
        check("<ann@example.org>", &[("", "ann@example.org")]);
        check(
            "\"Miller, Ann\" <ann@example.org>, bob@example.org",
            &[("Miller, Ann", "ann@example.org"), ("", "bob@example.org")],
        );
    }

    #[test]
    fn groups_are_flattened() {
        check("undisclosed-recipients:;", &[]);
        check(
            "Friends: Ann <ann@example.org>, bob@example.org; cy@example.org",
            &[
                ("Ann", "ann@example.org"),
                ("", "bob@example.org"),
                ("", "cy@example.org"),
            ],
        );
        check("A:;, B: ann@example.org;", &[("", "ann@example.org")]);
    }

    #[test]
    fn names_are_decoded_inside_quotes_too() {
        check(
            "=?utf-8?q?J=C3=BCrgen_M=C3=BCller?= <j@example.org>",
            &[("Jürgen Müller", "j@example.org")],
        );
        check(
            "\"=?utf-8?q?M=C3=BCller=2C_J=C3=BCrgen?=\" <j@example.org>",
            &[("Müller, Jürgen", "j@example.org")],
        );
        check("\"a \\\"b\\\" c\" <j@example.org>", &[("a \"b\" c", "j@example.org")]);
        check("'Ann Miller' <ann@example.org>", &[("Ann Miller", "ann@example.org")]);
        check(
            "=?utf-8?q?a=0D=0ABcc=3A_x=40y.example?= <j@example.org>",
            &[("a Bcc: x@y.example", "j@example.org")],
        );
    }

    #[test]
    fn an_encoded_comma_does_not_split_the_list() {
        check(
            "=?utf-8?q?M=C3=BCller,_J?= <j@example.org>",
            &[("Müller, J", "j@example.org")],
        );
    }

    #[test]
    fn bare_names_with_a_comma_and_outlook_semicolons_are_read() {
        check("Miller, Ann <ann@example.org>", &[("Miller, Ann", "ann@example.org")]);
        check(
            "ann@example.org; bob@example.org;",
            &[("", "ann@example.org"), ("", "bob@example.org")],
        );
    }

    #[test]
    fn odd_local_parts_and_domains_are_kept() {
        check("\"a b\"@example.org", &[("", "\"a b\"@example.org")]);
        check("Ann <\"a@b\"@example.org>", &[("Ann", "\"a@b\"@example.org")]);
        check("root@[192.0.2.1]", &[("", "root@[192.0.2.1]")]);
        check("root@[IPv6:2001:db8::1]", &[("", "root@[ipv6:2001:db8::1]")]);
        check("ann @ example.org", &[("", "ann@example.org")]);
        check("<@relay.example:ann@example.org>", &[("", "ann@example.org")]);
        check("o'brien@example.org", &[("", "o'brien@example.org")]);
        check("a@Bücher.example", &[("", "a@xn--bcher-kva.example")]);
    }

    #[test]
    fn quoted_words_keep_their_distance_and_comments_are_part_of_the_name() {
        check(
            "Ann \"the boss\" Miller <ann@example.org>",
            &[("Ann the boss Miller", "ann@example.org")],
        );
        check(
            "\"Ann\" \"Miller\" <ann@example.org>",
            &[("Ann Miller", "ann@example.org")],
        );
        check(
            "Ann (5\" tall, IT) <ann@example.org>",
            &[("Ann (5\" tall, IT)", "ann@example.org")],
        );
        check("<ann@example.org> (Ann)", &[("Ann", "ann@example.org")]);
    }

    #[test]
    fn only_the_first_address_of_a_mailbox_counts() {
        check(
            "Ann <ann@example.org> <bob@example.org>, c@example.org",
            &[("Ann", "ann@example.org"), ("", "c@example.org")],
        );
        check("Ann <<ann@example.org>>", &[("Ann", "ann@example.org")]);
        check("Ann <ann@example.org><.evil.example>", &[("Ann", "ann@example.org")]);
        check(
            "\"Ann\" <ann@example.org> for \"Bob\" <bob@example.org>",
            &[("Ann", "ann@example.org")],
        );
    }

    #[test]
    fn letters_of_the_private_use_area_do_not_become_others() {
        check(
            "A\u{e00d}\u{e00a}x <a\u{e00a}nn\u{e020}@example.org>",
            &[("Ax", "ann@example.org")],
        );
    }

    #[test]
    fn what_holds_no_address_gives_none() {
        for raw in ["", "<>", "Ann", "Ann <>", ",,;", "\"open", "(open", "@"] {
            check(raw, &[]);
        }
        assert_eq!(first_name("\"Ann\" <>"), "Ann");
    }

    #[test]
    fn a_missing_bracket_is_borne() {
        check("Ann <ann@example.org", &[("Ann", "ann@example.org")]);
        check("Ann ann@example.org", &[("Ann", "ann@example.org")]);
        check("Ann ann@example.org>", &[("Ann", "ann@example.org")]);
        check(
            "Ann Lee ann@example.org>, bob@example.org",
            &[("Ann Lee", "ann@example.org"), ("", "bob@example.org")],
        );
    }

    #[test]
    fn a_dot_at_the_end_and_a_scheme_before_are_left_out() {
        check("Ann <ann@example.org.>", &[("Ann", "ann@example.org")]);
        check("<SMTP:ann@example.org>", &[("", "ann@example.org")]);
        check("Mailto:ann@example.org", &[("", "ann@example.org")]);
    }

    #[test]
    fn an_address_within_an_encoded_word_is_read_where_none_stands_outside() {
        check("=?utf-8?q?Ann_<ann=40x.org>?=", &[("Ann", "ann@x.org")]);
        check(
            "=?utf-8?q?Ann_<ann=40x.org>?= <bob@example.org>",
            &[("Ann <ann@x.org>", "bob@example.org")],
        );
    }

    #[test]
    fn a_list_is_cut_at_its_bound() {
        assert_eq!(
            parse("a@b.example,c@d.example", 1),
            (
                vec![NameAddr {
                    name: String::new(),
                    address: "a@b.example".into()
                }],
                true
            )
        );
    }
}
