//! Several nodes with one journal on PostgreSQL: how many messages a second they take, and what each costs the database;
//! and what a journal of many rows costs.
//!
//! `cargo bench --bench nodes -- [messages=N] [rounds=N] [rows=N [at=ADDRESS]]`; 2,000 messages in three rounds when
//! nothing is said. The mail comes into eight empty mailboxes at once, which the nodes have shared among them before.
//! PostgreSQL keeps its promises here, as it does by default (`fsync`). Behind the line it is a quarter of a millisecond
//! away each way. With `rows` journals of 10,000 and of so many rows are compared, in a PostgreSQL of its own, which takes
//! a kilobyte a row in `/tmp`, or in the one at that address, where they are filled once and stay. It only measures.

#![allow(clippy::unwrap_used)] // where it can not measure, it stops

#[path = "../journal/facts.rs"]
mod facts;
#[allow(dead_code)]
#[path = "../listing/fill.rs"]
mod fill;
#[path = "../throughput/line.rs"]
mod line;
#[allow(dead_code)]
#[path = "../throughput/mail.rs"]
mod mail;
#[allow(dead_code)]
#[path = "../throughput/process.rs"]
mod process;
#[path = "../../tests/servers/mod.rs"]
mod servers;

mod cost;
mod desk;
mod rows;
mod running;

use cost::Cost;
use desk::Desk;
use running::Setting;

const MESSAGES: usize = 2_000;
const ROUNDS: usize = 3;

const NEAR: [Setting; 4] = [
    Setting::sqlite(),
    Setting::nodes(1),
    Setting::nodes(2),
    Setting::nodes(4),
];
/// One round of each: they need so much longer.
const FAR: [Setting; 2] = [Setting::nodes(1).behind_a_line(), Setting::nodes(4).behind_a_line()];

fn main() {
    let said = |name: &str| std::env::args().find_map(|argument| Some(argument.strip_prefix(name)?.to_owned()));
    let number = |name: &str| said(name).map(|text| text.parse::<usize>().unwrap());
    if let Some(rows) = number("rows=") {
        rows::compare(rows, said("at="));
        return;
    }
    let messages = number("messages=").unwrap_or(MESSAGES);
    let desk = Desk::new(messages);
    let mut runs: Vec<(Setting, Vec<Cost>)> = Vec::new();
    for round in 0..number("rounds=").unwrap_or(ROUNDS) {
        let far: &[Setting] = if round == 0 { &FAR } else { &[] };
        for setting in NEAR.iter().chain(far) {
            let cost = running::measure(&desk, *setting);
            match runs.iter_mut().find(|(known, _)| known == setting) {
                Some((_, costs)) => costs.push(cost),
                None => runs.push((*setting, vec![cost])),
            }
        }
    }
    println!(
        "{messages} messages in {} mailboxes, medians; all but the first column for each message",
        desk::MAILBOXES
    );
    cost::print_head();
    for (setting, costs) in runs {
        cost::print(&setting.to_string(), &costs);
    }
}
