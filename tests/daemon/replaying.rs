//! `replay`: stored messages through the present and a new configuration, and what differs.

use halo_intake::sandbox::{Fault, Mishap};
use serde_json::{Value, json};

use crate::{
    hook::{Hook, Said},
    world::{Ran, World},
};

const RULES: &str = r#"
[[rule]]
name = "Unknown senders become users"
when = "not email.automatic and email.subject is not containing(pat='newsletter')"

  [[rule.action]]
  type = "find_halo_user_and_client"
  default_client = "Unknown senders"
  store_as = "sender"

  [[rule.action]]
  type = "create_halo_user"
  when = "not custom.sender.user"
  client = "{{ custom.sender.client.id }}"
  site = "{{ custom.sender.site.id }}"
  store_as = "created"
"#;

/// The world's configuration with one text in the place of another, as `new.toml` beside it.
fn against(world: &World, old: &str, new: &str) -> &'static str {
    let text = std::fs::read_to_string(world.configure()).unwrap();
    assert!(text.contains(old), "{old:?} is not in {text}");
    std::fs::write(world.folder.join("new.toml"), text.replace(old, new)).unwrap();
    "new.toml"
}

/// The lines of a replay of everything, and its summary.
fn replay(world: &World, new: &str, options: &[&str]) -> (Vec<Value>, Value) {
    let (requests, written) = (world.sandbox.requests().len(), world.requests("POST", "/api"));
    let mut lines = world.json(&[&["replay", "--against", new], options].concat());
    let summary = lines.pop().unwrap()["summary"].clone();
    if !options.contains(&"--online") {
        assert_eq!(world.sandbox.requests().len(), requests, "a replay asked Halo");
    }
    assert_eq!(world.requests("POST", "/api"), written, "a replay wrote to Halo");
    (lines, summary)
}

fn counts(summary: &Value) -> [u64; 4] {
    ["same", "differ", "untold", "without_octets"].map(|name| summary[name].as_u64().unwrap())
}

fn text<'v>(line: &'v Value, name: &str) -> &'v str {
    line[name].as_str().unwrap_or_default()
}

fn check_done(ran: &Ran) {
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[test]
fn a_condition_that_changed_is_told_with_the_part_that_decides() {
    let world = World::new(RULES);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.mail("Jane Doe <jane@acme.example>", "Another question");
    world.once();
    let new = against(&world, "pat='newsletter'", "pat='A question'");
    let (lines, summary) = replay(&world, new, &[]);
    assert_eq!(counts(&summary), [1, 1, 0, 0], "{lines:#?}");
    assert_eq!(
        (text(&lines[0], "present"), text(&lines[0], "new")),
        ("completed", "ignored")
    );
    assert_eq!(
        text(&lines[0], "why"),
        "rule \"Unknown senders become users\" does not match any more: \
         email.subject is not containing(pat='A question') is false (email.subject = \"A question\")"
    );
    let ran = world.run(&["replay", "--against", new, "--since", "1h"]);
    check_done(&ran);
    assert!(ran.stdout.contains("completed → ignored"), "{}", ran.stdout);
    let end = "2 messages: 1 the same, 1 differ, 0 can not be told, 0 without octets\n";
    assert!(ran.stdout.ends_with(end), "{}", ran.stdout);
    // Against itself nothing differs, and --all shows the unchanged.
    let (lines, summary) = replay(&world, "halo-intake.toml", &["--all"]);
    assert_eq!((lines.len(), counts(&summary)), (2, [2, 0, 0, 0]), "{lines:#?}");
}

#[test]
fn the_same_outcome_by_other_requests_is_a_difference_too() {
    let world = World::new(RULES);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.once();
    let new = against(
        &world,
        "store_as = \"created\"",
        "full_name = \"Dr {{ email.from.display }}\"\n  store_as = \"created\"",
    );
    let (lines, summary) = replay(&world, new, &[]);
    assert_eq!(counts(&summary), [0, 1, 0, 0], "{lines:#?}");
    let expected = "create_halo_user.full_name \"Ann Lee\" → \"Dr Ann Lee\"";
    assert_eq!(lines[0]["changes"], json!([expected]));
    let ran = world.run(&["replay", "--against", new]);
    assert!(
        ran.stdout.contains("completed, differently") && ran.stdout.contains(expected),
        "{}",
        ran.stdout
    );
}

#[test]
fn what_nobody_asked_can_not_be_told_unless_halo_is_asked() {
    let world = World::new(RULES);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.once();
    let new = against(
        &world,
        "client = \"{{ custom.sender.client.id }}\"\n  site = \"{{ custom.sender.site.id }}\"",
        "client = \"Acme Ltd\"\n  site = \"Warehouse\"",
    );
    let (lines, summary) = replay(&world, new, &[]);
    assert_eq!(counts(&summary), [0, 0, 1, 0], "{lines:#?}");
    assert_eq!(
        (text(&lines[0], "new"), text(&lines[0], "why")),
        (
            "can not be told",
            "it depends on main: the client \"Acme Ltd\"; try --online"
        )
    );
    let (lines, summary) = replay(&world, new, &["--online"]);
    assert_eq!(counts(&summary), [0, 1, 0, 0], "{lines:#?}");
    assert_eq!(text(&lines[0], "new"), "completed");
    assert!(
        text(&lines[0], "why").contains("create_halo_user.client 16 → 12"),
        "{lines:#?}"
    );
}

#[test]
fn a_client_that_is_gone_from_the_rules_fails_as_it_would() {
    let world = World::new(RULES);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.once();
    // Without a default client there is none to make the user at.
    let new = against(&world, "default_client = \"Unknown senders\"\n", "");
    let (lines, summary) = replay(&world, new, &[]);
    assert_eq!(counts(&summary), [0, 1, 0, 0], "{lines:#?}");
    assert_eq!(
        (text(&lines[0], "present"), text(&lines[0], "new")),
        ("completed", "failed")
    );
    assert!(
        text(&lines[0], "why").contains("step 2 create_halo_user: it fails: "),
        "{lines:#?}"
    );
}

#[test]
fn what_the_first_message_makes_is_there_for_the_second_and_what_it_does_not_make_is_not() {
    let world = World::new(RULES);
    world.mail("Ann Lee <ann@stranger.example>", "First");
    world.once();
    world.mail("Ann Lee <ann@stranger.example>", "Second");
    world.once();
    // Under another name it is there for the second all the same.
    let new = against(
        &world,
        "store_as = \"created\"",
        "full_name = \"Dr Lee\"\n  store_as = \"created\"",
    );
    let (lines, summary) = replay(&world, new, &["--all"]);
    assert_eq!(counts(&summary), [1, 1, 0, 0], "{lines:#?}");
    assert_eq!(
        (text(&lines[1], "subject"), text(&lines[1], "result")),
        ("Second", "same")
    );
    // Where the new rules take no First it is not: where the second belongs nobody asked then, so Halo is asked.
    let new = against(&world, "pat='newsletter'", "pat='First'");
    let (lines, summary) = replay(&world, new, &[]);
    assert_eq!(counts(&summary), [0, 1, 1, 0], "{lines:#?}");
    assert_eq!(text(&lines[0], "new"), "ignored");
    assert!(
        text(&lines[1], "why").contains("sites with the mail domain stranger.example"),
        "{lines:#?}"
    );
    let (lines, summary) = replay(&world, new, &["--online"]);
    assert_eq!(counts(&summary), [0, 2, 0, 0], "{lines:#?}");
    assert_eq!(
        (text(&lines[1], "subject"), text(&lines[1], "new")),
        ("Second", "completed")
    );
    let why = text(&lines[1], "why");
    assert!(
        why.starts_with("create_halo_user is new: main: create the user Ann Lee"),
        "{why}"
    );
}

#[test]
fn an_answer_to_a_ticket_that_the_new_rules_do_not_make_finds_none() {
    let rules = r#"
[[rule]]
name = "Answers"
when = "email.message_id and not email.automatic"
  [[rule.action]]
  type = "update_halo_ticket_from_email"
  store_as = "answer"
  [[rule.action]]
  type = "stop_all"
  when = "custom.answer.found"

[[rule]]
name = "Tickets"
when = "email.subject is not containing(pat='later')"
  [[rule.action]]
  type = "create_halo_ticket_from_email"
  default_client = "Unknown senders"
"#;
    let world = World::new(rules);
    let mail = |id: &str, subject: &str, fields: &str| {
        world.deliver(&format!(
            "Return-Path: <ann@stranger.example>\nFrom: Ann Lee <ann@stranger.example>\nTo: support@desk.example\n\
             Subject: {subject}\nMessage-ID: <{id}@stranger.example>\n{fields}\nIt does not print.\n"
        ));
        world.once();
    };
    let before = world.sandbox.tickets().len();
    mail("one", "Printer", "");
    mail("two", "Re: Printer", "In-Reply-To: <one@stranger.example>\n");
    assert_eq!(world.sandbox.tickets().len(), before + 1, "{:#?}", world.log());
    let (lines, summary) = replay(&world, "halo-intake.toml", &["--all"]);
    assert_eq!(counts(&summary), [2, 0, 0, 0], "{lines:#?}");
    assert!(
        lines.iter().all(|line| text(line, "present") == text(line, "recorded")),
        "{lines:#?}"
    );
    // Without the first ticket the answer makes one of its own.
    let new = against(&world, "pat='later'", "pat='Printer'");
    let (lines, _) = replay(&world, new, &[]);
    let ends: Vec<_> = lines
        .iter()
        .map(|line| (text(line, "subject"), text(line, "new")))
        .collect();
    assert_eq!(
        ends,
        [("Printer", "completed"), ("Re: Printer", "completed")],
        "{lines:#?}"
    );
    assert!(
        text(&lines[1], "why").contains("update_halo_ticket_from_email is gone"),
        "{lines:#?}"
    );
}

#[test]
fn what_the_first_message_makes_otherwise_is_the_same_thing_for_those_that_follow() {
    let rules = r#"
[[rule]]
name = "Answers"
  [[rule.action]]
  type = "update_halo_ticket_from_email"
  store_as = "global.answer"
  [[rule.action]]
  type = "stop_all"
  when = "global.answer.found"

[[rule]]
name = "Tickets"
  [[rule.action]]
  type = "create_halo_ticket_from_email"
  default_client = "Unknown senders"
  create_user_if_not_found = true
"#;
    let world = World::new(rules);
    for (id, fields) in [
        ("one", ""),
        ("two", "In-Reply-To: <one@stranger.example>\n"),
        ("three", "In-Reply-To: <two@stranger.example>\n"),
    ] {
        world.deliver(&format!(
            "Return-Path: <ann@stranger.example>\nFrom: Ann Lee <ann@stranger.example>\nTo: support@desk.example\n\
             Subject: Printer\n\
             Message-ID: <{id}@stranger.example>\n{fields}\nIt does not print.\n"
        ));
        world.once();
    }
    let action = "type = \"create_halo_ticket_from_email\"\n";
    let new = against(
        &world,
        action,
        &format!("{action}  summary = \"New: {{{{ email.subject }}}}\"\n"),
    );
    let (lines, summary) = replay(&world, new, &[]);
    assert_eq!(counts(&summary), [2, 1, 0, 0], "{lines:#?}");
    let expected = "create_halo_ticket_from_email.summary \"Printer\" → \"New: Printer\"";
    assert_eq!(
        (text(&lines[0], "why"), &lines[0]["changes"]),
        (expected, &json!([expected]))
    );
    // By the rule's name a ticket is told from others: what is made is the same.
    let new = against(&world, "name = \"Tickets\"", "name = \"New tickets\"");
    let (lines, summary) = replay(&world, new, &[]);
    assert_eq!(counts(&summary), [3, 0, 0, 0], "{lines:#?}");
}

#[test]
fn all_that_is_done_otherwise_is_told_to_programs_and_the_first_of_it_to_people() {
    let world = World::new(RULES);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.once();
    let stored = "store_as = \"created\"";
    let fields = "full_name = \"1\"\n  first_name = \"2\"\n  surname = \"3\"\n  send_welcome_email = true\n  ";
    let step =
        "\n\n  [[rule.action]]\n  type = \"http_request\"\n  method = \"POST\"\n  url = \"http://127.0.0.1:9/new\"";
    let new = against(&world, stored, &format!("{fields}{stored}{step}"));
    let (lines, _) = replay(&world, new, &[]);
    let changes = lines[0]["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 5, "{lines:#?}");
    assert!(
        changes[4].as_str().unwrap().starts_with("http_request is new: "),
        "{lines:#?}"
    );
    assert!(text(&lines[0], "why").ends_with("; and 1 more"), "{lines:#?}");
}

fn unavailable(method: &str, path: &str) -> Fault {
    let mishap = Mishap::Status {
        status: 503,
        message: String::new(),
    };
    Fault::once(method, path, mishap).times(1000)
}

#[test]
fn a_message_that_was_deferred_takes_the_whole_way_from_the_top() {
    let world = World::new(RULES);
    let down = vec![unavailable("POST", "/api/users")];
    world.sandbox.set(|switches| switches.faults = down);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    assert_eq!(world.run(&["run", "--once"]).status, 75);
    let (lines, summary) = replay(&world, "halo-intake.toml", &["--all"]);
    assert_eq!(counts(&summary), [1, 0, 0, 0], "{lines:#?}");
    assert_eq!(
        (text(&lines[0], "recorded"), text(&lines[0], "present")),
        ("deferred", "completed")
    );
    world.sandbox.set(|switches| switches.faults.clear());
    world.later(3600);
    world.once();
    let (lines, summary) = replay(&world, "halo-intake.toml", &["--all"]);
    assert_eq!(
        (counts(&summary), text(&lines[0], "present")),
        ([1, 0, 0, 0], "completed")
    );
    assert_eq!(text(&lines[0], "recorded"), "completed");
    let new = against(&world, "pat='newsletter'", "pat='question'");
    let (lines, _) = replay(&world, new, &[]);
    assert_eq!(
        (text(&lines[0], "present"), text(&lines[0], "new")),
        ("completed", "ignored")
    );
}

#[test]
fn what_became_of_it_then_is_told_where_the_present_rules_say_otherwise() {
    let mut world = World::new(RULES);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.once();
    world.rules = RULES.replace("newsletter", "question");
    let (lines, summary) = replay(&world, "halo-intake.toml", &[]);
    assert_eq!(
        (counts(&summary), &summary["otherwise_than_recorded"]),
        ([1, 0, 0, 0], &json!(1))
    );
    assert_eq!(text(&lines[0], "why"), "was completed, present says ignored");
}

/// The journal's traces, each changed so.
fn change_traces(world: &World, change: impl Fn(&mut Value)) {
    let database = rusqlite::Connection::open(world.state_dir().join("journal.db")).unwrap();
    let mut all = database.prepare("SELECT rowid, trace FROM attempt").unwrap();
    let rows: Vec<(i64, Vec<u8>)> = all
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (row, packed) in rows {
        let dictionary = include_bytes!("../../src/journal/sql/trace.zdict");
        let text = zstd::stream::read::Decoder::with_dictionary(packed.as_slice(), dictionary).unwrap();
        let mut trace: Value = serde_json::from_reader(text).unwrap();
        change(&mut trace);
        // Without a dictionary, as it was as well.
        let packed = zstd::encode_all(trace.to_string().as_bytes(), 1).unwrap();
        let update = "UPDATE attempt SET trace = ?2 WHERE rowid = ?1";
        database.execute(update, rusqlite::params![row, packed]).unwrap();
    }
}

/// The trace as the version before it wrote it.
fn as_before(trace: &mut Value) {
    trace
        .as_object_mut()
        .unwrap()
        .retain(|name, _| name != "now" && name != "hostname");
    for rule in trace["rules"].as_array_mut().unwrap() {
        for step in rule["steps"].as_array_mut().unwrap() {
            for effect in step["effects"].as_array_mut().unwrap() {
                effect
                    .as_object_mut()
                    .unwrap()
                    .remove("asked")
                    .expect("a trace has what was asked");
            }
        }
    }
}

#[test]
fn a_trace_of_an_earlier_version_is_shown_and_answers_nothing() {
    let world = World::new(RULES);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.mail("Ann Lee <ann@stranger.example>", "A newsletter");
    world.once();
    change_traces(&world, as_before);
    let shown = world.run(&["show", "1"]);
    check_done(&shown);
    assert!(
        shown
            .stdout
            .contains("asks main: users with the address ann@stranger.example"),
        "{}",
        shown.stdout
    );
    let (lines, summary) = replay(&world, "halo-intake.toml", &[]);
    // The newsletter asks nothing.
    assert_eq!(counts(&summary), [1, 0, 1, 0], "{lines:#?}");
    assert!(
        text(&lines[0], "why").contains("an agent with the address ann@stranger.example"),
        "{lines:#?}"
    );
    let (lines, summary) = replay(&world, "halo-intake.toml", &["--online"]);
    assert_eq!(counts(&summary), [2, 0, 0, 0], "{lines:#?}");
}

#[test]
fn a_message_of_ten_megabytes_is_replayed_and_one_without_octets_is_counted() {
    let world = World::new(RULES);
    let line = format!("{}\n", "x".repeat(76));
    world.deliver(&format!(
        "Return-Path: <ann@stranger.example>\nFrom: Ann Lee <ann@stranger.example>\nSubject: Large\nMIME-Version: 1.0\n\
         Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n{}",
        line.repeat(10 * 1024 * 1024 / 77)
    ));
    world.mail("Jane Doe <jane@acme.example>", "Gone");
    world.once();
    let database = rusqlite::Connection::open(world.state_dir().join("journal.db")).unwrap();
    let gone = "DELETE FROM octets WHERE entry = (SELECT id FROM entry WHERE subject = 'Gone')";
    assert_eq!(database.execute(gone, []).unwrap(), 1);
    drop(database);
    let (lines, summary) = replay(&world, "halo-intake.toml", &["--all"]);
    assert_eq!(counts(&summary), [1, 0, 0, 1], "{lines:#?}");
    let gone = lines.iter().find(|line| text(line, "subject") == "Gone").unwrap();
    assert_eq!(
        (text(gone, "result"), text(gone, "why")),
        ("without_octets", "its octets are no longer kept")
    );
}

#[test]
fn a_faulty_configuration_is_named_with_its_faults() {
    let world = World::new(RULES);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.once();
    let new = against(&world, "email.subject is not", "email.subjekt is not");
    let ran = world.run(&["replay", "--against", new]);
    assert_eq!(ran.status, 78, "{ran:?}");
    assert!(
        ran.stderr.contains("new.toml:") && ran.stderr.contains("did you mean \"subject\"?"),
        "{}",
        ran.stderr
    );
    let none = world.run(&["replay", "--against", "halo-intake.toml", "4711"]);
    assert_eq!(
        (none.status, none.stderr.contains("there is no message 4711")),
        (2, true),
        "{none:?}"
    );
}

#[test]
fn further_files_that_only_the_present_configuration_has_are_told() {
    let world = World::new(RULES);
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.once();
    let said = |against: &str| {
        let ran = world.run(&["replay", "--against", against]);
        check_done(&ran);
        ran.stderr
            .contains("and elsewhere/new.toml has none: what they say is not in the new configuration")
    };
    let elsewhere = world.folder.join("elsewhere");
    std::fs::create_dir_all(world.folder.join("conf.d")).unwrap();
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::copy(world.configure(), elsewhere.join("new.toml")).unwrap();
    assert!(!said("elsewhere/new.toml"));
    std::fs::write(world.folder.join("conf.d/10.toml"), "").unwrap();
    assert!(said("elsewhere/new.toml") && !said("halo-intake.toml"));
    std::fs::create_dir(elsewhere.join("conf.d")).unwrap();
    std::fs::write(elsewhere.join("conf.d/10.toml"), "").unwrap();
    assert!(!said("elsewhere/new.toml"));
}

#[test]
fn explain_takes_its_files_in_one_world_and_knows_conversations_from_the_journal() {
    let rules = r#"
[[rule]]
name = "Answers"
  [[rule.action]]
  type = "update_halo_ticket_from_email"
  store_as = "global.answer"
  [[rule.action]]
  type = "stop_all"
  when = "global.answer.found"

[[rule]]
name = "Tickets"
  [[rule.action]]
  type = "create_halo_ticket_from_email"
  default_client = "Unknown senders"
  create_user_if_not_found = true
"#;
    let world = World::new(rules);
    let mail = |id: &str, fields: &str| {
        format!(
            "Return-Path: <ann@stranger.example>\r\nFrom: Ann Lee <ann@stranger.example>\r\nSubject: Printer\r\n\
             Message-ID: <{id}@stranger.example>\r\n{fields}\r\nx\r\n"
        )
    };
    let answer = mail("two", "In-Reply-To: <one@stranger.example>\r\n");
    std::fs::write(world.folder.join("one.eml"), mail("one", "")).unwrap();
    std::fs::write(world.folder.join("two.eml"), &answer).unwrap();
    world.deliver(&mail("other", "").replace("\r\n", "\n"));
    // With no journal nobody knows what it answers.
    let alone = world.json(&["explain", "--online", "two.eml"]);
    assert_eq!(text(&alone[0], "outcome"), "can not be told");
    world.once();
    // The first would make user and ticket, the second answers it.
    let ends = |ran: &[Value]| -> Vec<String> { ran.iter().map(|line| text(line, "rule").to_owned()).collect() };
    let both = world.json(&["explain", "--online", "one.eml", "two.eml"]);
    assert_eq!(ends(&both), ["Tickets", "Answers"], "{both:#?}");
    let alone = world.json(&["explain", "--online", "two.eml"]);
    assert_eq!(ends(&alone), ["Tickets"], "{alone:#?}");
    world.deliver(&mail("one", "").replace("\r\n", "\n"));
    world.once();
    let known = world.json(&["explain", "--online", "two.eml"]);
    assert_eq!(ends(&known), ["Answers"], "{known:#?}");
}

#[test]
fn retry_says_beforehand_what_would_become_of_a_message() {
    let world = World::new(&RULES.replace("  default_client = \"Unknown senders\"\n", ""));
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.once();
    assert_eq!(world.only().0, "failed");
    let would_be = |options: &[&str]| {
        let line = world.json(&[&["retry", "1", "--dry-run"], options].concat()).remove(0);
        (text(&line, "outcome").to_owned(), text(&line, "would_be").to_owned())
    };
    assert_eq!(would_be(&[]), ("failed".to_owned(), "failed".to_owned()));
    // Somebody makes the user by hand: that Halo says now, not then.
    let ann = json!({ "name": "Ann Lee", "emailaddress": "ann@stranger.example", "site_id": 28 });
    world.sandbox.add_user(ann);
    assert_eq!(would_be(&[]).1, "failed");
    assert_eq!(would_be(&["--online"]).1, "completed");
    let ran = world.run(&["retry", "1", "--dry-run", "--online"]);
    assert!(ran.stdout.contains("failed → completed"), "{}", ran.stdout);
    assert_eq!(world.only().0, "failed", "it was run");
}

#[test]
fn a_server_of_others_says_what_it_said_and_is_not_asked_again() {
    let said = Said::Answer(
        200,
        "Content-Type: application/json\r\n",
        r#"{"class":"gold"}"#.to_owned(),
    );
    let hook = Hook::start(vec![said]);
    let rules = r#"
[[rule]]
name = "hook"
  [[rule.action]]
  type = "http_request"
  method = "GET"
  url = "@HOOK@/who"
  store_as = "who"

  [[rule.action]]
  type = "bounce"
  when = "custom.who.json.class == 'none'"
  message = "We do not know you."
"#;
    let world = World::new(&rules.replace("@HOOK@", &hook.url()));
    world.mail("Ann Lee <ann@stranger.example>", "A question");
    world.once();
    let new = against(&world, "'none'", "'gold'");
    let (lines, summary) = replay(&world, new, &[]);
    assert_eq!(counts(&summary), [0, 1, 0, 0], "{lines:#?}");
    assert_eq!(
        (text(&lines[0], "present"), text(&lines[0], "new")),
        ("completed", "bounced")
    );
    let why = text(&lines[0], "why");
    assert_eq!(
        why,
        "rule \"hook\", step 2 bounce: it runs now: custom.who.json.class == 'gold' is true (custom.who.json.class = \"gold\")"
    );
    let new = against(&world, "/who\"", "/whom\"");
    let (lines, summary) = replay(&world, new, &["--online"]);
    assert_eq!(counts(&summary), [0, 0, 1, 0], "{lines:#?}");
    assert_eq!(hook.asked().len(), 1, "a replay asked it");
}

#[test]
fn messages_of_one_kind_stay_in_their_ticket() {
    let rules = r#"
[[rule]]
name = "alerts"
  [[rule.action]]
  type = "create_halo_ticket_from_email"
  default_client = "Acme Ltd"
  fold_by = "{{ email.from.domain }}"
  fold_within = "8h"
"#;
    let world = World::new(rules);
    let before = world.sandbox.tickets().len();
    for subject in ["Disk full", "Disk still full", "Disk on fire"] {
        world.mail("monitor@alerts.example", subject);
        world.time_goes_on_until(60, "the end", |world| world.run(&["run", "--once"]).status == 0);
    }
    assert_eq!(world.sandbox.tickets().len(), before + 1);
    let (lines, summary) = replay(&world, "halo-intake.toml", &["--all"]);
    assert_eq!(
        (counts(&summary), &summary["otherwise_than_recorded"]),
        ([3, 0, 0, 0], &json!(0)),
        "{lines:#?}"
    );
    // Of another kind each is the first, and what it would ask then nobody asked.
    let new = against(&world, "{{ email.from.domain }}", "{{ email.subject }}");
    let (lines, summary) = replay(&world, new, &[]);
    assert_eq!(counts(&summary), [1, 0, 2, 0], "{lines:#?}");
    let (lines, summary) = replay(&world, new, &["--online"]);
    assert_eq!(counts(&summary), [1, 2, 0, 0], "{lines:#?}");
    assert!(text(&lines[0], "why").contains("create the ticket"), "{lines:#?}");
}
