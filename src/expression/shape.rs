//! What an expression may see: the shape of each name, for the checker, the errors and the manual.

use std::sync::Arc;

/// The shape of a value. Paths are checked against it at load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    Text,
    Number,
    Truth,
    List(Arc<Shape>),
    /// Exactly these names, in the order of the manual.
    Record(Arc<Vec<(String, Shape)>>),
    /// Any key, each with that shape (`email.headers`).
    Map(Arc<Shape>),
    /// The shape, or null; paths below a null are nothing.
    Nullable(Arc<Shape>),
    /// Unchecked (`.raw`).
    Any,
}

impl Shape {
    /// A list of such elements.
    pub fn list(of: Shape) -> Shape {
        Shape::List(Arc::new(of))
    }

    /// A map with such values.
    pub fn map(of: Shape) -> Shape {
        Shape::Map(Arc::new(of))
    }

    /// The shape, or null.
    pub fn nullable(of: Shape) -> Shape {
        Shape::Nullable(Arc::new(of))
    }

    /// A record of just these names.
    pub fn record<N: Into<String>>(fields: impl IntoIterator<Item = (N, Shape)>) -> Shape {
        Shape::Record(Arc::new(
            fields.into_iter().map(|(name, shape)| (name.into(), shape)).collect(),
        ))
    }

    /// The record with another name at its end.
    pub fn with(self, name: &str, shape: Shape) -> Shape {
        match self {
            Shape::Record(fields) => {
                let more = [(name.to_owned(), shape)];
                Shape::Record(Arc::new(fields.iter().cloned().chain(more).collect()))
            }
            other => other,
        }
    }

    /// What lies under `name`; `None` where there is no such name.
    pub fn find(&self, name: &str) -> Option<Shape> {
        match self {
            Shape::Record(fields) => fields
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, shape)| shape.clone()),
            Shape::Map(of) => Some((**of).clone()),
            Shape::List(of) => name
                .bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| Shape::nullable((**of).clone())),
            Shape::Nullable(of) => of.find(name),
            Shape::Any => Some(Shape::Any),
            Shape::Text | Shape::Number | Shape::Truth => None,
        }
    }

    /// The names that can stand under it, for a suggestion.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Shape::Record(fields) => fields.iter().map(|(name, _)| name.as_str()).collect(),
            Shape::Nullable(of) => of.names(),
            _ => Vec::new(),
        }
    }

    /// The shape where it is not null.
    pub fn present(&self) -> &Shape {
        match self {
            Shape::Nullable(of) => of.present(),
            other => other,
        }
    }

    /// What kind of value it is, in words.
    pub fn kind(&self) -> &'static str {
        match self.present() {
            Shape::Text => "text",
            Shape::Number => "a number",
            Shape::Truth => "true or false",
            Shape::List(_) => "a list",
            Shape::Record(_) => "a record",
            Shape::Map(_) => "a map",
            Shape::Any | Shape::Nullable(_) => "anything",
        }
    }

    /// The shape of an element: of a list, or of the values of a map.
    pub fn item(&self) -> Shape {
        match self.present() {
            Shape::List(of) | Shape::Map(of) => (**of).clone(),
            _ => Shape::Any,
        }
    }

    /// The shape that holds for both.
    pub fn common(self, other: Shape) -> Shape {
        if self == other { self } else { Shape::Any }
    }
}
