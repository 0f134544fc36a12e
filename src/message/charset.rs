//! Octets to text: the charset that was named, the one that was meant, or the one that fits.

use std::{borrow::Cow, panic::catch_unwind};

use mail_parser::decoders::charsets::map::charset_decoder;

/// Labels that senders are known to write over UTF-8.
const UNRELIABLE: &[&str] = &[
    "ascii",
    "us-ascii",
    "iso-8859-1",
    "latin1",
    "latin-1",
    "windows-1252",
    "cp1252",
];
/// Labels of Windows that mail-parser 0.11.9 does not know, as ones that it does.
const ALIASES: &[(&str, &str)] = &[("cp932", "shift_jis"), ("cp949", "windows-949"), ("cp950", "big5")];

/// Text in the charset of that label. A label that is missing, unknown or plainly wrong is not believed.
pub fn decoded<'a>(octets: &'a [u8], label: &str) -> Cow<'a, str> {
    let label = label.trim_matches([' ', '"', '\'']).to_ascii_lowercase();
    let label = ALIASES
        .iter()
        .find(|(alias, _)| *alias == label)
        .map_or(label.as_str(), |(_, known)| known);
    let is_wrong = UNRELIABLE.contains(&label) || label.starts_with("utf-16") && is_of_octets(octets);
    let decode = charset_decoder(label.as_bytes()).filter(|_| !is_wrong);
    decode
        .and_then(|decode| catch_unwind(|| decode(octets)).ok())
        // Charsets that nobody should decode any more come out as one such character.
        .filter(|text| text != "\u{fffd}")
        .map_or_else(|| guessed(octets), Cow::Owned)
}

/// Whether it is text of one octet a letter: in UTF-16 each blank and line end holds a zero.
fn is_of_octets(octets: &[u8]) -> bool {
    octets.is_ascii() && !octets.contains(&0)
}

/// Whether the label names a charset that can be read.
pub fn is_known(label: &str) -> bool {
    label.eq_ignore_ascii_case("utf-8") || charset_decoder(label.as_bytes()).is_some()
}

/// Text in UTF-8 where it is that, else in windows-1252; a few bad octets do not unmake UTF-8.
pub fn guessed(octets: &[u8]) -> Cow<'_, str> {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    if let Ok(text) = std::str::from_utf8(octets) {
        return Cow::Borrowed(text);
    }
    let lossy = String::from_utf8_lossy(octets);
    let foreign = lossy.chars().filter(|c| !c.is_ascii());
    let broken = foreign.clone().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
    match charset_decoder(b"windows-1252") {
        Some(decode) if broken > 0 && foreign.count() <= 2 * broken => decode(octets).into(),
        _ => lossy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(octets: &[u8], label: &str, expected: &str) {
        assert_eq!(decoded(octets, label), expected, "{label}");
    }

    #[test]
    fn the_named_charset_is_used() {
        for (octets, label, expected) in [
            (&b"Gr\xfc\xdfe"[..], "ISO-8859-1", "Grüße"),
            (b"5 \x80", "iso-8859-1", "5 €"),
            (b"\x1b$B%O%m!<\x1b(B", "iso-2022-jp", "ハロー"),
            (b"\xc4\xe3\xba\xc3", "gb18030", "你好"),
            (b"\xf0\xd2\xc9\xd7\xc5\xd4", "KOI8-R", "Привет"),
            (b"\xff\xfeH\x00i\x00", "utf-16", "Hi"),
            (b"H+AOQ-", "utf-7", "Hä"),
            (b"\x84", "cp850", "ä"),
            (b"\x83n", "cp932", "ハ"),
            (b"\xcf\xf0", "windows-1251", "Пр"),
            (b"\xe4", "\"iso-8859-1\"", "ä"),
        ] {
            check(octets, label, expected);
        }
    }

    #[test]
    fn a_label_that_is_wrong_is_not_believed() {
        check("Grüße".as_bytes(), "iso-8859-1", "Grüße");
        check(b"Gr\xfc\xdfe", "utf-8", "Grüße");
        check("Grüße".as_bytes(), "x-nonsense", "Grüße");
        check(b"Gr\xfc\xdfe", "", "Grüße");
        check(b"\xef\xbb\xbfHi", "us-ascii", "Hi");
        for label in [
            "iso-2022-kr",
            "hz-gb-2312",
            "iso-2022-cn",
            "replacement",
            "utf-16",
            "UTF-16LE",
        ] {
            check(b"Hello, all", label, "Hello, all");
        }
    }

    #[test]
    fn a_torn_character_does_not_unmake_utf_8() {
        check(b"\xc3\xa4\xc3\xb6\xc3", "utf-8", "äö\u{fffd}");
    }
}
