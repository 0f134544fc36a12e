//! `docs/keys.md`: every key of the configuration, from the sample, of which `tests/sample.rs` holds that it is whole and
//! that what it shows as a default is one.

use crate::{cell, code, page_is, section};

const SAMPLE: &str = include_str!("../../config/halo-intake.toml");
const HOLDS: &str = include_str!("../sample.rs");

const HEAD: &str = "\
# Keys of the configuration

This page is made from [the sample](../config/halo-intake.toml) (`UPDATE=1 cargo test --test manual`), which loads as it stands. Kinds of values and how parts come together are in
[configuration.md](configuration.md), the keys of `oauth` in [its part on OAuth 2](configuration.md#signing-in-with-oauth-2), the keys of steps in [reference.md](reference.md). Where the
third column says *example* it shows no default: the key is needed, or without it the thing, or the whole table, is off.
";

#[test]
fn the_keys_are_those_of_the_sample() {
    page_is("docs/keys.md", &keys());
}

struct Section {
    header: String,
    words: String,
    /// The whole table stands behind a "#".
    is_example: bool,
    rows: Vec<[String; 4]>,
}

fn keys() -> String {
    let mut page = HEAD.to_owned();
    for Section {
        header, words, rows, ..
    } in sections()
    {
        let header = if header.is_empty() {
            "Above all tables".to_owned()
        } else {
            code(&header)
        };
        let words = if words.is_empty() {
            words
        } else {
            format!("\n\n{words}")
        };
        section(
            &mut page,
            &format!("{header}{words}"),
            &["key", "kind", "default", ""],
            rows.into_iter(),
        );
    }
    page
}

/// The sample table by table, up to the steps of its rule.
fn sections() -> Vec<Section> {
    let examples = examples();
    let mut sections = vec![Section::new("", "", false)];
    let mut words = Words::default();
    // What the file says of itself comes before its first empty line.
    let (_, lines) = SAMPLE.split_once("\n\n").expect("the sample has paragraphs");
    for line in lines
        .lines()
        .take_while(|line| !line.trim_start().starts_with("[[rule."))
    {
        let bare = line.trim_start_matches("# ");
        let is_comment = line.starts_with('#');
        if line.is_empty() || bare.starts_with("---") {
            words = Words::default();
        } else if bare.starts_with('[') && bare.ends_with(']') && !bare.contains(' ') {
            sections.push(Section::new(bare, &words.text, is_comment));
            words = Words::default();
        } else if let Some((key, value)) = setting(bare) {
            let section = sections.last_mut().expect("there is always one");
            let is_example = section.is_example || !is_comment || examples.contains(&key);
            section.rows.push(row(key, value, is_example, words.of_a_key()));
        } else if is_comment && !["", "#", "\"\"\""].contains(&bare) {
            words.go_on(bare);
        }
    }
    sections
}

/// What stands before a key; the keys right below it share it.
#[derive(Default)]
struct Words {
    text: String,
    are_told: bool,
}

impl Words {
    fn go_on(&mut self, line: &str) {
        if std::mem::take(&mut self.are_told) {
            self.text.clear();
        }
        self.text.push_str(if self.text.is_empty() { "" } else { " " });
        self.text.push_str(line);
    }

    fn of_a_key(&mut self) -> &str {
        match std::mem::replace(&mut self.are_told, true) {
            true if !self.text.is_empty() => "as above",
            _ => &self.text,
        }
    }
}

impl Section {
    fn new(header: &str, words: &str, is_example: bool) -> Section {
        Section {
            header: header.to_owned(),
            words: words.to_owned(),
            is_example,
            rows: Vec::new(),
        }
    }
}

fn setting(line: &str) -> Option<(&str, &str)> {
    let is_name = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || "_.\"".contains(c));
    line.split_once(" = ").filter(|(key, _)| is_name(key))
}

fn row(key: &str, value: &str, is_example: bool, words: &str) -> [String; 4] {
    let shown = match (value, is_example) {
        ("\"\"\"", _) => "as the sample shows".to_owned(),
        (value, true) => format!("*example* {}", code(value)),
        (value, false) => code(value),
    };
    [code(key), kind(value).to_owned(), shown, cell(words)]
}

/// What kind of value it is, as it is written.
fn kind(value: &str) -> &'static str {
    let text = value.trim_matches('"');
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    match value {
        "true" | "false" => "true or false",
        "\"\"\"" => "text expression",
        _ if value.starts_with("{ credential") => "secret",
        _ if value.starts_with('{') => "table",
        _ if value.starts_with('[') => "list",
        _ if !value.starts_with('"') => "number",
        _ if text.contains(" per ") => "rate",
        _ if text != unit && ["MiB", "MB"].contains(&unit) => "size",
        _ if text != unit && ["s", "m", "min", "h", "d"].contains(&unit) => "duration",
        _ => "text",
    }
}

/// Keys behind a "#" whose value is no default, as the test of the sample names them.
fn examples() -> Vec<&'static str> {
    let (_, list) = HOLDS
        .split_once("const EXAMPLES")
        .expect("the sample's test names them");
    let (_, list) = list.split_once("= [").expect("they are a list");
    let (list, _) = list.split_once("];").expect("a list ends");
    list.split('"').skip(1).step_by(2).collect()
}
