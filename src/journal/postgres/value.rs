//! Values on PostgreSQL's wire.

use std::{borrow::Cow, error::Error, fmt};

use bytes::{BufMut, BytesMut};
use tokio_postgres::{
    Row,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};

use crate::journal::sql::{
    database::Fault,
    value::{Columns, Value},
};

type Refused = Box<dyn Error + Sync + Send>;

impl ToSql for Value<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Refused> {
        match *self {
            Value::Null => return Ok(IsNull::Yes),
            Value::Number(number) => match *kind {
                Type::BOOL => out.put_u8((number != 0).into()),
                Type::INT2 => out.put_i16(number.try_into()?),
                Type::INT4 => out.put_i32(number.try_into()?),
                Type::INT8 => out.put_i64(number),
                _ => return Err(format!("a number where {kind} is expected").into()),
            },
            Value::Text(text) => out.put_slice(storable(text).as_bytes()),
            Value::Octets(octets) => out.put_slice(octets),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A value that outlives whoever has bound it.
pub(super) enum Kept {
    Null,
    Number(i64),
    Text(String),
    Octets(Vec<u8>),
}

impl Kept {
    pub(super) fn of(value: &Value<'_>) -> Kept {
        match *value {
            Value::Null => Kept::Null,
            Value::Number(number) => Kept::Number(number),
            Value::Text(text) => Kept::Text(text.to_owned()),
            Value::Octets(octets) => Kept::Octets(octets.to_vec()),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Kept::Null => Value::Null,
            Kept::Number(number) => Value::Number(*number),
            Kept::Text(text) => Value::Text(text),
            Kept::Octets(octets) => Value::Octets(octets),
        }
    }
}

/// As of what is bound: only its kind is told.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

impl ToSql for Kept {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Refused> {
        self.value().to_sql(kind, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// PostgreSQL keeps no NUL in text. What is looked for is changed in the same way, so it is found.
fn storable(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&0) {
        text.replace('\0', "\u{2400}").into()
    } else {
        text.into()
    }
}

impl<'a> FromSql<'a> for Value<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Value<'a>, Refused> {
        Ok(match *kind {
            Type::BOOL => Value::Number((raw != [0]).into()),
            Type::INT2 => Value::Number(i16::from_be_bytes(raw.try_into()?).into()),
            Type::INT4 => Value::Number(i32::from_be_bytes(raw.try_into()?).into()),
            Type::INT8 => Value::Number(i64::from_be_bytes(raw.try_into()?)),
            Type::BYTEA => Value::Octets(raw),
            _ => Value::Text(std::str::from_utf8(raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Value<'a>, Refused> {
        Ok(Value::Null)
    }

    fn accepts(kind: &Type) -> bool {
        matches!(
            *kind,
            Type::BOOL | Type::INT2 | Type::INT4 | Type::INT8 | Type::BYTEA | Type::TEXT | Type::VARCHAR | Type::NAME
        )
    }
}

impl Columns for Row {
    fn value(&self, column: usize) -> Result<Value<'_>, Fault> {
        self.try_get(column).map_err(|error| Fault::Database(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: Value<'_>, kind: &Type, octets: &[u8]) {
        let mut out = BytesMut::new();
        value.to_sql(kind, &mut out).unwrap();
        assert_eq!(out, octets);
    }

    #[test]
    fn values_take_the_type_that_the_server_expects() {
        check(Value::Number(1), &Type::BOOL, &[1]);
        check(Value::Number(-2), &Type::INT4, &[255, 255, 255, 254]);
        check(Value::Number(2), &Type::INT8, &[0, 0, 0, 0, 0, 0, 0, 2]);
        check(Value::Text("a\0b"), &Type::TEXT, "a\u{2400}b".as_bytes());
        check(Value::Octets(&[0, 1]), &Type::BYTEA, &[0, 1]);
        assert_eq!(
            format!("{:?}", Value::Text("hunter2")),
            "text",
            "the library logs what is bound"
        );
        let too_large = Value::Number(1 << 40).to_sql(&Type::INT4, &mut BytesMut::new());
        assert!(too_large.is_err());
    }
}
