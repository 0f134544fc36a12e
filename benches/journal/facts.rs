//! What was measured on both journals, side by side.

use std::time::Duration;

pub const READY: &str = "start to READY=1";
/// Of `READY`.
const BAR: Duration = Duration::from_millis(100);

/// The runs of each, by its name, in the order in which they came up.
pub struct Facts {
    sizes: [usize; 2],
    runs: Vec<(&'static str, [Vec<Duration>; 2])>,
}

impl Facts {
    pub fn of(sizes: [usize; 2]) -> Facts {
        Facts {
            sizes,
            runs: Vec::new(),
        }
    }

    /// `side` is 0 for the small journal.
    pub fn add(&mut self, side: usize, fact: &'static str, took: Duration) {
        let at = self.runs.iter().position(|(known, _)| *known == fact);
        let at = at.unwrap_or_else(|| {
            self.runs.push((fact, Default::default()));
            self.runs.len() - 1
        });
        self.runs[at].1[side].push(took);
    }

    pub fn print(mut self) {
        let [small, large] = self.sizes.map(|size| format!("{size} rows"));
        println!("{:50} {small:>13} {large:>13} {:>6}", "milliseconds, medians", "ratio");
        for (fact, sides) in &mut self.runs {
            sides.iter_mut().for_each(|runs| runs.sort());
            let [small, large] = sides.each_ref().map(|runs| at(runs, 2));
            let share = |took: Duration| took.as_secs_f64() / small.as_secs_f64();
            let (ratio, noise) = (share(large), [1, 3].map(|quarter| share(at(&sides[0], quarter))));
            let verdict = if ratio <= noise[1] { "within" } else { "over" };
            print!(
                "{fact:50} {:>13.3} {:>13.3} {ratio:>6.2}   bar: within noise, {:.2} to {:.2}: {verdict}",
                1e3 * small.as_secs_f64(),
                1e3 * large.as_secs_f64(),
                noise[0],
                noise[1]
            );
            if *fact == READY {
                let verdict = if large < BAR { "below" } else { "over" };
                print!("; bar: {BAR:?}: {verdict}");
            }
            println!();
        }
    }
}

/// The value behind so many quarters of the runs, which are sorted.
fn at(runs: &[Duration], quarter: usize) -> Duration {
    runs[(runs.len() - 1) * quarter / 4]
}
