//! Octets to text: the charset that was named, the one that was meant, or the one that fits.

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

/// Text in the charset of that label. A label that is missing, unknown or plainly wrong is not believed.
pub fn decoded(octets: &[u8], label: &str) -> String {
    let label = label
        .trim()
        .trim_matches(|c| c == '"' || c == '\'')
        .to_ascii_lowercase();
    // Of these, unlike of others, senders are known to label UTF-8 with them.
    match encoding(&label) {
        Some(encoding) if encoding == UTF_8 || encoding == WINDOWS_1252 => guessed(octets),
        Some(encoding) => encoding.decode(octets).0.into_owned(),
        None => other(octets, &label).unwrap_or_else(|| guessed(octets)),
    }
}

/// Whether the label names a charset that can be read.
pub fn is_known(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    encoding(&label).is_some() || charset_decoder(label.as_bytes()).is_some()
}

/// Text in UTF-8 where it is that, else in windows-1252; a few bad octets do not unmake UTF-8.
pub fn guessed(octets: &[u8]) -> String {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    if let Ok(text) = std::str::from_utf8(octets) {
        return text.to_owned();
    }
    let lossy = String::from_utf8_lossy(octets);
    let broken = lossy.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
    let sound = lossy
        .chars()
        .filter(|c| !c.is_ascii() && *c != char::REPLACEMENT_CHARACTER)
        .count();
    if sound > broken {
        lossy.into_owned()
    } else {
        WINDOWS_1252.decode_without_bom_handling(octets).0.into_owned()
    }
}

fn encoding(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label(label.as_bytes())
        .or_else(|| Encoding::for_label(alias(label).as_bytes()))
        .filter(|encoding| *encoding != REPLACEMENT)
}

/// UTF-7 and the code pages of DOS, which browsers, and so encoding_rs, do not know.
fn other(octets: &[u8], label: &str) -> Option<String> {
    let decode = charset_decoder(label.as_bytes())?;
    std::panic::catch_unwind(|| decode(octets)).ok()
}

/// What people write, as a label that the WHATWG list knows.
fn alias(label: &str) -> String {
    let code_page = |digits: &str| match digits {
        "932" => "shift_jis".to_owned(),
        "936" | "1386" => "gbk".to_owned(),
        "949" => "euc-kr".to_owned(),
        "950" => "big5".to_owned(),
        "65001" => "utf-8".to_owned(),
        "28591" => "windows-1252".to_owned(),
        other => format!("windows-{other}"),
    };
    match label {
        "utf8mb4" | "utf-8mb4" | "utf_8" | "unicode-utf-8" => "utf-8".to_owned(),
        "iso-8859-8-e" => "iso-8859-8".to_owned(),
        "ansi" | "latin-1" | "iso-latin-1" | "iso8859_1" | "8859-1" | "8bit" | "iso-8859-1-windows-1252" => {
            "windows-1252".to_owned()
        }
        "x-sjis-jp" | "cp932" | "windows-932" | "ms932" => "shift_jis".to_owned(),
        "iso-2022-jp-ms" | "iso-2022-jp-1" | "iso-2022-jp-2" | "cp50220" | "cp50221" => "iso-2022-jp".to_owned(),
        "ks_c_5601" | "cp949" | "uhc" => "euc-kr".to_owned(),
        "gb18030-2000" => "gb18030".to_owned(),
        "koi8u" => "koi8-u".to_owned(),
        _ => match label
            .strip_prefix("windows")
            .or_else(|| label.strip_prefix("cp"))
            .or_else(|| label.strip_prefix("ms"))
        {
            Some(rest) => code_page(rest.trim_start_matches(['-', '_'])),
            None => label.strip_prefix("x-").unwrap_or(label).replace('_', "-"),
        },
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
            (b"H\x00i\x00", "utf-16le", "Hi"),
            (b"H+AOQ-", "utf-7", "Hä"),
            (b"\x84", "cp850", "ä"),
        ] {
            check(octets, label, expected);
        }
    }

    #[test]
    fn aliases_that_people_send_are_known() {
        for (octets, label, expected) in [
            (&b"\xe4"[..], "latin-1", "ä"),
            (b"\xcf\xf0", "cp-1251", "Пр"),
            (b"\xcf\xf0", "windows1251", "Пр"),
            (b"\x83n", "cp932", "ハ"),
            (b"\xc3\xa4", "utf8mb4", "ä"),
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
    }

    #[test]
    fn a_torn_character_does_not_unmake_utf_8() {
        check(b"\xc3\xa4\xc3\xb6\xc3", "utf-8", "äö\u{fffd}");
    }
}
