//! How quickly the journal is read: `log` with each of its filters, `show` and `retry --dry-run`, each a process of
//! its own, on a journal of ten thousand messages and on a large one.
//!
//! `cargo bench --bench listing -- [N]`; 1,000,000 messages when left out. A journal is filled once and stays in
//! `target/tmp`: take its folder away to have it filled again.

#![allow(clippy::unwrap_used)] // where it can not measure, it stops

mod desk;
mod fill;

use std::time::{Duration, Instant};

use desk::Desk;

const SMALL: usize = 10_000;
const LARGE: usize = 1_000_000;
/// Of so many runs the median counts.
const RUNS: usize = 9;
/// What a technician waits for and does not notice (milliseconds).
const BAR: f64 = 100.0;

/// What is asked, in the words of the command line; `FIRST` and `LAST` are ids.
const QUESTIONS: &[&str] = &[
    "--version",
    "log",
    "log --format json",
    "log --mailbox support",
    "log --mailbox quiet",
    "log --from jane.doe",
    "log --from customer",
    "log --outcome completed",
    "log --outcome failed",
    "log --outcome pending",
    "log --outcome bounced --mailbox quiet",
    "log --outcome failed --since 2h",
    "log --since 2h",
    "log --since 200d --until 199d",
    "log --grep printer",
    "log --grep jane.doe --since 30d",
    "log --grep #FIRST#",
    "log --grep nothing-of-the-kind",
    "log --from nobody@nowhere.example",
    "log --grep xy",
    "show LAST",
    "show FIRST",
    "show LAST --format json",
    "retry --dry-run LAST",
    "retry --dry-run --outcome failed --since 2h",
];

fn main() {
    let large = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(LARGE);
    let desks = [SMALL, large].map(Desk::with);
    print!("{:48}", "milliseconds, medians");
    for desk in &desks {
        print!(" {:>12}", format!("{} messages", desk.messages));
    }
    println!("   bar {BAR}");
    for question in QUESTIONS {
        print!("{question:48}");
        let mut is_slow = false;
        for desk in &desks {
            let took = 1e3 * median(|| desk.ask(question)).as_secs_f64();
            is_slow |= took > BAR;
            print!(" {took:>12.1}");
        }
        println!("{}", if is_slow { "   over" } else { "" });
    }
}

fn median(ask: impl Fn()) -> Duration {
    ask(); // what follows finds the file in memory
    let mut took: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            ask();
            began.elapsed()
        })
        .collect();
    took.sort();
    took[RUNS / 2]
}
