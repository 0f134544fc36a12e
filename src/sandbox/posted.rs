//! A POST of records: how its body is read, its elements are written, and the answer is put together.

use serde_json::{Value, json};

use super::{
    listing::Query,
    record::{self, BindingFaults, Field, Record},
    reply::Reply,
    switches::Switches,
};

/// What was sent, and how it is to be answered.
#[derive(Debug)]
pub(super) struct Posted<'a> {
    pub body: &'a [u8],
    /// Whether it is one object, in no array.
    pub is_single: bool,
    pub query: &'a Query,
    pub switches: &'a Switches,
}

impl Posted<'_> {
    /// Writes the elements one after the other by `one`, which gets the place of each. All of them are bound before the
    /// first is written; those before one that is refused stay written.
    pub(super) fn write(&self, fields: &[Field], mut one: impl FnMut(Record, usize) -> Result<Value, Reply>) -> Reply {
        let records = match self.bound(fields) {
            Ok(records) => records,
            Err(reply) => return reply,
        };
        let mut written = Vec::new();
        for (place, record) in records.into_iter().enumerate() {
            match one(record, place) {
                Ok(shown) => written.push(shown),
                Err(reply) => return reply,
            }
        }
        self.answered(written)
    }

    fn bound(&self, fields: &[Field]) -> Result<Vec<Record>, Reply> {
        let elements = self.elements().map_err(|text| Reply::unbound("", text))?;
        let records: Result<Vec<Record>, BindingFaults> = elements
            .iter()
            .enumerate()
            .map(|(place, element)| record::bind(fields, element, place))
            .collect();
        records.map_err(Reply::binding)
    }

    fn elements(&self) -> Result<Vec<Value>, &'static str> {
        let body: Value = serde_json::from_slice(self.body).map_err(|_| "The body is no JSON.")?;
        match body {
            object @ Value::Object(_) if self.is_single || self.switches.bare_objects => Ok(vec![object]),
            _ if self.is_single => Err("The body has to be a JSON object."),
            Value::Array(elements) if elements.is_empty() => Err("The body has no element."),
            Value::Array(elements) => Ok(elements),
            _ => Err("The body has to be a JSON array."),
        }
    }

    /// The last element alone, unless all are asked for.
    fn answered(&self, mut written: Vec<Value>) -> Reply {
        if self.query.is_on("idonly") {
            written.iter_mut().for_each(|each| *each = json!({ "id": each["id"] }));
        }
        let shown = if self.query.is_on("returnall") && self.switches.returnall {
            Value::Array(written)
        } else {
            written.pop().unwrap_or_default()
        };
        Reply::json(self.switches.create_status, shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::record::{Kind, row};

    #[test]
    fn what_has_no_element_is_no_success() {
        let fields = &[row("id", Kind::Whole)];
        let (query, switches) = (Query::default(), Switches::default());
        for (is_single, body, expected) in [
            (false, "[{}]", 201),
            (false, "[]", 400),
            (false, "{}", 400),
            (false, "", 400),
            (true, "{}", 201),
            (true, "", 400),
            (true, "[]", 400),
            (true, "[{}]", 400),
            (true, "{},{}", 400),
        ] {
            let posted = Posted {
                body: body.as_bytes(),
                is_single,
                query: &query,
                switches: &switches,
            };
            let reply = posted.write(fields, |record, _| Ok(Value::Object(record)));
            assert_eq!(reply.http_status, expected, "{is_single} {body}");
        }
    }
}
