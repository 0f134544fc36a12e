//! A value that a condition read, as people see it: cut short.

use std::{cell::Cell, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::Value as Json;
use smallvec::SmallVec;
use tera::{Value, value::ValueKind};

use super::Shared;

/// Characters of a value that are shown.
const SHOWN: usize = 200;

/// A value that is cut short where it is written, not before: most messages are looked at by nobody.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Shown(Shared);

/// Names as they are written, each with its value; most often there is one.
pub type Values = SmallVec<[(Arc<str>, Shown); 1]>;

/// As a list.
pub fn write<S: Serializer>(values: &Values, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values)
}

/// Back from a list.
pub fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Values, D::Error> {
    Vec::deserialize(from).map(Values::from_vec)
}

impl Shown {
    /// What it shows.
    pub fn json(&self) -> Json {
        serde_json::to_value(self).expect("it was made from plain data")
    }

    /// All of it.
    pub(super) fn value(&self) -> &Value {
        &self.0.0
    }
}

impl<T: Into<Shared>> From<T> for Shown {
    fn from(value: T) -> Shown {
        Shown(value.into())
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let cut = Cut {
            value: &self.0.0,
            left: &Cell::new(SHOWN),
        };
        cut.serialize(to)
    }
}

/// As much of a value as is left of what may be shown. Each value counts for one, each letter too.
struct Cut<'a> {
    value: &'a Value,
    left: &'a Cell<usize>,
}

impl<'a> Cut<'a> {
    fn with(&self, value: &'a Value) -> Cut<'a> {
        Cut { value, left: self.left }
    }

    fn is_at_its_end(&self) -> bool {
        self.left.get() == 0
    }
}

impl Serialize for Cut<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        match self.value.kind() {
            ValueKind::String => {
                let text = self.value.as_str().unwrap_or_default();
                if let Some((end, _)) = text.char_indices().nth(left) {
                    self.left.set(0);
                    return to.collect_str(&format_args!("{}…", &text[..end]));
                }
                self.left.set(left - text.chars().count());
                to.serialize_str(text)
            }
            ValueKind::Array => {
                let mut list = to.serialize_seq(None)?;
                for item in self.value.as_array().unwrap_or_default() {
                    if self.is_at_its_end() {
                        list.serialize_element("…")?;
                        break;
                    }
                    list.serialize_element(&self.with(item))?;
                }
                list.end()
            }
            ValueKind::Map => {
                let mut map = to.serialize_map(None)?;
                for (key, item) in self.value.as_map().into_iter().flatten() {
                    if self.is_at_its_end() {
                        map.serialize_entry("…", &())?;
                        break;
                    }
                    map.serialize_entry(key, &self.with(item))?;
                }
                map.end()
            }
            _ => self.value.serialize(to),
        }
    }
}

/// What a step stored. It is written without Halo's own records (`raw`): they are long, and stand in the answers that they
/// came in; the other fields say what matters.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Stored(Shared);

impl Stored {
    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// As it is written.
    pub fn json(&self) -> Json {
        serde_json::to_value(self).expect("it was made from plain data")
    }
}

impl From<Shared> for Stored {
    fn from(value: Shared) -> Stored {
        Stored(value)
    }
}

impl Serialize for Stored {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        WithoutRaw(&self.0.0).serialize(to)
    }
}

struct WithoutRaw<'a>(&'a Value);

impl Serialize for WithoutRaw<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if let Some(items) = self.0.as_array() {
            return to.collect_seq(items.iter().map(WithoutRaw));
        }
        let Some(fields) = self.0.as_map() else {
            return self.0.serialize(to);
        };
        let written = fields.iter().filter(|(name, _)| name.as_str() != Some("raw"));
        to.collect_map(written.map(|(name, value)| (name, WithoutRaw(value))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(value: &Json) -> String {
        serde_json::to_string(&Shown::from(value)).unwrap()
    }

    #[test]
    fn what_is_short_is_shown_as_it_is() {
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!({"id": 7, "names": ["Ann", true, 1.5, null], "none": {}}),
            json!("ü".repeat(199)),
        ] {
            assert_eq!(written(&value), value.to_string());
            assert_eq!(Shown::from(&value).json(), value);
        }
    }

    #[test]
    fn what_is_long_is_cut_once_however_often_it_is_written() {
        let entries = |count: usize| (0..count).map(|n| (format!("k{n}"), json!("v"))).collect::<Json>();
        for (value, expected) in [
            (json!("ü".repeat(200)), json!("ü".repeat(199) + "…")),
            (json!([1, "a".repeat(300), 2]), json!([1, "a".repeat(197) + "…", "…"])),
            (
                json!(vec![7; 300]),
                json!([vec![json!(7); 199], vec![json!("…")]].concat()),
            ),
            (json!({"a": entries(300), "b": 1}), {
                let mut cut = entries(99);
                cut["…"] = json!(null);
                json!({"a": cut, "…": null})
            }),
        ] {
            assert_eq!(written(&value), expected.to_string());
            assert_eq!(written(&expected), expected.to_string());
        }
    }

    #[test]
    fn what_a_step_stored_is_written_without_what_halo_sent() {
        for (stored, written) in [
            (json!(null), json!(null)),
            (json!("raw"), json!("raw")),
            (
                json!({"user": {"id": 7, "raw": {"id": 7}}, "users": [{"raw": 1}, {"name": "raw"}], "agent": null}),
                json!({"user": {"id": 7}, "users": [{}, {"name": "raw"}], "agent": null}),
            ),
        ] {
            assert_eq!(Stored::from(Shared::from(&stored)).json(), written);
        }
    }
}
