//! A value of tables and lists with text expressions in it.

use serde_json::{Map, Value};

use crate::expression::{RenderError, Scope, Template};

/// A value before rendering.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A text expression.
    Text(Template),
    /// As it was written: a number, a truth, or a secret by its name.
    Fixed(Value),
    List(Vec<Entry>),
    Table(Vec<(String, Entry)>),
}

impl Entry {
    /// The value.
    pub fn render(&self, scope: &Scope) -> Result<Value, RenderError> {
        Ok(match self {
            Entry::Text(template) => template.render(scope)?.into(),
            Entry::Fixed(value) => value.clone(),
            Entry::List(entries) => Value::Array(
                entries
                    .iter()
                    .map(|entry| entry.render(scope))
                    .collect::<Result<_, _>>()?,
            ),
            Entry::Table(entries) => {
                let rendered = entries
                    .iter()
                    .map(|(key, entry)| Ok((key.clone(), entry.render(scope)?)));
                Value::Object(rendered.collect::<Result<Map<_, _>, RenderError>>()?)
            }
        })
    }
}
