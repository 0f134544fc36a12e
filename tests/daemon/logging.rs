//! Log lines: one a message, every field of them in the table of docs/logs.md, and nothing of a mail that acts on a
//! terminal or makes a line of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::net::UnixDatagram,
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    program::Ran,
    running::{Daemon, USERS},
    world::{World, repository},
};

/// The fields that docs/logs.md has in its table.
fn documented() -> BTreeSet<String> {
    let page = std::fs::read_to_string(repository("docs/logs.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let names: BTreeSet<String> = rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned())).collect();
    assert!(names.contains("id"), "{names:?}");
    names
}

/// A mail whose author and subject try to act on a terminal and to forge a line.
const FORGED: &str = "From: =?utf-8?q?x=1B]0;owned=07?= <eve@stranger.example>\n\
    Subject: =?utf-8?q?a=1B[2J=0A2026-01-01T00:00:00Z__INFO_message_9:_completed_=E2=80=AE?=\n\
    Message-ID: <forged@stranger.example>\nDate: Tue, 06 Oct 2026 10:00:00 +0000\nTo: support@desk.example\n\nx\n";

/// A message of every sort, taken once, with all lines of our own.
fn story(format: &str, environment: &[(&str, &str)]) -> (World, Ran) {
    let refused = "[[rule]]\nname = \"refuses\"\nwhen = \"'refuse' in email.subject\"\n\
                   [[rule.action]]\ntype = \"bounce\"\nmessage = \"no\"\n";
    let world = World::new(&format!("{refused}{USERS}"));
    world.mail("Ann <ann@stranger.example>", "A secret subject");
    world.deliver("Subject: no author\n\nx\n");
    world.deliver(FORGED);
    world.mail_with(
        "Bob <bob@stranger.example>",
        "please refuse",
        "Return-Path: <bob@stranger.example>\n",
    );
    let copy = crate::mail::text("Cid <cid@stranger.example>", "Twice", "");
    world.deliver(&copy);
    world.deliver(&copy);
    let mut command = world.command(&["--log-format", format, "--log-level", "debug", "run", "--once"]);
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let ran = crate::world::finish(output);
    assert_eq!(ran.status, 0, "{ran:?}");
    (world, ran)
}

/// Everything that an operator may not read is absent: no control character, nothing that turns the direction.
fn is_calm(text: &str) {
    let wild = |c: &char| (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c);
    assert_eq!(text.chars().find(wild), None, "{text}");
}

#[test]
fn every_field_of_a_json_line_is_documented_and_each_message_is_told_of_once() {
    let (world, ran) = story("json", &[]);
    is_calm(&ran.stderr);
    let lines: Vec<Value> = ran
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let known = documented();
    for line in &lines {
        for name in line.as_object().unwrap().keys() {
            assert!(known.contains(name), "{name} is not in docs/logs.md: {line}");
        }
    }
    let is_outcome = |line: &Value| line.get("outcome").is_some_and(|outcome| outcome != "deferred");
    let of_ours = |line: &&Value| line["level"] == "INFO" && is_outcome(line);
    let told: BTreeMap<i64, &Value> = lines
        .iter()
        .filter(of_ours)
        .map(|line| (line["id"].as_i64().unwrap(), line))
        .collect();
    let log = world.log();
    assert_eq!(lines.iter().filter(of_ours).count(), log.len(), "{lines:#?}");
    for row in &log {
        let line = told[&row["id"].as_i64().unwrap()];
        for name in ["outcome", "mailbox"] {
            assert_eq!(line[name], row[name], "{line}");
        }
        assert!(
            line["message"]
                .as_str()
                .unwrap()
                .contains(&format!("message {}", row["id"])),
            "{line}"
        );
    }
    let ann = told
        .values()
        .find(|line| line["from"] == "ann@stranger.example")
        .unwrap();
    assert!(ann["calls"].as_u64() > Some(0) && ann["took_ms"].is_u64(), "{ann}");
    let between = |line: &&Value| line["id"] == ann["id"] && line["level"] == "DEBUG";
    assert!(lines.iter().filter(between).count() >= 4, "{lines:#?}");
    let at_info = lines.iter().filter(|line| line["level"] != "DEBUG");
    at_info.for_each(|line| assert!(!line.to_string().contains("secret subject"), "{line}"));
}

#[test]
fn every_field_of_a_text_line_is_documented_and_nothing_in_a_mail_makes_a_line() {
    let (_, ran) = story("text", &[]);
    is_calm(&ran.stderr);
    let (known, now) = (documented(), jiff::Timestamp::now());
    for line in ran.stderr.lines() {
        let (time, rest) = line.split_once(' ').unwrap();
        let time: jiff::Timestamp = time.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(now.duration_since(time).as_secs() < 600, "a line was forged: {line}");
        let level = rest.trim_start().split(' ').next().unwrap();
        assert!(["ERROR", "WARN", "INFO", "DEBUG"].contains(&level), "{line}");
        // Values that are texts stand in quotation marks, so a name follows a blank outside them.
        let outside: String = rest.split('"').step_by(2).collect();
        let names = outside.split(' ').filter_map(|word| Some(word.split_once('=')?.0));
        for name in names.filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')) {
            assert!(known.contains(name), "{name} is not in docs/logs.md: {line}");
        }
    }
}

/// What was received of one line: names and values.
type Fields = BTreeMap<String, String>;

/// Reads an entry of the journal's native protocol.
fn entry(mut rest: &[u8]) -> Fields {
    let mut fields = Fields::new();
    while let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
        let name = std::str::from_utf8(&rest[..end]).unwrap();
        assert!(!name.contains('='), "the short form is not used");
        let length = u64::from_le_bytes(rest[end + 1..end + 9].try_into().unwrap()) as usize;
        let value = std::str::from_utf8(&rest[end + 9..end + 9 + length]).unwrap();
        assert_eq!(rest[end + 9 + length], b'\n');
        assert!(
            fields.insert(name.to_owned(), value.to_owned()).is_none(),
            "{name} twice"
        );
        rest = &rest[end + 10 + length..];
    }
    fields
}

/// A journald that keeps what it hears.
fn journald(path: &std::path::Path) -> mpsc::Receiver<Fields> {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (send, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(read) = socket.recv(&mut buffer) {
            if send.send(entry(&buffer[..read])).is_err() {
                return;
            }
        }
    });
    heard
}

#[test]
fn the_systemd_journal_gets_fields_that_an_operator_would_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let heard = journald(&path);
    let (world, ran) = story("journald", &[("HALO_INTAKE_TEST_JOURNALD", path.to_str().unwrap())]);
    assert_eq!(ran.stderr, "", "standard error has what the journal has");
    let mut lines: Vec<Fields> = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    let is_outcome = |line: &&Fields| line.get("OUTCOME").is_some_and(|outcome| outcome != "deferred");
    let ended = |lines: &Vec<Fields>| lines.iter().filter(is_outcome).count();
    while ended(&lines) < world.log().len() {
        let left = deadline.saturating_duration_since(Instant::now());
        lines.extend(heard.recv_timeout(left).ok().filter(|line| !line.is_empty()));
        assert!(Instant::now() < deadline, "{lines:#?}");
    }
    let known = documented();
    for line in &lines {
        line.values().for_each(|value| is_calm(value));
        assert_eq!(line["SYSLOG_IDENTIFIER"], "halo-intake");
        assert!(["3", "4", "6", "7"].contains(&line["PRIORITY"].as_str()), "{line:?}");
        let of_journald = ["MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER"];
        for name in line.keys().filter(|name| !of_journald.contains(&name.as_str())) {
            assert!(
                known.contains(&name.to_lowercase()),
                "{name} is not in docs/logs.md: {line:?}"
            );
        }
    }
    let ann = lines
        .iter()
        .find(|line| line.get("FROM").is_some_and(|from| from == "ann@stranger.example"));
    let id = &ann.unwrap()["ID"];
    let ended = lines
        .iter()
        .find(|line| line.get("ID") == Some(id) && line.contains_key("OUTCOME"))
        .unwrap();
    assert_eq!(
        ended["MESSAGE"],
        format!("message {id} from ann@stranger.example: completed")
    );
    assert_eq!((ended["PRIORITY"].as_str(), ended["RULE"].as_str()), ("6", "users"));
}

#[test]
fn a_journald_that_can_not_be_reached_is_said_with_what_to_do() {
    let world = World::new(USERS);
    let mut command = world.command(&["--log-format", "journald", "run", "--once"]);
    let ran = crate::world::finish(
        command
            .env("HALO_INTAKE_TEST_JOURNALD", "/no/such/socket")
            .output()
            .unwrap(),
    );
    assert_eq!(ran.status, 69, "{ran:?}");
    assert!(ran.stderr.contains("use --log-format text"), "{ran:?}");
}

#[test]
fn a_message_that_is_deferred_again_and_again_is_told_of_ever_more_seldom() {
    let world = World::new(USERS);
    world.more("[halo.main]\nurl = \"http://127.0.0.1:9\"\n[retry]\nfirst = \"10ms\"\nlongest = \"10ms\"\n");
    world.mail("Ann <ann@stranger.example>", "Waits");
    let daemon = Daemon::start(&world, &[]);
    daemon.says("deferred");
    world.wait_until("many attempts", |world| world.count_where("attempts >= 20") == 1);
    let said = daemon.said().iter().filter(|line| line.contains(": deferred")).count();
    assert!(said <= 5, "{said} lines of some twenty attempts");
}

#[test]
fn a_message_waits_for_its_bounce_in_the_log_and_has_its_outcome_when_that_is_refused() {
    let world = World::new("[[rule]]\nname = \"refuses\"\n[[rule.action]]\ntype = \"bounce\"\n");
    world
        .sink
        .switch(|switches| switches.rcpt = Some(("bob@".to_owned(), "550 5.1.1 nobody here".to_owned())));
    for name in ["ann", "bob"] {
        world.mail_with(
            &format!("{name}@stranger.example"),
            name,
            &format!("Return-Path: <{name}@stranger.example>\n"),
        );
    }
    let ran = world.run(&["--log-format", "json", "run", "--once"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let lines: Vec<Value> = ran
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (from, outcome) in [("ann@stranger.example", "bounced"), ("bob@stranger.example", "failed")] {
        let told: Vec<&Value> = lines
            .iter()
            .filter(|line| line["from"] == from)
            .filter_map(|line| line.get("outcome"))
            .collect();
        assert_eq!(told, ["deferred", outcome], "{from}: {lines:#?}");
        let line = lines
            .iter()
            .find(|line| line["from"] == from && line["outcome"] == outcome);
        let row = &world.json(&["show", &line.unwrap()["id"].to_string()])[0];
        assert_eq!(line.unwrap()["reason"], row["reason"], "{row}");
    }
}

#[test]
fn the_end_of_a_short_trouble_of_a_mailbox_is_logged_and_nobody_is_told() {
    let mut world = World::new(USERS);
    world.mailbox = "poll_interval = \"1s\"".to_owned();
    let crate::world::Inbox::Maildir(path) = &world.inbox else {
        unreachable!("it is a Maildir")
    };
    let daemon = Daemon::start(&world, &[]);
    daemon.says("is watched");
    let away = path.with_extension("away");
    std::fs::rename(path, &away).unwrap();
    daemon.says("mailbox support: ");
    std::fs::rename(&away, path).unwrap();
    daemon.says("mailbox support: the mailbox is well again");
    assert_eq!(daemon.stop().0, 0);
    assert!(world.told().is_empty());
}
