//! Encoded words (RFC 2047), as people send them: split characters, missing white space, words in quotes.
//!
//! mail-parser 0.11.9 decodes each word alone, which breaks a character that is split over two, and takes quadratic
//! time over words without an end. This can go when the tests below pass with it.

use super::{charset, transfer};

/// How far the end of one encoded word is looked for. RFC 2047 allows 75; some write a whole subject as one.
const MAX_WORD: usize = 8 * 1024;

/// One encoded word, its charset still to be applied.
struct Word<'a> {
    charset: &'a str,
    octets: Vec<u8>,
    length: usize,
}

/// Decodes all encoded words. Neighbours of one charset are joined first, since a character may be split over them.
pub fn decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut pending: Option<(&str, Vec<u8>)> = None;
    let mut rest = text;
    while !rest.is_empty() {
        let gap = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        // White space counts as nothing between two encoded words only (RFC 2047, 6.2).
        let word = if gap == 0 || pending.is_some() {
            Word::read(&rest[gap..])
        } else {
            None
        };
        let Some(word) = word else {
            flush(&mut decoded, &mut pending);
            let upto = next_word(rest);
            decoded.push_str(&rest[..upto]);
            rest = &rest[upto..];
            continue;
        };
        rest = &rest[gap + word.length..];
        match &mut pending {
            Some((charset, octets)) if charset.eq_ignore_ascii_case(word.charset) => octets.extend(word.octets),
            _ => {
                flush(&mut decoded, &mut pending);
                pending = Some((word.charset, word.octets));
            }
        }
    }
    flush(&mut decoded, &mut pending);
    decoded
}

/// How long the encoded word is that `text` begins with.
pub fn length(text: &str) -> Option<usize> {
    Word::read(text).map(|word| word.length)
}

/// Where the next encoded word may begin; at least one character further on.
fn next_word(rest: &str) -> usize {
    let first = rest.chars().next().map_or(0, char::len_utf8);
    rest[first..].find("=?").map_or(rest.len(), |at| first + at)
}

fn flush(decoded: &mut String, pending: &mut Option<(&str, Vec<u8>)>) {
    if let Some((label, octets)) = pending.take() {
        decoded.push_str(&charset::decoded(&octets, label));
    }
}

impl<'a> Word<'a> {
    /// Reads `=?charset*language?encoding?text?=` at the beginning of `text`.
    fn read(text: &'a str) -> Option<Word<'a>> {
        let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
        if charset.len() > 64 || charset.contains([' ', '=', '"']) {
            return None;
        }
        let (encoding, rest) = rest.split_once('?')?;
        let window = &rest.as_bytes()[..rest.len().min(MAX_WORD)];
        // `=?utf-8?Q?=41?=`: the first `?=` after the text, which itself may begin with `=`.
        let end = memchr::memmem::find(window, b"?=")?;
        let encoded = &window[..end];
        let octets = transfer::word(encoding, encoded)?;
        let length = text.len() - rest.len() + end + 2;
        Some(Word {
            charset: charset.split('*').next().unwrap_or(charset),
            octets,
            length,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(decode(text), expected);
    }

    #[test]
    fn words_are_decoded_in_their_charset() {
        check("=?utf-8?Q?Gr=C3=BC=C3=9Fe_an_alle?=", "Grüße an alle");
        check("=?ISO-8859-1?B?R3L832U=?=", "Grüße");
        check("=?gb2312?B?xOO6ww==?=", "你好");
        check("=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", "Grüße");
    }

    #[test]
    fn white_space_between_words_counts_as_nothing_but_stays_beside_text() {
        check("=?utf-8?q?a?=  =?utf-8?q?b?= c =?utf-8?q?d?=", "ab c d");
        check("Re: =?utf-8?q?Ticket_=23123?= done", "Re: Ticket #123 done");
        check("=?utf-8?q?a?==?utf-8?q?b?=", "ab");
    }

    #[test]
    fn a_character_split_over_two_words_is_one_character() {
        check("=?utf-8?B?4g==?= =?utf-8?B?mJU=?=", "☕");
        check("=?UTF-8?Q?=E2=82?=\r\n =?utf-8?Q?=AC?=", "€");
    }

    #[test]
    fn what_only_looks_like_a_word_stays() {
        for text in [
            "a =?b",
            "=?utf-8?x?abc?=",
            "=?utf-8?q?never ends",
            "1 =? 2 ?= 3",
            "=?",
            "=??=",
            "",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn spaces_and_bad_escapes_inside_a_word_are_borne() {
        check("=?utf-8?q?a b=zz?=", "a b=zz");
        check("x=?utf-8?q?=C3=A4?=y", "xäy");
    }

    #[test]
    fn many_beginnings_without_an_end_take_linear_time() {
        let text = "=?a?q? ".repeat(20_000);
        check(&text, &text);
    }
}
