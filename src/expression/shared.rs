//! A value that expressions see and others keep: what is long in it is shared, not copied.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tera::Value;

use super::filter::list::step_into;

/// A value as expressions see it. Cheap to clone, whatever it holds; as JSON it is what it was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shared(#[serde(deserialize_with = "read")] pub(super) Value);

impl Shared {
    /// Plain data as a value.
    pub fn of(data: &impl Serialize) -> Shared {
        Shared(Value::from_serializable(data))
    }

    /// A value of these, by name.
    pub fn record<const N: usize>(fields: [(&'static str, Shared); N]) -> Shared {
        fields.into_iter().collect()
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        super::filter::is_nothing(&self.0)
    }

    /// What stands in it under that name.
    pub fn get(&self, name: &str) -> Option<Shared> {
        step_into(&self.0, name).cloned().map(Shared)
    }

    /// The text at a path of names in it.
    pub fn text_at<'s>(&'s self, path: &'s [&'s str]) -> Option<&'s str> {
        let found = path.iter().try_fold(&self.0, |value, name| step_into(value, name))?;
        found.as_str()
    }

    /// What stands in it as a list; nothing where it is none.
    pub fn items(&self) -> impl Iterator<Item = Shared> {
        let items = self.0.as_array().unwrap_or_default();
        items.iter().cloned().map(Shared)
    }

    /// The texts that stand directly in it.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let values = self.0.as_map().into_iter().flat_map(tera::Map::values);
        values.filter_map(Value::as_str)
    }

    /// A copy as JSON.
    pub fn json(&self) -> Json {
        serde_json::to_value(&self.0).expect("it was made from plain data")
    }

    /// The same of one that holds values by name; empty for any other.
    pub fn json_map(&self) -> Map<String, Json> {
        match self.json() {
            Json::Object(map) => map,
            _ => Map::new(),
        }
    }
}

fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    Json::deserialize(from).map(|value| Shared::from(value).0)
}

impl Default for Shared {
    fn default() -> Shared {
        Shared(Value::none())
    }
}

/// As JSON.
impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.json().fmt(f)
    }
}

impl From<Map<String, Json>> for Shared {
    fn from(map: Map<String, Json>) -> Shared {
        Shared::of(&map)
    }
}

/// A value of these, by name.
impl FromIterator<(&'static str, Shared)> for Shared {
    fn from_iter<T: IntoIterator<Item = (&'static str, Shared)>>(fields: T) -> Shared {
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value.0));
        Shared(Value::from(fields.collect::<tera::Map>()))
    }
}

impl From<&Json> for Shared {
    fn from(value: &Json) -> Shared {
        Shared::of(value)
    }
}

impl From<Json> for Shared {
    fn from(value: Json) -> Shared {
        Shared::from(&value)
    }
}

impl<T: Into<Shared>> From<Option<T>> for Shared {
    fn from(value: Option<T>) -> Shared {
        value.map_or_else(Shared::default, Into::into)
    }
}

impl From<Vec<Shared>> for Shared {
    fn from(items: Vec<Shared>) -> Shared {
        let items: Vec<Value> = items.into_iter().map(|item| item.0).collect();
        Shared(Value::from(items))
    }
}

impl From<&str> for Shared {
    fn from(text: &str) -> Shared {
        Shared(Value::from(text))
    }
}

impl From<bool> for Shared {
    fn from(truth: bool) -> Shared {
        Shared(Value::from(truth))
    }
}

impl From<u64> for Shared {
    fn from(number: u64) -> Shared {
        Shared(Value::from(number))
    }
}

impl From<i64> for Shared {
    fn from(number: i64) -> Shared {
        // As JSON has it, where a number that is not negative has no sign.
        Shared(u64::try_from(number).map_or_else(|_| Value::from(number), Value::from))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_json_comes_back_to_the_letter() {
        let text = r#"{"z":1,"a":-1,"big":18446744073709551615,"float":1.0,"small":1e-7,"text":"ü\n","none":null,"list":[true,{}],"1":""}"#;
        let value: Json = serde_json::from_str(text).unwrap();
        let shared = Shared::from(&value);
        assert_eq!(shared.json().to_string(), text);
        assert_eq!(serde_json::to_string(&shared).unwrap(), text);
        assert_eq!(shared.to_string(), text);
        assert_eq!(serde_json::from_str::<Shared>(text).unwrap(), shared);
        assert_eq!(json!({"in": shared})["in"].to_string(), text);
    }

    #[test]
    fn a_record_is_what_the_same_json_would_be() {
        let nobody: Option<&str> = None;
        let record = Shared::record([
            ("id", 7_u64.into()),
            ("below", (-7_i64).into()),
            ("name", "Ann".into()),
            ("inactive", false.into()),
            ("nobody", nobody.into()),
            ("list", vec![Shared::from("x")].into()),
        ]);
        let same = json!({"id": 7, "below": -7, "name": "Ann", "inactive": false, "nobody": null, "list": ["x"]});
        assert_eq!(record, Shared::from(&same));
        assert_eq!(record.json(), same);
        assert_eq!(record.texts().collect::<Vec<_>>(), ["Ann"]);
        assert_eq!(record.get("name"), Some("Ann".into()));
        assert!(record.get("nobody").is_some_and(|value| value.is_null()));
        assert_eq!(record.text_at(&["name"]), Some("Ann"));
        assert_eq!(record.text_at(&["name", "name"]), None);
        assert_eq!(record.text_at(&["id"]), None);
        assert_eq!(
            record.get("list").unwrap().items().collect::<Vec<_>>(),
            [Shared::from("x")]
        );
        assert!(record.items().next().is_none());
        assert!(record.get("none").is_none() && Shared::from("x").get("x").is_none());
        assert!(Shared::from("x").json_map().is_empty());
    }
}
