//! Whether octets are JSON that a reader takes, told without making a tree of them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Readers take 128 levels, of which the log has two of its own.
const DEEPEST: usize = 100;

/// Whether a body can stand in the log as it is.
pub(super) fn is_json(octets: &[u8]) -> bool {
    let mut deserializer = serde_json::Deserializer::from_slice(octets);
    Level(DEEPEST).deserialize(&mut deserializer).is_ok() && deserializer.end().is_ok()
}

/// Reads a value that has so many levels at most, and forgets it.
struct Level(usize);

impl<'de> DeserializeSeed<'de> for Level {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Level {
    fn below<E: Error>(&self) -> Result<usize, E> {
        self.0
            .checked_sub(1)
            .ok_or_else(|| E::custom("it is nested too deeply"))
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let below = self.below()?;
        while elements.next_element_seed(Level(below))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let below = self.below()?;
        while entries.next_key_seed(Level(0))?.is_some() {
            entries.next_value_seed(Level(below))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn what_passes_is_what_a_tree_can_be_made_of() {
        for text in [
            "null",
            " [1, -2, 3.5, true, \"\\u00e9\"] ",
            "{\"a\": {\"b\": [[]]}}",
            "",
            "{",
            "[1,]",
            "1 2",
            "[\"\\ud800\"]",
            "[1e999]",
            "{\"a\"}",
            "nul",
            "\"a\nb\"",
            "01",
        ] {
            let is_tree = serde_json::from_str::<Value>(text).is_ok();
            assert_eq!(is_json(text.as_bytes()), is_tree, "{text:?}");
        }
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(is_json(nested(DEEPEST).as_bytes()) && !is_json(nested(DEEPEST + 1).as_bytes()));
        assert!(!is_json(b"\"\xff\""));
    }
}
