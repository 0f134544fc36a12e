//! How commands print: tables, JSON lines, traces, and a progress bar where work is long.

use std::{
    ffi::OsStr,
    io::{IsTerminal, Write},
};

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table};
use serde::Serialize;
use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Failure, Format};

mod pager;
mod progress;
mod trace;

pub use pager::Paging;
pub use progress::{LogLines, counter, progress};
pub use trace::{print_trace, print_value};

/// Values longer than this are cut in a trace for people; `--format json` has them whole.
const LONGEST_VALUE: usize = 400;

/// How wide a terminal is that does not say it.
const OF_OLD: u16 = 80;

/// Where a listing is shown: a terminal, or a file or program that reads it.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Columns of the terminal; `None`: it is none, and nothing is cut.
    pub width: Option<u16>,
    /// Whether outcomes are coloured.
    pub colours: bool,
}

impl Screen {
    /// Standard output. `NO_COLOR` is respected.
    pub fn of_stdout() -> Screen {
        if let Some(terminal) = pager::terminal() {
            return terminal;
        }
        let is_terminal = std::io::stdout().is_terminal();
        Screen {
            width: is_terminal
                .then(|| Table::new().width())
                .flatten()
                .map(|width| if width == 0 { OF_OLD } else { width }),
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

    /// What `outcome_and_attempts` says, in its colour.
    pub fn outcome(&self, word: &str, attempts: u32) -> Cell {
        let text = outcome_and_attempts(word, attempts);
        match colour(word).filter(|_| self.colours) {
            Some((colour, _)) => Cell::new(text).fg(colour),
            None => Cell::new(text),
        }
    }
}

/// An outcome's word, with the number of attempts where there was more than one.
pub fn outcome_and_attempts(word: &str, attempts: u32) -> String {
    match attempts {
        0 | 1 => word.to_owned(),
        _ => format!("{word} ({attempts})"),
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

/// A word over what follows, on standard output.
pub fn heading(text: &str) -> String {
    if Screen::of_stdout().colours {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_owned()
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
    if text.bytes().all(|b| (b' '..0x7f).contains(&b)) {
        return text.to_owned();
    }
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
        // Where a line ends decides what a condition matches.
        Value::String(text) => format!("{:?}", plain(&text.replace("\r\n", "\n").replace('\n', "⏎"))),
        other => plain(&other.to_string()),
    })
}

fn cut(text: String) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// As much of the text as has room.
pub fn fitting(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut left = room.saturating_sub(1);
    let fits = |c: &char| {
        let width = c.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_lines_of_a_value_end_is_seen() {
        assert_eq!(short(&"one\r\ntwo\nthree".into()), "\"one⏎two⏎three\"");
    }

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
}
