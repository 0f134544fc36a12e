//! What was measured beside what it shall be.

use crate::{program::Program, race::Row};

/// In memory: at most so many times the bare client's time.
const OF_THE_LIMIT: f64 = 2.0;
/// A message of the largest mailbox may cost so much more than one of the smallest and count as the same: rounds differ
/// by as much.
const FLAT: f64 = 1.1;

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// Sentences, each with its bar.
#[derive(Default)]
pub struct Bars {
    lines: Vec<String>,
}

impl Bars {
    pub fn at_least(&mut self, bar: f64, value: f64, before: &str, after: &str) {
        self.line(&Bound::AtLeast(bar), value, before, after);
    }

    pub fn at_most(&mut self, bar: f64, value: f64, before: &str, after: &str) {
        self.line(&Bound::AtMost(bar), value, before, after);
    }

    fn line(&mut self, bound: &Bound, value: f64, before: &str, after: &str) {
        let (is_met, word, bar) = match bound {
            Bound::AtLeast(bar) => (value >= *bar, "at least", bar),
            Bound::AtMost(bar) => (value <= *bar, "at most", bar),
        };
        let missed = if is_met { "" } else { "  MISSED" };
        let bar = (bar * 10.0).round() / 10.0;
        self.lines
            .push(format!("{before} {value:.2} {after} (bar: {word} {bar}){missed}"));
    }

    /// Of each mailbox that several programs took.
    pub fn races(&mut self, rows: &[Row]) {
        let ours = |row: &&Row| row.program == Program::HaloIntake;
        for row in rows.iter().filter(ours) {
            for other in rows.iter().filter(|other| {
                other.program != row.program && (other.place, other.messages) == (row.place, row.messages)
            }) {
                self.beside(row, other);
            }
        }
        for row in rows.iter().filter(ours) {
            let same = rows.iter().filter(ours).filter(|other| other.place == row.place);
            let smallest = same.min_by_key(|other| other.messages).expect("itself at least");
            if smallest.messages < row.messages {
                let before = format!("{}: a message of {} costs", row.place, row.messages);
                let after = format!("times what one of {} costs", smallest.messages);
                self.at_most(FLAT, row.seconds_each() / smallest.seconds_each(), &before, &after);
            }
        }
    }

    fn beside(&mut self, ours: &Row, other: &Row) {
        let (place, messages, name) = (ours.place, ours.messages, other.program.name());
        let times = other.seconds() / ours.seconds();
        let before = format!("{place}, {messages} messages:");
        match (place, other.program) {
            ("memory", Program::BareClient) => {
                self.at_most(
                    OF_THE_LIMIT,
                    1.0 / times,
                    &before,
                    &format!("times the time of the {name}"),
                );
            }
            ("disk" | "line", Program::Mbsync) => {
                self.at_least(1.0, times, &before, &format!("times as fast as {name}"));
            }
            _ => self.lines.push(format!("{before} {times:.2} times as fast as {name}")),
        }
    }

    pub fn print(&self) {
        println!("\nhalo-intake beside its bars");
        for line in &self.lines {
            println!("  {line}");
        }
    }
}
