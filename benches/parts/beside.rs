//! What a part costs of reading the message: by turns, so that what else the machine does falls on both.

use cpu_time::ThreadTime;

use crate::part::{ALL, Part, READING, Subject};

const ROUNDS: usize = 201;
/// In each round so many times each.
const TIMES: usize = 10;

/// The middle of all rounds.
pub fn reading(subject: &Subject<'_>, name: &str) -> f64 {
    let [reading, part] = [READING, name].map(|name| ALL.iter().find(|part| part.name == name).unwrap());
    let mut shares: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let reading = time(reading, subject);
            time(part, subject) / reading
        })
        .collect();
    shares.sort_by(f64::total_cmp);
    shares[ROUNDS / 2]
}

fn time(part: &Part, subject: &Subject<'_>) -> f64 {
    let began = ThreadTime::now();
    for _ in 0..TIMES {
        (part.does)(subject);
    }
    began.elapsed().as_secs_f64()
}
