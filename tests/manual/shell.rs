//! The commands that the manual shows: each is one that the program takes, and those of a block below `<!-- run -->` are run.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use clap::Parser;
use halo_intake::cli::Arguments;

use crate::{pages, path, text};

#[test]
fn every_command_in_the_manual_is_one_that_the_program_takes() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for line in blocks(&text(&page)).into_iter().flat_map(|(_, lines)| lines) {
            let Some(words) = called(&line) else { continue };
            seen += 1;
            if let Err(error) = Arguments::try_parse_from(&words)
                && error.use_stderr()
            {
                wrong.push(format!("{page}: {line}: {error}"));
            }
        }
    }
    assert!(seen > 20, "only {seen} commands were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_needs_no_tenant_runs_as_the_first_hour_shows_it() {
    let script = to_be_run("docs/first-hour.md");
    assert!(script.contains("\nhalo-intake explain"), "{script}");
    let (said, letters) = beside_the_sandbox(&script);
    assert!(said.contains("Ada Moss"), "{said}");
    for part in [
        "RCPT TO:<zoe@freemail.example>",
        "  | Please write to orders@shop.example.",
        "RCPT TO:<ops@desk.example>",
    ] {
        assert!(letters.contains(part), "{part:?} is not in {letters}");
    }
}

#[test]
fn init_asks_a_script_what_the_manual_lists_and_nothing_else() {
    let (said, _) = beside_the_sandbox(&to_be_run("docs/configuration.md"));
    let page = text("docs/configuration.md");
    let all = blocks(&page);
    let at = all.iter().position(|(run, _)| *run).expect("the page shows it");
    let (_, script) = &all[at];
    let given = script.iter().skip_while(|line| !line.ends_with("<<'END'")).skip(1);
    let given: Vec<&String> = given.take_while(|line| *line != "END").collect();
    let listed: Vec<&String> = all[at + 1].1.iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(listed.len(), given.len(), "a question for each answer");
    let mut lines = said.lines();
    for (line, answer) in listed.iter().zip(given) {
        let (question, shown) = line.rsplit_once(" → ").expect("a question and its answer");
        assert!(
            shown == answer || shown == "Enter" && answer.is_empty(),
            "{line}: {answer:?}"
        );
        // The addresses beside are others than the page's.
        let is_answer = |said: &str| answer.contains("2525") || answer.contains("9746") || said.ends_with(answer);
        let is_it = |said: &str| said.starts_with(question) && (said.ends_with("(not shown)") || is_answer(said));
        assert!(lines.any(is_it), "{question:?} is not asked there: {said}");
    }
}

/// The blocks of a page that are to be run.
fn to_be_run(page: &str) -> String {
    let blocks = blocks(&text(page)).into_iter();
    let lines: Vec<String> = blocks.filter(|(run, _)| *run).flat_map(|(_, lines)| lines).collect();
    lines.join("\n")
}

/// What a script says that runs well beside a sandbox, and what the sandbox says meanwhile.
fn beside_the_sandbox(script: &str) -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::create_dir(folder.path().join("config")).expect("a folder can be made");
    std::fs::copy(
        path("config/halo-intake.toml"),
        folder.path().join("config/sample.toml"),
    )
    .expect("it can be copied");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_halo-intake"));
    let folders = format!(
        "{}:{}",
        program.parent().expect("a program lies in a folder").display(),
        std::env::var("PATH").unwrap_or_default()
    );

    // The terminal beside, at addresses of its own, which stand in the place of the page's.
    let mut sandbox = Command::new(program)
        .args(["sandbox", "--listen", "127.0.0.1:0", "--mail", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the sandbox starts");
    let mut told = BufReader::new(sandbox.stdout.take().expect("its output is a pipe"));
    let mut port_behind = |start: &str| {
        let mut line = String::new();
        while !line.starts_with(start) {
            line.clear();
            let read = told.read_line(&mut line).expect("the pipe is read");
            assert_ne!(read, 0, "it says where it listens");
        }
        let port = line[start.len()..].chars().take_while(char::is_ascii_digit);
        port.collect::<String>()
    };
    let halo = port_behind("url = \"http://127.0.0.1:");
    let mail = port_behind("port = ");
    let script = script
        .replace("127.0.0.1:9746", &format!("127.0.0.1:{halo}"))
        .replace("2525", &mail);

    let ran = Command::new("bash")
        .args(["-euxc", &script])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", folders)
        .output();
    // It prints what it took before it ends.
    let id = rustix::process::Pid::from_child(&sandbox);
    let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    let mut letters = String::new();
    let read = told.read_to_string(&mut letters);
    let _ = sandbox.wait();
    read.expect("the pipe is read");
    let ran = ran.expect("bash is there");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let words = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}\n{words}");
    (said, letters)
}

#[test]
fn the_rule_that_only_looks_asks_for_no_more() {
    let page = text("docs/migration.md");
    let is_rule = |(_, lines): &(bool, Vec<String>)| lines.iter().any(|line| line.trim() == "[[rule]]");
    let (_, rule) = blocks(&page).into_iter().find(is_rule).expect("the page shows it");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("halo-intake.toml");
    let sample = text("config/halo-intake.toml");
    let (before, _) = sample.split_once("[[rule]]").expect("the sample has a rule");
    std::fs::write(&file, format!("{before}\n{}", rule.join("\n"))).expect("it can be written");
    let checked = Command::new(env!("CARGO_BIN_EXE_halo-intake"))
        .arg("check")
        .env("HALO_INTAKE_CONFIG", &file)
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    assert!(said.contains("up to 1 request for a message; "), "{said}");
}

/// The indented blocks of a page, and whether they are to be run.
fn blocks(page: &str) -> Vec<(bool, Vec<String>)> {
    let mut blocks: Vec<(bool, Vec<String>)> = Vec::new();
    let mut run = false;
    let mut inside = false;
    for line in page.lines() {
        match line.strip_prefix("    ") {
            Some(text) => {
                if !inside {
                    blocks.push((run, Vec::new()));
                    run = false;
                }
                inside = true;
                blocks.last_mut().expect("one was begun").1.push(text.to_owned());
            }
            // Within a block an empty line is one of it.
            None if line.is_empty() && inside => blocks.last_mut().expect("one was begun").1.push(String::new()),
            None => {
                inside = false;
                run = line == "<!-- run -->" || run && line.is_empty();
            }
        }
    }
    blocks
}

/// The words of a line that calls the program, without what stands before and behind it.
fn called(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    let begins = ["halo-intake ", "sudo ", "HALO_INTAKE"]
        .iter()
        .any(|start| line.starts_with(start));
    let (before, rest) = line.split_once("halo-intake ").filter(|_| begins)?;
    // A line of Postfix's master.cf has the program's name in its first column.
    if rest.starts_with("unix ") {
        return None;
    }
    let is_call = before
        .split(' ')
        .all(|word| word.is_empty() || word == "sudo" || word == "env" || word.contains('='));
    let mut words = vec!["halo-intake".to_owned()];
    let ends =
        |word: &&str| ["&&", "|", ">", "||", "<<'END'"].contains(word) || word.ends_with(';') || word.starts_with('#');
    let mut quoted: Option<String> = None;
    for word in rest
        .split(' ')
        .take_while(|word| !ends(word))
        .filter(|word| !word.is_empty())
    {
        let quotes = word.matches('"').count() % 2 == 1;
        let word = word.replace('"', "");
        match (quoted.take(), quotes) {
            (None, false) => words.push(word),
            (None, true) => quoted = Some(word),
            (Some(begun), false) => quoted = Some(format!("{begun} {word}")),
            (Some(begun), true) => words.push(format!("{begun} {word}")),
        }
    }
    // A number stands for one that the reader has.
    let words = words.into_iter().map(|word| {
        if word == "ID" || word == "ID…" {
            "17".to_owned()
        } else {
            word
        }
    });
    is_call.then(|| words.collect())
}
