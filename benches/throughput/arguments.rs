//! What is to be measured: words of the command line.

pub const USAGE: &str = "\
usage: cargo bench --bench throughput -- [PART[=N,N,...]]... [rounds=N] [full]
parts, each with its numbers of messages:
  disk    every program, mail and what they keep on a disk
  memory  every program, all of it on a tmpfs
  line    all but getmail6, over a slow line
  halo    halo-intake with a Halo that takes 50 ms for every answer
  idle    halo-intake at rest
  peak    halo-intake's largest size with messages up to 1 MiB, and with larger ones
without parts all are measured; full takes the numbers that the bars are about, and lets getmail6 take more than 1,000
messages, half a minute for each thousand";

pub const PARTS: [&str; 6] = ["disk", "memory", "line", "halo", "idle", "peak"];

/// What was asked for.
#[derive(Debug)]
pub struct Arguments {
    parts: Vec<(&'static str, Vec<usize>)>,
    pub rounds: usize,
    pub is_full: bool,
}

impl Arguments {
    pub fn read(words: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let (mut parts, mut rounds, mut is_full) = (Vec::new(), 3, false);
        // Cargo adds --bench.
        for word in words.filter(|word| word != "--bench") {
            let (name, numbers) = word.split_once('=').unwrap_or((&word, ""));
            let numbers: Vec<usize> = numbers
                .split(',')
                .filter(|number| !number.is_empty())
                .map(|number| number.parse().ok().filter(|number| *number > 0))
                .collect::<Option<_>>()
                .ok_or_else(|| format!("{word}: numbers are expected\n{USAGE}"))?;
            match (name, numbers.as_slice()) {
                ("rounds", [number]) => rounds = *number,
                ("full", []) => is_full = true,
                _ => {
                    let part = PARTS.into_iter().find(|part| *part == name);
                    let part = part.ok_or_else(|| format!("{word} is not known\n{USAGE}"))?;
                    parts.push((part, numbers));
                }
            }
        }
        if parts.is_empty() {
            parts = PARTS.map(|part| (part, Vec::new())).to_vec();
        }
        for (part, numbers) in parts.iter_mut().filter(|(_, numbers)| numbers.is_empty()) {
            *numbers = usual(part, is_full).to_vec();
        }
        Ok(Arguments { parts, rounds, is_full })
    }

    /// The numbers of messages that a part is measured with; none where it is not wanted.
    pub fn sizes(&self, part: &str) -> Vec<usize> {
        let wanted = self.parts.iter().filter(|(name, _)| *name == part);
        wanted.flat_map(|(_, numbers)| numbers.iter().copied()).collect()
    }
}

fn usual(part: &str, is_full: bool) -> &'static [usize] {
    match part {
        "disk" | "memory" if is_full => &[1_000, 10_000, 50_000],
        "line" | "peak" if is_full => &[1_000, 10_000],
        "memory" => &[1_000, 5_000],
        "halo" => &[10_000],
        _ => &[1_000],
    }
}
