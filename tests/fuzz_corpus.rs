//! Every file of the fuzzer's corpus through its target, on a stack as small as the daemon's workers have: what the
//! fuzzer found once stays mended, without the fuzzer.

#![allow(clippy::unwrap_used)] // a test ends where it can not go on

use std::{
    fs,
    path::{Path, PathBuf},
};

use halo_intake::fuzz::{TARGETS, Target};

/// The stack of a worker thread of tokio.
const STACK: usize = 2 * 1024 * 1024;
/// The whole corpus stays small enough to be read through.
const LARGEST_CORPUS: u64 = 1 << 20;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The octets through the target; what it panicked with, if it did.
fn run(target: Target, octets: Vec<u8>) -> Result<(), String> {
    let thread = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || target(&octets));
    let ended = thread.unwrap().join();
    ended.map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

fn check(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).unwrap();
    let corpus = files(&repository("fuzz/corpus").join(name));
    assert!(corpus.len() >= 8, "the corpus of {name} is not there");
    let failed: Vec<String> = corpus
        .iter()
        .filter_map(|path| {
            run(target, fs::read(path).unwrap())
                .err()
                .map(|why| format!("{}: {why}", path.display()))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn messages_of_the_corpus_are_read() {
    check("message");
}

#[test]
fn reports_of_the_corpus_are_read() {
    check("report");
}

#[test]
fn messages_of_the_corpus_become_contexts() {
    check("context");
}

#[test]
fn messages_of_the_corpus_are_returned() {
    check("bounce");
}

#[test]
fn expressions_of_the_corpus_are_refused_or_render() {
    check("expression");
}

#[test]
fn configurations_of_the_corpus_load_or_say_why_not() {
    check("configuration");
}

#[test]
fn answers_of_halo_in_the_corpus_are_classed() {
    check("halo");
}

#[test]
fn imap_sessions_of_the_corpus_end() {
    check("imap");
}

#[test]
fn wrapped_messages_of_the_corpus_are_unpacked() {
    check("tnef");
}

#[test]
fn mail_of_the_tests_goes_through_every_target_that_reads_mail() {
    for folder in ["plain", "reply", "quoted", "automatic", "report", "malformed"] {
        for path in files(&repository("tests/mail").join(folder)) {
            for name in ["message", "context", "bounce", "report"] {
                let ended = run(halo_intake::fuzz::target(name), fs::read(&path).unwrap());
                assert_eq!(ended, Ok(()), "{name} of {}", path.display());
            }
        }
    }
}

#[test]
fn every_target_is_a_program_with_a_corpus_and_all_of_it_is_small() {
    let mut size = 0;
    for (name, _) in TARGETS {
        let program = repository(&format!("fuzz/fuzz_targets/{name}.rs"));
        assert!(
            fs::read_to_string(&program)
                .unwrap()
                .contains(&format!("target!(\"{name}\")"))
        );
        size += files(&repository("fuzz/corpus").join(name))
            .iter()
            .map(|path| path.metadata().unwrap().len())
            .sum::<u64>();
    }
    assert!(size < LARGEST_CORPUS, "{size} octets");
    assert_eq!(files(&repository("fuzz/corpus")).len(), TARGETS.len());
}
