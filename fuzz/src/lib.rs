//! One target of `halo_intake::fuzz` as a program of the fuzzer.

pub use halo_intake::fuzz;
pub use libfuzzer_sys::fuzz_target;

/// The whole of a file in `fuzz_targets`.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        $crate::fuzz_target!(
            // A panic that the program catches itself ends nothing; one that leaves the target still does.
            init: drop(std::panic::take_hook()),
            |octets: &[u8]| $crate::fuzz::target($name)(octets)
        );
    };
}
