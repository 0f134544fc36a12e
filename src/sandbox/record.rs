//! Records as Halo's model binding sees them: known fields with a type each, everything else ignored.

use serde_json::{Map, Value, json};

/// The values of one record, by field name.
pub(super) type Record = Map<String, Value>;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A whole number, sent as one.
    Whole,
    /// A whole number that Halo sends as a float: `44.0`.
    Float,
    Flag,
    List,
    /// A date; the sentinel means none.
    Date,
}

/// One field of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub name: &'static str,
    pub kind: Kind,
    /// Whether rows of a list show it, or only the record itself.
    pub in_rows: bool,
}

/// A field that rows show.
pub(super) const fn row(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        in_rows: true,
    }
}

/// A field that only the record itself shows.
pub(super) const fn detail_only(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        in_rows: false,
    }
}

/// The faults of a body, by place: `{"[0].site_id": ["…"]}`.
pub(super) type BindingFaults = Map<String, Value>;

/// Reads one element of a POST. Names match ignoring case; unknown ones are ignored, as the real one does.
pub(super) fn bind(fields: &[Field], element: &Value, place: usize) -> Result<Record, BindingFaults> {
    let Some(object) = element.as_object() else {
        let text = format!("A JSON object is expected at [{place}].");
        return Err(BindingFaults::from_iter([(format!("[{place}]"), json!([text]))]));
    };
    let (mut record, mut faults) = (Record::new(), BindingFaults::new());
    for (key, value) in object {
        let Some(field) = fields.iter().find(|field| field.name.eq_ignore_ascii_case(key)) else {
            continue;
        };
        let path = format!("[{place}].{}", field.name);
        match fault_of(field.kind, value, &path) {
            Some(text) => drop(faults.insert(path, json!([text]))),
            None if value.is_null() => {}
            None => drop(record.insert(field.name.to_owned(), value.clone())),
        }
    }
    if faults.is_empty() { Ok(record) } else { Err(faults) }
}

fn fault_of(kind: Kind, value: &Value, path: &str) -> Option<String> {
    let fits = match kind {
        _ if value.is_null() => true,
        Kind::Text | Kind::Date => value.is_string(),
        Kind::Whole | Kind::Float => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Kind::Flag => value.is_boolean(),
        Kind::List => value.is_array(),
    };
    if fits {
        return None;
    }
    Some(match (kind, value) {
        (Kind::Whole | Kind::Float, Value::Number(number)) => {
            format!("Input string '{number}' is not a valid integer. Path '{path}'.")
        }
        _ => format!("Error converting value {value} for '{path}'."),
    })
}

/// Reads the fields that a test or the sample data gives.
///
/// # Panics
/// Where a field has the wrong type: that is a mistake of whoever wrote it.
pub(super) fn given(fields: &[Field], value: &Value) -> Record {
    match bind(fields, value, 0) {
        Ok(record) => record,
        Err(faults) => panic!(
            "the sandbox is given {value}, which does not fit: {}",
            Value::Object(faults)
        ),
    }
}

/// The record itself, every field with a value.
pub(super) fn detail(fields: &[Field], record: &Record) -> Value {
    shown(fields.iter(), record)
}

/// The record as a row of a list, with the fields that rows show.
pub(super) fn in_list(fields: &[Field], record: &Record, is_shown: impl Fn(&Field) -> bool) -> Value {
    shown(fields.iter().filter(|field| is_shown(field)), record)
}

fn shown<'a>(fields: impl Iterator<Item = &'a Field>, record: &Record) -> Value {
    Value::Object(
        fields
            .map(|field| (field.name.to_owned(), value_of(field, record)))
            .collect(),
    )
}

fn value_of(field: &Field, record: &Record) -> Value {
    let value = record.get(field.name);
    match field.kind {
        Kind::Text => value.cloned().unwrap_or_else(|| json!("")),
        Kind::Whole => json!(value.and_then(Value::as_i64).unwrap_or(0)),
        Kind::Float => json!(value.and_then(Value::as_f64).unwrap_or(0.0)),
        Kind::Flag => json!(value.and_then(Value::as_bool).unwrap_or(false)),
        // Halo's lists show null instead of an empty one.
        Kind::List => value.cloned().unwrap_or(Value::Null),
        Kind::Date => value.cloned().unwrap_or_else(|| json!("1900-01-01T00:00:00")),
    }
}

/// A text of a record; empty where there is none.
pub(super) fn text<'a>(record: &'a Record, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number of a record; zero where there is none.
pub(super) fn number(record: &Record, name: &str) -> i64 {
    record.get(name).and_then(Value::as_i64).unwrap_or(0)
}

/// A flag of a record; false where there is none.
pub(super) fn flag(record: &Record, name: &str) -> bool {
    record.get(name).and_then(Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Field] = &[
        row("id", Kind::Whole),
        row("name", Kind::Text),
        row("site_id", Kind::Float),
        detail_only("seen", Kind::Date),
        row("inactive", Kind::Flag),
    ];

    #[test]
    fn known_fields_are_bound_ignoring_case_and_unknown_ones_are_ignored() {
        let record = bind(
            FIELDS,
            &json!({"NAME": "Jane", "Site_Id": 44, "shoe_size": "x", "inactive": null}),
            0,
        )
        .unwrap();
        assert_eq!(Value::Object(record), json!({"name": "Jane", "site_id": 44}));
    }

    #[test]
    fn ids_must_be_whole_numbers_and_no_texts() {
        let fault = |value: Value| Value::Object(bind(FIELDS, &value, 2).unwrap_err()).to_string();
        assert_eq!(
            fault(json!({"site_id": 95.0})),
            r#"{"[2].site_id":["Input string '95.0' is not a valid integer. Path '[2].site_id'."]}"#
        );
        assert_eq!(
            fault(json!({"site_id": "57"})),
            r#"{"[2].site_id":["Error converting value \"57\" for '[2].site_id'."]}"#
        );
        assert_eq!(fault(json!("x")), r#"{"[2]":["A JSON object is expected at [2]."]}"#);
        assert!(fault(json!({"id": 3_000_000_000_u64, "name": 1})).contains("[2].name"));
    }

    #[test]
    fn a_record_shows_floats_sentinels_and_in_rows_less() {
        let record = given(FIELDS, &json!({"id": 7, "site_id": 44}));
        assert_eq!(
            detail(FIELDS, &record).to_string(),
            r#"{"id":7,"name":"","site_id":44.0,"seen":"1900-01-01T00:00:00","inactive":false}"#
        );
        assert_eq!(
            in_list(FIELDS, &record, |field| field.in_rows).to_string(),
            r#"{"id":7,"name":"","site_id":44.0,"inactive":false}"#
        );
    }
}
