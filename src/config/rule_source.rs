//! `[[rule]]`: each rule as it is written. What its steps mean is checked where the steps are known.

use std::{cell::RefCell, collections::BTreeMap};

use ::config::ValueKind;
use serde_json::{Map, Value as Json};

use super::{
    ActionSource, MailboxName, RuleSource,
    fault::{Fault, suggest},
    layers::values_of,
    table::Table,
    value::{flag, line, refuse, text},
};

/// Reads the rules of all files in their order; what is wrong with one of them is kept, and the rule as well.
/// `place` says where the value at a path is written.
pub fn rules(
    written: &[Json],
    mailboxes: &[MailboxName],
    place: &dyn Fn(&str) -> String,
    faults: &RefCell<Vec<Fault>>,
) -> Vec<RuleSource> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut rules = Vec::new();
    for (index, json) in written.iter().enumerate() {
        let path = format!("rule[{index}]");
        let Json::Object(keys) = json else {
            let remedy = "write each rule below a [[rule]]";
            faults
                .borrow_mut()
                .push(Fault::at(path, "this rule is not a table", remedy));
            continue;
        };
        let rule = rule(&path, keys, mailboxes, faults);
        let path = format!("{path}.name");
        if let Some(earlier) = names.get(&rule.name) {
            let problem = format!("rule {:?} is called like the rule at {}", rule.name, place(earlier));
            faults
                .borrow_mut()
                .push(Fault::at(path, problem, "give each rule a name of its own"));
        } else if !rule.name.is_empty() {
            names.insert(rule.name.clone(), path);
        }
        rules.push(rule);
    }
    rules
}

fn rule(path: &str, keys: &Map<String, Json>, known: &[MailboxName], faults: &RefCell<Vec<Fault>>) -> RuleSource {
    // The table reads all but the steps, which stay in the order in which they are written.
    let simple = values_of("rule", Json::Object(keys.clone()))
        .into_table()
        .unwrap_or_default();
    let called = match keys.get("name") {
        Some(Json::String(name)) if !name.trim().is_empty() => format!("rule {name:?}"),
        _ => "this rule".to_owned(),
    };
    let table = Table::new(path, &simple, Default::default(), faults).called(&called);
    let name = table
        .need("name", "\"…\", by which journal and logs call it", line)
        .unwrap_or_default();
    let enabled = table.get("enabled", flag).unwrap_or(true);
    let when = table.get("when", text);
    let mailboxes = mailboxes(&table, known);
    if table.value("action").is_none() {
        let problem = format!("{called} has no step, so its messages end as completed with nothing done");
        let fault = Fault::at(path, problem, "add a [[rule.action]], or set enabled = false");
        table.report(fault.as_warning());
    }
    table.finish();
    let actions = actions(path, &called, keys, faults);
    RuleSource {
        path: path.to_owned(),
        name,
        enabled,
        mailboxes,
        when,
        actions,
    }
}

/// The mailboxes that a rule names, each of which must be there.
fn mailboxes(table: &Table<'_>, known: &[MailboxName]) -> Option<Vec<MailboxName>> {
    let empty = |value: &::config::Value| matches!(&value.kind, ValueKind::Array(list) if list.is_empty());
    if table.value("mailboxes").is_some_and(empty) {
        let remedy = "leave the key out for all mailboxes, or set enabled = false";
        table.fault("mailboxes", "is empty, so the rule never runs", remedy);
    }
    table.list("mailboxes", |value| {
        let name = text(value)?;
        if known.iter().any(|mailbox| mailbox.0 == name) {
            return Ok(MailboxName(name));
        }
        let remedy = match known {
            [] => format!("add [mailbox.{name}]"),
            known => suggest(&name, known.iter().map(|mailbox| mailbox.0.as_str())),
        };
        refuse(format!("is {name:?}, and no mailbox has that name"), remedy)
    })
}

/// The steps below `path`; each has a type, the rest of its keys is for the table of steps.
fn actions(path: &str, owner: &str, keys: &Map<String, Json>, faults: &RefCell<Vec<Fault>>) -> Vec<ActionSource> {
    let path = format!("{path}.action");
    match keys.get("action") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(list)) => {
            let steps = list.iter().enumerate();
            let read = |(index, json): (usize, &Json)| {
                action(
                    format!("{path}[{index}]"),
                    &format!("step {} of {owner}", index + 1),
                    json,
                    faults,
                )
            };
            steps.filter_map(read).collect()
        }
        Some(_) => {
            let remedy = "write each step below a [[rule.action]], with two brackets";
            let problem = format!("the steps of {owner} are not a list");
            faults.borrow_mut().push(Fault::at(path, problem, remedy));
            Vec::new()
        }
    }
}

/// One step; without a type nobody knows what it is, so it is left out.
fn action(path: String, called: &str, json: &Json, faults: &RefCell<Vec<Fault>>) -> Option<ActionSource> {
    let report = |path: &str, problem: &str, remedy: &str| {
        faults
            .borrow_mut()
            .push(Fault::at(path, format!("{called} {problem}"), remedy));
    };
    let Json::Object(keys) = json else {
        report(&path, "is not a table", "write each step below a [[rule.action]]");
        return None;
    };
    let actions = actions(&path, called, keys, faults);
    let kind = match keys.get("type") {
        Some(Json::String(kind)) => Some(kind.clone()),
        Some(Json::Null) => None,
        Some(_) => {
            let remedy = "write it in quotes, such as type = \"create_halo_user\"";
            report(&format!("{path}.type"), "has a type that is not a text", remedy);
            None
        }
        None => {
            report(&path, "has no type", "add type = \"create_halo_user\" or another step");
            None
        }
    };
    let fields = keys
        .iter()
        .filter(|(key, _)| !["type", "action"].contains(&key.as_str()));
    let fields = fields.map(|(key, value)| (key.clone(), value.clone())).collect();
    Some(ActionSource {
        path,
        kind: kind?,
        fields,
        actions,
    })
}
