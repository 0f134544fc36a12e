//! What is bound and what comes: five kinds of SQL values, and how our own stand in columns.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::database::Fault;
use crate::journal::{EntryId, LetterId, Spot};

/// A value; text and octets are borrowed from whoever binds them, or from the row.
#[derive(Clone, Copy)]
pub(in crate::journal) enum Value<'a> {
    Null,
    /// A number; what is true is 1, what is false 0.
    Number(i64),
    Text(&'a str),
    Octets(&'a [u8]),
}

/// Libraries log what is bound, and that may be a message's or a secret: only its kind is told.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl Value<'_> {
    pub(in crate::journal) fn number(self) -> Option<i64> {
        i64::of(self)
    }

    fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::Octets(_) => "octets",
        }
    }
}

/// A row.
pub(in crate::journal) trait Columns {
    fn value(&self, column: usize) -> Result<Value<'_>, Fault>;
}

impl dyn Columns + '_ {
    /// What stands in a column.
    pub(super) fn get<'a, T: Column<'a>>(&'a self, column: usize) -> Result<T, Fault> {
        let value = self.value(column)?;
        T::of(value).ok_or(Fault::Column {
            column,
            found: value.kind(),
            wanted: T::WANTED,
        })
    }
}

/// What can be bound.
pub(super) trait Bind {
    fn bind(&self) -> Value<'_>;
}

/// What a column can be read as.
pub(super) trait Column<'a>: Sized {
    /// In words.
    const WANTED: &'static str;
    fn of(value: Value<'a>) -> Option<Self>;
}

/// The values of a statement: `values![entry, reason]`.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::journal::sql::value::Bind::bind(&$value)),*] };
}
pub(super) use values;

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Bind for $number {
            fn bind(&self) -> Value<'_> {
                Value::Number(i64::from(*self))
            }
        }

        impl<'a> Column<'a> for $number {
            const WANTED: &'static str = concat!("of the numbers of ", stringify!($number));
            fn of(value: Value<'a>) -> Option<Self> {
                i64::of(value)?.try_into().ok()
            }
        }
    )*};
}
numbers!(u32, i32);

impl Bind for i64 {
    fn bind(&self) -> Value<'_> {
        Value::Number(*self)
    }
}

impl<'a> Column<'a> for i64 {
    const WANTED: &'static str = "a number";
    fn of(value: Value<'a>) -> Option<i64> {
        match value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }
}

/// A count: none is negative.
impl<'a> Column<'a> for u64 {
    const WANTED: &'static str = "a number";
    fn of(value: Value<'a>) -> Option<u64> {
        i64::of(value).map(|number| number.try_into().unwrap_or_default())
    }
}

impl Bind for bool {
    fn bind(&self) -> Value<'_> {
        Value::Number((*self).into())
    }
}

impl<'a> Column<'a> for bool {
    const WANTED: &'static str = "true or false";
    fn of(value: Value<'a>) -> Option<bool> {
        i64::of(value).map(|number| number != 0)
    }
}

impl Bind for str {
    fn bind(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl Bind for String {
    fn bind(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl<'a> Column<'a> for &'a str {
    const WANTED: &'static str = "text";
    fn of(value: Value<'a>) -> Option<&'a str> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> Column<'a> for String {
    const WANTED: &'static str = "text";
    fn of(value: Value<'a>) -> Option<String> {
        <&str>::of(value).map(str::to_owned)
    }
}

impl Bind for [u8] {
    fn bind(&self) -> Value<'_> {
        Value::Octets(self)
    }
}

impl Bind for Vec<u8> {
    fn bind(&self) -> Value<'_> {
        Value::Octets(self)
    }
}

impl<const N: usize> Bind for [u8; N] {
    fn bind(&self) -> Value<'_> {
        Value::Octets(self)
    }
}

impl<'a> Column<'a> for &'a [u8] {
    const WANTED: &'static str = "octets";
    fn of(value: Value<'a>) -> Option<&'a [u8]> {
        match value {
            Value::Octets(octets) => Some(octets),
            _ => None,
        }
    }
}

impl<T: Bind + ?Sized> Bind for &T {
    fn bind(&self) -> Value<'_> {
        (**self).bind()
    }
}

impl<T: Bind> Bind for Option<T> {
    fn bind(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Bind::bind)
    }
}

impl<'a, T: Column<'a>> Column<'a> for Option<T> {
    const WANTED: &'static str = T::WANTED;
    fn of(value: Value<'a>) -> Option<Option<T>> {
        match value {
            Value::Null => Some(None),
            value => T::of(value).map(Some),
        }
    }
}

/// A time, as microseconds since 1970.
impl Bind for Timestamp {
    fn bind(&self) -> Value<'_> {
        Value::Number(self.as_microsecond())
    }
}

impl<'a> Column<'a> for Timestamp {
    const WANTED: &'static str = "a time";
    fn of(value: Value<'a>) -> Option<Timestamp> {
        Timestamp::from_microsecond(i64::of(value)?).ok()
    }
}

/// A duration, as microseconds.
impl Bind for Duration {
    fn bind(&self) -> Value<'_> {
        Value::Number(i64::try_from(self.as_micros()).unwrap_or(i64::MAX))
    }
}

impl<'a> Column<'a> for Duration {
    const WANTED: &'static str = "a duration";
    fn of(value: Value<'a>) -> Option<Duration> {
        i64::of(value)?.try_into().ok().map(Duration::from_micros)
    }
}

impl Bind for EntryId {
    fn bind(&self) -> Value<'_> {
        Value::Number(self.0)
    }
}

impl<'a> Column<'a> for EntryId {
    const WANTED: &'static str = "a number";
    fn of(value: Value<'a>) -> Option<EntryId> {
        i64::of(value).map(EntryId)
    }
}

impl Bind for LetterId {
    fn bind(&self) -> Value<'_> {
        Value::Number(self.0)
    }
}

impl<'a> Column<'a> for LetterId {
    const WANTED: &'static str = "a number";
    fn of(value: Value<'a>) -> Option<LetterId> {
        i64::of(value).map(LetterId)
    }
}

/// A value that stands as JSON text.
pub(super) struct Json<T>(pub T);

impl<'a, T: DeserializeOwned> Column<'a> for Json<T> {
    const WANTED: &'static str = "JSON of the shape that is kept there";
    fn of(value: Value<'a>) -> Option<Json<T>> {
        serde_json::from_str(<&str>::of(value)?).ok().map(Json)
    }
}

/// A value as JSON text.
pub(super) fn json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Refused(error.to_string()))
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
pub(super) fn spot(row: &dyn Columns, first: usize) -> Result<Spot, Fault> {
    let name: String = row.get(first + 2)?;
    Ok(match row.get(first)? {
        "uid" => Spot::Uid {
            validity: row.get(first + 1)?,
            uid: name.parse().map_err(|_| Fault::Column {
                column: first + 2,
                found: "text",
                wanted: "a UID",
            })?,
        },
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
        match text.is_ascii() {
            true => folded.push_str(&text.to_ascii_lowercase()),
            false => folded.extend(text.chars().flat_map(char::to_lowercase)),
        }
    }
    folded
}
