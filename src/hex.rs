//! Octets as hexadecimal digits.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Two lower-case digits an octet.
pub fn hex(octets: &[u8]) -> String {
    let halves = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    halves.map(|half| char::from(DIGITS[usize::from(half)])).collect()
}
