//! What is known of the real Halo, asked from outside by a script that is no part of our client.

use std::process::Command;

use halo_intake::sandbox::{CLIENT_ID, CLIENT_SECRET, Switches, switches};
use serde_json::json;

use crate::{program::Program, world::http};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sandbox/conformance.sh");
const MANUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sandbox.md");

/// Runs the script: its lines, and whether it found no fault.
fn asked(program: &Program, arguments: &[&str]) -> (Vec<String>, bool) {
    let curl = Command::new("curl").arg("--version").output();
    assert!(
        curl.is_ok(),
        "curl is missing, which asks the sandbox: tests/run install"
    );
    let ran = Command::new("bash")
        .args([SCRIPT, program.url.as_str(), CLIENT_ID, CLIENT_SECRET])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    (said.lines().map(str::to_owned).collect(), ran.status.success())
}

/// The sections of the script in their order, with their text.
fn sections() -> Vec<(String, String)> {
    let script = std::fs::read_to_string(SCRIPT).unwrap();
    let order = script
        .lines()
        .find_map(|line| line.strip_prefix("for section in ")?.strip_suffix("; do"));
    let named = order.unwrap().split(' ').map(|name| {
        let path = SCRIPT.replace(".sh", &format!("/{name}.sh"));
        (name.replace('_', " "), std::fs::read_to_string(path).unwrap())
    });
    named.collect()
}

/// The points of a section.
fn points(section: &str) -> Vec<&str> {
    let points = section
        .lines()
        .filter_map(|line| line.strip_prefix("point '")?.strip_suffix('\''));
    points.collect()
}

#[tokio::test]
async fn every_point_of_the_script_holds_and_the_switches_are_as_they_were() {
    let program = Program::start(&["--set", "page_cap=50", "--set", "latency_ms=1"]);
    let switches = async || {
        let answer = http().get(program.at("sandbox/switches")).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let before = switches().await;
    let (lines, is_sound) = asked(&program, &[]);
    assert_eq!(switches().await, before);
    let faults: Vec<&String> = lines.iter().filter(|line| !line.starts_with("ok    ")).collect();
    let sections = sections();
    let points = sections.iter().flat_map(|(_, section)| points(section));
    let expected: Vec<String> = points.map(|point| format!("ok    {point}")).collect();
    assert_eq!(faults, [&format!("{} points, 0 faults", expected.len())]);
    assert_eq!(lines[..expected.len()], expected);
    assert!(is_sound);
}

#[test]
fn a_sandbox_that_is_otherwise_is_found_out() {
    let otherwise = ["page_cap=50", "returnall=false", "agents=bare", "rate=null"];
    let arguments: Vec<&str> = otherwise.iter().flat_map(|set| ["--set", set]).collect();
    let (lines, is_sound) = asked(&Program::start(&arguments), &["--as-it-is"]);
    let faults: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("FAULT ")?.split_once(':'))
        .map(|(point, _)| point)
        .collect();
    assert_eq!(
        faults,
        [
            "one element is answered with the bare object, several with the last, returnall with an array",
            "pageinate pages, and no page is longer than 100",
            "lists have their envelopes",
        ]
    );
    assert!(!is_sound);
}

#[test]
fn the_script_turns_every_switch() {
    let script: String = sections().into_iter().map(|(_, section)| section).collect();
    let turns = |name: &str| script.contains(&format!("\"{name}\":")) || script.contains(&format!("\\\"{name}\\\":"));
    let forgotten: Vec<&str> = switches::TABLE
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !turns(name))
        .collect();
    assert_eq!(forgotten, [""; 0]);
}

/// `UPDATE=1 cargo test --test sandbox manual` writes both tables.
#[test]
fn the_manual_has_the_switches_and_the_points() {
    let defaults = json!(Switches::default());
    let rows = switches::TABLE.iter().map(|(name, doc)| {
        format!(
            "| `{name}` | `{}` | {} |\n",
            defaults[name],
            doc.trim().replace('|', "\\|")
        )
    });
    let switches = format!(
        "| switch | default | |\n| --- | --- | --- |\n{}",
        rows.collect::<String>()
    );
    let points = sections()
        .into_iter()
        .map(|(title, section)| format!("| {title} | {} |\n", points(&section).join("<br>").replace('|', "\\|")));
    let points = format!("| of | points |\n| --- | --- |\n{}", points.collect::<String>());

    let found = std::fs::read_to_string(MANUAL).unwrap();
    let expected = [("switches", switches), ("points", points)]
        .iter()
        .fold(found.clone(), |page, (name, table)| with_table(&page, name, table));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(MANUAL, &expected).unwrap();
    } else {
        assert!(
            found == expected,
            "docs/sandbox.md is out of date: UPDATE=1 cargo test --test sandbox manual"
        );
    }
}

/// The page with a table between its two marks.
fn with_table(page: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}\n{table}\n{end}{after}")
}
