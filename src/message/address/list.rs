//! Address lists (RFC 5322, 3.4) as they really come: groups, comments, quotes, semicolons, commas in bare names.

use super::NameAddr;
use crate::message::{header::one_line, word};

/// A longer address is none (RFC 5321, 4.5.3.1 allows 64 + 1 + 255).
const MAX_ADDRESS: usize = 320;

/// The mailboxes of an address list, groups flattened, at most `most`; and whether there were more.
pub fn parse(raw: &str, most: usize) -> (Vec<NameAddr>, bool) {
    let mut mailboxes = Vec::new();
    // `Miller, Ann <ann@example.org>`: what stood before the comma is a name without an address.
    let mut nameless = "";
    for piece in Pieces::of(raw) {
        let Piece::Mailbox(text) = piece else {
            nameless = "";
            continue;
        };
        let mut mailbox = mailbox(text);
        if mailbox.address.is_empty() {
            nameless = if text.contains('<') { "" } else { text };
            continue;
        }
        if !nameless.trim().is_empty() && text.contains('<') && !mailbox.name.is_empty() {
            mailbox.name = format!("{}, {}", phrase(nameless), mailbox.name);
        }
        nameless = "";
        if mailboxes.len() == most {
            return (mailboxes, true);
        }
        mailboxes.push(mailbox);
    }
    (mailboxes, false)
}

/// The display name of the first mailbox, even where it has no address.
pub fn first_name(raw: &str) -> String {
    let first = Pieces::of(raw).find_map(|piece| match piece {
        Piece::Mailbox(text) => Some(mailbox(text).name),
        Piece::Group => None,
    });
    first.unwrap_or_default()
}

/// What stands between two commas of the list, or a group's name (which nobody needs).
enum Piece<'a> {
    Mailbox(&'a str),
    Group,
}

/// Cuts a list at its commas, semicolons (Outlook writes them) and group colons.
struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Pieces<'a> {
    fn of(raw: &'a str) -> Pieces<'a> {
        Pieces { rest: raw }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let octets = self.rest.as_bytes();
        let mut nesting = Nesting::default();
        let mut at = 0;
        while at < octets.len() {
            let outside = nesting.is_outside_before(octets[at]);
            if outside && let Some(length) = encoded_word(self.rest, at) {
                at += length;
                continue;
            }
            let piece = match octets[at] {
                b',' | b';' if outside => Piece::Mailbox(&self.rest[..at]),
                b':' if outside => Piece::Group,
                _ => {
                    at += 1;
                    continue;
                }
            };
            self.rest = &self.rest[at + 1..];
            return Some(piece);
        }
        Some(Piece::Mailbox(std::mem::take(&mut self.rest)))
    }
}

/// The length of an encoded word at `at`; a comma in it, though it should be encoded, is none of the list's.
fn encoded_word(text: &str, at: usize) -> Option<usize> {
    if text.as_bytes()[at..].starts_with(b"=?") {
        word::length(&text[at..])
    } else {
        None
    }
}

/// Whether a place lies within quotes, a comment, angle brackets or a domain literal.
#[derive(Default)]
struct Nesting {
    escaped: bool,
    quoted: bool,
    comments: u32,
    angle: bool,
    literal: bool,
}

impl Nesting {
    /// Takes the next octet; true where it lies outside of all of them.
    fn is_outside_before(&mut self, octet: u8) -> bool {
        if std::mem::take(&mut self.escaped) {
            return false;
        }
        let outside = !self.quoted && self.comments == 0 && !self.angle && !self.literal;
        match octet {
            b'\\' if self.quoted || self.comments > 0 => self.escaped = true,
            b'"' if self.comments == 0 => self.quoted = !self.quoted,
            _ if self.quoted => {}
            b'(' => self.comments += 1,
            b')' => self.comments = self.comments.saturating_sub(1),
            _ if self.comments > 0 => {}
            b'<' => self.angle = true,
            b'>' => self.angle = false,
            b'[' => self.literal = true,
            b']' => self.literal = false,
            _ => {}
        }
        outside
    }
}

/// One mailbox: `Ann <ann@example.org>`, `ann@example.org (Ann)`, `ann@example.org`, or nothing usable.
fn mailbox(text: &str) -> NameAddr {
    let mut nesting = Nesting::default();
    let angle = text
        .bytes()
        .position(|octet| nesting.is_outside_before(octet) && octet == b'<');
    match angle {
        Some(at) => {
            let (name, rest) = (&text[..at], &text[at + 1..]);
            let (inside, behind) = until_closing_angle(rest);
            let name = [name, behind].map(phrase).into_iter().find(|name| !name.is_empty());
            NameAddr {
                name: name.or_else(|| comment(text)).unwrap_or_default(),
                address: address(inside),
            }
        }
        None => bare_mailbox(text),
    }
}

fn until_closing_angle(rest: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = rest.bytes().position(|octet| {
        quoted ^= octet == b'"';
        octet == b'>' && !quoted
    });
    let end = end.or_else(|| rest.find('>'));
    end.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..]))
}

/// Without angle brackets: the word with the `@` is the address, a comment is the name.
fn bare_mailbox(text: &str) -> NameAddr {
    let plain = without_comments(text);
    let Some(at) = last_at(&plain) else {
        return NameAddr {
            name: phrase(text),
            address: String::new(),
        };
    };
    let (local, domain) = (plain[..at].trim_end(), plain[at + 1..].trim_start());
    let begins = match local.strip_suffix('"') {
        Some(quoted) => quoted.rfind('"').unwrap_or(0),
        None => local.rfind(char::is_whitespace).map_or(0, |space| space + 1),
    };
    let ends = domain.find(char::is_whitespace).unwrap_or(domain.len());
    let name = comment(text).unwrap_or_else(|| phrase(&local[..begins]));
    NameAddr {
        name,
        address: address(&format!("{}@{}", &local[begins..], &domain[..ends])),
    }
}

/// The last `@` outside quotes.
fn last_at(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut last = None;
    for (at, octet) in text.bytes().enumerate() {
        quoted ^= octet == b'"';
        if octet == b'@' && !quoted {
            last = Some(at);
        }
    }
    last
}

/// An address in lower case, without white space outside quotes, without a source route (`@relay:ann@example.org`).
fn address(text: &str) -> String {
    let text = without_comments(text);
    let text = match text.trim().strip_prefix('@').and_then(|route| route.split_once(':')) {
        Some((_, address)) => address,
        None => text.trim(),
    };
    let text = text.strip_prefix("mailto:").unwrap_or(text);
    let mut quoted = false;
    let kept = text.chars().filter(|c| {
        quoted ^= *c == '"';
        (quoted || !c.is_whitespace()) && !c.is_control() && *c != '<'
    });
    let address: String = kept.take(MAX_ADDRESS + 1).collect();
    if address.len() > MAX_ADDRESS || address == "@" {
        String::new()
    } else {
        address.to_lowercase()
    }
}

fn without_comments(text: &str) -> String {
    let mut nesting = Nesting::default();
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        let mut before = [0; 4];
        let was = nesting.comments;
        for octet in c.encode_utf8(&mut before).bytes() {
            nesting.is_outside_before(octet);
        }
        if was == 0 && nesting.comments == 0 {
            plain.push(c);
        }
    }
    plain
}

/// The text of the first comment, decoded.
fn comment(text: &str) -> Option<String> {
    let mut nesting = Nesting::default();
    let mut begins = None;
    for (at, octet) in text.bytes().enumerate() {
        let was = nesting.comments;
        nesting.is_outside_before(octet);
        match (was, nesting.comments) {
            (0, 1) => begins = Some(at + 1),
            (1, 0) => {
                return begins
                    .map(|begins| clean(&text[begins..at]))
                    .filter(|name| !name.is_empty());
            }
            _ => {}
        }
    }
    None
}

/// A display name: comments and quotes off, encoded words decoded, in quotes as well, since people send them so.
fn phrase(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = without_comments(text).chars().collect::<Vec<_>>().into_iter();
    while let Some(c) = characters.next() {
        match c {
            '\\' => plain.extend(characters.next()),
            '"' => {}
            other => plain.push(other),
        }
    }
    clean(&plain)
}

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
        check("ann @ example.org", &[("", "ann@example.org")]);
        check("<@relay.example:ann@example.org>", &[("", "ann@example.org")]);
        check("o'brien@example.org", &[("", "o'brien@example.org")]);
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
