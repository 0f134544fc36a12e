//! The configuration as it counts, defaults and environment included, as data that may be shown; and what differs
//! between two of them. A secret is a digest under a salt that changes with each process.

use std::{collections::BTreeMap, fmt};

use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::layers::is_whole;
use crate::hex::hex;

mod changes;

pub use changes::{Change, What, changes};

/// Values that are secrets where they are written as a text.
pub(super) const SECRETS: [&str; 7] = [
    "password",
    "client_secret",
    "refresh_token",
    "service_account",
    "journal",
    "token",
    "webhook",
];

/// Whether the value of this key is a secret, unless it names where one lies.
pub fn is_secret(key: &str) -> bool {
    SECRETS.contains(&key)
}

/// What files and environment say, merged. It may hold secrets, so it does not print.
#[derive(Clone, Default)]
pub struct Written {
    /// Everything but the rules.
    pub tree: Json,
    /// In their order.
    pub rules: Vec<Json>,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

/// What makes digests of secrets that can be compared within one process alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Salt(String);

impl Salt {
    /// A new one, from the system's random source.
    pub fn new() -> Result<Salt, ring::error::Unspecified> {
        let mut octets = [0; 32];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut octets)?;
        Ok(Salt(hex(&octets)))
    }

    fn digest(&self, value: &Json) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        hex(hmac::sign(&key, value.to_string().as_bytes()).as_ref())
    }
}

/// A configuration without its secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effective {
    /// Each with the keys that lead to it.
    settings: BTreeMap<Path, Setting>,
    /// In their order.
    rules: Vec<EffectiveRule>,
}

/// The keys that lead to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Path(Vec<String>);

impl From<Path> for String {
    fn from(path: Path) -> String {
        Json::from(path.0).to_string()
    }
}

impl TryFrom<String> for Path {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Path, serde_json::Error> {
        serde_json::from_str(&text).map(Path)
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Setting {
    /// It may be shown.
    Shown(Json),
    /// The digest of one that may not.
    Hidden(String),
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct EffectiveRule {
    name: String,
    /// Its own keys, and the fields of its steps.
    parts: BTreeMap<Path, Setting>,
}

impl Written {
    /// What of it may be shown.
    pub fn effective(&self, salt: &Salt) -> Effective {
        let mut settings = BTreeMap::new();
        add(&self.tree, &mut Vec::new(), &mut settings, salt);
        let rules = self.rules.iter().map(|rule| EffectiveRule::of(rule, salt)).collect();
        Effective { settings, rules }
    }
}

impl EffectiveRule {
    fn of(rule: &Json, salt: &Salt) -> EffectiveRule {
        let mut parts = BTreeMap::new();
        for (key, value) in rule.as_object().into_iter().flatten() {
            match (key.as_str(), value) {
                ("name", _) => {}
                ("action", Json::Array(steps)) => add_steps(steps, &mut Vec::new(), &mut parts, salt),
                (key, value) => drop(parts.insert(Path(vec![key.to_owned()]), Setting::Shown(value.clone()))),
            }
        }
        EffectiveRule {
            name: rule["name"].as_str().unwrap_or_default().to_owned(),
            parts,
        }
    }
}

/// The fields of steps, and of the steps within them.
fn add_steps(steps: &[Json], path: &mut Vec<String>, parts: &mut BTreeMap<Path, Setting>, salt: &Salt) {
    for (index, step) in steps.iter().enumerate() {
        let kind = step["type"].as_str().unwrap_or_default();
        path.push(format!("step {} ({kind})", index + 1));
        for (field, value) in step.as_object().into_iter().flatten() {
            if let ("action", Json::Array(inner)) = (field.as_str(), value) {
                add_steps(inner, path, parts, salt);
                continue;
            }
            path.push(field.clone());
            // Where a request goes and what signs it in may hold a key, wherever it stands in them.
            if kind == "http_request" && ["url", "headers"].contains(&field.as_str()) {
                parts.insert(Path(path.clone()), Setting::Hidden(salt.digest(value)));
            } else {
                add(value, path, parts, salt);
            }
            path.pop();
        }
        path.pop();
    }
}

fn add(value: &Json, path: &mut Vec<String>, settings: &mut BTreeMap<Path, Setting>, salt: &Salt) {
    match value {
        Json::Object(table) if !is_whole(path) => {
            for (key, value) in table {
                path.push(key.clone());
                add(value, path, settings, salt);
                path.pop();
            }
        }
        value => {
            let is_secret = path.last().is_some_and(|key| is_secret(key)) && !names_a_source(value);
            let setting = if is_secret {
                Setting::Hidden(salt.digest(value))
            } else {
                Setting::Shown(value.clone())
            };
            settings.insert(Path(path.clone()), setting);
        }
    }
}

/// `{ env = "…" }` and the like: where a secret lies is none.
fn names_a_source(value: &Json) -> bool {
    let names = |table: &Map<String, Json>| {
        table
            .keys()
            .all(|key| ["env", "file", "credential"].contains(&key.as_str()))
    };
    value.as_object().is_some_and(names)
}
