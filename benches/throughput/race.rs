//! Several programs on the same mailbox, in rounds.

use crate::{
    desk::{Desk, Mailbox},
    measure::Measured,
    program::Program,
};

/// A program's runs: a line of the table.
pub struct Row {
    pub place: &'static str,
    pub program: Program,
    pub messages: usize,
    megabytes: f64,
    runs: Vec<Measured>,
}

/// Each round begins with another program, so that nobody always comes after the same.
pub fn race(
    place: &'static str,
    programs: &[Program],
    rounds: usize,
    desk: &Desk,
    mailbox: &Mailbox,
    port: u16,
) -> Vec<Row> {
    let row = |program: &Program| Row {
        place,
        program: *program,
        messages: mailbox.messages,
        megabytes: mailbox.octets as f64 / 1e6,
        runs: Vec::new(),
    };
    let mut rows: Vec<Row> = programs.iter().map(row).collect();
    for round in 0..rounds {
        for turn in 0..programs.len() {
            let row = &mut rows[(turn + round) % programs.len()];
            if round > 0 && row.program.is_slow() {
                continue;
            }
            let run = row.program.take(desk, mailbox, port);
            println!(
                "  {place}, {} messages, round {}: {:24} {:8.2} s, {:6.2} s CPU, {:6.1} MiB",
                row.messages,
                round + 1,
                row.program.name(),
                run.wall.as_secs_f64(),
                run.cpu_seconds,
                run.peak_mebibytes()
            );
            row.runs.push(run);
        }
    }
    rows
}

pub fn print_table(rows: &[Row]) {
    println!(
        "\n{:8} {:24} {:>7} {:>5} {:>8} {:>11} {:>8} {:>8} {:>9} {:>11}",
        "place", "program", "N", "runs", "MB", "messages/s", "MB/s", "CPU s", "peak MiB", "ms/message"
    );
    for row in rows {
        let seconds = row.seconds();
        println!(
            "{:8} {:24} {:>7} {:>5} {:>8.1} {:>11.1} {:>8.2} {:>8.2} {:>9.1} {:>11.3}",
            row.place,
            row.program.name(),
            row.messages,
            row.runs.len(),
            row.megabytes,
            row.messages as f64 / seconds,
            row.megabytes / seconds,
            median_of(&row.runs, |run| run.cpu_seconds),
            median_of(&row.runs, Measured::peak_mebibytes),
            1e3 * row.seconds_each()
        );
    }
    println!(
        "Medians of the runs, each on a mailbox of its own; wall clock from start to exit, processor time and peak\n\
         resident size (VmHWM) of the one process by /proc; Dovecot, the emulated Halo and the programs share this machine."
    );
}

impl Row {
    pub fn seconds(&self) -> f64 {
        median_of(&self.runs, |run| run.wall.as_secs_f64())
    }

    pub fn seconds_each(&self) -> f64 {
        self.seconds() / self.messages as f64
    }
}

fn median_of(runs: &[Measured], of: impl Fn(&Measured) -> f64) -> f64 {
    median(runs.iter().map(of).collect())
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}
