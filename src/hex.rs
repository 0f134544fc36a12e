//! Octets as hexadecimal digits.

/// Two lower-case digits an octet.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
