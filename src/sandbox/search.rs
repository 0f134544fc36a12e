//! How a list is narrowed beyond the parameters of its own: `advanced_search` and `lastupdatefromdate`.

use serde::Deserialize;
use serde_json::Value;

use super::{
    listing::Query,
    moment,
    record::{Field, Record, text},
    reply::Reply,
    resource::LAST_UPDATE,
};

/// The only comparison that is known of the real one.
const EQUALS: i64 = 2;

/// What a record has to meet.
#[derive(Debug, Default)]
pub(super) struct Narrowed {
    equal: Vec<(&'static Field, String)>,
    /// From when to when it was changed.
    updated: [String; 2],
}

#[derive(Deserialize)]
struct Filter {
    filter_name: String,
    filter_type: i64,
    filter_value: Value,
}

impl Narrowed {
    /// Reads the parameters; a field or a comparison that is not known is a 400, and so is what is no JSON.
    pub(super) fn read(query: &Query, fields: &'static [Field]) -> Result<Narrowed, Reply> {
        let refused = || Reply::exception(400, "Invalid advanced search parameter(s)");
        let filters: Vec<Filter> = match query.text("advanced_search") {
            "" => Vec::new(),
            text => serde_json::from_str(text).map_err(|_| refused())?,
        };
        let equal = filters.into_iter().map(|filter| {
            let field = fields
                .iter()
                .find(|field| field.name.eq_ignore_ascii_case(&filter.filter_name))
                .filter(|field| filter.filter_type == EQUALS && field.is_shown())
                .ok_or_else(refused)?;
            Ok((field, plain(&filter.filter_value)))
        });
        Ok(Narrowed {
            equal: equal.collect::<Result<_, Reply>>()?,
            updated: ["lastupdatefromdate", "lastupdatetodate"].map(|name| query.text(name).to_owned()),
        })
    }

    pub(super) fn admits(&self, record: &Record) -> bool {
        let is_equal = |(field, value): &(&Field, String)| plain(&field.value_in(record)) == *value;
        let [since, until] = &self.updated;
        self.equal.iter().all(is_equal) && moment::is_within(text(record, LAST_UPDATE), [since, until])
    }
}

/// A value as it is compared: a number and its digits are one, and so are upper and lower case.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_lowercase(),
        // `44.0` is 44.
        Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => {
            number.to_string().trim_end_matches(".0").to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sandbox::record::{Kind, given, row, sent_only};

    const FIELDS: &[Field] = &[
        row("azureoid", Kind::Text),
        row("site_id", Kind::Float),
        row("inactive", Kind::Flag),
        row("linked_agent_id", Kind::Whole),
        sent_only("sendack", Kind::Flag),
    ];

    fn narrowed(filters: &Value) -> Result<Narrowed, Reply> {
        let query = Query(vec![("advanced_search".into(), filters.to_string())]);
        Narrowed::read(&query, FIELDS)
    }

    #[test]
    fn a_field_is_compared_whole_and_ignoring_case() {
        let record = given(FIELDS, &json!({"azureoid": "5B0C", "site_id": 44}));
        for (name, value, expected) in [
            ("AzureOid", json!("5b0c"), true),
            ("azureoid", json!("5b"), false),
            ("site_id", json!(44), true),
            ("site_id", json!("44"), true),
            ("site_id", json!(4), false),
            ("inactive", json!("false"), true),
            ("inactive", json!(true), false),
            ("linked_agent_id", json!("0"), true),
        ] {
            let filters = json!([{"filter_name": name, "filter_type": 2, "filter_value": value}]);
            assert_eq!(narrowed(&filters).unwrap().admits(&record), expected, "{filters}");
        }
    }

    #[test]
    fn what_can_not_be_compared_is_refused() {
        for filters in [
            json!([{"filter_name": "shoe_size", "filter_type": 2, "filter_value": "44"}]),
            json!([{"filter_name": "sendack", "filter_type": 2, "filter_value": "false"}]),
            json!([{"filter_name": "azureoid", "filter_type": 9, "filter_value": "44"}]),
            json!({"azureoid": "44"}),
        ] {
            assert_eq!(narrowed(&filters).unwrap_err().http_status, 400, "{filters}");
        }
    }

    #[test]
    fn changes_are_found_by_their_time() {
        let mut record = given(FIELDS, &json!({}));
        let since = |at: &str| Narrowed::read(&Query(vec![("lastupdatefromdate".into(), at.into())]), FIELDS).unwrap();
        assert!(!since("2026-10-06").admits(&record));
        record.insert(LAST_UPDATE.into(), json!("2026-10-06T04:19:13.287"));
        assert!(since("2026-10-06").admits(&record) && since("").admits(&record));
        assert!(!since("2026-10-06T05:00:00Z").admits(&record));
    }
}
