//! How commands print: tables, JSON lines, traces, and a progress bar where work is long.

use std::{
    io::{IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

use comfy_table::{Attribute, Cell, ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value;

use super::Failure;
use crate::{
    expression::Evaluated,
    pipeline::World,
    run::trace::{RuleTrace, StepTrace, Trace},
};

/// Values longer than this are cut in a trace for people; `--format json` has them whole.
const LONGEST_VALUE: usize = 400;

/// A table for people: no lines, one row a line, as wide as the terminal.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    if !std::io::stdout().is_terminal() {
        table
            .force_no_tty()
            .set_content_arrangement(ContentArrangement::Disabled);
    }
    table
}

/// Prints a finished table without trailing blanks.
pub fn print_table(table: &Table) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// One object a line.
pub fn json_line<T: Serialize>(value: &T) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let line = serde_json::to_string(value).expect("listings are plain data");
    Ok(writeln!(out, "{line}")?)
}

/// A value of a message or of Halo, in one line and without control characters: it may try to write on the terminal.
pub fn plain(text: &str) -> String {
    let calm = |c: char| if c == '\n' || c == '\t' { ' ' } else { c };
    text.chars().map(calm).filter(|c| !c.is_control()).collect()
}

/// A value in one line, cut where it is long.
pub fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("{:?}", plain(text)),
        other => plain(&other.to_string()),
    };
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// How the work goes, on a terminal; gone when it is dropped.
pub struct Progress {
    bar: ProgressBar,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

/// Shows how many messages came and how many have ended, where standard error is a terminal.
pub fn progress(world: &Arc<World>) -> Option<Progress> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}").expect("the template is right");
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(120));
    let (world, shown) = (world.clone(), bar.clone());
    let task = tokio::spawn(async move {
        loop {
            if let Ok(totals) = world.journal.totals().await {
                let sum = |states: &[&str]| -> u64 {
                    totals
                        .values()
                        .flat_map(|totals| states.iter().filter_map(|state| totals.by_state.get(*state)))
                        .sum()
                };
                let open = sum(&["pending", "deferred"]);
                let seen: u64 = totals.values().map(|totals| totals.seen).sum();
                shown.set_message(format!("{} of {seen} messages have ended", seen - open));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    });
    Some(Progress { bar, task })
}

/// What happened, or would happen, rule by rule.
pub fn print_trace(trace: &Trace) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for rule in &trace.rules {
        print_rule(&mut out, rule)?;
    }
    Ok(())
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
    for effect in &step.effects {
        let from = effect
            .from
            .as_ref()
            .map(|from| format!("   [{from}]"))
            .unwrap_or_default();
        writeln!(out, "      asks {}{from}", plain(&effect.effect))?;
        for call in &effect.calls {
            let status = if call.http_status == 0 {
                String::new()
            } else {
                format!(" → {} in {} ms", call.http_status, call.took_ms)
            };
            writeln!(out, "        {} {}{status}", call.method, plain(&call.path))?;
            if !call.body.is_null() {
                writeln!(out, "          {}", short(&call.body))?;
            }
        }
    }
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
