//! RTF as the HTML that it wraps (MS-OXRTFEX), or as text.

use crate::message::charset;

/// How much is written.
const MAX_TEXT: usize = 4 * 1024 * 1024;
/// Deeper groups are no document.
const MAX_DEPTH: usize = 500;
/// The longest control word that is known has thirteen letters.
const MAX_WORD: usize = 32;

/// Groups that hold no text.
const SILENT: &[&str] = &[
    "fonttbl",
    "colortbl",
    "stylesheet",
    "info",
    "pict",
    "object",
    "header",
    "footer",
    "footnote",
    "listtable",
    "pntext",
    "listoverridetable",
    "themedata",
    "datastore",
    "latentstyles",
    "rsidtbl",
    "generator",
    "fldinst",
];

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rtf {
    Html(String),
    Text(String),
}

/// What holds in a group; it ends with it.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// Nothing of it is text.
    silent: bool,
    /// A piece of the HTML itself.
    is_tag: bool,
    /// For readers that know no HTML.
    is_double: bool,
    /// How many letters for those that know no Unicode follow each one.
    doubles: usize,
}

/// Reads RTF.
pub fn read(rtf: &[u8]) -> Rtf {
    let head = &rtf[..rtf.len().min(2_048)];
    let wraps_html = memchr::memmem::find(head, b"\\fromhtml").is_some();
    let mut reader = Reader {
        rest: rtf,
        groups: vec![Group {
            silent: false,
            is_tag: false,
            is_double: false,
            doubles: 1,
        }],
        wraps_html,
        charset: String::new(),
        octets: Vec::new(),
        written: String::new(),
        skip: 0,
        high: None,
    };
    while reader.step().is_some() && reader.written.len() <= MAX_TEXT {}
    reader.flush();
    reader.written.truncate(reader.written.floor_char_boundary(MAX_TEXT));
    if wraps_html {
        Rtf::Html(reader.written)
    } else {
        Rtf::Text(reader.written)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    groups: Vec<Group>,
    wraps_html: bool,
    charset: String,
    /// Of the charset, not yet decoded: a letter may take two.
    octets: Vec<u8>,
    written: String,
    /// Letters to leave out, behind one in Unicode.
    skip: usize,
    /// The first half of a letter that takes two.
    high: Option<u16>,
}

impl Reader<'_> {
    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn step(&mut self) -> Option<()> {
        match self.take()? {
            b'{' => {
                let group = *self.groups.last()?;
                self.groups.push(group);
                (self.groups.len() <= MAX_DEPTH).then_some(())
            }
            b'}' => {
                self.flush();
                self.groups.pop();
                self.skip = 0;
                (!self.groups.is_empty()).then_some(())
            }
            b'\\' => self.control(),
            b'\r' | b'\n' => Some(()),
            octet => {
                self.octet(octet);
                Some(())
            }
        }
    }

    fn is_shown(&self) -> bool {
        let shown = |group: &Group| !group.silent && (!self.wraps_html || group.is_tag || !group.is_double);
        self.groups.last().is_some_and(shown)
    }

    fn octet(&mut self, octet: u8) {
        if self.skip > 0 {
            self.skip -= 1;
        } else if self.is_shown() {
            self.octets.push(octet);
        }
    }

    /// Writes what waits in the charset.
    fn flush(&mut self) {
        if !self.octets.is_empty() {
            let octets = std::mem::take(&mut self.octets);
            self.written.push_str(&charset::decoded(&octets, &self.charset));
        }
    }

    fn write(&mut self, text: &str) {
        if self.is_shown() {
            self.flush();
            self.written.push_str(text);
        }
    }

    fn control(&mut self) -> Option<()> {
        let first = self.take()?;
        match first {
            b'\'' => {
                let digits = [self.take()?, self.take()?];
                let octet = std::str::from_utf8(&digits)
                    .ok()
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                octet.into_iter().for_each(|octet| self.octet(octet));
            }
            b'*' => self.known_only(),
            b'~' => self.write("\u{a0}"),
            b'_' => self.write("-"),
            b'\r' | b'\n' => self.write("\n"),
            b'\\' | b'{' | b'}' => self.octet(first),
            letter if letter.is_ascii_alphabetic() => self.word(letter),
            _ => {}
        }
        Some(())
    }

    /// `\*`: whoever does not know the next word leaves the group out.
    fn known_only(&mut self) {
        let is_tag = self.rest.starts_with(b"\\htmltag");
        if let Some(group) = self.groups.last_mut() {
            group.silent |= !is_tag;
            group.is_tag |= is_tag;
        }
    }

    fn word(&mut self, first: u8) {
        let letters = self
            .rest
            .iter()
            .take(MAX_WORD)
            .take_while(|b| b.is_ascii_alphabetic())
            .count();
        let (rest_of_word, rest) = self.rest.split_at(letters);
        let word: String = std::iter::once(first)
            .chain(rest_of_word.iter().copied())
            .map(char::from)
            .collect();
        let is_negative = rest.first() == Some(&b'-');
        let rest = &rest[usize::from(is_negative)..];
        let digits = rest.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
        let number: Option<i64> = std::str::from_utf8(&rest[..digits])
            .ok()
            .and_then(|digits| digits.parse().ok());
        let number = number.map(|number| if is_negative { -number } else { number });
        // One blank ends a word and belongs to it.
        let rest = &rest[digits..];
        self.rest = rest.strip_prefix(b" ").unwrap_or(rest);
        self.obey(&word, number);
    }

    fn obey(&mut self, word: &str, number: Option<i64>) {
        match word {
            "par" | "line" | "row" => self.write("\n"),
            "tab" | "cell" => self.write("\t"),
            "lquote" => self.write("‘"),
            "rquote" => self.write("’"),
            "ldblquote" => self.write("“"),
            "rdblquote" => self.write("”"),
            "bullet" => self.write("•"),
            "endash" => self.write("–"),
            "emdash" => self.write("—"),
            "ansicpg" => {
                self.charset = number.map_or_else(String::new, |page| {
                    super::label(u32::try_from(page).unwrap_or(0)).to_owned()
                })
            }
            "u" => self.unicode(number.unwrap_or(0)),
            "bin" => {
                self.rest = self
                    .rest
                    .get(usize::try_from(number.unwrap_or(0)).unwrap_or(0)..)
                    .unwrap_or_default()
            }
            _ => {
                self.flush();
                let Some(group) = self.groups.last_mut() else { return };
                match word {
                    "htmlrtf" => group.is_double = number != Some(0),
                    "uc" => group.doubles = usize::try_from(number.unwrap_or(1)).unwrap_or(1).min(16),
                    word => group.silent |= SILENT.contains(&word),
                }
            }
        }
    }

    /// A letter as a number of sixteen bits, which may be below zero.
    fn unicode(&mut self, number: i64) {
        let unit = u16::try_from(number.rem_euclid(0x1_0000)).unwrap_or(0);
        let units = self.high.take().into_iter().chain([unit]);
        for letter in char::decode_utf16(units) {
            match letter {
                Ok('\0') => {}
                Ok(letter) => self.write(letter.encode_utf8(&mut [0; 4])),
                Err(error) if (0xd800..0xdc00).contains(&error.unpaired_surrogate()) => {
                    self.high = Some(error.unpaired_surrogate());
                }
                Err(_) => {}
            }
        }
        self.skip = self.groups.last().map_or(1, |group| group.doubles);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rtf: &str, expected: Rtf) {
        assert_eq!(read(rtf.as_bytes()), expected);
    }

    #[test]
    fn wrapped_html_comes_out_as_it_was() {
        check(
            "{\\rtf1\\ansi\\ansicpg1252\\fromhtml1 \\deff0{\\fonttbl{\\f0\\fswiss Arial;}}\r\n{\\*\\htmltag64 <p class=\"x\">}\\htmlrtf {\\htmlrtf0 \
             Gr\\'fc\\u223 ?e {\\*\\htmltag84 &nbsp;}\\htmlrtf \\'a0\\htmlrtf0 \\{1\\}\\htmlrtf\\par}\\htmlrtf0\r\n{\\*\\htmltag72 </p>\\par }{\\*\\mhtmltag1 no}}",
            Rtf::Html("<p class=\"x\">Grüße &nbsp;{1}</p>\n".to_owned()),
        );
    }

    #[test]
    fn other_rtf_becomes_text() {
        check(
            "{\\rtf1\\ansi\\ansicpg1251\\deff0{\\fonttbl{\\f0 Arial;}}{\\colortbl ;}{\\*\\generator x;}\\pard \\'cf\\'f0\\b bold\\b0\\par \\u55357 ?\\u56832 ?\\tab\\ldblquote a\\rdblquote}",
            Rtf::Text("Прbold\n😀\t“a”".to_owned()),
        );
        check(
            "{\\rtf1\\ansi\\ansicpg932 \\'83\\'6e\\~x}",
            Rtf::Text("ハ\u{a0}x".to_owned()),
        );
    }

    #[test]
    fn what_is_broken_is_read_as_far_as_it_goes() {
        for (rtf, text) in [
            ("", ""),
            ("{\\rtf1 a}} b", "a"),
            ("a\\", "a"),
            ("{a\\'zzb\\'4", "ab"),
            ("\\bin9999999999 x", ""),
            ("\\u ?x", "x"),
        ] {
            check(rtf, Rtf::Text(text.to_owned()));
        }
        check(&"{".repeat(100_000), Rtf::Text(String::new()));
    }
}
