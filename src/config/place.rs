//! Places: from the path of a value to the file, line and column where it is written.

use toml_edit::Key;

use super::{
    document::{Document, Node},
    fault::{Fault, PlacedFault},
    layers::is_whole,
};

/// Where everything is written: the files in the order of their layers, and the environment over them.
#[derive(Debug, Default)]
pub struct Places {
    pub documents: Vec<Document>,
    /// For each rule of the merged list: its file, and its index in it.
    pub rules: Vec<(usize, usize)>,
    /// The path that each variable sets.
    pub variables: Vec<(Vec<String>, String)>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
}

/// Where a place lies in the order of reading; the environment comes last.
type Order = (usize, usize);

/// How far a path leads into one file.
struct Reached<'a> {
    depth: usize,
    /// Whether the path ends there, or a value that is no table ends it early.
    written: bool,
    key: Option<&'a Key>,
    node: Node<'a>,
}

impl Places {
    /// The fault with its place, and where that place comes in the order of reading.
    pub fn find(&self, fault: &Fault) -> (Order, PlacedFault) {
        let (order, place) = match &fault.place {
            Some(place) => ((0, 0), place.clone()),
            None => self.look_up(fault).unwrap_or(((usize::MAX, 0), String::new())),
        };
        let mut seen: Vec<_> = fault.seen.iter().map(|seen| self.find(seen)).collect();
        seen.sort_by_key(|(order, _)| *order);
        let placed = PlacedFault {
            place,
            seen: seen.into_iter().map(|(_, placed)| placed.place).collect(),
            fault: fault.clone(),
        };
        (order, placed)
    }

    /// Whether a file or the environment writes something at `path`.
    pub fn mentions(&self, path: &str) -> bool {
        let path = parse(path);
        self.variable(&path)
            .or_else(|| self.variable_below(&path, false))
            .is_some()
            || self
                .documents
                .iter()
                .any(|document| reach(document, &path).depth == path.len())
    }

    fn look_up(&self, fault: &Fault) -> Option<(Order, String)> {
        let mut path = parse(&fault.path);
        if let Some(index) = self.rule_of(&path) {
            let (layer, local) = *self.rules.get(index)?;
            path[1] = Segment::Index(local);
            return Some(self.within(layer, &path, fault));
        }
        let reached: Vec<Reached<'_>> = self.documents.iter().map(|document| reach(document, &path)).collect();
        let in_a_file = reached.iter().any(|reached| reached.depth == path.len());
        if let Some(index) = self.variable(&path).or_else(|| self.variable_below(&path, in_a_file)) {
            return Some(((self.documents.len(), index), format!("${}", self.variables[index].1)));
        }
        let deepest = reached.iter().map(|reached| reached.depth).max()?;
        // A value stands where it was written last; a table that others add to, where it was opened first.
        let whole = is_whole(&keys(&path));
        let is_value = |reached: &Reached<'_>| reached.written && (whole || !reached.node.is_table());
        let layer = match reached.iter().rposition(is_value) {
            Some(layer) => layer,
            None => reached.iter().position(|reached| reached.depth == deepest)?,
        };
        Some(self.within(layer, &path, fault))
    }

    /// The place of `path` in one file: of the key, of the value, or within the value's text.
    fn within(&self, layer: usize, path: &[Segment], fault: &Fault) -> (Order, String) {
        let document = &self.documents[layer];
        let reached = reach(document, path);
        let key = reached.key.and_then(Key::span);
        let value = reached.node.span();
        let span = if fault.at_key && reached.depth == path.len() {
            key.or(value)
        } else {
            value.or(key)
        };
        let span = span.unwrap_or(0..0);
        let mut index = span.start;
        if let (Some(offset), Node::Scalar(_)) = (fault.offset, reached.node) {
            index += written_offset(&document.text()[span], offset);
        }
        ((layer, index), document.place(index))
    }

    fn rule_of(&self, path: &[Segment]) -> Option<usize> {
        match path {
            [Segment::Key(key), Segment::Index(index), ..] if key == "rule" => Some(*index),
            _ => None,
        }
    }

    /// The variable that sets the value at `path`, or a value that holds it.
    fn variable(&self, path: &[Segment]) -> Option<usize> {
        let keys = keys(path);
        let sets = |(set, _): &(Vec<String>, String)| {
            set.len() <= keys.len() && set.iter().zip(&keys).all(|(set, key)| set == key)
        };
        self.variables.iter().rposition(sets)
    }

    /// The variable that sets something below `path`, where it made the whole of it.
    fn variable_below(&self, path: &[Segment], in_a_file: bool) -> Option<usize> {
        let keys = keys(path);
        let made = keys.len() == path.len() && (!in_a_file || is_whole(&keys));
        let below = |(set, _): &(Vec<String>, String)| {
            set.len() > keys.len() && set.iter().zip(&keys).all(|(set, key)| set == key)
        };
        self.variables
            .iter()
            .rposition(below)
            .filter(|_| made && !keys.is_empty())
    }
}

/// The keys that a path begins with.
fn keys(path: &[Segment]) -> Vec<&str> {
    path.iter()
        .map_while(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
        .collect()
}

/// Walks `path` into the file as far as it leads.
fn reach<'a>(document: &'a Document, path: &[Segment]) -> Reached<'a> {
    let mut reached = Reached {
        depth: 0,
        written: false,
        key: None,
        node: document.root(),
    };
    for segment in path {
        let next = match segment {
            Segment::Key(key) => reached.node.at_key(key).map(|(key, node)| (Some(key), node)),
            Segment::Index(index) => reached.node.at_index(*index).map(|node| (None, node)),
        };
        let Some((key, node)) = next else {
            reached.written = !reached.node.is_table();
            return reached;
        };
        reached = Reached {
            depth: reached.depth + 1,
            written: false,
            key,
            node,
        };
    }
    reached.written = true;
    reached
}

/// Reads a path as `fault::join` writes it.
fn parse(path: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some((index, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            segments.push(
                index
                    .parse()
                    .map_or_else(|_| Segment::Key(index.to_owned()), Segment::Index),
            );
            rest = after;
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (key, after) = unquote(quoted);
            segments.push(Segment::Key(key));
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len()).max(1);
            let end = rest.ceil_char_boundary(end);
            segments.push(Segment::Key(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
    }
    segments
}

/// The key up to its closing quote, and what follows.
fn unquote(text: &str) -> (String, &str) {
    let mut key = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (key, &text[at + 1..]),
            '\\' => key.extend(letters.next().map(|(_, escaped)| escaped)),
            other => key.push(other),
        }
    }
    (key, "")
}

/// Where the octet at `offset` of a string's value stands in the string as it is written, quotes and all.
fn written_offset(written: &str, offset: usize) -> usize {
    let Some(quote) = written.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return 0;
    };
    let triple: String = [quote; 3].iter().collect();
    let (mut at, closing) = match written.strip_prefix(&triple) {
        // A line break right after the opening quotes is no part of the value.
        Some(rest) => {
            let line_break = ["\r\n", "\n"].into_iter().find(|end| rest.starts_with(end));
            (3 + line_break.map_or(0, str::len), 3)
        }
        None => (1, 1),
    };
    let written = &written[..written.len().saturating_sub(closing).max(at)];
    let mut decoded = 0;
    while decoded < offset && at < written.len() {
        let (wrote, means) = match written[at..].chars().next() {
            Some('\\') if quote == '"' => escape(&written[at..]),
            Some(letter) => (letter.len_utf8(), letter.len_utf8()),
            None => break,
        };
        if decoded + means > offset {
            break;
        }
        at += wrote;
        decoded += means;
    }
    // An escaped line break right here stands for nothing: the fault is behind it.
    while quote == '"' && written[at..].starts_with('\\') && escape(&written[at..]).1 == 0 {
        at += escape(&written[at..]).0;
    }
    at
}

/// How long the escape at the beginning of `text` is, and how long what it stands for.
fn escape(text: &str) -> (usize, usize) {
    let hex = |digits: usize| {
        let means = text
            .get(2..2 + digits)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .and_then(char::from_u32);
        (2 + digits, means.map_or(1, char::len_utf8))
    };
    match text.as_bytes().get(1) {
        Some(b'x') => hex(2),
        Some(b'u') => hex(4),
        Some(b'U') => hex(8),
        Some(b' ' | b'\t' | b'\r' | b'\n') => {
            let blank = text[1..]
                .find(|c: char| !c.is_ascii_whitespace())
                .unwrap_or(text.len() - 1);
            (1 + blank, 0)
        }
        Some(_) => (2, 1),
        None => (1, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks with `^` before the character: each of `wanted` must be placed at its `^` in the file.
    fn check(marked: &str, path: &str, offset: Option<usize>) {
        let before = marked.split('^').next().unwrap();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        let document = Document::parse("a.toml".into(), marked.replacen('^', "", 1)).unwrap();
        let places = Places {
            documents: vec![document],
            rules: vec![(0, 0), (0, 1)],
            variables: Vec::new(),
        };
        let fault = Fault {
            offset,
            ..Fault::at(path, "", "")
        };
        assert_eq!(
            places.find(&fault).1.place,
            format!("a.toml:{line}:{column}"),
            "{path} in {marked:?}"
        );
    }

    #[test]
    fn values_are_found_however_they_are_written() {
        check("a = ^1\n", "a", None);
        check("[x]\na.b = ^{ c = 1 }\n", "x.a.b", None);
        check("[x]\na.b = { c = ^1 }\n", "x.a.b.c", None);
        check("[x]\na = [1, ^2]\n", "x.a[1]", None);
        check("[x.\"acme.example\"]\nc = ^'é'\n", "x.\"acme.example\".c", None);
        check(
            "[[rule]]\n[[rule]]\n[[rule.action]]\n[[rule.action]]\nto = ^1\n",
            "rule[1].action[1].to",
            None,
        );
        check(
            "rule = [{}, { action = [{ to = ^1 }] }]\n",
            "rule[1].action[0].to",
            None,
        );
    }

    #[test]
    fn what_is_missing_stands_at_the_table_that_lacks_it() {
        check(
            "a = 1\n^[mailbox.support]\nhost = 'x'\n",
            "mailbox.support.username",
            None,
        );
        check("[[rule]]\n^[[rule]]\nname = 'x'\n", "rule[1].when", None);
        check("[m]\n^settle.completed = 'keep'\n", "m.settle.failed", None);
        check("^a = 1\n", "smtp.host", None);
    }

    #[test]
    fn offsets_are_found_in_every_kind_of_string() {
        for marked in [
            "a = \"0123^4\"",
            "a = '0123^4'",
            "a = \"\"\"\n01\n3^4\"\"\"",
            "a = '''\n01\n3^4'''",
            "a = \"\"\"01\r\n3^4\"\"\"",
            "a = '''\r\n\n\n23^4'''",
            "a = \"\\t\\\"2\\\\^4\"",
            "a = \"\\u00e923^4\"",
            "a = \"\\U0001F6002\\x41\\e^4\"",
            "a = \"éé^4\"",
            "a = \"\"\"01\\\n   \n  23^4\"\"\"",
            "a = \"\"\"0123\\\n   ^4\"\"\"",
        ] {
            // The parser says where the marked 4 lies in the value, so its escapes and line breaks are believed.
            let document = Document::parse("a.toml".into(), marked.replacen('^', "", 1)).unwrap();
            let value = document.tree().0["a"].as_str().unwrap().to_owned();
            check(marked, "a", Some(value.find('4').unwrap()));
        }
        check("a = \"0123^\"", "a", Some(4));
        check("a = \"^\"", "a", Some(99));
    }

    #[test]
    fn the_last_writer_of_a_value_has_its_faults_and_the_environment_wins() {
        let document = |file: &str, text: &str| Document::parse(file.into(), text.into()).unwrap();
        let mut places = Places {
            documents: vec![
                document("a.toml", "[report]\nto = ['1', '2', '3']\n[[rule]]\n"),
                document("b.toml", "[report]\n\nto = ['1']\n[[rule]]\nname = 'b'\n"),
            ],
            rules: vec![(0, 0), (1, 0)],
            variables: Vec::new(),
        };
        let place = |places: &Places, path: &str| places.find(&Fault::at(path, "", "")).1.place;
        assert_eq!(place(&places, "report.to[0]"), "b.toml:3:7");
        assert_eq!(place(&places, "report.to[2]"), "b.toml:3:6");
        assert_eq!(place(&places, "report.every"), "a.toml:1:1");
        assert_eq!(place(&places, "rule[1].name"), "b.toml:5:8");
        assert!(places.mentions("rule[0]") && places.mentions("report.to") && !places.mentions("smtp"));
        places.variables = vec![(vec!["report".into(), "to".into()], "HALO_INTAKE__REPORT__TO".into())];
        assert_eq!(place(&places, "report.to[2]"), "$HALO_INTAKE__REPORT__TO");
    }

    #[test]
    fn paths_are_read_back_as_they_were_joined() {
        for key in ["acme.example", "a b", "\"", "\\", "", "é", "[0]"] {
            let path = format!("{}[7]", super::super::fault::join("x", key));
            assert_eq!(
                parse(&path),
                [Segment::Key("x".into()), Segment::Key(key.into()), Segment::Index(7)]
            );
        }
    }
}
