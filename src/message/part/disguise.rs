//! A copy of a multipart body's outline, in which mail-parser finds the parts and nothing that harms it or leads it
//! astray.
//!
//! The copy serves for the places of the parts alone; what is in them is read from the message itself. Every change is
//! of one octet for one, so places stay, and is made everywhere, so that a boundary still equals its delimiter lines.
//! What mail-parser 0.11.9 does, and how to see that a change can go:
//! - it drops nested messages by recursion: 25,000 of them end the process (`tests/hostile.rs`), in Base64 too. So it
//!   never sees that a part is a message. It can go when a bound on nesting is its own, as in 1.0.
//! - it takes quadratic time over encoded words and RFC 2231 sections. So it sees no `?` and no `*`. It can go when
//!   100,000 sections take milliseconds. The price: a boundary that itself comes in sections is not found.
//! - it ends a part at `--boundary` within a line (`tests/mail/malformed/boundary_in_the_text.eml`).
//!
//! Known limits: a part whose header has no blank line below it swallows the next delimiter line, and of two
//! Content-Type fields of one part the last one decides whether it is a multipart.

use std::{
    collections::HashSet,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

use mail_parser::{HeaderName, Message, MessageParser, MimeHeaders, PartType};

use super::outline::Outline;

/// How often multiparts are searched for a boundary, times octets: what is never found is sought to the end.
const MAX_WORK: usize = 1 << 31;
/// Places where a part may begin: a part takes some 200 octets of memory.
const MAX_DELIMITERS: usize = 200_000;
/// How much of a boundary tells its delimiters from other dashes.
const BEGINNING: usize = 8;
/// Short fields in the headers of parts: a field takes 100 octets.
const MAX_SHORT_FIELDS: usize = 200_000;
/// A longer field does not take many times its own memory.
const SHORT_FIELD: usize = 24;
/// How often false delimiters are looked for, as blotting some out can bring inner multiparts to light; and how many
/// multiparts are closed.
const MAX_ROUNDS: usize = 4;

/// A part that is not made of parts: where its header and its body lie, and what it stands in.
#[derive(Debug, Clone)]
pub struct Place {
    pub header: Range<usize>,
    pub body: Range<usize>,
    /// Which multipart/alternative it stands in, the outermost one.
    pub alternative: Option<usize>,
    pub in_digest: bool,
}

/// The places of all parts in order; none where there is no telling. `Err` names the bound that was passed.
pub fn places(message: &[u8], content_type: &str, body: Range<usize>) -> Result<Vec<Place>, &'static str> {
    let places = located(&Outline::of(&message[body.clone()]), content_type)?;
    let from_start = |offset: usize| Some(body.start + offset);
    Ok(places.into_iter().filter_map(|place| place.moved(from_start)).collect())
}

/// The places in the body whose outline it is.
fn located(outline: &Outline, content_type: &str) -> Result<Vec<Place>, &'static str> {
    let header = format!("Content-Type: {content_type}\r\n\r\n");
    // The end lets a part that was cut within its header end there.
    let mut copy = [header.as_bytes(), &outline.octets, b"\r\n\r\n"].concat();
    disguise(&mut copy);
    within_bounds(&copy)?;

    let mut found = Found::read(&copy)?;
    for _ in 0..MAX_ROUNDS {
        let lies = found.false_delimiters(&copy);
        if lies.is_empty() {
            break;
        }
        lies.into_iter().for_each(|at| copy[at] = b'+');
        found = Found::read(&copy)?;
    }
    found.close_multiparts(&copy)?;

    let in_outline = |offset: usize| offset.checked_sub(header.len());
    let in_body = |place: Place| {
        let place = place.moved(in_outline)?;
        Some(Place {
            header: outline.begin(place.header.start)..outline.begin(place.header.end),
            body: outline.begin(place.body.start)..outline.end(place.body.end),
            ..place
        })
    };
    Ok(found.places.into_iter().filter_map(in_body).collect())
}

impl Place {
    fn moved(self, to: impl Fn(usize) -> Option<usize>) -> Option<Place> {
        let move_range = |range: Range<usize>| {
            let start = to(range.start)?;
            Some(start..to(range.end)?.max(start))
        };
        let (header, body) = (move_range(self.header)?, move_range(self.body)?);
        Some(Place { header, body, ..self })
    }
}

fn disguise(copy: &mut [u8]) {
    for octet in copy.iter_mut() {
        // Written always: so it takes many octets at once.
        *octet = match *octet {
            b'?' => b'!',
            b'*' => b'+',
            other => other,
        };
    }
    // The type `message/…`, and that of `multipart/digest`, whose parts are messages without saying so.
    for word in [b"message".as_slice(), b"digest"] {
        let mut from = 0;
        while let Some(at) = memchr::memchr2(word[0], word[0].to_ascii_uppercase(), &copy[from..]) {
            let at = from + at;
            if copy[at..]
                .get(..word.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(word))
            {
                copy[at] = b'x';
            }
            from = at + 1;
        }
    }
}

fn within_bounds(copy: &[u8]) -> Result<(), &'static str> {
    let most = MAX_WORK / copy.len().max(1);
    let boundaries: Vec<&[u8]> = memchr::memchr2_iter(b'b', b'B', copy)
        .filter_map(|at| boundary(&copy[at..]))
        .take(most + 1)
        .collect();
    if boundaries.len() > most {
        return Err("nesting");
    }
    let beginnings: HashSet<Vec<u8>> = boundaries.into_iter().map(|begin| [b"--", begin].concat()).collect();
    let mut delimiters: Vec<usize> = beginnings
        .iter()
        .flat_map(|begin| memchr::memmem::find_iter(copy, begin))
        .take(MAX_DELIMITERS + 1)
        .collect();
    if delimiters.len() > MAX_DELIMITERS {
        return Err("parts");
    }
    delimiters.sort_unstable();
    if short_fields(copy, &delimiters) > MAX_SHORT_FIELDS {
        return Err("header_fields");
    }
    Ok(())
}

/// How the boundary begins that is given here, if one is; nothing of one that is written in a way that only mail-parser
/// reads, so that all dashes count as its delimiters.
fn boundary(text: &[u8]) -> Option<&[u8]> {
    let (word, rest) = text.split_at_checked(b"boundary".len())?;
    let value = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    if !word.eq_ignore_ascii_case(b"boundary") {
        return None;
    }
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"'+_,-./:=!#$%&^`{|}~@".contains(b);
    let end = value.iter().take(BEGINNING).take_while(|b| is_plain(b)).count();
    let is_odd = value.get(end).is_some_and(|b| b"\\()".contains(b));
    Some(if is_odd { b"" } else { &value[..end] })
}

/// The short fields between the delimiters and the blank lines that come next.
fn short_fields(copy: &[u8], delimiters: &[usize]) -> usize {
    let (mut count, mut read) = (0, 0);
    for at in delimiters {
        if *at < read {
            continue;
        }
        read = *at;
        for line in copy[*at..].split_inclusive(|b| *b == b'\n') {
            read += line.len();
            count += usize::from(line.len() <= SHORT_FIELD && line.contains(&b':'));
            if matches!(line, b"\n" | b"\r\n") {
                break;
            }
        }
    }
    count
}

/// What mail-parser found in a copy.
#[derive(Default)]
struct Found {
    places: Vec<Place>,
    /// Of all multiparts.
    boundaries: HashSet<Vec<u8>>,
}

impl Found {
    /// Nothing but Content-Type is read: each other field could bring faults of its own.
    fn read(copy: &[u8]) -> Result<Found, &'static str> {
        let parser = MessageParser::new()
            .default_header_ignore()
            .header_content_type(HeaderName::ContentType);
        // In a debug build mail-parser 0.11.9 panics over numbers that overflow.
        let read = || parser.parse(copy).as_ref().map(Found::of).unwrap_or_default();
        catch_unwind(AssertUnwindSafe(read)).map_err(|_| "parts")
    }

    fn of(parsed: &Message<'_>) -> Found {
        let mut stands_in = vec![(None, false); parsed.parts.len()];
        let mut found = Found::default();
        for (index, part) in parsed.parts.iter().enumerate() {
            let content_type = part.content_type();
            let boundary = content_type.and_then(|read| read.attribute("boundary"));
            found
                .boundaries
                .extend(boundary.filter(|text| !text.is_empty()).map(Vec::from));
            let (alternative, in_digest) = stands_in[index];
            let [header, body, end] = [part.offset_header, part.offset_body, part.offset_end]
                .map(|offset| usize::try_from(offset).unwrap_or(usize::MAX));
            let PartType::Multipart(children) = &part.body else {
                found.places.push(Place {
                    header: header..body,
                    body: body..end.max(body),
                    alternative,
                    in_digest,
                });
                continue;
            };
            let subtype = content_type.and_then(|read| read.subtype()).unwrap_or("");
            let alternative = alternative.or((subtype == "alternative").then_some(header));
            for child in children.iter().filter_map(|id| usize::try_from(*id).ok()) {
                if let Some(child) = stands_in.get_mut(child) {
                    *child = (alternative, subtype == "xigest");
                }
            }
        }
        found
    }

    /// Where `--boundary` stands that is no delimiter line of any multipart; the place is that of the second dash.
    fn false_delimiters(&self, copy: &[u8]) -> Vec<usize> {
        let mut lies = Vec::new();
        for boundary in &self.boundaries {
            let delimiter = [b"--", boundary.as_slice()].concat();
            let all = memchr::memmem::find_iter(copy, &delimiter);
            lies.extend(
                all.filter(|at| self.delimiter_line(copy, *at).is_none())
                    .map(|at| at + 1),
            );
        }
        lies
    }

    /// The boundary of the delimiter line at `at`, if it is nothing but one; be it of a longer boundary.
    fn delimiter_line<'a>(&self, copy: &'a [u8], at: usize) -> Option<&'a [u8]> {
        if at > 0 && copy[at - 1] != b'\n' {
            return None;
        }
        let end = memchr::memchr(b'\n', &copy[at..]).map_or(copy.len(), |length| at + length);
        let named = copy[at..end].trim_ascii_end().strip_prefix(b"--")?;
        let known = |named: &&[u8]| self.boundaries.contains(*named);
        Some(named)
            .filter(known)
            .or_else(|| named.strip_suffix(b"--").filter(known))
    }

    /// mail-parser 0.11.9 overlooks that the delimiter of an outer multipart ends the inner ones too (RFC 2046, 5.1.2):
    /// the last part goes on to the end. It is cut there, and the rest read as a multipart of its own.
    fn close_multiparts(&mut self, copy: &[u8]) -> Result<(), &'static str> {
        for _ in 0..MAX_ROUNDS {
            let Some(last) = self.places.last() else { break };
            let body = last.body.start..last.body.end.min(copy.len());
            let mut dashes = memchr::memmem::find_iter(copy.get(body.clone()).unwrap_or_default(), b"--");
            let outer = dashes.find_map(|at| Some((body.start + at, self.delimiter_line(copy, body.start + at)?)));
            let Some((at, boundary)) = outer else { break };
            let header = [b"Content-Type: multipart/mixed; boundary=\"", boundary, b"\"\r\n\r\n"].concat();
            let rest = Found::read(&[&header, &copy[at..]].concat())?;
            if let Some(last) = self.places.last_mut() {
                last.body.end = at - line_end_before(&copy[body.start..at]);
            }
            let moved_to = |offset: usize| Some(offset.checked_sub(header.len())? + at);
            // What is read apart has alternatives of its own.
            let apart = |place: Place| Place {
                alternative: place.alternative.map(|header| header + at),
                ..place
            };
            let moved = rest.places.into_iter().filter_map(|place| apart(place).moved(moved_to));
            self.places.extend(moved);
            self.boundaries.extend(rest.boundaries);
        }
        Ok(())
    }
}

/// The line end before a delimiter belongs to the delimiter (RFC 2046, 5.1.1).
fn line_end_before(octets: &[u8]) -> usize {
    match octets {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: [&str; 22] = [
        "--a",
        "--b",
        "--ab",
        "--",
        "-",
        "\r\n",
        "\n",
        "\r\n\r\n",
        "\n\n",
        "\r",
        " ",
        "text",
        "b",
        "Content-Type: ",
        "multipart/mixed; boundary=a",
        "multipart/alternative; boundary=\"ab\"",
        "message/rfc822",
        "boundary=b",
        "multipart/digest;",
        "\r\n--b\r\n",
        "\r\n--a--\r\n",
        ": ",
    ];

    #[test]
    fn the_outline_shows_every_part_where_the_whole_body_shows_it() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let length = rng.usize(..40);
            let body: String = (0..length).map(|_| PIECES[rng.usize(..PIECES.len())]).collect();
            let places = |outline: Outline| {
                let places = located(&outline, "multipart/mixed; boundary=b").unwrap();
                let place = |place: Place| (place.header, place.body, place.in_digest);
                places.into_iter().map(place).collect::<Vec<_>>()
            };
            let whole = places(Outline::whole(body.as_bytes()));
            assert_eq!(places(Outline::of(body.as_bytes())), whole, "{body:?}");
        }
    }
}
