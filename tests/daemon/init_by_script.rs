//! `init` with the answers of a script, which can not answer twice.

use std::{
    io::Write,
    process::{Output, Stdio},
};

use crate::world::program;

/// What becomes of these answers in a folder with nothing in it, and whether it is still empty then.
fn asked(answers: &str) -> (Output, bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = program()
        .args(["init", "--output", "asked.toml"])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let is_empty = std::fs::read_dir(&folder).unwrap().next().is_none();
    (output, is_empty)
}

#[test]
fn it_ends_at_the_first_answer_that_is_refused_and_names_its_line() {
    for (answers, expected) in [
        (
            "state\nmaildir\nnobody\nsupport\n",
            "line 3 of the answers, to the question \"Its address, such as support@example.com\": That does not work: \
             \"nobody\" is no address; write name@domain; no configuration was written\n",
        ),
        (
            "state\npop\nmaildir\n",
            "line 2 of the answers, to the question \"On an IMAP server, or a Maildir (imap/maildir)\": One of these is \
             needed: imap, maildir; no configuration was written\n",
        ),
        (
            "state\nmaildir\n\nsupport@desk.example\n",
            "line 3 of the answers, to the question \"Its address, such as support@example.com\": An answer is needed \
             here; no configuration was written\n",
        ),
        // A question that follows a warning is a question, too.
        (
            "state\nimap\nsupport@desk.example\nsupport\nimap.desk.example\nnone\nyes\n",
            "the answers end at the question \"Port\"; no configuration was written\n",
        ),
    ] {
        let (output, is_empty) = asked(answers);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.ends_with(expected), "{answers:?}: {output:?}");
        assert_eq!((output.status.code(), is_empty), (Some(2), true), "{answers:?}");
    }
}
