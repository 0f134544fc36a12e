//! Broken configurations, each with exactly the faults it must give: `tests/bad_config/NAME/` holds the files
//! and `expected.txt`, `environment.txt` the variables where there are any. `UPDATE=1` rewrites what is expected.

#![allow(clippy::unwrap_used)] // a test's own helpers may stop it

use std::{fs, path::Path};

use halo_intake::generation::Generation;

#[test]
fn every_broken_configuration_gives_exactly_its_faults() {
    let mut cases: Vec<_> = fs::read_dir("tests/bad_config")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 15, "the cases are not where they should be");
    let differing: Vec<String> = cases.iter().filter_map(|case| check(case)).collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// What differs from what is expected, if anything does.
fn check(case: &Path) -> Option<String> {
    let found = faults(case);
    let expected = case.join("expected.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&expected, &found).unwrap();
    }
    match fs::read_to_string(&expected) {
        Ok(text) if text == found => None,
        Ok(text) => Some(format!("{}\n--- expected\n{text}--- found\n{found}", case.display())),
        Err(error) => Some(format!("{}: {error}; UPDATE=1 writes it", expected.display())),
    }
}

/// The faults as a person reads them, places relative to the case.
fn faults(case: &Path) -> String {
    let variables = fs::read_to_string(case.join("environment.txt")).unwrap_or_default();
    let variables: Vec<(String, String)> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (Err(faults) | Ok((_, faults))) = Generation::load(&case.join("halo-intake.toml"), &variables);
    let lines = faults.0.iter().map(|fault| format!("{fault}\n"));
    lines.collect::<String>().replace(&format!("{}/", case.display()), "")
}
