//! `log` and `show` as people and programs read them.

use std::collections::BTreeSet;

use halo_intake::sandbox::{Fault, Mishap};
use serde_json::Value;

use crate::{
    running::USERS,
    talk::Talk,
    world::{World, repository},
};

const JOURNAL: &str = "docs/journal.md";

fn three() -> World {
    let world = World::new(USERS);
    for (name, subject) in [("ann", "First"), ("bob", "Second"), ("jane", "Third")] {
        world.mail(&format!("{name}@stranger.example"), subject);
        world.once();
    }
    world
}

/// What a command says on a terminal.
pub fn on_terminal(world: &World, arguments: &[&str], pager: &str) -> String {
    let mut command = world.command(arguments);
    command
        .env("HALO_INTAKE_PAGER", pager)
        .env_remove("NO_COLOR")
        .env("TERM", "xterm");
    let mut talk = Talk::on_terminal(command);
    assert_eq!(talk.ends(), 0, "{}", talk.text);
    talk.text.clone()
}

#[test]
fn a_terminal_is_read_page_by_page_and_nothing_else_is() {
    let world = three();
    let pager = "sed 's/^/page: /'";
    for arguments in [&["log"][..], &["show", "1"]] {
        let said = on_terminal(&world, arguments, pager);
        assert!(said.lines().all(|line| line.starts_with("page: ")), "{said}");
        assert!(said.contains("\u{1b}["), "colours are kept: {said}");
        let said = on_terminal(&world, &[arguments, &["--no-pager"]].concat(), pager);
        assert!(!said.contains("page: "), "{said}");
        let piped = world
            .command(arguments)
            .env("HALO_INTAKE_PAGER", pager)
            .output()
            .unwrap();
        let piped = String::from_utf8(piped.stdout).unwrap();
        assert!(!piped.contains("page: ") && !piped.contains('\u{1b}'), "{piped}");
    }
    assert!(!on_terminal(&world, &["log"], "").contains("page: "));
}

#[test]
fn a_terminal_says_what_was_left_off_and_what_was_not_found() {
    let world = three();
    let said = on_terminal(&world, &["log", "--limit", "2"], "");
    assert!(
        said.contains("these are the newest 2; --limit shows more, or all"),
        "{said}"
    );
    assert!(!on_terminal(&world, &["log", "--limit", "3"], "").contains("newest"));
    let said = on_terminal(&world, &["log", "--from", "nobody", "--since", "2026-01-01"], "");
    assert!(
        said.contains("no message from \"nobody\" since 2026-01-01 00:00:00 UTC"),
        "{said}"
    );
    let piped = world.run(&["log", "--from", "nobody"]);
    assert_eq!((piped.status, piped.stderr.as_str()), (0, ""), "{piped:?}");
}

#[test]
fn log_is_asked_for_a_time_between_two() {
    let world = three();
    let subjects = |arguments: &[&str]| -> Vec<String> {
        let rows = world.json(&[&["log"], arguments].concat());
        rows.iter()
            .map(|row| row["subject"].as_str().unwrap().to_owned())
            .collect()
    };
    let times: Vec<String> = world
        .log()
        .iter()
        .map(|row| row["time"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(subjects(&["--since", &times[1]]), ["Third", "Second"]);
    assert_eq!(subjects(&["--until", &times[1]]), ["First"]);
    assert_eq!(subjects(&["--since", &times[1], "--until", &times[2]]), ["Second"]);
    assert_eq!(
        subjects(&["--since", "today"]).len() + subjects(&["--until", "today"]).len(),
        3
    );
    let wrong = world.run(&["log", "--until", "next week"]);
    assert!(
        wrong.status == 2 && wrong.stderr.contains("--until \"next week\" names no time"),
        "{wrong:?}"
    );
}

#[test]
fn show_takes_several_and_names_those_that_are_not_there() {
    let world = three();
    let ran = world.run(&["show", "3", "99", "1", "98"]);
    assert_eq!(ran.status, 2);
    assert_eq!(
        ran.stderr,
        "there is no message 99; halo-intake log lists them\nthere is no message 98; halo-intake log lists them\n"
    );
    let shown: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("message ")).collect();
    assert_eq!(shown, ["message 3", "message 1"]);
    assert_eq!(world.json(&["show", "1", "2"]).len(), 2);
    assert_eq!(world.run(&["show", "1", "2", "--raw"]).status, 2);
}

#[test]
fn a_message_without_an_author_is_said_to_have_none() {
    let world = World::new(USERS);
    world.deliver("To: support@desk.example\nSubject: Nobody wrote this\nMessage-ID: <none@story.example>\n\nText\n");
    let file = world.folder.join("none.eml");
    std::fs::write(&file, "Subject: Nobody wrote this\n\nText\n").unwrap();
    world.once();
    for arguments in [&["log"][..], &["show", "1"], &["explain", file.to_str().unwrap()]] {
        let said = world.run(arguments).stdout;
        assert!(said.contains("(no author)") && !said.contains("by its"), "{said}");
    }
}

#[test]
fn who_names_no_id_reads_what_one_is_and_where_it_is_to_be_had() {
    let world = World::new(USERS);
    for arguments in [
        &["show", "x"][..],
        &["retry", "1e3"],
        &["replay", "--against", "x.toml", "0"],
    ] {
        let ran = world.run(arguments);
        let told = "an ID is the number of a message, 17 for example; it stands first in a line of halo-intake log";
        assert!(
            ran.status == 2 && ran.stderr.contains(told),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
    let ran = world.run(&["explain", "17"]);
    let told = "explain takes files: halo-intake retry --dry-run 17 is for message 17 of the journal";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let ran = world.run(&["explain", "nix.eml"]);
    let told = "nix.eml can not be read: No such file or directory (os error 2); explain takes messages as files";
    assert!(ran.status == 65 && ran.stderr.starts_with(told), "{}", ran.stderr);
    for arguments in [&["retry"][..], &["retry", "--dry-run", "--mailbox", "support"]] {
        let ran = world.run(arguments);
        let told = ran.stderr.contains("name their IDs") && ran.stderr.contains("--outcome failed");
        assert!(ran.status == 2 && told, "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn log_follows_what_comes() {
    let world = three();
    let command = world.command(&["log", "--follow"]);
    let mut talk = Talk::by_pipes(command);
    talk.hears("First");
    talk.hears("Third");
    world.mail("eve@stranger.example", "Fourth");
    world.once();
    talk.hears("Fourth");
}

#[test]
fn log_follows_each_message_to_its_end_however_many_come() {
    let world = World::new(USERS);
    let users = |status: u16| {
        let message = "nobody is made today".to_owned();
        let fault = Fault::once("POST", "/api/users", Mishap::Status { status, message });
        world.sandbox.set(|switches| switches.faults = vec![fault.times(100)]);
    };
    users(503);
    world.mail("ann@stranger.example", "Old");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    users(400);
    world.mail("bob@stranger.example", "Newer");
    world.run(&["run", "--once"]);
    let follow = |filter: &[&str]| {
        let arguments = [&["log", "--follow", "--limit", "1"], filter].concat();
        let mut talk = Talk::by_pipes(world.command(&arguments));
        talk.hears("Newer");
        talk
    };
    let mut all = follow(&[]);
    let mut failed = follow(&["--outcome", "failed"]);
    let mut with_reason = follow(&["--grep", "nobody is made today"]);
    world.sandbox.set(|switches| switches.faults.clear());
    let three = [
        ("eve@a.example", "One"),
        ("eve@b.example", "Two"),
        ("eve@c.example", "Three"),
    ];
    world.mail_all(three.into_iter());
    world.run(&["run", "--once"]);
    for (_, subject) in three {
        all.hears(subject);
    }
    users(400);
    world.later(3600);
    world.once();
    for talk in [&mut all, &mut failed, &mut with_reason] {
        talk.hears("Old");
    }
    assert!(!failed.text.contains("Two"), "{}", failed.text);
}

/// The names in the first column of the table under this heading of a page.
pub fn documented(page: &str, heading: &str) -> BTreeSet<String> {
    let page = std::fs::read_to_string(repository(page)).unwrap();
    let table = page
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"))
        .1;
    let rows = table
        .lines()
        .skip_while(|line| !line.starts_with("| `"))
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

fn check(heading: &str, object: &Value) {
    let names: BTreeSet<String> = object.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, documented(JOURNAL, heading), "{heading}");
}

#[test]
fn the_names_of_the_json_are_those_of_the_page() {
    let world = three();
    check("### JSON of `log`", &world.json(&["log"])[0]);
    check("### JSON of `log`", &world.json(&["retry", "1"])[0]);
    let dry = world.json(&["retry", "1", "--dry-run"]).remove(0);
    let mut names = documented(JOURNAL, "### JSON of `log`");
    for name in ["would_be", "would_be_reason"] {
        let page = std::fs::read_to_string(repository(JOURNAL)).unwrap();
        assert!(page.contains(&format!("`{name}`")), "{name}");
        names.insert(name.to_owned());
    }
    assert_eq!(dry.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>(), names);
    let shown = world.json(&["show", "1"]).remove(0);
    let both: BTreeSet<String> = &documented(JOURNAL, "### JSON of `log`") | &documented(JOURNAL, "### JSON of `show`");
    let names: BTreeSet<String> = shown.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, both);
    check("### An attempt", &shown["attempts_made"][0]);
}

#[test]
fn a_fault_in_a_rule_hides_nothing_of_what_was_done() {
    let world = World::new(USERS);
    world.mail("Ann <ann@stranger.example>", "Before");
    world.once();
    world.more("[[rule]]\nname = \"wrong\"\nwhen = \"emial.subject\"\n");
    for arguments in [&["log"][..], &["show", "1"]] {
        let ran = world.run(arguments);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(ran.stdout.contains("ann@stranger.example"), "{ran:?}");
        assert!(
            ran.stderr
                .contains("the configuration has a fault, which halo-intake check names"),
            "{ran:?}"
        );
    }
}

#[test]
fn where_the_key_of_the_journal_is_misspelt_none_is_read() {
    let world = World::new(USERS);
    world.mail("Ann <ann@stranger.example>", "Before");
    world.once();
    world.more("jornal = \"postgres://intake@db.example/intake\"\n");
    let ran = world.run(&["log"]);
    assert!(
        ran.status == 78 && ran.stderr.contains("did you mean \"journal\"?"),
        "{ran:?}"
    );
}
