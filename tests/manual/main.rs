//! The manual is what the program's own tables say: steps, names, filters, commands, keys. What is made from them is
//! written by `UPDATE=1 cargo test --test manual`; what people write is read here: its links, its commands.

use std::{fmt::Write, path::PathBuf};

mod commands;
mod keys;
mod links;
mod reference;
mod shell;

/// A file of the repository.
fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// README and the pages of the manual, by their names in the repository.
fn pages() -> Vec<String> {
    let folder = std::fs::read_dir(path("docs")).expect("docs/ is there");
    let names = folder.map(|entry| {
        entry
            .expect("docs/ is readable")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    let mut pages: Vec<String> = names
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    pages.sort();
    pages.insert(0, "README.md".to_owned());
    pages
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_default()
}

/// Whether a page is as it would be made now; with UPDATE it is made.
fn page_is(name: &str, expected: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path(name), expected).expect("docs/ can be written");
    }
    let found = text(name);
    let differs = expected
        .lines()
        .zip(found.lines())
        .find(|(expected, found)| expected != found);
    assert_eq!(
        differs, None,
        "{name} is out of date: UPDATE=1 cargo test --test manual"
    );
    assert_eq!(expected.lines().count(), found.lines().count(), "{name}");
}

/// A heading with a table below it.
fn section<const N: usize>(
    page: &mut String,
    heading: &str,
    header: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let rule = vec!["---"; N].join(" | ");
    write!(page, "\n## {heading}\n\n| {} |\n| {rule} |\n", header.join(" | ")).expect("a text takes everything");
    for row in rows {
        writeln!(page, "| {} |", row.join(" | ")).expect("a text takes everything");
    }
}

fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

/// A table's cell ends at a bar and at the end of the line.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
