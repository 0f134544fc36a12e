//! A step's fields: each of the kind that the step's table says, from whatever TOML value may stand for it.

use serde_json::{Map, Value};

use super::{Compiler, find, store::is_name};
use crate::{
    action::{Field, FieldKind, Row},
    config::{ActionSource, fault::Fault, unit::parse_duration},
    expression::{Template, ValueExpression, is_reserved, shape::Shape},
    halo::Reference,
    message::address::AddrSpec,
    rules::{FieldSource, FieldTemplate},
    web::Expect,
};

/// Each field with the one that it needs.
const NEEDED_BY: [(&str, &str); 3] = [
    ("fold_by", "fold_within"),
    ("fold_within", "fold_by"),
    ("fold_outcome", "fold_by"),
];

impl Compiler<'_> {
    pub(super) fn fields(&mut self, source: &ActionSource, row: &Row) -> Vec<FieldTemplate> {
        self.needed_together(source, row);
        row.fields
            .iter()
            .filter_map(|field| self.field(source, row, field))
            .collect()
    }

    /// Fields that say nothing without one another.
    fn needed_together(&mut self, source: &ActionSource, row: &Row) {
        let takes = |name: &str| row.fields.iter().any(|field| field.name == name);
        for (name, other) in NEEDED_BY {
            if takes(name) && find(source, name).is_some() && find(source, other).is_none() {
                let path = format!("{}.{name}", source.path);
                let problem = format!("{name} says nothing without {other}");
                self.faults.push(Fault::at(path, problem, format!("add {other}")));
            }
        }
    }

    fn field(&mut self, source: &ActionSource, row: &Row, field: &Field) -> Option<FieldTemplate> {
        let before = self.found();
        let path = format!("{}.{}", source.path, field.name);
        let Some(value) = find(source, field.name) else {
            if field.required {
                let problem = format!("{} needs {:?}", row.word, field.name);
                self.faults
                    .push(Fault::at(&source.path, problem, format!("add it: {}", field.doc)));
            }
            let source = self.default(field);
            return (!field.required).then_some(FieldTemplate {
                name: field.name,
                source,
                written: false,
                is_name: false,
            });
        };
        let (source, is_name) = match (field.kind, value) {
            (FieldKind::Expression, Value::String(text)) => (self.expression(text, &path)?, false),
            (FieldKind::Headers, Value::Object(table)) => (self.headers(table, &path), false),
            (FieldKind::Json, Value::Object(_) | Value::Array(_) | Value::String(_)) => {
                (self.json(value, &path), false)
            }
            (FieldKind::Url, Value::String(text)) => (self.url(text, &path), false),
            (FieldKind::Table, Value::Object(table)) => (self.table(table, &path), false),
            (FieldKind::Reference | FieldKind::Choice(_), Value::Object(table)) => {
                (self.forced_name(table, &path)?, true)
            }
            (FieldKind::Reference | FieldKind::Id, Value::Number(number))
                if number.as_i64().is_none_or(|id| id < 1) =>
            {
                let problem = format!("{} is {number}", field.name);
                self.faults
                    .push(Fault::at(&path, problem, "an id is a whole number above 0"));
                return None;
            }
            (FieldKind::Choice(_), Value::Number(number)) if number.as_i64().is_none_or(|id| id < 0) => {
                let problem = format!("{} is {number}", field.name);
                self.faults
                    .push(Fault::at(&path, problem, "such a number is a whole one from 0"));
                return None;
            }
            (
                FieldKind::Reference | FieldKind::Id | FieldKind::Choice(_) | FieldKind::Count(_),
                Value::Number(number),
            ) => (self.literal(&number.to_string(), &path), false),
            (FieldKind::Truth, Value::Bool(truth)) => (self.literal(&truth.to_string(), &path), false),
            (FieldKind::Expression | FieldKind::Table | FieldKind::Headers, _)
            | (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                let problem = format!("{} is {}", field.name, describe(value));
                self.faults
                    .push(Fault::at(&path, problem, format!("it needs {}", expected(field.kind))));
                return None;
            }
            (_, Value::String(text)) => (self.literal(text, &path), false),
        };
        // What has a fault already stands as an empty text here.
        if self.found() == before {
            self.check_literal(field, (&source, is_name), &path);
        }
        Some(FieldTemplate {
            name: field.name,
            source,
            written: true,
            is_name,
        })
    }

    fn default(&mut self, field: &Field) -> FieldSource {
        let names = self.names();
        if field.kind == FieldKind::Expression && !field.default.is_empty() {
            let expression = ValueExpression::compile(field.default, &names).expect("the table's defaults compile");
            self.reads.extend(expression.reads());
            return FieldSource::Expression(expression);
        }
        let template = Template::compile(field.default, &names).expect("the table's defaults compile");
        self.reads.extend(template.reads());
        FieldSource::Text(template)
    }

    pub(super) fn literal(&mut self, text: &str, path: &str) -> FieldSource {
        let names = self.names();
        FieldSource::Text(self.template(text, path, &names))
    }

    fn forced_name(&mut self, table: &Map<String, Value>, path: &str) -> Option<FieldSource> {
        match (table.len(), table.get("name").and_then(Value::as_str)) {
            (1, Some(name)) => Some(self.literal(name, &format!("{path}.name"))),
            _ => {
                self.faults.push(Fault::at(
                    path,
                    "this table says neither id nor name",
                    "it needs { name = \"…\" }",
                ));
                None
            }
        }
    }

    fn table(&mut self, table: &Map<String, Value>, path: &str) -> FieldSource {
        let names = self.names();
        let mut values = Vec::new();
        for (key, value) in table {
            let path = format!("{path}.{key}");
            match value {
                Value::String(text) => values.push((key.clone(), self.template(text, &path, &names))),
                Value::Number(number) => values.push((key.clone(), self.template(&number.to_string(), &path, &names))),
                Value::Bool(truth) => values.push((key.clone(), self.template(&truth.to_string(), &path, &names))),
                _ => self.faults.push(Fault::at(
                    path,
                    format!("{key} is {}", describe(value)),
                    "it needs a text",
                )),
            }
        }
        FieldSource::Table(values)
    }

    fn expression(&mut self, text: &str, path: &str) -> Option<FieldSource> {
        let names = self.names();
        let expression = ValueExpression::compile(text, &names)
            .map_err(|faults| self.add(path, faults))
            .ok()?;
        self.reads.extend(expression.reads());
        if !matches!(expression.shape().present(), Shape::List(_) | Shape::Any) {
            self.faults.push(Fault::at(
                path,
                format!("{text:?} is no list"),
                "it needs an expression that gives a list",
            ));
        }
        Some(FieldSource::Expression(expression))
    }

    /// What can be told of a literal without a message.
    fn check_literal(&mut self, field: &Field, (source, is_name): (&FieldSource, bool), path: &str) {
        let FieldSource::Text(template) = source else { return };
        let Some(literal) = template.literal().map(str::trim) else {
            if matches!(
                field.kind,
                FieldKind::Word(_) | FieldKind::Name | FieldKind::Statuses | FieldKind::Duration
            ) {
                let problem = format!("{} is an expression", field.name);
                self.faults
                    .push(Fault::at(path, problem, format!("it needs {}", expected(field.kind))));
            }
            return;
        };
        let fits = match field.kind {
            FieldKind::Truth => matches!(literal, "true" | "false"),
            FieldKind::Count(most) => literal.parse().is_ok_and(|count: u32| (1..=most).contains(&count)),
            FieldKind::Word(words) => words.contains(&literal),
            FieldKind::Name => is_variable(literal),
            FieldKind::Duration => parse_duration(literal).is_ok_and(|duration| !duration.is_zero()),
            FieldKind::Reference => match Reference::parse(literal) {
                Some(reference) => is_name || reference.is_possible(),
                None => !field.required,
            },
            FieldKind::Choice(_) => !field.required || !literal.is_empty(),
            FieldKind::Id => match literal.parse::<i64>() {
                Ok(id) => id > 0,
                Err(_) => literal.is_empty() && !field.required,
            },
            FieldKind::Text if field.name == "email_address" => AddrSpec::parse(literal).is_ok(),
            FieldKind::Text => !field.required || !literal.is_empty(),
            FieldKind::Statuses => Expect::parse(literal).is_some(),
            FieldKind::Table | FieldKind::Expression | FieldKind::Url | FieldKind::Headers | FieldKind::Json => true,
        };
        if !fits {
            let needed = match field.kind {
                FieldKind::Reference if !literal.is_empty() => "an id is a whole number above 0".to_owned(),
                _ if field.name == "email_address" => "it needs an address, local@domain".to_owned(),
                kind => format!("it needs {}", expected(kind)),
            };
            self.faults
                .push(Fault::at(path, format!("{} is {literal:?}", field.name), needed));
        }
    }
}

fn is_variable(text: &str) -> bool {
    is_name(text) && !["email", "custom", "global", "meta", "if", "else"].contains(&text) && !is_reserved(text)
}

pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(truth) => format!("{truth}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    }
}

fn expected(kind: FieldKind) -> String {
    match kind {
        FieldKind::Text => "a text".to_owned(),
        FieldKind::Reference => "an id, an exact name or { name = \"…\" }".to_owned(),
        FieldKind::Choice(list) => format!("the name or the number of a {list}, or {{ name = \"…\" }}"),
        FieldKind::Id => "a whole number above 0".to_owned(),
        FieldKind::Truth => "true or false".to_owned(),
        FieldKind::Count(u32::MAX) => "a whole number from 1".to_owned(),
        FieldKind::Count(most) => format!("a whole number from 1 to {most}"),
        FieldKind::Word(words) => words
            .iter()
            .map(|word| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(" or "),
        FieldKind::Table => "a table of texts".to_owned(),
        FieldKind::Url => "a text that begins with \"https://HOST/\"".to_owned(),
        FieldKind::Headers => "a table of texts and secrets".to_owned(),
        FieldKind::Json => "a table, a list or a text".to_owned(),
        FieldKind::Statuses => "statuses such as \"2xx\" or \"200,204\"".to_owned(),
        FieldKind::Expression => "an expression without braces, as a text".to_owned(),
        FieldKind::Duration => "a duration such as \"1h\"".to_owned(),
        FieldKind::Name => "a plain name that is not taken".to_owned(),
    }
}
