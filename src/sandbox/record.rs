//! Records as Halo's model binding sees them: known fields with a type each, everything else ignored.

use serde_json::{Map, Value, json};

use super::moment;

/// The values of one record, by field name.
pub(super) type Record = Map<String, Value>;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A whole number, sent as one.
    Whole,
    /// A whole number, of which a text makes one that nothing bears instead of a fault of the binding.
    Loose,
    /// A whole number that Halo sends as a float: `44.0`.
    Float,
    /// Any number: hours.
    Decimal,
    Flag,
    List,
    Object,
    /// A date without a zone, in UTC; the sentinel means none.
    Date,
}

/// Where a field is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// In the rows of lists and in the record itself.
    InRows,
    /// In the record itself.
    InDetail,
    /// Nowhere: it only says what is to be done.
    Nowhere,
}

/// One field of a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub name: &'static str,
    kind: Kind,
    shown: Shown,
    /// The column's width in UTF-16 units; zero for no bound.
    longest: usize,
}

/// A field that rows show.
pub(super) const fn row(name: &'static str, kind: Kind) -> Field {
    Field::new(name, kind, Shown::InRows)
}

/// A field that only the record itself shows.
pub(super) const fn detail_only(name: &'static str, kind: Kind) -> Field {
    Field::new(name, kind, Shown::InDetail)
}

/// A field that is taken and never shown.
pub(super) const fn sent_only(name: &'static str, kind: Kind) -> Field {
    Field::new(name, kind, Shown::Nowhere)
}

impl Field {
    const fn new(name: &'static str, kind: Kind, shown: Shown) -> Field {
        Field {
            name,
            kind,
            shown,
            longest: 0,
        }
    }

    /// Whether anything ever shows it.
    pub(super) fn is_shown(&self) -> bool {
        self.shown != Shown::Nowhere
    }

    /// What a record shows of it, also where it has no value.
    pub(super) fn value_in(&self, record: &Record) -> Value {
        value_of(self, record, true)
    }

    /// The same with a column so wide.
    pub(super) const fn at_most(self, longest: usize) -> Field {
        Field { longest, ..self }
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
            None => drop(record.insert(field.name.to_owned(), taken(field.kind, value))),
        }
    }
    if faults.is_empty() { Ok(record) } else { Err(faults) }
}

fn fault_of(kind: Kind, value: &Value, path: &str) -> Option<String> {
    let is_whole = || value.as_i64().is_some_and(|number| i32::try_from(number).is_ok());
    let fits = match kind {
        _ if value.is_null() => true,
        Kind::Text => value.is_string(),
        Kind::Date => value.as_str().is_some_and(|text| moment::parse(text).is_some()),
        Kind::Whole | Kind::Float => is_whole(),
        Kind::Loose => value.is_string() || is_whole(),
        Kind::Decimal => value.is_number(),
        Kind::Flag => value.is_boolean(),
        Kind::List => value.is_array() && is_shallow(value, DEEPEST),
        Kind::Object => value.is_object() && is_shallow(value, DEEPEST),
    };
    if fits {
        return None;
    }
    Some(match (kind, value) {
        (Kind::Whole | Kind::Loose | Kind::Float, Value::Number(number)) => {
            format!("Input string '{number}' is not a valid integer. Path '{path}'.")
        }
        _ => format!("Error converting value {value} for '{path}'."),
    })
}

/// What is read nests no deeper than 128; a record is kept within a file that nests itself.
const DEEPEST: usize = 64;

fn is_shallow(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(list) => left > 0 && list.iter().all(|each| is_shallow(each, left - 1)),
        Value::Object(object) => left > 0 && object.values().all(|each| is_shallow(each, left - 1)),
        _ => true,
    }
}

fn taken(kind: Kind, value: &Value) -> Value {
    match (kind, value) {
        (Kind::Date, Value::String(text)) => moment::parse(text).map_or(Value::Null, |at| json!(moment::written(at))),
        (Kind::Loose, Value::String(_)) => json!(NOTHING_BEARS_IT),
        _ => value.clone(),
    }
}

/// What a text comes to where Halo wants a number and does not say so.
const NOTHING_BEARS_IT: i64 = i32::MIN as i64;

/// The first field that is wider than its column.
pub(super) fn too_wide(fields: &[Field], record: &Record) -> Option<&'static str> {
    let is_too_wide =
        |field: &&Field| field.longest > 0 && text(record, field.name).encode_utf16().count() > field.longest;
    fields.iter().find(is_too_wide).map(|field| field.name)
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
    shown(fields, record, |field| field.shown != Shown::Nowhere, true)
}

/// The record as it is read without `includedetails`: lists are null.
pub(super) fn brief(fields: &[Field], record: &Record) -> Value {
    shown(fields, record, |field| field.shown != Shown::Nowhere, false)
}

/// The record as a row of a list, without the fields that are named.
pub(super) fn in_list(fields: &[Field], record: &Record, with_lists: bool, without: &[&str]) -> Value {
    let is_shown = |field: &Field| field.shown == Shown::InRows && !without.contains(&field.name);
    shown(fields, record, is_shown, with_lists)
}

fn shown(fields: &[Field], record: &Record, is_shown: impl Fn(&Field) -> bool, with_lists: bool) -> Value {
    let fields = fields.iter().filter(|field| is_shown(field));
    Value::Object(
        fields
            .map(|field| (field.name.to_owned(), value_of(field, record, with_lists)))
            .collect(),
    )
}

fn value_of(field: &Field, record: &Record, with_lists: bool) -> Value {
    let value = record.get(field.name);
    match field.kind {
        Kind::Text => value.cloned().unwrap_or_else(|| json!("")),
        Kind::Whole | Kind::Loose => json!(value.and_then(Value::as_i64).unwrap_or(0)),
        Kind::Float | Kind::Decimal => json!(value.and_then(Value::as_f64).unwrap_or(0.0)),
        Kind::Flag => json!(value.and_then(Value::as_bool).unwrap_or(false)),
        Kind::List if !with_lists => Value::Null,
        Kind::List => value.cloned().unwrap_or_else(|| json!([])),
        Kind::Object => value.cloned().unwrap_or_default(),
        Kind::Date => value.cloned().unwrap_or_else(|| json!(moment::NONE)),
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
    fn dates_lose_their_zone_and_loose_numbers_their_text() {
        let fields = &[
            row("seen", Kind::Date),
            row("client_id", Kind::Loose),
            row("kinds", Kind::List),
        ];
        let record = bind(
            fields,
            &json!({"seen": "2026-10-06T06:19:13+02:00", "client_id": "57"}),
            0,
        )
        .unwrap();
        assert_eq!(text(&record, "seen"), "2026-10-06T04:19:13");
        assert!(number(&record, "client_id") < 0, "nothing bears it");
        assert!(bind(fields, &json!({"seen": "yesterday"}), 0).is_err());
        assert!(bind(fields, &json!({"client_id": 5.5}), 0).is_err());
        let record = given(fields, &json!({"kinds": [1]}));
        assert_eq!(detail(fields, &record)["kinds"], json!([1]));
        assert_eq!(brief(fields, &record)["kinds"], json!(null));
    }

    #[test]
    fn a_text_wider_than_its_column_is_found() {
        let fields = &[row("name", Kind::Text).at_most(3), row("notes", Kind::Text)];
        let wide = |value: Value| too_wide(fields, &given(fields, &value));
        assert_eq!(wide(json!({"name": "Bóé", "notes": "as long as it likes"})), None);
        assert_eq!(wide(json!({"name": "\u{1f4e7}\u{1f4e7}"})), Some("name"));
    }

    #[test]
    fn a_record_shows_floats_sentinels_and_in_rows_less() {
        let record = given(FIELDS, &json!({"id": 7, "site_id": 44}));
        assert_eq!(
            detail(FIELDS, &record).to_string(),
            r#"{"id":7,"name":"","site_id":44.0,"seen":"1900-01-01T00:00:00","inactive":false}"#
        );
        assert_eq!(
            in_list(FIELDS, &record, false, &[]).to_string(),
            r#"{"id":7,"name":"","site_id":44.0,"inactive":false}"#
        );
        assert_eq!(
            in_list(FIELDS, &record, false, &["name", "inactive"]).to_string(),
            r#"{"id":7,"site_id":44.0}"#
        );
    }
}
