//! The fields of a step after rendering, and the readers that turn them into what the step needs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StepError;
use crate::{
    expression::{Shared, shape::Shape},
    halo::{Client, Reference, Site, User},
    message::address::AddrSpec,
};

/// One field as it was rendered when its step first began; later attempts use the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rendered {
    /// The field's name.
    pub name: String,
    /// The expression, for errors.
    pub expression: String,
    /// A text; an object for a table; anything for an expression.
    pub value: Value,
    /// Whether it was written without an expression.
    pub locked: bool,
    /// Whether it was written at all; else it is the default.
    pub written: bool,
    /// `{ name = "…" }`: digits are a name, too.
    pub is_name: bool,
}

/// All fields of a step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fields(pub Vec<Rendered>);

impl Fields {
    fn find(&self, name: &str) -> Option<&Rendered> {
        self.0.iter().find(|field| field.name == name)
    }

    /// The trimmed text; empty where the field is not there.
    pub fn text(&self, name: &str) -> String {
        self.find(name)
            .and_then(|field| field.value.as_str())
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// The trimmed text, which must not be empty.
    pub fn required(&self, name: &str) -> Result<String, StepError> {
        let text = self.text(name);
        if text.is_empty() {
            Err(self.wrong(name, "is empty", "it is needed"))
        } else {
            Ok(text)
        }
    }

    /// Whether the operator wrote the field.
    pub fn is_written(&self, name: &str) -> bool {
        self.find(name).is_some_and(|field| field.written)
    }

    /// The text as it was written, before it was rendered.
    pub fn expression(&self, name: &str) -> &str {
        self.find(name).map_or("", |field| &field.expression)
    }

    /// The value as it is.
    pub fn value(&self, name: &str) -> Value {
        self.find(name).map(|field| field.value.clone()).unwrap_or_default()
    }

    /// An address, which must be one.
    pub fn address(&self, name: &str) -> Result<AddrSpec, StepError> {
        let text = self.required(name)?;
        AddrSpec::parse(&text)
            .map_err(|_| self.wrong(name, "is not an email address", "it needs the form local@domain"))
    }

    /// A client or site, and whether it is locked; none where the field renders as nothing.
    pub fn reference(&self, name: &str) -> Option<(Reference, bool)> {
        let field = self.find(name)?;
        let text = self.text(name);
        let reference = if field.is_name {
            Some(Reference::Name(text)).filter(|reference| *reference != Reference::Name(String::new()))
        } else {
            Reference::parse(&text)
        }?;
        Some((reference, field.locked))
    }

    /// A number that Halo gave; none where the field renders as nothing.
    pub fn id(&self, name: &str) -> Result<Option<i64>, StepError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let id = text.parse().ok().filter(|&id| id > 0);
        id.map(Some)
            .ok_or_else(|| self.wrong(name, "is no id", "an id is a whole number above 0"))
    }

    /// The same, which must be there.
    pub fn required_id(&self, name: &str) -> Result<i64, StepError> {
        self.required(name)?;
        self.id(name)
            .and_then(|id| id.ok_or_else(|| self.wrong(name, "is empty", "it is needed")))
    }

    /// The texts of a table, those that are empty left out.
    pub fn table(&self, name: &str) -> Vec<(String, String)> {
        let value = self.value(name);
        let entries = value.as_object().into_iter().flatten();
        let texts = entries.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().trim().to_owned()));
        texts.filter(|(_, text)| !text.is_empty()).collect()
    }

    /// `true` or `false`.
    pub fn truth(&self, name: &str) -> Result<bool, StepError> {
        match self.text(name).to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" | "" => Ok(false),
            _ => Err(self.wrong(name, "is neither true nor false", "it needs one of the two")),
        }
    }

    /// A whole number from 1 to `most`.
    pub fn count(&self, name: &str, most: u32) -> Result<u32, StepError> {
        let wrong = || {
            self.wrong(
                name,
                "is out of range",
                &format!("it needs a whole number from 1 to {most}"),
            )
        };
        self.text(name)
            .parse()
            .ok()
            .filter(|count| (1..=most).contains(count))
            .ok_or_else(wrong)
    }

    /// A failure for good that names the field, its expression and its value.
    pub fn wrong(&self, name: &str, problem: &str, expected: &str) -> StepError {
        let (expression, value) = match self.find(name) {
            Some(field) => (field.expression.as_str(), self.text(name)),
            None => ("", String::new()),
        };
        let rendered = if expression == value {
            String::new()
        } else {
            format!(", rendered from {expression:?}")
        };
        StepError::failed(format!("{name} {value:?}{rendered} {problem}; {expected}"))
    }
}

/// The shape of a user in a result.
pub fn user_shape() -> Shape {
    Shape::record([
        ("id", Shape::Number),
        ("name", Shape::Text),
        ("emailaddress", Shape::Text),
        ("client_id", Shape::nullable(Shape::Number)),
        ("client_name", Shape::Text),
        ("site_id", Shape::nullable(Shape::Number)),
        ("site_name", Shape::Text),
        ("inactive", Shape::Truth),
        ("raw", Shape::Any),
    ])
}

/// The shape of a client in a result.
pub fn client_shape() -> Shape {
    Shape::record([
        ("id", Shape::Number),
        ("name", Shape::Text),
        ("main_site_id", Shape::nullable(Shape::Number)),
        ("website", Shape::Text),
        ("inactive", Shape::Truth),
        ("raw", Shape::Any),
    ])
}

/// The shape of a site in a result.
pub fn site_shape() -> Shape {
    Shape::record([
        ("id", Shape::Number),
        ("name", Shape::Text),
        ("client_id", Shape::nullable(Shape::Number)),
        ("client_name", Shape::Text),
        ("inactive", Shape::Truth),
        ("raw", Shape::Any),
    ])
}

/// A user as a result shows it.
pub fn user_value(user: &User) -> Shared {
    Shared::record([
        ("id", user.id.into()),
        ("name", user.name.as_str().into()),
        ("emailaddress", user.emailaddress.as_str().into()),
        ("client_id", user.client_id.into()),
        ("client_name", user.client_name.as_str().into()),
        ("site_id", user.site_id.into()),
        ("site_name", user.site_name.as_str().into()),
        ("inactive", user.inactive.into()),
        ("raw", user.raw.clone()),
    ])
}

/// A client as a result shows it.
pub fn client_value(client: &Client) -> Shared {
    Shared::record([
        ("id", client.id.into()),
        ("name", client.name.as_str().into()),
        ("main_site_id", client.main_site_id.into()),
        ("website", client.website.as_str().into()),
        ("inactive", client.inactive.into()),
        ("raw", client.raw.clone()),
    ])
}

/// A site as a result shows it.
pub fn site_value(site: &Site) -> Shared {
    Shared::record([
        ("id", site.id.into()),
        ("name", site.name.as_str().into()),
        ("client_id", site.client_id.into()),
        ("client_name", site.client_name.as_str().into()),
        ("inactive", site.inactive.into()),
        ("raw", site.raw.clone()),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: &str, locked: bool, is_name: bool) -> Fields {
        Fields(vec![Rendered {
            name: "client".into(),
            expression: "{{ x }}".into(),
            value: json!(value),
            locked,
            written: true,
            is_name,
        }])
    }

    #[test]
    fn digits_are_an_id_and_other_text_a_name_unless_a_name_is_forced() {
        assert_eq!(
            fields(" 42 ", true, false).reference("client"),
            Some((Reference::Id(42), true))
        );
        assert_eq!(
            fields("Acme", false, false).reference("client"),
            Some((Reference::Name("Acme".into()), false))
        );
        assert_eq!(
            fields("365", true, true).reference("client"),
            Some((Reference::Name("365".into()), true))
        );
        assert_eq!(fields("  ", true, true).reference("client"), None);
    }

    #[test]
    fn an_error_names_the_field_the_expression_and_the_value() {
        let error = fields("jane", false, false).address("client").unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"client "jane", rendered from "{{ x }}" is not an email address; it needs the form local@domain"#
        );
    }
}
