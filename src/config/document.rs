//! One configuration file: its text, its positions, and its tree of plain values.

use std::{
    fmt, fs,
    ops::Range,
    path::{Path, PathBuf},
};

use serde_json::{Map, Number, Value as Json};
use toml_edit::{Array, ArrayOfTables, Document as Toml, InlineTable, Item, Key, Table, Value};

use super::fault::{Fault, join};

/// A file that could be read. Its text may hold secrets, so it does not print.
pub struct Document {
    /// As it stands in faults.
    pub file: String,
    toml: Toml<String>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.file)
    }
}

impl Document {
    /// Reads the file at `path`; one that can not be read is a fault with its place.
    pub fn read(path: &Path) -> Result<Document, Vec<Fault>> {
        let start = format!("{}:1:1", path.display());
        let octets = fs::read(path).map_err(|error| {
            let remedy = match error.kind() {
                std::io::ErrorKind::NotFound => "write one there, or name another with --config",
                _ => "make it a file that the program may read",
            };
            let problem = format!("the configuration file can not be read: {}", plain(&error));
            vec![Fault::placed(start, problem, remedy)]
        })?;
        let text = String::from_utf8(octets).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
            let (line, column) = line_and_column(&before, valid);
            vec![Fault::placed(
                format!("{}:{line}:{column}", path.display()),
                "the configuration file is not UTF-8 text",
                "save it as UTF-8",
            )]
        })?;
        Document::parse(path.display().to_string(), text)
    }

    /// Reads `text`; a syntax error is a fault with its place.
    pub fn parse(file: String, text: String) -> Result<Document, Vec<Fault>> {
        match Toml::parse(text.clone()) {
            Ok(toml) => Ok(Document { file, toml }),
            Err(error) => {
                let (line, column) = line_and_column(&text, error.span().map_or(0, |span| span.start));
                // Only the parser's own words: its Display would quote the line, and the line may be a secret.
                let problem = format!("this is not TOML: {}", error.message().replace('\n', ", "));
                let remedy = if problem.contains("must be quoted") {
                    "put the value in quotes"
                } else {
                    "mend the syntax"
                };
                Err(vec![Fault::placed(format!("{file}:{line}:{column}"), problem, remedy)])
            }
        }
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        self.toml.raw()
    }

    /// Where the tree begins.
    pub fn root(&self) -> Node<'_> {
        Node::Table(self.toml.as_table())
    }

    /// The tree as plain values, in the order of the file, and what no configuration can hold.
    pub fn tree(&self) -> (Map<String, Json>, Vec<Fault>) {
        let mut faults = Vec::new();
        match self.root().plain("", &mut faults) {
            Json::Object(map) => (map, faults),
            _ => (Map::new(), faults),
        }
    }

    /// `FILE:LINE:COLUMN` of the octet at `index`.
    pub fn place(&self, index: usize) -> String {
        let (line, column) = line_and_column(self.text(), index);
        format!("{}:{line}:{column}", self.file)
    }
}

/// The files of `conf.d` beside `main`, in name order, as a shell's `*.toml` would list them.
pub fn beside(main: &Path) -> Result<Vec<PathBuf>, Vec<Fault>> {
    let folder = main.parent().unwrap_or(Path::new("")).join("conf.d");
    let listed = match fs::read_dir(&folder) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let mut files = listed.map_err(|error| {
        let problem = format!("the folder of further files can not be read: {}", plain(&error));
        vec![Fault::placed(
            format!("{}:1:1", folder.display()),
            problem,
            "make it a folder that the program may read",
        )]
    })?;
    let hidden = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml") && !hidden(path));
    files.sort();
    Ok(files)
}

/// An I/O error in its own words, in lower case and without its number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Line and column of the octet at `index`, both from 1; columns count characters.
fn line_and_column(text: &str, index: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(index)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    (
        line,
        before[line_start..].trim_start_matches('\u{feff}').chars().count() + 1,
    )
}

/// One value in a file, whichever way it is written.
#[derive(Clone, Copy)]
pub enum Node<'a> {
    Table(&'a Table),
    Inline(&'a InlineTable),
    Tables(&'a ArrayOfTables),
    Array(&'a Array),
    Scalar(&'a Value),
}

impl<'a> Node<'a> {
    fn of(item: &'a Item) -> Option<Node<'a>> {
        match item {
            Item::None => None,
            Item::Table(table) => Some(Node::Table(table)),
            Item::ArrayOfTables(tables) => Some(Node::Tables(tables)),
            Item::Value(value) => Some(Node::of_value(value)),
        }
    }

    fn of_value(value: &'a Value) -> Node<'a> {
        match value {
            Value::InlineTable(table) => Node::Inline(table),
            Value::Array(array) => Node::Array(array),
            scalar => Node::Scalar(scalar),
        }
    }

    /// Whether keys lie below it.
    pub fn is_table(self) -> bool {
        matches!(self, Node::Table(_) | Node::Inline(_))
    }

    /// What lies at `key`, with the key as it is written.
    pub fn at_key(self, key: &str) -> Option<(&'a Key, Node<'a>)> {
        let (key, item) = match self {
            Node::Table(table) => table.get_key_value(key)?,
            Node::Inline(table) => table.get_key_value(key)?,
            _ => return None,
        };
        Some((key, Node::of(item)?))
    }

    /// What lies at `index` of a list.
    pub fn at_index(self, index: usize) -> Option<Node<'a>> {
        match self {
            Node::Tables(tables) => tables.get(index).map(Node::Table),
            Node::Array(array) => array.get(index).map(Node::of_value),
            _ => None,
        }
    }

    /// Where it stands; a table that is only implied by others stands nowhere.
    pub fn span(self) -> Option<Range<usize>> {
        match self {
            Node::Table(table) => table.span(),
            Node::Inline(table) => table.span(),
            Node::Tables(tables) => tables.span(),
            Node::Array(array) => array.span(),
            Node::Scalar(value) => value.span(),
        }
    }

    /// The value without its positions. Dates and numbers that are none become faults.
    fn plain(self, path: &str, faults: &mut Vec<Fault>) -> Json {
        match self {
            Node::Table(table) => plain_table(
                table.iter().filter_map(|(key, item)| Some((key, Node::of(item)?))),
                path,
                faults,
            ),
            Node::Inline(table) => plain_table(
                table.iter().map(|(key, value)| (key, Node::of_value(value))),
                path,
                faults,
            ),
            Node::Tables(tables) => plain_list(tables.iter().map(Node::Table), path, faults),
            Node::Array(array) => plain_list(array.iter().map(Node::of_value), path, faults),
            Node::Scalar(value) => plain_scalar(value).unwrap_or_else(|problem| {
                faults.push(Fault::at(
                    path,
                    format!("{path} {problem}"),
                    "write it as text in quotes",
                ));
                Json::Null
            }),
        }
    }
}

fn plain_table<'a>(entries: impl Iterator<Item = (&'a str, Node<'a>)>, path: &str, faults: &mut Vec<Fault>) -> Json {
    Json::Object(
        entries
            .map(|(key, node)| (key.to_owned(), node.plain(&join(path, key), faults)))
            .collect(),
    )
}

fn plain_list<'a>(nodes: impl Iterator<Item = Node<'a>>, path: &str, faults: &mut Vec<Fault>) -> Json {
    Json::Array(
        nodes
            .enumerate()
            .map(|(i, node)| node.plain(&format!("{path}[{i}]"), faults))
            .collect(),
    )
}

fn plain_scalar(value: &Value) -> Result<Json, &'static str> {
    match value {
        Value::String(text) => Ok(Json::String(text.value().clone())),
        Value::Integer(number) => Ok(Json::from(*number.value())),
        Value::Boolean(flag) => Ok(Json::Bool(*flag.value())),
        Value::Float(number) => Number::from_f64(*number.value())
            .map(Json::Number)
            .ok_or("is a number that nothing here can count with"),
        _ => Err("is a date or a time, which no key takes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document, Vec<Fault>> {
        Document::parse("a.toml".into(), text.into())
    }

    #[test]
    fn a_syntax_error_has_its_place_and_never_quotes_the_line() {
        for (text, place) in [
            ("[smtp\nhost = 1\n", "a.toml:1:6"),
            ("[smtp]\npassword = hunter2\n", "a.toml:2:12"),
            ("password = \"hunter2\n", "a.toml:1:20"),
            ("password = 'a' hunter2\n", "a.toml:1:16"),
            ("\u{feff}[smtp]\nä = 1\n", "a.toml:2:1"),
        ] {
            let fault = parse(text).unwrap_err().remove(0);
            assert_eq!(fault.place.as_deref(), Some(place), "{text:?}: {fault:?}");
            assert!(!fault.problem.contains("hunter2"), "{fault:?}");
        }
    }

    #[test]
    fn what_no_configuration_can_hold_is_a_fault_of_its_value() {
        let (tree, faults) = parse("a = 2026-01-01\nb = [1, nan]\nc = 1.5\n").unwrap().tree();
        assert_eq!(
            serde_json::to_string(&tree).unwrap(),
            r#"{"a":null,"b":[1,null],"c":1.5}"#
        );
        assert_eq!(
            faults.iter().map(|fault| fault.path.as_str()).collect::<Vec<_>>(),
            ["a", "b[1]"]
        );
    }

    #[test]
    fn the_text_does_not_print() {
        assert_eq!(
            format!("{:?}", parse("password = 'hunter2'").unwrap()),
            "Document(a.toml)"
        );
    }
}
