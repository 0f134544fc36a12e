//! What differs between two configurations, and what that means where it matters. Pure: a reload says it in the log, and
//! `check --diff` beforehand.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::Value as Json;

use super::{Effective, EffectiveRule, Path, Setting};
use crate::config::{ConnectionName, MailboxName, fault::join};

/// A longer value is cut.
const LONGEST: usize = 120;
/// So much that is the same is left before a difference that is far behind.
const KEPT: usize = 20;

/// What it means that a rule has another name: by its name the work is known that it has begun.
const RENAMED: &str = "by another name it is another rule: what it began for deferred messages under the former one is not known, and a \
                       ticket is made again";

/// What happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Added,
    Removed,
    Changed,
    /// A rule that stands elsewhere in the order.
    Moved,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What happened.
    pub what: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<MailboxName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The key within it, or of a section; `None`: it as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The value before; `None` where there was none, or it may not be shown.
    pub before: Option<Json>,
    /// The value now.
    pub now: Option<Json>,
    /// What that means; empty where it says itself.
    pub means: &'static str,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        let whose = [
            self.mailbox.as_ref().map(|name| format!("mailbox {name}")),
            self.connection.as_ref().map(|name| format!("connection {name}")),
            self.rule.as_ref().map(|name| format!("rule {name}")),
            self.key.clone(),
        ];
        for part in whose.into_iter().flatten() {
            write!(f, "{before}{part}")?;
            before = ": ";
        }
        let how = match (self.what, &self.before, &self.now) {
            (What::Changed | What::Moved, Some(before), Some(now)) => {
                let verb = if self.what == What::Moved { "moved, " } else { "" };
                let (before, now) = (toml(before), toml(now));
                let from = same_before(&before, &now);
                format!("{verb}{} → {}", short(&before, from), short(&now, from))
            }
            (What::Added, _, Some(now)) => format!("added, {}", short(&toml(now), 0)),
            (What::Removed, Some(before), _) => format!("removed, was {}", short(&toml(before), 0)),
            (What::Changed, ..) => "changed".to_owned(),
            (What::Moved, ..) => "moved".to_owned(),
            (What::Added, ..) => "added".to_owned(),
            (What::Removed, ..) => "removed".to_owned(),
        };
        write!(f, ": {how}")?;
        if self.means.is_empty() {
            return Ok(());
        }
        write!(f, "; {}", self.means)
    }
}

/// A value as it is written in the configuration. JSON's texts, numbers and truths are TOML's as well.
fn toml(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Json::Object(table) => {
            let keys = table
                .iter()
                .map(|(key, value)| format!("{} = {}", join("", key), toml(value)));
            format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// How many characters are the same at the beginning, but for the last few, where so many are that the difference would
/// be cut off.
fn same_before(before: &str, now: &str) -> usize {
    let same = before.chars().zip(now.chars()).take_while(|(old, new)| old == new);
    Some(same.count().saturating_sub(KEPT))
        .filter(|same| *same + KEPT > LONGEST / 2)
        .unwrap_or_default()
}

/// A value without that many characters of its beginning, cut where it is long.
fn short(text: &str, from: usize) -> String {
    let begun = if from > 0 { "…" } else { "" };
    let mut rest = text.chars().skip(from);
    let shown: String = rest.by_ref().take(LONGEST).collect();
    let cut = if rest.next().is_some() { "…" } else { "" };
    format!("{begun}{shown}{cut}")
}

/// All that differs: settings in the order of their names, then rules.
pub fn changes(before: &Effective, now: &Effective) -> Vec<Change> {
    let mut found = of_settings(before, now);
    found.extend(of_rules(&before.rules, &now.rules));
    found
}

fn of_settings(before: &Effective, now: &Effective) -> Vec<Change> {
    let mut found: Vec<Change> = Vec::new();
    for (path, what, values) in differences(&before.settings, &now.settings) {
        let change = match path.0.as_slice() {
            [kind, name, key @ ..] if kind == "mailbox" || kind == "halo" => {
                let prefix = [kind.clone(), name.clone()];
                let is_in = |of: &Effective| {
                    let from = Path(prefix.to_vec());
                    let next = of.settings.range(from..).next();
                    next.is_some_and(|(path, _)| path.0.starts_with(&prefix))
                };
                let whole = match (is_in(before), is_in(now)) {
                    (false, _) => Some(What::Added),
                    (_, false) => Some(What::Removed),
                    _ => None,
                };
                named(kind, name, key, whole, (what, values))
            }
            path => Change {
                key: Some(dotted(path)),
                means: meaning(path),
                ..bare(what, values)
            },
        };
        // All keys of a table that came or went are one change.
        if found.last() != Some(&change) {
            found.push(change);
        }
    }
    found
}

/// A change within a table of which there is any number, or of all of it.
fn named(kind: &str, name: &str, key: &[String], whole: Option<What>, (what, values): (What, Values)) -> Change {
    let (mailbox, connection) = match kind {
        "mailbox" => (Some(MailboxName(name.to_owned())), None),
        _ => (None, Some(ConnectionName(name.to_owned()))),
    };
    let change = match whole {
        Some(What::Added) if kind == "mailbox" => Change {
            means: "it is watched, and its first start is as backlog says",
            ..bare(What::Added, (None, None))
        },
        Some(What::Removed) if kind == "mailbox" => Change {
            means: "it is no longer watched; what was received is finished",
            ..bare(What::Removed, (None, None))
        },
        Some(whole) => bare(whole, (None, None)),
        None => Change {
            key: Some(dotted(key)),
            means: if kind == "mailbox" {
                of_mailbox(key, &values)
            } else {
                of_connection(key)
            },
            ..bare(what, values)
        },
    };
    Change {
        mailbox,
        connection,
        ..change
    }
}

fn bare(what: What, (before, now): Values) -> Change {
    Change {
        what,
        mailbox: None,
        connection: None,
        rule: None,
        key: None,
        before,
        now,
        means: "",
    }
}

fn dotted(path: &[String]) -> String {
    path.iter().fold(String::new(), |path, key| {
        if path.is_empty() { key.clone() } else { join(&path, key) }
    })
}

fn meaning(path: &[String]) -> &'static str {
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    match keys.as_slice() {
        ["state_dir" | "journal"] => "at the next start",
        ["http", "listen"] => "the old address is left and the new one listened on",
        ["smtp", ..] => "for the letters that leave from now on",
        _ => "",
    }
}

fn of_mailbox(key: &[String], (_, now): &Values) -> &'static str {
    match key.first().map_or("", String::as_str) {
        "folder" => "its messages are read anew, as at a first start: backlog says what becomes of them",
        "host" | "port" | "username" | "mailbox" | "path" | "type" => {
            "it is opened anew, and its messages are compared with the journal"
        }
        "password" | "oauth" => "it is signed in to anew",
        "enabled" if *now == Some(Json::Bool(false)) => "it rests",
        "enabled" => "it is watched",
        "settle" => "for messages that are settled from now on",
        "backlog" => "counts at a first start, and for a mailbox that waits for it",
        _ => "",
    }
}

fn of_connection(key: &[String]) -> &'static str {
    match key.first().map_or("", String::as_str) {
        "url" | "auth_url" | "tenant" | "client_id" | "client_secret" | "scope" | "ca_file" => {
            "it is signed in to anew"
        }
        _ => "",
    }
}

/// What may be shown of a value before and now.
type Values = (Option<Json>, Option<Json>);

/// What differs between two tables, in the order of their keys.
fn differences(before: &BTreeMap<Path, Setting>, now: &BTreeMap<Path, Setting>) -> Vec<(Path, What, Values)> {
    let mut paths: Vec<&Path> = before.keys().chain(now.keys()).collect();
    paths.sort();
    paths.dedup();
    let differs = |path: &&Path| before.get(path) != now.get(path);
    let compare = |path: &Path| {
        let (old, new) = (before.get(path), now.get(path));
        let what = match (old, new) {
            (None, _) => What::Added,
            (_, None) => What::Removed,
            _ => What::Changed,
        };
        let shown = |setting: Option<&Setting>| match setting {
            Some(Setting::Shown(value)) => Some(value.clone()),
            _ => None,
        };
        // A secret in the place of what may be shown, or the other way: neither is.
        let is_hidden = [old, new]
            .iter()
            .any(|setting| matches!(setting, Some(Setting::Hidden(_))));
        let values = if is_hidden {
            (None, None)
        } else {
            (shown(old), shown(new))
        };
        (path.clone(), what, values)
    };
    paths.into_iter().filter(differs).map(compare).collect()
}

fn of_rules(before: &[EffectiveRule], now: &[EffectiveRule]) -> Vec<Change> {
    let at = |rules: &[EffectiveRule], name: &str| rules.iter().position(|rule| rule.name == name);
    let whole = |rule: &EffectiveRule, what, means| Change {
        rule: Some(rule.name.clone()),
        means,
        ..bare(what, (None, None))
    };
    let is_gone = |rule: &&EffectiveRule| at(now, &rule.name).is_none();
    let gone: Vec<&EffectiveRule> = before.iter().filter(is_gone).collect();
    let mut found: Vec<Change> = gone
        .iter()
        .map(|rule| {
            whole(
                rule,
                What::Removed,
                "deferred messages that stopped in it go on with the next rule",
            )
        })
        .collect();
    let places: Vec<Option<usize>> = now.iter().map(|rule| at(before, &rule.name)).collect();
    let stayed = longest_ascent(&places);
    for (index, rule) in now.iter().enumerate() {
        let Some(place) = places[index] else {
            let is_renamed = gone.iter().any(|gone| gone.parts == rule.parts);
            found.push(whole(rule, What::Added, if is_renamed { RENAMED } else { "" }));
            continue;
        };
        if !stayed.contains(&index) {
            found.push(Change {
                rule: Some(rule.name.clone()),
                ..bare(What::Moved, (Some((place + 1).into()), Some((index + 1).into())))
            });
        }
        let parts = differences(&before[place].parts, &rule.parts);
        found.extend(parts.into_iter().map(|(path, what, values)| Change {
            rule: Some(rule.name.clone()),
            means: of_rule(&path, &values),
            key: Some(path.0.join(": ")),
            ..bare(what, values)
        }));
    }
    found
}

fn of_rule(path: &Path, (_, now): &Values) -> &'static str {
    match path.0.first().map_or("", String::as_str) {
        "enabled" if *now == Some(Json::Bool(false)) => "it rests",
        "enabled" => "it runs",
        _ => "deferred messages that stopped in it begin it anew",
    }
}

/// The indexes of the longest run that ascends: what stayed in its order. The others have moved.
fn longest_ascent(places: &[Option<usize>]) -> Vec<usize> {
    let mut best: Vec<Vec<usize>> = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let follows = |run: &&Vec<usize>| run.last().is_some_and(|last| place.is_some() && places[*last] < *place);
        let mut run = best
            .iter()
            .filter(follows)
            .max_by_key(|run| run.len())
            .cloned()
            .unwrap_or_default();
        if place.is_some() {
            run.push(index);
        }
        best.push(run);
    }
    best.into_iter().max_by_key(Vec::len).unwrap_or_default()
}

#[cfg(test)]
mod tests;
