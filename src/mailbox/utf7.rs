//! Folder names on the wire and on disk: modified UTF-7 (RFC 3501, 5.1.3). Pure.

use base64::{
    Engine,
    alphabet::IMAP_MUTF7,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};

const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// Our spelling into the server's.
pub fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    let mut shifted: Vec<u8> = Vec::new();
    for c in name.chars() {
        let plain = matches!(c, ' '..='~');
        if plain {
            end_shift(&mut encoded, &mut shifted);
        }
        match c {
            '&' => encoded.push_str("&-"),
            _ if plain => encoded.push(c),
            _ => shifted.extend(c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes())),
        }
    }
    end_shift(&mut encoded, &mut shifted);
    encoded
}

fn end_shift(encoded: &mut String, shifted: &mut Vec<u8>) {
    if !shifted.is_empty() {
        encoded.push('&');
        encoded.push_str(&BASE64.encode(&shifted));
        encoded.push('-');
        shifted.clear();
    }
}

/// The server's spelling into ours; `None` where it is no modified UTF-7.
pub fn decode(name: &str) -> Option<String> {
    let mut decoded = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((plain, shifted)) = rest.split_once('&') {
        let (shifted, after) = shifted.split_once('-')?;
        decoded.push_str(plain);
        match shifted {
            "" => decoded.push('&'),
            _ => decoded.push_str(&shift_in(shifted)?),
        }
        rest = after;
    }
    decoded.push_str(rest);
    Some(decoded)
}

fn shift_in(shifted: &str) -> Option<String> {
    let octets = BASE64.decode(shifted).ok()?;
    let (pairs, left) = octets.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    left.is_empty().then(|| String::from_utf16(&units).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ours: &str, theirs: &str) {
        assert_eq!(encode(ours), theirs);
        assert_eq!(decode(theirs).as_deref(), Some(ours));
    }

    #[test]
    fn what_is_no_modified_utf_7_is_not_read() {
        for wrong in ["R&D", "&!-", "&AP-", "&2D0-"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_beyond_ascii_are_shifted_into_base64() {
        check("Processed", "Processed");
        check("Entwürfe", "Entw&APw-rfe");
        check("R&D", "R&-D");
        check("台北", "&U,BTFw-");
        check("Übung 🙂 a", "&ANw-bung &2D3eQg- a");
        check("ä&ö", "&AOQ-&-&APY-");
    }
}
