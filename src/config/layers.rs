//! The layers: built-in defaults, the file, `conf.d`, the environment; merged by the `config` crate.

use ::config::{
    ConfigError, Map, Source, Value, ValueKind,
    builder::{ConfigBuilder, DefaultState},
};
use serde_json::{Map as JsonMap, Value as Json};

/// The origin of values from the environment, which are texts whatever they stand for.
pub const ENVIRONMENT: &str = "the environment";
/// The origin of values that nobody wrote.
pub const DEFAULTS: &str = "the built-in defaults";

const PREFIX: &str = "HALO_INTAKE__";
const BUILT_IN: &str = include_str!("defaults.toml");

/// Tables of which there is any number; their defaults stand below `"*"`.
const NAMED: [&str; 2] = ["mailbox", "halo"];
/// Tables that are there or not; their defaults count only where they are.
const OPTIONAL: [&str; 2] = ["smtp", "canary"];

/// Values that may be a table but count as one value: a later layer replaces them whole, since a secret from
/// two sources would be none. `*` stands for any key.
const WHOLE: [&[&str]; 14] = [
    &["journal"],
    &["mailbox", "*", "password"],
    &["mailbox", "*", "oauth", "client_secret"],
    &["mailbox", "*", "oauth", "refresh_token"],
    &["mailbox", "*", "oauth", "service_account"],
    &["mailbox", "*", "settle", "*"],
    &["halo", "*", "client_secret"],
    &["halo", "*", "domains", "*"],
    &["smtp", "password"],
    &["smtp", "oauth", "client_secret"],
    &["smtp", "oauth", "refresh_token"],
    &["smtp", "oauth", "service_account"],
    &["report", "webhook"],
    &["http", "token"],
];

/// One layer: a tree of values from one origin.
#[derive(Debug, Clone)]
pub struct Layer {
    tree: Value,
}

impl Layer {
    /// The layer of a file.
    pub fn of_file(file: &str, tree: JsonMap<String, Json>) -> Layer {
        Layer {
            tree: values_of(file, Json::Object(tree)),
        }
    }

    /// The defaults for what `written` names.
    fn of_defaults(written: &Value, state_dir: &str) -> Layer {
        let mut tree = built_in();
        tree.insert("state_dir".to_owned(), Json::from(state_dir));
        let written = table(written);
        for kind in NAMED {
            let template = tree
                .remove(kind)
                .and_then(|mut any| any.get_mut("*").map(Json::take))
                .unwrap_or_default();
            let names = written
                .and_then(|written| table(written.get(kind)?))
                .into_iter()
                .flat_map(Map::keys);
            let named: JsonMap<String, Json> = names.map(|name| (name.clone(), template.clone())).collect();
            tree.insert(kind.to_owned(), Json::Object(named));
        }
        tree.retain(|key, _| !OPTIONAL.contains(&key.as_str()) || written.is_some_and(|w| w.contains_key(key)));
        Layer {
            tree: values_of(DEFAULTS, Json::Object(tree)),
        }
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        self.tree.clone().into_table()
    }

    fn collect_to(&self, cache: &mut Value) -> Result<(), ConfigError> {
        merge(cache, self.tree.clone(), &mut Vec::new(), is_whole);
        Ok(())
    }
}

/// The environment's settings over `files`: the layer, and the path that each variable sets. Names come without
/// their case, so a key that is written already is meant whatever its case; a dash can only be written as `_`.
pub fn environment(files: &Value, environment: &[(String, String)]) -> (Layer, Vec<(Vec<String>, String)>) {
    let mut tree = Value::new(None, Map::<String, Value>::new());
    let mut variables: Vec<(Vec<String>, String)> = Vec::new();
    let mut sorted: Vec<_> = environment
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    sorted.sort();
    for (name, text) in sorted {
        let path = resolve(files, &name[PREFIX.len()..]);
        let text = Value::new(Some(&ENVIRONMENT.to_owned()), text.as_str());
        let nested = path.iter().rev().fold(text, |inner, key| {
            Value::new(Some(&ENVIRONMENT.to_owned()), Map::from([(key.clone(), inner)]))
        });
        // Two variables that name two sources of one secret are a fault, so none replaces the other here.
        merge(&mut tree, nested, &mut Vec::new(), |_| false);
        variables.push((path, name.clone()));
    }
    (Layer { tree }, variables)
}

/// The path that a variable means, its keys spelt as `files` spells them.
fn resolve(files: &Value, name: &str) -> Vec<String> {
    let plain = |key: &str| key.to_lowercase().replace('-', "_");
    let mut here = Some(files);
    let mut path = Vec::new();
    for part in name.split("__") {
        let known = here
            .and_then(table)
            .and_then(|table| table.keys().filter(|key| plain(key) == plain(part)).min());
        let key = known.cloned().unwrap_or_else(|| part.to_lowercase());
        here = here.and_then(table).and_then(|table| table.get(&key));
        path.push(key);
    }
    path
}

/// The layers merged, the later over the earlier, without the defaults.
pub fn written(layers: &[Layer]) -> Value {
    build(::config::Config::builder().add_source(layers.to_vec()))
}

/// The layers merged over the built-in defaults for what `written` names.
pub fn merged(layers: &[Layer], written: &Value, state_dir: &str) -> Value {
    let defaults = Layer::of_defaults(written, state_dir);
    build(
        ::config::Config::builder()
            .add_source(defaults)
            .add_source(layers.to_vec()),
    )
}

fn build(builder: ConfigBuilder<DefaultState>) -> Value {
    builder
        .build()
        .expect("a layer is a tree already, so nothing is left that could fail")
        .cache
}

/// The built-in defaults of the section `path`, for a reader whose written value is at fault.
pub fn built_in_table(path: &str) -> Map<String, Value> {
    let tree = built_in();
    let section = tree.get(path);
    let found = if NAMED.contains(&path) {
        section.and_then(|any| any.get("*"))
    } else {
        section
    };
    values_of(DEFAULTS, found.cloned().unwrap_or_default())
        .into_table()
        .unwrap_or_default()
}

fn built_in() -> JsonMap<String, Json> {
    super::document::Document::parse("defaults.toml".into(), BUILT_IN.into())
        .expect("the built-in defaults are TOML, which a test guards")
        .tree()
        .0
}

/// Merges deeply; what `whole` says of a path is replaced instead.
fn merge(into: &mut Value, from: Value, path: &mut Vec<String>, whole: fn(&[String]) -> bool) {
    let origin = from.origin().map(str::to_owned);
    match (&mut into.kind, from.kind) {
        (ValueKind::Table(old), ValueKind::Table(new)) if !whole(path) => {
            for (key, value) in new {
                path.push(key.clone());
                match old.get_mut(&key) {
                    Some(there) => merge(there, value, path, whole),
                    None => drop(old.insert(key, value)),
                }
                path.pop();
            }
        }
        (_, kind) => *into = Value::new(origin.as_ref(), kind),
    }
}

/// Whether the value at `path` counts as one, whatever its kind.
pub fn is_whole<Key: AsRef<str>>(path: &[Key]) -> bool {
    let fits = |pattern: &&[&str]| {
        let same = |(want, key): (&&str, &Key)| *want == "*" || *want == key.as_ref();
        pattern.len() == path.len() && pattern.iter().zip(path).all(same)
    };
    WHOLE.iter().any(fits)
}

fn table(value: &Value) -> Option<&Map<String, Value>> {
    match &value.kind {
        ValueKind::Table(table) => Some(table),
        _ => None,
    }
}

/// Plain values from one origin, as the `config` crate holds them.
pub fn values_of(origin: &str, json: Json) -> Value {
    let kind = match json {
        Json::Null => ValueKind::Nil,
        Json::Bool(flag) => ValueKind::Boolean(flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => ValueKind::I64(whole),
            None => ValueKind::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => ValueKind::String(text),
        Json::Array(list) => ValueKind::Array(list.into_iter().map(|item| values_of(origin, item)).collect()),
        Json::Object(map) => ValueKind::Table(
            map.into_iter()
                .map(|(key, item)| (key, values_of(origin, item)))
                .collect(),
        ),
    };
    Value::new(Some(&origin.to_owned()), kind)
}

#[cfg(test)]
mod tests {
    use super::{super::effective::SECRETS, *};

    #[test]
    fn every_secret_that_may_be_a_table_counts_as_one_value() {
        for secret in SECRETS {
            let ends = |path: &&&[&str]| path.last() == Some(&secret);
            assert!(WHOLE.iter().any(|path| ends(&path)), "{secret} is not in WHOLE");
        }
    }

    #[test]
    fn a_token_of_a_later_layer_replaces_the_one_before() {
        let layer = |token: Json| {
            let tree = serde_json::json!({ "http": { "token": token } });
            Layer::of_file("a.toml", tree.as_object().cloned().unwrap_or_default())
        };
        let layers = [
            layer(serde_json::json!({ "file": "/token" })),
            layer(serde_json::json!({ "credential": "page" })),
        ];
        let merged = written(&layers);
        let token = table(&merged)
            .and_then(|root| table(root.get("http")?))
            .and_then(|http| table(http.get("token")?));
        assert_eq!(
            token.map(|token| token.keys().collect::<Vec<_>>()),
            Some(vec![&"credential".to_owned()])
        );
    }
}
