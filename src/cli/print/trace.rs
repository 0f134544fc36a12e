//! What happened in an attempt, for people.

use std::{io::Write, time::Duration};

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::{Screen, cut, fitting, plain, short};
use crate::{
    effect::EffectTrace,
    expression::Evaluated,
    halo::client::Call,
    run::trace::{RuleTrace, StepTrace, Trace},
    when,
};

mod folded;

/// What happened, or would happen, rule by rule.
pub fn print_trace(out: &mut impl Write, trace: &Trace) -> std::io::Result<()> {
    let screen = &Screen::of_stdout();
    let mut lines = Lines { out, screen };
    trace.rules.iter().try_for_each(|rule| lines.rule(rule))
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

/// Lines on a screen: none but a failure is longer than it is wide, and what is true or false has its colour.
struct Lines<'a, W: Write> {
    out: &'a mut W,
    screen: &'a Screen,
}

/// What stands before a line: its word, and its code on a terminal (ECMA-48, 8.3.117).
#[derive(Clone, Copy)]
struct Mark(&'static str, u8);

const NONE: Mark = Mark("", 0);
const TRUE: Mark = Mark("true  ", 32);
/// Most of what is false is as it should be, so it is not in the colour of a failure.
const FALSE: Mark = Mark("false ", 33);
const FAILS: Mark = Mark("fails: ", 31);
const NOT_ASKED: Mark = Mark("not asked ", 2);
const RULE_OF_OTHERS: Mark = Mark("rule ", 2);

impl<W: Write> Lines<'_, W> {
    fn line(&mut self, indent: usize, text: &str) -> std::io::Result<()> {
        self.marked(indent, NONE, text)
    }

    fn marked(&mut self, indent: usize, mark: Mark, text: &str) -> std::io::Result<()> {
        let text = fitting(text, self.room(indent + mark.0.len()));
        self.whole(indent, mark, &text)
    }

    fn whole(&mut self, indent: usize, mark: Mark, text: &str) -> std::io::Result<()> {
        let Mark(word, code) = mark;
        if self.screen.colours && code != 0 {
            return writeln!(self.out, "{:indent$}\x1b[{code}m{word}\x1b[0m{text}", "");
        }
        writeln!(self.out, "{:indent$}{word}{text}", "")
    }

    /// Of a long line the end is shown as well: it says what came of it.
    fn ending(&mut self, indent: usize, text: &str, end: &str) -> std::io::Result<()> {
        let room = self.room(indent + end.width());
        self.line(indent, &format!("{}{end}", fitting(text, room)))
    }

    fn room(&self, taken: usize) -> usize {
        let width = self.screen.width.map_or(usize::MAX, usize::from);
        width.saturating_sub(taken)
    }

    fn rule(&mut self, rule: &RuleTrace) -> std::io::Result<()> {
        let matched = rule.mailbox_matches && rule.condition.as_ref().is_none_or(|condition| condition.truth);
        let name = short(&(*rule.rule).into());
        writeln!(self.out)?;
        if !rule.mailbox_matches {
            return self.marked(0, RULE_OF_OTHERS, &format!("{name} is for other mailboxes"));
        }
        let verdict = match (matched, rule.resumed) {
            (false, _) => "does not match",
            (_, true) => "goes on",
            _ => "matches",
        };
        self.line(0, &format!("rule {name} {verdict}"))?;
        if let Some(condition) = &rule.condition {
            self.condition(condition, 2)?;
        }
        rule.steps.iter().try_for_each(|step| self.step(step))?;
        if matched && !rule.end.is_empty() {
            self.line(2, &format!("→ {}", plain(&rule.end)))?;
        }
        Ok(())
    }

    fn condition(&mut self, part: &Evaluated, indent: usize) -> std::io::Result<()> {
        if !part.asked {
            return self.marked(indent, NOT_ASKED, &plain(&part.text));
        }
        let values: Vec<String> = part
            .values
            .iter()
            .map(|(name, value)| format!("{name} = {}", short(&value.json())))
            .collect();
        let values = if values.is_empty() {
            String::new()
        } else {
            format!("   ({})", values.join(", "))
        };
        let mark = if part.truth { TRUE } else { FALSE };
        self.marked(indent, mark, &format!("{}{values}", plain(&part.text)))?;
        part.parts.iter().try_for_each(|part| self.condition(part, indent + 2))
    }

    fn step(&mut self, step: &StepTrace) -> std::io::Result<()> {
        let label = if step.name == step.kind {
            step.kind.clone()
        } else {
            format!("{} ({})", step.name, step.kind)
        };
        let mut calls = step.effects.iter().flat_map(|effect| &effect.calls);
        let took = match calls.any(|call| !call.is_unsent()) {
            true => format!("   {}", when::length(Duration::from_millis(step.took_ms))),
            false => String::new(),
        };
        self.line(2, &format!("{} {}{took}", step.path, plain(&label)))?;
        if let Some(when) = &step.when {
            self.condition(when, 6)?;
        }
        if !step.ran {
            return Ok(());
        }
        let width = step.fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in &step.fields {
            self.line(6, &format!("{name:width$} = {}", short(value)))?;
        }
        step.effects.iter().try_for_each(|effect| self.effect(effect))?;
        match &step.error {
            Some(error) => {
                // Whole, however long it is: it may stand nowhere else.
                self.whole(6, FAILS, &plain(error))?;
                if let Some(on_error) = &step.on_error {
                    self.line(6, &format!("on_error = {on_error:?}"))?;
                }
            }
            None if !step.result.is_null() => self.line(6, &format!("gives {}", short(&step.result.json())))?,
            None => {}
        }
        Ok(())
    }

    fn effect(&mut self, effect: &EffectTrace) -> std::io::Result<()> {
        let from = effect
            .from
            .as_ref()
            .map(|from| format!("   [{from}]"))
            .unwrap_or_default();
        self.line(6, &format!("asks {}{from}", plain(&effect.effect)))?;
        for run in folded::runs(&effect.calls) {
            match run {
                [one] => self.call(one)?,
                alike => {
                    let (requests, end) = folded::line(alike);
                    self.ending(8, &plain(&requests), &end)?;
                }
            }
        }
        Ok(())
    }

    fn call(&mut self, call: &Call) -> std::io::Result<()> {
        let request = format!("{} {}", call.method, plain(&call.path));
        if call.is_unsent() {
            self.ending(8, &request, "   (not sent)")?;
            if !call.body.is_null() {
                self.line(10, &format!("would send {}", short(&call.body)))?;
            }
            return Ok(());
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
        let took = when::length(Duration::from_millis(call.took_ms));
        self.ending(8, &request, &format!(" → {status} in {took}{shared}"))?;
        if !call.body.is_null() {
            self.line(10, &format!("sent     {}", short(&call.body)))?;
        }
        if !call.answer.is_empty() {
            self.line(10, &format!("answered {}", cut(plain(&call.answer))))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn drawn(width: Option<u16>, colours: bool) -> String {
        let leaf = |text: &str, truth: bool| Evaluated {
            text: text.into(),
            truth,
            values: [(text.into(), truth.into())].into(),
            parts: Vec::new(),
            asked: true,
        };
        let unasked = Evaluated {
            asked: false,
            ..leaf("email.size > 1", false)
        };
        let condition = Evaluated {
            parts: vec![leaf("email.junk", true), unasked],
            values: Default::default(),
            ..leaf("email.junk or email.size > 1", true)
        };
        let rule = |name: &str, mailbox_matches| RuleTrace {
            rule: name.into(),
            mailbox_matches,
            condition: mailbox_matches.then(|| condition.clone()),
            resumed: false,
            steps: Vec::new(),
            end: String::new(),
        };
        let (mut out, screen) = (Vec::new(), &Screen { width, colours });
        let mut lines = Lines { out: &mut out, screen };
        lines.rule(&rule("其他邮箱的规则", true)).unwrap();
        lines.rule(&rule("theirs", false)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_decided_is_marked_and_what_was_not_asked_says_so() {
        let expected = "\nrule \"其他邮箱的规则\" matches\n  true  email.junk or email.size > 1\n    \
             true  email.junk   (email.junk = true)\n    not asked email.size > 1\n\nrule \"theirs\" is for other mailboxes\n";
        assert_eq!(drawn(None, false), expected);
        let coloured = drawn(None, true);
        assert!(coloured.contains("    \x1b[32mtrue  \x1b[0memail.junk"), "{coloured:?}");
        assert!(coloured.contains("\x1b[2mnot asked \x1b[0memail.size"), "{coloured:?}");
    }

    #[test]
    fn of_a_long_request_what_came_of_it_is_shown() {
        let (mut out, screen) = (
            Vec::new(),
            &Screen {
                width: Some(40),
                colours: false,
            },
        );
        let mut lines = Lines { out: &mut out, screen };
        let request = format!("GET /Users?{}", "search=ann&".repeat(9));
        lines.ending(8, &request, " → 200 in 3 ms").unwrap();
        let drawn = String::from_utf8(out).unwrap();
        assert_eq!(drawn, "        GET /Users?search… → 200 in 3 ms\n");
    }

    #[test]
    fn only_a_failure_has_its_colour_and_is_shown_whole() {
        let (mut out, screen) = (
            Vec::new(),
            &Screen {
                width: Some(20),
                colours: true,
            },
        );
        let mut lines = Lines { out: &mut out, screen };
        lines.marked(0, FALSE, "email.automatic").unwrap();
        lines.whole(0, FAILS, "site is a site of client 13").unwrap();
        let drawn = String::from_utf8(out).unwrap();
        let expected = "\x1b[33mfalse \x1b[0memail.automat…\n\x1b[31mfails: \x1b[0msite is a site of client 13\n";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn no_line_is_longer_than_the_screen() {
        for width in [20, 30, 80] {
            let drawn = drawn(Some(width), false);
            let widest = drawn.lines().map(UnicodeWidthStr::width).max();
            assert!(widest <= Some(usize::from(width)), "{width}: {drawn}");
        }
        assert_eq!(fitting("规则 rule", 5), "规则…");
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
