//! Throughput and memory beside `mbsync`, getmail6 and a client that keeps nothing: all take the same mailbox from the
//! same Dovecot over TLS, in rounds that alternate, and at the end stands what it shall be beside what it is.
//!
//! `cargo bench --bench throughput` measures everything in some minutes; `-- disk=1000,50000 halo rounds=5` these parts,
//! sizes and rounds, and `-- full` everything in full sizes ([`arguments::USAGE`]).
//!
//! halo-intake does more than the others: it keeps every message in its journal, runs it through three rules, asks the
//! emulated Halo (which runs in this process and shares the processor), makes users, and moves the messages.

#![allow(clippy::unwrap_used)] // where it can not measure, it stops

#[path = "../../tests/servers/mod.rs"]
mod servers;

mod arguments;
mod bare;
mod bars;
mod check;
mod commands;
mod desk;
mod flood;
mod idle;
mod line;
mod mail;
mod measure;
mod process;
mod program;
mod race;
mod room;

use std::time::Duration;

use arguments::Arguments;
use bars::Bars;
use desk::{Desk, Mailbox};
use mail::Post;
use program::Program;
use race::Row;

/// Messages a second while Halo takes its time and many senders are unknown.
const FLOOD: f64 = 1_000.0;
/// In mebibytes: at rest, and with messages of at most a mebibyte; larger ones may take twice the largest beside.
const IDLE: f64 = 20.0;
const PEAK: f64 = 64.0;
/// More messages than that a slow program takes only where everything is asked for.
const ENOUGH: usize = 1_000;
const MEBIBYTE: f64 = 1_048_576.0;
/// Of the slow line, each way.
const DELAY: Duration = Duration::from_millis(30);

fn main() {
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if(|word| word == bare::WORD).is_some() {
        return bare::run(words);
    }
    if let Err(text) = Arguments::read(words).and_then(|asked| measure_all(&asked)) {
        eprintln!("{text}");
        std::process::exit(2);
    }
}

fn measure_all(asked: &Arguments) -> Result<(), String> {
    let (mut rows, mut bars) = (Vec::new(), Bars::default());
    let most = |parts: &[&str]| parts.iter().flat_map(|part| asked.sizes(part)).max();
    // Looked at before anything takes its time.
    let memory = most(&["memory"]).map(room::in_memory).transpose()?;
    let disk = most(&["disk", "line", "halo", "idle", "peak"])
        .map(room::on_disk)
        .transpose()?;
    if let Some(root) = disk {
        println!("on a disk, in {}", root.display());
        let desk = Desk::new(&root);
        rows.extend(races("disk", &Program::ALL, asked, &desk, desk.port()));
        let mut line = Program::ALL.to_vec();
        line.retain(|program| !program.is_slow());
        rows.extend(races("line", &line, asked, &desk, line::to(desk.port(), DELAY).port));
        floods(asked, &desk, &mut bars);
        if !asked.sizes("idle").is_empty() {
            let idle = idle::measure(&desk);
            idle.print();
            bars.at_most(IDLE, idle.resident_mib, "idle with one mailbox:", "MiB");
        }
        peaks(asked, &desk, &mut bars);
    }
    if let Some(root) = memory {
        println!("in memory, in {}", root.display());
        let desk = Desk::new(&root);
        rows.extend(races("memory", &Program::ALL, asked, &desk, desk.port()));
    }
    if !rows.is_empty() {
        race::print_table(&rows);
    }
    bars.races(&rows);
    bars.print();
    Ok(())
}

fn races(part: &'static str, programs: &[Program], asked: &Arguments, desk: &Desk, port: u16) -> Vec<Row> {
    let race = |messages| {
        let mailbox = desk.fill(&Post::of_real_life(messages));
        let takes_part = |program: &Program| !program.is_slow() || asked.is_full || messages <= ENOUGH;
        let programs: Vec<Program> = programs.iter().copied().filter(takes_part).collect();
        race::race(part, &programs, asked.rounds, desk, &mailbox, port)
    };
    asked.sizes(part).into_iter().flat_map(race).collect()
}

fn floods(asked: &Arguments, desk: &Desk, bars: &mut Bars) {
    for messages in asked.sizes("halo") {
        let mailbox = desk.fill(&Post::flood(messages));
        let flood = || {
            let flood = flood::measure(desk, &mailbox);
            flood.print();
            flood.messages_a_second()
        };
        let speed = race::median((0..asked.rounds).map(|_| flood()).collect());
        let before = format!("a Halo of 50 ms, {messages} messages:");
        bars.at_least(FLOOD, speed, &before, "messages a second until the last user is there");
    }
}

fn peaks(asked: &Arguments, desk: &Desk, bars: &mut Bars) {
    for messages in asked.sizes("peak") {
        let small = desk.fill(&Post::below_a_mebibyte(messages));
        let before = format!("peak with {messages} messages up to 1 MiB:");
        bars.at_most(PEAK, peak(desk, &small, asked.rounds), &before, "MiB");
        let large = desk.fill(&Post::with_giants(messages));
        let largest = large.largest as f64 / MEBIBYTE;
        let before = format!("peak with {messages} messages up to {largest:.0} MiB:");
        let bar = PEAK + 2.0 * largest;
        bars.at_most(bar, peak(desk, &large, asked.rounds), &before, "MiB");
    }
}

/// The largest of all rounds.
fn peak(desk: &Desk, mailbox: &Mailbox, rounds: usize) -> f64 {
    let peaks = (0..rounds).map(|_| Program::HaloIntake.take(desk, mailbox, desk.port()).peak_mebibytes());
    let peak = peaks.fold(0.0, f64::max);
    let largest = mailbox.largest as f64 / MEBIBYTE;
    println!(
        "  peak, {} messages, the largest {largest:.1} MiB: {peak:.1} MiB",
        mailbox.messages
    );
    peak
}
