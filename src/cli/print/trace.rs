//! What happened in an attempt, for people.

use std::io::Write;

use serde_json::Value;

use super::{cut, plain, short};
use crate::{
    effect::EffectTrace,
    expression::Evaluated,
    run::trace::{RuleTrace, StepTrace, Trace},
};

/// What happened, or would happen, rule by rule.
pub fn print_trace(out: &mut impl Write, trace: &Trace) -> std::io::Result<()> {
    trace.rules.iter().try_for_each(|rule| print_rule(out, rule))
}

/// A value with all that lies in it, a line each; what is empty is left out.
pub fn print_value(out: &mut impl Write, name: &str, value: &Value) -> std::io::Result<()> {
    match value {
        Value::Null | Value::Bool(false) => Ok(()),
        Value::String(text) if text.is_empty() => Ok(()),
        Value::Array(list) if list.is_empty() => Ok(()),
        Value::Object(fields) => fields
            .iter()
            .try_for_each(|(field, value)| print_value(out, &format!("{name}.{field}"), value)),
        other => writeln!(out, "  {name} = {}", short(other)),
    }
}

fn print_rule(out: &mut impl Write, rule: &RuleTrace) -> std::io::Result<()> {
    let matched = rule.mailbox_matches && rule.condition.as_ref().is_none_or(|condition| condition.truth);
    let verdict = match (rule.mailbox_matches, matched, rule.resumed) {
        (false, ..) => "is for other mailboxes",
        (_, false, _) => "does not match",
        (_, _, true) => "goes on",
        _ => "matches",
    };
    writeln!(out, "\nrule {:?} {verdict}", rule.rule)?;
    if let Some(condition) = &rule.condition {
        print_condition(out, condition, 2)?;
    }
    for step in &rule.steps {
        print_step(out, step)?;
    }
    if matched && !rule.end.is_empty() {
        writeln!(out, "  → {}", plain(&rule.end))?;
    }
    Ok(())
}

fn print_condition(out: &mut impl Write, part: &Evaluated, indent: usize) -> std::io::Result<()> {
    let mark = if part.truth { "true " } else { "false" };
    let values: Vec<String> = part
        .values
        .iter()
        .map(|(name, value)| format!("{name} = {}", short(value)))
        .collect();
    let values = if values.is_empty() {
        String::new()
    } else {
        format!("   ({})", values.join(", "))
    };
    writeln!(out, "{:indent$}{mark} {}{values}", "", plain(&part.text))?;
    part.parts
        .iter()
        .try_for_each(|part| print_condition(out, part, indent + 2))
}

fn print_step(out: &mut impl Write, step: &StepTrace) -> std::io::Result<()> {
    let label = if step.name == step.kind {
        step.kind.clone()
    } else {
        format!("{} ({})", step.name, step.kind)
    };
    writeln!(out, "  {} {label}", step.path)?;
    if let Some(when) = &step.when {
        print_condition(out, when, 6)?;
    }
    if !step.ran {
        return Ok(());
    }
    let width = step.fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in &step.fields {
        writeln!(out, "      {name:width$} = {}", short(value))?;
    }
    step.effects.iter().try_for_each(|effect| print_effect(out, effect))?;
    match &step.error {
        Some(error) => {
            writeln!(out, "      fails: {}", plain(error))?;
            if let Some(on_error) = &step.on_error {
                writeln!(out, "      on_error = {on_error:?}")?;
            }
        }
        None if !step.result.is_null() => writeln!(out, "      gives {}", short(&without_raw(&step.result)))?,
        None => {}
    }
    Ok(())
}

fn print_effect(out: &mut impl Write, effect: &EffectTrace) -> std::io::Result<()> {
    let from = effect
        .from
        .as_ref()
        .map(|from| format!("   [{from}]"))
        .unwrap_or_default();
    writeln!(out, "      asks {}{from}", plain(&effect.effect))?;
    for call in &effect.calls {
        if call.is_unsent() {
            writeln!(out, "        {} {}   (not sent)", call.method, plain(&call.path))?;
            if !call.body.is_null() {
                writeln!(out, "          would send {}", short(&call.body))?;
            }
            continue;
        }
        let status = if call.http_status == 0 {
            "no answer".to_owned()
        } else {
            call.http_status.to_string()
        };
        let shared = match call.shared {
            0 => String::new(),
            messages => format!(", shared by {messages}"),
        };
        writeln!(
            out,
            "        {} {} → {status} in {} ms{shared}",
            call.method,
            plain(&call.path),
            call.took_ms
        )?;
        if !call.body.is_null() {
            writeln!(out, "          sent     {}", short(&call.body))?;
        }
        if !call.answer.is_empty() {
            writeln!(out, "          answered {}", cut(plain(&call.answer)))?;
        }
    }
    Ok(())
}

/// Halo's own records are long; the fields of the result say what matters.
fn without_raw(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(name, _)| *name != "raw")
                .map(|(name, value)| (name.clone(), without_raw(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_raw).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_shown_a_line_for_each_thing_that_is_not_empty() {
        let value = json!({
            "from": { "address": "ann@stranger.example", "name": "" }, "cc": [], "report": null, "automatic": false,
            "size": 12, "ticket_ids": [7],
        });
        let mut out = Vec::new();
        print_value(&mut out, "email", &value).unwrap();
        let expected = "  email.from.address = \"ann@stranger.example\"\n  email.size = 12\n  email.ticket_ids = [7]\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
