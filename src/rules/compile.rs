//! From rules as written to rules that can run. Every fault of every rule is found, each with its place.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{FieldSource, FieldTemplate, OnError, Rule, RuleSet, Step, unstored};
use crate::{
    action::{Kind, Row, TABLE},
    config::{
        ActionSource, Config, ConnectionName, RuleSource,
        fault::{Fault, join, suggest},
        load::Draft,
    },
    context,
    expression::{Names, Reads, Template, shape::Shape},
    hex::hex,
};
use field::describe;

mod field;
mod names;
mod outward;
mod store;
mod unknown;

/// The keys that every step takes beside its own fields.
const COMMON: &[&str] = &["name", "when", "halo", "on_error", "store_as"];

impl RuleSet {
    /// Compiles and checks everything; what is wrong is added to `faults`.
    pub fn compile(draft: &Draft, config: &Config, faults: &mut Vec<Fault>) -> RuleSet {
        let mut compiler = Compiler {
            draft,
            config,
            faults,
            unknown: Vec::new(),
            globals: Vec::new(),
            custom: Vec::new(),
            stores: (Vec::new(), Vec::new()),
            variables: Vec::new(),
            result: Shape::Any,
            reads: Reads::default(),
        };
        let bounce_message = compiler.bounce_message();
        let compiled = draft
            .rules
            .iter()
            .map(|source| (source.enabled, compiler.rule(source)))
            .collect::<Vec<_>>();
        let mut reads = bounce_message.reads().clone();
        let enabled = compiled.into_iter().filter(|(enabled, _)| *enabled);
        let rules = enabled
            .map(|(_, (rule, read))| {
                reads.extend(&read);
                rule
            })
            .collect();
        let set = RuleSet {
            rules,
            bounce_message,
            globals: compiler.stores.1,
            reads,
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
    /// The names that nothing is known of, each where it stands; kept until the whole rule was seen.
    unknown: Vec<(String, Fault)>,
    /// What earlier rules and steps store for the whole message.
    globals: Vec<(String, Shape)>,
    /// What earlier steps of this rule store.
    custom: Vec<(String, Shape)>,
    /// The names under which steps store: of this rule under `custom`, of all rules under `global`.
    stores: (Vec<String>, Vec<String>),
    /// The variables of the `for_each` steps around.
    variables: Vec<(String, Shape)>,
    /// What the step before gives.
    result: Shape,
    /// What this rule reads, by its expressions and by the code of its steps.
    reads: Reads,
}

impl Compiler<'_> {
    fn bounce_message(&mut self) -> Template {
        let names = Names {
            roots: vec![
                ("email".to_owned(), context::email_shape()),
                ("meta".to_owned(), context::meta_shape()),
            ],
        };
        let message = self.template(&self.config.bounce.message, "bounce.message", &names);
        self.tell_unknown(&[]);
        message
    }

    /// The rule, and what it reads.
    fn rule(&mut self, source: &RuleSource) -> (Rule, Reads) {
        self.custom.clear();
        self.reads = Reads::default();
        let when = source
            .when
            .as_ref()
            .and_then(|text| self.condition(text, &format!("{}.when", source.path)));
        let steps = self.steps(&source.actions);
        self.tell_unknown(&source.actions);
        let rule = Rule {
            name: source.name.as_str().into(),
            mailboxes: source.mailboxes.clone(),
            when,
            steps,
            digest: digest(source),
            unstored: unstored(&self.stores.0).collect::<Map<_, _>>().into(),
        };
        self.stores.0.clear();
        (rule, std::mem::take(&mut self.reads))
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
        for name in row.kind.reads() {
            self.reads.add_under("email", name);
        }
        let when = self
            .text_of(source, "when")
            .and_then(|text| self.condition(&text, &format!("{}.when", source.path)));
        let on_error = self.on_error(source);
        let connection = self.connection(source, row);
        let fields = self.fields(source, row);
        self.one_body(source, row);
        let steps = self.nested(source, row, &fields);
        let store_as = self.store_as(source, row, &fields);
        if row.kind == Kind::Bounce || on_error == OnError::Bounce {
            let key = if row.kind == Kind::Bounce { "type" } else { "on_error" };
            self.can_send(source, "a bounce", key);
        }
        if row.kind == Kind::SendEmail {
            self.can_send(source, "a mail", "type");
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
            // Everything but the configuration calls it so.
            let remedy = match key.as_str() {
                "connection" => "did you mean \"halo\"?".to_owned(),
                key => suggest(key, known.iter().copied()),
            };
            self.faults.push(Fault::at_key(path, problem, remedy));
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

    fn can_send(&mut self, source: &ActionSource, what: &str, key: &str) {
        let path = format!("{}.{key}", source.path);
        if !self.draft.mentions("smtp") {
            self.faults.push(Fault::at(
                path,
                format!("{what} needs a way out and there is no [smtp]"),
                "add an [smtp] table",
            ));
        } else if !self.draft.mentions("bounce.from") {
            let remedy = "add from = \"Example Support <support@example.com>\" to [bounce]";
            self.faults.push(Fault::at(
                path,
                format!("{what} needs a sender and [bounce] has no from"),
                remedy,
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
}

fn find<'a>(source: &'a ActionSource, key: &str) -> Option<&'a Value> {
    source
        .fields
        .iter()
        .find(|(known, _)| known == key)
        .map(|(_, value)| value)
}

fn item_shape(list: &Shape) -> Shape {
    match list {
        Shape::List(item) => (**item).clone(),
        Shape::Nullable(of) => item_shape(of),
        _ => Shape::Any,
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
    hex(&sum[..8])
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
