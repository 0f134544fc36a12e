//! What users, clients, sites and tickets have in common: lists, records by id, and POSTs of arrays.

use serde_json::{Value, json};

use super::{
    listing::{self, Query},
    moment,
    posted::Posted,
    record::{self, Field, Record},
    reply::Reply,
    search::Narrowed,
    state::{Store, Table},
    switches::Switches,
};

/// One resource of the API.
#[derive(Debug)]
pub(super) struct Resource {
    /// The key of its rows in an envelope.
    pub key: &'static str,
    pub fields: &'static [Field],
    pub rows: fn(&Store) -> &Table,
    pub table: fn(&mut Store) -> &mut Table,
    /// Whether a record is in the list that a query asks for.
    pub is_wanted: fn(&Store, &Record, &Query, &Switches) -> bool,
    /// Checks and completes what was sent, for a new record or for one that is known.
    pub admit: fn(&Store, Record, Option<&Record>, &Switches) -> Result<Record, Reply>,
    /// Makes a record of it as it is; an id that is given is kept.
    pub add: fn(&mut Store, Record) -> i64,
    /// Brings what follows from other fields in line, after a change.
    pub settle: fn(&mut Store, i64),
    pub delete: fn(&mut Store, i64),
    /// Fields that rows lack as the switches say.
    pub hidden: fn(&Switches) -> &'static [&'static str],
    /// Changes what is shown as the switches say.
    pub dress: fn(&mut Value, &Switches),
}

impl Resource {
    pub(super) fn list(&self, store: &Store, query: &Query, switches: &Switches) -> Reply {
        let narrowed = match Narrowed::read(query, self.fields) {
            Ok(narrowed) => narrowed,
            Err(reply) => return reply,
        };
        let with_lists = query.is_on("includedetails");
        let wanted = (self.rows)(store).values().filter(|record| {
            switches.ignore_filters || (self.is_wanted)(store, record, query, switches) && narrowed.admits(record)
        });
        let row = |record: &&Record| {
            let mut row = record::in_list(self.fields, record, with_lists, (self.hidden)(switches));
            (self.dress)(&mut row, switches);
            row
        };
        let records = wanted.collect();
        Reply::json(200, listing::envelope(records, row, self.key, query, switches))
    }

    pub(super) fn read(&self, store: &Store, id: &str, query: &Query, switches: &Switches) -> Reply {
        let known = whole_id(id).and_then(|id| (self.rows)(store).get(&id).ok_or_else(|| Reply::empty(404)));
        let record = match known {
            Ok(record) => record,
            Err(reply) => return reply,
        };
        let mut shown = if query.is_on("includedetails") {
            record::detail(self.fields, record)
        } else {
            record::brief(self.fields, record)
        };
        (self.dress)(&mut shown, switches);
        Reply::json(200, shown)
    }

    pub(super) fn delete(&self, store: &mut Store, id: &str) -> Reply {
        match whole_id(id) {
            Ok(id) if (self.rows)(store).contains_key(&id) => {
                (self.delete)(store, id);
                Reply::json(200, json!({ "id": id }))
            }
            Ok(_) => Reply::empty(404),
            Err(reply) => reply,
        }
    }

    /// Creates what has no id and changes what has one.
    pub(super) fn write(&self, store: &mut Store, posted: &Posted<'_>) -> Reply {
        posted.write(self.fields, |record, _| {
            let id = self.write_one(store, record, posted.switches)?;
            Ok(self.shown(store, id))
        })
    }

    fn write_one(&self, store: &mut Store, record: Record, switches: &Switches) -> Result<i64, Reply> {
        fits(self.fields, &record)?;
        match record::number(&record, "id") {
            0 => {
                let record = (self.admit)(store, record, None, switches)?;
                Ok((self.add)(store, record))
            }
            id => {
                let known = (self.rows)(store).get(&id).ok_or_else(|| Reply::empty(404))?;
                let record = (self.admit)(store, record, Some(known), switches)?;
                if let Some(known) = (self.table)(store).get_mut(&id) {
                    known.extend(record);
                    known.insert(LAST_UPDATE.to_owned(), json!(moment::now()));
                }
                (self.settle)(store, id);
                Ok(id)
            }
        }
    }

    /// The record with everything that may be shown of it.
    pub(super) fn shown(&self, store: &Store, id: i64) -> Value {
        (self.rows)(store)
            .get(&id)
            .map(|record| record::detail(self.fields, record))
            .unwrap_or_default()
    }

    /// Every record so, by id.
    pub(super) fn all(&self, store: &Store) -> Vec<Value> {
        let records = (self.rows)(store).values();
        records.map(|record| record::detail(self.fields, record)).collect()
    }
}

/// When a record was changed; kept of every one, shown of tickets.
pub(super) const LAST_UPDATE: &str = "last_update";

/// An id of a path.
pub(super) fn whole_id(id: &str) -> Result<i64, Reply> {
    id.parse::<i32>()
        .map(i64::from)
        .map_err(|_| Reply::unbound("id", &format!("The value '{id}' is not valid.")))
}

/// Refuses a record with a text that is longer than its column, as the database does: those before it are written.
pub(super) fn fits(fields: &[Field], record: &Record) -> Result<(), Reply> {
    record::too_wide(fields, record).map_or(Ok(()), |column| Err(too_long(column)))
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
