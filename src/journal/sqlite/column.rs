//! How our values stand in columns.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{
    ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::journal::{EntryId, LetterId, Spot};

/// A time, as microseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct At(pub Timestamp);

impl ToSql for At {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.as_microsecond().into())
    }
}

impl FromSql for At {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<At> {
        let micros = value.as_i64()?;
        Timestamp::from_microsecond(micros)
            .map(At)
            .map_err(|_| FromSqlError::OutOfRange(micros))
    }
}

/// A duration, as microseconds.
#[derive(Clone, Copy)]
pub(super) struct Span(pub Duration);

impl ToSql for Span {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Span {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Span> {
        let micros = value.as_i64()?;
        u64::try_from(micros)
            .map(|micros| Span(Duration::from_micros(micros)))
            .map_err(|_| FromSqlError::OutOfRange(micros))
    }
}

/// A value, as JSON text.
pub(super) struct Json<T>(pub T);

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let text =
            serde_json::to_string(&self.0).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(text.into())
    }
}

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Json<T>> {
        serde_json::from_str(value.as_str()?)
            .map(Json)
            .map_err(FromSqlError::other)
    }
}

impl ToSql for EntryId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for EntryId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<EntryId> {
        value.as_i64().map(EntryId)
    }
}

impl ToSql for LetterId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for LetterId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<LetterId> {
        value.as_i64().map(LetterId)
    }
}

/// A spot, as the three columns that name it.
pub(super) struct SpotColumns {
    pub kind: &'static str,
    pub validity: u32,
    pub name: String,
}

impl SpotColumns {
    pub(super) fn of(spot: &Spot) -> SpotColumns {
        match spot {
            Spot::Uid { validity, uid } => SpotColumns {
                kind: "uid",
                validity: *validity,
                name: uid.to_string(),
            },
            Spot::File { name } => SpotColumns {
                kind: "file",
                validity: 0,
                name: name.clone(),
            },
            Spot::Handed { key } => SpotColumns {
                kind: "handed",
                validity: 0,
                name: key.clone(),
            },
        }
    }
}

/// The spot that the columns kind, validity and name, from `first` on, name.
pub(super) fn spot(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Spot> {
    let name: String = row.get(first + 2)?;
    Ok(match row.get_ref(first)?.as_str()? {
        "uid" => {
            let uid = name.parse().map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(first + 2, rusqlite::types::Type::Text, Box::new(error))
            })?;
            Spot::Uid {
                validity: row.get(first + 1)?,
                uid,
            }
        }
        "file" => Spot::File { name },
        _ => Spot::Handed { key: name },
    })
}

/// Text as `--grep` compares it. Letter by letter, so that a part of a word folds as it does within the word.
pub(super) fn fold<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut folded = String::new();
    for text in texts {
        if !folded.is_empty() {
            folded.push('\n');
        }
        folded.extend(text.chars().flat_map(char::to_lowercase));
    }
    folded
}
