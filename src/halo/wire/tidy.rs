//! What Halo sent of a record, without Halo's quirks.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::whole;

/// Takes Halo's quirks out of what is handed on as `raw`: whole floats become whole numbers, so that ids render as
/// ids, and the dates that mean none become null.
pub(super) struct Tidy<'a>(pub &'a Value);

impl Serialize for Tidy<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(number) if number.is_f64() => match whole(self.0) {
                Some(whole) => Value::from(whole).serialize(to),
                None => number.serialize(to),
            },
            Value::String(text) if means_no_date(text) => to.serialize_unit(),
            Value::Array(list) => to.collect_seq(list.iter().map(Tidy)),
            Value::Object(object) => to.collect_map(object.iter().map(|(key, value)| (key, Tidy(value)))),
            other => other.serialize(to),
        }
    }
}

/// The same as JSON.
pub(super) fn tidy(value: &Value) -> Value {
    serde_json::to_value(Tidy(value)).expect("it was JSON")
}

fn means_no_date(text: &str) -> bool {
    ["0001-01-01T00:00:00", "1900-01-01T00:00:00"].iter().any(|none| {
        text.strip_prefix(none)
            .is_some_and(|rest| rest.chars().all(|c| c == '.' || c == '0' || c == 'Z'))
    })
}
