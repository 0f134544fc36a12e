//! Loading: from the path of a file and the environment to a draft of the configuration with all its faults.

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use ::config::{Value, ValueKind};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{
    Config, ConnectionName, MailboxName, RuleSource,
    document::{Document, beside},
    effective::{Written, is_secret},
    fault::{Fault, PlacedFault},
    layers::{Layer, environment as layer_of_environment, merged, written},
    place::Places,
    rule_source::rules,
    sections,
};
use crate::hex::hex;

mod found;

pub use found::{Found, find};

/// The configuration as far as it could be read, with everything that is wrong with it.
#[derive(Debug, Default)]
pub struct Draft {
    /// To be used only where no fault is more than a warning: what could not be understood is left out of it,
    /// or replaced by its built-in default. `None` where a file could not be read at all.
    pub config: Option<Config>,
    /// The rules of all files in their order, the faulty ones too.
    pub rules: Vec<RuleSource>,
    /// Every mailbox that is named, the faulty ones too.
    pub mailboxes: Vec<MailboxName>,
    /// Every connection that is named, the faulty ones too.
    pub connections: Vec<ConnectionName>,
    /// All that is wrong, warnings among it.
    pub faults: Vec<Fault>,
    /// The version of the configuration: over the merged tree without its secrets, the same for the same settings.
    /// Empty where a file could not be read.
    pub digest: String,
    /// The merged tree and the rules, for what differs from another one.
    pub written: Written,
    places: Places,
}

impl Draft {
    /// The fault with its file, line and column.
    pub fn place(&self, fault: &Fault) -> PlacedFault {
        self.places.find(fault).1
    }

    /// All faults and `more` of them with their places, in the order of the files.
    pub fn placed(&self, more: &[Fault]) -> Vec<PlacedFault> {
        let mut found: Vec<_> = self
            .faults
            .iter()
            .chain(more)
            .map(|fault| self.places.find(fault))
            .collect();
        found.sort_by_key(|(order, _)| *order);
        found.into_iter().map(|(_, placed)| placed).collect()
    }

    /// Whether a file or the environment writes something at `path`, understood or not.
    pub fn mentions(&self, path: &str) -> bool {
        self.places.mentions(path)
    }

    /// Whether nothing in it is worse than a warning.
    pub fn is_sound(&self) -> bool {
        self.config.is_some() && self.faults.iter().all(|fault| fault.warning)
    }
}

/// Loads the file at `path`, `conf.d/*.toml` beside it and the environment over the built-in defaults.
pub fn load(path: &Path, environment: &[(String, String)]) -> Draft {
    of_documents(read_all(path), environment)
}

/// The draft of a file that is not there yet: its text, with `conf.d` beside it and the environment.
pub(crate) fn of_text(path: &Path, text: String, environment: &[(String, String)]) -> Draft {
    let read = || {
        let mut documents = vec![Document::parse(path.display().to_string(), text)?];
        for file in beside(path)? {
            documents.push(Document::read(&file)?);
        }
        Ok(documents)
    };
    of_documents(read(), environment)
}

/// The draft of the files that were read, or of what is wrong with them.
pub(crate) fn of_documents(documents: Result<Vec<Document>, Vec<Fault>>, environment: &[(String, String)]) -> Draft {
    let documents = match documents {
        Ok(documents) => documents,
        // With a file missing, whatever else seems wrong may be set right in it.
        Err(faults) => {
            return Draft {
                faults,
                ..Draft::default()
            };
        }
    };
    let mut draft = Draft {
        places: Places {
            documents,
            ..Places::default()
        },
        ..Draft::default()
    };
    let (mut layers, written_rules) = draft.open_documents();
    let (of_environment, variables) = layer_of_environment(&written(&layers), environment);
    draft.refuse_rules_of(&variables);
    draft.places.variables = variables;
    layers.push(of_environment);
    let tree = merged(&layers, &written(&layers), &state_dir(environment));
    draft.read(&tree, &written_rules);
    draft.written = Written {
        tree: json(&tree),
        rules: written_rules,
    };
    draft.digest = digest(&draft.written);
    draft
}

impl Draft {
    /// The tree of each file as a layer, its rules apart: lists of rules append where other lists replace.
    fn open_documents(&mut self) -> (Vec<Layer>, Vec<Json>) {
        let (mut layers, mut rules) = (Vec::new(), Vec::new());
        for (number, document) in self.places.documents.iter().enumerate() {
            let (mut tree, faults) = document.tree();
            self.faults.extend(faults);
            match tree.shift_remove("rule") {
                None => {}
                Some(Json::Array(list)) => {
                    self.places.rules.extend((0..list.len()).map(|index| (number, index)));
                    rules.extend(list);
                }
                Some(_) => {
                    let remedy = "write [[rule]] with two brackets, since rules are a list";
                    self.faults.push(Fault::at("rule", "rule is not a list", remedy));
                }
            }
            layers.push(Layer::of_file(&document.file, tree));
        }
        (layers, rules)
    }

    /// Rules are a list in an order, which variables can not give them.
    fn refuse_rules_of(&mut self, variables: &[(Vec<String>, String)]) {
        for (_, name) in variables.iter().filter(|(path, _)| path[0] == "rule") {
            let problem = "rules can not be set by the environment";
            self.faults.push(Fault::placed(
                format!("${name}"),
                problem,
                "write them into the file or into conf.d",
            ));
        }
    }

    /// Reads the merged tree and the rules.
    fn read(&mut self, tree: &Value, written_rules: &[Json]) {
        let ValueKind::Table(root) = &tree.kind else { return };
        let faults = RefCell::new(std::mem::take(&mut self.faults));
        let sections = sections::read(root, &faults);
        let place = |path: &str| self.places.find(&Fault::at(path, "", "")).1.place;
        self.rules = rules(written_rules, &sections.mailboxes, &place, &faults);
        self.config = sections.config;
        self.mailboxes = sections.mailboxes;
        self.connections = sections.connections;
        self.faults = faults.into_inner();
        if written_rules.is_empty() {
            let fault = Fault::at(
                "rule",
                "there is no rule, so every message is ignored",
                "add a [[rule]]",
            );
            self.faults.push(fault.as_warning());
        }
    }
}

/// The file and those beside it; what can not be read of them, all together.
fn read_all(path: &Path) -> Result<Vec<Document>, Vec<Fault>> {
    let (mut documents, mut faults) = (Vec::new(), Vec::new());
    let mut files = vec![path.to_owned()];
    match beside(path) {
        Ok(further) => files.extend(further),
        Err(found) => faults.extend(found),
    }
    for file in files {
        match Document::read(&file) {
            Ok(document) => documents.push(document),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(documents) } else { Err(faults) }
}

/// The first folder that systemd gave the service, else one beside the working directory.
fn state_dir(environment: &[(String, String)]) -> String {
    let given = variable(environment, "STATE_DIRECTORY").and_then(|list| list.split(':').next());
    given.unwrap_or("./state").to_owned()
}

fn variable<'a>(environment: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = environment.iter().find(|(key, _)| key == name)?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}

/// The first 16 digits of the SHA-256 over tree and rules, keys in order, written secrets left out.
fn digest(written: &Written) -> String {
    let mut text = String::new();
    canonical(&written.tree, "", &mut text);
    written.rules.iter().for_each(|rule| canonical(rule, "", &mut text));
    hex(&Sha256::digest(text)[..8])
}

fn canonical(value: &Json, key: &str, text: &mut String) {
    match value {
        Json::Object(map) => {
            text.push('{');
            for (key, value) in map.iter().collect::<BTreeMap<_, _>>() {
                text.push_str(&format!("{key:?}:"));
                canonical(value, key, text);
                text.push(',');
            }
            text.push('}');
        }
        Json::Array(list) => {
            text.push('[');
            list.iter().for_each(|item| {
                canonical(item, "", text);
                text.push(',');
            });
            text.push(']');
        }
        _ if is_secret(key) => text.push_str("secret"),
        scalar => text.push_str(&scalar.to_string()),
    }
}

fn json(value: &Value) -> Json {
    match &value.kind {
        ValueKind::Table(table) => Json::Object(table.iter().map(|(key, value)| (key.clone(), json(value))).collect()),
        ValueKind::Array(list) => Json::Array(list.iter().map(json).collect()),
        ValueKind::Boolean(flag) => Json::Bool(*flag),
        ValueKind::I64(number) => Json::from(*number),
        ValueKind::Float(number) => Json::from(*number),
        ValueKind::String(text) => Json::String(text.clone()),
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests;
