//! Criterion's medians beside the allocations, and the sentences that compare.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use stats_alloc::Stats;

use crate::{
    beside,
    part::{CONDITIONS, RULES_TAKEN, Subject},
};

/// A hundred rules cost less than reading the message: so much of it.
const BAR: f64 = 1.0;

pub struct Table {
    folder: PathBuf,
    kinds: Vec<Kind>,
}

struct Kind {
    name: &'static str,
    octets: usize,
    parts: Vec<(&'static str, Stats)>,
    /// Of reading it: what a hundred conditions cost, and a hundred rules.
    shares: Option<[f64; 2]>,
}

impl Table {
    /// Of what criterion keeps in this folder.
    pub fn under(folder: &Path) -> Table {
        Table {
            folder: folder.to_owned(),
            kinds: Vec::new(),
        }
    }

    /// What follows is of such a message.
    pub fn begin(&mut self, name: &'static str, octets: usize) {
        self.kinds.push(Kind {
            name,
            octets,
            parts: Vec::new(),
            shares: None,
        });
    }

    /// What an earlier run has found does not stand for this one where a filter leaves the part out.
    pub fn forget(&self, part: &str) {
        let kind = self.kinds.last().unwrap();
        let _ = fs::remove_file(self.estimates(kind.name, part));
    }

    pub fn add(&mut self, part: &'static str, allocated: Stats) {
        self.kinds.last_mut().unwrap().parts.push((part, allocated));
    }

    /// The kind ends: what is asked of its rules is set beside reading, where no filter leaves that out.
    pub fn compare(&mut self, subject: &Subject<'_>) {
        let kind = self.kinds.last().unwrap();
        if self.median(kind, RULES_TAKEN).is_some() {
            let shares = [CONDITIONS, RULES_TAKEN].map(|part| beside::reading(subject, part));
            self.kinds.last_mut().unwrap().shares = Some(shares);
        }
    }

    pub fn print(&self) {
        println!(
            "\n{:40} {:>12} {:>12} {:>12}",
            "of one message", "median µs", "allocations", "octets"
        );
        for kind in &self.kinds {
            println!("{} ({} octets)", kind.name, kind.octets);
            for (part, allocated) in &kind.parts {
                if let Some(nanoseconds) = self.median(kind, part) {
                    println!(
                        "  {part:38} {:>12.2} {:>12} {:>12}",
                        nanoseconds / 1e3,
                        allocated.allocations + allocated.reallocations,
                        allocated.bytes_allocated
                    );
                }
            }
        }
        println!();
        for kind in &self.kinds {
            if let Some([asked, taken]) = kind.shares {
                println!(
                    "{}: a hundred conditions cost {asked:.2} of reading the message, being taken through the hundred rules {taken:.2} (bar: below {BAR})",
                    kind.name
                );
            }
        }
    }

    /// In nanoseconds, where it was measured in this run.
    fn median(&self, kind: &Kind, part: &str) -> Option<f64> {
        let text = fs::read(self.estimates(kind.name, part)).ok()?;
        let estimates: Value = serde_json::from_slice(&text).unwrap();
        estimates["median"]["point_estimate"].as_f64()
    }

    fn estimates(&self, kind: &str, part: &str) -> PathBuf {
        self.folder.join(kind).join(part).join("new/estimates.json")
    }
}
