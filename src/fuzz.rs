//! What the fuzzer and the test of its corpus call: octets of strangers, at every place where some come in.
//!
//! Each target reads them as the daemon does and asserts what has to hold whatever they are. `docs/fuzzing.md` says how
//! they are run.

mod bounce;
mod configuration;
mod context;
mod expression;
mod halo;
mod imap;
mod message;
mod report;
mod tnef;

/// Reads octets and panics where something does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name: that of its file in `fuzz/fuzz_targets` and of its folder in `fuzz/corpus`.
pub const TARGETS: [(&str, Target); 9] = [
    ("message", message::check),
    ("report", report::check),
    ("context", context::check),
    ("bounce", bounce::check),
    ("expression", expression::check),
    ("configuration", configuration::check),
    ("halo", halo::check),
    ("imap", imap::check),
    ("tnef", tnef::check),
];

/// The target of that name.
///
/// # Panics
///
/// Where there is none.
pub fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("there is no target {name}")).1
}

/// That a text stands on one line and says nothing to a terminal.
#[track_caller]
fn assert_one_line(what: &str, text: &str) {
    assert!(!text.contains(char::is_control), "{what}: {text:?}");
}
