//! From rules as written to rules that can run. Every fault of every rule is found, each with its place.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{FieldSource, FieldTemplate, OnError, Rule, RuleSet, Step, Store};
use crate::{
    action::{Field, FieldKind, Kind, Row, TABLE},
    config::{
        ActionSource, Config, ConnectionName, RuleSource,
        fault::{Fault, join, suggest},
        load::Draft,
    },
    context,
    expression::{Condition, ExpressionFault, Names, Template, ValueExpression, shape::Shape},
    halo::Reference,
    message::address::AddrSpec,
};

/// The keys that every step takes beside its own fields.
const COMMON: &[&str] = &["name", "when", "halo", "on_error", "store_as"];

impl RuleSet {
    /// Compiles and checks everything; what is wrong is added to `faults`.
    pub fn compile(draft: &Draft, config: &Config, faults: &mut Vec<Fault>) -> RuleSet {
        let mut compiler = Compiler {
            draft,
            config,
            faults,
            globals: Vec::new(),
            custom: Vec::new(),
            stores: (Vec::new(), Vec::new()),
            variables: Vec::new(),
        };
        let bounce_message = compiler.bounce_message();
        let compiled = draft
            .rules
            .iter()
            .map(|source| (source.enabled, compiler.rule(source)))
            .collect::<Vec<_>>();
        let rules = compiled
            .into_iter()
            .filter(|(enabled, _)| *enabled)
            .map(|(_, rule)| rule)
            .collect();
        let set = RuleSet {
            rules,
            bounce_message,
            globals: compiler.stores.1,
        };
        set.warn_of_low_rates(config, faults);
        set
    }
}

struct Compiler<'a> {
    /// What was written, whether it could be understood or not.
    draft: &'a Draft,
    config: &'a Config,
    faults: &'a mut Vec<Fault>,
    /// What earlier rules and steps store for the whole message.
    globals: Vec<(String, Shape)>,
    /// What earlier steps of this rule store.
    custom: Vec<(String, Shape)>,
    /// The names under which steps store: of this rule under `custom`, of all rules under `global`.
    stores: (Vec<String>, Vec<String>),
    /// The variables of the `for_each` steps around.
    variables: Vec<(String, Shape)>,
}

impl Compiler<'_> {
    fn names(&self) -> Names {
        let mut roots = vec![
            ("email".to_owned(), context::email_shape()),
            ("custom".to_owned(), Shape::record(self.custom.clone())),
            ("global".to_owned(), Shape::record(self.globals.clone())),
            ("meta".to_owned(), context::meta_shape()),
        ];
        roots.extend(self.variables.iter().cloned());
        Names { roots }
    }

    fn bounce_message(&mut self) -> Template {
        let names = Names {
            roots: vec![
                ("email".to_owned(), context::email_shape()),
                ("meta".to_owned(), context::meta_shape()),
            ],
        };
        self.template(&self.config.bounce.message, "bounce.message", &names)
    }

    fn rule(&mut self, source: &RuleSource) -> Rule {
        self.custom.clear();
        let when = source
            .when
            .as_ref()
            .and_then(|text| self.condition(text, &format!("{}.when", source.path)));
        let steps = self.steps(&source.actions);
        Rule {
            name: source.name.clone(),
            mailboxes: source.mailboxes.clone(),
            when,
            steps,
            digest: digest(source),
            stores: std::mem::take(&mut self.stores.0),
        }
    }

    fn steps(&mut self, sources: &[ActionSource]) -> Vec<Step> {
        sources
            .iter()
            .enumerate()
            .filter_map(|(index, source)| self.step(index + 1, source))
            .collect()
    }

    fn step(&mut self, number: usize, source: &ActionSource) -> Option<Step> {
        let Some(row) = Kind::of_word(&source.kind) else {
            let known = TABLE.iter().map(|row| row.word);
            let problem = format!("the step type {:?} is not known", source.kind);
            self.faults.push(Fault::at(
                format!("{}.type", source.path),
                problem,
                suggest(&source.kind, known),
            ));
            return None;
        };
        self.unknown_keys(source, row);
        let when = self
            .text_of(source, "when")
            .and_then(|text| self.condition(&text, &format!("{}.when", source.path)));
        let on_error = self.on_error(source);
        let connection = self.connection(source, row);
        let fields = self.fields(source, row);
        let steps = self.nested(source, row, &fields);
        let store_as = self.store_as(source, row, &fields);
        if row.kind == Kind::Bounce || on_error == OnError::Bounce {
            self.can_bounce(source, row);
        }
        let name = self.text_of(source, "name").unwrap_or_else(|| row.word.to_owned());
        Some(Step {
            number,
            name,
            kind: row.kind,
            when,
            on_error,
            store_as,
            connection,
            fields,
            steps,
        })
    }

    fn unknown_keys(&mut self, source: &ActionSource, row: &Row) {
        let known: Vec<&str> = row
            .fields
            .iter()
            .map(|field| field.name)
            .chain(COMMON.iter().copied())
            .chain(["type", "action"])
            .collect();
        for (key, _) in source.fields.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let problem = format!("{} takes no {key:?}", row.word);
            let path = join(&source.path, key);
            self.faults
                .push(Fault::at_key(path, problem, suggest(key, known.iter().copied())));
        }
        if row.kind != Kind::ForEach && !source.actions.is_empty() {
            let problem = format!("{} has no steps of its own", row.word);
            self.faults.push(Fault::at(
                format!("{}.action[0]", source.path),
                problem,
                "only for_each has",
            ));
        }
    }

    /// A common key, which must be a text.
    fn text_of(&mut self, source: &ActionSource, key: &str) -> Option<String> {
        let value = find(source, key)?;
        if value.as_str().is_none() {
            let problem = format!("{key} is {}", describe(value));
            self.faults
                .push(Fault::at(format!("{}.{key}", source.path), problem, "it needs a text"));
        }
        value.as_str().map(str::to_owned)
    }

    fn on_error(&mut self, source: &ActionSource) -> OnError {
        let Some(word) = self.text_of(source, "on_error") else {
            return OnError::Exception;
        };
        if let Some((_, on_error)) = OnError::ALL.iter().find(|(known, _)| *known == word) {
            return *on_error;
        }
        let remedy = suggest(&word, OnError::ALL.map(|(known, _)| known));
        self.faults.push(Fault::at(
            format!("{}.on_error", source.path),
            format!("on_error {word:?} is not known"),
            remedy,
        ));
        OnError::Exception
    }

    fn connection(&mut self, source: &ActionSource, row: &Row) -> Option<ConnectionName> {
        let known: Vec<&ConnectionName> = self.draft.connections.iter().collect();
        if let Some(wanted) = self.text_of(source, "halo") {
            if let Some(name) = known.iter().find(|name| name.0 == wanted) {
                return Some((*name).clone());
            }
            let remedy = suggest(&wanted, known.iter().map(|name| name.0.as_str()));
            self.faults.push(Fault::at(
                format!("{}.halo", source.path),
                format!("there is no [halo.{wanted}]"),
                remedy,
            ));
            return None;
        }
        if !row.asks_halo {
            return None;
        }
        match known.as_slice() {
            [one] => return Some((*one).clone()),
            [] => self.faults.push(Fault::at(
                format!("{}.type", source.path),
                format!("{} needs a Halo connection and there is none", row.word),
                "add a [halo.NAME] table",
            )),
            several => {
                let names = several
                    .iter()
                    .map(|name| name.0.as_str())
                    .collect::<Vec<_>>()
                    .join(", ");
                let problem = format!("{} does not say which Halo connection", row.word);
                self.faults.push(Fault::at(
                    format!("{}.type", source.path),
                    problem,
                    format!("add halo = one of {names}"),
                ));
            }
        }
        None
    }

    fn can_bounce(&mut self, source: &ActionSource, row: &Row) {
        let key = if row.kind == Kind::Bounce { "type" } else { "on_error" };
        let path = format!("{}.{key}", source.path);
        if !self.draft.mentions("smtp") {
            self.faults.push(Fault::at(
                path,
                "a bounce needs a way out and there is no [smtp]",
                "add an [smtp] table",
            ));
        } else if !self.draft.mentions("bounce.from") {
            let remedy = "add from = \"Example Support <support@example.com>\" to [bounce]";
            self.faults.push(Fault::at(
                path,
                "a bounce needs a sender and [bounce] has no from",
                remedy,
            ));
        }
    }

    fn fields(&mut self, source: &ActionSource, row: &Row) -> Vec<FieldTemplate> {
        row.fields
            .iter()
            .filter_map(|field| self.field(source, row, field))
            .collect()
    }

    fn field(&mut self, source: &ActionSource, row: &Row, field: &Field) -> Option<FieldTemplate> {
        let path = format!("{}.{}", source.path, field.name);
        let Some(value) = find(source, field.name) else {
            if field.required {
                let problem = format!("{} needs {:?}", row.word, field.name);
                self.faults
                    .push(Fault::at(&source.path, problem, format!("add it: {}", field.doc)));
            }
            let template = Template::compile(field.default, &self.names()).expect("the table's defaults compile");
            let source = FieldSource::Text(template);
            return (!field.required).then_some(FieldTemplate {
                name: field.name,
                source,
                written: false,
                is_name: false,
            });
        };
        let (source, is_name) = match (field.kind, value) {
            (FieldKind::Expression, Value::String(text)) => (self.expression(text, &path)?, false),
            (FieldKind::Table, Value::Object(table)) => (self.table(table, &path), false),
            (FieldKind::Reference, Value::Object(table)) => (self.forced_name(table, &path)?, true),
            (FieldKind::Reference | FieldKind::Count(_), Value::Number(number)) => {
                (self.literal(&number.to_string(), &path), false)
            }
            (FieldKind::Truth, Value::Bool(truth)) => (self.literal(&truth.to_string(), &path), false),
            (FieldKind::Expression | FieldKind::Table, _)
            | (_, Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                let problem = format!("{} is {}", field.name, describe(value));
                self.faults
                    .push(Fault::at(&path, problem, format!("it needs {}", expected(field.kind))));
                return None;
            }
            (_, Value::String(text)) => (self.literal(text, &path), false),
        };
        self.check_literal(field, &source, &path);
        Some(FieldTemplate {
            name: field.name,
            source,
            written: true,
            is_name,
        })
    }

    fn literal(&mut self, text: &str, path: &str) -> FieldSource {
        let names = self.names();
        FieldSource::Text(self.template(text, path, &names))
    }

    fn forced_name(&mut self, table: &serde_json::Map<String, Value>, path: &str) -> Option<FieldSource> {
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

    fn table(&mut self, table: &serde_json::Map<String, Value>, path: &str) -> FieldSource {
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

    /// What can be told of a literal without a message.
    fn check_literal(&mut self, field: &Field, source: &FieldSource, path: &str) {
        let FieldSource::Text(template) = source else { return };
        let Some(literal) = template.literal().map(str::trim) else {
            if matches!(field.kind, FieldKind::Word(_) | FieldKind::Name) {
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
            FieldKind::Reference => !field.required || Reference::parse(literal).is_some(),
            FieldKind::Text if field.name == "email_address" => AddrSpec::parse(literal).is_ok(),
            FieldKind::Text => !field.required || !literal.is_empty(),
            FieldKind::Table | FieldKind::Expression => true,
        };
        if !fits {
            let wanted = if field.name == "email_address" {
                "an address, local@domain".to_owned()
            } else {
                expected(field.kind)
            };
            self.faults.push(Fault::at(
                path,
                format!("{} is {literal:?}", field.name),
                format!("it needs {wanted}"),
            ));
        }
    }

    fn nested(&mut self, source: &ActionSource, row: &Row, fields: &[FieldTemplate]) -> Vec<Step> {
        if row.kind != Kind::ForEach {
            return Vec::new();
        }
        if source.actions.is_empty() {
            self.faults.push(Fault::at(
                &source.path,
                "for_each has no steps",
                "add [[rule.action.action]] tables",
            ));
        }
        let item = fields.iter().find_map(|field| match &field.source {
            FieldSource::Expression(expression) => Some(item_shape(expression.shape())),
            _ => None,
        });
        let variable = |name: &str| {
            let text = fields
                .iter()
                .find(|field| field.name == name)
                .map(|field| &field.source);
            match text {
                Some(FieldSource::Text(template)) => template.literal().unwrap_or(name).trim().to_owned(),
                _ => name.to_owned(),
            }
        };
        if variable("as") == variable("index") {
            let problem = format!("as and index are both {:?}", variable("as"));
            let remedy = "give the item and its number different names";
            self.faults.push(Fault::at(&source.path, problem, remedy));
        }
        let outer = self.variables.len();
        self.variables.push((variable("as"), item.unwrap_or(Shape::Any)));
        self.variables.push((variable("index"), Shape::Number));
        let steps = self.steps(&source.actions);
        self.variables.truncate(outer);
        steps
    }

    fn store_as(&mut self, source: &ActionSource, row: &Row, fields: &[FieldTemplate]) -> Option<Store> {
        let path = format!("{}.store_as", source.path);
        let shape = match row.kind {
            Kind::Set => self.set_shape(source, fields),
            kind => kind.result_shape(),
        };
        let Some(text) = self.text_of(source, "store_as") else {
            if row.kind == Kind::Set {
                self.faults.push(Fault::at(
                    &source.path,
                    "set does not say where to",
                    "add store_as = \"NAME\"",
                ));
            }
            return None;
        };
        let (name, store) = match text.strip_prefix("global.") {
            Some(name) => (name, Store::Global(name.to_owned())),
            None => {
                let name = text.strip_prefix("custom.").unwrap_or(&text);
                (name, Store::Custom(name.to_owned()))
            }
        };
        if !is_name(name) {
            let remedy = "it needs letters, digits and _, beginning with a letter; \"global.NAME\" keeps it to the message's end";
            self.faults
                .push(Fault::at(path, format!("store_as {text:?} is no name"), remedy));
            return None;
        }
        let (known, stores) = match store {
            Store::Custom(_) => (&mut self.custom, &mut self.stores.0),
            Store::Global(_) => (&mut self.globals, &mut self.stores.1),
        };
        if !stores.iter().any(|stored| stored == name) {
            stores.push(name.to_owned());
        }
        keep(known, name.to_owned(), Shape::nullable(shape));
        keep(known, format!("{name}_error"), Shape::Text);
        Some(store)
    }

    fn set_shape(&mut self, source: &ActionSource, fields: &[FieldTemplate]) -> Shape {
        let written = |name: &str| fields.iter().find(|field| field.name == name && field.written);
        match (written("value"), written("values")) {
            (Some(_), Some(_)) => {
                self.faults.push(Fault::at(
                    &source.path,
                    "set has both value and values",
                    "leave one of them out",
                ));
            }
            (None, None) if find(source, "value").is_none() && find(source, "values").is_none() => {
                self.faults.push(Fault::at(
                    &source.path,
                    "set has neither value nor values",
                    "add one of them",
                ));
            }
            _ => {}
        }
        match written("values").map(|field| &field.source) {
            Some(FieldSource::Table(values)) => Shape::record(values.iter().map(|(key, _)| (key.clone(), Shape::Text))),
            _ => Shape::Text,
        }
    }

    fn template(&mut self, text: &str, path: &str, names: &Names) -> Template {
        Template::compile(text, names).unwrap_or_else(|faults| {
            self.add(path, faults);
            Template::compile("", names).expect("an empty text compiles")
        })
    }

    fn condition(&mut self, text: &str, path: &str) -> Option<Condition> {
        let names = self.names();
        Condition::compile(text, &names)
            .map_err(|faults| self.add(path, faults))
            .ok()
    }

    fn expression(&mut self, text: &str, path: &str) -> Option<FieldSource> {
        let names = self.names();
        let expression = ValueExpression::compile(text, &names)
            .map_err(|faults| self.add(path, faults))
            .ok()?;
        if matches!(
            expression.shape(),
            Shape::Text | Shape::Number | Shape::Truth | Shape::Record(_)
        ) {
            self.faults.push(Fault::at(
                path,
                format!("{text:?} is no list"),
                "it needs an expression that gives a list",
            ));
        }
        Some(FieldSource::Expression(expression))
    }

    fn add(&mut self, path: &str, faults: Vec<ExpressionFault>) {
        let placed = faults
            .into_iter()
            .map(|fault| Fault::at(path, fault.problem, fault.remedy).within(fault.offset));
        self.faults.extend(placed);
    }
}

fn find<'a>(source: &'a ActionSource, key: &str) -> Option<&'a Value> {
    source
        .fields
        .iter()
        .find(|(known, _)| known == key)
        .map(|(_, value)| value)
}

/// Two steps may store under one name (only one of them runs, say); where their shapes differ nothing is known.
fn keep(known: &mut Vec<(String, Shape)>, name: String, shape: Shape) {
    match known.iter_mut().find(|(stored, _)| *stored == name) {
        Some((_, stored)) if *stored == shape => {}
        Some((_, stored)) => *stored = Shape::Any,
        None => known.push((name, shape)),
    }
}

fn item_shape(list: &Shape) -> Shape {
    match list {
        Shape::List(item) => (**item).clone(),
        Shape::Nullable(of) => item_shape(of),
        _ => Shape::Any,
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_variable(text: &str) -> bool {
    is_name(text)
        && ![
            "email", "custom", "global", "meta", "loop", "true", "false", "not", "and", "or", "in", "is", "if", "else",
        ]
        .contains(&text)
}

fn describe(value: &Value) -> String {
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
        FieldKind::Truth => "true or false".to_owned(),
        FieldKind::Count(u32::MAX) => "a whole number from 1".to_owned(),
        FieldKind::Count(most) => format!("a whole number from 1 to {most}"),
        FieldKind::Word(words) => words
            .iter()
            .map(|word| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(" or "),
        FieldKind::Table => "a table of texts".to_owned(),
        FieldKind::Expression => "an expression without braces, as a text".to_owned(),
        FieldKind::Name => "a plain name that is not taken".to_owned(),
    }
}

/// The first 16 digits of SHA-256 over all that was written in the rule.
fn digest(source: &RuleSource) -> String {
    let RuleSource {
        name,
        mailboxes,
        when,
        actions,
        ..
    } = source;
    let sum = Sha256::digest(format!(
        "{name:?} {mailboxes:?} {when:?} {:?}",
        actions.iter().map(written).collect::<Vec<_>>()
    ));
    sum.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Without its path, which changes when another rule is put before it.
fn written(action: &ActionSource) -> String {
    format!(
        "{} {:?} {:?}",
        action.kind,
        action.fields,
        action.actions.iter().map(written).collect::<Vec<_>>()
    )
}
