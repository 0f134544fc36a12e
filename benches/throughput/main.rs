//! Throughput and peak memory beside `mbsync`: both take the same mailbox from the same Dovecot over TLS.
//!
//! `cargo bench --bench throughput -- [N] [ROUNDS]`; 1,000 messages and 2 rounds when left out.
//!
//! halo-intake does more than mbsync: it keeps every message in its journal, runs it through three rules, asks the
//! emulated Halo (which runs in this process and shares the processor), makes users, and moves the messages.

#![allow(clippy::unwrap_used)] // where it can not measure, it stops

#[path = "../../tests/servers/mod.rs"]
mod servers;

mod desk;
mod idle;
mod mail;
mod measure;
mod process;

use desk::{Desk, Place};
use measure::Measured;

/// Who takes the mail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    HaloIntake,
    /// As it is installed: every message is forced to the disk.
    Mbsync,
    /// It leaves that to the system.
    MbsyncWithoutFsync,
}

const PROGRAMS: [Program; 3] = [Program::HaloIntake, Program::Mbsync, Program::MbsyncWithoutFsync];

impl Program {
    fn name(self) -> &'static str {
        match self {
            Program::HaloIntake => "halo-intake run --once",
            Program::Mbsync => "mbsync",
            Program::MbsyncWithoutFsync => "mbsync, FSync no",
        }
    }

    /// Takes the mail of a new place, and makes sure that all of it was taken.
    fn run(self, desk: &Desk, run: usize) -> Measured {
        let place = desk.place(run);
        let measured = measure::measure(&mut match self {
            Program::HaloIntake => desk.halo_intake(&place, &["run", "--once"]),
            Program::Mbsync => desk.mbsync(&place, true),
            Program::MbsyncWithoutFsync => desk.mbsync(&place, false),
        });
        self.check(desk, &place, &measured);
        desk.leave(place);
        measured
    }

    fn check(self, desk: &Desk, place: &Place, measured: &Measured) {
        let ended = measured.status;
        assert!(
            ended.success(),
            "{} ended with {ended}: {}",
            self.name(),
            desk.words(place)
        );
        match self {
            Program::HaloIntake => desk.check_halo_intake(place),
            Program::Mbsync | Program::MbsyncWithoutFsync => desk.check_mbsync(place),
        }
    }
}

fn main() {
    // Cargo adds --bench.
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse::<usize>().ok());
    let messages = numbers.next().unwrap_or(1_000);
    let rounds = numbers.next().unwrap_or(2).max(1);
    let runs = rounds * PROGRAMS.len();
    let desk = Desk::new(messages, runs + 1);
    let megabytes = desk.octets() as f64 / 1e6;
    println!("{messages} messages, {megabytes:.1} MB, {rounds} rounds");

    let mut measured: [Vec<Measured>; 3] = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..rounds {
        for turn in 0..PROGRAMS.len() {
            // Each round begins with another one, so that nobody always comes after the same.
            let at = (turn + round) % PROGRAMS.len();
            let run = PROGRAMS[at].run(&desk, round * PROGRAMS.len() + turn);
            println!(
                "  round {}: {:24} {:8.2} s, {:6.2} s CPU, {:6.1} MiB",
                round + 1,
                PROGRAMS[at].name(),
                run.wall.as_secs_f64(),
                run.cpu_seconds,
                mebibytes(&run)
            );
            measured[at].push(run);
        }
    }
    print_table(messages, megabytes, &measured);
    let idle = idle::measure(&desk, runs);
    println!(
        "\nhalo-intake run, one empty mailbox: ready after {:.2} s, {:.1} MiB resident then, {:.1} MiB at its peak",
        idle.ready_after.as_secs_f64(),
        idle.resident_mib,
        idle.peak_mib
    );
}

fn print_table(messages: usize, megabytes: f64, measured: &[Vec<Measured>; 3]) {
    println!(
        "\n{:24} {:>8} {:>11} {:>8} {:>8} {:>10} {:>12}",
        "program", "N", "messages/s", "MB/s", "CPU s", "peak MiB", "ms/message"
    );
    for (program, runs) in PROGRAMS.iter().zip(measured) {
        let seconds = median(runs, seconds);
        println!(
            "{:24} {messages:>8} {:>11.1} {:>8.2} {:>8.2} {:>10.1} {:>12.3}",
            program.name(),
            messages as f64 / seconds,
            megabytes / seconds,
            median(runs, |run| run.cpu_seconds),
            median(runs, mebibytes),
            1e3 * seconds / messages as f64
        );
    }
    for (program, runs) in PROGRAMS.iter().zip(measured).skip(1) {
        println!(
            "halo-intake is {:.2} times as fast as {}, with {:.2} times its memory",
            median(runs, seconds) / median(&measured[0], seconds),
            program.name(),
            median(&measured[0], mebibytes) / median(runs, mebibytes)
        );
    }
    println!(
        "Medians of the rounds, each run on a mailbox of its own; wall clock from start to exit, processor time and peak\n\
         resident size (VmHWM) of the one process by /proc; Dovecot, the emulated Halo and both programs share this machine."
    );
}

fn seconds(run: &Measured) -> f64 {
    run.wall.as_secs_f64()
}

fn mebibytes(run: &Measured) -> f64 {
    run.peak_kib as f64 / 1024.0
}

fn median(runs: &[Measured], of: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}
