//! The rules in their order: for which mailboxes, when, what they do, and how often each matched.

use std::collections::BTreeMap;

use axum::{Extension, extract::State};
use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    Answer, Site,
    sheet::{Sheet, Tab},
    words,
};
use crate::{
    count::counted,
    http::access::Caller,
    journal::RuleCount,
    rules::{Entry, FieldSource, FieldTemplate, OnError, Rule, Step, Store},
};

/// `GET /rules`
pub async fn page(State(site): State<Site>, Extension(caller): Extension<Caller>) -> Answer {
    let world = &site.0.world;
    let now = world.clock.now();
    let counts = site
        .look(move |journal| async move { journal.rule_counts().await })
        .await?;
    let generation = world.generation.load_full();
    let sheet = Sheet::new("Rules", Tab::Rules, &caller);
    Ok(sheet.around(&html! {
        h1 { "Rules" }
        p .faint {
            "They run from top to bottom; each that matches runs its steps in order. Rules at rest are left out. \
             A message counts once for a rule when it ends; one that runs again counts again."
        }
        @if generation.rules.rules.is_empty() { p { "There is none." } }
        @for (place, one) in generation.rules.rules.iter().enumerate() { (rule(place + 1, one, &counts, now)) }
    }))
}

fn rule(number: usize, rule: &Rule, counts: &BTreeMap<String, RuleCount>, now: Timestamp) -> Markup {
    let count = counts.get(&*rule.name).cloned().unwrap_or_default();
    let mailboxes = rule.mailboxes.as_ref();
    let names = mailboxes.map(|names| names.iter().map(|name| name.0.as_str()).collect::<Vec<_>>().join(", "));
    html! {
        article .card.rule {
            h2 { (number) ". " (words::line(&rule.name)) }
            p {
                @if count.matched == 0 { span .faint { "matched no message yet" } }
                @else { "matched " (counted(count.matched, "message")) }
                @if let Some(last) = count.last { ", the last one " (words::time(last, now)) }
            }
            dl .facts {
                dt { "Mailboxes" } dd { (names.as_deref().unwrap_or("all")) }
                dt { "When" }
                dd { @match &rule.when { Some(when) => { code { (when.source()) } }, None => { "always" } } }
            }
            ol .steps { @for one in &rule.steps { li { (step(one)) } } }
        }
    }
}

fn step(step: &Step) -> Markup {
    let kind = step.kind.row().word;
    let written: Vec<&FieldTemplate> = step.fields.iter().filter(|field| field.written).collect();
    html! {
        p .step {
            strong { (words::line(&step.name)) }
            @if step.name != kind { " (" (kind) ")" }
            @if let Some(connection) = &step.connection { span .faint { " at " (connection.0) } }
        }
        dl .fields {
            @if let Some(when) = &step.when { dt { "when" } dd { code { (when.source()) } } }
            @for field in written { dt { (field.name) } dd { code { (words::line(&source(&field.source))) } } }
            @if step.on_error != OnError::Exception { dt { "on_error" } dd { (step.on_error.word()) } }
            @match &step.store_as {
                Some(Store::Custom(name)) => { dt { "store_as" } dd { code { (name) } } }
                Some(Store::Global(name)) => { dt { "store_as" } dd { code { "global." (name) } } }
                None => {}
            }
        }
        @if !step.steps.is_empty() { ol .steps { @for inner in &step.steps { li { (self::step(inner)) } } } }
    }
}

/// The text of a field, as it was written.
fn source(source: &FieldSource) -> String {
    match source {
        FieldSource::Text(template) => template.source().to_owned(),
        FieldSource::Expression(expression) => expression.source().to_owned(),
        FieldSource::Table(fields) => {
            let fields = fields
                .iter()
                .map(|(name, template)| format!("{name} = {:?}", template.source()));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        FieldSource::Entry(entry) => written(entry),
    }
}

fn written(entry: &Entry) -> String {
    match entry {
        Entry::Text(template) => format!("{:?}", template.source()),
        Entry::Fixed(value) => value.to_string(),
        Entry::List(entries) => format!("[{}]", entries.iter().map(written).collect::<Vec<_>>().join(", ")),
        Entry::Table(fields) => {
            let fields = fields
                .iter()
                .map(|(name, entry)| format!("{name} = {}", written(entry)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}
