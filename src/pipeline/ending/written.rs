//! JSON as a text, for what is large and made with each message.

use std::io;

use serde::Serialize;

/// What most traces take.
const USUAL: usize = 4096;

/// What is written. Every other piece is one sign, a quotation mark or a comma: it is put there without a copy.
struct Written(Vec<u8>);

impl io::Write for Written {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_all(octets).map(|()| octets.len())
    }

    #[inline]
    fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        match octets {
            [one] => self.0.push(*one),
            some => self.0.extend_from_slice(some),
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value that is plain data.
pub fn json(value: &impl Serialize) -> String {
    let mut written = Written(Vec::with_capacity(USUAL));
    serde_json::to_writer(&mut written, value).expect("it is plain data");
    String::from_utf8(written.0).expect("JSON is UTF-8")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_the_json_that_others_write() {
        let value = json!({"a": ["\"ü\u{1}\n", 1, -2.5, null, true, {}, []], "": {"b": "x".repeat(2 * USUAL)}});
        assert_eq!(json(&value), value.to_string());
    }
}
