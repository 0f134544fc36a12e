//! Arguments, configuration, command, exit status: the only place that exits.

use std::process::ExitCode;

fn main() -> ExitCode {
    halo_intake::cli::main()
}
