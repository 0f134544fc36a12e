//! What two ways of a message write otherwise: to Halo, to other servers, by mail. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    cli::print::short,
    effect::{Effect, EffectTrace, simulated::INVENTED},
    run::trace::Trace,
};

/// More of them are counted.
const MOST: usize = 4;
/// What only tells a write from others: it is made from names and places, and says nothing of what is done.
const MARKS: [&str; 6] = ["marker", "mark", "key", "message_id", "told", "number"];

/// Each with the step's type and field: `create_halo_user.client 12 → 15`.
pub fn differences(present: &Trace, new: &Trace) -> Vec<String> {
    let (before, after) = (writes(present), writes(new));
    let mut found = Vec::new();
    for (place, (step, write)) in numbered(&after) {
        match numbered(&before).find(|(known, _)| *known == place) {
            Some((_, (_, earlier))) => fields(&step, earlier, write, &mut found),
            None => found.push(format!("{step} is new: {}", write.effect)),
        }
    }
    for (place, (step, write)) in numbered(&before) {
        if !numbered(&after).any(|(known, _)| known == place) {
            found.push(format!("{step} is gone: {}", write.effect));
        }
    }
    let further = found.len().saturating_sub(MOST);
    if further > 0 {
        found.truncate(MOST);
        found.push(format!("and {further} more"));
    }
    found
}

type Write<'t> = (String, &'t EffectTrace);

/// What changes the world, with the type of its step.
fn writes(trace: &Trace) -> Vec<Write<'_>> {
    let steps = trace.rules.iter().flat_map(|rule| &rule.steps);
    let effects = steps.flat_map(|step| step.effects.iter().map(move |effect| (step.kind.clone(), effect)));
    effects.filter(|(_, effect)| is_write(effect)).collect()
}

fn is_write(trace: &EffectTrace) -> bool {
    let effect = serde_json::from_value::<Effect>(trace.asked.clone());
    effect.is_ok_and(|effect| effect.writes() || matches!(effect, Effect::Mail { .. }))
}

/// Each with what it is among its like: the second ticket of the one way is held against that of the other.
fn numbered<'w, 't>(
    writes: &'w [Write<'t>],
) -> impl Iterator<Item = ((String, String, usize), (String, &'t EffectTrace))> + 'w {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    writes.iter().map(move |(step, write)| {
        let kind = kind(&write.asked);
        let count = counts.entry((step.clone(), kind.clone())).or_insert(0);
        *count += 1;
        ((step.clone(), kind, *count), (step.clone(), *write))
    })
}

/// `ensure_user`, `request`, `mail`.
fn kind(asked: &Value) -> String {
    let within = asked.get("ask").unwrap_or(asked).as_object();
    within
        .and_then(|fields| fields.keys().next().cloned())
        .unwrap_or_default()
}

fn fields(step: &str, before: &EffectTrace, after: &EffectTrace, found: &mut Vec<String>) {
    let (mut one, mut other) = (BTreeMap::new(), BTreeMap::new());
    leaves(&content(&before.asked).into(), String::new(), &mut one);
    leaves(&content(&after.asked).into(), String::new(), &mut other);
    let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for name in names {
        let (one, other) = (one.get(name), other.get(name));
        if one != other {
            let text = |value: Option<&String>| value.cloned().unwrap_or_else(|| "nothing".to_owned());
            found.push(format!("{step}.{name} {} → {}", text(one), text(other)));
        }
    }
}

/// The values within, by a name that an operator knows from the step's fields.
fn leaves(value: &Value, name: String, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                if !MARKS.contains(&field.as_str()) {
                    leaves(value, named(&name, field), found);
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                leaves(item, format!("{name}[{at}]"), found);
            }
        }
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::Number(id) if id.as_i64().is_some_and(|id| id >= INVENTED) => {
            found.insert(name, "(new)".to_owned());
        }
        other => {
            found.insert(name, short(other));
        }
    }
}

/// What is asked, without what says only of which kind it is.
fn content(asked: &Value) -> Map<String, Value> {
    let mut content = Map::new();
    for (name, value) in asked.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("connection", name) => drop(content.insert("halo".to_owned(), name.clone())),
            // Below `ask` the kind, below that what is made or changed, of a ticket's its fields.
            ("ask", Value::Object(kinds)) => kinds.iter().for_each(|(kind, asked)| {
                unwrap(asked, &mut content);
                let field = match kind.as_str() {
                    "ensure_user" => "full_name",
                    "ensure_client" => "client_name",
                    _ => return,
                };
                let name = content.remove("name").unwrap_or_default();
                content.insert(field.to_owned(), name);
            }),
            (_, wrapped) => unwrap(wrapped, &mut content),
        }
    }
    content
}

fn unwrap(value: &Value, content: &mut Map<String, Value>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let is_wrapper = ["user", "client", "ticket", "action", "file", "fields"].contains(&name.as_str());
        if is_wrapper && value.is_object() {
            unwrap(value, content);
        } else {
            content.insert(name.clone(), value.clone());
        }
    }
}

/// The names of a step's fields, where ours are others.
fn named(name: &str, field: &str) -> String {
    let field = match field {
        "emailaddress" => "email_address",
        "client_id" => "client",
        "site_id" => "site",
        other => other,
    };
    if name.is_empty() {
        field.to_owned()
    } else {
        format!("{name}.{field}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(before: Value, after: Value, expected: &[&str]) {
        let trace = |asked: Value| EffectTrace {
            connection: None,
            effect: "what is asked".to_owned(),
            asked,
            calls: Vec::new(),
            from: None,
            answer: Value::Null,
            refused: None,
            unanswered: false,
            found: None,
        };
        let mut found = Vec::new();
        fields("step", &trace(before), &trace(after), &mut found);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_field_is_called_as_in_the_step_and_an_invented_id_is_new() {
        let user = |name: &str, client: i64| {
            json!({ "connection": "main", "ask": { "ensure_user": { "user": {
                "name": name, "emailaddress": "ann@stranger.example", "client_id": client } } } })
        };
        check(user("Ann", 12), user("Ann", 15), &["step.client 12 → 15"]);
        check(
            user("Ann", 12),
            user("Dr Ann", INVENTED + 3),
            &["step.client 12 → (new)", "step.full_name \"Ann\" → \"Dr Ann\""],
        );
        check(user("Ann", INVENTED + 1), user("Ann", INVENTED + 2), &[]);
    }

    #[test]
    fn marks_say_nothing_and_wrappers_are_left_out() {
        let ticket = |marker: &str, summary: &str, body: &str| {
            json!({ "connection": "main", "ask": { "create_ticket": { "ticket": {
                "marker": marker, "fields": { "summary": summary, "team": "" }, "mail": { "body": { "plain": body } } } } } })
        };
        check(ticket("a", "Printer", "x"), ticket("b", "Printer", "x"), &[]);
        check(
            ticket("a", "Printer", "x"),
            ticket("a", "Fax", ""),
            &[
                "step.mail.body.plain \"x\" → nothing",
                "step.summary \"Printer\" → \"Fax\"",
            ],
        );
        let change = |ticket: i64| json!({ "connection": "main", "ask": { "change_ticket": { "ticket": ticket, "fields": {} } } });
        check(change(1), change(2), &["step.ticket 1 → 2"]);
    }
}
