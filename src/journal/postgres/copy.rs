//! A journal in PostgreSQL that is copied, or copied into.

use std::sync::Arc;

use super::{
    connect,
    connection::{Connection, Hold, Role},
    in_time, in_use, schema, target,
    target::Target,
    unusable,
};
use crate::journal::{JournalError, sql::copy::Side};

/// What is copied, up to date.
pub(in crate::journal) fn source(address: &str) -> Result<Side, JournalError> {
    let (target, db) = taken(address)?;
    schema::is_there(&db).map_err(|unfit| unusable(&target, unfit))?;
    side(&target, db)
}

/// What is copied into: made where it is not there, and made afresh where an earlier copy was cut short.
pub(in crate::journal) fn target_of_copy(address: &str) -> Result<Side, JournalError> {
    let (target, db) = taken(address)?;
    schema::clear_unfinished(&db).map_err(|unfit| unusable(&target, unfit))?;
    side(&target, db)
}

/// Whether an address that is understood says a password.
pub(crate) fn has_password(address: &str) -> bool {
    Target::of(address).is_ok_and(|target| target.config.get_password().is_some())
}

fn taken(address: &str) -> Result<(Arc<Target>, Connection), JournalError> {
    let target = Arc::new(target(address)?);
    let db = connect(&target, Role::Mover)?;
    let taken = in_time(|| Ok(db.take(Hold::Alone)?.then_some(())));
    let taken = taken.map_err(|fault| unusable(&target, fault.into()))?;
    taken.ok_or_else(|| in_use(&target, Hold::Alone))?;
    Ok((target, db))
}

fn side(target: &Target, db: Connection) -> Result<Side, JournalError> {
    schema::bring_up_to_date(&db).map_err(|unfit| unusable(target, unfit))?;
    Ok(Side {
        db: Box::new(db),
        shown: target.shown.clone(),
        marks: schema::marks(),
        elsewhere: "make another database (createdb) or schema, and name that one",
    })
}
