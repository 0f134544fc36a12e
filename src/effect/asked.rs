//! What was asked, as the trace keeps it: enough to know the very same thing when it is asked again.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Effect;
use crate::hex::hex;

/// A longer text is kept by its digest, in octets: a body is kept once, with the message.
const LONGEST_TEXT: usize = 1024;

impl Effect {
    /// The effect as data. A secret stands in it by its name alone, a long text by its digest.
    pub fn kept(&self) -> Value {
        let mut value = serde_json::to_value(self).expect("an effect is plain data");
        shorten(&mut value);
        value
    }
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > LONGEST_TEXT => {
            let digest = hex(&Sha256::digest(text.as_bytes()));
            *text = format!("sha256:{digest}, {} octets", text.len());
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_text_is_kept_by_its_digest_and_a_short_one_as_it_is() {
        let mut value =
            json!({ "note": { "plain": "a".repeat(1025), "html": "a".repeat(1024) }, "keys": ["b".repeat(2000)] });
        shorten(&mut value);
        let shortened = value["note"]["plain"].as_str().unwrap_or_default();
        assert!(
            shortened.starts_with("sha256:") && shortened.ends_with(", 1025 octets"),
            "{shortened}"
        );
        assert_eq!(value["note"]["html"], "a".repeat(1024));
        assert_ne!(value["keys"][0], "b".repeat(2000));
    }
}
