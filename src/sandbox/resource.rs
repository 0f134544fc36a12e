//! What users, clients and sites have in common: lists, records by id, and POSTs of arrays.

use serde_json::{Value, json};

use super::{
    listing::{self, Query},
    record::{self, BindingFaults, Field, Record},
    reply::Reply,
    state::{Store, Table},
    switches::Switches,
};

/// One resource of the API.
#[derive(Debug)]
pub(super) struct Resource {
    /// The key of its rows in an envelope.
    pub key: &'static str,
    pub fields: &'static [Field],
    pub table: fn(&mut Store) -> &mut Table,
    /// Whether a record is in the list that a query asks for.
    pub is_wanted: fn(&Record, &Query, &Switches) -> bool,
    /// Makes a record of what was sent without an id.
    pub create: fn(&mut Store, Record, &Switches) -> Result<i64, Reply>,
    /// Brings what follows from other fields in line, after a change.
    pub settle: fn(&mut Store, i64),
}

impl Resource {
    pub(super) fn list(&self, store: &mut Store, query: &Query, switches: &Switches) -> Reply {
        let wanted = (self.table)(store)
            .values()
            .filter(|record| switches.ignore_filters || (self.is_wanted)(record, query, switches));
        let in_row = |field: &Field| {
            let is_other_address = matches!(field.name, "email2" | "email3");
            field.in_rows || (switches.rows_show_other_addresses && is_other_address)
        };
        let rows = wanted
            .map(|record| record::in_list(self.fields, record, in_row))
            .collect();
        Reply::json(200, listing::envelope(rows, self.key, query, switches))
    }

    pub(super) fn read(&self, store: &mut Store, id: &str) -> Reply {
        match self.known(store, id) {
            Ok(id) => Reply::json(200, self.shown(store, id)),
            Err(reply) => reply,
        }
    }

    pub(super) fn delete(&self, store: &mut Store, id: &str) -> Reply {
        match self.known(store, id) {
            Ok(id) => {
                (self.table)(store).remove(&id);
                Reply::json(200, json!({ "id": id }))
            }
            Err(reply) => reply,
        }
    }

    /// Creates what has no id and changes what has one; all elements are bound before the first is written.
    pub(super) fn write(&self, store: &mut Store, body: &[u8], query: &Query, switches: &Switches) -> Reply {
        let records = match self.bound(body) {
            Ok(records) => records,
            Err(faults) => return Reply::binding(faults),
        };
        let mut written = Vec::new();
        for record in records {
            match self.write_one(store, record, switches) {
                Ok(id) => written.push(self.shown(store, id)),
                Err(reply) => return reply,
            }
        }
        let shown = if query.flag("returnall") == Some(true) && !switches.ignore_returnall {
            Value::Array(written)
        } else {
            written.pop().unwrap_or_default()
        };
        Reply::json(switches.create_status, shown)
    }

    fn bound(&self, body: &[u8]) -> Result<Vec<Record>, BindingFaults> {
        let fault = |text: &str| BindingFaults::from_iter([("".to_owned(), json!([text]))]);
        let body: Value = serde_json::from_slice(body).map_err(|_| fault("The body is no JSON."))?;
        let Value::Array(elements) = body else {
            return Err(fault("The body has to be a JSON array."));
        };
        elements
            .iter()
            .enumerate()
            .map(|(place, element)| record::bind(self.fields, element, place))
            .collect()
    }

    fn write_one(&self, store: &mut Store, record: Record, switches: &Switches) -> Result<i64, Reply> {
        let id = match record::number(&record, "id") {
            0 => (self.create)(store, record, switches)?,
            id => {
                let known = (self.table)(store).get_mut(&id).ok_or_else(|| Reply::empty(404))?;
                known.extend(record);
                id
            }
        };
        (self.settle)(store, id);
        Ok(id)
    }

    fn known(&self, store: &mut Store, id: &str) -> Result<i64, Reply> {
        let Ok(number) = id.parse::<i32>() else {
            let faults =
                BindingFaults::from_iter([("id".to_owned(), json!([format!("The value '{id}' is not valid.")]))]);
            return Err(Reply::binding(faults));
        };
        let number = i64::from(number);
        if (self.table)(store).contains_key(&number) {
            Ok(number)
        } else {
            Err(Reply::empty(404))
        }
    }

    fn shown(&self, store: &mut Store, id: i64) -> Value {
        (self.table)(store)
            .get(&id)
            .map(|record| record::detail(self.fields, record))
            .unwrap_or_default()
    }
}

/// The database's word for a column that must not be empty.
pub(super) fn missing(column: &str, table: &str) -> Reply {
    Reply::exception(
        400,
        &format!(
            "A database error occurred (515) - Cannot insert the value NULL into column '{column}', table 'Sandbox.dbo.{table}'; \
             column does not allow nulls. INSERT fails."
        ),
    )
}

/// The database's word for a text that is longer than its column.
pub(super) fn too_long(column: &str) -> Reply {
    Reply::exception(
        400,
        &format!("A database error occurred (2628) - String or binary data would be truncated in column '{column}'."),
    )
}
