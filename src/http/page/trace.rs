//! What happened in each attempt: rules with their conditions, steps with their fields, requests with their answers.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use super::words;
use crate::{
    count::counted,
    effect::EffectTrace,
    expression::Evaluated,
    foreign::status_line,
    halo::client::Call,
    journal::{Attempt, Entry},
    run::trace::{RuleTrace, StepTrace, Trace},
    when,
};

/// Of an attempt with more steps, of a step with more requests, `show` has the rest.
const MOST_STEPS: usize = 200;
const MOST_CALLS: usize = 50;
/// Of many attempts the newest.
const MOST_ATTEMPTS: usize = 20;

/// The newest attempt first; it alone is open.
pub fn attempts(entry: &Entry, now: Timestamp) -> Markup {
    let earlier = entry.attempts.len().saturating_sub(MOST_ATTEMPTS);
    html! {
        section aria-labelledby="happened" {
            h2 #happened { "What happened" }
            @if entry.attempts.is_empty() { p .faint { "No attempt has ended yet." } }
            @for (place, attempt) in entry.attempts.iter().rev().take(MOST_ATTEMPTS).enumerate() {
                (one(attempt, place == 0, now))
            }
            @if earlier > 0 { p .faint { "… and " (earlier) " earlier ones; " code { "halo-intake show " (entry.row.id) } " has them." } }
        }
    }
}

fn one(attempt: &Attempt, is_open: bool, now: Timestamp) -> Markup {
    let took = attempt.ended.duration_since(attempt.began).unsigned_abs();
    let trace: Option<Trace> = serde_json::from_value(attempt.trace.clone()).ok();
    html! {
        details .card open[is_open] {
            summary {
                "Attempt " (attempt.number) " " (words::outcome(&attempt.result, 1)) " " (words::time(attempt.began, now))
                span .faint { ", took " (when::length(took)) }
            }
            @if !attempt.reason.is_empty() { p .reason { bdi { (words::line(&attempt.reason)) } } }
            @match trace {
                Some(trace) => { (rules(&trace)) }
                None => { p .faint { "What happened in it is no longer kept." } }
            }
        }
    }
}

fn rules(trace: &Trace) -> Markup {
    let elsewhere = trace.rules.iter().filter(|rule| !rule.mailbox_matches).count();
    let calls = trace.counted();
    let took = Duration::from_millis(trace.calls().map(|call| call.took_ms).sum());
    let mut steps = MOST_STEPS;
    let shown: Vec<Markup> = trace
        .rules
        .iter()
        .filter(|rule| rule.mailbox_matches)
        .map(|rule| one_rule(rule, &mut steps))
        .collect();
    html! {
        @if trace.rules.is_empty() { p .faint { "No rule was asked." } }
        @for rule in shown { (rule) }
        @if elsewhere > 0 { p .faint { (counted(elsewhere, "rule")) " for other mailboxes" } }
        p .faint { (counted(calls, "request")) " to Halo" @if calls > 0 { ", " (when::length(took)) } }
    }
}

/// A rule that did not match is closed: what it asked for is behind its line.
fn one_rule(rule: &RuleTrace, left: &mut usize) -> Markup {
    let matched = rule.condition.as_ref().is_none_or(|condition| condition.truth);
    let steps = rule.steps.len().min(*left);
    *left -= steps;
    let more = rule.steps.len() - steps;
    html! {
        details .rule open[matched] {
            summary {
                "Rule " strong { (words::line(&rule.rule)) } " "
                @if !matched { span .faint { "does not match" } }
                @else if rule.resumed { span .good { "goes on" } }
                @else { span .good { "matches" } }
                @if matched && !rule.end.is_empty() { span .faint { " → " (words::line(&rule.end)) } }
            }
            @if let Some(condition) = &rule.condition { ul .parts { (part(condition)) } }
            @if !rule.steps.is_empty() {
                ol .steps { @for one in &rule.steps[..steps] { li { (step(one)) } } }
            }
            @if more > 0 { p .faint { "… and " (counted(more, "step")) " more; halo-intake show has them" } }
        }
    }
}

/// A part of a condition: whether it holds, its text, and what it read.
fn part(evaluated: &Evaluated) -> Markup {
    html! {
        li {
            (truth(evaluated)) " "
            code { (words::line(&evaluated.text)) }
            @for (name, value) in &evaluated.values {
                span .read { " " code { (name) } " = " bdi { (words::value(&value.json())) } }
            }
            @if !evaluated.parts.is_empty() { ul { @for inner in &evaluated.parts { (part(inner)) } } }
        }
    }
}

/// Of a part that was not reached nobody knows: those before it had decided.
fn truth(evaluated: &Evaluated) -> Markup {
    let (tone, word) = match (evaluated.asked, evaluated.truth) {
        (false, _) => ("faint", "not asked"),
        (_, true) => ("good", "true"),
        (_, false) => ("open", "false"),
    };
    html! { span .truth.(tone) { (word) } }
}

fn step(step: &StepTrace) -> Markup {
    html! {
        p .step {
            code { (step.path) } " " strong { (words::line(&step.name)) }
            @if step.name != step.kind { " (" (step.kind) ")" }
            @if step.ran { span .faint { ", " (when::length(Duration::from_millis(step.took_ms))) } } @else { span .faint { ", its condition did not hold" } }
        }
        @if let Some(when) = &step.when { ul .parts { (part(when)) } }
        @if step.ran {
            @if !step.fields.is_empty() {
                dl .fields {
                    @for (name, value) in &step.fields { dt { (name) } dd { bdi { (words::value(value)) } } }
                }
            }
            @for effect in &step.effects { (asked(effect)) }
            @if let Some(error) = &step.error {
                p .bad { "fails: " bdi { (words::line(error)) } }
                @if let Some(on_error) = &step.on_error { p .faint { "on_error = " (on_error) } }
            } @else if !step.result.is_null() {
                p { span .faint { "gives " } bdi .value { (words::value(&step.result.json())) } }
            }
        }
    }
}

fn asked(effect: &EffectTrace) -> Markup {
    let more = effect.calls.len().saturating_sub(MOST_CALLS);
    html! {
        p { span .faint { "asks " } bdi { (words::line(&effect.effect)) }
            @if let Some(from) = &effect.from { " " span .faint { "[" (from) "]" } }
        }
        @for one in effect.calls.iter().take(MOST_CALLS) { (call(one)) }
        @if more > 0 { p .faint { "… and " (counted(more, "request")) " more" } }
    }
}

/// A request behind its line: what was sent, and what came.
fn call(call: &Call) -> Markup {
    let (tone, status) = match call.http_status {
        0 if call.is_unsent() => ("calm", "not sent".to_owned()),
        0 => ("bad", "no answer".to_owned()),
        status @ 200..400 => ("good", status_line(status)),
        status => ("bad", status_line(status)),
    };
    html! {
        details .call {
            summary {
                code { (call.method) " " (words::line(&call.path)) } " "
                span .(tone) { (status) } span .faint { " in " (when::length(Duration::from_millis(call.took_ms))) ", " (call.at.strftime("%H:%M:%S UTC"))
                    @if call.shared > 0 { ", shared by " (call.shared) } }
            }
            dl .fields {
                @if !call.body.is_null() { dt { "sent" } dd { bdi { (words::value(&call.body)) } } }
                @if !call.answer.is_empty() { dt { "answered" } dd { bdi { (words::line(&call.answer)) } } }
            }
        }
    }
}
