//! `docs/reference.md`: the steps, the names, the filters, tests and functions.

use std::fmt::Write;

use halo_intake::{
    action::{self, Cost, Field, FieldKind, Row},
    context::table::{self, Fact, Kind},
    expression::{
        catalog::{self, Argument, Entry, Gives, Takes},
        shape::Shape,
    },
    rules::OnError,
};

use crate::{capital, cell, code, page_is, section};

const HEAD: &str = "\
# Reference: steps, names, filters

This page is made from the program's own tables (`UPDATE=1 cargo test --test manual`), so it is what `check` goes by.
[Rules](rules.md) and [expressions](expressions.md) say how they are used.
";

#[test]
fn the_reference_is_what_the_tables_say() {
    page_is("docs/reference.md", &reference());
}

fn reference() -> String {
    let mut page = HEAD.to_owned();
    steps(&mut page);
    names(&mut page);
    let sections = [
        ("Filters", "{{ value | name(argument=…) }}", catalog::FILTERS),
        ("Tests", "value is name(argument=…)", catalog::TESTS),
        ("Functions", "name(argument=…)", catalog::FUNCTIONS),
    ];
    for (title, form, entries) in sections {
        let heading = format!("{title}\n\nWritten `{form}`. An argument with `?` may be left out.");
        section(
            &mut page,
            &heading,
            &["name", "used on", "gives", ""],
            entries.iter().map(entry),
        );
    }
    page
}

fn steps(page: &mut String) {
    let words = OnError::ALL.map(|(word, _)| format!("`\"{word}\"`")).join(", ");
    let common = [
        [
            "`name`",
            "text",
            "what `log` and `show` call the step; its type where it has none",
        ],
        ["`when`", "condition", "whether it runs; always where it has none"],
        [
            "`halo`",
            "literal name",
            "which `[halo.NAME]`; may be left out when there is one",
        ],
        [
            "`on_error`",
            &words,
            "what a failure for good means; the first is the default",
        ],
        [
            "`store_as`",
            "literal name",
            "keeps the result as `custom.NAME`, or with `\"global.NAME\"` to the message's end",
        ],
    ];
    let rows = common.map(|row| row.map(str::to_owned));
    section(page, "Every step", &["key", "written as", ""], rows.into_iter());
    action::TABLE.iter().for_each(|row| step(page, row));
}

fn step(page: &mut String, row: &Row) {
    let halo = if row.asks_halo { asks(row.cost) } else { String::new() };
    let heading = format!("`{}`\n\n{}.{halo}", row.word, capital(row.doc));
    if row.fields.is_empty() {
        writeln!(page, "\n## {heading}").expect("a text takes everything");
    } else {
        section(
            page,
            &heading,
            &["field", "written as", "default", ""],
            row.fields.iter().map(field),
        );
    }
    if let Shape::Record(fields) = row.kind.result_shape() {
        let fields: Vec<String> = fields.iter().map(|(name, shape)| result(name, shape)).collect();
        writeln!(page, "\nIt stores {}.", fields.join(", ")).expect("a text takes everything");
    }
}

/// What a step costs there.
fn asks(cost: Cost) -> String {
    let requests = |count: u32| format!("{count} request{}", if count == 1 { "" } else { "s" });
    match (cost.looks, cost.creates) {
        (0, writes) => format!(" It asks Halo: {}.", requests(writes)),
        (looks, 0) => format!(" It asks Halo: up to {}.", requests(looks)),
        (looks, creates) => format!(
            " It asks Halo: up to {}, and {creates} more where it makes a user or client.",
            requests(looks)
        ),
    }
}

fn field(field: &Field) -> [String; 4] {
    let default = match (field.required, field.default) {
        (true, _) => "needed".to_owned(),
        (false, "") => String::new(),
        (false, default) => code(default),
    };
    [code(field.name), written(field.kind), default, cell(field.doc)]
}

fn written(kind: FieldKind) -> String {
    match kind {
        FieldKind::Text => "text expression".to_owned(),
        FieldKind::Reference => "id, exact name, `{ name = \"…\" }` or text expression".to_owned(),
        FieldKind::Choice(list) => format!("name or number of a {list}, `{{ name = \"…\" }}` or text expression"),
        FieldKind::Id => "id or text expression".to_owned(),
        FieldKind::Truth => "`true`, `false` or text expression".to_owned(),
        FieldKind::Count(u32::MAX) => "whole number from 1, or text expression".to_owned(),
        FieldKind::Count(most) => format!("whole number from 1 to {most}, or text expression"),
        FieldKind::Word(words) => words
            .iter()
            .map(|word| format!("`\"{word}\"`"))
            .collect::<Vec<_>>()
            .join(", "),
        FieldKind::Table => "table of text expressions".to_owned(),
        FieldKind::Url => "text expression whose server is literal".to_owned(),
        FieldKind::Headers => "table of text expressions and secrets".to_owned(),
        FieldKind::Json => "table with text expressions, or a text expression".to_owned(),
        FieldKind::Statuses => "literal statuses".to_owned(),
        FieldKind::Expression => "expression without braces".to_owned(),
        FieldKind::Duration => "duration, `\"1h\"`".to_owned(),
        FieldKind::Name => "literal name".to_owned(),
    }
}

/// A field of a result, with the names below it.
fn result(name: &str, shape: &Shape) -> String {
    let null = if matches!(shape, Shape::Nullable(_)) {
        " or null"
    } else {
        ""
    };
    let below = match shape.present() {
        Shape::List(of) => of.names(),
        other => other.names(),
    };
    let below = if below.is_empty() {
        String::new()
    } else {
        format!(" of `{}`", below.join("`, `"))
    };
    let kind = match shape.present() {
        Shape::Any => "what Halo sent, unchecked",
        other => other.kind(),
    };
    format!("`{name}` ({kind}{below}{null})")
}

fn names(page: &mut String) {
    let groups: [(&str, &[Fact]); 8] = [
        ("email", table::EMAIL),
        ("a mailbox", table::MAILBOX),
        ("the author", table::AUTHOR),
        ("a header field", table::FIELD),
        ("an attachment", table::ATTACHMENT),
        ("a delivery report", table::REPORT),
        ("authentication", table::AUTH),
        ("meta", table::META),
    ];
    let called = |facts: &[Fact]| {
        let same = |(_, of): &&(&str, &[Fact])| names_of(of) == names_of(facts);
        groups.iter().find(same).map_or("names of its own", |(name, _)| name)
    };
    for (name, facts) in groups {
        let heading = match name {
            "email" | "meta" => format!("`{name}.…`"),
            name => format!("Below {name}"),
        };
        let row = |fact: &Fact| [code(fact.name), holds(fact.kind, &called), cell(fact.doc)];
        section(page, &heading, &["name", "holds", ""], facts.iter().map(row));
    }
}

fn names_of(facts: &[Fact]) -> Vec<&'static str> {
    facts.iter().map(|fact| fact.name).collect()
}

fn holds(kind: Kind, called: &impl Fn(&[Fact]) -> &'static str) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Truth => "true or false".to_owned(),
        Kind::Record(facts) => called(facts).to_owned(),
        Kind::Nullable(facts) => format!("{}, or null", called(facts)),
        Kind::Texts => "list of texts".to_owned(),
        Kind::Numbers => "list of numbers".to_owned(),
        Kind::Records(facts) => format!("list, each {}", called(facts)),
        Kind::TextsByName => "texts by name".to_owned(),
    }
}

fn entry(entry: &Entry) -> [String; 4] {
    let arguments: Vec<String> = entry.arguments.iter().map(argument).collect();
    let signature = if arguments.is_empty() {
        entry.name.to_owned()
    } else {
        format!("{}({})", entry.name, arguments.join(", "))
    };
    let takes = match entry.takes {
        Takes::Text => "a text",
        Takes::List => "a list",
        Takes::Map => "a map",
        Takes::Number => "a number",
        Takes::TextOrList => "a text or a list",
        Takes::Any => "anything",
    };
    let gives = match entry.gives {
        Gives::Text => "a text",
        Gives::Truth => "true or false",
        Gives::Count | Gives::Number => "a number",
        Gives::Texts => "a list of texts",
        Gives::List => "a list",
        Gives::Same => "the same kind",
        Gives::Item => "an element",
        Gives::Any => "anything",
    };
    [code(&signature), takes.to_owned(), gives.to_owned(), cell(entry.doc)]
}

fn argument(argument: &Argument) -> String {
    let kind = match argument.kind {
        catalog::Kind::Text => "text".to_owned(),
        catalog::Kind::Filled => "text, not empty".to_owned(),
        catalog::Kind::Whole => "whole number".to_owned(),
        catalog::Kind::Truth => "true or false".to_owned(),
        catalog::Kind::Any => "anything".to_owned(),
        catalog::Kind::Pattern => "regular expression".to_owned(),
        catalog::Kind::Group => "group".to_owned(),
        catalog::Kind::Lines => "line numbers".to_owned(),
        catalog::Kind::Zone => "time zone".to_owned(),
        catalog::Kind::Format => "strftime".to_owned(),
        catalog::Kind::Attribute => "name in the elements".to_owned(),
        catalog::Kind::OneOf(words) => words.join(" or "),
    };
    let may = if argument.required { "" } else { "?" };
    format!("{}{may} = {kind}", argument.name)
}
