//! How commands print: tables, JSON lines, traces, and a progress bar where work is long.

use std::{
    ffi::OsStr,
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value;

use super::{Failure, Format};
use crate::{
    effect::EffectTrace,
    expression::Evaluated,
    pipeline::World,
    run::trace::{RuleTrace, StepTrace, Trace},
};

/// Values longer than this are cut in a trace for people; `--format json` has them whole.
const LONGEST_VALUE: usize = 400;

/// Where a listing is shown: a terminal, or a file or program that reads it.
pub struct Screen {
    /// Columns of the terminal; `None`: it is none, and nothing is cut.
    pub width: Option<u16>,
    /// Whether outcomes are coloured.
    pub colours: bool,
}

impl Screen {
    /// Standard output. `NO_COLOR` is respected.
    pub fn of_stdout() -> Screen {
        let is_terminal = std::io::stdout().is_terminal();
        Screen {
            width: is_terminal.then(|| Table::new().width()).flatten(),
            colours: is_terminal && may_colour(),
        }
    }

    /// A table for people: no lines, as wide as the terminal.
    pub fn table(&self, header: &[&str]) -> Table {
        let mut table = Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_truncation_indicator("…");
        match self.width {
            Some(width) => table
                .set_width(width)
                .set_content_arrangement(ContentArrangement::Dynamic),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        if self.colours {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let header = header.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold));
        table.set_header(self.row(header.collect()));
        table
    }

    /// Says of each column whether it may be cut so that a row fits into a line.
    pub fn cut(&self, table: &mut Table, columns: &[bool]) {
        for (column, _) in table.column_iter_mut().zip(columns).filter(|(_, cut)| !**cut) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }

    /// Adds a row, which takes one line.
    pub fn add(&self, table: &mut Table, cells: Vec<Cell>) {
        table.add_row(self.row(cells));
    }

    fn row(&self, cells: Vec<Cell>) -> comfy_table::Row {
        let mut row = comfy_table::Row::from(cells);
        if self.width.is_some() {
            row.max_height(1);
        }
        row
    }

    /// An outcome's word, with the number of attempts where there was more than one.
    pub fn outcome(&self, word: &str, attempts: u32) -> Cell {
        let text = if attempts > 1 {
            format!("{word} ({attempts})")
        } else {
            word.to_owned()
        };
        match colour(word).filter(|_| self.colours) {
            Some((colour, _)) => Cell::new(text).fg(colour),
            None => Cell::new(text),
        }
    }
}

/// Whether a terminal may be coloured: not where the user or the terminal says no.
pub fn may_colour() -> bool {
    let is = |name: &str, said: &dyn Fn(&OsStr) -> bool| std::env::var_os(name).is_some_and(|value| said(&value));
    !is("NO_COLOR", &|value| !value.is_empty()) && !is("TERM", &|value| value == "dumb")
}

/// What a glance should tell: green is well, red wants somebody, yellow is not over. With its code (ECMA-48, 8.3.117).
fn colour(outcome: &str) -> Option<(Color, u8)> {
    match outcome {
        "completed" => Some((Color::Green, 32)),
        "failed" => Some((Color::Red, 31)),
        "bounced" | "deferred" | "pending" | "can not be told" => Some((Color::Yellow, 33)),
        _ => None,
    }
}

/// An outcome's word in a text on standard output.
pub fn outcome(word: &str) -> String {
    match colour(word).filter(|_| Screen::of_stdout().colours) {
        Some((_, code)) => format!("\x1b[{code}m{word}\x1b[0m"),
        None => word.to_owned(),
    }
}

/// Prints a finished table without trailing blanks.
pub fn print_table(table: &Table) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A listing in either form: a row of texts, or an object of each record.
pub fn list<T, const N: usize>(
    format: Format,
    header: &[&str; N],
    records: &[T],
    row: impl Fn(&T) -> [String; N],
    object: impl Fn(&T) -> Value,
) -> Result<(), Failure> {
    if format == Format::Json {
        return records.iter().try_for_each(|record| json_line(&object(record)));
    }
    let screen = Screen::of_stdout();
    let mut table = screen.table(header);
    for record in records {
        let cells = row(record).map(|text| Cell::new(plain(&text)));
        screen.add(&mut table, cells.into());
    }
    // What is copied from a listing, ids and addresses, is never cut.
    let cut = header.map(|name| !matches!(name, "ID" | "ADDRESS"));
    screen.cut(&mut table, &cut);
    print_table(&table)
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
    // They turn the direction of what follows (Unicode's bidirectional algorithm), and with it the sense of a line.
    let turns = |c: &char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(calm)
        .filter(|c| !c.is_control() && !turns(c))
        .collect()
}

/// A value in one line, cut where it is long.
pub fn short(value: &Value) -> String {
    cut(match value {
        Value::String(text) => format!("{:?}", plain(text)),
        other => plain(&other.to_string()),
    })
}

fn cut(text: String) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// The bar that is on the terminal now: log lines are written above it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Standard error for log lines, each on a line of its own.
pub struct LogLines;

impl Write for LogLines {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let write = || std::io::stderr().write(octets);
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
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
        *BAR.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Shows how many messages came and how many have ended, where standard error is a terminal.
pub fn progress(world: &Arc<World>) -> Option<Progress> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::new_spinner();
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}").expect("the template is right");
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(120));
    let (world, shown) = (world.clone(), bar.clone());
    let task = tokio::spawn(async move {
        let mut ended_before = None;
        loop {
            if let Ok(totals) = world.journal.totals().await {
                let sum = |states: &[&str]| -> u64 {
                    totals
                        .values()
                        .flat_map(|totals| states.iter().filter_map(|state| totals.by_state.get(*state)))
                        .sum()
                };
                let seen: u64 = totals.values().map(|totals| totals.seen).sum();
                let ended = seen - sum(&["pending", "deferred"]);
                // Those of earlier runs are no work of this one.
                let before = *ended_before.get_or_insert(ended);
                shown.set_message(format!("{} of {} messages have ended", ended - before, seen - before));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    });
    Some(Progress { bar, task })
}

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
    fn what_a_mail_says_can_not_write_on_the_terminal() {
        for (text, expected) in [
            ("a\nb\tc", "a b c"),
            ("red \x1b[31mtext\x07", "red [31mtext"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

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
