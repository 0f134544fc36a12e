//! What each pure part costs of one message, in processor time and in allocations: reading it, its context, rendering, conditions,
//! a hundred rules; for messages of several kinds.
//!
//! `cargo bench --features test-hooks --bench parts -- [FILTER]`: criterion says more of each, and at the end there is one
//! table. Bar: a hundred rules cost less than reading the message, both by turns. It only measures.

#![allow(clippy::unwrap_used)] // where it can not measure, it stops

mod beside;
mod mail;
mod part;
mod processor;
mod rules;
mod table;

use std::{alloc::System, path::Path, time::Duration};

use criterion::Criterion;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use part::Subject;
use processor::Processor;
use table::Table;

/// It counts while times are taken, too: some ten nanoseconds of each allocation are its own.
#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("parts");
    let mut criterion = Criterion::default()
        .with_measurement(Processor)
        .output_directory(&folder)
        .sample_size(50)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let (generation, mut table) = (rules::generation(), Table::under(&folder));
    for (kind, octets) in mail::kinds() {
        let subject = Subject::of(octets, &generation);
        let mut group = criterion.benchmark_group(kind);
        table.begin(kind, subject.octets());
        for part in part::ALL {
            table.forget(part.name);
            group.bench_function(part.name, |bencher| bencher.iter(|| (part.does)(&subject)));
            let region = Region::new(COUNTING);
            (part.does)(&subject);
            table.add(part.name, region.change());
        }
        group.finish();
        table.compare(&subject);
    }
    criterion.final_summary();
    table.print();
}
