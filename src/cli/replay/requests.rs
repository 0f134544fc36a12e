//! What two ways of a message write otherwise: to Halo, to other servers, by mail. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::origins::Worlds;
use crate::{
    cli::print::short,
    effect::{Effect, EffectTrace, simulated::INVENTED},
    run::trace::Trace,
};

/// What only tells a write from others, by what it is of: it is made from names and places, and says nothing of what is
/// done.
const MARKS: [(&str, &[&str]); 3] = [
    ("ask", &["marker"]),
    ("request", &["key"]),
    ("mail", &["mark", "message_id", "told"]),
];
/// So much that both have in common is shown before the place where two texts part, in characters.
const BEFORE: usize = 40;

/// Each with the step's type and field: `create_halo_user.client 12 → 15`.
pub fn differences(present: &Trace, new: &Trace, worlds: Worlds<'_>) -> Vec<String> {
    let (before, after) = (writes(present), writes(new));
    let mut found = Vec::new();
    for (place, (step, write)) in numbered(&after) {
        match numbered(&before).find(|(known, _)| *known == place) {
            Some((_, (_, earlier))) => fields(&step, (earlier, write), worlds, &mut found),
            None => found.push(format!("{step} is new: {}", write.effect)),
        }
    }
    for (place, (step, write)) in numbered(&before) {
        if !numbered(&after).any(|(known, _)| known == place) {
            found.push(format!("{step} is gone: {}", write.effect));
        }
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
    let effect = trace.asked.effect();
    effect.is_ok_and(|effect| effect.writes() || matches!(effect, Effect::Mail { .. }))
}

/// Each with what it is among its like: the second ticket of the one way is held against that of the other.
fn numbered<'w, 't>(
    writes: &'w [Write<'t>],
) -> impl Iterator<Item = ((String, String, usize), (String, &'t EffectTrace))> + 'w {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    writes.iter().map(move |(step, write)| {
        let kind = kind(&write.asked.json());
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

fn fields(step: &str, (before, after): (&EffectTrace, &EffectTrace), worlds: Worlds<'_>, found: &mut Vec<String>) {
    let (mut one, mut other) = (BTreeMap::new(), BTreeMap::new());
    leaves(content(&before.asked.json()).into(), String::new(), &mut one);
    leaves(content(&after.asked.json()).into(), String::new(), &mut other);
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for name in names {
        let change = match (one.get(name), other.get(name)) {
            (Some(one), Some(other)) if worlds.are_alike(name, one, other) => continue,
            (Some(Value::String(one)), Some(Value::String(other))) => between_texts(one, other),
            (one, other) => format!("{} → {}", in_words(one), in_words(other)),
        };
        found.push(format!("{step}.{name} {change}"));
    }
}

/// The values within, by a name that an operator knows from the step's fields.
fn leaves(value: Value, name: String, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                leaves(value, named(&name, &field), found);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.into_iter().enumerate() {
                leaves(item, format!("{name}[{at}]"), found);
            }
        }
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        other => {
            found.insert(name, other);
        }
    }
}

fn in_words(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::Number(id)) if id.as_i64().is_some_and(|id| id >= INVENTED) => "(new)".to_owned(),
        Some(value) => short(value),
    }
}

/// Two texts from where they part: what is cut behind that would be the same twice.
pub fn between_texts(present: &str, new: &str) -> String {
    let common = present.chars().zip(new.chars()).take_while(|(one, other)| one == other);
    let skipped = common.count().saturating_sub(BEFORE);
    let rest = |text: &str| match text.char_indices().nth(skipped) {
        _ if text.is_empty() => "nothing".to_owned(),
        Some((at, _)) if at > 0 => short(&format!("…{}", &text[at..]).into()),
        _ => short(&text.into()),
    };
    format!("{} → {}", rest(present), rest(new))
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
        let marks = MARKS.into_iter().filter(|(of, _)| of == name);
        marks
            .flat_map(|(_, marks)| marks)
            .for_each(|mark| drop(content.remove(*mark)));
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

    use super::{super::origins::Origins, *};
    use crate::effect::Said;

    fn check(before: Value, after: Value, expected: &[&str]) {
        let trace = |asked: Value| EffectTrace {
            connection: None,
            effect: "what is asked".to_owned(),
            asked: asked.into(),
            calls: Vec::new(),
            from: None,
            answer: Said::default(),
            refused: None,
            unanswered: false,
            found: None,
        };
        let mut found = Vec::new();
        let nothing = Origins::default();
        let worlds = Worlds {
            present: &nothing,
            new: &nothing,
        };
        fields("step", (&trace(before), &trace(after)), worlds, &mut found);
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
    }

    #[test]
    fn a_long_text_is_held_against_the_other_to_its_end_and_shown_where_they_part() {
        let mail = |end: &str| json!({ "mail": { "text": format!("{}{end}", "a".repeat(600)), "subject": "Hello" } });
        let shown = "a".repeat(BEFORE);
        check(mail("x"), mail("x"), &[]);
        check(
            mail("x"),
            mail("y\n"),
            &[&format!("step.text \"…{shown}x\" → \"…{shown}y⏎\"")],
        );
    }

    #[test]
    fn what_is_called_like_a_mark_elsewhere_counts() {
        let ticket = |field: &str, message: &str| {
            json!({ "connection": "main", "ask": { "create_ticket": { "ticket": { "marker": field, "fields": {
                "custom_fields": [{ "field": { "key": field }, "value": "x" }] }, "mail": { "message_id": message } } } } })
        };
        check(
            ticket("a", "one@stranger.example"),
            ticket("b", "two@stranger.example"),
            &[
                "step.custom_fields[0].field.key \"a\" → \"b\"",
                "step.mail.message_id \"one@stranger.example\" → \"two@stranger.example\"",
            ],
        );
        let file = |number: usize| json!({ "ask": { "attach_file": { "file": { "marker": "m", "number": number } } } });
        check(file(1), file(2), &["step.number 1 → 2"]);
        let request = |key: &str, body: &str| json!({ "request": { "key": key, "body": body } });
        check(request("a", "x"), request("b", "y"), &["step.body \"x\" → \"y\""]);
        let mail = |mark: &str| json!({ "mail": { "mark": mark, "message_id": mark, "told": { "until": mark } } });
        check(mail("a"), mail("b"), &[]);
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
