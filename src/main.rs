//! Arguments, configuration, command, exit status: the only place that exits.

use std::process::ExitCode;

/// Rust's memory; C takes its own from there as well. Cargo.toml says why.
#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    halo_intake::cli::main()
}
