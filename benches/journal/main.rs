//! What a poll, a commit and a start cost with a journal of ten thousand messages and with one of a million.
//!
//! `cargo bench --bench journal -- [SMALL] [LARGE]`; 10,000 and 1,000,000 when left out, 10,000 at least. Each is a copy of
//! the journal that the bench `listing` reads, filled where it is not there: the rows of a year, with octets and traces
//! of the newest 5,000 alone, small ones; creations, letters and notices stay few. Rounds on both alternate. Bars: what a
//! journal's size changes is within noise, which is half of the small one's own runs; a start takes less than 100 ms. It
//! only measures.

#![allow(clippy::unwrap_used)] // where it can not measure, it stops

#[path = "../listing/fill.rs"]
mod fill;

mod desk;
mod facts;
mod start;
mod within;

use desk::Desk;
use facts::Facts;
use halo_intake::sandbox::Sandbox;
use within::Within;

const SMALL: usize = 10_000;
const LARGE: usize = 1_000_000;
const ROUNDS: usize = 15;
const STARTS: usize = 15;

fn main() {
    // Cargo adds --bench.
    let mut sizes = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let sizes = [sizes.next().unwrap_or(SMALL), sizes.next().unwrap_or(LARGE)];
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let sandbox = runtime.block_on(Sandbox::start(([127, 0, 0, 1], 0).into())).unwrap();
    let desks = sizes.map(|messages| Desk::with(messages, &sandbox, &runtime));
    let mut facts = Facts::of(sizes);

    let mut within = desks.each_ref().map(Within::of);
    for _ in 0..ROUNDS {
        for (side, journal) in within.iter_mut().enumerate() {
            runtime.block_on(journal.round(&mut |fact, took| facts.add(side, fact, took)));
        }
    }
    drop(within);

    // What retention no longer keeps, and the first look at the mailboxes, is behind them then.
    for desk in &desks {
        start::once(desk);
    }
    for _ in 0..STARTS {
        for (side, desk) in desks.iter().enumerate() {
            facts.add(side, facts::READY, start::ready(desk));
            facts.add(side, "run --once, nothing there", start::once(desk));
            desk.deliver();
            facts.add(side, "run --once, one new message", start::once(desk));
        }
    }
    facts.print();
}
