//! The sample configuration: it loads, what it shows as a default is one, and no key is missing from it.

#![allow(clippy::unwrap_used)] // a test's own helpers may stop it

use std::path::Path;

use halo_intake::config::load::{Draft, load};

const SAMPLE: &str = include_str!("../config/halo-intake.toml");

/// Keys behind a "#" that show an example, since without them something is unset or found elsewhere.
const EXAMPLES: [&str; 16] = [
    "state_dir",
    "journal",
    "ca_file",
    "mailbox",
    "backlog",
    "auth_url",
    "tenant",
    "new_users",
    "[mailbox.support.oauth]",
    "oauth",
    "[mailbox.drop]",
    "[halo.main.domains]",
    "webhook",
    "summary",
    "[canary]",
    "[http]",
];

/// Lines of the sample that are commented out and belong together: a key with its value, or a table.
struct Optional {
    name: String,
    lines: std::ops::Range<usize>,
}

fn load_text(text: &str) -> Draft {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("halo-intake.toml");
    std::fs::write(&path, text).unwrap();
    load(&path, &[])
}

/// What is wrong with it.
fn faults(draft: &Draft) -> Vec<String> {
    draft.placed(&[]).iter().map(ToString::to_string).collect()
}

/// The line without its comment sign, where it is a key or a table behind one.
fn commented_setting(line: &str) -> Option<&str> {
    let text = line.trim_start().strip_prefix("# ")?;
    let table = text.starts_with('[') && text.ends_with(']') && !text.contains(' ');
    let (key, _) = text.split_once(" = ").unwrap_or((" ", ""));
    let is_key = key.chars().all(|c| c.is_ascii_alphanumeric() || "_.\"".contains(c));
    (table || is_key).then_some(text)
}

fn optionals() -> Vec<Optional> {
    let lines: Vec<&str> = SAMPLE.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some(text) = commented_setting(lines[at]) else {
            at += 1;
            continue;
        };
        let from = at;
        at += 1;
        if text.starts_with('[') {
            while lines.get(at).copied().and_then(commented_setting).is_some() {
                at += 1;
            }
        } else if text.ends_with("\"\"\"") {
            while lines[at].trim() != "# \"\"\"" {
                at += 1;
            }
            at += 1;
        }
        let name = if text.starts_with('[') {
            text
        } else {
            text.split(" = ").next().unwrap()
        };
        found.push(Optional {
            name: name.to_owned(),
            lines: from..at,
        });
    }
    found
}

/// The sample with the comment signs of `wanted` taken away. OAuth stands in the place of a password, and [smtp] can
/// sign in as a mailbox only where that one has it.
fn uncommented(wanted: &[&Optional]) -> String {
    let wants = |name: &str| wanted.iter().any(|optional| optional.name == name);
    let all = optionals();
    let of_mailbox = all
        .iter()
        .find(|optional| optional.name == "[mailbox.support.oauth]")
        .unwrap();
    let both = wants("oauth");
    let without = |line: &str| {
        (both || wants(&of_mailbox.name)) && line.starts_with("password = { credential = \"support-imap\"")
            || both && line.starts_with("password = { credential = \"support-smtp\"")
    };
    let open = |(number, line): (usize, &str)| {
        let taken = wanted.iter().any(|optional| optional.lines.contains(&number))
            || both && of_mailbox.lines.contains(&number);
        let line = if without(line) { "" } else { line };
        let bare = line.replacen("# ", "", 1);
        format!(
            "{}\n",
            if !taken {
                line
            } else if bare == "#" {
                ""
            } else {
                &bare
            }
        )
    };
    SAMPLE.lines().enumerate().map(open).collect()
}

#[test]
fn the_sample_loads_as_it_is() {
    let draft = load(Path::new("config/halo-intake.toml"), &[]);
    assert_eq!(faults(&draft), Vec::<String>::new());
    assert!(draft.is_sound());
    let names: Vec<&str> = draft.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["Unknown senders become users"]);
    assert_eq!(draft.rules[0].actions.len(), 2);
}

#[test]
fn what_a_comment_shows_as_a_default_is_the_default() {
    let plain = format!("{:?}", load_text(SAMPLE).config.unwrap());
    let optionals = optionals();
    assert!(optionals.len() > 40, "only {} found", optionals.len());
    for optional in &optionals {
        let draft = load_text(&uncommented(&[optional]));
        assert_eq!(faults(&draft), Vec::<String>::new(), "{}", optional.name);
        let same = format!("{:?}", draft.config.unwrap()) == plain;
        let example = EXAMPLES.contains(&optional.name.as_str());
        assert_eq!(
            same,
            !example,
            "{} shows {}",
            optional.name,
            if same { "a default" } else { "no default" }
        );
    }
}

#[test]
fn the_sample_loads_with_all_of_it_uncommented() {
    let all = optionals();
    let draft = load_text(&uncommented(&all.iter().collect::<Vec<_>>()));
    assert_eq!(faults(&draft), Vec::<String>::new());
}

#[test]
fn every_key_stands_in_the_sample() {
    let all = optionals();
    let sample = uncommented(&all.iter().collect::<Vec<_>>());
    for (header, section) in [
        ("", ""),
        ("[mailbox.support]", "[mailbox.support]"),
        ("[mailbox.x]\ntype = \"maildir\"", "[mailbox.drop]"),
        ("[mailbox.x.settle]", "settle"),
        ("[halo.x]", "[halo.main]"),
        ("[smtp]", "[smtp]"),
        ("[bounce]", "[bounce]"),
        ("[report]", "[report]"),
        ("[canary]", "[canary]"),
        ("[retry]", "[retry]"),
        ("[retention]", "[retention]"),
        ("[http]", "[http]"),
        ("[[rule]]", "[[rule]]"),
    ] {
        let known = known_keys(header);
        assert!(!known.is_empty(), "{header} tells no keys");
        for key in &known {
            assert!(
                shows(&sample, section, key) || shows(SAMPLE, section, key),
                "{section} of the sample does not show {key}"
            );
        }
    }
}

/// The keys that a table knows, as the fault of an unknown one lists them.
fn known_keys(header: &str) -> Vec<String> {
    let draft = load_text(&format!("{header}\nqqqqqqqqqqqqqqqqqqqq = 1\n"));
    let fault = draft
        .faults
        .iter()
        .find(|fault| fault.problem.contains("qqqq"))
        .unwrap();
    let list = fault.remedy.strip_prefix("known are ").unwrap();
    list.split(", ").map(str::to_owned).collect()
}

/// Whether the section of the sample has the key; the keys of a Maildir are spread over both examples.
fn shows(sample: &str, section: &str, key: &str) -> bool {
    let is_header = |line: &str| line.starts_with('[');
    let mut here = section.is_empty() || section == "settle";
    for line in sample.lines().map(str::trim_start) {
        let header = [
            format!("[{key}]"),
            format!("[{key}."),
            format!("[[{key}]]"),
            format!("[[rule.{key}]]"),
        ];
        if (section.is_empty() || section == "[[rule]]") && header.iter().any(|header| line.starts_with(header)) {
            return true;
        }
        if is_header(line) && section != "settle" {
            // A Maildir takes most of its keys as an IMAP mailbox does; domains stand below their connection.
            let below = line.starts_with(&format!("{}.{key}]", section.trim_end_matches(']')));
            if below {
                return true;
            }
            here = line == section || (section == "[mailbox.drop]" && line == "[mailbox.support]");
        }
        let written = if section == "settle" {
            format!("settle.{key} = ")
        } else {
            format!("{key} = ")
        };
        if here && (line.starts_with(&written) || (section != "settle" && line.starts_with(&format!("{key}.")))) {
            return true;
        }
    }
    false
}

#[test]
fn a_value_of_any_other_kind_is_a_fault_with_its_place() {
    let all = optionals();
    let sample = uncommented(&all.iter().collect::<Vec<_>>());
    let lines: Vec<&str> = sample.lines().collect();
    let mut changed = 0;
    for (number, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ").filter(|(_, value)| *value != "\"\"\"") else {
            continue;
        };
        if key.contains(['#', ' ', '{']) {
            continue;
        }
        changed += 1;
        for value in [
            "1",
            "-1.5",
            "true",
            "\"\"",
            "\"\\u0000\"",
            "[]",
            "[[1], {}]",
            "{}",
            "{ a = 1, b = 2 }",
            "2026-01-01",
        ] {
            let changed_line = format!("{key} = {value}");
            let mut text = lines.clone();
            text[number] = &changed_line;
            for fault in load_text(&text.join("\n")).placed(&[]) {
                assert!(fault.place.contains(".toml:"), "{changed_line}: {fault}");
            }
        }
    }
    assert!(changed > 50, "only {changed} keys were changed");
}

#[test]
fn a_file_that_ends_anywhere_is_read_without_a_panic() {
    for (end, _) in SAMPLE.char_indices().filter(|(at, _)| at % 29 == 0) {
        let draft = load_text(&SAMPLE[..end]);
        draft.placed(&[]);
    }
}
