//! Encoded words (RFC 2047), as people send them: split characters, missing white space, words in quotes.
//!
//! mail-parser 0.11.9 decodes each word alone, which breaks a character that is split over two, and takes quadratic
//! time over words without an end. This can go when the tests below pass with it.

use std::borrow::Cow;

use super::{charset, transfer};

/// How far the end of one encoded word is looked for. RFC 2047 allows 75; some write a whole subject as one.
const MAX_WORD: usize = 8 * 1024;

/// One encoded word, its charset still to be applied.
pub struct Word<'a> {
    charset: &'a str,
    octets: Vec<u8>,
    /// Of all that was written.
    pub length: usize,
}

/// The encoded words of a text. Asked for in the order of their places, all of them take linear time.
pub struct Words<'a> {
    text: &'a str,
    /// Where the next `?=` stands; behind the text where there is none.
    end: usize,
}

/// Decodes all encoded words. Neighbours of one charset are joined first, since a character may be split over them.
pub fn decode(text: &str) -> Cow<'_, str> {
    if memchr::memmem::find(text.as_bytes(), b"=?").is_none() {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut pending: Option<(&str, Vec<u8>)> = None;
    let mut words = Words::of(text);
    let mut rest = text;
    while !rest.is_empty() {
        let gap = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        // White space counts as nothing between two encoded words only (RFC 2047, 6.2).
        let word = if gap == 0 || pending.is_some() {
            words.at(text.len() - rest.len() + gap)
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
    decoded.into()
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

impl<'a> Words<'a> {
    pub fn of(text: &'a str) -> Words<'a> {
        Words { text, end: 0 }
    }

    /// Reads `=?charset*language?encoding?text?=` at a place.
    pub fn at(&mut self, place: usize) -> Option<Word<'a>> {
        let text = &self.text[place..];
        let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
        if charset.len() > 64 || charset.contains([' ', '=', '"']) {
            return None;
        }
        let (encoding, rest) = rest.split_once('?')?;
        // `=?utf-8?Q?=41?=`: the first `?=` after the text, which itself may begin with `=`.
        let begin = self.text.len() - rest.len();
        if self.end < begin {
            self.end = rest.find("?=").map_or(self.text.len(), |at| begin + at);
        }
        let encoded = self.text.get(begin..self.end).filter(|_| self.end < self.text.len())?;
        if encoded.len() > MAX_WORD {
            return None;
        }
        let octets = transfer::word(encoding, encoded.as_bytes())?;
        let length = self.end + 2 - place;
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
        let text = "=?a?q? ".repeat(200_000);
        check(&text, &text);
    }
}
