//! What was asked, as the trace keeps it: enough to know the very same thing when it is asked again.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Ask, Effect};
use crate::hex::hex;

/// A longer text is kept by its digest, in octets: a body is kept once, with the message.
const LONGEST_TEXT: usize = 1024;

/// An effect that was asked. Most are lookups without a long text: these are written out with the trace, not before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, from = "Value")]
pub enum Asked {
    Whole(Box<Effect>),
    Kept(Value),
}

impl Asked {
    /// As data.
    pub fn json(&self) -> Value {
        serde_json::to_value(self).expect("an effect is plain data")
    }

    /// Whether nobody knows what it was.
    pub fn is_null(&self) -> bool {
        matches!(self, Asked::Kept(Value::Null))
    }

    /// The effect, where every text of it was kept.
    pub fn effect(&self) -> serde_json::Result<Effect> {
        match self {
            Asked::Whole(effect) => Ok((**effect).clone()),
            Asked::Kept(value) => Effect::deserialize(value),
        }
    }
}

impl From<Effect> for Asked {
    fn from(effect: Effect) -> Asked {
        if effect.is_short() {
            Asked::Whole(Box::new(effect))
        } else {
            Asked::Kept(effect.kept())
        }
    }
}

impl Default for Asked {
    fn default() -> Asked {
        Asked::Kept(Value::Null)
    }
}

impl From<Value> for Asked {
    fn from(value: Value) -> Asked {
        Asked::Kept(value)
    }
}

impl Effect {
    /// Whether it is a lookup whose one text is short enough to be kept.
    fn is_short(&self) -> bool {
        let Effect::Halo { ask, .. } = self else { return false };
        let text = match ask {
            Ask::UsersWithAddress { address } | Ask::AgentWithAddress { address } => address.as_str(),
            Ask::Clients { client: place } | Ask::Sites { site: place, .. } => place.name(),
            Ask::SitesOfDomain { domain } | Ask::ClientsOfDomain { domain } => domain,
            Ask::MainSite { .. } => "",
            _ => return false,
        };
        text.len() <= LONGEST_TEXT
    }

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
    use crate::{config::ConnectionName, halo::Reference};

    #[test]
    fn a_lookup_is_kept_as_every_other_effect_is() {
        for (letters, is_whole) in [(5, true), (1024, true), (1025, false)] {
            let effect = Effect::Halo {
                connection: ConnectionName("main".into()),
                ask: Ask::Clients {
                    client: Reference::Name("a".repeat(letters)),
                },
            };
            let asked = Asked::from(effect.clone());
            assert_eq!(matches!(asked, Asked::Whole(_)), is_whole, "{letters} letters");
            assert_eq!(asked.json().to_string(), effect.kept().to_string());
            assert_eq!(asked.effect().is_ok_and(|asked| asked == effect), is_whole);
            let written = serde_json::to_string(&asked).unwrap();
            assert_eq!(written, effect.kept().to_string());
            let read: Asked = serde_json::from_str(&written).unwrap();
            assert_eq!(read.effect().unwrap(), asked.effect().unwrap());
        }
    }

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
